"""A perceptron with its weights, as objectives use it.

All weights are views of one flat tensor, so that one optimiser step, one snapshot and
one array to pickle serve the whole network.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from itertools import chain
from math import prod

import torch
from torch.nn import functional

from skae._engine.activations import IDENTITY
from skae._engine.blocks import atoms_of, output_biases
from skae._engine.perceptron import KEPT

AVERAGED_START, AVERAGED_PART = 10.0, 1e-3  # see `Network.average_decoder`


def keeps_memory(formula):
    """Mark a formula that may write the gradient at its first input to memory `out`."""
    formula.keeps_memory = True
    return formula


def averages_rows(formula: Callable) -> Callable:
    """Mark a formula that is a mean over rows: if these have weights, it gets `sample_weight`.

    The weights are a tensor of shape (n,) that multiplies the contribution of each row. Their mean
    over all training rows is 1, but not their mean over a batch.

    Parameters
    ----------
    formula : callable
        A formula for `network.apply`, with an argument `sample_weight=None`.

    Returns
    -------
    formula : callable
        The same formula.

    See Also
    --------
    penalized : A formula that needs no weights.

    Examples
    --------
    >>> import torch
    >>> from skae.base import averages_rows
    >>> @averages_rows
    ... def mean_square(code, sample_weight=None):
    ...     weights = torch.ones(len(code)) if sample_weight is None else sample_weight
    ...     scale = 2.0 * weights[:, None] / len(code)
    ...     value = (weights * code.square().sum(dim=1)).mean()
    ...     return value, lambda gradient: (gradient * scale * code,)
    >>> mean_square(torch.ones(2, 3), sample_weight=torch.tensor([0.5, 1.5]))[0]
    tensor(3.)
    """
    formula.averages_rows = True
    return formula


def weighed(cells, sample_weight):
    """Values of each row, (..., n, width), times its weight if rows have weights."""
    return cells if sample_weight is None else cells * sample_weight.unsqueeze(-1)


@keeps_memory
def activated(a, activation, out=None):
    """h(a) and its pullback."""
    h = activation.function(a)

    def pullback(gradient):
        own = torch.empty_like(a) if out is None else out
        return (activation.pull_back(gradient, a, h, own),)

    return h, pullback


def two_heads(output):
    """The output's two halves, and their pullback."""
    return output.chunk(2, dim=-1), lambda *gradients: (torch.cat(gradients, dim=-1),)


