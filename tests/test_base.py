"""BaseAutoencoder: what it accepts and refuses, how training goes on, scikit-learn's tools."""

import copy
import pickle
import re
import warnings

import numpy as np
import pytest
import torch
from helpers import (
    AUTOENCODERS,
    BERNOULLI,
    GENERATORS,
    LABELS,
    NETWORK,
    NEVER_STOP,
    OF_UNITS,
    SMALL,
    TRAINED,
    UNIT_X,
    X,
    assert_not_fitted,
    assert_same_fit,
    each_class,
    each_of_any_numbers,
    each_trained,
    fitted_state,
    may_collapse,
    small,
    weights,
)
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils._param_validation import InvalidParameterError
from torch import Tensor, nn

from skae import Autoencoder
from skae.networks import ConvNet
from skae.tables import TableEncoder

# Bad input.

WITH_NAN, WITH_INF = X.copy(), X.copy()
WITH_NAN[3, 2], WITH_INF[3, 2] = np.nan, -np.inf
BAD_INPUT = {
    "NaN": (WITH_NAN, ValueError, "NaN"),
    "infinity": (WITH_INF, ValueError, "infinity"),
    "complex": (X + 1j, ValueError, "Complex data not supported"),
    "strings": (np.full((60, 6), "a"), ValueError, "could not convert string to float"),
    "one dimension": (X[0], ValueError, "Expected 2D array"),
    "three dimensions": (X[None], ValueError, "dim 3"),
    "no rows": (X[:0], ValueError, r"0 sample\(s\)"),
    "no columns": (X[:, :0], ValueError, r"0 feature\(s\)"),
}
each_bad_input = pytest.mark.parametrize(
    ("name", "case"),
    # To the denoising autoencoder NaN is a missing cell, and to others these are no units.
    [
        (n, c)
        for n in TRAINED
        for c in BAD_INPUT
        if c not in {"DenoisingAutoencoder": ("NaN",), OF_UNITS: ("NaN", "infinity")}.get(n, ())
    ],
)
METHODS = ("transform", "reconstruct", "score_samples", "score")
ALL_METHODS = {
    **dict.fromkeys(AUTOENCODERS, dict.fromkeys((*METHODS, "inverse_transform"), ())),
    "GAN": {"transform": (), "discriminate": (), "score": (), "generate": ()},
    "ConditionalGAN": {"transform": (), "discriminate": (0,), "score": (), "generate": (0,)},
    "InfoGAN": {"transform": (), "predict": (), "discriminate": (), "score": (), "generate": ()},
}


@each_bad_input
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_bad_input_to_fit(name, case, method):
    bad, error, match = BAD_INPUT[case]
    estimator = small(name)
    with pytest.raises(error, match=match):
        getattr(estimator, method)(bad, LABELS)
    assert_not_fitted(estimator)


@each_bad_input
def test_bad_input_to_a_fitted_estimator(name, case):
    bad, error, match = BAD_INPUT[case]
    estimator = small(name).fit(X, LABELS)
    before = fitted_state(estimator)
    for method, more in {**ALL_METHODS[name], "partial_fit": (LABELS,)}.items():
        with pytest.raises(error, match=match):
            getattr(estimator, method)(bad, *more)
    assert fitted_state(estimator) == before


NOTES = {"NaN": "DenoisingAutoencoder takes missing values", "three dimensions": r"X\.reshape"}


@pytest.mark.parametrize("case", NOTES)
@pytest.mark.parametrize("method", ["fit", "partial_fit", "transform", "score"])
def test_errors_of_common_mistakes_have_a_hint(case, method):
    autoencoder = small("Autoencoder").fit(X)
    with pytest.raises(ValueError) as error:
        getattr(autoencoder, method)(BAD_INPUT[case][0])
    (note,) = error.value.__notes__
    assert re.search(NOTES[case], note)


WRONG_SIZES = [0, 8.0, True, "8", (8, 0), (True,), (2.0,), [[3], 2], {4}]


