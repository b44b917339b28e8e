"""
What one component of a code stands for
=======================================

Change one component of a digit's code, keep the others, and decode: each row shows what one
active component is in charge of. Components that are not active change nothing; the VAE counts
them itself (`n_active_components_`), and `kl_per_component_` says how many nats each one carries.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from skae import VAE

X = load_digits().data / 16
vae = VAE(
    20,
    learning_rate="one_cycle",
    learning_rate_init=3e-3,
    batch_size=50,
    max_iter=100,
    random_state=0,
).fit(X)
print(f"{vae.n_active_components_} of {vae.n_components_} components are active")

# %%
# The five that carry most, from -2 to 2 standard deviations of the prior.

carrying = np.argsort(vae.kl_per_component_)[::-1][:5]
values = np.linspace(-2, 2, 9)
figure, axes = plt.subplots(5, 9, figsize=(7, 4.2))
for row, component in zip(axes, carrying, strict=True):
    codes = np.repeat(vae.transform(X[:1]), len(values), axis=0)
    codes[:, component] = values
    nats = vae.kl_per_component_[component]
    row[0].set_title(f"component {component}, {nats:.1f} nats", loc="left", fontsize=8)
    for axis, image in zip(row, vae.inverse_transform(codes), strict=True):
        axis.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
        axis.set_axis_off()
figure.tight_layout()
plt.show()
