"""A perceptron with its weights, as the objectives see it.

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

from skae._engine.activations import IDENTITY, find_activation
from skae._engine.blocks import atoms_of, output_biases
from skae._engine.perceptron import KEPT

AVERAGED_START, AVERAGED_PART = 10.0, 1e-3  # see `Network.average_decoder`


def keeps_memory(formula):
    """Mark a formula whose gradient at the first input may lie in memory that it gets as `out`."""
    formula.keeps_memory = True
    return formula


def averages_rows(formula: Callable) -> Callable:
    """Mark a formula that is a mean over rows: where these have weights, it gets `sample_weight`.

    They are a tensor of shape (n,), to multiply what each row contributes by. Their mean over
    all rows of a training is 1; that over the rows of a batch is not.

    Parameters
    ----------
    formula : callable
        What is to be passed to `network.apply`, with an argument `sample_weight=None`.

    Returns
    -------
    formula : callable
        The same.

    See Also
    --------
    penalized : A formula that needs none.

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
    """Those of each row, (..., n, width), times its weight, if rows have weights."""
    return cells if sample_weight is None else cells * sample_weight.unsqueeze(-1)


@keeps_memory
def two_heads(output, activation, out=None):
    """Two halves of the output, the first one through an activation, and their pullback."""
    first, second = _halves(output)
    h = activation.function(first)

    def pullback(gradient, second_gradient):
        whole = torch.empty_like(output) if out is None else out
        first_gradient, rest = _halves(whole)
        activation.pull_back(gradient, first, h, first_gradient)
        rest.copy_(second_gradient)
        return (whole,)

    return (h, second), pullback


def _halves(output):
    width = output.shape[-1] // 2
    return output.narrow(-1, 0, width), output.narrow(-1, width, width)


