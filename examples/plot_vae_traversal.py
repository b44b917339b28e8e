"""
What one component of a code stands for
=======================================

Change one component of a digit's code, keep the others, and decode: each row shows what one
component controls. `kl_per_component_` tells how many nats each one carries: a VAE with more
components than it needs leaves some inactive, and changing those has no effect. How many it needs
depends on `noise_variance`, that is, how exactly pixels must match: a learnt variance becomes so
small that all 32 are used.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from skae import VAE

X = load_digits().data / 16
vae = VAE(
    32,
    noise_variance=0.05,
    learning_rate="one_cycle",
    learning_rate_init=3e-3,
    batch_size=50,
    max_iter=80,
    random_state=0,
).fit(X)
nats = vae.kl_per_component_
order = np.argsort(-nats)
print(f"{np.sum(nats > 0.1)} of {len(nats)} components carry more than a tenth of a nat")

# %%
# The five components that carry most, and the one that carries least, from -2 to 2 standard
# deviations of the prior. How far does the picture move from end to end?

chosen = [*order[:5], order[-1]]
values = np.linspace(-2, 2, 9)


def traverse(component):
    """Rows decoded as this component changes, of shape (9, n_features)."""
    codes = np.repeat(vae.transform(X[:1]), len(values), axis=0)
    codes[:, component] = values
    return vae.inverse_transform(codes)


for component in chosen:
    first, *_, last = traverse(component)
    distance = np.square(last - first).sum()
    print(f"component {component:2}: {nats[component]:.2f} nats, squared distance {distance:.2f}")

# %%
# Above, the nats of each component, in order; below, the six components.

figure = plt.figure(figsize=(6, 5.6), layout="constrained")
above, below = figure.subfigures(2, 1, height_ratios=(1, 3))
bars = above.subplots()
bars.bar(range(len(nats)), nats[order], color=np.where(np.isin(order, chosen), "C1", "C0"))
bars.set(xlabel="components, in order", ylabel="nats")
axes = below.subplots(len(chosen), len(values))
for row, component in zip(axes, chosen, strict=True):
    row[0].set_ylabel(f"{nats[component]:.2f} nats", rotation=0, ha="right", va="center")
    for axis, image in zip(row, traverse(component), strict=True):
        axis.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
        axis.set(xticks=[], yticks=[])
for axis, value in zip(axes[0], values, strict=True):
    axis.set_title(f"{value:g}", fontsize=10)
plt.show()
