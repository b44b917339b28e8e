"""The stacked autoencoder: its layers, their chain, and what overrides what."""

from copy import copy

import numpy as np
import pytest
from helpers import UNIT_X, assert_same_fit, may_be_dead, may_collapse
from sklearn.base import clone
from sklearn.decomposition import PCA

from skae import VAE, Autoencoder, DenoisingAutoencoder, SparseAutoencoder, StackedAutoencoder

STEPS = {"batch_size": 200, "learning_rate_init": 1e-3}
LAYER = DenoisingAutoencoder(max_iter=3, **STEPS)
FAST = {"layer_sizes": (20, 8), "max_iter": 3, "random_state": 0, **STEPS}


def stacked(estimator=LAYER, **parameters):
    return StackedAutoencoder(estimator=estimator, **{**FAST, **parameters})


def chain(layers, X):
    for layer in layers:
        X = layer.transform(X)
    return X


def chain_back(layers, Z):
    for layer in layers[::-1]:
        Z = layer.inverse_transform(Z)
    return Z


PROTOTYPES = {
    "default": None,
    "denoising": LAYER,
    "deep layers": Autoencoder(hidden_layer_sizes=(12,), activation="tanh", max_iter=2),
    "tied": Autoencoder(hidden_layer_sizes=(), tied_weights=True, max_iter=2),
    "vae": VAE(hidden_layer_sizes=(12,), max_iter=2),
    "tied vae": VAE(hidden_layer_sizes=(), tied_weights=True, likelihood="bernoulli", max_iter=2),
    "list": [SparseAutoencoder(max_iter=2), VAE(max_iter=2)],
}
every_prototype = pytest.mark.parametrize("prototype", PROTOTYPES.values(), ids=PROTOTYPES)


@may_collapse
@pytest.mark.parametrize("fine_tune", [True, False])
@every_prototype
def test_transform_is_the_chain_of_the_layers(prototype, fine_tune, digits):
    X = digits[:300]
    # The second layer's input is what the first one gives, which no Bernoulli would accept.
    if isinstance(prototype, VAE) and prototype.likelihood == "bernoulli":
        prototype = [prototype, VAE(hidden_layer_sizes=(), tied_weights=True, max_iter=2)]
    model = stacked(prototype, fine_tune=fine_tune).fit(X)
    codes = model.transform(X)
    assert codes.shape == (300, 8)
    np.testing.assert_allclose(chain(model.estimators_, X), codes, rtol=1e-10, atol=1e-10)
    reconstructed = chain_back(model.estimators_, codes)
    np.testing.assert_allclose(model.reconstruct(X), reconstructed, rtol=1e-10, atol=1e-10)


def test_layers_follow_a_second_fit_and_partial_fit(digits):
    model = stacked().fit(digits[:300])
    before = chain(model.estimators_, digits)
    model.partial_fit(digits)
    assert np.abs(model.transform(digits) - before).max() > 1e-3
    np.testing.assert_allclose(chain(model.estimators_, digits), model.transform(digits))
    model.set_params(warm_start=True).fit(digits)
    np.testing.assert_allclose(chain(model.estimators_, digits), model.transform(digits))


@may_collapse
@every_prototype
def test_layers_have_their_widths(prototype, digits):
    if isinstance(prototype, VAE):
        prototype = clone(prototype).set_params(likelihood="gaussian")
    layers = stacked(prototype, fine_tune=False).fit(digits[:300]).estimators_
    assert [(layer.n_features_in_, layer.n_components_) for layer in layers] == [(64, 20), (20, 8)]


def test_by_default_upper_layers_reconstruct_the_probabilities_below():
    stack = StackedAutoencoder((5, 3), max_iter=1, random_state=0)
    layers = stack.fit(UNIT_X[:12]).estimators_  # few rows, as their budgets are the defaults
    assert {type(layer) for layer in layers} == {DenoisingAutoencoder}
    assert [layer.loss for layer in layers] == ["squared_error", "binary_cross_entropy"]


