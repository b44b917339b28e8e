"""The multilayer perceptron: an encoder, and the decoder that mirrors it or an output layer.

`Perceptron` describes the layers and holds no numbers; `Network` computes with them. Layers of
other kinds may surround it, as a front and a back.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import compress
from math import prod
from operator import attrgetter, not_

from skae._engine.activations import (
    SATURATING,
    BlockSoftmax,
    activation_name,
    find_activation,
)
from skae._engine.blocks import Block


@dataclass(frozen=True)
class Perceptron:
    """The layers of an encoder and a decoder.

    Parameters
    ----------
    sizes : tuple of int
        Widths from the encoder's input, or the front's features, to the code. If the
        features are an image (n_channels, ...), widths are numbers of channels and the
        layers act at each pixel; the code is then an image, too.
    encoder_activations, decoder_activations : tuple of str or TopK
        One per layer, in the order in which rows pass them; one more for the back. The decoder's
        last one is the meaning of its output, an object with an `activation` that turns it into a
        reconstruction; losses take the output before the activation.
    tied : tuple of bool
        One per decoder layer, the code's last: whether it uses the weights of the encoder's
        layer between the same two widths, transposed (the first input columns' only, if
        the input has more of them than the output).
    code_heads : int
        Number of vectors of the code's width that the encoder gives (2: mean,
        log-variance). The activation applies to the first one.
    output_heads : int
        Number of vectors of the data's width that the decoder gives (2: mean,
        log-variance). The activation applies to the first one; its last layer is not
        tied.
    n_extra : int
        Number of further trained numbers that belong to no layer.
    decoder_sizes : tuple of int, default=None
        Widths from the code to the output, or to the back's input; None for the
        encoder's, reversed.
    front, back : Block, default=None
        Layers before the encoder's dense layers, and after the decoder's.
    log_inputs : bool, default=False
        Whether the first layer gets log(1 + x) for rows x of counts.
    averages : bool, default=False
        Whether the flat vector also holds running averages of the decoder's weights, their number
        of steps, and two numbers that a game keeps between steps.

    Attributes
    ----------
    output : str or Output
        Meaning of the decoder's output.
    has_encoder : bool
        Whether the perceptron is more than an output layer.
    has_plain_code, has_plain_output : bool
        Whether the code, or the output, is simply the output of the dense layers.
    n_inputs : int
        Width of the encoder's input.
    n_outputs : int
        Width of one head of the output.
    image, decoded_image : tuple of int
        Height, width (or other axes) of a code, or of the output of the decoder's layers, that is
        an image; () for others.
    code_shape : tuple of int
        Shape of one row's code before it is flattened.
    encoder_shapes, decoder_shapes : tuple of tuple of int
        Shapes (fan_out, fan_in) of the weights, tied ones included.
    encoder_bias_shapes, decoder_bias_shapes : tuple of tuple of int
        Shapes (fan_out,) of the biases.
    encoder_functions, decoder_functions : list of Activation
        One per layer, and the output's at the end.
    blocks : list of Block
        The front and the back, if there are any.
    products : list of int
        Multiplications for one row in each dense layer and the largest layer of each block.
    width : int
        Width of the widest layer.
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
    log_inputs: bool = False
    averages: bool = False

    def __post_init__(self):
        front, back = self.front, self.back
        decoder_sizes = self.sizes[::-1] if self.decoder_sizes is None else self.decoder_sizes
        image = () if front is None else front.shape_out[1:]
        decoded_image = () if back is None else back.shape_in[1:]
        encoder, encoder_biases = _shapes(self.sizes, self.code_heads)
        decoder, biases = _shapes(decoder_sizes, self.output_heads if back is None else 1)
        blocks, parts = [*filter(None, (front, back))], ((encoder, image), (decoder, decoded_image))
        products = [prod(shape) * prod(of) for shapes, of in parts for shape in shapes]
        widths = max(self.sizes) * prod(image), max(decoder_sizes) * prod(decoded_image)
        derived = {
            "decoder_sizes": decoder_sizes,
            "output": self.decoder_activations[-1],
            "has_encoder": len(self.sizes) > 1,
            "has_plain_code": self.code_heads == 1 and not image,
            "has_plain_output": self.output_heads == 1 and back is None,
            "n_inputs": self.sizes[0] if front is None else front.shape_in[0],
            "n_outputs": back.shape_out[0] // self.output_heads if back else decoder_sizes[-1],
            "image": image,
            "decoded_image": decoded_image,
            "code_shape": (self.sizes[-1], *image),
            "encoder_shapes": encoder,
            "decoder_shapes": decoder,
            "encoder_bias_shapes": encoder_biases,
            "decoder_bias_shapes": biases,
            "encoder_functions": list(map(find_activation, self.encoder_activations)),
            "decoder_functions": list(map(find_activation, self.decoder_activations)),
            "blocks": blocks,
            "products": [*products, *map(attrgetter("n_products"), blocks)],
            "width": max(*widths, *map(attrgetter("width"), blocks)),
        }
        vars(self).update(derived)  # as frozen dataclasses refuse assignments

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
        logs = "log(1 + x) to " if self.log_inputs else ""
        around = [f" {word} {b}" for word, b in (("after", self.front), ("before", self.back)) if b]
        return f"{logs}{widths} ({encoder} / {decoder}{tied}{heads}{extra}){''.join(around)}"

    @cached_property
    def n_linear_components(self):
        """How many components of the code can start with linear encoding and decoding.

        Two hidden units with opposite inputs make a linear one, if the activation allows it. Up to
        half of a hidden layer does so; the others remain for nonlinear structure.
        """
        mirrors = self.decoder_sizes[:-1] == self.sizes[:0:-1] and not any(self.tied)
        if self.n_inputs != self.n_outputs:
            # With a table, inputs may also have a mask, which the initial code ignores.
            mirrors &= isinstance(activation_name(self.output), BlockSoftmax)
        has_plain_code = self.encoder_activations[-1:] == ("identity",)
        hidden = [*self.encoder_functions[:-1], *self.decoder_functions[:-1]]
        pairs = all(map(attrgetter("pair"), hidden))
        if self.blocks or not (mirrors and has_plain_code and pairs):
            return 0
        return min([4 * self.sizes[-1], *self.sizes[1:-1]]) // 4

    @cached_property
    def n_saturating_components(self):
        """How many components of a code can start in the middle of units that saturate.

        All, or 0: the units must be the only layer, and fewer than the columns.
        """
        is_narrow = len(self.sizes) == 2 and self.sizes[1] < self.sizes[0] == self.n_outputs
        is_plain = self.has_plain_code and self.has_plain_output and not self.log_inputs
        if not (is_narrow and is_plain) or self.blocks or any(self.tied):
            return 0
        saturates = self.encoder_activations[0] in SATURATING and len(self.decoder_sizes) == 2
        is_elementwise = activation_name(self.output) in ("identity", "logistic")
        return self.sizes[1] if saturates and is_elementwise else 0

    @cached_property
    def layout(self):
        """The `Layout` of the flat vector, in parts: encoder, decoder, the rest and averages.

        Averages come last, since no optimiser moves them, in the layout of the decoder's weights.
        """
        own = tuple(compress(self.decoder_shapes, map(not_, self.tied[::-1])))
        groups = [
            ("encoder", "origin", ((self.n_inputs,),) if self.has_encoder else ()),
            ("encoder", "front", self.front.shapes if self.front else ()),
            ("encoder", "encoder_weights", self.encoder_shapes),
            ("encoder", "encoder_biases", self.encoder_bias_shapes),
            ("decoder", "decoder_weights", own),
            ("decoder", "decoder_biases", self.decoder_bias_shapes),
            ("decoder", "back", self.back.shapes if self.back else ()),
            ("rest", "extra", ((self.n_extra,),)),
        ]
        if self.averages:
            kept = [group[1:] for group in groups if group[0] == "decoder"]
            kept += ("n_averaged", ((1,),)), ("game", ((2,),))
            groups += [("averages", f"{KEPT}{kind}", shapes) for kind, shapes in kept]
        return layout_of(tuple(groups))

    @property
    def length(self):
        """Length of the flat vector."""
        return self.layout.length

    @property
    def n_parameters(self):
        """Number of trained numbers; the flat vector is longer, see `Layout`."""
        trained = sum(n for part, n in self.layout.n_numbers.items() if part != "averages")
        return trained - self.n_inputs * self.has_encoder  # not the origin


