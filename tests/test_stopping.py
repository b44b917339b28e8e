"""When a training counts as improved, and when it has waited long enough."""

import pytest

from skae._engine.stopping import Stopping


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
