"""
A VAE among scikit-learn's densities
====================================

PCA, factor analysis and Gaussian mixtures are densities, and their `score` is the mean
log-likelihood of a row in nats. So is the VAE's, as a lower bound; `log_likelihood` closes the
gap. The four stand in one table, on rows that none of them has seen.
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
# How tight the bound is: the VAE's importance-weighted estimate beside it.

vae = densities["VAE, per_feature"]
tighter = vae.log_likelihood(X_test, n_draws=500).mean()
print(f"{'the last, estimated':20} {tighter:8.1f}")

plt.barh(list(scores), list(scores.values()))
plt.xlabel("log-likelihood of held-out digits, nats per row")
plt.gca().invert_yaxis()
plt.tight_layout()
plt.show()
