"""Whether a fit has come to anything: what it warns of, and when and where it ends."""

import re
import warnings
from contextlib import suppress
from itertools import pairwise, product

import numpy as np
import pandas as pd
import pytest
from helpers import (
    LABELS,
    NEVER_STOP,
    SMALL,
    UNIT_X,
    AnyWidth,
    X,
    each_class,
    fitted_state,
    small,
)
from scipy.sparse import csr_matrix
from scipy.special import xlogy
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skae import (
    VAE,
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderRegressor,
    ContractiveAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
    StackedAutoencoder,
)
from skae._columns import explained_by_line
from skae._compat import InvalidParameterError
from skae._engine.stopping import Stopping
from skae._engine.training import Trainer

LITTLE = "The reconstructions explain"
SCALES = "Columns of X differ in scale"
FAR = "The columns of X have standard deviations of about"
SCALES_OF_TARGET = "Columns of target differ in scale"
FAR_TARGET = "The columns of target have standard deviations of about"
OURS = (LITTLE, SCALES, FAR, SCALES_OF_TARGET, FAR_TARGET)
GAPS = np.where(np.random.default_rng(0).random(X.shape) < 0.1, np.nan, X)
QUICK = {"batch_size": 24, "random_state": 0}
SHORT = {**QUICK, "max_iter": 2, "learning_rate_init": 1e-3, **NEVER_STOP}
# A fit that leaves the weights as they are drawn: next to nothing is explained.
STILL = {**QUICK, "solver": "sgd", "learning_rate_init": 1e-300, "max_iter": 1}
CLASSES = {
    "Autoencoder": Autoencoder(4),
    "SparseAutoencoder": SparseAutoencoder(),
    "DenoisingAutoencoder": DenoisingAutoencoder(),
    "ContractiveAutoencoder": ContractiveAutoencoder(),
    "StackedAutoencoder": StackedAutoencoder(),
    "VAE": VAE(4),
}
CLASSES = {name: it.set_params(random_state=0) for name, it in CLASSES.items()}
UNTRAINED = {
    "Autoencoder": Autoencoder(3, activation="tanh"),
    "one layer": Autoencoder(3, hidden_layer_sizes=(), tied_weights=True),
    "network": Autoencoder(3, network=AnyWidth()),
    "kl": SparseAutoencoder(8),
    "l1": SparseAutoencoder(8, sparsity="l1"),
    "top k": SparseAutoencoder(8, sparsity="topk", n_active=3),
    "denoising": DenoisingAutoencoder(3, code_activation="relu"),
    "contractive": ContractiveAutoencoder(3),
    "VAE": VAE(3, activation="tanh"),
    "per feature": VAE(3, noise_variance="per_feature", tied_weights=True),
    "stack": StackedAutoencoder(
        (5, 3), estimator=DenoisingAutoencoder(code_activation="relu", **STILL)
    ),
}
UNTRAINED = {name: it.set_params(**STILL) for name, it in UNTRAINED.items()}
each_class_by_default = pytest.mark.parametrize("name", CLASSES)
each_untrained = pytest.mark.parametrize("estimator", UNTRAINED.values(), ids=UNTRAINED)


