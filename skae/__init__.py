"""skae: autoencoders as scikit-learn transformers."""

from skae._autoencoder import Autoencoder
from skae._boltzmann import RestrictedBoltzmannMachine
from skae._classifier import AutoencoderClassifier
from skae._conditional_gan import ConditionalGAN
from skae._contractive import ContractiveAutoencoder
from skae._denoising import DenoisingAutoencoder
from skae._gan import GAN
from skae._hints import own_methods
from skae._imputer import AutoencoderImputer
from skae._infogan import InfoGAN
from skae._outliers import AutoencoderOutlierDetector
from skae._regressor import AutoencoderRegressor
from skae._sparse import SparseAutoencoder
from skae._stacked import StackedAutoencoder
from skae._variational import VAE
from skae._version import __version__

__all__ = [
    "GAN",
    "VAE",
    "Autoencoder",
    "AutoencoderClassifier",
    "AutoencoderImputer",
    "AutoencoderOutlierDetector",
    "AutoencoderRegressor",
    "ConditionalGAN",
    "ContractiveAutoencoder",
    "DenoisingAutoencoder",
    "InfoGAN",
    "RestrictedBoltzmannMachine",
    "SparseAutoencoder",
    "StackedAutoencoder",
    "__version__",
]

# Files and representations name a class by its stable public location, not by a private module,
# and errors name its methods after the class itself.
for _name in __all__:
    if _name != "__version__":
        globals()[_name].__module__ = __name__
        own_methods(globals()[_name])