def test_without_fine_tuning_layers_are_fitted_one_by_one(digits):
    model = stacked(layer_sizes=(20, 12, 8), fine_tune=False).fit(digits)
    codes = digits
    for number, layer in enumerate(model.estimators_):
        seed = layer.random_state
        alone = clone(LAYER).set_params(n_components=(20, 12, 8)[number], random_state=seed)
        assert_same_fit(layer, alone.fit(codes))
        codes = alone.transform(codes)
    np.testing.assert_allclose(model.transform(digits), codes, rtol=1e-12)


def test_pretraining_is_the_same_with_and_without_fine_tuning(digits):
    tuned, plain = (stacked(fine_tune=tune).fit(digits) for tune in (True, False))
    for one, other in zip(tuned.estimators_, plain.estimators_, strict=True):
        assert one.loss_curve_ == other.loss_curve_


def test_fine_tuning_starts_from_the_pretrained_layers(digits):
    plain = stacked(fine_tune=False).fit(digits)
    still = stacked(learning_rate_init=1e-12).fit(digits)
    np.testing.assert_allclose(still.transform(digits), plain.transform(digits), rtol=1e-6)


def test_fine_tuning_lowers_the_error(digits, squared_errors):
    layer = DenoisingAutoencoder(max_iter=20, **STEPS)
    tuned, plain = (
        stacked(layer, max_iter=60, fine_tune=tune).fit(digits) for tune in (True, False)
    )
    errors = [squared_errors(digits, model.reconstruct(digits)).mean() for model in (tuned, plain)]
    assert errors[0] < 0.9 * errors[1]


def test_loss_without_fine_tuning_is_the_joint_error(digits, squared_errors):
    model = stacked(fine_tune=False).fit(digits)
    error = squared_errors(digits, model.reconstruct(digits)).mean()
    assert model.loss_curve_ == [pytest.approx(error)]


def test_it_learns_more_than_pretrained_layers_of_no_training(digits):
    model = stacked(max_iter=30).fit(digits)
    untrained = stacked(DenoisingAutoencoder(max_iter=1, learning_rate_init=1e-12), max_iter=1)
    assert (
        model.score(digits) > untrained.set_params(fine_tune=False).fit(digits).score(digits) + 0.1
    )


def slopes_and_means(model, X, sample_weight=None):
    """The slope of X over its reconstructions, and the largest difference of their means."""
    outputs = model.reconstruct(X)
    means = [np.average(rows, axis=0, weights=sample_weight) for rows in (outputs, X)]
    given, wanted = outputs - means[0], X - means[1]
    products, squares = (
        np.average((given * rows).sum(axis=1), weights=sample_weight) for rows in (wanted, given)
    )
    return products / squares, np.abs(means[0] - means[1]).max()


@pytest.mark.parametrize("weighted", [False, True])
def test_fine_tuning_starts_at_the_scale_of_whole_rows(digits, weighted):
    weights = np.random.default_rng(0).uniform(0.1, 2, len(digits)) if weighted else None
    still, plain = stacked(learning_rate_init=1e-300), stacked(fine_tune=False)
    slope, difference = slopes_and_means(still.fit(digits, sample_weight=weights), digits, weights)
    assert slope == pytest.approx(1, abs=1e-9) and difference < 1e-9
    slope, difference = slopes_and_means(plain.fit(digits, sample_weight=weights), digits, weights)
    assert slope < 0.9


@pytest.mark.parametrize("params", [{"loss": "binary_cross_entropy"}, {"tied_weights": True}])
def test_other_outputs_keep_their_scale(digits, params):
    layers = [DenoisingAutoencoder(max_iter=3, **params), Autoencoder(max_iter=3)]
    params = {"estimator": layers, "learning_rate_init": 1e-300}
    still, plain = (stacked(**params, fine_tune=tune).fit(digits) for tune in (True, False))
    np.testing.assert_array_equal(still.reconstruct(digits), plain.reconstruct(digits))


def test_constant_rows_have_no_scale():
    rows = np.ones((20, 5))
    assert np.isfinite(stacked(max_iter=1).fit(rows).reconstruct(rows)).all()


def test_n_iter_counts_pretraining_and_fine_tuning(digits):
    assert stacked().fit(digits).n_iter_ == 3 + 3 + 3
    assert stacked(fine_tune=False).fit(digits).n_iter_ == 3 + 3


