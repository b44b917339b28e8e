"""
The fewer labels, the more pretraining is worth
===============================================

Labels are dear, rows without them are cheap. An autoencoder needs no labels: it learns from all
rows what digits look like, and :class:`~skae.AutoencoderClassifier` then needs few labels to tell
them apart. The fewer they are, the more the pretraining is worth.

Here 1200 images serve the pretraining, and 10 to 500 of them have labels. The same network
without pretraining, and classifiers that know the labelled images alone, have nothing to learn
from the others. With a hundred labels they hardly need it: the advantage is gone.
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
# With labels for some rows only, one call does it all: the rows marked by ``unlabeled`` are seen by
# the pretraining alone.

layer = DenoisingAutoencoder(code_activation="relu", corruption_level=0.5, max_iter=100)
stack = StackedAutoencoder((128, 64), estimator=layer, fine_tune=False, random_state=0)
some = np.where(np.arange(len(y)) < 50, y, -1)
classifier = AutoencoderClassifier(stack, unlabeled=-1, random_state=0).fit(X, some)
print(f"50 labels, accuracy {classifier.score(X_test, y_test):.3f}")

# %%
# To compare many choices of labels, the autoencoder is pretrained once: a ``FrozenEstimator`` is
# not fitted again, and each classifier fine-tunes a copy of it. Without pretraining, that is after
# a single epoch of steps too small to matter, its layers are random.

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
    """Test errors, one for each of five choices of rows to label."""
    draws = StratifiedShuffleSplit(n_splits=5, train_size=n_labels, random_state=1).split(X, y)
    return [100 * (1 - model.fit(X[rows], y[rows]).score(X_test, y_test)) for rows, _ in draws]


# %%
# Lines are means, bands reach from the best to the worst choice of labels.

fig, ax = plt.subplots(figsize=(6, 4.5), layout="constrained")
for name, model in classifiers.items():
    measured = np.array([errors(model, n) for n in numbers])
    (line,) = ax.plot(numbers, measured.mean(axis=1), "o-", label=name)
    ax.fill_between(
        numbers,
        measured.min(axis=1),
        measured.max(axis=1),
        color=line.get_color(),
        alpha=0.15,
        lw=0,
    )
    print(name, dict(zip(numbers, measured.mean(axis=1).round(1).tolist(), strict=True)))
ax.set(xscale="log", xlabel="rows with a label", ylabel="test error, %", ylim=(0, None))
ax.set_xticks(numbers, numbers)
ax.minorticks_off()
ax.legend()
ax.set_title("The fewer labels, the more pretraining is worth")
plt.show()