@pytest.mark.parametrize("sizes", WRONG_SIZES, ids=str)
@pytest.mark.parametrize(
    ("estimator", "parameter"),
    [
        (small("Autoencoder"), "hidden_layer_sizes"),
        (small("StackedAutoencoder"), "layer_sizes"),
        (small("Autoencoder", network=ConvNet((1, 1, 6))), "network__channels"),
        (small("Autoencoder", network=ConvNet((1, 1, 6))), "network__image_shape"),
    ],
    ids=["hidden_layer_sizes", "layer_sizes", "channels", "image_shape"],
)
def test_sizes_are_sequences_of_integers(estimator, parameter, sizes):
    estimator = clone(estimator).set_params(**{parameter: sizes})
    name = parameter.rpartition("__")[2]
    with pytest.raises(ValueError, match=f"'{name}' parameter.*sequence of .*integers above 0"):
        estimator.fit(X)
    assert_not_fitted(estimator)


@may_collapse
@pytest.mark.parametrize("one", [5, np.int64(5)])
@each_of_any_numbers
def test_an_integer_is_one_layer(name, one):
    parameter = "layer_sizes" if name == "StackedAutoencoder" else "hidden_layer_sizes"
    fits = [small(name, **{parameter: sizes}).fit(UNIT_X) for sizes in (one, (5,))]
    assert_same_fit(*fits)


def test_an_integer_is_one_convolution():
    networks = [ConvNet((1, 1, 6), channels=channels) for channels in (3, (3,))]
    assert_same_fit(*(small("Autoencoder", network=network).fit(X) for network in networks))


def test_an_integer_is_no_shape_of_images():
    with pytest.raises(ValueError, match=r"'image_shape' parameter.* must be a sequence of one"):
        small("Autoencoder", network=ConvNet(6)).fit(X)


@pytest.mark.parametrize("network", [ConvNet, torch.nn.Linear(6, 3), "ConvNet"])
def test_networks_are_specifications(network):
    with pytest.raises(ValueError, match=r"'network' parameter .*ConvNet\(image_shape="):
        small("Autoencoder", network=network).fit(X)


@each_class
def test_wrong_number_of_columns(name):
    estimator = small(name).fit(X)
    expected = f"X has 5 features, but {name} is expecting 6 features as input"
    for method in (*METHODS, "partial_fit"):
        with pytest.raises(ValueError, match=expected):
            getattr(estimator, method)(X[:, :5])
    k = estimator.n_components_
    with pytest.raises(ValueError, match=f"X has 2 features, .*expects codes .*n_components={k}"):
        estimator.inverse_transform(X[:, :2])


@each_class
@pytest.mark.filterwarnings("ignore:overflow encountered in cast:RuntimeWarning")  # NumPy's
def test_too_large_for_float32(name):
    estimator = small(name).fit(X.astype(np.float32))
    with pytest.raises(ValueError, match="too large for dtype"):
        estimator.transform(np.full((1, 6), 1e300))


@each_class
@pytest.mark.parametrize("method", [*METHODS, "inverse_transform"])
def test_not_fitted(name, method):
    with pytest.raises(NotFittedError, match=name):
        getattr(small(name), method)(X)


@each_class
@pytest.mark.parametrize("attribute", ["coefs_", "intercepts_", "encoder_", "decoder_"])
def test_attributes_of_an_unfitted_estimator(name, attribute):
    assert not hasattr(small(name), attribute)


@each_of_any_numbers
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_bernoulli_needs_the_unit_interval(name, method):
    estimator = small(name, **BERNOULLI[name])
    named = "likelihood='bernoulli'" if name == "VAE" else "loss='binary_cross_entropy'"
    expected = rf"{named}.* needs X in \[0, 1\].*from -7.0 to 1.0.*MinMaxScaler"
    data = UNIT_X.copy()
    data[0, :2] = -7.0, 1.0
    with pytest.raises(ValueError, match=expected):
        getattr(estimator, method)(data)
    assert_not_fitted(estimator)


