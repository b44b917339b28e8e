"""Initial weights of a network."""

import torch

from skae._engine.activations import SATURATING, activation_name, find_activation
from skae._engine.network import Network

# Standard deviation of the inputs of a unit that saturates, with the shape of tanh: it is nearly
# linear there.
DEVIATION = 0.35
# Part of their drawn weights with which units begin whose effect is still to be learnt. At
# principal components, the gradient of the code is a rounding error. With 0, their own would be
# one, too, and Adam would turn it into steps that depend on the order of sums.
FAINT = 3e-4
SURE = 2.0  # standard errors that a factor must be above 0
LEAST_SLOPE = 0.01  # of a reconstruction, or few rows would decide


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
    activations = (*perceptron.encoder_functions, *perceptron.decoder_functions)
    for weight, bias, activation, (fan_out, fan_in) in zip(
        weights, biases, activations[: len(shapes)], shapes, strict=True
    ):
        if weight is not None:
            limit = activation.gain * (6.0 / (fan_in + fan_out)) ** 0.5
            weight.uniform_(-limit, limit, generator=generator)
        bias.uniform_(-(fan_in**-0.5), fan_in**-0.5, generator=generator)
    if perceptron.back is None:
        biases[-1].zero_()
        if weights[-1] is not None:
            weights[-1].mul_(output_scale)
    if perceptron.front is not None:
        seed = torch.randint(2**63 - 1, (), generator=generator, device="cpu")
        network.set_blocks(int(seed))
    return network


def start_linear(network, directions, scales):
    """Start the code as projections on some directions, each divided by its scale.

    The decoder starts as the inverse: with principal components, the network is nearly PCA. The
    other units keep their drawn input weights, but hardly affect the output yet.

    Parameters
    ----------
    network : Network
        Newly drawn, with a perceptron whose `n_linear_components` is at least k; changed in place.
    directions : Tensor of shape (k, n_features)
        Orthonormal directions.
    scales : Tensor of shape (k,)
    """
    perceptron, weights = network.perceptron, network.own_decoder_weights
    faint = FAINT if perceptron.code_heads == 1 else 0.0  # codes that are drawn have gradients
    encoder = network.encoder_weights, network.encoder_biases, perceptron.encoder_functions
    _carry(*encoder, faint, first=directions, last=scales.reciprocal().diag())
    decoder = weights, network.decoder_biases, perceptron.decoder_functions
    _carry(*decoder, faint, first=scales.diag(), last=directions.t())


def _carry(weights, biases, activations, faint, first, last):
    """Make layers compute last @ first @ x, with the first factor in the first layer.

    In between, two units with opposite inputs carry each number, and others add to it by a part of
    their drawn weights.
    """
    between = [torch.eye(len(first), dtype=first.dtype, device="cpu")] * (len(weights) - 2)
    matrices = [first, *between, last] if len(weights) > 1 else [last @ first]
    for number, matrix in enumerate(matrices):
        if number > 0:
            matrix = torch.cat([matrix, -matrix], dim=1) / activations[number - 1].pair
        if number < len(matrices) - 1:
            matrix = torch.cat([matrix, -matrix])
        n_rows, n_columns = matrix.shape
        weights[number][:n_rows].mul_(faint)[:, :n_columns].copy_(matrix)
        biases[number][:n_rows].zero_()


def start_saturating(network, inputs, targets, directions, weights, constant):
    """Start the code as a rotation of projections on some directions, where it is nearly linear.

    The decoder rotates back, and multiplies each projection by its factor of least squares: nearly
    1, or less if inputs are noisy, as in a Wiener filter. Directions are left out if this factor
    is not surely above 0. The rotation is the one nearest to the drawn weights, so that all units
    vary alike, but no unit is a direction of noise alone.

    Parameters
    ----------
    network : Network
        Newly drawn, with a perceptron whose `n_saturating_components` is at least k; changed in
        place.
    inputs : Tensor of shape (n, n_features)
        The encoder's inputs in training.
    targets : Tensor of shape (n, n_features)
        The rows to reconstruct.
    directions : Tensor of shape (k, n_features)
        Orthonormal directions.
    weights : Tensor of shape (n,)
        Of the rows.
    constant : Tensor of shape (n_features,)
        The output, before its activation, that the decoder starts around.
    """
    weights = weights / weights.sum()
    seen, wanted = (_projected(rows, directions, weights) for rows in (inputs, targets))
    factors, errors = _least_squares(seen, wanted, weights)
    sure = factors > SURE * errors
    if sure.any():
        _carry_rotated(network, seen[:, sure], wanted[:, sure], directions[sure], weights)
        output = find_activation(activation_name(network.perceptron.output))
        slopes = output.slope(constant, output.function(constant)).clamp(min=LEAST_SLOPE)
        network.own_decoder_weights[0].div_(slopes.unsqueeze(1))


def shrink_output(network, inputs, targets, weights):
    """Multiply the output's deviations from its mean by the factor of least squares, if below 1.

    A decoder that has learnt from corrupted rows, whose codes deviate less, makes too much of the
    codes of whole rows.

    Parameters
    ----------
    network : Network
        It has a linear output layer of its own; changed in place.
    inputs : Tensor of shape (n, n_features)
        The encoder's inputs.
    targets : Tensor of shape (n, n_features)
        The rows to reconstruct.
    weights : Tensor of shape (n,)
        Of the rows.
    """
    weights = weights / weights.sum()
    outputs = network.decode(network.encode(inputs))
    given, wanted = outputs.to(weights.dtype), targets.to(weights.dtype)
    given_mean, wanted_mean = weights @ given, weights @ wanted
    given, wanted = given - given_mean, wanted - wanted_mean
    product, square = ((weights @ (given * rows)).sum() for rows in (wanted, given))
    if 0 < product < square:
        network.own_decoder_weights[-1].mul_(product / square)
        network.decoder_biases[-1].sub_(given_mean).mul_(product / square).add_(wanted_mean)


def _projected(rows, directions, weights):
    """Projections of rows on directions, less their mean."""
    projections = rows.to(directions.dtype) @ directions.t()
    return projections - weights @ projections


def _carry_rotated(network, seen, wanted, directions, weights):
    name, n_units = network.perceptron.encoder_activations[0], len(directions)
    (encoder,), (decoder,) = network.encoder_weights, network.own_decoder_weights
    left, _, right = torch.linalg.svd(encoder[:n_units] @ directions.t())
    rotation = left @ right
    variance = (weights @ seen.square()).mean()
    to_units = rotation * (DEVIATION * SATURATING[name] / variance.sqrt())
    code = find_activation(name).function(seen @ to_units.t())
    code -= weights @ code
    factors, _ = _least_squares(code @ rotation, wanted, weights)
    encoder[:n_units].copy_(to_units @ directions)
    network.encoder_biases[0][:n_units].zero_()
    decoder.zero_()
    decoder[:, :n_units].copy_((rotation * factors @ directions).t())


def _least_squares(given, wanted, weights):
    """Factors that bring each column of one matrix nearest to that of another; standard errors.

    Columns have mean 0, and weights add up to 1.
    """
    variances = weights @ given.square()
    factors = weights @ (given * wanted) / variances
    remainders = weights @ (wanted - factors * given).square()
    return factors, (remainders / variances * weights.square().sum()).sqrt()
