"""The weights that a network starts with."""

import torch

from skae._engine.activations import find_activation
from skae._engine.network import Network


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
    flat = torch.zeros(perceptron.length, dtype=torch.float64, device="cpu")
    network = Network(perceptron, flat)
    # A tied layer is the encoder's: drawn once, for the encoder's activation.
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
            weights[-1].mul_(0.1)
    if perceptron.front is not None:
        network.set_blocks(int(torch.randint(2**63 - 1, (), generator=generator)))
    return flat
