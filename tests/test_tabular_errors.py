"""What is wrong with a table, where, and what to do."""

import numpy as np
import pytest
from helpers import SUPERVISED, X, may_be_dead, may_collapse, small
from sklearn.base import clone
from small_tables import ALL, FAST, N, each, fitted, given, simple

from skae import VAE, Autoencoder
from skae.networks import ConvNet
from skae.tables import TableEncoder

pd = pytest.importorskip("pandas")

pytestmark = [may_collapse, may_be_dead]

REFUSED = [
    ("Autoencoder", {"loss": "binary_cross_entropy"}, "loss='binary_cross_entropy' needs an array"),
    ("SparseAutoencoder", {"loss": "categorical_cross_entropy"}, "loss='categorical_cross"),
    ("DenoisingAutoencoder", {"loss": "binary_cross_entropy"}, "loss='binary_cross_entropy'"),
    ("StackedAutoencoder", {"estimator__loss": "binary_cross_entropy"}, "loss='binary_cross"),
    (
        "AutoencoderClassifier",
        {"autoencoder__estimator__loss": "binary_cross_entropy"},
        "loss='binary_cross_entropy' needs an array",
    ),
    ("VAE", {"likelihood": "bernoulli"}, "likelihood='bernoulli' needs an array"),
    ("VAE", {"likelihood": "bernoulli", "binarize": True}, "likelihood='bernoulli' needs an array"),
    ("VAE", {"likelihood": "categorical"}, "likelihood='categorical' needs an array"),
    (
        "VAE",
        {"noise_variance": "heteroscedastic"},
        "noise_variance='heteroscedastic' needs an array",
    ),
    ("VAE", {"network": ConvNet((1, 1, 7))}, r"network=ConvNet\(.*\) needs an array"),
    ("Autoencoder", {"network": ConvNet((1, 1, 7))}, r"network=ConvNet\(.*\) needs an array"),
]


@pytest.mark.parametrize(("name", "params", "message"), REFUSED)
def test_parameters_that_are_for_arrays(name, params, message):
    estimator = clone(ALL[name]).set_params(**params)
    with pytest.raises(
        ValueError, match=rf"{message}.*column 'job' is 'category': leave"
    ) as caught:
        estimator.fit(*given(name, simple()))
    assert not hasattr(caught.value, "__notes__")
    assert not vars(estimator).keys() - estimator.get_params(deep=False).keys()


WRONG = {
    "a column is missing": (lambda t: t.drop(columns="job"), "now missing:\n- job"),
    "one more": (lambda t: t.assign(new=1), "unseen at fit time:\n- new"),
    "another order": (lambda t: t[["job", "age", "weight", "smokes"]], "in the same order"),
    "words for numbers": (
        lambda t: t.assign(age=t["age"].astype(str)),
        r"'age' had dtype int64 in fit, but now has dtype \w+, with values such as '\d+'",
    ),
    "fractions for integers": (lambda t: t.assign(age=t["age"] + 0.5), r"'age' had dtype int64"),
    "numbers for words": (
        lambda t: t.assign(job=1),
        r"'job' had dtype \w+ in fit, but now has dtype int",
    ),
    "times for numbers": (
        lambda t: t.assign(age=pd.Timestamp("2020-01-01")),
        r"'age' had dtype int64 in fit, but now has dtype datetime64",
    ),
    "infinity": (lambda t: t.assign(weight=np.inf), "'weight' contains infinity"),
    "an array": (lambda t: t.to_numpy(), r"columns \['age', .*, but got ndarray: pass a data"),
    "a list": (lambda t: t.to_numpy().tolist(), "but got list: pass a data frame"),
    "a column": (lambda t: t["age"], "but got Series: pass a data frame"),
    "a matrix": (lambda t: np.zeros((N, 7)), "but got ndarray: pass a data frame"),
    "codes": (lambda t: np.zeros((N, 4), dtype=np.float32), "but got ndarray: pass a data frame"),
    "no rows": (lambda t: t[:0], r"0 sample\(s\)"),
}


@each
@pytest.mark.parametrize(("change", "message"), WRONG.values(), ids=WRONG)
def test_tables_other_than_in_fit(name, change, message):
    estimator = fitted(name, simple())
    use = estimator.predict if name in SUPERVISED else estimator.reconstruct
    for method in (estimator.transform, use):
        with pytest.raises(ValueError, match=message) as caught:
            method(change(simple()))
        assert "numbers first" not in " ".join(getattr(caught.value, "__notes__", []))


