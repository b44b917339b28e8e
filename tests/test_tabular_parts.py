"""Tables in torch modules, and in estimators within estimators."""

import numpy as np
import pytest
import torch
from helpers import LABELS, SUPERVISED, X, may_be_dead, may_collapse, small
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from small_tables import (
    ALL,
    FAST,
    N,
    assert_looks_like,
    each,
    each_that_takes_gaps,
    fitted,
    holes,
    matrix_of,
    simple,
    target_for,
)

from skae import (
    VAE,
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderRegressor,
    DenoisingAutoencoder,
    StackedAutoencoder,
)
from skae.tables import TableEncoder

pd = pytest.importorskip("pandas")

pytestmark = [may_collapse, may_be_dead]

each_supervised = pytest.mark.parametrize("name", SUPERVISED)


# Torch modules.


@each
def test_modules_are_the_parts_of_the_network(name):
    """On the float32 matrix that `table_.transform` gives of a table."""
    table = simple()
    estimator = fitted(name, table)
    x = torch.from_numpy(matrix_of(estimator, table))
    codes = estimator.encoder_(x)
    codes = codes[0] if isinstance(codes, tuple) else codes
    np.testing.assert_allclose(codes, estimator.transform(table), atol=1e-6)
    if name in SUPERVISED:
        predict = getattr(estimator, "predict_proba", estimator.predict)
        found = estimator.module_(x).reshape(predict(table).shape)
        np.testing.assert_allclose(found, predict(table), atol=1e-5)
    else:
        found = estimator.decoder_(codes)
        np.testing.assert_allclose(found, estimator.reconstruct(table, proba=True), atol=1e-6)


@each_that_takes_gaps
def test_modules_take_missing_cells(name):
    table = holes()
    estimator = fitted(name, table)
    codes = estimator.encoder_(torch.from_numpy(matrix_of(estimator, table)))
    codes = codes[0] if isinstance(codes, tuple) else codes
    np.testing.assert_allclose(codes, estimator.transform(table), atol=1e-6)


# Estimators in estimators.


@pytest.mark.parametrize(
    "layer",
    [Autoencoder(**FAST), DenoisingAutoencoder(**FAST), VAE(**FAST)],
    ids=lambda layer: type(layer).__name__,
)
def test_stacks_on_tables(layer):
    table = simple() if isinstance(layer, Autoencoder) else holes()
    stacked = StackedAutoencoder((5, 3), estimator=layer, **FAST).fit(table)
    first, second = stacked.estimators_
    assert_looks_like(first.reconstruct(table), table)
    assert not hasattr(second, "table_")
    chained = second.transform(first.transform(table))
    np.testing.assert_allclose(chained, stacked.transform(table), atol=1e-6)
    decoded = first.inverse_transform(second.inverse_transform(chained))
    pd.testing.assert_frame_equal(
        decoded, stacked.reconstruct(table).reset_index(drop=True), rtol=1e-4
    )
    stacked.partial_fit(table)
    assert_looks_like(stacked.estimators_[0].reconstruct(table), table)


PRETRAINED = {
    "plain": Autoencoder(3, **FAST),
    "denoising": DenoisingAutoencoder(3, **FAST),
    "VAE": VAE(3, **FAST),
    "stack": StackedAutoencoder((4, 3), estimator=DenoisingAutoencoder(**FAST), **FAST),
    "stack of VAEs": StackedAutoencoder((4, 3), estimator=VAE(**FAST), **FAST),
    "by lbfgs": Autoencoder(3, solver="lbfgs", max_iter=3, random_state=0),
}


@each_supervised
@pytest.mark.parametrize("fine_tune", [True, False])
@pytest.mark.parametrize("inner", PRETRAINED)
def test_classifiers_and_regressors_on_tables(name, inner, fine_tune):
    table = simple() if inner in ("plain", "by lbfgs") else holes()
    cls, y = type(ALL[name]), target_for(name)
    estimator = cls(PRETRAINED[inner], fine_tune=fine_tune, **FAST).fit(table, y)
    assert estimator.predict(table).shape == (N,) and np.isfinite(estimator.score(table, y))
    assert_looks_like(estimator.autoencoder_.reconstruct(table), table)
    np.testing.assert_array_equal(
        estimator.autoencoder_.transform(table), estimator.transform(table)
    )
    estimator.partial_fit(table, y)
    classes = {"classes": [0, 1, 2]} if name == "AutoencoderClassifier" else {}
    again = cls(PRETRAINED[inner], fine_tune=fine_tune, **FAST).partial_fit(table, y, **classes)
    assert again.partial_fit(table, y).predict(table).shape == (N,)