def test_seeds_of_layers_differ(digits):
    layers = stacked(layer_sizes=(8, 8, 8), max_iter=1).fit(digits).estimators_
    assert len({layer.random_state for layer in layers}) == 3


def test_same_seed_same_bits(digits):
    one, again = stacked().fit(digits), stacked().fit(digits)
    assert_same_fit(one, again)
    other = stacked(random_state=1).fit(digits)
    assert other.loss_curve_ != one.loss_curve_


def test_a_list_gives_each_layer_its_own_kind(digits):
    prototypes = [SparseAutoencoder(max_iter=2, sparsity="l1"), Autoencoder(max_iter=1)]
    first, second = stacked(prototypes, fine_tune=False).fit(digits).estimators_
    assert isinstance(first, SparseAutoencoder) and first.sparsity == "l1" and first.n_iter_ == 2
    assert isinstance(second, Autoencoder) and second.n_iter_ == 1


def test_partial_fit_never_pretrains(digits, monkeypatch):
    def fit(self, X, y=None):
        raise AssertionError("pretrained")

    monkeypatch.setattr(DenoisingAutoencoder, "fit", fit)
    model = stacked().partial_fit(digits).partial_fit(digits)
    assert model.n_iter_ == 2
    assert len(model.loss_curve_) == 2
    assert model.transform(digits).shape == (1797, 8)


def test_partial_fit_lowers_the_error_of_a_fit(digits, squared_errors):
    model = stacked().fit(digits)
    before = squared_errors(digits, model.reconstruct(digits)).mean()
    for _ in range(5):
        model.partial_fit(digits)
    assert squared_errors(digits, model.reconstruct(digits)).mean() < before


def test_partial_fit_of_vae_layers_works(digits):
    model = stacked(VAE(hidden_layer_sizes=(10,))).partial_fit(digits)
    np.testing.assert_allclose(chain(model.estimators_, digits), model.transform(digits))


@pytest.mark.parametrize("sizes", [(), (20, 0), (20, 2.5), (-1,)])
def test_layer_sizes_must_be_positive_integers(sizes, digits):
    with pytest.raises(ValueError, match="layer_sizes"):
        stacked(layer_sizes=sizes).fit(digits)


@pytest.mark.parametrize("n_layers", [0, 1, 3])
def test_a_list_must_have_an_estimator_per_layer(n_layers, digits):
    with pytest.raises(ValueError, match=f"estimator is a list of {n_layers}.*asks for 2"):
        stacked([LAYER] * n_layers).fit(digits)


@pytest.mark.parametrize("foreign", [PCA(), [LAYER, PCA()], StackedAutoencoder(), [LAYER, "x"]])
def test_layers_must_be_autoencoders_with_one_code(foreign, digits):
    with pytest.raises(ValueError, match="estimator must be an autoencoder of skae"):
        stacked(foreign).fit(digits)


def test_a_layers_wrong_parameter_is_found_before_any_training(digits, monkeypatch):
    monkeypatch.setattr(Autoencoder, "fit", None)
    with pytest.raises(ValueError, match="'alpha' parameter of DenoisingAutoencoder"):
        stacked([Autoencoder(), DenoisingAutoencoder(alpha=-1)]).fit(digits)


def test_the_first_layers_loss_is_that_of_the_whole(digits):
    cross_entropy = DenoisingAutoencoder(loss="binary_cross_entropy", max_iter=2)
    with pytest.raises(ValueError, match=r"first layer's loss='binary_cross_entropy' needs X in"):
        stacked(cross_entropy).fit(digits + 1)
    model = stacked(cross_entropy).fit(digits)
    reconstructed = model.reconstruct(digits)
    assert reconstructed.min() > 0 and reconstructed.max() < 1
    expected = -(digits * np.log(reconstructed) + (1 - digits) * np.log(1 - reconstructed))
    np.testing.assert_allclose(model.score_samples(digits), -expected.sum(axis=1))


def test_parameters_of_the_prototype_are_nested(digits):
    model = clone(stacked()).set_params(estimator__max_iter=2, estimator__corruption=None)
    layers = model.fit(digits).estimators_
    assert [(layer.n_iter_, layer.corruption) for layer in layers] == [(2, None)] * 2
    assert LAYER.max_iter == 3


