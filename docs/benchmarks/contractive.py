"""Rifai's table 1 on 10000 images of MNIST, and the penalty against autograd's Jacobians.

Run with `python docs/benchmarks/contractive.py`, which downloads MNIST, or with `--data
mnist.npz`, a file with X_train (60000, 784), y_train, X_test (10000, 784) and y_test, 0 to 255.
Writes contractive.md.

References: Rifai, Vincent, Muller, Glorot and Bengio, "Contractive auto-encoders: explicit
invariance during feature extraction", ICML 2011, table 1; Hutchinson, "A stochastic estimator of
the trace of the influence matrix", Communications in Statistics 19, 1990.
"""

import time

import numpy as np
import torch
from _mnist import data_argument, load
from _report import table, write
from sparse import softmax_error

from skae import Autoencoder, ContractiveAutoencoder, DenoisingAutoencoder

N_TRAIN, EPOCHS, N_COMPONENTS = 10000, 30, 1000
ACTIVATIONS = ("identity", "logistic", "tanh", "relu", "elu", "gelu", "softplus")
PAPER = {  # Frobenius norm relative to the contractive one's, saturation, error fine-tuned
    "plain": ("24", "49.9%", "1.78%"),
    "weight decay": ("6.8", "13.0%", "1.68%"),
    "denoising, masking .25": ("10.8", "68.2%", "1.57%"),
    "denoising, gaussian .3": ("1.2", "17.8%", "1.18%"),
    "contractive": ("1", "86.4%", "1.14%"),
}


def models():
    """The five rows of the table, all with tied weights and logistic codes."""
    shared = {
        "tied_weights": True,
        "hidden_layer_sizes": (),
        "code_activation": "logistic",
        "loss": "binary_cross_entropy",
        "batch_size": 50,
        "max_iter": EPOCHS,
        "n_iter_no_change": EPOCHS,
        "random_state": 0,
    }
    yield "plain", Autoencoder(N_COMPONENTS, **shared)
    yield "weight decay", Autoencoder(N_COMPONENTS, alpha=4e-3, **shared)
    for corruption, level in (("masking", 0.25), ("gaussian", 0.3)):
        name = f"denoising, {corruption} {level:g}".replace("0.", ".")
        noise = {"corruption": corruption, "corruption_level": level}
        yield name, DenoisingAutoencoder(N_COMPONENTS, **noise, **shared)
    yield "contractive", ContractiveAutoencoder(N_COMPONENTS, contraction_weight=0.1, **shared)


def squared_norms(model, codes):
    """||J||_F^2 of a logistic encoder of one layer, whose slopes are h (1 - h)."""
    return np.square(codes * (1 - codes)) @ np.square(model.coefs_[0]).sum(axis=0)


def measure(train, labels, test, test_labels):
    """Name: squared norm, share of saturated units, error, seconds of computing."""
    measured = {}
    for name, model in models():
        started = time.process_time()
        codes = model.fit_transform(train)
        seconds = time.process_time() - started
        test_codes = model.transform(test)
        saturated = np.mean((test_codes < 0.05) | (test_codes > 0.95))
        error, _ = softmax_error(codes, labels, test_codes, test_labels)
        norm = squared_norms(model, test_codes).mean()
        measured[name] = norm, saturated, error, seconds
        print(f"{name}: {norm:.1f}, {saturated:.1%}, {error:.2%}, {seconds:.0f} s", flush=True)
    return measured


def rows(measured):
    for name, (norm, saturated, error, seconds) in measured.items():
        relative = (norm / measured["contractive"][0]) ** 0.5
        ours = f"{norm:.1f}", f"{relative:.1f}", f"{saturated:.1%}", f"{error:.2%}"
        ratio, its_saturation, its_error = PAPER[name]
        yield name, *ours, f"{seconds:.0f}", ratio, its_saturation, its_error


def bars(measured):
    norms, saturation, errors, _ = (
        dict(zip(measured, column, strict=True)) for column in zip(*measured.values(), strict=True)
    )
    yield "lowest norm", min(norms, key=norms.get), "contractive"
    yield "highest norm", max(norms, key=norms.get), "plain"
    yield "highest saturation", max(saturation, key=saturation.get), "contractive"
    yield "lowest saturation", min(saturation, key=saturation.get), "weight decay"
    points = 100 * (errors["plain"] - errors["contractive"])
    yield "error, plain minus contractive, points", f"{points:.2f}", "at least 0.3"


