"""What errors name: the column, what to pass instead, the public class."""

import datetime
import inspect
from pathlib import Path

import numpy as np
import pytest
from helpers import AROUND, LABELS, SMALL, SUPERVISED, TRAINED, X, small
from scipy.sparse import csr_array
from sklearn.datasets import load_iris
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils._param_validation import InvalidParameterError

import skae.base
from skae import (
    GAN,
    VAE,
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderImputer,
    AutoencoderOutlierDetector,
    AutoencoderRegressor,
    DenoisingAutoencoder,
    SparseAutoencoder,
    StackedAutoencoder,
)
from skae._hints import columns_without_numbers
from skae._words import CALLED_HERE, _words_for

# Parameters of a part that is not there.

NO_PARTS = {
    "pass AutoencoderClassifier(StackedAutoencoder()).": (
        AutoencoderClassifier(),
        "autoencoder__layer_sizes",
    ),
    "pass AutoencoderRegressor(StackedAutoencoder()).": (
        AutoencoderRegressor(),
        "autoencoder__estimator__max_iter",
    ),
    "pass AutoencoderClassifier(Autoencoder()).": (
        AutoencoderClassifier(),
        "autoencoder__n_components",
    ),
    "pass AutoencoderClassifier(DenoisingAutoencoder()).": (
        AutoencoderClassifier(),
        "autoencoder__corruption_level",
    ),
    "pass AutoencoderOutlierDetector(DenoisingAutoencoder(128)).": (
        AutoencoderOutlierDetector(),
        "autoencoder__n_components",
    ),
    "pass AutoencoderOutlierDetector(StackedAutoencoder()).": (
        AutoencoderOutlierDetector(),
        "autoencoder__layer_sizes",
    ),
    "pass StackedAutoencoder(estimator=SparseAutoencoder()).": (
        StackedAutoencoder(),
        "estimator__sparsity",
    ),
    "nothing that could be passed has a parameter epochs.": (
        AutoencoderRegressor(),
        "autoencoder__epochs",
    ),
    "nothing that could be passed has a parameter sparsity.": (
        AutoencoderImputer(),
        "autoencoder__sparsity",
    ),
    "pass Autoencoder(table=TableEncoder()).": (Autoencoder(), "table__max_categories"),
    "pass StackedAutoencoder(estimator=DenoisingAutoencoder()).": (
        AutoencoderClassifier(StackedAutoencoder()),
        "autoencoder__estimator__max_iter",
    ),
    "pass VAE(network=ConvNet(image_shape=(1, 28, 28))).": (VAE(), "network__channels"),
    "set max_iter of the objects in the list.": (
        StackedAutoencoder(estimator=[Autoencoder()] * 2),
        "estimator__max_iter",
    ),
    "leave out n_components__max_iter.": (Autoencoder(), "n_components__max_iter"),
}


@pytest.mark.parametrize("remedy", NO_PARTS)
def test_parameters_of_no_part_say_what_to_pass(remedy):
    estimator, parameter = NO_PARTS[remedy]
    with pytest.raises(ValueError) as error:
        estimator.set_params(**{parameter: 3})
    assert str(error.value).endswith(remedy)
    with pytest.raises(ValueError, match="which has no parameters: "):
        GridSearchCV(estimator, {parameter: [3]}, scoring=lambda *_: 0.0).fit(X, LABELS)


def test_a_part_may_come_with_its_parameters():
    model = StackedAutoencoder().set_params(estimator__max_iter=3, estimator=VAE(), alpha=1.0)
    assert model.estimator.max_iter == 3
    with pytest.raises(ValueError, match="Invalid parameter 'epochs'"):
        StackedAutoencoder().set_params(epochs__max_iter=3)


# What other libraries call the values of parameters.