@each_class
def test_bernoulli_scores_only_the_unit_interval(name):
    estimator = small(name, **BERNOULLI[name]).fit(UNIT_X)
    with pytest.raises(ValueError, match=r"needs X in \[0, 1\].*to 2"):
        estimator.score_samples(2 * np.ones((1, 6)))
    with pytest.raises(ValueError, match=r"needs X in \[0, 1\].*to 2"):
        estimator.partial_fit(2 * np.ones((1, 6)))
    assert estimator.transform(2 * np.ones((1, 6))).shape == (1, estimator.n_components_)


@each_class
def test_bernoulli_reconstructs_probabilities(name):
    reconstructions = small(name, **BERNOULLI[name]).fit(UNIT_X).reconstruct(UNIT_X)
    assert reconstructions.min() > 0 and reconstructions.max() < 1


@may_collapse
@each_class
def test_early_stopping_needs_two_rows(name):
    estimator = small(name, early_stopping=True)
    with pytest.raises(ValueError, match=r"early_stopping=True .*n_samples = 1\b"):
        estimator.fit(X[:1])
    assert_not_fitted(estimator)
    assert small(name, early_stopping=True).fit(X[:2]).n_iter_ > 0


@each_class
def test_refused_data_leave_no_mixture_of_two_fits(name):
    estimator = small(name, **BERNOULLI[name]).fit(UNIT_X)
    with pytest.raises(ValueError, match=r"needs X in \[0, 1\]"):
        estimator.fit(2 * np.ones((5, 4)))
    try:
        codes = estimator.transform(UNIT_X)
    except NotFittedError:
        return
    assert codes.shape == (60, estimator.n_components_)


# Parameters.

EVERY, GANS = tuple(AUTOENCODERS), tuple(GENERATORS)
WRONG_PARAMETERS = [
    ((*NETWORK, *GANS, OF_UNITS), "n_components", (0, -1, 2.5, "auto", None)),
    (NETWORK + GANS, "hidden_layer_sizes", (-5, (0,), (2.5,), (8, -1), "ab", None)),
    (NETWORK + GANS, "activation", ("sigmoid", None, abs)),
    (NETWORK, "code_activation", ("softmax", None)),
    (NETWORK, "tied_weights", ("yes", None)),
    (NETWORK + GANS, "network", ("ConvNet", 3)),
    (EVERY + GANS, "table", ("no", 3, TableEncoder)),
    (NETWORK[:-1], "loss", ("mse", None)),
    (EVERY, "alpha", (-0.1, np.inf, np.nan, "auto")),
    (EVERY, "solver", ("l-bfgs", None)),
    (EVERY + GANS, "learning_rate", ("adaptive", 1e-3)),
    (EVERY + GANS, "learning_rate_init", (0, -1e-3, np.inf, "fast")),
    (EVERY + GANS, "batch_size", (0, 2.5, "all", None)),
    (EVERY + GANS, "max_iter", (0, 2.5, np.inf, "all")),
    (EVERY + GANS, "shuffle", ("yes", None)),
    (EVERY, "tol", (-1e-4, None)),
    (EVERY, "n_iter_no_change", (0, 2.5, "never", None)),
    (EVERY, "early_stopping", ("yes", None)),
    (EVERY, "validation_fraction", (0.0, 1.0, -0.1, 3)),
    (EVERY + GANS, "warm_start", ("yes", None)),
    (EVERY + GANS, "random_state", (-1, "seed", 0.5)),
    (EVERY + GANS, "device", (0, None)),
    (EVERY + GANS, "precision", ("float32", "bfloat16", None)),
    (EVERY + GANS, "verbose", (-1, "yes")),
    (["SparseAutoencoder"], "sparsity", ("top_k", None)),
    (["SparseAutoencoder"], "n_active", (0, 2.5, None)),
    (["SparseAutoencoder"], "sparse_output", ("yes", None)),
    (["SparseAutoencoder"], "sparsity_weight", (-1.0, "high", None)),
    (["SparseAutoencoder"], "target_activation", (0.0, 1.0, None)),
    (["DenoisingAutoencoder"], "corruption", ("dropout", 0.3)),
    (["DenoisingAutoencoder"], "corruption_level", (-0.1, None)),
    (["ContractiveAutoencoder"], "contraction_weight", (-0.1, "auto")),
    (["ContractiveAutoencoder"], "jacobian_method", ("approximate", None)),
    (["StackedAutoencoder"], "layer_sizes", (-5, (), (0,), (2.5,), None)),
    (["StackedAutoencoder"], "estimator", ("denoising", 3)),
    (["StackedAutoencoder"], "fine_tune", ("yes", None)),
    (GANS, "gradient_penalty", (-0.1, np.inf, np.nan, "auto", None)),
    (["InfoGAN"], "n_categories", (1, 0, 2.5, "auto", None)),
    (["InfoGAN"], "n_continuous", (-1, 1.5, None)),
    (["InfoGAN"], "information_weight", (-0.1, np.inf, np.nan, None)),
    (GANS, "learning_rate_init", ("auto",)),
    (GANS, "batch_size", ("auto",)),
    ([OF_UNITS], "n_gibbs_steps", (0, 1.5, "auto", None)),
    (["VAE"], "likelihood", ("poisson", None)),
    (["VAE"], "noise_variance", (0.0, -1.0, "auto", None)),
    (["VAE"], "beta", (-0.1, None)),
    (["VAE"], "kl_warmup", (-1, 2.5, None)),
    (["VAE"], "n_draws", (0, 1.5)),
    (["VAE"], "objective", ("vlb", None)),
    (["VAE"], "binarize", ("yes", True, None)),
]


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    ("name", "parameter", "value"),
    [
        (name, parameter, value)
        for names, parameter, values in WRONG_PARAMETERS
        for name in names
        for value in values
    ],
)
def test_wrong_parameter(name, parameter, value, method):
    estimator = small(name, **{parameter: value})
    with pytest.raises(InvalidParameterError, match=parameter):
        getattr(estimator, method)(X, LABELS)
    assert_not_fitted(estimator)