class Network:
    """A perceptron with its weights, which are views of one flat tensor.

    Parameters
    ----------
    perceptron : Perceptron
    flat : Tensor of shape (length,)
        The weights; shared, not copied.
    gradient : Tensor of shape (length,), default=None
        Where `backward` adds the gradient; None for a network that is not trained.

    Attributes
    ----------
    n_epochs : float
        Epochs of training behind it; infinite for a network that is not trained.
    progress : float or None
        How much of the training is over, from 0 to 1; None of one whose end is not known.
    noted : list of Tensor or None
        What the objective has noted of each batch of this epoch; None if nobody asks.
    active : Tensor of shape (n_components,) or None
        Which components have been active in this epoch, if the objective notes it.
    part : Part or None
        Which part of a batch its rows are, where other processes have the others.
    """

    n_epochs = math.inf
    progress = None
    noted = None
    dtype_of_products = None  # what operands are rounded to before; None: they are not
    active = part = None
    _subtracts = True  # the origin from rows, unless the first bias does that

    def __init__(self, perceptron, flat, gradient=None):
        self.perceptron = perceptron
        self.flat = flat
        self._gradient = gradient

    @cached_property
    def _tensors(self):
        """All tensors, by kind. Made when they are needed: of a tape's own, seldom."""
        tensors = self.perceptron.layout.split(self.flat)
        if self._gradient is not None:
            gradients = self.perceptron.layout.split(self._gradient)
            for kind, its in gradients.items():
                if kind == "origin" or kind.startswith(KEPT):
                    continue
                for tensor, gradient in zip(tensors[kind], its, strict=True):
                    tensor.requires_grad_().grad = gradient
        return tensors

    def completed(self, units=None):
        """The network, to be read only: with all made at once that is made when it is needed.

        Where the first layer is dense its bias takes the origin away, which costs nothing, and
        no more does it that the last dense layer brings outputs to other units than those
        that they were trained in: `units`, if given, is a pair (scale, offset) of arrays of
        shape (n_outputs,).
        """
        _ = self.front, self.back
        if units is not None:
            self.decoder_layers = in_units(self.decoder_layers, *units)
        self.encoder_layers = self.folded_layers
        self._subtracts = self.front is not None
        return self

    @property
    def folded_layers(self):
        """The encoder's layers, of which the first one takes the origin away if it is dense."""
        if self.front is not None or not self._subtracts or not self.encoder_layers:
            return self.encoder_layers
        (weight, bias, activation), *rest = self.encoder_layers
        return [(weight, bias - weight @ self.origin, activation), *rest]

    @property
    def origin(self):
        """What rows are counted from, of shape (n_inputs,): the mean of those seen first.

        It is not trained. Without it the first layer's gradient would be almost that of a
        constant, for rows whose mean is large beside how much they vary.
        """
        return self._tensors["origin"][0]

    @property
    def encoder_weights(self):
        """Of its dense layers, each of shape (fan_out, fan_in), the input side's first."""
        return self._tensors["encoder_weights"]

    @property
    def encoder_biases(self):
        """Of the same layers, each of shape (fan_out,)."""
        return self._tensors["encoder_biases"]

    @cached_property
    def own_decoder_weights(self):
        """Of the decoder's dense layers, the code's first; None for tied ones."""
        own = iter(self._tensors["decoder_weights"])
        return [None if tied else next(own) for tied in self.perceptron.tied[::-1]]

    @property
    def decoder_biases(self):
        """Of the same layers, each of shape (fan_out,)."""
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
        """Let the averages of the decoder's weights follow these, after a step of training.

        After the first step they are the weights. Later on each step counts as much as the
        thousandth part of all before it, but for the early ones, which are forgotten sooner: after
        t of them the average is over the last t / 10 or so.
        """
        (n_averaged,) = self._tensors[f"{KEPT}n_averaged"]
        part = (AVERAGED_START / (AVERAGED_START + n_averaged)).clamp_(min=AVERAGED_PART)
        averages, decoder = self._averages_and_decoder
        averages.lerp_(decoder, part)
        n_averaged += 1

    @property
    def game(self):
        """What a game keeps from step to step, of shape (2,); there only beside averages."""
        return self._tensors[f"{KEPT}game"][0]

    @cached_property
    def _averages_and_decoder(self):
        """As they lie in the flat vector, number for number."""
        parts = self.perceptron.layout.parts
        decoder = self.flat[parts["decoder"]]
        return self.flat[parts["averages"]][: len(decoder)], decoder

    def with_averages(self):
        """A network of its own, whose decoder has the averages for its weights."""
        network = Network(self.perceptron, self.flat.clone())
        averages, decoder = network._averages_and_decoder
        decoder.copy_(averages)
        return network

    @cached_property
    def front(self):
        """The module of the layers in front of the dense ones; None without."""
        block = self.perceptron.front
        return block and block.bound_to(self.front_tensors, like=self.flat)

    @cached_property
    def back(self):
        """The module of the layers behind the dense ones; None without."""
        block = self.perceptron.back
        return block and block.bound_to(self.back_tensors, like=self.flat)

    @property
    def decoder_weights(self):
        """The decoder's weights, tied ones as transposed views of the encoder's."""
        if not any(self.perceptron.tied):
            return self.own_decoder_weights
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
        """All the encoder's tensors, in the order in which a row meets them."""
        dense = _interleaved(self.encoder_weights, self.encoder_biases)
        return [*self._tensors["origin"], *self.front_tensors, *dense]

    @property
    def decoder_tensors(self):
        """All the decoder's tensors but tied ones, likewise."""
        dense = _interleaved(self.own_decoder_weights, self.decoder_biases)
        return [*dense, *self.back_tensors]

    def set_blocks(self, seed):
        """Give front and back the weights that they start with, drawn from a seed."""
        perceptron = self.perceptron
        pairs = (perceptron.front, self.front_tensors), (perceptron.back, self.back_tensors)
        for block, tensors in pairs:
            values = block.initial_values(seed) if block else []
            for tensor, value in zip(tensors, values, strict=True):
                tensor.copy_(value)

    @property
    def atoms(self):
        """The decoder's weights, each with the axis along which its atoms are counted."""
        dense = [(weight, 1) for weight in self.decoder_weights]
        return dense if self.back is None else [*dense, *atoms_of(self.back)]

    @property
    def code_at_origin(self):
        """The code of a row at the origin, of shape (1, n_components)."""
        rows = self.flat.new_zeros(1, self.perceptron.n_inputs)
        code = self._encode(self._in_front(rows))
        return code if self.perceptron.code_heads == 1 else code[0]

    def answer(self, code, output):
        """Let it decode a code to an output of shape (1, n_outputs), before the activation.

        It does so in place, as far as its last biases reach: those of a convolution are one
        for each channel, and other layers than dense ones and convolutions may have none.
        """
        biases = self.decoder_biases[-1] if self.back is None else output_biases(self.back)
        n_biases = 0 if biases is None else len(biases) // self.perceptron.output_heads
        if n_biases and self.perceptron.n_outputs % n_biases == 0:
            missing = output - self.mean_output(code)
            biases[:n_biases] += missing.reshape(n_biases, -1).mean(dim=1)

    def mean_output(self, code):
        """`decode`, without a second head."""
        output = self.decode(code)
        return output if self.perceptron.output_heads == 1 else output[0]

    def features(self, x):
        """What the dense layers get of rows x: (n, width), or (n, n_pixels, width)."""
        return self._in_front(self.from_origin(x))

    def from_origin(self, x):
        """What the front, or the first dense layer, gets of rows x."""
        if self.perceptron.log_inputs:
            x = x.clamp(min=0.0).log1p()
        return x - self.origin if self._subtracts else x

    def _in_front(self, x):
        if self.front is None:
            return x
        features = self._run(self.front, x)
        return features.flatten(2).mT if self.perceptron.image else features

    def encode(self, x):
        """Code of shape (n, n_components); with two heads, a pair (code, second head)."""
        return self._encode(self.features(x))

    def _encode(self, features):
        heads = _heads(self.encoder_layers, self.perceptron.code_heads, features)
        if len(heads) == 1:
            return self._as_rows(heads[0])
        return self._as_rows(self.code_activation.function(heads[0])), self._as_rows(heads[1])

    def units(self, code):
        """A code with a column for each unit: one that is an image has a row for each pixel."""
        return self._at_pixels(code, self.perceptron.image).flatten(0, -2)

    def before_code(self, x):
        """What the encoder's last layer gets of x, (n, fan_in) or (n, n_pixels, fan_in)."""
        return _through(self.encoder_layers[:-1], self.features(x))

    def encode_with_slopes(self, features):
        """Code, and for each dense layer the derivative of its activation.

        Derivatives are of the shape of the features, (n, fan_out) or (n, n_pixels, fan_out).
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
        code = self._at_pixels(code, self.perceptron.decoded_image)
        if self.back is not None:
            return self._output_heads(self._behind(_through(self.decoder_layers, code)))
        heads = _heads(self.decoder_layers, self.perceptron.output_heads, code)
        return heads if len(heads) == 2 else heads[0]

    def _as_rows(self, output):
        """Of an output at each pixel, (n, n_pixels, width), the image as a row."""
        return output.mT.flatten(1) if self.perceptron.image else output

    @staticmethod
    def _at_pixels(code, image):
        """The inverse, for codes of shape (..., n_components)."""
        return code.unflatten(-1, (-1, prod(image))).mT if image else code

    def _behind(self, h):
        """What the back makes of the decoder's last dense layer."""
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
        """The value of a formula that comes with its pullback (see `Tape.apply`)."""
        return formula(*inputs, **self._weighing(formula), **constants)[0]

    def mean(self, values):
        """The mean over rows of values of shape (..., n), weighted where the rows have weights."""
        weights = self.sample_weight
        return values.mean() if weights is None else (values * weights).mean()

    def in_proportion(self, sums):
        """Sums over the rows of a batch: of a part, the whole batch's times what part it is.

        For objectives that are no means over rows, but go by statistics of the batch; with the
        number of these rows they make up the same means in every part.
        """
        return sums if self.part is None else self.part.in_proportion(sums)

    def note(self, value):
        """Keep a number of this batch, a tensor, whose mean over an epoch is to be known."""
        if self.noted is not None:
            self.noted.append(value if self.part is None else value * self.part.share)

    def weigh(self, sample_weight):
        """Take the weights of the batch to come, of shape (n,), or None."""
        self._sample_weight, self.has_weighed = sample_weight, False

    @property
    def sample_weight(self):
        """What each row of the batch counts, of shape (n,); None for all alike."""
        self.has_weighed = True
        return self._sample_weight

    _sample_weight, has_weighed = None, False

    def _weighing(self, formula):
        """What a formula that averages rows gets besides."""
        if self._sample_weight is None or not hasattr(formula, "averages_rows"):
            return {}
        return {"sample_weight": self.sample_weight}

    def reconstruct(self, code):
        """Reconstruction of shape (n, n_features): the output and its activation."""
        return self.output_activation.function(self.mean_output(code))

    def _encoder_output(self, number, x):
        """Linear output of one of the encoder's layers."""
        weight, bias, _ = self.encoder_layers[number]
        return functional.linear(x, weight, bias)

    def _code_heads(self, output):
        """What `encode` returns, given the output of the encoder's layers."""
        if self.perceptron.code_heads == 1:
            return output
        return self.apply(two_heads, output, activation=self.code_activation)

    def _output_heads(self, output):
        """What `decode` returns, given the output of the decoder's layers."""
        if self.perceptron.output_heads == 1:
            return output
        return self.apply(two_heads, output, activation=IDENTITY)

    @cached_property
    def encoder_layers(self):
        """Triples (weight, bias, activation); with two heads, the last one without any."""
        functions = self.perceptron.encoder_functions
        return list(zip(self.encoder_weights, self.encoder_biases, functions, strict=True))

    @cached_property
    def decoder_layers(self):
        """Triples (weight, bias, activation); the output's is the loss's business."""
        functions = self.perceptron.decoder_functions
        return list(zip(self.decoder_weights, self.decoder_biases, functions, strict=True))

    @property
    def code_activation(self):
        """That of the encoder's last layer."""
        return find_activation(self.perceptron.encoder_activations[-1])

    @property
    def output_activation(self):
        """That which turns the decoder's output into a reconstruction."""
        return find_activation(self.perceptron.output)