OTHER_WORDS = [
    (Autoencoder(learning_rate=0.01), "Pass the number as learning_rate_init=0.01."),
    (AutoencoderClassifier(learning_rate=1e-3), "learning_rate_init=0.001."),
    (GAN(learning_rate=0.01), "learning_rate_init=0.01."),
    (DenoisingAutoencoder(corruption=0.3), "corruption_level=0.3."),
    (SparseAutoencoder(sparsity=1), "sparsity_weight=1."),
    (Autoencoder(0.95), "PCA(0.95).fit(X).n_components_."),
    (VAE(None), "it is not chosen from X. Pass a number, such as n_components=32."),
    (Autoencoder("mle"), "such as n_components=32."),
    (Autoencoder([64, 32]), "or those of the layers before the code as hidden_layer_sizes."),
    (Autoencoder(activation="sigmoid"), "Here, 'sigmoid' is called 'logistic'."),
    (Autoencoder(code_activation="Linear"), "Here, 'Linear' is called 'identity'."),
    (Autoencoder(activation="ReLU"), "Did you mean 'relu'?"),
    (Autoencoder(loss="mse"), "Here, 'mse' is called 'squared_error'."),
    (Autoencoder(loss="binary_crossentropy"), "Did you mean 'binary_cross_entropy'?"),
    (VAE(likelihood="binary_cross_entropy"), "is called 'bernoulli'."),
    (DenoisingAutoencoder(corruption="dropout"), "is called 'masking'."),
    (Autoencoder(solver="L-BFGS"), "Did you mean 'lbfgs'?"),
    (Autoencoder(precision="bfloat16"), "is called 'bf16'."),
    (Autoencoder(precision="float32"), "in the dtype of X. Pass X.astype('float32')."),
    (AutoencoderClassifier(Autoencoder(loss="mse")), "is called 'squared_error'."),
    (AutoencoderClassifier((64, 32)), "such as StackedAutoencoder((64, 32))."),
    (AutoencoderRegressor(16), "such as Autoencoder(16)."),
    (AutoencoderClassifier("stack"), "such as StackedAutoencoder()."),
    (AutoencoderImputer(16), "such as DenoisingAutoencoder(16)."),
    (StackedAutoencoder(estimator="denoising"), "such as DenoisingAutoencoder()."),
]


@pytest.mark.parametrize(("model", "end"), OTHER_WORDS, ids=lambda value: str(value)[:60])
def test_values_of_other_libraries_say_what_to_pass(model, end):
    with pytest.raises(InvalidParameterError, match="parameter of") as error:
        model.fit(X, LABELS)
    (note,) = error.value.__notes__
    assert note.endswith(end)


@pytest.mark.parametrize(
    "model", [Autoencoder(0), Autoencoder(2.5), Autoencoder(alpha="no"), Autoencoder(device=0)]
)
def test_other_values_have_the_message_alone(model):
    with pytest.raises(InvalidParameterError) as error:
        model.fit(X)
    assert not hasattr(error.value, "__notes__")


def test_what_is_called_here_is_there():
    for name, words in CALLED_HERE.items():
        owner = next(
            model
            for model in (Autoencoder(), VAE(), DenoisingAutoencoder())
            if hasattr(model, name)
        )
        assert {*words.values()} <= _words_for(owner, name)


# What is no autoencoder.

PIPELINE = make_pipeline(StandardScaler(), Autoencoder(3))
SEARCH = GridSearchCV(Autoencoder(), {"n_components": [2]})
BEFORE = r"put the scaler.* before {name}, .*make_pipeline\(StandardScaler\(\), {name}\("
COMPOSITES = [
    (PIPELINE, BEFORE),
    (FrozenEstimator(PIPELINE), BEFORE),
    (make_pipeline("passthrough", Autoencoder()), BEFORE),
    (make_pipeline(StandardScaler(), LogisticRegression()), BEFORE),
    (SEARCH, "pass best_estimator_ .* or search over {name}"),
    (FrozenEstimator(SEARCH), "pass best_estimator_"),
    (Autoencoder, r"pass an object, such as Autoencoder\(\)"),
    (LogisticRegression(), ", for example."),
]


@pytest.mark.parametrize(("found", "remedy"), COMPOSITES)
@pytest.mark.parametrize("name", ["StackedAutoencoder", *SUPERVISED])
def test_composites_say_what_to_do(name, found, remedy):
    parameter = "estimator" if name == "StackedAutoencoder" else "autoencoder"
    model = small(name).set_params(**{parameter: found})
    with pytest.raises(InvalidParameterError, match=remedy.format(name=name)):
        model.fit(X, LABELS)


# Columns that hold no numbers.


def frames():
    pd = pytest.importorskip("pandas")
    numbers = {"age": X[:, 0], "size": X[:, 1]}
    yield pd.DataFrame({**numbers, "city": ["Paris"] * 60}), "Column 'city' holds"
    yield pd.DataFrame({**numbers, "city": [1.0] * 59 + ["Paris"]}), "Column 'city' holds"
    yield pd.DataFrame({**numbers, "city": pd.Categorical(["Paris"] * 60)}), "Column 'city' holds"
    both = pd.DataFrame({"city": ["Paris"] * 60, **numbers, "land": [None] + ["France"] * 59})
    yield both, "Columns 'city', 'land' hold"
    day = pd.DataFrame({**numbers, "day": pd.date_range("2020-01-01", periods=60)})
    yield day, "Column 'day' holds"
    rows = [[0.5, "Paris"]] * 60
    yield rows, "Column 1 holds"
    yield np.array(rows, dtype=object), "Column 1 holds"


