"""A perceptron with its weights, as the objectives see it.

All weights are views of one flat tensor, so that one optimiser step, one snapshot and
one array to pickle serve the whole network.
"""

import math
from dataclasses import replace

import torch
from torch import nn
from torch.nn import functional

from skae._activations import IDENTITY, find_activation


def two_heads(output, activation):
    """Two halves of the output, the first one through an activation, and their pullback."""
    first, second = output.chunk(2, dim=-1)
    h = activation.function(first)

    def pullback(gradient, second_gradient):
        gradient = activation.pull_back(gradient, first, h)
        return (torch.cat([gradient, second_gradient], dim=-1),)

    return (h, second), pullback


class Network:
    """A perceptron with its weights, which are views of one flat tensor.

    Parameters
    ----------
    perceptron : Perceptron
    flat : Tensor of shape (n_parameters,)
        The weights; shared, not copied.
    gradient : Tensor of shape (n_parameters,), default=None
        Where `backward` adds the gradient; None for a network that is not trained.

    Attributes
    ----------
    n_epochs : float
        Epochs of training behind it; infinite for a network that is not trained.
    active : Tensor of shape (n_components,) or None
        Which components have been active in this epoch, if the objective notes it.
    """

    n_epochs = math.inf
    active = None

    def __init__(self, perceptron, flat, gradient=None):
        self.perceptron = perceptron
        self.flat = flat
        tensors = perceptron.split(flat)
        if gradient is not None:
            for tensor, its_gradient in zip(tensors, perceptron.split(gradient), strict=True):
                tensor.requires_grad_().grad = its_gradient
        tensors = iter(tensors)
        self.encoder_weights = [next(tensors) for _ in perceptron.encoder_shapes]
        self.own_decoder_weights = [
            None if tied else next(tensors) for tied in perceptron.tied[::-1]
        ]
        self.encoder_biases = [next(tensors) for _ in perceptron.encoder_shapes]
        self.decoder_biases = [next(tensors) for _ in perceptron.decoder_shapes]
        self.extra = next(tensors)

    @property
    def decoder_weights(self):
        """The decoder's weights, tied ones as transposed views of the encoder's."""
        if not any(self.perceptron.tied):
            return self.own_decoder_weights
        mirrored = [*self.encoder_weights[:-1], self._code_weights][::-1]
        mirrored[-1] = mirrored[-1][:, : self.perceptron.n_outputs]
        return [
            mirror.t() if own is None else own
            for own, mirror in zip(self.own_decoder_weights, mirrored, strict=True)
        ]

    @property
    def _code_weights(self):
        """The encoder's last weights, without a second head's."""
        return self.encoder_weights[-1][: self.perceptron.sizes[-1]]

    def encode(self, x):
        """Code of shape (n, n_components); with two heads, a pair (code, second head)."""
        return self._code_heads(_through(self.encoder_layers, x))

    def before_code(self, x):
        """What the encoder's last layer gets of x."""
        return _through(self.encoder_layers[:-1], x)

    def encode_with_slopes(self, x):
        """Code, and for each layer the derivative of its activation, (n, fan_out)."""
        slopes = []
        for number, (_, _, activation) in enumerate(self.encoder_layers):
            output = self._encoder_output(number, x)
            x = activation.function(output)
            slopes.append(activation.slope(output, x))
        return x, slopes

    def decode(self, code):
        """Output of shape (n, n_features) before the last activation (for a loss); with
        two heads, a pair (output, second head)."""
        return self._output_heads(_through(self.decoder_layers, code))

    def apply(self, formula, *inputs, **constants):
        """The value of a formula that comes with its pullback (see `Tape.apply`)."""
        return formula(*inputs, **constants)[0]

    def reconstruct(self, code):
        """Reconstruction of shape (n, n_features): the output and its activation."""
        output = self.decode(code)
        if self.perceptron.output_heads == 2:
            output, _ = output
        return self._output_activation.function(output)

    def encoder_module(self):
        """The encoder as a `torch.nn.Sequential` that holds copies of the weights."""
        module = _sequential(self.encoder_layers)
        if self.perceptron.code_heads == 1:
            return module
        return nn.Sequential(*module[:-1], TwoHeads(self._code_activation.layer()))

    def decoder_module(self):
        """The decoder as a `torch.nn.Sequential` that holds copies of the weights."""
        *hidden, (weight, bias, _) = self.decoder_layers
        n_outputs = self.perceptron.n_outputs  # without a second head
        last = (weight[:n_outputs], bias[:n_outputs], self._output_activation)
        return _sequential([*hidden, last])

    def _encoder_output(self, number, x):
        """Linear output of one of the encoder's layers."""
        return functional.linear(x, self.encoder_weights[number], self.encoder_biases[number])

    def _code_heads(self, output):
        """What `encode` returns, given the output of the encoder's layers."""
        if self.perceptron.code_heads == 1:
            return output
        return self.apply(two_heads, output, activation=self._code_activation)

    def _output_heads(self, output):
        """What `decode` returns, given the output of the decoder's layers."""
        if self.perceptron.output_heads == 1:
            return output
        return self.apply(two_heads, output, activation=IDENTITY)

    @property
    def encoder_layers(self):
        """Triples (weight, bias, activation); with two heads, the last one without any."""
        activations = list(map(find_activation, self.perceptron.encoder_activations))
        if self.perceptron.code_heads == 2:
            activations[-1] = IDENTITY
        return list(zip(self.encoder_weights, self.encoder_biases, activations, strict=True))

    @property
    def decoder_layers(self):
        """Triples (weight, bias, activation); the last one is the loss's business."""
        hidden = map(find_activation, self.perceptron.decoder_activations[:-1])
        activations = (*hidden, IDENTITY)
        return list(zip(self.decoder_weights, self.decoder_biases, activations, strict=True))

    @property
    def _code_activation(self):
        return find_activation(self.perceptron.encoder_activations[-1])

    @property
    def _output_activation(self):
        return find_activation(self.perceptron.decoder_activations[-1])


