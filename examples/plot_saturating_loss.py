"""
A sure discriminator teaches the minimax generator nothing
==========================================================

In the minimax game, the generator minimises what the discriminator maximises. If the discriminator
is sure that a row is generated, this loss is flat: its gradient is D itself, which is 0.
Goodfellow et al. (2014) let the generator maximise log D instead, the non-saturating loss; `GAN`
compares the scores of pairs. Both push harder the surer the discriminator is. A penalty on its
slopes is another remedy: it then is never that sure.

Here the discriminator gets a head start. Without it, and without a penalty, the opposite holds:
two networks that push with full force chase each other, and the gentler minimax game reaches more
modes.
"""

import warnings
from itertools import product

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from torch.nn.functional import softplus

from skae import GAN

# %%
# The generator's gradient at the score s = log(D / (1 - D)) of a generated row is -D if it
# minimises log(1 - D), and D - 1 if it minimises -log D. For pairs it is also D - 1, if s is the
# difference to the real row's score.


def minimax(score):
    return -torch.sigmoid(score)


def non_saturating(score):
    return torch.sigmoid(score) - 1


# %%
# A game between a discriminator that minimises -log D(x) - log(1 - D(G(z))) and a generator with
# either of these losses. `_play` is the private method of `GAN` with the formula of its game, here
# with derivatives, and it may change. In the first epochs, the generator does not learn.

N_AHEAD = 20  # epochs
N_TOGETHER = 60


class Ahead(GAN):
    n_ahead, at_score = 0, None

    def _objective(self, network, x, noise):
        self._waits = network.n_epochs < self.n_ahead
        return super()._objective(network, x, noise)

    def _play(self, scores, slopes, made, penalty):
        value, pullback = self._game(scores, slopes, made, penalty)

        def waiting(gradient):
            at_scores, at_slopes, at_made = pullback(gradient)
            return at_scores, at_slopes, at_made * (not self._waits)

        return value, waiting

    def _game(self, scores, slopes, made, penalty):
        if self.at_score is None:
            return GAN._play(scores, slopes, made, penalty)
        n = len(made)
        real, fake = scores.chunk(2)

        def pullback(gradient):
            at_scores = torch.cat([torch.sigmoid(real) - 1, torch.sigmoid(fake)])
            at_made = slopes[n:] * self.at_score(fake)[:, np.newaxis]
            return tuple(its * gradient / n for its in (at_scores, penalty * slopes, at_made))

        return (softplus(-real) + softplus(fake)).mean(), pullback


class Minimax(Ahead):
    at_score = staticmethod(minimax)


class NonSaturating(Ahead):
    at_score = staticmethod(non_saturating)


games = {"minimax": Minimax, "non-saturating": NonSaturating, "pairs": Ahead}

# %%
# Eight modes on a ring. How many of them do samples reach? A mode counts if a tenth of its share
# lies within three standard deviations.

rng = np.random.default_rng(0)
angles = np.arange(8) * np.pi / 4
centres = np.column_stack([np.cos(angles), np.sin(angles)])
X = centres[rng.integers(8, size=1000)] + rng.normal(scale=0.05, size=(1000, 2))
X = X.astype(np.float32)


def n_modes(gan):
    """How many of the modes samples reach."""
    samples = gan.sample(2000, random_state=0)
    distances = np.linalg.norm(samples[:, np.newaxis] - centres, axis=2)
    near = distances.argmin(axis=1)[distances.min(axis=1) < 0.15]
    return sum(np.bincount(near, minlength=8) >= 25)


def fit(game, penalty, n_ahead, seed):
    gan = games[game](2, gradient_penalty=penalty, max_iter=n_ahead + N_TOGETHER, random_state=seed)
    gan.n_ahead = n_ahead
    return gan.fit(X)


settings = {
    "D ahead": (0, N_AHEAD),
    "together": (0, 0),
    "D ahead,\npenalty": (1, N_AHEAD),
    "together,\npenalty": (1, 0),
}
warnings.simplefilter("ignore", ConvergenceWarning)  # "the generator has collapsed"
modes = {
    (game, name): [n_modes(fit(game, *settings[name], seed)) for seed in range(3)]
    for game, name in product(games, settings)
}
print("seeds 0, 1, 2", *(f"{' '.join(name.split()):>18}" for name in settings))
for game in games:
    print(f"{game:14}", *(f"{'{} {} {}'.format(*modes[game, name]):>18}" for name in settings))

# %%
# Above, the size of the gradients. Below, the modes of each seed.

figure, (above, below) = plt.subplots(2, 1, figsize=(5.5, 7), layout="constrained")
score = torch.linspace(-8, 8, 200)
above.plot(score, minimax(score).abs(), label="minimax")
above.plot(score, non_saturating(score).abs(), label="non-saturating, pairs")
above.set(xlabel="discriminator's score of a made row", ylabel="size of the generator's gradient")
above.legend()
for i, game in enumerate(games):
    for j, name in enumerate(settings):
        at = j + 0.26 * (i - 1) + 0.07 * np.arange(-1, 2)
        below.bar(at, np.array(modes[game, name]) + 0.06, 0.06, color=f"C{i}")
    below.bar(0, 0, color=f"C{i}", label=game)
below.set_xticks(range(len(settings)), settings)
below.set(ylabel="modes reached, of 8", ylim=(0, 10.5))
below.legend(ncols=3)
plt.show()

# %%
# Goodfellow et al., "Generative adversarial nets", NeurIPS 2014, https://arxiv.org/abs/1406.2661.
