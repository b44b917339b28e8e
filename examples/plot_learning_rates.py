"""
A schedule gets more out of the same epochs
===========================================

Steps of constant size end in noise of that size. Schedules begin with large steps, end with tiny
ones, and reach a lower loss in the same 30 epochs. `"one_cycle"` also begins with small steps, and
so tolerates peaks at which the others get worse. If steps are too small from the start, a schedule
only makes them smaller.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skae import Autoencoder
from skae.inspection import LossCurveDisplay

X, X_test = train_test_split(load_digits().data / 16, random_state=0)
schedules = ["constant", "cosine", "one_cycle"]
rates = [1e-3, 3e-3, 1e-2, 3e-2]

# %%
# Three schedules, four step sizes (the largest one of a schedule) and three seeds. All train for
# 30 epochs: `n_iter_no_change` keeps "constant" from stopping early.

fits = {
    (schedule, rate): [
        Autoencoder(
            8,
            learning_rate=schedule,
            learning_rate_init=rate,
            batch_size=50,
            max_iter=30,
            n_iter_no_change=30,
            random_state=seed,
        ).fit(X)
        for seed in range(3)
    ]
    for schedule in schedules
    for rate in rates
}
scores = np.array([[fit.score(X_test) for fit in several] for several in fits.values()])
scores = scores.reshape(len(schedules), len(rates), 3)
print("explained on held-out digits, by step size")
print("           ", *(f"{rate:6g}" for rate in rates))
for schedule, row in zip(schedules, scores.mean(axis=2), strict=True):
    print(f"{schedule:12}", *(f"{score:6.3f}" for score in row))

# %%
# Above, the loss of each schedule at its best step size; below, its final loss at each step size.
# Bars reach from the worst seed to the best.

figure, (above, below) = plt.subplots(2, 1, figsize=(5.5, 7), layout="constrained")
for schedule, values in zip(schedules, scores, strict=True):
    mean = values.mean(axis=1)
    best = rates[mean.argmax()]  # of the mean over seeds
    losses = fits[schedule, best][0].loss_curve_
    LossCurveDisplay(loss_curve=losses, name=f'"{schedule}", {best:g}').plot(above)
    spread = np.abs([values.min(axis=1), values.max(axis=1)] - mean)
    below.errorbar(rates, mean, spread, marker="o", capsize=3, label=f'"{schedule}"')
above.set(title="training, at the best step size", yscale="linear", ylim=(0.5, 2))
below.set(xscale="log", title="held-out digits", ylabel="variance explained")
below.set_xlabel("step size, learning_rate_init")
below.set_xticks(rates, [f"{rate:g}" for rate in rates])
below.minorticks_off()
below.legend(loc="lower left")
plt.show()
