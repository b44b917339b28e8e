"""For others.py: skae, scikit-learn, and skorch, which brings torch's modules to scikit-learn."""

import itertools

import numpy as np
from _others_library import Library, Network, NotOffered, given
from sklearn.decomposition import PCA
from sklearn.neural_network import MLPRegressor

from skae import VAE, Autoencoder, DenoisingAutoencoder


class Skae(Library):
    purpose = "autoencoders as scikit-learn transformers"
    about = "`Autoencoder`"
    name, distribution, module = "skae", "skae", "skae"
    grid = {"n_components": [1, 2]}

    def version(self):
        import skae

        return skae.__version__

    def licence(self):
        return "BSD-3-Clause"  # of the checkout that is measured, perhaps not installed

    def estimator(self, max_iter=5):
        return Autoencoder(2, max_iter=max_iter, random_state=0)

    def model(self, n_features, network):
        parameters = given(
            hidden_layer_sizes=network.hidden,
            max_iter=network.max_iter,
            batch_size=network.batch_size,
            activation="identity" if network.is_linear else None,
        )
        if network.max_iter:  # all of these epochs, with the step size of the others
            parameters.update(learning_rate_init=1e-3, tol=0, n_iter_no_change=np.inf)
        return Autoencoder(network.width, random_state=network.seed, **parameters)

    def restored(self, model, X):
        return model.reconstruct(X)

    def for_gaps(self):
        return DenoisingAutoencoder(2, max_iter=5, random_state=0)

    def linear_vae(self, X):
        vae = VAE(3, hidden_layer_sizes=(), max_iter=200, random_state=0).fit(X)
        return vae.score(X)  # the bound, in nats a row

    def prepare_onnx(self):
        import skae.onnx

        skae.onnx.register()


class Perceptron(Library):
    """MLPRegressor, trained to return its input."""

    purpose = "regression with a neural network"
    about = "`MLPRegressor`, trained to return its input"
    released = "2026-09"
    name, distribution, module = "MLPRegressor", "scikit-learn", "sklearn"
    grid = {"hidden_layer_sizes": [(1,), (2,)]}

    def estimator(self, max_iter=5):
        return MLPRegressor(hidden_layer_sizes=(2,), max_iter=max_iter, random_state=0)

    def to_check(self):
        return MLPRegressor(random_state=0)  # one of the checks is how well it predicts

    def target(self, X):
        return X

    def model(self, n_features, network):
        hidden = network.hidden or ()
        parameters = given(
            max_iter=network.max_iter,
            batch_size=network.batch_size,
            activation="identity" if network.is_linear else None,
        )
        if network.max_iter:
            parameters.update(tol=0, n_iter_no_change=network.max_iter)
        sizes = (*hidden, network.width, *hidden[::-1])
        seed = network.seed
        return MLPRegressor(hidden_layer_sizes=sizes, random_state=seed, **parameters)

    def train(self, model, X):
        model.fit(X, X)

    def restored(self, model, X):
        return model.predict(X)


class Components(Library):
    """PCA, which is what a linear autoencoder finds."""

    purpose = "linear dimension reduction"
    about = "`PCA`"
    released = "2026-09"
    name, distribution, module = "PCA", "scikit-learn", "sklearn"
    trains_network = False
    grid = {"n_components": [1, 2]}

    def estimator(self, max_iter=None):
        return PCA(2)

    def model(self, n_features, network):
        return PCA(network.width)

    def restored(self, model, X):
        return model.inverse_transform(model.transform(X))


class Skorch(Library):
    """A network of the user's in skorch's regressor; seeds are torch's, set by the user."""

    purpose = "your own torch modules as scikit-learn estimators"
    about = "`NeuralNetRegressor` with the user's network"
    released = "2026-05"
    name, distribution, module = "skorch", "skorch", "skorch"
    grid = {"lr": [1e-3, 1e-2]}

    def estimator(self, max_iter=5):
        return self.model(4, Network(2, hidden=(), max_iter=max_iter, batch_size=32))

    def to_check(self):
        raise NotOffered("the user's network has a fixed number of features")

    def target(self, X):
        return X

    def model(self, n_features, network):
        import torch
        from skorch import NeuralNetRegressor

        if network.is_default:
            raise NotOffered("the network is the user's")
        torch.manual_seed(network.seed)
        return NeuralNetRegressor(
            self._layers(network.sizes(n_features), network.is_linear),
            optimizer=torch.optim.Adam,
            lr=1e-3,
            max_epochs=network.max_iter,
            batch_size=network.batch_size,
            iterator_train__shuffle=True,
            train_split=None,
            verbose=0,
        )

    @staticmethod
    def _layers(sizes, is_linear):
        from torch import nn

        layers = []
        for n_inputs, n_outputs in itertools.pairwise(sizes):
            layers += [nn.Linear(n_inputs, n_outputs), nn.ReLU()]
        del layers[-1], layers[len(sizes) - 2]  # linear outputs and codes
        return nn.Sequential(*(one for one in layers if not (is_linear and type(one) is nn.ReLU)))

    def train(self, model, X):
        model.fit(X, X)

    def restored(self, model, X):
        return model.predict(X)
