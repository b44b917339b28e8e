"""Initial weights of a network."""

import torch

from skae._engine.activations import find_activation
from skae._engine.network import Network


def initial_network(perceptron, generator, output_scale=0.1):
    """Draw weights, in float64 on the CPU, so that all dtypes and devices start equally.

    Weights are uniform within Glorot's limit sqrt(6 / (fan_in + fan_out)), times sqrt(2) for
    rectifiers; biases within 1 / sqrt(fan_in), which spreads the kinks of the hidden units over
    the data. The output layer starts at `output_scale` times that, without biases: with a tenth,
    reconstructions start near 0 instead of at random values to unlearn.

    References
    ----------
    Glorot and Bengio, "Understanding the difficulty of training deep feedforward
    neural networks", AISTATS 2010, https://proceedings.mlr.press/v9/glorot10a.html.

    He, Zhang, Ren and Sun, "Delving deep into rectifiers", ICCV 2015,
    https://doi.org/10.1109/ICCV.2015.123.
    """
    zeros = torch.zeros(perceptron.length, dtype=torch.float64, device="cpu")
    network = Network(perceptron, zeros)
    # A tied layer is drawn once, for the encoder's activation.
    weights = (*network.encoder_weights, *network.own_decoder_weights)
    biases = (*network.encoder_biases, *network.decoder_biases)
    shapes = (*perceptron.encoder_shapes, *perceptron.decoder_shapes)
    activations = (*perceptron.encoder_activations, *perceptron.decoder_activations)
    for weight, bias, name, (fan_out, fan_in) in zip(
        weights, biases, activations[: len(shapes)], shapes, strict=True
    ):
        if weight is not None:
            limit = find_activation(name).gain * (6.0 / (fan_in + fan_out)) ** 0.5
            weight.uniform_(-limit, limit, generator=generator)
        bias.uniform_(-(fan_in**-0.5), fan_in**-0.5, generator=generator)
    if perceptron.back is None:
        biases[-1].zero_()
        if weights[-1] is not None:
            weights[-1].mul_(output_scale)
    if perceptron.front is not None:
        network.set_blocks(int(torch.randint(2**63 - 1, (), generator=generator)))
    return network


def start_linear(network, directions, scales):
    """Start the code as projections on some directions, each divided by its scale.

    The decoder starts as the inverse: with principal components, the network is PCA. The other
    units keep their drawn input weights, but do not affect the output yet.

    Parameters
    ----------
    network : Network
        Newly drawn, with a perceptron whose `n_linear_components` is at least k; changed in place.
    directions : Tensor of shape (k, n_features)
        Orthonormal directions.
    scales : Tensor of shape (k,)
    """
    perceptron, weights = network.perceptron, network.own_decoder_weights
    encoder = network.encoder_weights, network.encoder_biases, perceptron.encoder_functions
    _carry(*encoder, first=directions, last=scales.reciprocal().diag())
    decoder = weights, network.decoder_biases, perceptron.decoder_functions
    _carry(*decoder, first=scales.diag(), last=directions.t())


def _carry(weights, biases, activations, first, last):
    """Make layers compute last @ first @ x, with the first factor in the first layer.

    In between, two units with opposite inputs carry each number.
    """
    between = [torch.eye(len(first), dtype=first.dtype)] * (len(weights) - 2)
    matrices = [first, *between, last] if len(weights) > 1 else [last @ first]
    for number, matrix in enumerate(matrices):
        if number > 0:
            matrix = torch.cat([matrix, -matrix], dim=1) / activations[number - 1].pair
        if number < len(matrices) - 1:
            matrix = torch.cat([matrix, -matrix])
        n_rows, n_columns = matrix.shape
        weights[number][:n_rows].zero_()
        weights[number][:n_rows, :n_columns].copy_(matrix)
        biases[number][:n_rows].zero_()
