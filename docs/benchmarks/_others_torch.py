"""For others.py: pyod and pythae, whose networks are trained by loops of their own on torch."""

import itertools
import tempfile

import numpy as np
from _others_library import Library, Network, given


class PyOD(Library):
    """Its detector of outliers; reconstructions are those of its network, a public attribute."""

    purpose = "outlier detection"
    about = "`AutoEncoder`"
    released = "2026-10"
    name, distribution, module = "pyod", "pyod", "pyod"
    grid = {"hidden_neuron_list": [[1], [2]]}

    def estimator(self, max_iter=5):
        from pyod.models.auto_encoder import AutoEncoder

        return AutoEncoder(hidden_neuron_list=[2], epoch_num=max_iter, verbose=0)

    def model(self, n_features, network):
        from pyod.models.auto_encoder import AutoEncoder

        hidden = [64] if network.is_default else network.hidden
        parameters = given(epoch_num=network.max_iter, batch_size=network.batch_size)
        if not network.is_default:  # the network that all train
            parameters.update(batch_norm=False, dropout_rate=0.0, preprocessing=False)
        if network.is_linear:
            parameters.update(hidden_activation_name="identity")
        widths = [*hidden, network.width]
        seed = network.seed
        return AutoEncoder(hidden_neuron_list=widths, random_state=seed, verbose=0, **parameters)

    def restored(self, model, X):
        import torch

        mean, std = (model.X_mean, model.X_std + 1e-8) if model.preprocessing else (0, 1)
        with torch.no_grad():
            rows = torch.tensor((X - mean) / std, dtype=torch.float32)
            return model.model.eval()(rows).numpy() * std + mean

    def used(self, model, X):
        return model.decision_function(X)


class Encdr(Library):
    purpose = "autoencoders with scikit-learn's methods"
    about = "`ENCDR`"
    released = "2025-09"
    name, distribution, module = "encdr", "encdr", "encdr"
    grid = {"latent_dim": [1, 2]}
    quiet = {"enable_progress_bar": False, "enable_model_summary": False}

    def estimator(self, max_iter=5):
        from encdr import ENCDR

        return ENCDR(latent_dim=2, max_epochs=max_iter, random_state=0, trainer_kwargs=self.quiet)

    def model(self, n_features, network):
        from encdr import ENCDR

        parameters = given(max_epochs=network.max_iter, batch_size=network.batch_size)
        if not network.is_default:  # the network that all train
            hidden = list(network.hidden)
            parameters.update(hidden_dims=hidden, validation_split=0, standardize=False)
        return ENCDR(
            latent_dim=network.width,
            random_state=network.seed,
            trainer_kwargs=self.quiet,
            **parameters,
        )

    def restored(self, model, X):
        return model.predict(X)


class ScviTools(Library):
    purpose = "gene counts of single cells"
    about = "only its classes"
    released = "2026-09"
    name, distribution, module = "scvi-tools", "scvi-tools", "scvi"
    trains_network = False


class SAELens(Library):
    purpose = "sparse autoencoders of a language model's activations"
    about = "only its classes"
    released = "2026-10"
    name, distribution, module = "SAELens", "sae-lens", "sae_lens"
    trains_network = False


class Trainer:
    """pythae's, which keeps its files in a folder that is removed afterwards."""

    def __init__(self, model, **parameters):
        self.model, self.parameters = model, parameters

    def train(self, X):
        import torch
        from pythae.data.datasets import BaseDataset
        from pythae.trainers import BaseTrainer, BaseTrainerConfig

        rows = BaseDataset(torch.tensor(X), torch.zeros(len(X)))
        with tempfile.TemporaryDirectory() as folder:
            config = BaseTrainerConfig(output_dir=folder, no_cuda=True, **self.parameters)
            BaseTrainer(self.model, rows, training_config=config).train()


class Pythae(Library):
    """Its plain autoencoder; where layers are not its defaults, they are modules of the user's."""

    purpose = "comparing variational autoencoders"
    about = "`AE` with the user's modules"
    released = "2023-09"
    name, distribution, module = "pythae", "pythae", "pythae"
    wants_unit_range = True  # its decoder ends in a sigmoid
    to_pickle = Network(8, max_iter=2)  # of its own modules

    def model(self, n_features, network):
        import torch
        from pythae.models import AE, AEConfig

        torch.manual_seed(network.seed)  # the weights' seed is the user's
        config = AEConfig(input_dim=(n_features,), latent_dim=network.width)
        parameters = given(
            num_epochs=network.max_iter, per_device_train_batch_size=network.batch_size
        )
        if network.is_default:
            return Trainer(AE(config), seed=network.seed, **parameters)
        layers = self._layers(network.sizes(n_features), network.is_linear)
        return Trainer(
            AE(config, *coder_pair(*layers)), seed=network.seed, learning_rate=1e-3, **parameters
        )

    @staticmethod
    def _layers(sizes, is_linear):
        """Encoder and decoder."""
        from torch import nn

        dense = [nn.Linear(*pair) for pair in itertools.pairwise(sizes)]
        for half in dense[: len(dense) // 2], dense[len(dense) // 2 :]:
            between = [one for layer in half for one in (layer, nn.ReLU())][:-1]
            yield nn.Sequential(*(half if is_linear else between))

    def train(self, model, X):
        model.train(X)

    def restored(self, model, X):
        import torch

        with torch.no_grad():
            return model.model.eval().reconstruct(torch.tensor(X)).numpy()

    def linear_vae(self, X):
        import torch
        from pythae.models import VAE, VAEConfig
        from torch import nn

        torch.manual_seed(0)
        n_features = X.shape[1]
        config = VAEConfig(input_dim=(n_features,), latent_dim=3)
        mean, log_variance = nn.Linear(n_features, 3), nn.Linear(n_features, 3)
        vae = VAE(config, *coder_pair(mean, nn.Linear(3, n_features), log_variance))
        trainer = Trainer(
            vae, num_epochs=200, per_device_train_batch_size=100, learning_rate=1e-3, seed=0
        )
        trainer.train(X)
        with torch.no_grad():
            return float(np.mean(vae.eval().get_nll(torch.tensor(X), n_samples=100)))


def coder_pair(encode, decode, log_variance=None):
    """Modules as pythae asks for them, around modules of the user's."""
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder

    class Encoder(BaseEncoder):
        def __init__(self):
            super().__init__()
            self.layers, self.log_variance = encode, log_variance

        def forward(self, x):
            code = ModelOutput(embedding=self.layers(x))
            if self.log_variance is not None:
                code["log_covariance"] = self.log_variance(x)
            return code

    class Decoder(BaseDecoder):
        def __init__(self):
            super().__init__()
            self.layers = decode

        def forward(self, z):
            return ModelOutput(reconstruction=self.layers(z))

    return Encoder(), Decoder()
