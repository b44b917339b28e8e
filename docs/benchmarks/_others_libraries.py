"""All libraries of others.py, in the order of its page."""

from _others_sklearn import Components, Perceptron, Skae, Skorch
from _others_tables import CTGAN, H2O
from _others_torch import Encdr, PyOD, Pythae, SAELens, ScviTools

ALL = (
    Skae(),
    Perceptron(),
    Components(),
    Skorch(),
    Encdr(),
    PyOD(),
    Pythae(),
    H2O(),
    CTGAN(),
    ScviTools(),
    SAELens(),
)
LIBRARIES = {one.name: one for one in ALL}
