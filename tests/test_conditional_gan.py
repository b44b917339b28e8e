"""The conditional GAN: labels of every kind, rows of a class that is asked for."""

import numpy as np
import pytest
import torch
from helpers import (
    LABELS,
    X,
    assert_not_fitted,
    assert_same_fit,
    fitted_state,
    normal,
    small,
    weights,
)
from scipy.stats import norm
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import scale

from skae import ConditionalGAN
from skae._generator import covered
from skae.networks import ConvNet

NAMES = np.array(["blue", "red", "yellow"])[LABELS]


def fitted(y=LABELS, rows=X, **params):
    return small("ConditionalGAN", **params).fit(rows, y)


# Labels.


def categorical(y):
    return pytest.importorskip("pandas").Categorical(y)


def series(y):
    return pytest.importorskip("pandas").Series(y, index=range(100, 160))


def polars_series(y):
    return pytest.importorskip("polars").Series(y.tolist())


KINDS = {
    "strings": NAMES,
    "objects": NAMES.astype(object),
    "list": NAMES.tolist(),
    "column": NAMES[:, None],
    "negative": LABELS - 5,
    "floats": LABELS * 2.0,
    "unsigned": LABELS.astype(np.uint8) * 100,
    "large": LABELS + 2**62,
    "tensor": torch.tensor(LABELS),
}
MAKERS = {
    "categorical": lambda: categorical(NAMES),
    "series": lambda: series(NAMES),
    "series of categories": lambda: series(categorical(NAMES)),
    "polars": lambda: polars_series(NAMES),
    "booleans": lambda: LABELS > 0,
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.DataConversionWarning")
@pytest.mark.parametrize("kind", [*KINDS, *MAKERS])
def test_labels_of_every_kind_come_out_again(kind):
    y = MAKERS[kind]() if kind in MAKERS else KINDS[kind]
    flat = np.asarray(y).ravel()
    gan = fitted(y)
    assert gan.classes_.tolist() == sorted(set(flat.tolist()))
    assert gan.class_prior_.sum() == pytest.approx(1.0)
    rows, labels = gan.sample(60, random_state=0)
    assert rows.shape == (60, 6) and labels.shape == (60,)
    assert labels.dtype == gan.classes_.dtype and set(labels) == set(gan.classes_)
    for label in gan.classes_.tolist():
        assert set(gan.sample(3, y=label)[1]) == {label}
    assert 0 <= gan.score(X, y) <= 1
    assert gan.discriminate(X, y).shape == (60,)


def test_names_do_not_matter_but_for_their_order():
    one, other = fitted(LABELS), fitted(NAMES)
    assert_same_fit(one, other)
    samples, labels = one.sample(50, random_state=0)
    renamed, names = other.sample(50, random_state=0)
    np.testing.assert_array_equal(renamed, samples)
    assert names.tolist() == np.array(["blue", "red", "yellow"])[labels].tolist()


def test_labels_are_drawn_in_their_frequencies():
    y = np.repeat([0, 1, 2], [6, 18, 36])
    gan, n = fitted(y), 6000
    p = np.array([0.1, 0.3, 0.6])
    np.testing.assert_allclose(gan.class_prior_, p)
    found = np.bincount(gan.sample(n, random_state=0)[1]) / n
    assert (np.abs(found - p) < 4 * np.sqrt(p * (1 - p) / n)).all()


def test_of_each_class_as_many_as_asked_for():
    gan = fitted(NAMES)
    for asked in (NAMES[:7], NAMES[:7].tolist(), series(NAMES)[:7], NAMES[:7].astype(object)):
        rows, labels = gan.sample(y=asked, random_state=0)
        assert rows.shape == (7, 6) and labels.tolist() == NAMES[:7].tolist()
        np.testing.assert_array_equal(rows, gan.sample(7, y=asked, random_state=0)[0])
    assert gan.sample(2, y=np.str_("red"))[1].tolist() == ["red", "red"]
    assert gan.sample(y=["red"])[1].tolist() == ["red"]
    assert gan.sample(y=[["red"], ["blue"]])[1].tolist() == ["red", "blue"]


def test_the_label_and_the_noise_decide_on_a_row():
    gan, Z = fitted(NAMES), normal(60, 3).numpy()
    whole = gan.generate(Z, NAMES)
    for name in set(NAMES):
        own = name == NAMES
        np.testing.assert_allclose(whole[own], gan.generate(Z[own], name), rtol=1e-10, atol=1e-12)
    assert not np.allclose(gan.generate(Z, "red"), gan.generate(Z, "blue"))


def test_a_label_is_for_all_rows_or_for_each():
    gan = fitted(NAMES)
    one = gan.discriminate(X, "red")
    np.testing.assert_array_equal(one, gan.discriminate(X, ["red"] * 60))
    assert not np.allclose(one, gan.discriminate(X, "blue"))


# Labels that do not suit.

WRONG = {
    "missing": (None, "requires y to be passed"),
    "continuous": (X[:, 0], "Unknown label type: continuous"),
    "one class": (np.zeros(60), r"at least 2 classes, but y has 1 class, 0\.0: use GAN"),
    "NaN": (np.where(LABELS, LABELS, np.nan), "rows without a label"),
    "None": ([None, "a", "b"] * 20, "rows without a label"),
    "infinite": (np.where(LABELS, LABELS, np.inf), "Input y contains infinity"),
    "too few": (LABELS[:50], "inconsistent numbers of samples"),
    "indicators": (np.eye(3)[LABELS], "y should be a 1d array"),
    "a number": (3, "y should be a 1d array"),
}


@pytest.mark.parametrize("case", WRONG)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_labels_that_do_not_suit(case, method):
    y, message = WRONG[case]
    gan = small("ConditionalGAN")
    with pytest.raises(ValueError, match=message):
        getattr(gan, method)(X, y)
    assert_not_fitted(gan)
    assert not hasattr(gan, "classes_")


@pytest.mark.parametrize("case", WRONG)
def test_labels_that_do_not_suit_leave_it_as_it_was(case):
    gan = fitted(NAMES, warm_start=True)
    before = fitted_state(gan)
    for method in ("fit", "partial_fit"):
        with pytest.raises(ValueError):
            getattr(gan, method)(X, WRONG[case][0])
    assert fitted_state(gan) == before


UNSEEN = r"y has labels that fit has not seen, .*: they must be among classes_, \['blue', 'red'"


@pytest.mark.parametrize("label", ["pink", 1, None, np.nan, True, b"pink", "redder"])
def test_labels_that_fit_has_not_seen(label):
    gan, Z = fitted(NAMES), np.zeros((2, 3))
    for call in (
        lambda: gan.sample(2, y=label if label is not None else [None, "red"]),
        lambda: gan.sample(y=["red", label]),
        lambda: gan.generate(Z, label),
        lambda: gan.generate(Z, np.array(["red", label], dtype=object)),
        lambda: gan.discriminate(X[:2], label),
        lambda: gan.score(X[:2], ["red", label]),
    ):
        with pytest.raises(ValueError, match=UNSEEN):
            call()


def test_only_few_unseen_labels_are_named():
    with pytest.raises(ValueError, match=r"not seen, 10, 11, 12, 13, 14, \.\.\.: they"):
        fitted().score(X, np.arange(60) + 10)
    with pytest.raises(ValueError, match=r"not seen, nan: they"):
        fitted().score(X, np.full(60, np.nan))


def test_as_many_labels_as_rows():
    gan, Z = fitted(), np.zeros((2, 3))
    for call in (
        lambda: gan.sample(3, y=[0, 1]),
        lambda: gan.generate(Z, [0]),
        lambda: gan.discriminate(X, [0, 1]),
        lambda: gan.score(X, [0, 1]),
    ):
        with pytest.raises(ValueError, match=r"y has [12] labels, but there are \d+ rows"):
            call()


# Going on with some of the classes.


def test_a_first_call_may_say_what_classes_will_come():
    gan = small("ConditionalGAN").partial_fit(X[:20], np.zeros(20, int), classes=[2, 0, 1, 7])
    assert gan.classes_.tolist() == [0, 1, 2, 7]
    assert gan.class_prior_.tolist() == [1.0, 0.0, 0.0, 0.0]
    gan.partial_fit(X[20:40], np.repeat([1, 2], [15, 5]))
    np.testing.assert_allclose(gan.class_prior_, [0.5, 0.375, 0.125, 0.0])
    assert set(gan.sample(500)[1]) == {0, 1, 2}
    # What no call has had is not drawn, but may be asked for.
    assert gan.sample(2, y=7)[0].shape == (2, 6) and gan.offset_[3] == 0.0
    assert gan.partial_fit(X, LABELS, classes=[0, 1, 2, 7]).n_iter_ == 3


def test_classes_of_calls_count_together():
    one, other = small("ConditionalGAN"), small("ConditionalGAN")
    one.partial_fit(X, LABELS).partial_fit(X[:30], np.zeros(30, int))
    other.fit(np.vstack([X, X[:30]]), np.concatenate([LABELS, np.zeros(30, int)]))
    np.testing.assert_allclose(one.class_prior_, other.class_prior_)


def test_offsets_of_classes_that_a_call_lacks_stay():
    gan = small("ConditionalGAN").partial_fit(X, LABELS)
    before = gan.offset_
    gan.partial_fit(X[LABELS > 0], LABELS[LABELS > 0])
    assert gan.offset_[0] == before[0] != 0.0
    assert (gan.offset_[1:] != before[1:]).all()


def test_classes_are_those_of_the_first_call():
    gan = small("ConditionalGAN").partial_fit(X, LABELS)
    before = fitted_state(gan)
    with pytest.raises(ValueError, match=r"classes not in `self.classes_`, \[3\]"):
        gan.partial_fit(X, LABELS + 1)
    with pytest.raises(ValueError, match="not the same as on last call"):
        gan.partial_fit(X, LABELS, classes=[0, 1])
    with pytest.raises(ValueError, match="classes not in"):
        gan.set_params(warm_start=True).fit(X, LABELS + 1)
    assert fitted_state(gan) == before


def test_a_first_call_that_fails_leaves_nothing():
    gan = small("ConditionalGAN")
    for X_, y, classes in ((X, LABELS, [0, 1]), (X * np.nan, LABELS, [0, 1, 2])):
        with pytest.raises(ValueError):
            gan.partial_fit(X_, y, classes=classes)
        assert_not_fitted(gan)
        assert not hasattr(gan, "classes_") and not hasattr(gan, "class_prior_")


def test_a_fit_forgets_the_classes_of_before():
    gan = small("ConditionalGAN").partial_fit(X, LABELS, classes=[0, 1, 2, 3]).fit(X, LABELS > 0)
    assert gan.classes_.tolist() == [False, True]
    assert_same_fit(gan, fitted(LABELS > 0))
    np.testing.assert_allclose(gan.class_prior_, [1 / 3, 2 / 3])


def test_a_class_of_one_row():
    y = np.r_[np.zeros(59, int), 1]
    gan = fitted(y)
    assert gan.sample(3, y=1)[0].shape == (3, 6) and np.isfinite(gan.offset_).all()
    made = gan._rows_like(X, np.eye(2)[y])  # which alone has no neighbour to be measured by
    assert gan.score(X, y) == covered(X[:59], made[:59])


@pytest.mark.filterwarnings("ignore:The number of unique classes:UserWarning")
def test_as_many_classes_as_rows():
    gan = fitted(np.arange(60))
    assert len(gan.offset_) == 60 and gan.score(X, np.arange(60)) == covered(
        X, gan._rows_like(X, np.eye(60))
    )


# Scores.


def test_the_score_is_the_mean_coverage_of_classes():
    gan = fitted(NAMES)
    labels = np.searchsorted(gan.classes_, NAMES)
    made = gan._rows_like(X, np.eye(3)[labels])
    expected = [covered(X[labels == label], made[labels == label]) for label in range(3)]
    assert gan.score(X, NAMES) == pytest.approx(np.mean(expected))
    assert type(gan.score(X, NAMES)) is float


def test_without_labels_samples_stand_for_all_rows():
    gan = fitted(NAMES)
    assert gan.score(X) == gan.score(X) != gan.score(X, NAMES)
    assert 0 <= gan.score(X[:2]) <= 1 and 0 <= gan.score(X[:2], NAMES[:2]) <= 1


def test_a_score_sees_classes_that_are_exchanged():
    rows = X + 3.0 * LABELS[:, None]
    gan = fitted(rows=rows, hidden_layer_sizes=(32,), max_iter=60)
    assert gan.score(rows, LABELS) > 0.5
    assert gan.score(rows, (LABELS + 1) % 3) < 0.1


# What it learns.


def test_rows_are_of_the_class_that_is_asked_for():
    rows, y = load_iris(return_X_y=True)
    rows = scale(rows)
    gan = ConditionalGAN(4, hidden_layer_sizes=(32,), max_iter=150, random_state=0).fit(rows, y)
    judge = LogisticRegression(max_iter=1000).fit(rows, y)
    samples, labels = gan.sample(600, random_state=0)
    assert judge.score(samples, labels) > 0.85
    again = LogisticRegression(max_iter=1000).fit(samples, labels)
    assert again.score(rows, y) > 0.85
    for label in range(3):
        own = gan.sample(300, y=label, random_state=0)[0]
        np.testing.assert_allclose(own.mean(axis=0), rows[y == label].mean(axis=0), atol=0.3)


def bars(n=256):
    """Noisy images of 8 x 8 pixels with a bar in one of four places, and the place."""
    images, places = np.zeros((n, 8, 8), np.float32), np.arange(n) % 4
    images[np.arange(n), :, 2 * places] = 1.0
    images += 0.1 * np.random.default_rng(0).normal(size=images.shape)
    return images.reshape(n, -1), places


def test_convolutions_draw_images_of_the_class_that_is_asked_for():
    images, places = bars()
    params = {"network": ConvNet((1, 8, 8), channels=(8,)), "hidden_layer_sizes": (32,)}
    gan = ConditionalGAN(8, max_iter=60, random_state=0, **params).fit(images, places)
    samples, asked = gan.sample(200, random_state=0)
    brightness = samples.reshape(-1, 8, 8).mean(axis=1)[:, ::2]
    assert np.mean(brightness.argmax(axis=1) == asked) > 0.8


class Known(ConditionalGAN):
    """Its generator draws from N(y, 1), whatever it has learnt."""

    def _made(self, network, latent, noise):
        return (self._generated(latent) - float(self._mean_[0])) / self._scale_

    def _generated(self, latent, generator=None):
        return latent[:, :1] + latent[:, 2:]  # noise and the second class's column


def test_the_discriminator_is_the_optimal_one_of_each_class():
    found = []
    for seed in range(3):
        rng, y = np.random.default_rng(seed), np.arange(4000) % 2
        rows = rng.normal(size=(4000, 1)) - y[:, None]  # N(-y, 1): of class 0 as the generator's
        params = {"hidden_layer_sizes": (16,), "activation": "tanh", "learning_rate_init": 1e-2}
        gan = Known(1, gradient_penalty=0, max_iter=20, batch_size=128, random_state=seed, **params)
        gan.fit(rows, y)
        x = np.linspace(-2.0, 2.0, 101)
        p, q = norm.pdf(x + 1.0), norm.pdf(x - 1.0)
        of_both = np.full(101, 0.5), p / (p + q)
        found.append(
            [np.abs(gan.discriminate(x[:, None], k) - of_both[k]).mean() for k in range(2)]
        )
    assert (np.median(found, axis=0) < 0.05).all()


def test_features_need_no_labels():
    gan = fitted(NAMES)
    assert gan.transform(X).shape == (60, 8)
    assert weights(gan).dtype == np.float64