def test_numbers_far_from_those_of_fit():
    """Quantiles have none that are beyond the greatest of `fit`."""
    far = simple().assign(weight=1e200)
    with pytest.raises(ValueError, match="a value too large for dtype"):
        Autoencoder(2, **FAST).fit(simple()).transform(far)
    assert np.isfinite(VAE(2, **FAST).fit(simple()).transform(far)).all()


def test_columns_of_fit_are_named():
    with pytest.raises(ValueError, match="same order") as caught:
        Autoencoder(2, **FAST).fit(simple()).transform(simple()[["job", "age", "weight", "smokes"]])
    expected = "Pass the columns of fit, in their order: ['age', 'weight', 'job', 'smokes']."
    assert caught.value.__notes__ == [expected]


def test_tables_of_another_library_will_do():
    polars = pytest.importorskip("polars")
    table = simple()
    estimator = Autoencoder(2, **FAST).fit(table)
    np.testing.assert_array_equal(
        estimator.transform(polars.from_pandas(table)), estimator.transform(table)
    )


@each
def test_tables_where_numbers_were_fitted(name):
    table = simple()
    for numbers in (table[["age", "weight", "smokes"]].to_numpy(float), X[:, :3]):
        estimator = fitted(name, numbers)
        with pytest.raises(ValueError, match="could not convert string") as caught:
            estimator.transform(table[["age", "weight", "job"]].set_axis([0, 1, 2], axis=1))
        assert "pass such a data frame to fit, with table='auto'" in caught.value.__notes__[0]


@each
def test_tables_where_none_are_wanted(name):
    with pytest.raises(ValueError, match="could not convert string") as caught:
        fitted(name, simple(), table=None)
    assert "Column 'job' holds non-numeric values" in caught.value.__notes__[0]


def test_arrays_of_objects():
    with pytest.raises(ValueError, match="could not convert string to float") as caught:
        Autoencoder(2, **FAST).fit(simple().to_numpy())
    assert "pass a data frame to fit" in caught.value.__notes__[0]


@each
def test_parameters_of_an_encoder_that_is_not_there(name):
    with pytest.raises(
        ValueError, match=rf"'auto', which has no parameters: pass {name}\(table=TableE"
    ):
        small(name).set_params(table__numeric="quantile")


BAD_TABLES = {
    "a word": ("frame", "The 'table' parameter of Autoencoder must be a str among {'auto'}"),
    "a class": (TableEncoder, "The 'table' parameter of Autoencoder must be"),
    "a bad parameter": (TableEncoder(numeric="log"), "The 'numeric' parameter of TableEncoder"),
    "an unknown column": (TableEncoder({"x": "category"}), "kinds has 'x', but the columns are"),
    "a wrong kind": (TableEncoder({"job": "numeric"}), r"kinds\['job'\] is 'numeric', but"),
}


@pytest.mark.parametrize(("spec", "message"), BAD_TABLES.values(), ids=BAD_TABLES)
def test_encoders_that_are_none(spec, message):
    with pytest.raises(ValueError, match=message):
        Autoencoder(2, table=spec, **FAST).fit(simple())


BAD_COLUMNS = {
    "names of rows": ([f"r{i}" for i in range(N)], r"'new' has 60 categories in 60 rows: drop it"),
    "lists": ([[1]] * N, r"'new' holds values that are not categories \(unhashable"),
    "complex": ([1j] * N, "'new' has dtype complex128, but must hold"),
    "infinity": ([np.inf] * N, "'new' contains infinity"),
}


@pytest.mark.parametrize(("values", "message"), BAD_COLUMNS.values(), ids=BAD_COLUMNS)
def test_columns_that_are_none(values, message):
    with pytest.raises(ValueError, match=message) as caught:
        Autoencoder(2, **FAST).fit(simple().assign(new=values))
    assert not hasattr(caught.value, "__notes__")


def test_columns_of_one_name():
    table = simple().rename(columns={"weight": "age"})
    with pytest.raises(ValueError, match="'age'") as caught:
        Autoencoder(2, **FAST).fit(table)
    assert not hasattr(caught.value, "__notes__")


def test_probabilities_are_of_tables():
    with pytest.raises(ValueError, match="proba=True needs a data frame with categories"):
        Autoencoder(2, **FAST).fit(X).reconstruct(X, proba=True)