def warnings_of(function, *args, **kwargs):
    """The warnings of this module that a call gives, in order."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        function(*args, **kwargs)
    return [warning for warning in caught if str(warning.message).startswith(OURS)]


def beginnings(found):
    """Which ones they are."""
    return [next(ours for ours in OURS if str(w.message).startswith(ours)) for w in found]


def short(kind, **params):
    return kind(**{**SHORT, **params})


def the_warning_of(estimator, *args, **kwargs):
    """The text of the only one that a fit gives, and that it is of the right kind."""
    (warning,) = warnings_of(clone(estimator).fit, *args, **kwargs)
    message = str(warning.message)
    assert warning.category is (ConvergenceWarning if message.startswith(LITTLE) else UserWarning)
    return message


def explained(model, X):
    return r2_score(X, model.reconstruct(X), multioutput="variance_weighted")


@pytest.fixture(scope="module")
def iris():
    return load_iris().data[::5]


@pytest.fixture(scope="module")
def some_digits(digits):
    return 16 * digits[:80]


@pytest.fixture(scope="module")
def tables(iris, some_digits):
    """What people give to the defaults."""
    scaled = StandardScaler().fit_transform
    return {
        "iris": iris,
        "iris, float32": iris.astype(np.float32),
        "iris, CSR": csr_matrix(iris),
        "iris + 1000": iris + 1000.0,
        "digits": some_digits,
        "digits, scaled": scaled(some_digits),
        "breast cancer, scaled": scaled(load_breast_cancer().data[:80]),
        "noise": np.random.default_rng(0).normal(size=(60, 20)),
        "wide": np.random.default_rng(0).normal(size=(12, 100)),
    }


# Fits that have learnt little say so.


def test_a_fit_that_saturates_or_diverges_says_so(digits):
    asked = {"solver": "sgd", "learning_rate_init": 0.05, "batch_size": 10, "max_iter": 2}
    network = {"hidden_layer_sizes": (), "code_activation": "logistic"}
    for seed in range(3):
        estimator = Autoencoder(1000, **network, **asked, random_state=seed)
        try:
            found = beginnings(warnings_of(estimator.fit, digits[:200]))
        except ValueError as error:
            found = [LITTLE]
            assert "diverged" in str(error)
        assert found == [LITTLE]


def test_a_fit_that_has_leapt_away_is_told_to_take_smaller_steps(iris):
    """Worse than what it began with: more steps, or larger ones, would not help."""
    found = warnings_of(short(Autoencoder, n_components=2, max_iter=20).fit, 1e-5 * iris)
    assert beginnings(found) == [FAR, LITTLE]
    assert str(found[1].message).endswith("if not, lower learning_rate_init (now 0.001).")


@each_untrained
@pytest.mark.parametrize("form", [np.asarray, csr_matrix], ids=["dense", "CSR"])
def test_an_untrained_network_says_so(estimator, form):
    assert the_warning_of(estimator, form(X)).startswith(LITTLE)


def test_an_untrained_network_says_so_with_gaps():
    gaps = np.where(np.random.default_rng(0).uniform(size=X.shape) < 0.2, np.nan, X)
    assert the_warning_of(UNTRAINED["denoising"], gaps).startswith(LITTLE)


def test_counts_of_all_sizes_with_gaps_say_so():
    rng = np.random.default_rng(0)
    counts = rng.poisson(rng.lognormal(3, 3, size=(100, 1)) * rng.lognormal(0, 2, size=20)) * 1.0
    counts[rng.uniform(size=counts.shape) < 0.1] = np.nan
    unscaled = DenoisingAutoencoder(learning_rate_init=0.01, random_state=0)  # not in X's unit
    found = warnings_of(unscaled.fit, counts)
    assert beginnings(found)[-1] == LITTLE and len(found) == 2


OTHER_LOSSES = {
    "Bernoulli": Autoencoder(3, loss="binary_cross_entropy"),
    "sparse Bernoulli": SparseAutoencoder(8, loss="binary_cross_entropy"),
    "denoising Bernoulli": DenoisingAutoencoder(
        3, code_activation="relu", loss="binary_cross_entropy"
    ),
    "Bernoulli VAE": VAE(3, likelihood="bernoulli"),
    "Bernoulli stack": StackedAutoencoder(
        (8, 3),
        estimator=SparseAutoencoder(loss="binary_cross_entropy", **STILL),
    ),
    "counts": Autoencoder(3, loss="categorical_cross_entropy"),
    "sparse counts": SparseAutoencoder(8, loss="categorical_cross_entropy"),
    "VAE of counts": VAE(3, likelihood="categorical"),
}
OTHER_LOSSES = {name: it.set_params(**STILL) for name, it in OTHER_LOSSES.items()}


@pytest.mark.parametrize("estimator", OTHER_LOSSES.values(), ids=OTHER_LOSSES)
def test_other_losses_say_so(estimator):
    message = the_warning_of(estimator, np.round(UNIT_X))
    assert re.match(rf"{LITTLE} [0-9.e-]+ of the deviance from the columns' ", message)
    assert "principal components" not in message


def test_a_fit_with_a_target_says_so():
    target = np.random.default_rng(0).normal(size=(60, 2))
    message = the_warning_of(UNTRAINED["denoising"], X, target=target)
    assert "of the variance of target, while a linear model of X explains 0: Denoising" in message


@pytest.mark.parametrize("target", [100.0 * X[:, :2], GAPS[:, :2] * [1.0, 900.0]])
def test_a_target_far_below_a_linear_model_says_so(target):
    model = DenoisingAutoencoder(4, corruption=None, **SHORT).set_params(learning_rate_init=1e-6)
    (*_, warning) = warnings_of(model.fit, X, target=target)
    found = re.match(
        rf"{LITTLE} (\S+) of the variance of target, .* (\S+): D", str(warning.message)
    )
    possible = explained_by_line(X, target)
    assert found.groups() == (f"{model.score(X, target=target):.2g}", f"{possible:.2g}")
    assert possible > 0.3


@pytest.mark.parametrize("factor", [0.1, 1.0])
def test_a_target_as_good_as_a_linear_model_is_silent(factor):
    model = DenoisingAutoencoder(4, corruption=None, code_activation="identity", random_state=0)
    assert warnings_of(model.fit, X, target=factor * X[:, :2]) == []


@pytest.mark.parametrize("kind", [AutoencoderClassifier, AutoencoderRegressor])
def test_the_pretraining_says_so(kind):
    model = kind(UNTRAINED["denoising"], **STILL)
    assert "DenoisingAutoencoder has learnt little" in the_warning_of(model, X, LABELS)


@pytest.mark.filterwarnings(f"ignore:{LITTLE}")
def test_a_frozen_autoencoder_has_been_judged_already():
    frozen = FrozenEstimator(clone(UNTRAINED["denoising"]).fit(X))
    for kind in (AutoencoderClassifier, AutoencoderRegressor):
        assert warnings_of(kind(frozen, **STILL).fit, X, LABELS) == []


def test_partial_fit_says_nothing():
    for rows in (X, 1e6 * X, X * 10.0 ** np.arange(6)):
        assert warnings_of(clone(UNTRAINED["denoising"]).partial_fit, rows) == []


def test_a_fit_that_goes_on_is_judged_again():
    model = clone(UNTRAINED["one layer"]).set_params(warm_start=True)
    for _ in range(2):
        assert beginnings(warnings_of(model.fit, X)) == [LITTLE]
    assert model.n_iter_ == 1 and len(model.loss_curve_) == 2


# What the message says.

NUMBER = r"(-?[0-9.]+(?:e[-+][0-9]+)?)"


def test_it_has_the_numbers_of_the_fit_and_of_pca():
    for name, estimator in UNTRAINED.items():
        message = the_warning_of(estimator, X)
        found = re.match(
            rf"{LITTLE} {NUMBER} of the variance of X, while (\d+) principal components explain "
            rf"{NUMBER}: {type(estimator).__name__} has learnt little\. ",
            message,
        )
        n_components = 6 if name == "kl" or name == "l1" else 3
        ratio = PCA(n_components).fit(X).explained_variance_ratio_.sum()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            score = explained(clone(estimator).fit(X), X)
        assert found.groups() == (f"{score:.2g}", str(n_components), f"{ratio:.2g}")


def test_it_has_the_settings_and_what_to_do():
    asked = {"max_iter": 1, "n_iter_no_change": 7, "batch_size": 20, "learning_rate_init": 1e-8}
    message = the_warning_of(clone(UNTRAINED["denoising"]).set_params(**asked), X)
    assert message.endswith(
        "If columns of X differ in scale, put a StandardScaler before it; if not, raise max_iter "
        "(now 1) or n_iter_no_change (now 7), then learning_rate_init (now 1e-08)."
    )
    settings = {"max_iter": "auto", "n_iter_no_change": "auto", "batch_size": 60}
    model = clone(UNTRAINED["denoising"]).set_params(**settings)
    (warning,) = warnings_of(model.fit, X)
    assert f"max_iter (now {model.max_iter_})" in str(warning.message)
    assert f"n_iter_no_change (now {model.n_iter_no_change_})" in str(warning.message)


def test_with_held_out_rows_it_says_that_they_may_be_the_cause():
    model = clone(UNTRAINED["denoising"]).set_params(early_stopping=True)
    assert "; if not, set early_stopping=False, raise max_iter (now" in the_warning_of(model, X)


# Columns that differ in scale, and X far from scale 1.


def test_raw_wine_says_so():
    wine = load_wine(as_frame=True).data
    deviations = wine.std(ddof=0)
    message = the_warning_of(short(Autoencoder), wine)
    assert message == (
        "Columns of X differ in scale: the standard deviation of column 'proline' is "
        f"{deviations.max():.2g}, that of column 'nonflavanoid_phenols' {deviations.min():.2g}. "
        "Only the largest ones are reconstructed: put a StandardScaler before Autoencoder, as in "
        "make_pipeline(StandardScaler(), Autoencoder())."
    )
    message = the_warning_of(short(Autoencoder), wine.to_numpy())
    assert f"of column 12 is {deviations.max():.2g}, that of column 7 {deviations.min()}"[:34] in (
        message
    )
    assert "column 12 is" in message and "column 7 0.12" in message
    pipeline = make_pipeline(StandardScaler(), short(Autoencoder))
    assert warnings_of(pipeline.fit, wine) == []


SQUARED = {
    "Autoencoder": Autoencoder(4, **SHORT),
    "SparseAutoencoder": SparseAutoencoder(8, **SHORT),
    "DenoisingAutoencoder": DenoisingAutoencoder(4, **SHORT),
    "ContractiveAutoencoder": ContractiveAutoencoder(4, **SHORT),
    "StackedAutoencoder": StackedAutoencoder(
        (5, 3), estimator=DenoisingAutoencoder(**SHORT), **SHORT
    ),
    "VAE": VAE(4, **SHORT),
}
each_squared = pytest.mark.parametrize("estimator", SQUARED.values(), ids=SQUARED)


@each_squared
@pytest.mark.parametrize("form", [np.asarray, csr_matrix, pd.DataFrame], ids=lambda f: f.__name__)
def test_columns_that_differ_a_thousandfold_are_named(estimator, form):
    rows = X * [1.0, 0.01, 1.0, 50.0, 1.0, 1.0]
    deviations = rows.std(axis=0)
    (message, *_) = warnings_of(clone(estimator).fit, form(rows))
    expected = f"the standard deviation of column 3 is {deviations[3]:.2g}, that of column 1 "
    assert expected + f"{deviations[1]:.2g}. " in str(message.message)
    name = type(estimator).__name__
    scaler = StandardScaler(with_mean=form is not csr_matrix)  # that takes such rows
    assert f"make_pipeline({scaler}, {name}())." in str(message.message)
    scaler.fit(form(rows))


@pytest.mark.parametrize(("factor", "warns"), [(900, False), (1100, True), (1e12, True)])
def test_a_thousandfold_is_where_scales_begin_to_differ(factor, warns):
    rows = X / X.std(axis=0)
    rows[:, 2] *= factor**-0.5
    rows[:, 4] *= factor**0.5
    found = beginnings(warnings_of(short(Autoencoder).fit, rows))
    assert (SCALES in found) is warns


@pytest.mark.parametrize("names", [["a", "b"], ["a column", "another, with a comma"]])
def test_columns_have_the_names_of_the_data_frame(names):
    frame = pd.DataFrame(X[:, :2] * [1.0, 1e5], columns=names)
    (message, *_) = warnings_of(short(Autoencoder).fit, frame)
    assert f"column {names[1]!r} is" in str(message.message)
    assert f"that of column {names[0]!r} " in str(message.message)


@each_squared
@pytest.mark.parametrize("factor", [1e4, 1e-4])
def test_x_that_is_far_from_scale_one_says_so(estimator, factor, iris):
    rows = iris * factor
    typical = np.sqrt(rows.var(axis=0).mean())

    def fit():
        with suppress(ValueError):  # such steps may diverge
            clone(estimator).fit(rows)

    (warning, *_) = warnings_of(fit)
    name = type(estimator).__name__
    assert warning.category is UserWarning
    assert str(warning.message) == (
        f"{FAR} {typical:.2g}, far from 1, for which the default step sizes and weights are "
        f"chosen: put a StandardScaler before {name}, as in "
        f"make_pipeline(StandardScaler(), {name}())."
    )


@pytest.mark.parametrize(
    ("typical", "warns"),
    [(9e-3, True), (1.1e-2, False), (1.0, False), (900, False), (1100, True), (1e7, True)],
)
def test_what_is_far_from_one(typical, warns):
    rows = typical * X / X.std(axis=0)
    estimator = Autoencoder(3, activation="tanh", **STILL)
    found = beginnings(warnings_of(estimator.fit, rows))
    assert (FAR in found) is warns and SCALES not in found


@pytest.mark.parametrize("scales", [1e-3, 1e4, [1.0, 1e4]], ids=str)
def test_a_target_of_unsuitable_scale_says_so(scales):
    (warning, *_) = warnings_of(short(DenoisingAutoencoder).fit, X, target=X[:, :2] * scales)
    beginning = SCALES_OF_TARGET if np.ndim(scales) else FAR_TARGET
    assert warning.category is UserWarning
    assert re.match(rf"{beginning}.*: standardise target, as in", str(warning.message))


def test_cells_that_are_seldom_anything_but_zero_do_not_count():
    """Pixels at the rim have small deviations, but the scale of the others."""
    rows = 60.0 * np.random.default_rng(0).normal(size=(900, 5))
    rows[:, 2], rows[7, 2] = 0.0, 1.0
    assert rows[:, 0].std() > 1500 * rows[:, 2].std()
    assert warnings_of(short(Autoencoder).fit, rows) == []


@each_squared
def test_constant_columns_have_no_scale(estimator):
    rows = X.copy()
    rows[:, 1], rows[:, 3] = 0.0, 1e6
    assert SCALES not in beginnings(warnings_of(clone(estimator).fit, rows))
    assert FAR not in beginnings(warnings_of(clone(estimator).fit, rows))


@pytest.mark.filterwarnings("ignore:Columns .* have no observed value:UserWarning")
def test_missing_cells_have_no_scale():
    gaps = np.where(np.random.default_rng(0).uniform(size=X.shape) < 0.2, np.nan, X)
    gaps[:, 2] = np.nan
    before = gaps.copy()
    assert SCALES not in beginnings(warnings_of(clone(SQUARED["DenoisingAutoencoder"]).fit, gaps))
    np.testing.assert_array_equal(gaps, before)
    rows = gaps * [1.0, 1e-4, 1.0, 1.0, 1.0, 1.0]
    found = warnings_of(clone(SQUARED["DenoisingAutoencoder"]).fit, rows)
    assert "that of column 1 " in str(found[0].message)


@pytest.mark.parametrize("loss", ["binary_cross_entropy", "categorical_cross_entropy"])
def test_with_another_loss_than_the_squared_error_scales_may_differ(loss):
    factors = 10.0 ** -np.arange(6) if loss == "binary_cross_entropy" else 10.0 ** np.arange(6)
    found = warnings_of(short(Autoencoder, loss=loss).fit, np.round(UNIT_X * factors, 6))
    assert SCALES not in beginnings(found) and FAR not in beginnings(found)


def test_it_says_so_before_the_training():
    """So that one need not wait for it."""
    with pytest.warns(UserWarning, match=FAR), pytest.raises(ValueError, match="diverged"):
        Autoencoder(3, solver="sgd", learning_rate_init=1e6, max_iter=50).fit(1e4 * X)


def test_a_wrong_parameter_comes_before_the_warnings():
    def fit():
        with pytest.raises(InvalidParameterError):
            Autoencoder(0).fit(1e6 * X)

    assert warnings_of(fit) == []


@each_squared
def test_who_takes_warnings_for_errors_keeps_what_was_fitted(estimator):
    model = clone(estimator).set_params(**STILL, warm_start=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = fitted_state(model.fit(X))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match=FAR):
            model.fit(1e6 * X)
    assert fitted_state(model) == before


# Where the warnings point.

CALLS = {
    "pipeline": lambda model: make_pipeline(FunctionTransformer(), model),
    "search": lambda model: GridSearchCV(model, {"alpha": [0.0]}, cv=2),
    "classifier": lambda model: AutoencoderClassifier(model, max_iter=1),
}


@pytest.mark.parametrize("wrap", CALLS.values(), ids=CALLS)
def test_they_point_at_the_users_line_from_within(wrap):
    model = wrap(Autoencoder(3, activation="tanh", **STILL))

    def fit():
        model.fit(1e4 * X, np.arange(len(X)) % 2)

    found = warnings_of(fit)
    assert found and {*lines_of(found)} == {(__file__, fit.__code__.co_firstlineno + 1)}


def lines_of(found):
    return [(warning.filename, warning.lineno) for warning in found]


@pytest.mark.parametrize("estimator", SQUARED.values(), ids=SQUARED)
def test_they_point_at_the_call(estimator):
    estimator = clone(estimator).set_params(**STILL)
    if isinstance(estimator, (Autoencoder, VAE)):
        estimator.set_params(activation="tanh")
    elif isinstance(estimator, DenoisingAutoencoder):
        estimator.set_params(code_activation="relu")
    elif isinstance(estimator, StackedAutoencoder):
        estimator.set_params(estimator=UNTRAINED["denoising"])
    rows = 1e4 * X

    def fit():
        estimator.fit(rows)

    found = warnings_of(fit)
    assert beginnings(found) == [FAR, LITTLE]
    assert lines_of(found) == 2 * [(__file__, fit.__code__.co_firstlineno + 1)]


@pytest.mark.parametrize(
    ("estimator", "rows"),
    [
        (DenoisingAutoencoder(3, **SHORT), np.c_[X, np.full(len(X), np.nan)]),
        (SparseAutoencoder(8, sparsity="l1", sparsity_weight=1e6, **SHORT), X - 10.0),
        (VAE(2, beta=1e6, **SHORT), X),
    ],
    ids=["denoising", "l1", "VAE"],
)
def test_a_classs_own_warnings_point_there_too(estimator, rows):
    if not isinstance(estimator, DenoisingAutoencoder):
        estimator.set_params(max_iter=100, learning_rate_init=1e-2)

    def fit():
        estimator.fit(rows)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit()
    (warning,) = (w for w in caught if not str(w.message).startswith(OURS))
    assert lines_of([warning]) == [(__file__, fit.__code__.co_firstlineno + 1)]


# Fits that are as they should be say nothing.


FITS = [
    *product(CLASSES, ["iris"]),
    *product(set(CLASSES) - {"ContractiveAutoencoder"}, ["digits"]),
    *product(set(CLASSES) - {"StackedAutoencoder", "ContractiveAutoencoder"}, ["digits, scaled"]),
    *product(set(CLASSES) - {"StackedAutoencoder", "VAE"}, ["breast cancer, scaled"]),
    *product(["DenoisingAutoencoder"], ["iris, float32", "iris, CSR", "iris + 1000"]),
    *product(["Autoencoder", "DenoisingAutoencoder"], ["noise", "wide"]),
]


@pytest.mark.parametrize(("name", "table"), sorted(FITS))
def test_the_defaults_say_nothing(name, table, tables):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clone(CLASSES[name]).fit(tables[table])


@pytest.mark.parametrize("parameter", ["binary_cross_entropy", "categorical_cross_entropy"])
@pytest.mark.parametrize("name", [name for name in CLASSES if name != "StackedAutoencoder"])
def test_the_defaults_say_nothing_of_other_losses(name, parameter, some_digits):
    its = {"loss": parameter}
    if name == "VAE":
        its = {"likelihood": parameter.split("_")[0].replace("binary", "bernoulli")}
    rows = (some_digits > 8) * 1.0 if parameter == "binary_cross_entropy" else some_digits
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clone(CLASSES[name]).set_params(n_components=4, **its).fit(rows[:60])


@pytest.mark.parametrize("kind", [AutoencoderClassifier, AutoencoderRegressor])
def test_the_defaults_of_supervised_ones_say_nothing(kind, iris):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kind(CLASSES["DenoisingAutoencoder"], random_state=0).fit(iris, iris[:, 0] > 5.8)


# Each asks for more than the class does by default, or for as much.
HELD_BACK = {
    "alpha": ("Autoencoder", {"alpha": 0.01}, {"alpha": 0.009}),
    "alpha of a stack": ("stack", {"alpha": 0.5}, {"alpha": 0.0}),
    "sparsity_weight": ("kl", {"sparsity_weight": 3.1}, {"sparsity_weight": 3.0}),
    "sparsity_weight, l1": ("l1", {"sparsity_weight": 0.2}, {"sparsity_weight": 0.1}),
    "contraction_weight": (
        "contractive",
        {"contraction_weight": 0.2},
        {"contraction_weight": 0.1},
    ),
    "masking": ("denoising", {"corruption_level": 0.4}, {"corruption_level": 0.3}),
    "gaussian": (
        "denoising",
        {"corruption": "gaussian", "corruption_level": 2.0},
        {"corruption": "gaussian", "corruption_level": 0.2},
    ),
    "no corruption": (
        "denoising",
        {"corruption": "swap", "corruption_level": 0.9},
        {"corruption": None, "corruption_level": 0.9},
    ),
    "beta": ("VAE", {"beta": 1.5}, {"beta": 1.0}),
    "noise_variance": ("VAE", {"noise_variance": 0.5}, {"noise_variance": "heteroscedastic"}),
    "a layer of a stack": (
        "stack",
        {"estimator__corruption_level": 0.9},
        {"estimator__corruption_level": 0.1},
    ),
}


@pytest.mark.parametrize(("name", "strong", "usual"), HELD_BACK.values(), ids=HELD_BACK)
def test_who_asks_for_worse_reconstructions_is_not_warned_of_them(name, strong, usual):
    estimator = UNTRAINED[name]
    assert warnings_of(clone(estimator).set_params(**strong).fit, X) == []
    assert the_warning_of(clone(estimator).set_params(**usual), X).startswith(LITTLE)


@pytest.mark.filterwarnings("ignore:.*components are dead:UserWarning")
@pytest.mark.filterwarnings("ignore:.*code has collapsed:UserWarning")
@pytest.mark.parametrize(
    "estimator",
    [
        Autoencoder(2, alpha=5.0),
        SparseAutoencoder(8, sparsity="l1", sparsity_weight=100.0),
        SparseAutoencoder(8, sparsity="kl", sparsity_weight=1e4),
        ContractiveAutoencoder(2, contraction_weight=1e3),
        DenoisingAutoencoder(2, corruption_level=1.0),
        VAE(2, beta=100.0),
        VAE(2, noise_variance=100.0),
        StackedAutoencoder((4, 2), estimator=DenoisingAutoencoder(**SHORT), alpha=5.0),
    ],
    ids=lambda it: type(it).__name__,
)
def test_strong_regularisation_says_nothing(estimator):
    estimator.set_params(batch_size=30, max_iter=40, learning_rate_init=1e-2, random_state=0)
    assert warnings_of(estimator.fit, X) == []
    assert explained(estimator, X) < 0.5


def test_layers_of_a_stack_are_judged_as_a_whole():
    layers = [DenoisingAutoencoder(**STILL), DenoisingAutoencoder(alpha=1e-9, **STILL)]
    stack = StackedAutoencoder((6, 6), estimator=layers, **QUICK)
    stack.set_params(max_iter=150, learning_rate_init=1e-2)
    assert warnings_of(stack.fit, X) == []
    for layer, codes in zip(stack.estimators_, (X, stack.estimators_[0].transform(X)), strict=True):
        assert beginnings(warnings_of(clone(layer).fit, codes))  # alone, they would have been
    lazy = clone(stack).set_params(**STILL)
    assert "StackedAutoencoder has learnt little" in the_warning_of(lazy, X)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_in_a_layer_leaves_other_fits_judged(error, monkeypatch):
    def failing(*args):
        raise error("no")

    with monkeypatch.context() as patch, pytest.raises(error):
        patch.setattr(DenoisingAutoencoder, "_objective", failing)
        clone(UNTRAINED["stack"]).fit(X)
    assert the_warning_of(UNTRAINED["one layer"], X).startswith(LITTLE)


@pytest.mark.filterwarnings("ignore:.*code has collapsed:UserWarning")
@each_class_by_default
@pytest.mark.parametrize("value", [0.0, 3.0, -1e6, 0.1])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_constant_rows_say_nothing(name, value, dtype):
    model = clone(CLASSES[name]).set_params(max_iter=2)
    if name == "StackedAutoencoder":
        model.set_params(estimator=DenoisingAutoencoder(**SHORT))
    rows = np.full((20, 4), value, dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "The code has collapsed")
        model.fit(rows)


@each_class_by_default
@pytest.mark.parametrize("row", [[5.0, 3.0, 1.0, 0.2], [0.0, 0.0, 0.0, 0.0], [1e6, 1e-6, 0.0, 1.0]])
def test_one_row_says_nothing(name, row):
    model = clone(CLASSES[name]).set_params(max_iter=2)
    if name == "StackedAutoencoder":
        model.set_params(estimator=DenoisingAutoencoder(**SHORT))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit([row])


# When a training ends: not before it has learnt anything.


def bernoulli_deviance(model, X):
    """The fraction of the deviance that reconstructions explain."""

    def deviance(p):
        return -(xlogy(X, p) + xlogy(1 - X, 1 - p) - xlogy(X, X) - xlogy(1 - X, 1 - X)).sum()

    n = len(X)
    return 1 - deviance(model.reconstruct(X)) / deviance((X.sum(axis=0) + 0.5) / (n + 1))


def epochs_by_hand(estimator, X, patience, learnt, most):
    """Epochs until a training ends of which none is an improvement."""
    model, waited = clone(estimator).set_params(max_iter=1).fit(X), 0
    for epoch in range(2, most + 1):
        model.partial_fit(X)
        waited += 1
        if waited >= patience:
            if learnt(model, X) > 0.05:
                return epoch
            waited = 0
    return most


SLOW = {**QUICK, "learning_rate_init": 2e-3, "max_iter": 40}
LEARNERS = {
    "tanh": (Autoencoder(2, activation="tanh", **SLOW), explained),
    "kl": (SparseAutoencoder(8, **SLOW), explained),
    "l1": (SparseAutoencoder(8, sparsity="l1", **SLOW), explained),
    "denoising": (DenoisingAutoencoder(2, **SLOW), explained),
    "contractive": (ContractiveAutoencoder(2, **SLOW), explained),
    "network": (Autoencoder(2, network=AnyWidth(), **SLOW), explained),
    "VAE": (VAE(2, hidden_layer_sizes=(8,), activation="tanh", **SLOW), explained),
    "stack": (
        StackedAutoencoder((5, 3), estimator=DenoisingAutoencoder(**STILL), **SLOW),
        explained,
    ),
    "Bernoulli": (Autoencoder(2, loss="binary_cross_entropy", **SLOW), bernoulli_deviance),
    "nothing to learn": (Autoencoder(2, activation="tanh", **{**SLOW, **STILL}), explained),
}


def fine_tuning_epochs(model):
    return model.n_iter_ - sum(layer.n_iter_ for layer in getattr(model, "estimators_", []))


@pytest.mark.filterwarnings(f"ignore:{LITTLE}")
@pytest.mark.parametrize("patience", [1, 4])
@pytest.mark.parametrize(("estimator", "learnt"), LEARNERS.values(), ids=LEARNERS)
def test_tol_ends_no_training_that_has_learnt_nothing(estimator, learnt, patience):
    most = 24
    asked = {"tol": 1e9, "n_iter_no_change": patience, "max_iter": most}
    expected = epochs_by_hand(estimator, UNIT_X, patience, learnt, most)
    model = clone(estimator).set_params(**asked).fit(UNIT_X)
    assert fine_tuning_epochs(model) == expected


@pytest.mark.parametrize("n_iter_no_change", [1, 2])
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    "estimator",
    [
        VAE(2),
        VAE(2, activation="tanh"),
        StackedAutoencoder((8, 2), estimator=DenoisingAutoencoder(n_iter_no_change=1)),
        DenoisingAutoencoder(2),
        SparseAutoencoder(8),
    ],
    ids=["VAE", "tanh VAE", "stack", "denoising", "sparse"],
)
def test_no_patience_is_too_little_for_iris(estimator, seed, n_iter_no_change, iris):
    estimator = clone(estimator).set_params(random_state=seed, n_iter_no_change=n_iter_no_change)
    assert explained(estimator.fit(iris), iris) > 0.05


@pytest.mark.parametrize("early_stopping", [False, True])
def test_what_cannot_be_learnt_ends_by_tol(early_stopping):
    asked = {"tol": 1e9, "n_iter_no_change": 3, "early_stopping": early_stopping, "max_iter": 50}
    for value in (1.0, 0.1):  # one of which is not its mean, which is rounded
        constant = Autoencoder(2, **{**QUICK, **asked}).fit(np.full((40, 4), value))
        assert constant.n_iter_ == 4


def test_an_iteration_of_lbfgs_is_not_waited_for():
    model = Autoencoder(2, activation="tanh", solver="lbfgs", tol=1e9, random_state=0).fit(X)
    assert model.n_iter_ == 2


def test_an_output_layer_ends_by_tol():
    asked = {"tol": 1e9, "n_iter_no_change": 3, "max_iter": 50, "fine_tune": False}
    model = AutoencoderClassifier(CLASSES["DenoisingAutoencoder"], **{**QUICK, **asked})
    assert model.fit(X, LABELS).n_iter_ == 4


# Which weights it ends with.


@pytest.mark.parametrize(
    ("losses", "tol", "is_worse"),
    [
        ([], 0.0, False),
        ([5.0], 0.0, False),
        ([5.0, 5.0], 0.0, False),
        ([5.0, 5.1], 0.0, True),  # worse than it began
        ([10.0, 5.0, 4.0], 0.0, False),
        ([10.0, 5.0, 4.0, 4.11], 0.0, False),  # by less than 2% of the gain of 6
        ([10.0, 5.0, 4.0, 4.13], 0.0, True),
        ([10.0, 4.0, 9.0, 4.1], 0.0, False),  # it has come back
        ([10.0, 4.0, 3.9, 3.95], 0.1, False),  # 3.9 was no improvement
        ([-10.0, -20.0, -19.9], 0.0, False),
        ([-10.0, -20.0, -19.7], 0.0, True),
        ([10.0, 8.0, 8.5, 4.0, 5.9], 0.0, False),  # such rises have come before
        ([10.0, 8.0, 8.5, 4.0, 6.1], 0.0, True),
        ([6.0, 6.1, 5.9, 6.0, 5.8, 6.0], 0.0, False),  # nothing but noise
    ],
)
def test_what_is_clearly_worse(losses, tol, is_worse):
    stopping = Stopping(tol, patience=10)
    for loss in losses:
        stopping.improved(loss)
    assert stopping.ends_clearly_worse is is_worse


@pytest.mark.parametrize(
    ("of_best", "is_worse"),
    [
        ([5.0], True),  # a single batch does not show any noise
        ([5.0, 5.0, 5.0, 5.0], True),
        ([4.99, 5.01, 4.99, 5.01], True),  # a standard error of 0.006
        ([4.9, 5.1, 4.9, 5.1], False),  # of 0.06
    ],
)
def test_what_is_within_the_noise_of_batches_is_not_clearly_worse(of_best, is_worse):
    """Losses that nearly stand still, as from a good start, differ by chance."""
    stopping = Stopping(0.0, patience=10)
    for loss, of_batches in ((5.1, [5.1] * 4), (5.0, of_best), (5.1, [4.1, 6.1, 4.1, 6.1])):
        stopping.improved(loss, of_batches)
    assert stopping.ends_clearly_worse is is_worse


def best_epoch(losses, tol, errors):
    """The number, from 1, of the epoch whose weights a fit ends with.

    `errors` are standard errors of the losses.
    """
    best, at = losses[0], 1
    for number, loss in enumerate(losses, start=1):
        if loss < best - tol * abs(best):
            best, at = loss, number
    rises = [b - a for a, b in pairwise(losses[:at]) if b > a]
    usual = float(np.median(rises)) if rises else 0.0
    worse = losses[-1] - best
    margin = max(0.02 * (losses[0] - best), 4 * usual, 4 * errors[at - 1])
    return at if worse > margin else len(losses)


LEAPING = {"max_iter": 12, "batch_size": 4, "tol": 0.0, "n_iter_no_change": np.inf}


@pytest.fixture
def errors(monkeypatch):
    """A list to which each epoch adds the standard error of its loss."""
    found, finish = [], Trainer._finish_epoch

    def noted(self, loss, validation_loss, losses, batches):
        found.append(np.std(losses, ddof=1) / len(losses) ** 0.5)
        finish(self, loss, validation_loss, losses, batches)

    monkeypatch.setattr(Trainer, "_finish_epoch", noted)
    return found


def weights_of_epochs(name, **asked):
    """After each epoch, of which only the first is a part of a fit, and all losses."""
    model = small(name, **{**asked, "max_iter": 1}).fit(X)
    weights = [model._state.weights]
    for _ in range(asked["max_iter"] - 1):
        weights.append(model.partial_fit(X)._state.weights)
    return weights, model.loss_curve_


@pytest.mark.filterwarnings("ignore:.*code has collapsed:UserWarning")
@each_class
@pytest.mark.parametrize(
    ("learning_rate_init", "seed", "tol"), [(1e-3, 0, 0.0), (0.1, 1, 0.05), (0.3, 0, 0.0)]
)
def test_a_fit_ends_with_its_last_weights_or_clearly_better_ones(
    name, learning_rate_init, seed, tol, errors
):
    asked = {**LEAPING, "learning_rate_init": learning_rate_init, "tol": tol, "random_state": seed}
    weights, losses = weights_of_epochs(name, **asked)
    model = small(name, **asked).fit(X)
    assert model.loss_curve_ == pytest.approx(losses, rel=1e-9)
    assert model.loss_ == model.loss_curve_[-1]
    assert fine_tuning_epochs(model) == 12
    expected = weights[best_epoch(losses, tol, errors[-12:]) - 1]
    np.testing.assert_allclose(model._state.weights, expected, rtol=1e-9, atol=1e-12)


def test_both_kinds_of_ends_are_among_these(errors):
    """So that the test above is one of both."""
    ends = {"leap": 0, "last": 0}
    for name in ("Autoencoder", "DenoisingAutoencoder", "SparseAutoencoder"):
        for seed in range(4):
            asked = {**LEAPING, "learning_rate_init": 0.3, "random_state": seed}
            losses = small(name, **asked).fit(X).loss_curve_
            at = best_epoch(losses, 0.0, errors[-len(losses) :])
            ends["last" if at == len(losses) else "leap"] += 1
    assert min(ends.values()) > 0


class Leaping(Autoencoder):
    """Its weights leap before the last epoch."""

    def _begin_epoch(self, trainer, progress):
        if progress >= 1 - 1 / self.max_iter - 1e-9 and progress > 0:
            trainer.weights.mul_(5.0)


@pytest.mark.parametrize("learning_rate", ["constant", "cosine", "one_cycle"])
def test_a_leap_at_the_end_is_undone(learning_rate):
    asked = {**QUICK, "learning_rate_init": 1e-3, "activation": "tanh", **NEVER_STOP}
    model = Leaping(3, max_iter=6, learning_rate=learning_rate, **asked).fit(X)
    assert model.loss_curve_[-1] > model.loss_curve_[0] == max(model.loss_curve_[:-1])
    assert model.n_iter_ == len(model.loss_curve_) == 6
    assert model.loss_ == model.loss_curve_[-1] and model.best_loss_ == model.loss_curve_[-2]
    if learning_rate == "constant":
        expected = Autoencoder(3, max_iter=5, **asked).fit(X)
        np.testing.assert_array_equal(model._state.weights, expected._state.weights)
        np.testing.assert_array_equal(model.transform(X), expected.transform(X))
    assert explained(model, X) > 0


def test_a_leap_in_the_warm_up_is_no_end():
    """Losses of different objectives do not compare: the first one is that after the warm-up."""
    asked = {**QUICK, "max_iter": 8, "kl_warmup": 7, "learning_rate_init": 1e-3, **NEVER_STOP}
    asked["activation"] = "tanh"
    model = VAE(3, **asked).fit(X)
    by_hand = VAE(3, **asked)
    for _ in range(8):
        by_hand.partial_fit(X)
    np.testing.assert_array_equal(model._state.weights, by_hand._state.weights)


@pytest.mark.filterwarnings("ignore:.*code has collapsed:UserWarning")
@pytest.mark.parametrize("name", SMALL)
def test_going_on_after_a_leap_begins_where_it_has_ended(name):
    model = small(name, **{**LEAPING, "learning_rate_init": 0.3, "warm_start": True}).fit(X)
    kept = model._state.weights.copy()
    model.set_params(solver="sgd", learning_rate_init=1e-300, max_iter=1).fit(X)
    np.testing.assert_array_equal(model._state.weights, kept)
