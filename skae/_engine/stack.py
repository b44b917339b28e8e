"""Several perceptrons as one: encoders in order, decoders in reverse."""

from dataclasses import dataclass, replace

import torch
from torch import nn

from skae._engine.activations import activation_name, find_activation
from skae._engine.blocks import describe
from skae._engine.modules import Centre, FirstHead, decoder_module, layers_from_origin
from skae._engine.network import DECODER, ENCODER, Network, matching_tensors
from skae._engine.perceptron import Perceptron


def stack(perceptrons):
    """One perceptron from several: encoders in order, decoders in reverse.

    Second heads and extra numbers are left out. If one of them has layers of another kind,
    everything below the last one's dense layers becomes the front and back.
    """
    if any(p.front is not None for p in perceptrons):
        return _with_blocks(tuple(perceptrons))
    first, *rest = perceptrons
    decoders = [(*p.decoder_activations[:-1], activation_name(p.output)) for p in perceptrons]
    hidden = sum(decoders[::-1], ())[:-1]
    return Perceptron(
        sizes=first.sizes + sum((p.sizes[1:] for p in rest), ()),
        encoder_activations=sum((p.encoder_activations for p in perceptrons), ()),
        decoder_activations=(*hidden, first.output),
        tied=sum((p.tied for p in perceptrons), ()),
        decoder_sizes=sum(
            (p.decoder_sizes[1:] for p in perceptrons[::-1]), perceptrons[-1].sizes[-1:]
        ),
        log_inputs=first.log_inputs,
    )


def _with_blocks(perceptrons):
    first, top = perceptrons[0], perceptrons[-1]
    front = describe(StackedLayers(perceptrons, "encoder"), (first.n_inputs,))
    dense = top.decoder_activations[: len(top.decoder_shapes)]
    return replace(
        top,
        decoder_activations=(*dense, first.output),
        code_heads=1,
        output_heads=1,
        n_extra=0,
        front=front,
        log_inputs=first.log_inputs,
        back=describe(StackedLayers(perceptrons, "decoder"), front.shape_out),
    )


@dataclass(frozen=True)
class StackedLayers:
    """The source of a stack's layers around the dense layers of its last perceptron.

    Parameters
    ----------
    perceptrons : tuple of Perceptron
    part : {'encoder', 'decoder'}
    """

    perceptrons: tuple
    part: str

    def __call__(self):
        *below, top = self.perceptrons
        networks = [_first_head(p) for p in below]
        if self.part == "encoder":
            return nn.Sequential(*self._encoders(networks, top))
        its = []
        if top.back is not None:
            its = [top.back.source(), FirstHead(top.n_outputs)]
        if top.back is not None and below:
            its.append(find_activation(top.output).layer())
        decoders = [decoder_module(n, with_activation=n is not networks[0]) for n in networks[::-1]]
        return nn.Sequential(*its, *decoders)

    @staticmethod
    def _encoders(networks, top):
        """The encoder of each layer, without what the whole network does with its own rows."""
        for number, network in enumerate(networks):
            if number > 0:
                yield Centre(network.origin)
            yield nn.Sequential(*layers_from_origin(network, network.encoder_layers))
        if networks:
            yield Centre(torch.zeros(top.n_inputs, device="cpu"))
        if top.front is not None:
            yield top.front.source()


def _first_head(perceptron):
    """A network of zeros with the parts of a perceptron that a stack keeps."""
    heads = 1 if perceptron.back is None else perceptron.output_heads
    perceptron = replace(perceptron, code_heads=1, output_heads=heads, n_extra=0)
    return Network(perceptron, torch.zeros(perceptron.length, device="cpu"))


def stacked_tensors(network, parts):
    """`matching_tensors` of a stacked network: encoders in order, decoders in reverse."""
    encoders = matching_tensors(network, parts, ENCODER)
    return encoders + matching_tensors(network, parts[::-1], DECODER)