def test_the_prototype_is_not_changed(digits):
    prototype = DenoisingAutoencoder(7, max_iter=2, random_state=5)
    before = prototype.get_params()
    stacked(prototype).fit(digits)
    assert prototype.get_params() == before
    assert not prototype.__sklearn_is_fitted__()


def test_random_state_overrides_the_prototypes(digits):
    one, other = (
        stacked(DenoisingAutoencoder(max_iter=2, random_state=seed)).fit(digits) for seed in (1, 2)
    )
    assert_same_fit(one, other)


def test_device_overrides_the_prototypes(digits):
    model = stacked(DenoisingAutoencoder(max_iter=2, device="cuda:99")).fit(digits)
    assert {layer.device for layer in model.estimators_} == {"cpu"}


def test_verbose_overrides_the_prototypes(digits, capsys):
    stacked(DenoisingAutoencoder(max_iter=2, verbose=True)).fit(digits)
    assert capsys.readouterr().out == ""
    stacked(verbose=True).fit(digits)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("]")[0][1:] for line in lines] == (  # settings, then an epoch each
        ["DenoisingAutoencoder"] * 2 * (1 + 3) + ["StackedAutoencoder"] * (1 + 3)
    )
    phases = [line.split("] ")[1].split(": ")[0] for line in lines]
    assert phases == [
        phase for phase in ("layer 1 of 2", "layer 2 of 2", "fine-tuning") for _ in range(1 + 3)
    ]


def test_epochs_of_the_prototype_are_for_pretraining_only(digits):
    model = stacked(DenoisingAutoencoder(max_iter=5), max_iter=2).fit(digits)
    assert [layer.n_iter_ for layer in model.estimators_] == [5, 5]
    assert len(model.loss_curve_) == 2


def test_tied_layers_stay_tied(digits):
    tied = stacked(Autoencoder(hidden_layer_sizes=(), tied_weights=True, max_iter=2))
    first, second, second_back, first_back = tied.fit(digits).coefs_
    np.testing.assert_array_equal(first, first_back.T)
    np.testing.assert_array_equal(second, second_back.T)


@may_collapse
def test_layers_are_described_as_fine_tuned(digits):
    model = stacked([SparseAutoencoder(max_iter=2), VAE(max_iter=2)]).fit(digits)
    sparse = model.estimators_[0]
    mean = sparse.transform(digits).mean(axis=0)
    np.testing.assert_allclose(sparse.mean_activation_, mean, rtol=1e-10)


def test_untrained_layers_can_be_trained_alone(digits):
    layer = stacked().partial_fit(digits[:300]).estimators_[0]
    assert layer.partial_fit(digits[:300]).n_iter_ == 1


def test_warm_start_without_fine_tuning_is_an_error(digits):
    with pytest.raises(ValueError, match="warm_start=True needs fine_tune=True"):
        stacked(warm_start=True, fine_tune=False).fit(digits)


def test_an_error_says_which_layer_it_is_of(digits):
    layer = Autoencoder(loss="binary_cross_entropy", max_iter=2)
    with pytest.raises(ValueError, match="needs X in") as error:
        stacked(layer).fit(digits)
    assert error.value.__notes__ == ["This is layer 2 of the stack; its X is the code of layer 1."]


def test_a_shallow_copy_keeps_its_layers(digits):
    model = stacked().fit(digits[:300])
    other = copy(model)
    before = other.estimators_[0].coefs_[0].copy()
    model.partial_fit(digits)
    np.testing.assert_array_equal(other.estimators_[0].coefs_[0], before)


@may_be_dead
def test_widths_of_prototypes_are_not_the_layers():
    top = SparseAutoencoder(4, sparsity="topk", n_active=8, max_iter=1, batch_size=16)
    assert StackedAutoencoder((12, 10), estimator=top, max_iter=1).fit(UNIT_X).n_components_ == 10
    stacked = StackedAutoencoder((12, 4), estimator=top.set_params(n_components=20), max_iter=1)
    with pytest.raises(ValueError, match=r"(?s)n_active=8.*layer 2") as error:
        stacked.fit(UNIT_X)
    assert not hasattr(stacked, "n_iter_"), error
