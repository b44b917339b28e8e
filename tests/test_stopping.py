"""When a training counts as improved, and when it has waited long enough."""

import pytest
import torch

from skae._engine.stopping import RECENT, Average, Stopping


@pytest.mark.parametrize(
    ("start", "just_not", "improved"), [(8.0, 6.0, 5.9), (-8.0, -10.0, -10.1), (0.0, 0.0, -0.1)]
)
def test_an_improvement_is_of_more_than_a_part_of_the_best_loss(start, just_not, improved):
    stopping = Stopping(tol=0.25, patience=3)
    assert stopping.improved(start) and stopping.best == start
    assert not stopping.improved(just_not) and stopping.best == start
    assert stopping.improved(improved) and stopping.best == improved
    assert stopping.losses == [start, just_not, improved]


def test_epochs_are_counted_from_the_last_improvement():
    stopping = Stopping(tol=0.0, patience=2)
    waited = []
    for loss in (3.0, 3.0, 2.0, 2.5, 2.0):
        assert not stopping.exhausted
        stopping.improved(loss)
        waited.append(stopping.waited)
    assert waited == [0, 1, 0, 1, 2] and stopping.exhausted


def test_nothing_is_waited_for_before_the_first_epoch():
    assert Stopping(tol=0.0, patience=0).exhausted
    assert not Stopping(tol=0.0, patience=1).exhausted


@pytest.mark.parametrize("n_epochs", [1, 2, 7, 500])
def test_an_average_lags_by_a_tenth_of_the_epochs(n_epochs):
    average = Average(torch.zeros(2, dtype=torch.float64))
    for epoch in range(1, n_epochs + 1):
        average.add(torch.tensor([epoch, 3.0], dtype=torch.float64))
    mean_epoch = ((RECENT + 1) * n_epochs + 1) / (RECENT + 2)  # weights of the polynomial decay
    torch.testing.assert_close(average.weights.tolist(), [mean_epoch, 3.0])