@each_trained
def test_no_parameter_is_missing_in_the_table(name):
    listed = {parameter for names, parameter, _ in WRONG_PARAMETERS if name in names}
    assert listed == set(TRAINED[name].get_params(deep=False))


@pytest.mark.parametrize("sizes", [(), (8,), [8, 4], np.array([8, 4])])
def test_hidden_layer_sizes_may_be_any_sequence(sizes):
    coefs = small("Autoencoder", hidden_layer_sizes=sizes).fit(X).coefs_
    assert [coef.shape[0] for coef in coefs] == [6, *sizes, 3, *sizes[::-1]]


# partial_fit.


def steps(solver):
    """With which no last epoch is so much worse than another one that `fit` goes back to that."""
    return {"solver": solver, "learning_rate_init": 1e-3}


@each_class
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_partial_fit_goes_on_exactly_through_pickle(name, solver):
    straight, broken = small(name, solver=solver), small(name, solver=solver)
    for _ in range(3):
        straight.partial_fit(X)
        broken.partial_fit(X)
    broken = pickle.loads(pickle.dumps(broken))
    for _ in range(3):
        straight.partial_fit(X)
        broken.partial_fit(X)
    assert_same_fit(straight, broken)
    assert straight.n_iter_ == broken.n_iter_ == len(straight.loss_curve_) == 6


@pytest.mark.parametrize("name", NETWORK)  # a stack's partial_fit does not pretrain
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_partial_fit_is_an_epoch_of_fit(name, solver):
    how = steps(solver)
    fitted = small(name, **how, max_iter=3, **NEVER_STOP).fit(X)
    estimator = small(name, **how)
    for _ in range(3):
        estimator.partial_fit(X)
    assert_same_fit(estimator, fitted)


@each_class
def test_partial_fit_after_fit_is_one_more_epoch(name):
    longer = small(name, max_iter=5, **NEVER_STOP).fit(X)
    estimator = small(name, max_iter=4, **NEVER_STOP).fit(X).partial_fit(X)
    assert_same_fit(estimator, longer)
    assert estimator.n_iter_ == longer.n_iter_


