"""Which class of a library is which model, for others.py, which looks whether it is there."""

import importlib

from _others_library import NotOffered

MODELS = {
    "plain": {
        "skae": "skae.Autoencoder",
        "encdr": "encdr.encdr.ENCDR",
        "pyod": "pyod.models.auto_encoder.AutoEncoder",
        "pythae": "pythae.models.AE",
        "H2O": "h2o.estimators.H2OAutoEncoderEstimator",
    },
    "sparse": {
        "skae": "skae.SparseAutoencoder",
        "encdr": "encdr.encdr.SENCDR",
        "SAELens": "sae_lens.TopKTrainingSAE",
    },
    "denoising": {"skae": "skae.DenoisingAutoencoder", "encdr": "encdr.encdr.DENCDR"},
    "contractive": {"skae": "skae.ContractiveAutoencoder"},
    "stacked": {"skae": "skae.StackedAutoencoder"},
    "variational": {
        "skae": "skae.VAE",
        "encdr": "encdr.encdr.VENCDR",
        "pyod": "pyod.models.vae.VAE",
        "pythae": "pythae.models.VAE",
        "scvi-tools": "scvi.model.SCVI",
        "ctgan": "ctgan.TVAE",
    },
    "convolutional": {
        "skae": "skae.networks.ConvNet",
        "pythae": "pythae.models.nn.benchmarks.mnist.Encoder_Conv_AE_MNIST",
    },
    "adversarial (GAN)": {
        "skae": "skae.GAN",
        "pyod": "pyod.models.anogan.AnoGAN",
        "pythae": "pythae.models.VAEGAN",
        "ctgan": "ctgan.CTGAN",
    },
    "vector-quantised": {"pythae": "pythae.models.VQVAE"},
    "importance-weighted": {"skae": "skae.VAE", "pythae": "pythae.models.IWAE"},
    "with normalising flows": {"pythae": "pythae.models.VAE_IAF"},
    "of counts of genes, with batches": {"scvi-tools": "scvi.model.SCVI"},
    "transcoder of a language model": {"SAELens": "sae_lens.TranscoderConfig"},
    "Boltzmann machine": {
        "skae": "skae.RestrictedBoltzmannMachine",
        "MLPRegressor": "sklearn.neural_network.BernoulliRBM",
    },
    "outlier detector": {
        "skae": "skae.AutoencoderOutlierDetector",
        "pyod": "pyod.models.auto_encoder.AutoEncoder",
    },
}


def has(model):
    """A function: the name of a library's class for a model, if that can be imported."""

    def look(library):
        if library.name not in MODELS[model]:
            raise NotOffered("none")
        module, _, name = MODELS[model][library.name].rpartition(".")
        getattr(importlib.import_module(module), name)
        return name

    return look


QUESTIONS = {"models": {model: has(model) for model in MODELS}}
