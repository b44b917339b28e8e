"""
The fewer labels, the more pretraining is worth
===============================================

Labels are expensive, rows without them are cheap. An autoencoder needs no labels: it learns from
all rows what digits look like, and :class:`~skae.AutoencoderClassifier` then needs few labels to
tell them apart. The fewer labels there are, the more the pretraining is worth.

Here 1200 images are used for pretraining, and 10 to 500 of them have labels. The same network
without pretraining, and classifiers that know only the labelled images, learn nothing from the
others. With 10 or 20 labels pretraining saves more than six percentage points of error, with 200
or more it saves less than one.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedShuffleSplit, train_test_split

from skae import AutoencoderClassifier, DenoisingAutoencoder, StackedAutoencoder

X, y = load_digits(return_X_y=True)
X, X_test, y, y_test = train_test_split(X / 16, y, train_size=1200, stratify=y, random_state=0)

# %%
# With labels for some rows only, one call does it all: only the pretraining uses the rows marked
# by ``unlabeled``.

layer = DenoisingAutoencoder(code_activation="relu", corruption_level=0.5, max_iter=100)
stack = StackedAutoencoder((128, 64), estimator=layer, fine_tune=False, random_state=0)
some = np.where(np.arange(len(y)) < 50, y, -1)
classifier = AutoencoderClassifier(stack, unlabeled=-1, random_state=0).fit(X, some)
print(f"50 labels, accuracy {classifier.score(X_test, y_test):.3f}")

# %%
# To compare many choices of labels, the autoencoder is pretrained once: a ``FrozenEstimator`` is
# not fitted again, and each classifier fine-tunes a copy of it. Without pretraining (that is,
# after a single epoch with negligible steps) its layers are random.

untrained = StackedAutoencoder(
    (128, 64),
    estimator=clone(layer).set_params(max_iter=1, learning_rate_init=1e-12),
    fine_tune=False,
    random_state=0,
)
training = {"learning_rate_init": 3e-3, "max_iter": 60, "random_state": 0}
classifiers = {
    "LogisticRegression on pixels": LogisticRegression(max_iter=1000),
    "the network, not pretrained": AutoencoderClassifier(
        FrozenEstimator(untrained.fit(X)), **training
    ),
    "the network, pretrained": AutoencoderClassifier(FrozenEstimator(stack.fit(X)), **training),
}
numbers = [10, 20, 50, 100, 200, 500]


def errors(model, n_labels):
    """Test errors in percent, one for each of ten choices of rows to label."""
    draws = StratifiedShuffleSplit(n_splits=10, train_size=n_labels, random_state=1).split(X, y)
    return [100 * (1 - model.fit(X[rows], y[rows]).score(X_test, y_test)) for rows, _ in draws]


measured = {
    name: np.array([errors(model, n_labels) for n_labels in numbers])
    for name, model in classifiers.items()
}
for name, values in measured.items():
    print(f"{name:28}", *(f"{error:5.1f}" for error in values.mean(axis=1)))

# %%
# Above, the mean errors. Below, the errors that pretraining saves: since all have the same ten
# choices of rows, we take the difference for each choice, and its mean with two standard errors.

figure, (above, below) = plt.subplots(2, 1, figsize=(5.5, 7), layout="constrained")
for name, values in measured.items():
    above.plot(numbers, values.mean(axis=1), "o-", label=name)
above.set(ylabel="test error, %", ylim=(0, None))
above.legend()
saved = measured["the network, not pretrained"] - measured["the network, pretrained"]
error = 2 * saved.std(axis=1, ddof=1) / np.sqrt(saved.shape[1])
below.axhline(0, color="0.5", linewidth=1)
below.errorbar(numbers, saved.mean(axis=1), error, fmt="o-", color="C2", capsize=3)
below.set(ylabel="percentage points of error", title="saved by pretraining")
for axis in (above, below):
    axis.set(xscale="log", xlabel="rows with a label")
    axis.set_xticks(numbers, numbers)
    axis.minorticks_off()
plt.show()
