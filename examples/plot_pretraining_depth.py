"""
Deep networks of logistic units want pretraining
================================================

Gradients fade on their way through logistic units: two layers of them still learn from random
weights, but with a third and a fourth the network reconstructs digits worse and worse. If it is
first trained layer by layer, as a stack, it learns at any depth (Hinton and Salakhutdinov, 2006).
Units without this flaw, such as "elu", need no pretraining and do better than both.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skae import Autoencoder, StackedAutoencoder

X, X_test = train_test_split(load_digits().data / 16, random_state=0)
EPOCHS = 20  # for each layer's pretraining, and as many for all layers together

# %%
# The networks lead from 64 pixels through up to three hidden layers of 64 units to a code of 16.
# All have the same number of epochs: without pretraining, these are all spent on joint training.


def pretrained(sizes, rate):
    layer = Autoencoder(
        hidden_layer_sizes=(),
        code_activation="logistic",
        loss="binary_cross_entropy",
        learning_rate_init=3e-3,
        batch_size=50,
        max_iter=EPOCHS,
    )
    return StackedAutoencoder(sizes, estimator=layer).set_params(**joint(rate, EPOCHS))


def logistic(sizes, rate):
    return not_pretrained(sizes, rate, activation="logistic", code_activation="logistic")


def elu(sizes, rate):
    return not_pretrained(sizes, rate / 5, activation="elu")


def not_pretrained(sizes, rate, **activations):
    *hidden, n_components = sizes
    autoencoder = Autoencoder(
        n_components, hidden_layer_sizes=hidden, loss="binary_cross_entropy", **activations
    )
    return autoencoder.set_params(**joint(rate, EPOCHS * (len(sizes) + 1)))


def joint(rate, n_epochs):
    """Parameters with which all layers are trained together."""
    return {
        "learning_rate": "one_cycle",
        "learning_rate_init": rate,
        "batch_size": 50,
        "max_iter": n_epochs,
        "random_state": 0,
    }


# %%
# Each network chooses between two step sizes by its loss on the training digits.

depths = [1, 2, 3, 4]
networks = {
    "logistic, pretrained": pretrained,
    "logistic, not pretrained": logistic,
    '"elu", not pretrained': elu,
}
fits = {name: [] for name in networks}
for name, make in networks.items():
    for depth in depths:
        sizes = (64,) * (depth - 1) + (16,)
        candidates = [make(sizes, rate).fit(X) for rate in (0.015, 0.05)]
        fits[name].append(min(candidates, key=lambda fit: fit.loss_))
scores = {name: [fit.score(X_test) for fit in several] for name, several in fits.items()}
for name, values in scores.items():
    print(f"{name:25}", *(f"{value:.2f}" for value in values))

# %%
# Above, the explained variance of held-out digits; below, ten of them and their reconstructions by
# the networks with four layers.

figure, (above, below) = plt.subplots(2, 1, figsize=(5.5, 6), layout="constrained")
for name, values in scores.items():
    above.plot(depths, values, "o-", label=name)
above.set(xlabel="layers of the encoder", ylabel="variance explained", ylim=(0, 1), xticks=depths)
above.legend()
lines = {"original": X_test[:10]} | {name: fits[name][-1].reconstruct(X_test[:10]) for name in fits}
framed = [np.pad(rows.reshape(-1, 8, 8), ((0, 0), (1, 1), (1, 1))) for rows in lines.values()]
below.imshow(np.vstack([np.hstack(rows) for rows in framed]), cmap="gray_r", vmin=0, vmax=1)
below.set_yticks(10 * np.arange(4) + 4.5, [name.replace(", ", ",\n") for name in lines])
below.set(xticks=[], title="held-out digits, by networks of four layers")
below.tick_params(length=0)
below.spines[:].set_visible(False)
plt.show()