def deep(n_layers, activation, **parameters):
    """A contractive autoencoder after one epoch, in float64, with rows to look at."""
    X = np.random.default_rng(0).standard_normal((20, 12))
    model = ContractiveAutoencoder(
        7,
        hidden_layer_sizes=(9, 11, 8)[: n_layers - 1],
        activation=activation,
        code_activation=activation,
        learning_rate_init=1e-4,
        max_iter=1,
        random_state=0,
        **parameters,
    )
    return model.fit(X), X


def autograd_norms(model, X):
    """||J||_F^2 by torch.func alone."""
    jacobian = torch.func.vmap(torch.func.jacrev(model.encoder_))(torch.tensor(X))
    return jacobian.detach().square().sum(dim=(1, 2)).numpy()


def penalties():
    """The objective's penalty and `jacobian_norm` against autograd; Hutchinson's mean."""
    differences, of_objective = [], []
    for n_layers in (1, 2, 3, 4):
        for activation in ACTIVATIONS:
            model, X = deep(n_layers, activation)
            truth = autograd_norms(model, X)
            differences.append(np.abs(model.jacobian_norm(X) / truth - 1).max())
            of_objective.append(abs(penalty(model, X) / truth.mean() - 1))
    where = "1 to 4 layers, 7 activations"
    yield f"jacobian_norm against jacrev, worst row, {where}", f"{max(differences):.0e}", "1e-10"
    yield f"the objective's penalty against it, worst, {where}", f"{max(of_objective):.0e}", "1e-10"
    for n_layers in (1, 4):
        model, X = deep(n_layers, "tanh", jacobian_method="hutchinson")
        draws = np.array([penalty(model, X, seed) for seed in range(2000)])
        truth = autograd_norms(model, X).mean()
        standard_error = draws.std() / len(draws) ** 0.5
        measured = (
            f"{draws.mean() / truth - 1:+.1%}, {(draws.mean() - truth) / standard_error:+.1f}"
        )
        label = (
            f"Hutchinson's mean of 2000 draws, {n_layers}-layer encoder: off by, standard errors"
        )
        yield label, measured, "within 3 standard errors"


def penalty(model, X, seed=0):
    """What the objective adds for contraction, with weight 1."""
    network, x = model._fitted_network(), torch.tensor(X)
    noise = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        model.set_params(contraction_weight=1.0)
        whole = model._objective(network, x, noise)
        return float(whole - model.set_params(contraction_weight=0.0)._objective(network, x, noise))


def main():
    train, labels, test, test_labels = load(data_argument(__doc__).parse_args().data)
    few = np.random.default_rng(0).permutation(len(train))[:N_TRAIN]
    measured = measure(train[few], labels[few], test, test_labels)
    write(
        __file__,
        "# What contraction does to a code",
        "## Rifai's table 1",
        f"784-{N_COMPONENTS}, logistic, tied, cross-entropy; {N_TRAIN} training images, {EPOCHS} "
        f"epochs, batches of 50; {len(test)} test images. Weight decay is alpha=4e-3, contraction "
        "has weight 0.1; neither was tuned. Norms are squared norms of the encoder's Jacobian; a "
        "unit is saturated below 0.05 or above 0.95. Errors are those of LogisticRegression on "
        "the codes, with C chosen on a sixth of the training images: the paper fine-tunes the "
        "network as a classifier instead (as classifier.md does), and trains on 50000 images.",
        table(
            [
                "",
                "squared norm",
                "norm / contractive's",
                "saturated",
                "error",
                "CPU seconds of fitting",
                "paper: norm / contractive's",
                "saturated",
                "error, fine-tuned",
            ],
            rows(measured),
        ),
        table(["", "measured", "bar"], bars(measured)),
        "## The penalty",
        "Encoders of 12 features in float64, after an epoch of training.",
        table(["", "measured", "bar"], penalties()),
    )


if __name__ == "__main__":
    main()
