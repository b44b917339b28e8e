"""The multilayer perceptron: an encoder, and the decoder that mirrors it or an output layer.

`Perceptron` describes the layers and holds no numbers; `Network` computes with them.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Perceptron:
    """The layers of an encoder and a decoder.

    Parameters
    ----------
    sizes : tuple of int
        Widths from the encoder's input to the code.
    encoder_activations, decoder_activations : tuple of str or TopK
        One per layer, in the order in which a row passes them. The decoder's last one
        turns its output into a reconstruction; losses take the output before it.
    tied : tuple of bool
        One per decoder layer, the code's last: whether it uses the weights of the encoder's
        layer between the same two widths, transposed (the first input columns' only, if
        the input has more of them than the output).
    code_heads : int
        How many vectors of the code's width the encoder gives (2: mean, log-variance).
        The activation applies to the first one.
    output_heads : int
        How many vectors of the data's width the decoder gives (2: mean, log-variance).
        The activation applies to the first one; its last layer is not tied.
    n_extra : int
        Number of further trained numbers that belong to no layer.
    decoder_sizes : tuple of int, default=None
        Widths from the code to the output; None for the encoder's, backwards.
    """

    sizes: tuple
    encoder_activations: tuple
    decoder_activations: tuple
    tied: tuple
    code_heads: int = 1
    output_heads: int = 1
    n_extra: int = 0
    decoder_sizes: tuple = None

    def __post_init__(self):
        if self.decoder_sizes is None:
            object.__setattr__(self, "decoder_sizes", self.sizes[::-1])

    def __str__(self):
        widths = "-".join(map(str, self.sizes))
        if self.n_outputs != self.sizes[0]:
            widths += f" and back to {self.n_outputs}"
        encoder, decoder = (
            " ".join(map(str, activations))
            for activations in (self.encoder_activations, self.decoder_activations)
        )
        tied = ", tied" if any(self.tied) else ""
        heads = ", decoded variance" if self.output_heads == 2 else ""
        extra = f", {self.n_extra} learned variance" if self.n_extra else ""
        return f"{widths} ({encoder} / {decoder}{tied}{heads}{extra})"

    @property
    def n_outputs(self):
        """Width of an output, of one head."""
        return self.decoder_sizes[-1]

    @property
    def width(self):
        """Of the widest layer."""
        return max(*self.sizes, *self.decoder_sizes)

    @property
    def encoder_shapes(self):
        """Shapes (fan_out, fan_in) of the encoder's weights."""
        return _shapes(self.sizes, self.code_heads)

    @property
    def decoder_shapes(self):
        """Shapes (fan_out, fan_in) of the decoder's weights, tied ones included."""
        return _shapes(self.decoder_sizes, self.output_heads)

    @property
    def shapes(self):
        """Shapes of all tensors in the flat vector: first every weight, then the rest."""
        own = [s for s, tied in zip(self.decoder_shapes, self.tied[::-1], strict=True) if not tied]
        biases = [(s[0],) for s in (*self.encoder_shapes, *self.decoder_shapes)]
        return [*self.encoder_shapes, *own, *biases, (self.n_extra,)]

    @property
    def n_weights(self):
        """Length of the flat vector's first part, the weights without biases."""
        return sum(int(np.prod(s)) for s in self.shapes if len(s) == 2)

    @property
    def n_parameters(self):
        """Length of the flat vector."""
        return sum(int(np.prod(s)) for s in self.shapes)

    def split(self, flat):
        """The flat vector's tensors, as views. Each is an autograd leaf of its own: views
        of one leaf would send every gradient through the whole vector."""
        parts = flat.detach().split([int(np.prod(s)) for s in self.shapes])
        return [p.detach().view(s) for p, s in zip(parts, self.shapes, strict=True)]


def _shapes(sizes, heads):
    """Shapes (fan_out, fan_in) of the layers between these widths; the last has `heads` outputs."""
    outputs = list(sizes[1:])
    outputs[-1:] = [heads * width for width in outputs[-1:]]
    return tuple(zip(outputs, sizes, strict=False))


def stack(perceptrons):
    """One perceptron of several: encoders in order, decoders in reverse.

    Second heads and extra numbers are left out.
    """
    first, *rest = perceptrons
    return Perceptron(
        sizes=first.sizes + sum((p.sizes[1:] for p in rest), ()),
        encoder_activations=sum((p.encoder_activations for p in perceptrons), ()),
        decoder_activations=sum((p.decoder_activations for p in perceptrons[::-1]), ()),
        tied=sum((p.tied for p in perceptrons), ()),
        decoder_sizes=sum(
            (p.decoder_sizes[1:] for p in perceptrons[::-1]), perceptrons[-1].sizes[-1:]
        ),
    )


def output_layer(n_components, n_outputs, activation):
    """A perceptron without an encoder, whose decoder is one layer."""
    return Perceptron(
        (n_components,), (), (activation,), (False,), decoder_sizes=(n_components, n_outputs)
    )
