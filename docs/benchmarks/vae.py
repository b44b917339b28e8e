"""The VAE as a density: Burda's network on MNIST, code widths, linear models, samples.

Run with `python docs/benchmarks/vae.py`, which downloads MNIST, or with `--data mnist.npz`, a
file with X_train (60000, 784), y_train, X_test (10000, 784) and y_test, 0 to 255. Writes vae.md.

References: Burda, Grosse and Salakhutdinov, "Importance weighted autoencoders", ICLR 2016,
https://arxiv.org/abs/1509.00519 (table 1: 86.76 after 3280 epochs).
"""

import time

import numpy as np
from _mnist import data_argument, load
from _report import table, write
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.decomposition import PCA, FactorAnalysis
from sklearn.feature_selection import VarianceThreshold
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from skae import VAE, Autoencoder

N_TEST = 10000


def burda(train, test):
    """784-200-200-50, tanh, Bernoulli, binarised anew in each epoch."""
    vae = VAE(
        50,
        likelihood="bernoulli",
        binarize=True,
        hidden_layer_sizes=(200, 200),
        activation="tanh",
        learning_rate="one_cycle",
        learning_rate_init=3e-3,
        batch_size=100,
        kl_warmup=10,
        max_iter=50,
        random_state=0,
        verbose=True,
    )
    started = time.perf_counter()
    vae.fit(train)
    seconds = time.perf_counter() - started
    binary = (np.random.default_rng(0).random(test.shape) < test).astype(np.float32)[:N_TEST]
    negative_elbo, nll = -vae.score(binary), -float(vae.log_likelihood(binary, 500).mean())
    yield "-ELBO of the test images, nats", f"{negative_elbo:.2f}", "at most 97"
    yield "-log p, 500 draws, nats", f"{nll:.2f}", "at most 91.5"
    yield "active components of 50", vae.n_active_components_, "15 to 25"
    yield "seconds of training, 50 epochs", f"{seconds:.0f}", ""


def widths(train, test):
    """784-200-k for k from 2 to 200, 20 epochs."""
    binary = (np.random.default_rng(0).random(test.shape) < test).astype(np.float32)[:N_TEST]
    for width in (2, 5, 10, 20, 200):
        vae = VAE(
            width,
            likelihood="bernoulli",
            binarize=True,
            hidden_layer_sizes=(200,),
            learning_rate="one_cycle",
            learning_rate_init=3e-3,
            batch_size=100,
            max_iter=20,
            random_state=0,
        ).fit(train)
        yield width, f"{-vae.score(binary):.2f}", vae.n_active_components_


def linear_models():
    """Linear VAEs against PCA and factor analysis, held-out rows, standardised."""
    for name, X, width in (
        ("breast cancer", load_breast_cancer().data, 5),
        ("digits", load_digits().data, 10),
    ):
        train, test = train_test_split(X, random_state=0)
        varies = VarianceThreshold().fit(train)
        scaler = StandardScaler().fit(varies.transform(train))
        train, test = (scaler.transform(varies.transform(x)) for x in (train, test))
        for kind, model in (
            ("shared", PCA(width, svd_solver="full")),
            ("per_feature", FactorAnalysis(width, tol=1e-4, max_iter=5000)),
        ):
            vae = VAE(
                width,
                noise_variance=kind,
                hidden_layer_sizes=(),
                learning_rate="cosine",
                learning_rate_init=1e-2,
                batch_size=50,
                max_iter=600,
                random_state=0,
            ).fit(train)
            ours, theirs = vae.log_likelihood(test, 1000).mean(), model.fit(train).score(test)
            reference = f"{type(model).__name__}.score"
            yield name, kind, f"{ours:.2f}", reference, f"{theirs:.2f}", f"{ours - theirs:+.2f}"


def samples(train, labels):
    """Share of decoded prior draws that a classifier of digits is sure of."""
    classifier = MLPClassifier((256,), early_stopping=True, random_state=0).fit(train, labels)
    rng = np.random.default_rng(0)

    def sure(images):
        return f"{(classifier.predict_proba(images).max(axis=1) > 0.8).mean():.0%}"

    shared = {
        "hidden_layer_sizes": (512, 256),
        "learning_rate": "one_cycle",
        "learning_rate_init": 2e-3,
        "max_iter": 10,
        "random_state": 0,
    }
    for width in (2, 5):
        vae = VAE(width, likelihood="bernoulli", **shared).fit(train)
        plain = Autoencoder(width, loss="binary_cross_entropy", **shared).fit(train)
        draws = rng.standard_normal((5000, width)).astype(np.float32)
        codes = plain.transform(train)
        matched = rng.multivariate_normal(codes.mean(axis=0), np.cov(codes.T), 5000)
        bar = {2: "at least 72%", 5: "at least 68%"}[width]
        yield f"VAE, {width} components", sure(vae.inverse_transform(draws)), bar
        yield f"Autoencoder, {width}, N(0, I)", sure(plain.inverse_transform(draws)), "half of it"
        yield f"Autoencoder, {width}, moments matched", sure(plain.inverse_transform(matched)), ""
    yield "uniform noise", sure(rng.random((5000, train.shape[1]), dtype=np.float32)), ""


def main():
    train, labels, test, _ = load(data_argument(__doc__).parse_args().data)
    write(
        __file__,
        "# The VAE as a density",
        "## Burda's network, 784-200-200-50, on binarised MNIST",
        "60000 training images, binarised anew in each epoch, one-cycle to 3e-3, batches of 100, "
        "kl_warmup=10; "
        f"{N_TEST} test images, binarised once. The paper reports 86.76 after 3280 epochs.",
        table(["", "measured", "bar"], burda(train, test)),
        "## Code widths, 784-200-k, 20 epochs",
        table(["components", "-ELBO of the test images", "active"], widths(train, test)),
        "## Linear VAEs against the equivalent models",
        "Mean log-likelihood of held-out rows in nats, 1000 draws; 1% or 0.5 nats is the bar.",
        table(
            ["data", "noise_variance", "VAE", "against", "its score", "difference"],
            linear_models(),
        ),
        "## Samples: how many a classifier is sure of (probability above 0.8)",
        "784-512-256-k, 10 epochs, decoded means of 5000 draws from the prior.",
        table(["", "share", "bar"], samples(train, labels)),
    )


if __name__ == "__main__":
    main()