@each_class
def test_partial_fit_knows_no_schedule_nor_stopping(name):
    ignored = {"learning_rate": "cosine", "early_stopping": True, "max_iter": 1, "tol": 1e3}
    estimator, plain = small(name, **ignored), small(name)
    for _ in range(3):
        estimator.partial_fit(X)
        plain.partial_fit(X)
    assert_same_fit(estimator, plain)
    assert estimator.validation_loss_curve_ is None


@each_trained
def test_fit_starts_anew_after_partial_fit(name):
    assert_same_fit(small(name).partial_fit(X, LABELS).fit(X, LABELS), small(name).fit(X, LABELS))


@each_trained
def test_fit_starts_anew_on_other_data(name):
    estimator = small(name).fit(X, LABELS).fit(X[:, :4], LABELS)
    assert_same_fit(estimator, small(name).fit(X[:, :4], LABELS))
    assert estimator.n_features_in_ == 4


OTHER_NETWORK = {name: {"n_components": 4} for name in (*NETWORK, OF_UNITS)}
OTHER_NETWORK["StackedAutoencoder"] = {"layer_sizes": (4, 4)}


@each_class
@pytest.mark.parametrize("method", ["partial_fit", "fit"])
def test_training_cannot_go_on_with_another_network(name, method):
    estimator = small(name, warm_start=True).fit(X)
    before = fitted_state(estimator)
    old = "6-.*" if name in ("Autoencoder", "StackedAutoencoder", "VAE") else "6-[38]"
    with pytest.raises(
        ValueError, match=rf"now describe the network 6-.*4 .*{old}.*warm_start=False"
    ):
        getattr(estimator.set_params(**OTHER_NETWORK[name]), method)(X)
    assert fitted_state(estimator) == before
    assert estimator.transform(X).shape == (60, estimator.n_components_)


@each_trained
def test_of_many_partial_fits_nothing_but_numbers_is_saved(name):
    estimator = small(name, batch_size="auto" if name in SMALL else 16)
    for _ in range(100):
        estimator.partial_fit(X[:8], LABELS[:8])
    saved = pickle.loads(pickle.dumps(estimator))
    assert not any(isinstance(value, Tensor | nn.Module) for value in values_within(saved))
    assert all(type(loss) is float for loss in estimator.loss_curve_)


def values_within(thing):
    """Everything that is reachable through attributes, lists, tuples and dicts."""
    yield thing
    if isinstance(thing, dict):
        thing = list(thing.values())
    elif hasattr(thing, "__dict__"):
        thing = list(vars(thing).values())
    if isinstance(thing, list | tuple):
        for part in thing:
            yield from values_within(part)


# warm_start.


@each_class
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_warm_start_goes_on_exactly(name, solver):
    how = steps(solver)
    estimator = small(name, **how, warm_start=True, max_iter=5, **NEVER_STOP).fit(X)
    estimator.fit(X)
    assert_same_fit(estimator, small(name, **how, max_iter=10, **NEVER_STOP).fit(X))
    assert len(estimator.loss_curve_) == 10
    assert estimator.n_iter_ == 5


@each_trained
def test_warm_start_of_an_unfitted_estimator_is_a_fit(name):
    assert_same_fit(small(name, warm_start=True).fit(X, LABELS), small(name).fit(X, LABELS))


@each_class
def test_warm_start_may_change_the_solver(name):
    estimator = small(name, warm_start=True).fit(X)
    before = weights(estimator)
    estimator.set_params(solver="sgd", learning_rate_init=1e-300).fit(X)
    np.testing.assert_allclose(weights(estimator), before, rtol=1e-12, atol=1e-290)
    assert len(estimator.loss_curve_) == 8


