"""Which classes of a library are which model, for others.py, which checks that they exist."""

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
        "H2O": "h2o.estimators.H2OAutoEncoderEstimator",  # sparsity_beta, average_activation
        "SAELens": (
            "sae_lens.StandardTrainingSAE",
            "sae_lens.TopKTrainingSAE",
            "sae_lens.BatchTopKTrainingSAE",
            "sae_lens.JumpReLUTrainingSAE",
            "sae_lens.GatedTrainingSAE",
        ),
    },
    "denoising": {"skae": "skae.DenoisingAutoencoder", "encdr": "encdr.encdr.DENCDR"},
    "contractive": {"skae": "skae.ContractiveAutoencoder"},
    "stacked": {"skae": "skae.StackedAutoencoder"},
    "regularised decoder": {"pythae": ("pythae.models.RAE_L2", "pythae.models.RAE_GP")},
    "convolutional": {
        "skae": "skae.networks.ConvNet",
        "pythae": "pythae.models.nn.benchmarks.mnist.Encoder_Conv_AE_MNIST",
    },
    "variational": {
        "skae": "skae.VAE",
        "encdr": "encdr.encdr.VENCDR",
        "pyod": "pyod.models.vae.VAE",
        "pythae": "pythae.models.VAE",
        "scvi-tools": "scvi.model.SCVI",
        "ctgan": "ctgan.TVAE",
    },
    "variational, with weighted KL terms": {
        "skae": "skae.VAE",  # beta, as in the next two
        "encdr": "encdr.encdr.VENCDR",
        "pyod": "pyod.models.vae.VAE",
        "pythae": (
            "pythae.models.BetaVAE",
            "pythae.models.DisentangledBetaVAE",
            "pythae.models.BetaTCVAE",
            "pythae.models.FactorVAE",
        ),
    },
    "importance-weighted": {
        "skae": "skae.VAE",  # objective="iwae"
        "pythae": (
            "pythae.models.IWAE",
            "pythae.models.MIWAE",
            "pythae.models.PIWAE",
            "pythae.models.CIWAE",
        ),
    },
    "variational, with another prior, posterior or geometry": {
        "pythae": (
            "pythae.models.VAMP",
            "pythae.models.VAE_LinNF",
            "pythae.models.VAE_IAF",
            "pythae.models.HVAE",
            "pythae.models.RHVAE",
            "pythae.models.SVAE",
            "pythae.models.PoincareVAE",
        ),
    },
    "variational, with a perceptual loss": {"pythae": "pythae.models.MSSSIM_VAE"},
    "codes matched to a prior by MMD": {
        "pythae": ("pythae.models.WAE_MMD", "pythae.models.INFOVAE_MMD"),
    },
    "vector-quantised": {"pythae": "pythae.models.VQVAE"},
    "autoencoder with a discriminator": {
        "pythae": ("pythae.models.Adversarial_AE", "pythae.models.VAEGAN"),
    },
    "GAN": {
        "skae": ("skae.GAN", "skae.ConditionalGAN", "skae.InfoGAN"),
        "pyod": (
            "pyod.models.anogan.AnoGAN",
            "pyod.models.alad.ALAD",
            "pyod.models.so_gaal.SO_GAAL",
            "pyod.models.mo_gaal.MO_GAAL",
        ),
        "ctgan": "ctgan.CTGAN",
    },
    "of gene counts, with batches": {"scvi-tools": "scvi.model.SCVI"},
    "of graphs": {
        "pyod": (
            "pyod.models.pyg_dominant.DOMINANT",
            "pyod.models.pyg_conad.CONAD",
            "pyod.models.pyg_anomalydae.AnomalyDAE",
            "pyod.models.pyg_guide.GUIDE",
        ),
    },
    "of audio clips": {"pyod": "pyod.models.audio_ae.AudioAE"},
    "transcoder of a language model": {"SAELens": "sae_lens.Transcoder"},
    "Boltzmann machine": {
        "skae": "skae.RestrictedBoltzmannMachine",
        "MLPRegressor": "sklearn.neural_network.BernoulliRBM",
    },
    "outlier detector": {
        "skae": "skae.AutoencoderOutlierDetector",
        "pyod": (
            "pyod.models.auto_encoder.AutoEncoder",
            "pyod.models.vae.VAE",
            "pyod.models.ae1svm.AE1SVM",
        ),
        "H2O": "h2o.estimators.H2OAutoEncoderEstimator",  # its method anomaly
    },
    "classifier or regressor, pretrained by an autoencoder": {
        "skae": ("skae.AutoencoderClassifier", "skae.AutoencoderRegressor"),
        "H2O": "h2o.estimators.H2ODeepLearningEstimator",  # pretrained_autoencoder
    },
    "imputer": {"skae": "skae.AutoencoderImputer"},
}


def has(model):
    """A function: the names of a library's classes for a model, if they can be imported."""

    def look(library):
        if library.name not in MODELS[model]:
            raise NotOffered("none")
        paths = MODELS[model][library.name]
        return ", ".join(map(imported, [paths] if isinstance(paths, str) else paths))

    return look


def imported(path):
    """The name of a class that is there."""
    module, _, name = path.rpartition(".")
    getattr(importlib.import_module(module), name)
    return name


QUESTIONS = {"models": {model: has(model) for model in MODELS}}
