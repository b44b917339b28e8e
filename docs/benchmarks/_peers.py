"""The same training by other libraries, as their users would write it.

`PEERS` maps a library's name to `train(X, network, batch_size, max_iter)`; one that is not
installed is left out. All minimise the same loss with a fused Adam at its defaults, where
the library lets one choose.
"""

import contextlib
import copy
import functools
import importlib.util
import logging
import os
import tempfile
import warnings

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from skae import Autoencoder


def initial_network(sizes):
    """A module with the weights that skae starts from, so that losses can be compared."""
    return copy.deepcopy(_initial_network(tuple(sizes)))


@functools.cache
def _initial_network(sizes):
    n_features, *hidden, width = sizes[: len(sizes) // 2 + 1]
    estimator = untrained(Autoencoder(width, hidden_layer_sizes=hidden), n_features)
    return nn.Sequential(*estimator.encoder_, *estimator.decoder_).requires_grad_()


def untrained(estimator, n_features):
    """The estimator, fitted in one step that is too small to change its initial weights.

    Biases that are 0 become about 1e-30.
    """
    estimator.set_params(solver="sgd", learning_rate="constant", learning_rate_init=1e-30)
    estimator.set_params(batch_size=1, max_iter=1, random_state=0)
    return estimator.fit(np.zeros((1, n_features), np.float32))


class Bottleneck(nn.Sequential):
    """64-32-width-32-64."""

    def __init__(self, width=8):
        super().__init__(*initial_network((64, 32, width, 32, 64)))


class SummedError(nn.Module):
    """Mean over rows of the squared error, summed over features."""

    def forward(self, output, x):
        return (output - x).square().sum(dim=1).mean()


def by_skorch(X, network, batch_size, max_iter):
    """Loss of the last epoch."""
    from skorch import NeuralNetRegressor

    net = NeuralNetRegressor(
        network,
        criterion=SummedError,
        optimizer=torch.optim.Adam,
        optimizer__fused=True,
        lr=1e-3,
        max_epochs=max_iter,
        batch_size=batch_size,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
    ).fit(X, X)
    return net.history[-1, "train_loss"]


def by_pyod(X, network, batch_size, max_iter):
    """None: its loss is on another scale, and its network is its own, of the same sizes."""
    from pyod.models.auto_encoder import AutoEncoder

    widths = [layer.out_features for layer in network if isinstance(layer, nn.Linear)]
    AutoEncoder(
        hidden_neuron_list=widths[: len(widths) // 2],
        batch_norm=False,
        dropout_rate=0.0,
        preprocessing=False,
        lr=1e-3,
        epoch_num=max_iter,
        batch_size=batch_size,
        optimizer_params={},
        verbose=0,
    ).fit(X)


def by_pythae(X, network, batch_size, max_iter):
    """None: it reports no loss."""
    from pythae.data.datasets import BaseDataset
    from pythae.models import AE, AEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    half = len(network) // 2

    class Encoder(BaseEncoder):
        def __init__(self):
            super().__init__()
            self.layers = network[:half]

        def forward(self, x):
            return ModelOutput(embedding=self.layers(x))

    class Decoder(BaseDecoder):
        def __init__(self):
            super().__init__()
            self.layers = network[half:]

        def forward(self, z):
            return ModelOutput(reconstruction=self.layers(z))

    model = AE(AEConfig(input_dim=X.shape[1:], latent_dim=1), Encoder(), Decoder())
    with tempfile.TemporaryDirectory() as folder, _silence():
        BaseTrainer(
            model,
            BaseDataset(torch.tensor(X), torch.zeros(len(X))),
            training_config=BaseTrainerConfig(
                output_dir=folder,
                num_epochs=max_iter,
                per_device_train_batch_size=batch_size,
                learning_rate=1e-3,
                optimizer_cls="Adam",
                optimizer_params={"fused": True},
                no_cuda=True,
            ),
        ).train()


def by_lightning(X, network, batch_size, max_iter):
    """Loss of the last epoch."""
    import lightning

    class Model(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.network, self.loss = network, SummedError()

        def training_step(self, batch, _):
            (x,) = batch
            loss = self.loss(self.network(x), x)
            self.log("loss", loss, on_step=False, on_epoch=True)
            return loss

        def configure_optimizers(self):
            return torch.optim.Adam(self.parameters(), lr=1e-3, fused=True)

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = lightning.Trainer(
            accelerator="cpu",
            max_epochs=max_iter,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        rows = TensorDataset(torch.tensor(X))
        trainer.fit(Model(), DataLoader(rows, batch_size=batch_size, shuffle=True))
    return trainer.callback_metrics["loss"].item()


@contextlib.contextmanager
def _silence():
    logging.disable(logging.INFO)
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
        yield
    logging.disable(logging.NOTSET)


PEERS = {
    name: train
    for name, train in {
        "skorch": by_skorch,
        "pyod": by_pyod,
        "pythae": by_pythae,
        "lightning": by_lightning,
    }.items()
    if importlib.util.find_spec(name)
}