class Network:
    """A perceptron with its weights, which are views of one flat tensor.

    Parameters
    ----------
    perceptron : Perceptron
    flat : Tensor of shape (length,)
        The weights, which are shared, not copied.
    gradient : Tensor of shape (length,), default=None
        Tensor to which `backward` adds the gradient; None for a network that is not
        trained.

    Attributes
    ----------
    n_epochs : float
        Number of finished epochs; infinite for a network that is not trained.
    progress : float or None
        Finished fraction of the training, from 0 to 1; None if its end is unknown.
    noted : list of Tensor or None
        Numbers that the objective noted for each batch of this epoch; None if not
        needed.
    active : Tensor of shape (n_components,) or None
        Mask of the components active in this epoch, if the objective notes it.
    part : Part or None
        The part of a batch to which its rows belong, if processes share batches.
    """

    n_epochs = math.inf
    progress = None
    noted = None
    dtype_of_products = None  # dtype to which operands are rounded; None for no rounding
    active = part = None
    _subtracts = True  # subtracts the origin from rows, unless the first bias does

    def __init__(self, perceptron, flat, gradient=None):
        self.perceptron, self.flat = perceptron, flat
        self._tensors = perceptron.layout.split(flat)  # by kind
        if gradient is not None:
            self._attach(perceptron.layout.split(gradient))

    def _attach(self, gradients):
        """Have autograd add the gradients of trained tensors to these."""
        for kind, its in gradients.items():
            if kind == "origin" or kind.startswith(KEPT):
                continue
            for tensor, gradient in zip(self._tensors[kind], its, strict=True):
                tensor.requires_grad_().grad = gradient

    def completed(self, units=None):
        """The network as read-only, with everything built that is otherwise built on demand.

        The bias of a dense first layer subtracts the origin, which is free. So is a last dense
        layer that converts outputs from their training units: `units`, if given, is a pair (scale,
        offset) of arrays of shape (n_outputs,).
        """
        _ = self.front, self.back
        if units is not None:
            self.decoder_layers = in_units(self.decoder_layers, *units)
        self.encoder_layers = self.folded_layers
        self._subtracts = self.front is not None
        return self

    @property
    def folded_layers(self):
        """The encoder's layers; the first one subtracts the origin if it is dense."""
        if self.front is not None or not self._subtracts or not self.encoder_layers:
            return self.encoder_layers
        (weight, bias, activation), *rest = self.encoder_layers
        return [(weight, bias - weight @ self.origin, activation), *rest]

    @cached_property
    def origin(self):
        """The origin subtracted from rows, of shape (n_inputs,): the mean of the first rows seen.

        It is not trained. Without it, for rows whose mean is large relative to their variation,
        the first layer's gradient would be almost that of a constant.
        """
        return self._tensors["origin"][0]

    @cached_property
    def encoder_weights(self):
        """Weights of the encoder's dense layers, each (fan_out, fan_in), input side first."""
        return self._tensors["encoder_weights"]

    @cached_property
    def encoder_biases(self):
        """Biases of the same layers, each of shape (fan_out,)."""
        return self._tensors["encoder_biases"]

    @cached_property
    def own_decoder_weights(self):
        """Weights of the decoder's dense layers, the code's first; None for tied ones."""
        own = self._tensors["decoder_weights"]
        if not any(self.perceptron.tied):
            return own
        own = iter(own)
        return [None if tied else next(own) for tied in self.perceptron.tied[::-1]]

    @cached_property
    def decoder_biases(self):
        """Biases of the same layers, each of shape (fan_out,)."""
        return self._tensors["decoder_biases"]

    @property
    def front_tensors(self):
        """The parameters of the front's module."""
        return self._tensors["front"]

    @property
    def back_tensors(self):
        """The parameters of the back's module."""
        return self._tensors["back"]

    @property
    def extra(self):
        """Trained numbers that belong to no layer, of shape (n_extra,)."""
        return self._tensors["extra"][0]

    def average_decoder(self):
        """Update the averages of the decoder's weights after a training step.

        After the first step they equal the weights. Later, each step has about a thousandth of the
        total weight, but early ones are forgotten sooner: after t early steps, the average covers
        about the last t / 10.
        """
        (n_averaged,) = self._tensors[f"{KEPT}n_averaged"]
        part = (AVERAGED_START / (AVERAGED_START + n_averaged)).clamp_(min=AVERAGED_PART)
        averages, decoder = self._averages_and_decoder
        averages.lerp_(decoder, part)
        n_averaged += 1

    @property
    def game(self):
        """State that a game keeps between steps, of shape (2,); exists only beside averages."""
        return self._tensors[f"{KEPT}game"][0]

    @cached_property
    def _averages_and_decoder(self):
        """Both as slices of the flat vector, in the same order."""
        parts = self.perceptron.layout.parts
        decoder = self.flat[parts["decoder"]]
        return self.flat[parts["averages"]][: len(decoder)], decoder

    def with_averages(self):
        """A separate network, whose decoder has the averages as its weights."""
        network = Network(self.perceptron, self.flat.clone())
        averages, decoder = network._averages_and_decoder
        decoder.copy_(averages)
        return network

    @cached_property
    def front(self):
        """The module of the layers before the dense ones; None without."""
        block = self.perceptron.front
        return block and block.bound_to(self.front_tensors, like=self.flat)

    @cached_property
    def back(self):
        """The module of the layers after the dense ones; None without."""
        block = self.perceptron.back
        return block and block.bound_to(self.back_tensors, like=self.flat)

    @property
    def decoder_weights(self):
        """The decoder's weights, tied ones as transposed views of the encoder's."""
        if not any(self.perceptron.tied):
            return self._tensors["decoder_weights"]
        mirrored = [*self.encoder_weights[:-1], self._code_weights][::-1]
        mirrored[-1] = mirrored[-1][:, : self.perceptron.decoder_sizes[-1]]
        return [
            mirror.t() if own is None else own
            for own, mirror in zip(self.own_decoder_weights, mirrored, strict=True)
        ]

    @property
    def _code_weights(self):
        """The encoder's last weights, without a second head's."""
        return self.encoder_weights[-1][: self.perceptron.sizes[-1]]

    @property
    def encoder_tensors(self):
        """All tensors of the encoder, in the order in which rows pass them."""
        dense = _interleaved(self.encoder_weights, self.encoder_biases)
        return [*self._tensors["origin"], *self.front_tensors, *dense]

    @property
    def decoder_tensors(self):
        """All tensors of the decoder except tied ones, likewise."""
        dense = _interleaved(self.own_decoder_weights, self.decoder_biases)
        return [*dense, *self.back_tensors]

    def set_blocks(self, seed):
        """Give front and back their initial weights, drawn from a seed."""
        perceptron = self.perceptron
        pairs = (perceptron.front, self.front_tensors), (perceptron.back, self.back_tensors)
        for block, tensors in pairs:
            values = block.initial_values(seed) if block else []
            for tensor, value in zip(tensors, values, strict=True):
                tensor.copy_(value)

    @property
    def atoms(self):
        """The decoder's weights, each with the axis that counts its atoms."""
        dense = [(weight, 1) for weight in self.decoder_weights]
        return dense if self.back is None else [*dense, *atoms_of(self.back)]

    @property
    def code_at_origin(self):
        """The code of a row at the origin, of shape (1, n_components)."""
        rows = self.flat.new_zeros(1, self.perceptron.n_inputs)
        code = self._encode(rows if self.perceptron.front is None else self._in_front(rows))
        return code if self.perceptron.code_heads == 1 else code[0]

    def answer(self, code, output):
        """Make the network decode a code to an output (1, n_outputs), before the activation.

        This changes its last biases in place, as far as they allow: a convolution has one per
        channel, and layers other than dense ones and convolutions may have none.
        """
        is_dense = self.perceptron.back is None
        biases = self.decoder_biases[-1] if is_dense else output_biases(self.back)
        n_biases = 0 if biases is None else len(biases) // self.perceptron.output_heads
        if n_biases and self.perceptron.n_outputs % n_biases == 0:
            missing = output - self.mean_output(code)
            biases[:n_biases] += missing.reshape(n_biases, -1).mean(dim=1)

    def mean_output(self, code):
        """`decode`, without a second head."""
        output = self.decode(code)
        return output if self.perceptron.output_heads == 1 else output[0]

    def features(self, x):
        """Inputs of the dense layers for rows x: (n, width), or (n, n_pixels, width)."""
        x = self.from_origin(x)
        return x if self.perceptron.front is None else self._in_front(x)

    def from_origin(self, x):
        """Inputs of the front, or of the first dense layer, for rows x."""
        if self.perceptron.log_inputs:  # in place, as memory for wide rows takes long to get
            x = x.clamp(min=0.0).log1p_()
            return x.sub_(self.origin) if self._subtracts else x
        return x - self.origin if self._subtracts else x

    def _in_front(self, x):
        features = self._run(self.front, x)
        return features.flatten(2).mT if self.perceptron.image else features

    def encode(self, x):
        """Code of shape (n, n_components); with two heads, a pair (code, second head)."""
        return self._encode(self.features(x))

    def _encode(self, features):
        if self.perceptron.has_plain_code:
            return _through(self.encoder_layers, features)
        heads = _heads(self.encoder_layers, self.perceptron.code_heads, features)
        if len(heads) == 1:
            return self._as_rows(heads[0])
        return self._as_rows(self.code_activation.function(heads[0])), self._as_rows(heads[1])

    def units(self, code):
        """A code with a column for each unit; a code that is an image has a row for each pixel."""
        return self._at_pixels(code, self.perceptron.image).flatten(0, -2)

    def before_code(self, x):
        """Inputs of the encoder's last layer for x, (n, fan_in) or (n, n_pixels, fan_in)."""
        return _through(self.encoder_layers[:-1], self.features(x))

    def encode_with_slopes(self, features):
        """Code, and for each dense layer the derivative of its activation.

        Derivatives have the shape of the features, (n, fan_out) or (n, n_pixels, fan_out).
        """
        slopes, h = [], features
        for number, (_, _, activation) in enumerate(self.encoder_layers):
            output = self._encoder_output(number, h)
            h = activation.function(output)
            slopes.append(activation.slope(output, h))
        return self._as_rows(h), slopes

    def decode(self, code):
        """Output of shape (n, n_features) before the last activation (for a loss); with
        two heads, a pair (output, second head)."""
        if self.perceptron.has_plain_output:
            return _through(self.decoder_layers, code)
        code = self._at_pixels(code, self.perceptron.decoded_image)
        if self.back is not None:
            return self._output_heads(self._behind(_through(self.decoder_layers, code)))
        heads = _heads(self.decoder_layers, self.perceptron.output_heads, code)
        return heads if len(heads) == 2 else heads[0]

    def _as_rows(self, output):
        """The image as a row, from an output at each pixel, (n, n_pixels, width)."""
        return output.mT.flatten(1) if self.perceptron.image else output

    @staticmethod
    def _at_pixels(code, image):
        """The inverse, for codes of shape (..., n_components)."""
        return code.unflatten(-1, (-1, prod(image))).mT if image else code

    def _behind(self, h):
        """The back's output for that of the decoder's last dense layer."""
        if self.back is None:
            return h
        if self.perceptron.decoded_image:
            h = h.mT
        leading = h.shape[: h.ndim - 1 - bool(self.perceptron.decoded_image)]
        rows = h.reshape(-1, *self.perceptron.back.shape_in)
        return self._run(self.back, rows).reshape(*leading, -1)

    def _run(self, module, x):
        return module(x)

    def apply(self, formula, *inputs, **constants):
        """The value of a formula with a pullback (see `Tape.apply`)."""
        return formula(*inputs, **self._weighing(formula), **constants)[0]

    def mean(self, values):
        """The mean over rows of values of shape (..., n), weighted if rows have weights."""
        weights = self.sample_weight
        return values.mean() if weights is None else (values * weights).mean()

    def in_proportion(self, sums):
        """Sums over the rows of a batch; for a part, the whole batch's times the part's share.

        For objectives that are not means over rows, but depend on statistics of the batch: divided
        by the number of rows, they give the same means in every part.
        """
        return sums if self.part is None else self.part.in_proportion(sums)

    def note(self, value):
        """Record a number of this batch, a tensor, for the mean over the epoch."""
        if self.noted is not None:
            self.noted.append(value if self.part is None else value * self.part.share)

    def weigh(self, sample_weight):
        """Set the weights of the next batch, of shape (n,), or None."""
        self._sample_weight, self.has_weighed = sample_weight, False

    @property
    def sample_weight(self):
        """Weight of each row of the batch, of shape (n,); None for equal weights."""
        self.has_weighed = True
        return self._sample_weight

    _sample_weight, has_weighed = None, False

    def _weighing(self, formula):
        """Additional arguments of a formula that averages rows."""
        if self._sample_weight is None or not hasattr(formula, "averages_rows"):
            return {}
        return {"sample_weight": self.sample_weight}

    def reconstruct(self, code):
        """Reconstruction of shape (n, n_features): the output and its activation."""
        return self.output_activation.function(self.mean_output(code))

    def _encoder_output(self, number, x):
        """Linear output of a layer of the encoder."""
        weight, bias, _ = self.encoder_layers[number]
        return functional.linear(x, weight, bias)

    def _output_heads(self, output):
        """The result of `decode`, given the output of the back."""
        return output if self.perceptron.output_heads == 1 else self.apply(two_heads, output)

    @cached_property
    def encoder_layers(self):
        """Triples (weight, bias, activation); with two heads, the last one without any."""
        weights, biases = self._tensors["encoder_weights"], self._tensors["encoder_biases"]
        functions = self.perceptron.encoder_functions
        functions = functions if self.perceptron.code_heads == 1 else [*functions[:-1], IDENTITY]
        return list(zip(weights, biases, functions, strict=True))

    @cached_property
    def decoder_layers(self):
        """Triples (weight, bias, activation); the loss handles the output's activation."""
        weights, biases = self.decoder_weights, self._tensors["decoder_biases"]
        functions = self.perceptron.decoder_functions[:-1]
        functions = functions if self.perceptron.back else [*functions, IDENTITY]
        return list(zip(weights, biases, functions, strict=True))

    @property
    def code_activation(self):
        """The activation of the encoder's last layer."""
        return self.perceptron.encoder_functions[-1]

    @property
    def output_activation(self):
        """The activation that turns the decoder's output into a reconstruction."""
        return self.perceptron.decoder_functions[-1]