def test_columns_of_strings_are_named():
    for frame, names in frames():
        with pytest.raises((ValueError, TypeError)) as error:
            DenoisingAutoencoder(table=None).fit(frame)
        (note,) = error.value.__notes__
        what = "Timestamp('2020" if "day" in names else "'Paris'"
        assert note.startswith(f"{names} non-numeric values, such as {what}")
        remedy = "table='auto'" if hasattr(frame, "columns") else "DataFrame(X).infer_objects()"
        assert remedy in note


@pytest.mark.parametrize("name", [*TRAINED, *SUPERVISED])
@pytest.mark.parametrize("method", ["fit", "transform", "score"])
def test_every_class_names_columns_of_strings(name, method):
    model, rows = small(name), np.column_stack([X[:, :5], ["Paris"] * 60]).astype(object)
    if method != "fit":
        model.fit(X, LABELS)
    arguments = () if method == "transform" else (LABELS,)
    with pytest.raises(ValueError, match="could not convert string to float") as error:
        getattr(model, method)(rows, *arguments)
    assert error.value.__notes__[0].startswith("Column 5 holds")


def test_codes_and_targets_name_columns_of_strings():
    model, rows = SMALL["DenoisingAutoencoder"], [[0.5, 0.5, "Paris"]] * 60
    fitted = small("DenoisingAutoencoder").fit(X)
    for attempt in (lambda: model.fit(X, target=rows), lambda: fitted.inverse_transform(rows)):
        with pytest.raises(ValueError, match="could not convert string to float") as error:
            attempt()
        assert error.value.__notes__[0].startswith("Column 2 holds")


# Columns with numbers that are not finite.


@pytest.mark.parametrize("as_rows", [np.array, np.ndarray.tolist, "frame"])
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_columns_that_are_not_finite_are_named(as_rows, value):
    rows, names = X.copy(), range(X.shape[1])
    rows[3, 2] = rows[5, 4] = value
    if as_rows == "frame":
        pd, names = pytest.importorskip("pandas"), "abcdef"
        rows = pd.DataFrame(rows, columns=[*names])
    else:
        rows = as_rows(rows)
    with pytest.raises(ValueError) as error:
        small("Autoencoder").fit(rows)
    (note,) = error.value.__notes__
    what = "NaN. Denoising" if np.isnan(value) else "infinity: replace it"
    assert note.startswith(f"Columns {names[2]!r}, {names[4]!r} hold {what}")


def test_infinity_is_named_beside_missing_values():
    rows = X.copy()
    rows[:2, 3] = np.nan, np.inf
    with pytest.raises(ValueError, match="contains infinity") as error:
        small("DenoisingAutoencoder").fit(rows)
    assert error.value.__notes__ == ["Column 3 holds infinity: replace it by a number first."]


def test_sparse_rows_that_are_not_finite_have_the_note_without_columns():
    rows = csr_array(np.where(X > 1, np.nan, X))
    with pytest.raises(ValueError, match="contains NaN") as error:
        small("Autoencoder").fit(rows)
    assert error.value.__notes__[0].startswith("DenoisingAutoencoder takes")


@pytest.mark.parametrize("records", [{"a": [1, 2], "b": [3, 4]}, [{"a": 1, "b": 3}] * 3])
def test_records_should_be_a_data_frame(records):
    with pytest.raises(TypeError) as error:
        Autoencoder().fit(records)
    assert error.value.__notes__[0].endswith("such as pandas.DataFrame(X).")


def as_elements(rows):
    """A column of arrays."""
    column = np.empty(len(rows), dtype=object)
    column[:] = [*rows]
    return column


TEXTS = ["a cat", "a dog"] * 3
NO_TABLES = [
    (TEXTS, "This list holds texts, such as 'a cat', one for each row."),
    (np.array(TEXTS), "This ndarray holds texts, such as"),
    ([None, *TEXTS], "This list holds texts, such as 'a cat'"),
    ("table.csv", "or the name of a file: read it first"),
    (Path("table.csv"), "or the name of a file: read it first"),
    (None, "X is None: pass the rows."),
    (load_iris(), "pass its rows, X.data."),
    ((X, LABELS), "This is a pair (X, y): pass its two parts as two arguments."),
    (np.zeros(5, dtype=[("a", float), ("b", float)]), "such as pandas.DataFrame(X)."),
    ([[1.0, 2.0], [3.0]], "The rows have different lengths, 1 to 2: make them equal."),
    (as_elements(X), "Every element of X is an array of its own: pass np.stack(X)."),
    (X + 1j, "X holds complex numbers. Pass their real and imaginary parts as columns"),
    (X[0] + 1j, "X holds complex numbers. Pass their real and imaginary parts as columns"),
    (csr_array(X + 1j), "X holds complex numbers. Pass their real and imaginary parts"),
    ((X + 1j).tolist(), "Columns 0, 1, 2, 3, 4, ... hold complex numbers. Pass their real"),
]