@each_class
@pytest.mark.parametrize("solvers", [("adam", "sgd"), ("sgd", "adam")])
def test_another_solver_starts_without_moments(name, solvers):
    first, second = solvers
    estimator = small(name, solver=first).fit(X).set_params(solver=second)
    reference = copy.deepcopy(estimator)
    reference._state.moments = None
    assert_same_fit(estimator.partial_fit(X), reference.partial_fit(X))


@each_trained
def test_warm_start_keeps_the_number_of_features(name):
    with pytest.raises(ValueError, match="X has 5 features"):
        small(name, warm_start=True).fit(X, LABELS).fit(X[:, :5], LABELS)


# Scikit-learn's tools.


@pytest.mark.filterwarnings("ignore:scipy.optimize:DeprecationWarning")  # scikit-learn 1.6's
def test_pipeline_before_a_classifier():
    iris = load_iris()
    fit = {"max_iter": 100, "batch_size": 200, "learning_rate_init": 1e-3}
    autoencoder = Autoencoder(2, **fit, random_state=0)
    pipeline = make_pipeline(StandardScaler(), autoencoder, LogisticRegression())
    assert cross_val_score(pipeline, iris.data, iris.target, cv=3).mean() > 0.8


def test_feature_union_with_pca():
    union = FeatureUnion([("pca", PCA(2)), ("autoencoder", small("Autoencoder"))])
    union.set_output(transform="default").fit(X)
    assert union.transform(X).shape == (60, 5)
    assert union.get_feature_names_out()[-1] == "autoencoder__autoencoder2"


@each_class
def test_frozen_estimator(name):
    estimator = small(name).fit(X)
    frozen = FrozenEstimator(estimator).fit(2 * X, None)
    np.testing.assert_array_equal(frozen.transform(X), estimator.transform(X))


@each_trained
def test_clone_is_unfitted(name):
    estimator = small(name).fit(X, LABELS)
    assert_not_fitted(clone(estimator))
    assert_same_fit(clone(estimator).fit(X, LABELS), estimator)


@each_class
def test_grid_search_in_two_processes_after_training(name):
    width = "estimator__max_iter" if name == "StackedAutoencoder" else "n_components"
    grid = {width: [1, 2], "learning_rate_init": [1e-3, 1e-2]}
    searches = [GridSearchCV(small(name), grid, cv=2, n_jobs=n).fit(X) for n in (1, 2)]
    one, two = (search.cv_results_["mean_test_score"] for search in searches)
    np.testing.assert_array_equal(one, two)


def test_halving_search_over_epochs():
    from sklearn.experimental import enable_halving_search_cv  # noqa: F401
    from sklearn.model_selection import HalvingGridSearchCV

    search = HalvingGridSearchCV(
        small("Autoencoder"),
        {"n_components": [1, 3]},
        resource="max_iter",
        factor=2,
        min_resources=2,
        max_resources=4,
        cv=2,
        random_state=0,
    )
    assert search.fit(X).best_estimator_.max_iter == 4


@each_class
def test_nothing_warns(name):
    pd = pytest.importorskip("pandas")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Four epochs are few, as is right to say.
        warnings.filterwarnings("ignore", "The reconstructions explain", ConvergenceWarning)
        frame = pd.DataFrame(X, columns=[f"f{j}" for j in range(6)])
        estimator = small(name, early_stopping=True).fit(frame)
        estimator.partial_fit(frame)
    assert list(estimator.feature_names_in_) == [f"f{j}" for j in range(6)]


# What a fitted estimator still checks, and what it no longer reads.


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("Autoencoder", {"solver": "foo"}),
        ("Autoencoder", {"learning_rate_init": -1.0}),
        ("Autoencoder", {"batch_size": 0}),
        ("SparseAutoencoder", {"target_activation": 2.0}),
        ("DenoisingAutoencoder", {"corruption": "bogus"}),
        ("StackedAutoencoder", {"shuffle": "x"}),
        ("VAE", {"hidden_layer_sizes": (True,)}),
    ],
)
def test_partial_fit_of_a_fitted_estimator_checks_parameters(name, params):
    estimator = small(name).fit(X)
    with pytest.raises(InvalidParameterError):
        estimator.set_params(**params).partial_fit(X)


