"""
A conditional GAN draws the digit that one asks for
===================================================

Labels enter both networks of a :class:`~skae.ConditionalGAN`, so that any of them can be
requested. With default parameters, its samples cover more of the held-out digits than those of
Gaussian mixtures or VAEs fitted to each digit. It takes longer than they do, and its samples stay
closer to the middle of the data than real digits.
"""

from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import train_test_split

from skae import VAE, ConditionalGAN
from skae.inspection import SamplesDisplay
from skae.metrics import coverage, density

X, y = load_digits(return_X_y=True)
X = (X / 16).astype(np.float32)
X, X_test, y, y_test = train_test_split(X, y, train_size=0.5, stratify=y, random_state=0)

# %%
# All parameters keep their defaults. A row of the picture for each class:

begin = perf_counter()
gan = ConditionalGAN(random_state=0).fit(X, y)
seconds = {"ConditionalGAN": perf_counter() - begin}
style = {"cmap": "gray_r", "vmin": 0, "vmax": 1}
SamplesDisplay.from_estimator(gan, random_state=0, **style)
plt.show()

# %%
# Each column has the same noise, which sets what digits of all classes can have in common.

noise = np.random.default_rng(1).standard_normal((8, gan.n_components_))
images = np.vstack([gan.generate(noise, label) for label in gan.classes_])
SamplesDisplay(samples=images, image_shape=(8, 8), classes=gan.classes_).plot(**style)
plt.show()

# %%
# Each model draws as many samples as there are held-out digits. Coverage is the fraction of
# held-out digits with a sample nearby; density tells how many held-out digits a sample is close
# to, and is 1 for real ones. It is higher if samples crowd in the middle of the data.


def mixture(rows, n):
    return GaussianMixture(3, reg_covar=1e-3, random_state=0).fit(rows).sample(n)[0]


def vae(rows, n, n_components=8):
    return VAE(n_components, random_state=0).fit(rows).sample(n, random_state=0)


def by_class(draw):
    """Samples of a model for each class, in the held-out frequencies."""
    classes, counts = np.unique(y_test, return_counts=True)
    return np.vstack([draw(X[y == label], n) for label, n in zip(classes, counts, strict=True)])


samplers = {
    "GaussianMixture(3), each class": lambda: by_class(mixture),
    "VAE(8), each class": lambda: by_class(vae),
    "VAE(16)": lambda: vae(X, len(X_test), 16),
}
samples = {
    "real digits": X,
    "ConditionalGAN": gan.sample(len(y_test), y=y_test, random_state=0)[0],
}
for name, sampler in samplers.items():
    begin = perf_counter()
    samples[name] = sampler()
    seconds[name] = perf_counter() - begin
quality = {name: (coverage(X_test, rows), density(X_test, rows)) for name, rows in samples.items()}
for name, values in quality.items():
    print(f"{name:31} coverage {values[0]:.2f}, density {values[1]:.2f}")

figure, axes = plt.subplots(3, 1, figsize=(6, 6.5), sharey=True, layout="constrained")
axes[0].barh(list(quality), [covered for covered, _ in quality.values()])
axes[1].barh(list(quality), [dense for _, dense in quality.values()])
axes[2].barh(list(quality), [seconds.get(name, 0) for name in quality])
for ax, label in zip(axes, ["coverage", "density", "seconds, fit and samples"], strict=True):
    ax.set(xlabel=label)
axes[0].invert_yaxis()
plt.show()

# %%
# Mirza and Osindero, "Conditional generative adversarial nets", 2014,
# https://arxiv.org/abs/1411.1784.
