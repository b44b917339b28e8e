"""All libraries of others.py, in the order of its page."""

from _others_sklearn import Components, Perceptron, Skae, Skorch
from _others_tables import CTGAN, H2O
from _others_torch import PyOD, Pythae

ALL = (Skae(), Perceptron(), Components(), Skorch(), PyOD(), Pythae(), H2O(), CTGAN())
LIBRARIES = {one.name: one for one in ALL}
