"""
As a density of digits, a VAE lies between PCA and a mixture
============================================================

PCA, factor analysis and Gaussian mixtures are densities, and their `score` is the mean
log-likelihood of a row in nats. The VAE's `score` is a lower bound of it; `log_likelihood` narrows
the gap. All are compared on one scale, on held-out rows: the VAE is better than the linear models
and worse than a mixture of ten full covariances.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA, FactorAnalysis
from sklearn.feature_selection import VarianceThreshold
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import VAE

X, X_test = train_test_split(load_digits().data, random_state=0)
scale = make_pipeline(VarianceThreshold(1e-2), StandardScaler()).fit(X)
X, X_test = scale.transform(X), scale.transform(X_test)

network = {
    "hidden_layer_sizes": (128,),
    "learning_rate": "one_cycle",
    "learning_rate_init": 3e-3,
    "batch_size": 50,
    "max_iter": 100,
    "early_stopping": True,
    "random_state": 0,
}
densities = {
    "PCA": PCA(16),
    "FactorAnalysis": FactorAnalysis(16, tol=1e-3),
    "GaussianMixture, 10": GaussianMixture(10, reg_covar=0.05, random_state=0),
    "VAE": VAE(16, **network),
    "VAE, per_feature": VAE(16, noise_variance="per_feature", **network),
}
scores = {name: density.fit(X).score(X_test) for name, density in densities.items()}
for name, score in scores.items():
    print(f"{name:20} {score:8.1f} nats per row")

# %%
# How tight is the bound? The VAE's importance-weighted estimate, which is also a bound, shows it.

tighter = {
    name: densities[name].log_likelihood(X_test, n_draws=500).mean()
    for name in ("VAE", "VAE, per_feature")
}
for name, estimate in tighter.items():
    print(f"{name:20} {estimate:8.1f} nats per row, by importance weights")

# %%
# Further right is better. A difference of one nat makes each held-out digit e times as likely.

figure, axis = plt.subplots(figsize=(6, 3), layout="constrained")
axis.plot(list(scores.values()), list(scores), "o", markersize=9, label="score")
axis.plot(list(tighter.values()), list(tighter), "D", label="log_likelihood, a tighter bound")
for name, score in scores.items():
    axis.annotate(f"{score:.1f}", (score, name), (0, 7), textcoords="offset points", ha="center")
for name, estimate in tighter.items():
    place = {"xytext": (0, 7), "textcoords": "offset points", "ha": "center"}
    axis.annotate(f"{estimate:.1f}", (estimate, name), **place)
axis.set(
    xlabel="log-likelihood of held-out digits, nats per row", xlim=(-68, -30), ylim=(4.5, -0.7)
)
axis.grid(axis="y", alpha=0.4)
axis.legend(loc="upper right")
plt.show()
