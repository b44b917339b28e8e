"""
A penalty steadies a GAN; convolutions want larger images
=========================================================

Convolutions first made GANs stable (Radford et al., 2016). Here the penalty on the discriminator's
slopes does so: with steps ten times as large, samples cover far fewer digits without it, and as
many with it. On images of 8 x 8 pixels convolutions do not help. In the same time samples cover
fewer digits, and larger steps lose more of them: the strength of convolutions, the same detail at
any place, is worth its time on larger images.
"""

import warnings
from itertools import product
from time import process_time

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from skae import GAN
from skae.inspection import SamplesDisplay
from skae.networks import ConvNet

X = (load_digits().data / 16).astype(np.float32)
X, X_test = train_test_split(X, train_size=0.5, random_state=0)

# %%
# A convolution and a dense layer each way, compared with two dense layers, which are four times as
# fast and so train for four times as many epochs.

kinds = {
    "dense": {"max_iter": 120},
    "convolution": {
        "network": ConvNet((1, 8, 8), channels=(16,), kernel_size=4),
        "hidden_layer_sizes": (128,),
        "max_iter": 30,
    },
}
penalties, rates, seeds = (0, 1), (3e-3, 3e-2), (0, 1)

# %%
# The score is the fraction of held-out digits with a sample nearby. We take two seeds.

warnings.simplefilter("ignore", ConvergenceWarning)  # "the generator has collapsed"
fits, begin = {}, process_time()
for kind, penalty, rate in product(kinds, penalties, rates):
    settings = {**kinds[kind], "gradient_penalty": penalty, "learning_rate_init": rate}
    fits[kind, penalty, rate] = [GAN(random_state=seed, **settings).fit(X) for seed in seeds]
    seconds, begin = process_time() - begin, process_time()
    scores = [gan.score(X_test) for gan in fits[kind, penalty, rate]]
    found = "{:.2f} and {:.2f}".format(*scores)
    print(f"{kind:11}, penalty {penalty}, steps {rate:5}: {found}, {seconds / 2:.1f} s each")

# %%
# Samples of the small steps, with the penalty.

figure, axes = plt.subplots(3, 1, figsize=(4.5, 11), layout="constrained")
for penalty in penalties:
    for color, kind in zip(("C0", "C1"), kinds, strict=True):
        scores = [[gan.score(X_test) for gan in fits[kind, penalty, rate]] for rate in rates]
        dashes = "-" if penalty else "--"
        name = f"{kind}, {'penalty' if penalty else 'no penalty'}"
        axes[0].plot(rates, np.mean(scores, axis=1), dashes, color=color, label=name)
        axes[0].plot(rates, scores, "o", color=color)
axes[0].set(xscale="log", xlabel="learning_rate_init", ylabel="score", ylim=(0, 1.2))
axes[0].set_xticks(rates, rates)
axes[0].minorticks_off()
axes[0].legend(fontsize="small", loc="upper center")
style = {"cmap": "gray_r", "vmin": 0, "vmax": 1}
for ax, kind in zip(axes[1:], kinds, strict=True):
    gan = fits[kind, 1, 3e-3][0]
    SamplesDisplay.from_estimator(gan, n_samples=49, random_state=0, ax=ax, **style)
    ax.set_title(kind)
plt.show()

# %%
# Radford, Metz and Chintala, "Unsupervised representation learning with deep convolutional
# generative adversarial networks", ICLR 2016, https://arxiv.org/abs/1511.06434.
