"""What others.py asks of a library: how an autoencoder of it is made, trained and used."""

import importlib.metadata
import importlib.util
from typing import NamedTuple


class NotOffered(Exception):
    """A library has no such thing; the message says what it has instead."""


class Network(NamedTuple):
    """The autoencoder that is wanted; what is None is left to the library."""

    width: int
    hidden: tuple | None = None  # of the encoder; the decoder mirrors them
    max_iter: int | None = None
    batch_size: int | None = None
    is_linear: bool = False
    seed: int = 0

    @property
    def is_default(self):
        return self.hidden is None

    def sizes(self, n_features):
        """Widths of all layers, from the features to the features."""
        encoder = (n_features, *self.hidden, self.width)
        return (*encoder, *encoder[-2::-1])


class Library:
    """One library; `model`, `train` and `restored` are as a user would write them."""

    name = ""  # on the page
    purpose = ""  # what it is made for
    about = ""  # what of it is asked
    released = ""  # the month of the version that others.json has
    distribution = ""  # on the Python Package Index
    module = ""
    wants_unit_range = False  # by default, its reconstructions lie in [0, 1]
    trains_network = True  # 64-32-8-32-64, by the squared error
    to_pickle = None  # a network, if it is not the one that all train
    computes_here = True  # in this process, whose processor time is measured
    grid = {}  # of a parameter that a search might try

    def is_installed(self):
        return importlib.util.find_spec(self.module) is not None

    def version(self):
        return importlib.metadata.version(self.distribution)

    def licence(self):
        """What the installed package says, its expression or its classifier."""
        about = importlib.metadata.metadata(self.distribution)
        classifiers = about.get_all("Classifier") or []
        found = [c.rpartition(" :: ")[2] for c in classifiers if c.startswith("License ::")]
        text = about["License-Expression"] or ", ".join(found) or about["License"] or "not said"
        return text.strip().splitlines()[0]

    def estimator(self, max_iter=5):
        """A small one of scikit-learn's kind, for iris."""
        raise NotOffered("not an estimator")

    def for_gaps(self):
        """One that takes missing values, if there is one."""
        return self.estimator()

    def to_check(self):
        """One for any number of features, which scikit-learn's checks need."""
        return self.estimator()

    def target(self, X):
        """What `fit` of the estimator is told to predict."""

    def model(self, n_features, network):
        """Not trained yet."""
        raise NotOffered("no autoencoder")

    def train(self, model, X):
        model.fit(X)

    def restored(self, model, X):
        """What the model makes of rows, an array of X's shape."""
        raise NotOffered("no reconstructions")

    def used(self, model, X):
        """What its users would ask of it for rows, numbers."""
        return self.restored(model, X)

    def linear_vae(self, X):
        """Mean log-likelihood of rows in nats, or a bound of it, by a VAE of 3 components."""
        raise NotOffered("no VAE with a likelihood")

    def prepare_onnx(self):
        """What has to be called before skl2onnx."""


def given(**parameters):
    """The parameters that are not None."""
    return {name: value for name, value in parameters.items() if value is not None}