def test_rounding_of_a_scaler_is_in_the_unit_interval():
    rounded = UNIT_X.copy()
    rounded[0, 0] = 1 + 4 * np.finfo(float).eps
    small("Autoencoder", loss="binary_cross_entropy").fit(rounded)


def test_partial_fit_is_verbose(capsys):
    estimator = small("Autoencoder", verbose=True).partial_fit(X)
    estimator.partial_fit(X)
    lines = capsys.readouterr().out.splitlines()
    assert [line[:25] for line in lines] == [f"[Autoencoder] epoch {i}, lo" for i in (1, 2)]


def test_warm_start_with_early_stopping_does_not_get_worse():
    params = {"early_stopping": True, "validation_fraction": 0.3, "warm_start": True}
    estimator = small("Autoencoder", **params, max_iter=60, learning_rate_init=0.03).fit(X)
    fitted = weights(estimator)
    estimator.set_params(max_iter=1, learning_rate_init=3.0).fit(X)  # a step far too long
    np.testing.assert_array_equal(weights(estimator), fitted)


@pytest.mark.parametrize(
    ("name", "params"),
    [*((name, {}) for name in TRAINED), ("Autoencoder", {"hidden_layer_sizes": (12, 12)})],
)
def test_torchs_default_device_does_not_matter(name, params, recwarn):
    expected = small(name, **params).fit(X, LABELS)
    with torch.device("meta"):
        estimator = small(name, **params).fit(X, LABELS)
        codes = estimator.transform(X)
    assert_same_fit(estimator, expected)
    np.testing.assert_array_equal(codes, expected.transform(X))


@pytest.mark.parametrize("name", NETWORK)
def test_a_fitted_model_keeps_the_loss_of_its_fit(name):
    """Whatever the parameter is set to afterwards, for the next fit."""
    parameter = "likelihood" if name == "VAE" else "loss"
    estimator = small(name, **BERNOULLI[name]).fit(UNIT_X)
    expected = estimator.score_samples(UNIT_X)
    estimator.set_params(**{parameter: "gaussian" if name == "VAE" else "squared_error"})
    np.testing.assert_array_equal(estimator.score_samples(UNIT_X), expected)


def test_a_batch_may_be_as_large_as_integers_go():
    whole = small("Autoencoder", batch_size=60).fit(X)
    assert_same_fit(small("Autoencoder", batch_size=2**70).fit(X), whole)


def test_numpys_global_generator_is_refused():
    with pytest.raises(ValueError, match="is NumPy's global generator"):
        small("DenoisingAutoencoder").fit(X).sample(random_state=np.random)


@pytest.mark.parametrize(
    "change",
    [
        lambda estimator: estimator.set_params(alpha=-1.0),
        lambda estimator: estimator.hidden_layer_sizes.append("wide"),
    ],
    ids=["another value", "a changed list"],
)
def test_partial_fit_checks_parameters_that_have_changed(change):
    estimator = small("Autoencoder", hidden_layer_sizes=[5])
    for _ in range(3):
        estimator.partial_fit(X)
    change(estimator)
    with pytest.raises(InvalidParameterError):
        estimator.partial_fit(X)


def test_parameters_may_be_numpys_strings():
    plain = small("Autoencoder", activation="tanh", code_activation="elu").fit(X)
    numpys = {"activation": np.str_("tanh"), "code_activation": np.str_("elu")}
    assert_same_fit(small("Autoencoder", **numpys, loss=np.str_("squared_error")).fit(X), plain)


def test_the_modes_of_who_asks_first_do_not_stay():
    model = pickle.loads(pickle.dumps(small("ContractiveAutoencoder", tied_weights=True).fit(X)))
    expected = small("ContractiveAutoencoder", tied_weights=True).fit(X).jacobian(X)
    with torch.inference_mode():
        _ = model.encoder_, model.decoder_, model.coefs_
    np.testing.assert_array_equal(model.jacobian(X), expected)