def _through(layers, x):
    for weight, bias, activation in layers:
        x = functional.linear(x, weight, bias)
        if activation is not IDENTITY:
            x = (activation.in_place or activation.function)(x)
    return x


def _heads(layers, n_heads, x):
    """The output of some layers for x, in one piece or two.

    Each head is a separate product, so that a code is identical to the bit in a network without
    the second head.
    """
    if n_heads == 1:
        return (_through(layers, x),)
    *below, (weight, bias, _) = layers
    h, halves = _through(below, x), zip(weight.chunk(2), bias.chunk(2), strict=True)
    return tuple(functional.linear(h, *half) for half in halves)


def _interleaved(weights, biases):
    return [tensor for tensor in chain(*zip(weights, biases, strict=True)) if tensor is not None]


def in_units(layers, scale, offset):
    """Layers whose last one gives output * scale + offset, which are float64 arrays."""
    *below, (weight, bias, activation) = layers
    # On the CPU, since an offset far from 0 needs float64, which some devices lack.
    scale, offset = (torch.tensor(its, device="cpu") for its in (scale, offset))
    scaled = (weight.cpu() * scale[:, None]).to(weight)
    return [*below, (scaled, (bias.cpu() * scale + offset).to(bias), activation)]


def fold_origin(network):
    """Make the first layer, a dense one, subtract the origin from now on, in place."""
    (_, folded, _), *_ = network.folded_layers
    network.encoder_biases[0].copy_(folded)
    network.origin.zero_()