KEPT = "kept_"  # prefix of kinds of tensors that training changes, but no optimiser


# In numbers: 64 bytes of bfloat16, the shortest dtype, which is a cache line and the widest
# register. Products of unaligned operands round differently: results would depend on a tensor's
# place.
ALIGNMENT = 32


class Layout:
    """Where tensors lie in a flat vector.

    Each part is contiguous, with its weights (tensors of two or more axes) before its other
    tensors. Each tensor begins at a multiple of `ALIGNMENT`; the gaps hold zeros, which no
    gradient reaches.

    Parameters
    ----------
    groups : tuple of (part, kind, shapes)
        Names of a part and of a kind of tensors in it, and the shapes of these tensors.

    Attributes
    ----------
    length : int
        Length of the vector.
    n_numbers : dict of int
        How many numbers the tensors of each part have, without the gaps.
    parts : dict of slice
        Slice of each part.
    weights : dict of slice
        Slice of the weights of each part.
    """

    def __init__(self, groups):
        self.length, self.n_numbers, self._places = 0, {}, {}
        self.parts, self.weights = {}, {}
        for part in dict.fromkeys(part for part, _, _ in groups):
            kinds = {kind: shapes for its, kind, shapes in groups if its == part}
            start = self.length
            self._place(kinds, lambda shape: len(shape) >= 2)
            self.weights[part] = slice(start, self.length)
            self._place(kinds, lambda shape: len(shape) < 2)
            self.parts[part] = slice(start, self.length)
            self.n_numbers[part] = sum(prod(s) for shapes in kinds.values() for s in shapes)

    def _place(self, kinds, is_next):
        for kind, shapes in kinds.items():
            places = self._places.setdefault(kind, [None] * len(shapes))
            for number, shape in enumerate(shapes):
                if is_next(shape):
                    places[number] = shape, _strides(shape), self.length
                    self.length += -(-prod(shape) // ALIGNMENT) * ALIGNMENT

    def split(self, flat):
        """The vector's tensors as lists by kind, each a view that is its own autograd leaf: views
        of one leaf would send every gradient through the whole vector."""
        flat, tensors = flat.detach(), {}
        begin = flat.storage_offset()
        for kind, places in self._places.items():
            its = tensors[kind] = []
            for shape, strides, start in places:
                its.append(flat.as_strided(shape, strides, begin + start))
        return tensors


# Cached, since each call of `partial_fit` describes its perceptron anew, mostly the same.
layout_of = lru_cache(maxsize=64)(Layout)


def _strides(shape):
    if len(shape) != 4:
        return tuple(prod(shape[axis + 1 :]) for axis in range(len(shape)))
    # The kernels of a convolution, channels last: 1.5 times as fast without downsampling.
    _, n_inner, *kernel = shape
    return n_inner * prod(kernel), 1, n_inner * kernel[1], n_inner


def _shapes(sizes, heads):
    """Shapes of the weights, and of the biases, of layers between these widths.

    The last layer has `heads` outputs.
    """
    outputs = list(sizes[1:])
    if outputs:
        outputs[-1] *= heads
    return tuple(zip(outputs, sizes, strict=False)), tuple(zip(outputs))


def output_layer(n_components, n_outputs, output):
    """A perceptron without an encoder, whose decoder is one layer."""
    return Perceptron(
        (n_components,), (), (output,), (False,), decoder_sizes=(n_components, n_outputs)
    )