@pytest.mark.parametrize(("given", "note"), NO_TABLES, ids=lambda value: str(value)[:30])
@pytest.mark.parametrize("method", ["fit", "transform"])
def test_what_is_no_table_is_named(given, note, method):
    model = small("Autoencoder").fit(X)
    with pytest.raises((ValueError, TypeError)) as error:
        getattr(model, method)(given)
    assert note in error.value.__notes__[0]


def test_what_is_no_table_of_pandas_is_named():
    pd = pytest.importorskip("pandas")
    for given, note in (
        (pd.Series(TEXTS), "This Series holds texts, such as 'a cat'"),
        (pd.Series([*X]), "pass np.stack(X)."),
        (pd.DataFrame({"a": X[:, 0], "z": X[:, 1] + 1j}), "Column 'z' holds complex numbers."),
    ):
        with pytest.raises((ValueError, TypeError)) as error:
            small("Autoencoder").fit(given)
        assert note in error.value.__notes__[0]


@pytest.mark.parametrize("given", [X[0], 3.0, []], ids=["row", "number", "empty"])
def test_one_dimension_has_scikit_learns_message(given):
    with pytest.raises(ValueError, match="Reshape your data") as error:
        small("Autoencoder").fit(given)
    assert not hasattr(error.value, "__notes__")


@pytest.mark.parametrize("numbers", [X, X.tolist(), [[None, "1.5"]], csr_array(X), X[0], "Paris"])
def test_numbers_and_what_is_no_table_have_no_such_columns(numbers):
    assert columns_without_numbers(numbers) == {}


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_columns_of_frames_are_named(library):
    module = pytest.importorskip(library)
    table = getattr(module, "table", getattr(module, "DataFrame", None))
    day = datetime.date(2020, 1, 1)
    columns = {"a": [0.5], "town": ["Paris"], "b": [True], "day": [day]}
    assert columns_without_numbers(table(columns)) == {"town": "Paris", "day": day}


def test_only_few_columns_are_named():
    with pytest.raises(ValueError) as error:
        Autoencoder().fit(np.full((3, 40), "Paris"))
    assert "Columns 0, 1, 2, 3, 4, ... hold" in error.value.__notes__[0]


# Arguments that lack, or that there are not.


class Own(skae.base.BaseAutoencoder):
    solver = "adam"


CLASSES = [getattr(skae, name) for name in (*TRAINED, *SUPERVISED, *AROUND)]
PUBLIC = (*CLASSES, skae.base.BaseAutoencoder)
METHODS = [
    (cls, name)
    for cls in PUBLIC
    for name, _ in inspect.getmembers(cls, inspect.isfunction)
    # Not `set_params`, which takes whatever there is, nor scikit-learn's `set_fit_request`.
    if name[0] != "_" and name != "set_params" and not name.endswith("_request")
]


@pytest.mark.parametrize(("cls", "name"), METHODS)
def test_type_errors_name_the_class_and_method(cls, name):
    method = getattr(small(cls.__name__) if cls.__name__ in skae.__all__ else Own(), name)
    calls = [lambda: method(*range(20), nonsense=1)]
    parameters = inspect.signature(method).parameters.values()
    if any(p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD for p in parameters):
        calls.append(method)
    for call in calls:
        with pytest.raises(TypeError) as error:
            call()
        assert f"{cls.__name__}.{name}()" in str(error.value)


@pytest.mark.parametrize(("cls", "name"), METHODS)
def test_methods_stay_what_they_are(cls, name):
    """But for the class that errors name them after."""
    method = getattr(cls, name)
    bases = [vars(base)[name] for base in cls.__mro__[1:] if name in vars(base)]
    for inherited in (getattr(base, "fn", base) for base in bases):
        if inspect.unwrap(method).__code__ is inspect.unwrap(inherited).__code__:
            assert inspect.signature(method) == inspect.signature(inherited)
            assert method.__doc__ == inherited.__doc__
            assert method.__module__ == inherited.__module__