ENCODER, DECODER = "encoder_tensors", "decoder_tensors"


def matching_tensors(network, parts, name):
    """Pairs of views of the same weights in a network and in its parts, in order.

    A second head of a part, which the network lacks, is left out.
    """
    skips = name == ENCODER and network.perceptron.front is None  # upper origins are folded
    its = [
        tensor
        for number, part in enumerate(parts)
        for tensor in getattr(part, name)[skips and number > 0 :]
    ]
    pairs = zip(getattr(network, name), its, strict=True)
    return [(whole, part[: len(whole)]) for whole, part in pairs]


def lifted_off(perceptron, network):
    """A separate network of a network's output layer, described by a perceptron."""
    layer = Network(perceptron, network.flat.new_zeros(perceptron.length))
    for own, its in matching_tensors(layer, [network], DECODER):
        own.copy_(its)
    return layer


def put_on_top(layer, network):
    """A separate network of a network's encoder, with its first head, and an output layer."""
    its = network.perceptron
    perceptron = replace(
        layer.perceptron,
        sizes=its.sizes,
        encoder_activations=its.encoder_activations,
        front=its.front,
        log_inputs=its.log_inputs,
    )
    whole = Network(perceptron, network.flat.new_zeros(perceptron.length))
    for part, name in ((network, ENCODER), (layer, DECODER)):
        for own, its in matching_tensors(whole, [part], name):
            own.copy_(its)
    return whole
