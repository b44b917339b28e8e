"""Programs that the page "With other tools" lists and shows no code of: they work with skae."""

import numpy as np
import pandas as pd
import pytest
import skrub
from cleanlab.outlier import OutOfDistribution
from feature_engine.selection import RecursiveFeatureElimination, SelectBySingleFeaturePerformance
from feature_engine.wrappers import SklearnTransformerWrapper
from imblearn.ensemble import BalancedBaggingClassifier, RUSBoostClassifier
from imblearn.over_sampling import SMOTE
from imblearn.pipeline import make_pipeline as make_sampling_pipeline
from mapie.classification import SplitConformalClassifier
from mapie.regression import CrossConformalRegressor
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV, CalibrationDisplay
from sklearn.cluster import HDBSCAN
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.datasets import load_digits
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_selection import RFECV, SequentialFeatureSelector
from sklearn.inspection import DecisionBoundaryDisplay, PartialDependenceDisplay
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import RocCurveDisplay
from sklearn.model_selection import (
    HalvingGridSearchCV,
    RandomizedSearchCV,
    TunedThresholdClassifierCV,
    cross_val_predict,
    validation_curve,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier
from sklego.meta import (
    EstimatorTransformer,
    GroupedPredictor,
    GroupedTransformer,
    OrdinalClassifier,
    Thresholder,
)
from sklego.meta import ZeroInflatedRegressor as ZeroInflated

from skae import Autoencoder, AutoencoderClassifier, AutoencoderRegressor

X, Y = load_digits(return_X_y=True)
X, Y = X[:300] / 16, Y[:300]
BRIGHTNESS = X.mean(axis=1)
WEIGHTS = np.linspace(0.5, 1.5, len(X))
FRAME = pd.DataFrame(X).rename(columns=str)
CODES = Autoencoder(8, max_iter=20, random_state=0)
CLASSIFIER = AutoencoderClassifier(CODES, max_iter=20, random_state=0)
REGRESSOR = AutoencoderRegressor(CODES, max_iter=20, random_state=0)
LOGISTIC = LogisticRegression(max_iter=500)
# What the packages say to each other is not skae's.
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.filterwarnings("error:::skae")]


def of_classifiers():
    """Estimators of scikit-learn and others around a classifier."""
    yield CalibratedClassifierCV(CLASSIFIER, cv=2)
    yield StackingClassifier([("autoencoder", CLASSIFIER)], LOGISTIC, cv=2)
    yield VotingClassifier([("autoencoder", CLASSIFIER), ("other", LOGISTIC)], voting="soft")
    yield BaggingClassifier(CLASSIFIER, n_estimators=2, random_state=0)
    yield AdaBoostClassifier(CLASSIFIER, n_estimators=2, random_state=0)
    yield BalancedBaggingClassifier(CLASSIFIER, n_estimators=2, random_state=0)
    yield RUSBoostClassifier(CLASSIFIER, n_estimators=2, random_state=0)
    yield make_sampling_pipeline(SMOTE(random_state=0), CLASSIFIER)
    widths = {"autoencoder__n_components": [4, 8, 16]}
    yield RandomizedSearchCV(CLASSIFIER, widths, n_iter=2, cv=2, random_state=0)
    yield HalvingGridSearchCV(
        *(CLASSIFIER, {"alpha": [0, 1e-3]}),
        **{"cv": 2, "resource": "max_iter", "min_resources": 5, "max_resources": 20},
    )


def of_regressors():
    """The same around a regressor."""
    yield AdaBoostRegressor(REGRESSOR, n_estimators=2, random_state=0)
    yield StackingRegressor([("autoencoder", REGRESSOR)], cv=2)
    yield BaggingRegressor(REGRESSOR, n_estimators=2, random_state=0)
    yield VotingRegressor([("autoencoder", REGRESSOR)])
    yield TransformedTargetRegressor(REGRESSOR, func=np.log, inverse_func=np.exp)


def name_of(value):
    return type(value).__name__


@pytest.mark.parametrize("program", of_classifiers(), ids=name_of)
def test_programs_around_a_classifier(program):
    assert program.fit(X, Y).score(X, Y) > 0.7


@pytest.mark.parametrize("program", of_regressors(), ids=name_of)
def test_programs_around_a_regressor(program):
    assert program.fit(X, BRIGHTNESS).score(X, BRIGHTNESS) > 0.5


@pytest.mark.parametrize("program", [OneVsRestClassifier, OrdinalClassifier])
def test_programs_of_few_classes(program):
    assert program(CLASSIFIER).fit(X, Y % 3).score(X, Y % 3) > 0.7


def test_tuned_threshold():
    program = TunedThresholdClassifierCV(CLASSIFIER, cv=2)
    assert program.fit(X, Y == 0).score(X, Y == 0) > 0.95


def test_thresholder():
    none, all_rows = (
        Thresholder(clone(CLASSIFIER), threshold).fit(X, Y == 0).predict(X)
        for threshold in (1.0, 0.0)
    )
    assert none.sum() < (Y == 0).sum() < all_rows.sum()


@pytest.mark.parametrize("program", [MultiOutputClassifier, ClassifierChain])
def test_programs_of_several_outputs(program):
    outputs = np.column_stack([Y % 2, Y > 4]).astype(int)
    assert program(CLASSIFIER).fit(X, outputs).score(X, outputs) > 0.7


def test_self_training():
    some = np.where(np.arange(len(Y)) < 150, Y, -1)
    assert SelfTrainingClassifier(CLASSIFIER, max_iter=2).fit(X, some).score(X, Y) > 0.7


