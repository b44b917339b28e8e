"""What is deprecated works, warns and says what to use; what is overdue is gone."""

import pickle
import re
import warnings
from pathlib import Path

import pytest
from sklearn.base import BaseEstimator, clone

import skae
from skae._deprecation import DEPRECATED, deprecated, removal, renamed_parameter

SINCE = re.compile(r'since="([\d.]+)"')


@deprecated(since="0.2", instead="`product`")
def times(a, b):
    """Multiply."""
    return a * b


@deprecated(since="0.2", instead="`Scaler`")
class OldScaler(BaseEstimator):
    def __init__(self, *, factor=1.0):
        self.factor = factor


class Scaler(BaseEstimator):
    def __init__(self, *, factor=1.0, scale=DEPRECATED):
        self.factor = factor
        self.scale = scale

    def fit(self):
        self.factor_ = renamed_parameter(self, "scale", "factor", since="0.2")
        return self

    @deprecated(since="0.2", instead="`factor_`")
    @property
    def scale_(self):
        return self.factor_

    @deprecated(since="0.2", instead="`multiply`")
    def apply(self, x):
        return self.factor_ * x


def warns(name, instead):
    since = f"`{name}` is deprecated since skae 0.2 and will be removed in 0.3."
    message = f"{since} Use `{instead}` instead."
    return pytest.warns(FutureWarning, match=re.escape(message))


def test_functions_warn_and_work():
    with warns("times", "product"):
        assert times(3, b=4) == 12
    assert times.__name__ == "times" and times.__doc__ == "Multiply."


def test_methods_and_properties_warn_and_work():
    scaler = Scaler(factor=3.0).fit()
    with warns("apply", "multiply"):
        assert scaler.apply(2) == 6
    with warns("scale_", "factor_"):
        assert scaler.scale_ == 3


def test_classes_warn_and_work():
    with warns("OldScaler", "Scaler"):
        scaler = OldScaler(factor=2.0)
    with warns("OldScaler", "Scaler"):
        assert clone(scaler).get_params() == {"factor": 2.0}
    with warns("OldScaler", "Scaler"):
        assert pickle.loads(pickle.dumps(scaler)).factor == 2


def test_an_old_parameter_warns_and_works():
    with warns("scale", "factor"):
        assert Scaler(scale=2.0).fit().factor_ == 2


def test_a_new_parameter_does_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Scaler(factor=2.0).fit().factor_ == 2
        assert clone(Scaler()).fit().factor_ == 1


def test_old_and_new_parameter_together_are_an_error():
    with pytest.raises(ValueError, match="scale is an older name of factor"):
        Scaler(factor=3.0, scale=2.0).fit()


@pytest.mark.parametrize(("since", "gone"), [("0.2", "0.3"), ("0.9", "0.10"), ("1.0", "1.1")])
def test_it_goes_with_the_next_minor_release(since, gone):
    assert removal(since) == gone


def as_numbers(version):
    return [int(number) for number in version.split(".")[:2]]


def overdue(code, version):
    """Versions in calls of the above whose time is over."""
    return [s for s in SINCE.findall(code) if as_numbers(removal(s)) <= as_numbers(version)]


def test_nothing_is_overdue():
    code = Path(__file__).read_text(encoding="utf-8")
    assert overdue(code, "0.2.5") == [] and set(overdue(code, "0.10.0")) == {"0.2"}
    for path in Path(skae.__path__[0]).rglob("*.py"):
        assert overdue(path.read_text(encoding="utf-8"), skae.__version__) == [], path
