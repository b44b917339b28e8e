"""
More beta, less information in a VAE's code
===========================================

`beta` is the weight of the KL divergence, the price of information in the code. With a small
`beta`, reconstructions are exact, but codes leave gaps in the prior, and draws from it are less
like digits. With a large one, components become inactive one after another and images blur, until
the code collapses: skae warns of this.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from skae import VAE

X = load_digits().data / 16
betas = [0.1, 0.3, 1, 3, 10, 100]
fits = [
    VAE(
        16,
        noise_variance=0.03,
        beta=beta,
        learning_rate="one_cycle",
        learning_rate_init=3e-3,
        batch_size=50,
        max_iter=40,
        random_state=0,
    )
    for beta in betas
]
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the last one collapses, as it should
    for vae in fits:
        vae.fit(X)

nats = [vae.kl_per_component_.sum() for vae in fits]
errors = [np.square(vae.reconstruct(X) - X).sum(axis=1).mean() for vae in fits]
for beta, vae, n, error in zip(betas, fits, nats, errors, strict=True):
    print(f"beta {beta:5}: {vae.n_active_components_:2} active, {n:4.1f} nats, error {error:.2f}")

# %%
# Above, information against error: the rate-distortion curve. Below, for each beta, five digits
# reconstructed and five drawn from the prior.

figure, (above, below) = plt.subplots(2, 1, figsize=(5.5, 7), layout="constrained")
above.plot(nats, errors, "o-")
for beta, x, y in zip(betas, nats, errors, strict=True):
    above.annotate(f"{beta:g}", (x, y), textcoords="offset points", xytext=(6, 5))
above.set(xlabel="information in the code, nats per row", ylabel="squared error per row")
above.set(title="for each beta", xlim=(-2, 42), ylim=(0, 5.2))

codes = np.random.default_rng(0).standard_normal((5, 16))
lines = []
for vae in fits:
    images = np.vstack([vae.reconstruct(X[:5]), np.zeros((1, 64)), vae.inverse_transform(codes)])
    lines.append(np.hstack(np.pad(images.reshape(-1, 8, 8), ((0, 0), (1, 1), (1, 1)))))
below.imshow(np.vstack(lines), cmap="gray_r", vmin=0, vmax=1)
below.set_yticks(10 * np.arange(len(betas)) + 4.5, [f"beta {beta:g}" for beta in betas])
below.set_xticks([25, 85], ["reconstructed", "drawn from the prior"])
below.tick_params(length=0, labelbottom=False, labeltop=True)
below.spines[:].set_visible(False)
plt.show()
