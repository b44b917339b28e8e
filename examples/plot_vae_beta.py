"""
What beta does to a VAE's code
==============================

`beta` weighs the KL divergence, the price of information in the code. With a small one
reconstructions are exact and codes leave the prior; with a large one components go silent one after
the other, and in the end the code has collapsed: skae warns of it.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from skae import VAE

X = load_digits().data / 16
betas = [0.1, 0.3, 1, 3, 10, 100]
errors, nats, active = [], [], []
for beta in betas:
    vae = VAE(
        16,
        noise_variance=0.03,
        beta=beta,
        learning_rate="one_cycle",
        learning_rate_init=3e-3,
        batch_size=50,
        max_iter=40,
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the last one collapses, as it should
        vae.fit(X)
    errors.append(np.square(vae.reconstruct(X) - X).sum(axis=1).mean())
    nats.append(vae.kl_per_component_.sum())
    active.append(vae.n_active_components_)
    print(f"beta {beta:5}: {active[-1]:2} active, {nats[-1]:5.1f} nats, error {errors[-1]:.2f}")

# %%
# Information against error: the rate-distortion curve.

plt.plot(nats, errors, "o-")
for beta, x, y in zip(betas, nats, errors, strict=True):
    plt.annotate(f"beta={beta:g}", (x, y), textcoords="offset points", xytext=(6, 4))
plt.xlabel("information in the code, nats per row")
plt.ylabel("squared error per row")
plt.show()
