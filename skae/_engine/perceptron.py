"""The multilayer perceptron: an encoder, and the decoder that mirrors it or an output layer.

`Perceptron` describes the layers and holds no numbers; `Network` computes with them. Layers
of other kinds may stand around it, in a front and a back.
"""

from dataclasses import dataclass
from math import prod

from skae._engine.blocks import Block


@dataclass(frozen=True)
class Perceptron:
    """The layers of an encoder and a decoder.

    Parameters
    ----------
    sizes : tuple of int
        Widths from the encoder's input, or the front's features, to the code. Where
        the features are an image (n_channels, ...), these are its channels and the
        layers act at each of its pixels; the code is then an image, too.
    encoder_activations, decoder_activations : tuple of str or TopK
        One per layer, in the order in which a row passes them; one more for the back. The
        decoder's last one turns its output into a reconstruction; losses take the output
        before it.
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
        Widths from the code to the output, or what the back gets; None for the
        encoder's, backwards.
    front, back : Block, default=None
        What rows pass before the encoder's layers, and after the decoder's.
    """

    sizes: tuple
    encoder_activations: tuple
    decoder_activations: tuple
    tied: tuple
    code_heads: int = 1
    output_heads: int = 1
    n_extra: int = 0
    decoder_sizes: tuple = None
    front: Block = None
    back: Block = None

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
        around = [f" {word} {b}" for word, b in (("after", self.front), ("before", self.back)) if b]
        return f"{widths} ({encoder} / {decoder}{tied}{heads}{extra}){''.join(around)}"

    @property
    def n_inputs(self):
        """Width of what the encoder gets."""
        return self.sizes[0] if self.front is None else self.front.shape_in[0]

    @property
    def n_outputs(self):
        """Width of an output, of one head."""
        if self.back is None:
            return self.decoder_sizes[-1]
        return self.back.shape_out[0] // self.output_heads

    @property
    def image(self):
        """Height, width (or whatever axes) of a code that is an image; () of one that is not."""
        return () if self.front is None else self.front.shape_out[1:]

    @property
    def decoded_image(self):
        """The same of what the decoder's layers give."""
        return () if self.back is None else self.back.shape_in[1:]

    @property
    def code_shape(self):
        """Of one row's code, before it is made a vector."""
        return (self.sizes[-1], *self.image)

    @property
    def width(self):
        """Of the widest layer."""
        encoder, decoder = max(self.sizes), max(self.decoder_sizes)
        dense = encoder * prod(self.image), decoder * prod(self.decoded_image)
        return max(*dense, *(block.width for block in self._blocks))

    @property
    def n_products(self):
        """Multiplications for one row in the layer that needs most."""
        encoder, decoder = (
            max(map(prod, shapes), default=0) * prod(image)
            for shapes, image in (
                (self.encoder_shapes, self.image),
                (self.decoder_shapes, self.decoded_image),
            )
        )
        return max(encoder, decoder, *(block.n_products for block in self._blocks))

    @property
    def encoder_shapes(self):
        """Shapes (fan_out, fan_in) of the encoder's weights."""
        return _shapes(self.sizes, self.code_heads)

    @property
    def decoder_shapes(self):
        """Shapes (fan_out, fan_in) of the decoder's weights, tied ones included."""
        return _shapes(self.decoder_sizes, self.output_heads if self.back is None else 1)

    @property
    def shapes(self):
        """Shapes of all tensors in the flat vector: first every weight, then the rest."""
        own = [s for s, tied in zip(self.decoder_shapes, self.tied[::-1], strict=True) if not tied]
        biases = [(s[0],) for s in (*self.encoder_shapes, *self.decoder_shapes)]
        others = [shape for block in self._blocks for shape in block.shapes]
        shapes = [*self.encoder_shapes, *own, *biases, *others, (self.n_extra,)]
        return sorted(shapes, key=lambda shape: len(shape) < 2)  # stable

    @property
    def n_weights(self):
        """Length of the flat vector's first part, the weights without biases."""
        return sum(prod(shape) for shape in self.shapes if len(shape) >= 2)

    @property
    def n_parameters(self):
        """Length of the flat vector."""
        return sum(map(prod, self.shapes))

    def split(self, flat):
        """The flat vector's tensors, as views. Each is an autograd leaf of its own: views
        of one leaf would send every gradient through the whole vector."""
        parts = flat.detach().split(list(map(prod, self.shapes)))
        return [_view(p.detach(), shape) for p, shape in zip(parts, self.shapes, strict=True)]

    @property
    def _blocks(self):
        return [block for block in (self.front, self.back) if block is not None]


def _view(part, shape):
    if len(shape) != 4:
        return part.view(shape)
    # The kernels of a convolution, channels last: without downsampling half as fast again.
    n_outer, n_inner, *kernel = shape
    return part.view(n_outer, *kernel, n_inner).permute(0, 3, 1, 2)


def _shapes(sizes, heads):
    """Shapes (fan_out, fan_in) of the layers between these widths; the last has `heads` outputs."""
    outputs = list(sizes[1:])
    outputs[-1:] = [heads * width for width in outputs[-1:]]
    return tuple(zip(outputs, sizes, strict=False))


def output_layer(n_components, n_outputs, activation):
    """A perceptron without an encoder, whose decoder is one layer."""
    return Perceptron(
        (n_components,), (), (activation,), (False,), decoder_sizes=(n_components, n_outputs)
    )