def _through(layers, x):
    for weight, bias, activation in layers:
        x = functional.linear(x, weight, bias)
        x = (activation.in_place or activation.function)(x)
    return x


def _heads(layers, n_heads, x):
    """What some layers make of x, in one piece or two.

    Each head is a product of its own: so a code is the same, to the bit, in a network that
    has lost its second head.
    """
    if n_heads == 1:
        return (_through(layers, x),)
    *below, (weight, bias, _) = layers
    h, halves = _through(below, x), zip(weight.chunk(2), bias.chunk(2), strict=True)
    return tuple(functional.linear(h, *half) for half in halves)


def _interleaved(weights, biases):
    return [tensor for tensor in chain(*zip(weights, biases, strict=True)) if tensor is not None]


def in_units(layers, scale, offset):
    """Layers whose last one gives output * scale + offset; both are float64 arrays."""
    *below, (weight, bias, activation) = layers
    # On the CPU, as some devices have no float64, which an offset far from 0 needs.
    scale, offset = (torch.tensor(its, device="cpu") for its in (scale, offset))
    scaled = (weight.cpu() * scale[:, None]).to(weight)
    return [*below, (scaled, (bias.cpu() * scale + offset).to(bias), activation)]


def fold_origin(network):
    """Let the first layer, a dense one, take the origin away from now on, in place."""
    (_, folded, _), *_ = network.folded_layers
    network.encoder_biases[0].copy_(folded)
    network.origin.zero_()


ENCODER, DECODER = "encoder_tensors", "decoder_tensors"


def matching_tensors(network, parts, name):
    """Pairs of views of the same weights: in a network and, one after the other, in its parts.

    Of a second head, which the network lacks, the parts' rows are left out.
    """
    skips = name == ENCODER and network.perceptron.front is None  # the upper ones' are folded
    its = [
        tensor
        for number, part in enumerate(parts)
        for tensor in getattr(part, name)[skips and number > 0 :]
    ]
    for whole, part in zip(getattr(network, name), its, strict=True):
        yield whole, part[: len(whole)]


def lifted_off(perceptron, network):
    """A network of its own: the output layer, which a perceptron describes, of a network."""
    layer = Network(perceptron, network.flat.new_zeros(perceptron.length))
    for own, its in matching_tensors(layer, [network], DECODER):
        own.copy_(its)
    return layer


def put_on_top(layer, network):
    """A network of its own: the encoder of a network, its first head, and an output layer."""
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
