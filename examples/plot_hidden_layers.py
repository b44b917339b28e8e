"""
Hidden layers let the code follow a bend
========================================

Points along an S are each encoded by one number, and the decoder draws a curve: all points that
one number can describe. Without hidden layers, the curve is PCA's straight line. With more hidden
units, it can follow more closely; "relu" bends at corners, "tanh" smoothly.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_s_curve
from sklearn.decomposition import PCA

from skae import Autoencoder
from skae.metrics import explained_variance

X = make_s_curve(400, noise=0.05, random_state=0)[0][:, [0, 2]]
X_test = make_s_curve(400, noise=0.05, random_state=1)[0][:, [0, 2]]
layers = [(), (4,), (16,), (128,)]
training = {
    "learning_rate": "one_cycle",
    "learning_rate_init": 1e-2,
    "batch_size": 50,
    "max_iter": 200,
}

# %%
# Small networks easily get stuck: of three seeds, we keep the one with the smallest loss on the
# training points. All figures refer to other points.


def best_of_three(**params):
    fits = [Autoencoder(1, random_state=seed, **training, **params).fit(X) for seed in range(3)]
    return min(fits, key=lambda fit: fit.loss_)


print(f"PCA(1) explains {explained_variance(PCA(1).fit(X), X_test):.3f}")
figure, axes = plt.subplots(2, 4, figsize=(6, 4.6), sharex=True, sharey=True, layout="constrained")
for row, activation in zip(axes, ("relu", "tanh"), strict=True):
    for axis, sizes in zip(row, layers, strict=True):
        autoencoder = best_of_three(hidden_layer_sizes=sizes, activation=activation)
        codes = autoencoder.transform(X)
        curve = autoencoder.inverse_transform(np.linspace(codes.min(), codes.max(), 500)[:, None])
        axis.plot(*X_test.T, ".", markersize=3, color="0.7")
        axis.plot(*curve.T, linewidth=2)
        axis.set_title(f"{sizes}\n{autoencoder.score(X_test):.3f}", fontsize=10)
        axis.set(aspect="equal", xticks=[], yticks=[])
    row[0].set_ylabel(f'activation="{activation}"')
figure.suptitle("hidden_layer_sizes: variance explained by one number")
plt.show()