@each_supervised
@pytest.mark.parametrize("inner", PRETRAINED)
def test_frozen_autoencoders_of_tables(name, inner):
    table = simple() if inner in ("plain", "by lbfgs") else holes()
    autoencoder = clone(PRETRAINED[inner]).fit(table)
    estimator = type(ALL[name])(FrozenEstimator(autoencoder), fine_tune=False, **FAST)
    estimator.fit(table, target_for(name))
    assert estimator.table_ is autoencoder.table_
    np.testing.assert_allclose(estimator.transform(table), autoencoder.transform(table))


def test_frozen_autoencoders_refuse_other_tables():
    table = simple()
    frozen = FrozenEstimator(Autoencoder(2, **FAST).fit(table))
    classifier = AutoencoderClassifier(frozen, **FAST)
    with pytest.raises(ValueError, match="now missing:\n- smokes"):
        classifier.fit(table[["age", "weight", "job"]], LABELS)
    with pytest.raises(ValueError, match=r"data frame with columns .*but got ndarray"):
        classifier.fit(X[:, :4], LABELS)
    of_array = FrozenEstimator(Autoencoder(2, **FAST).fit(X[:, :4]))
    with pytest.raises(ValueError, match="could not convert string to float"):
        AutoencoderClassifier(of_array, **FAST).fit(table, LABELS)


def test_unlabelled_rows_of_tables():
    y = np.where(np.arange(N) % 2, LABELS, -1)
    classifier = AutoencoderClassifier(Autoencoder(2, **FAST), **FAST).fit(simple(), y)
    assert 0 <= classifier.score(simple(), y) <= 1
    y = np.where(np.arange(N) % 2, 1.5 * LABELS, np.nan)
    regressor = AutoencoderRegressor(Autoencoder(2, **FAST), **FAST).fit(simple(), y)
    assert np.isfinite(regressor.score(simple(), y))


@each_supervised
def test_the_table_of_a_part_is_that_of_the_whole(name):
    """Unless the whole has one of its own."""
    quantile, standard = TableEncoder(numeric="quantile"), TableEncoder(numeric="standard")
    inner = Autoencoder(2, table=quantile, **FAST)
    for part in (inner, StackedAutoencoder((2,), estimator=inner, **FAST)):
        estimator = type(ALL[name])(part, **FAST).fit(simple(), target_for(name))
        assert estimator.table_.numeric == "quantile"
        estimator.set_params(table=standard).fit(simple(), target_for(name))
        assert estimator.table_.numeric == "standard"
    without = type(ALL[name])(inner.set_params(table=None), **FAST)
    with pytest.raises(ValueError, match="could not convert string to float"):
        without.fit(simple(), target_for(name))


def test_numbers_of_a_vae_are_quantiles():
    table = simple()
    quantiles = TableEncoder(numeric="quantile").fit_transform(table)
    for estimator in (
        VAE(2, **FAST).fit(table),
        StackedAutoencoder((2,), estimator=VAE(**FAST), **FAST).fit(table),
        AutoencoderClassifier(VAE(2, **FAST), **FAST).fit(table, LABELS),
    ):
        np.testing.assert_array_equal(estimator.table_.transform(table), quantiles)
        assert estimator.table_.numeric == "auto"
    standard = VAE(2, table=TableEncoder(numeric="standard"), **FAST).fit(table)
    assert standard.table_.transform(table)[:, 0].std() == pytest.approx(1)


def test_searches_over_an_encoders_parameters():
    pipeline = Pipeline([("code", Autoencoder(2, table=TableEncoder(), **FAST))])
    grid = {"code__table__numeric": ["standard", "quantile"]}
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(simple())
    assert search.best_estimator_["code"].table_.numeric in ("standard", "quantile")
    assert_looks_like(search.best_estimator_["code"].reconstruct(simple()), simple())
    assert len(set(search.cv_results_["mean_test_score"])) == 2


@each
def test_folds_may_lack_a_category(name):
    table = simple()
    table.loc[0, "job"] = "pope"
    y = (target_for(name),) if name in SUPERVISED else ()
    scores = cross_val_score(small(name), table, *y, cv=3, error_score="raise")
    assert np.isfinite(scores).all()


def test_an_encoder_may_stand_before_it_too():
    pipeline = make_pipeline(TableEncoder(), Autoencoder(2, **FAST)).fit(simple())
    assert pipeline.inverse_transform(pipeline.transform(simple())).shape == (N, 4)
    assert not hasattr(pipeline[-1], "table_")


@each
def test_encoders_are_cloned(name):
    encoder = TableEncoder()
    estimator = fitted(name, simple(), table=encoder)
    assert not hasattr(encoder, "columns_") and estimator.table_ is not encoder
    assert encoder._auto_numeric == "standard"