def _through(layers, x):
    for weight, bias, activation in layers:
        x = activation.function(functional.linear(x, weight, bias))
    return x


class TwoHeads(nn.Module):
    """Split a layer's output into two halves, the first one through an activation."""

    def __init__(self, activation):
        super().__init__()
        self.activation = activation

    def forward(self, output):
        first, second = output.chunk(2, dim=-1)
        return self.activation(first), second


def _sequential(layers):
    modules = []
    for weight, bias, activation in layers:
        fan_out, fan_in = weight.shape
        # skip_init: a plain nn.Linear would draw from the global random generator.
        linear = nn.utils.skip_init(nn.Linear, fan_in, fan_out, dtype=weight.dtype)
        with torch.no_grad():
            linear.weight.copy_(weight)
            linear.bias.copy_(bias)
        modules += [linear, activation.layer()]
    return nn.Sequential(*modules)


def initial_weights(perceptron, generator):
    """Draw a flat vector, in float64 on the CPU so that every dtype and device starts alike.

    Weights are uniform within Glorot's limit sqrt(6 / (fan_in + fan_out)), times
    sqrt(2) for rectifiers; biases within 1 / sqrt(fan_in), which spreads the kinks of
    the hidden units over the data. The output layer starts at a tenth of that, without
    biases: from reconstructions near 0, instead of random ones to unlearn first.

    References
    ----------
    Glorot and Bengio, "Understanding the difficulty of training deep feedforward
    neural networks", AISTATS 2010, https://proceedings.mlr.press/v9/glorot10a.html.

    He, Zhang, Ren and Sun, "Delving deep into rectifiers", ICCV 2015,
    https://doi.org/10.1109/ICCV.2015.123.
    """
    flat = torch.zeros(perceptron.n_parameters, dtype=torch.float64, device="cpu")
    network = Network(perceptron, flat)
    # A tied layer is the encoder's: drawn once, for the encoder's activation.
    weights = (*network.encoder_weights, *network.own_decoder_weights)
    biases = (*network.encoder_biases, *network.decoder_biases)
    activations = (*perceptron.encoder_activations, *perceptron.decoder_activations)
    shapes = (*perceptron.encoder_shapes, *perceptron.decoder_shapes)
    for weight, bias, name, (fan_out, fan_in) in zip(
        weights, biases, activations, shapes, strict=True
    ):
        if weight is not None:
            limit = find_activation(name).gain * (6.0 / (fan_in + fan_out)) ** 0.5
            weight.uniform_(-limit, limit, generator=generator)
        bias.uniform_(-(fan_in**-0.5), fan_in**-0.5, generator=generator)
    biases[-1].zero_()
    if weights[-1] is not None:
        weights[-1].mul_(0.1)
    return flat


ENCODER, DECODER = ("encoder_weights", "encoder_biases"), ("own_decoder_weights", "decoder_biases")


def matching_tensors(network, parts, names):
    """Pairs of views of the same weights: in a network and, one after the other, in its parts.

    Of a second head, which the network lacks, the parts' rows are left out.
    """

    def gather(networks, name):
        return [t for n in networks for t in getattr(n, name) if t is not None]

    for name in names:
        for whole, part in zip(gather([network], name), gather(parts, name), strict=True):
            yield whole, part[: len(whole)]


def stacked_tensors(network, parts):
    """`matching_tensors` of a stacked network: encoders in order, decoders in reverse."""
    yield from matching_tensors(network, parts, ENCODER)
    yield from matching_tensors(network, parts[::-1], DECODER)


def has_encoder(network):
    """Whether it is more than an output layer."""
    return len(network.perceptron.sizes) > 1


def put_on_top(layer, network):
    """A network of its own: the encoder of a network, its first head, and an output layer."""
    perceptron = replace(
        layer.perceptron,
        sizes=network.perceptron.sizes,
        encoder_activations=network.perceptron.encoder_activations,
    )
    whole = Network(perceptron, network.flat.new_zeros(perceptron.n_parameters))
    for part, names in ((network, ENCODER), (layer, DECODER)):
        for own, its in matching_tensors(whole, [part], names):
            own.copy_(its)
    return whole