def test_programs_of_groups():
    frame = FRAME.assign(group=np.arange(len(X)) % 2)
    codes = GroupedTransformer(CODES, groups="group").fit_transform(frame)
    assert np.asarray(codes).shape == (len(X), 8)
    predicted = GroupedPredictor(REGRESSOR, groups="group").fit(frame, BRIGHTNESS).predict(frame)
    assert np.corrcoef(predicted, BRIGHTNESS)[0, 1] > 0.7


def test_zero_inflated_regressor():
    numbers = np.where(Y < 5, 0.0, BRIGHTNESS)
    parts = clone(CLASSIFIER), clone(REGRESSOR)  # it takes fitted ones as they are
    program = ZeroInflated(*parts).fit(X, numbers, sample_weight=WEIGHTS)
    assert ((program.predict(X) == 0) == (Y < 5)).mean() > 0.8


@pytest.mark.parametrize(
    "program",
    [
        SequentialFeatureSelector(CLASSIFIER, n_features_to_select=2, cv=2),
        RFECV(CLASSIFIER, cv=2, importance_getter=lambda model: abs(model.coefs_[0]).sum(axis=1)),
        RecursiveFeatureElimination(CLASSIFIER, scoring="accuracy", cv=2),
        SelectBySingleFeaturePerformance(CLASSIFIER, scoring="accuracy", cv=2),
    ],
    ids=name_of,
)
def test_selectors(program):
    four = FRAME[["20", "26", "28", "36"]]
    assert 0 < program.fit(four, pd.Series(Y)).transform(four).shape[1] <= 4


def test_selection_for_an_autoencoder():
    small = Autoencoder(2, max_iter=5, random_state=0)
    selector = SequentialFeatureSelector(small, n_features_to_select=2, cv=2)
    assert selector.fit(X[:, 20:24]).get_support().sum() == 2


def test_beside_other_transformers():
    part = ColumnTransformer([("codes", CODES, slice(16, 48))], remainder="passthrough")
    assert part.fit_transform(X).shape == (len(X), 8 + 32)
    both = make_union(CODES, StandardScaler()).set_output(transform="pandas").fit_transform(FRAME)
    assert list(both.columns[:1]) == ["autoencoder__autoencoder0"]


def test_validation_curve():
    params = {"param_name": "n_components", "param_range": [2, 8]}
    _, scores = validation_curve(CODES, X, None, cv=2, **params)
    assert scores[1].mean() > scores[0].mean()


def test_clusters_of_codes():
    clusters = make_pipeline(CODES, HDBSCAN(min_cluster_size=8, copy=True)).fit_predict(X)
    assert clusters.max() > 2


def test_conformal_predictions():
    sets = SplitConformalClassifier(CLASSIFIER, confidence_level=0.9, prefit=False)
    sets.fit(X[:200], Y[:200]).conformalize(X[200:], Y[200:])
    _, members = sets.predict_set(X[200:])
    assert members[np.arange(100), Y[200:], 0].mean() >= 0.85
    intervals = CrossConformalRegressor(REGRESSOR, cv=3).fit_conformalize(X, BRIGHTNESS)
    _, bounds = intervals.predict_interval(X)
    assert ((bounds[:, 0, 0] < BRIGHTNESS) & (bounds[:, 1, 0] > BRIGHTNESS)).mean() > 0.85


def test_outliers_among_codes():
    codes = clone(CODES).fit_transform(X)
    usual = OutOfDistribution().fit_score(features=codes, verbose=False)
    assert usual.shape == (len(X),)


def test_data_operations_of_skrub():
    data = skrub.var("data", FRAME.assign(digit=Y))
    rows, labels = data.drop(columns="digit").skb.mark_as_X(), data["digit"].skb.mark_as_y()
    width = skrub.choose_from([2, 8], name="width")
    codes = rows.skb.apply(Autoencoder(width, max_iter=20, random_state=0))
    search = codes.skb.apply(LOGISTIC, y=labels).skb.make_grid_search(fitted=True, cv=2)
    assert search.results_["width"][0] == 8  # the best one


def by_cross_validation(autoencoder):
    return cross_val_predict(autoencoder, X, method="transform", cv=2)


def wrapped(autoencoder):
    return SklearnTransformerWrapper(autoencoder).fit(FRAME)


REFUSALS = {  # of an autoencoder, as the page says, with the programs' words
    by_cross_validation: "implementing 'fit' and 'predict'",
    wrapped: "not compatible with the wrapper",
    skrub.tabular_pipeline: "must have a predict attribute",
    EstimatorTransformer: "has no attribute 'predict'",
}


@pytest.mark.parametrize("program", REFUSALS)
def test_programs_that_refuse_an_autoencoder(program):
    with pytest.raises((ValueError, TypeError, AttributeError, NotImplementedError)) as error:
        program(clone(CODES)).fit(X, Y).transform(X)
    assert REFUSALS[program] in str(error.value)


def test_displays(small_data):
    two = clone(CLASSIFIER).fit(X, Y == 0)
    PartialDependenceDisplay.from_estimator(two, X, [20, 21], grid_resolution=5)
    RocCurveDisplay.from_estimator(two, X, Y == 0)
    CalibrationDisplay.from_estimator(two, X, Y == 0)
    pair = X[:, [20, 36]]
    on_pair = clone(CLASSIFIER).fit(pair, Y == 0)
    DecisionBoundaryDisplay.from_estimator(on_pair, pair, grid_resolution=9)
