"""The number of threads: one for small networks, and nothing left behind."""

import pytest
import torch
from helpers import X, in_threads, small
from threadpoolctl import threadpool_limits

from skae import Autoencoder
from skae._engine.perceptron import Perceptron
from skae._engine.threads import enough_threads

SMALL = Autoencoder(3, hidden_layer_sizes=())._describe_perceptron(6)
LARGE = Autoencoder(500, hidden_layer_sizes=())._describe_perceptron(1000)


@pytest.fixture
def two_threads():
    """As many as this to begin with, whatever the machine."""
    with threadpool_limits(2, user_api="openmp"):
        yield


def threads_inside(n_rows, perceptron):
    with enough_threads(n_rows, perceptron):
        return torch.get_num_threads()


def test_small_networks_take_one_thread(two_threads):
    assert threads_inside(200, SMALL) == 1
    assert torch.get_num_threads() == 2


def test_large_networks_take_all_threads(two_threads):
    assert threads_inside(200, LARGE) == 2
    assert threads_inside(1, LARGE) == 1


def test_it_never_raises_the_number():
    with threadpool_limits(1, user_api="openmp"):
        assert threads_inside(200, SMALL) == threads_inside(200, LARGE) == 1


def test_the_widest_layer_counts(two_threads):
    deep = Perceptron((1000, 500, 2), ("relu",) * 2, ("relu",) * 2, (False,) * 2)
    assert threads_inside(200, deep) == 2


def test_other_threads_keep_theirs():
    def elsewhere():
        return in_threads(1, lambda number: torch.get_num_threads())

    before = elsewhere()
    with enough_threads(200, SMALL):
        assert elsewhere() == before


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_training_and_inference_use_it_and_restore(method, two_threads, monkeypatch):
    estimator, seen = small("Autoencoder"), []
    objective, encode = type(estimator)._objective, type(estimator)._encode

    def recorded(function):
        def record(self, *args):
            seen.append(torch.get_num_threads())
            return function(self, *args)

        return record

    monkeypatch.setattr(type(estimator), "_objective", recorded(objective))
    monkeypatch.setattr(type(estimator), "_encode", recorded(encode))
    getattr(estimator, method)(X).transform(X)
    assert set(seen) == {1}
    assert torch.get_num_threads() == 2


def test_a_failure_restores_it(two_threads):
    with pytest.raises(ZeroDivisionError), enough_threads(200, SMALL):
        raise ZeroDivisionError
    assert torch.get_num_threads() == 2
