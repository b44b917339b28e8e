"""What users do with the torch modules of fitted estimators: read, convert, train, export them."""

import copy
import io
import pickle

import numpy as np
import pytest
import torch
from helpers import GENERATORS, LABELS, SMALL, SUPERVISED, AnyWidth, X, noise_for, small

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
PUBLISHED = [
    *((name, attribute) for name in SMALL for attribute in ("encoder_", "decoder_")),
    *((name, attribute) for name in SUPERVISED for attribute in ("encoder_", "module_")),
    *((name, attribute) for name in GENERATORS for attribute in ("discriminator_", "generator_")),
]
each_module = pytest.mark.parametrize(("name", "attribute"), PUBLISHED)
WITH_NETWORK = {"network": AnyWidth(), "tied_weights": False}
OF_A_NETWORK = {
    **dict.fromkeys(("Autoencoder", "VAE"), WITH_NETWORK),
    "StackedAutoencoder": {"estimator__network": AnyWidth()},
    **{name: {"autoencoder__estimator__network": AnyWidth()} for name in SUPERVISED},
}
of_a_network = pytest.mark.parametrize("name", OF_A_NETWORK)


def published(name, attribute, X=X, **params):
    """A module and rows for it."""
    estimator = small(name, **params).fit(X, LABELS)
    rows = estimator.transform(X) if attribute == "decoder_" else X
    if attribute == "generator_":  # noise and, where it is asked for, classes
        classes = [np.eye(3)[LABELS]] if name == "ConditionalGAN" else []
        rows = np.hstack([noise_for(estimator, 60), *classes])
    return getattr(estimator, attribute), torch.tensor(rows)


def first_of(found):
    return found[0] if isinstance(found, tuple) else found


# The whole network.


@of_a_network
def test_modules_of_networks_equal_the_methods(name):
    estimator = small(name, **OF_A_NETWORK[name]).fit(X, LABELS)
    codes = first_of(estimator.encoder_(torch.tensor(X)))
    np.testing.assert_allclose(codes, estimator.transform(X), rtol=1e-10, atol=1e-12)
    if name in SUPERVISED:
        found, expected = estimator.module_(torch.tensor(X)), predictions(estimator)
    else:
        found, expected = estimator.decoder_(codes), estimator.inverse_transform(codes)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


def predictions(model):
    return getattr(model, "predict_proba", model.predict)(X)


@pytest.mark.parametrize("y", [X[:, 0], X[:, :1], X[:, :2]], ids=["flat", "column", "table"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.DataConversionWarning")
def test_the_module_of_a_regressor_has_the_shape_of_its_predictions(y):
    model = small("AutoencoderRegressor").fit(X, y)
    found, predicted = model.module_(torch.tensor(X)), model.predict(X)
    assert found.shape == predicted.shape
    assert model.module_(torch.tensor(X[0])).shape == predicted[0].shape
    np.testing.assert_allclose(found, predicted, rtol=1e-10)


@pytest.mark.parametrize("name", SUPERVISED)
def test_modules_of_missing_cells(name):
    gaps = np.where(np.random.default_rng(0).random(X.shape) < 0.1, np.nan, X)
    model = small(name, autoencoder=small("DenoisingAutoencoder")).fit(gaps, LABELS)
    found = model.module_(torch.tensor(gaps))
    expected = getattr(model, "predict_proba", model.predict)(gaps)
    np.testing.assert_allclose(found, expected, rtol=1e-10)


@pytest.mark.parametrize("name", SUPERVISED)
def test_the_module_is_new_and_not_kept(name):
    model = small(name).fit(X, LABELS)
    before = pickle.dumps(model)
    assert model.module_ is not model.module_
    model.module_[0].weight.zero_()
    assert model.module_[0].weight.abs().max() > 0
    assert not any(isinstance(value, torch.nn.Module) for value in vars(model).values())
    assert pickle.dumps(model) == before
    assert not hasattr(small(name), "module_")


def test_what_is_trained_is_in_standardised_units():
    """The units of y are those of the published numbers alone, so that training can go on."""
    near, far = (small("AutoencoderRegressor").fit(X, y) for y in (LABELS, 1e6 * LABELS + 1e3))
    x = torch.tensor(X)
    np.testing.assert_allclose(far.module_(x), 1e6 * near.module_(x) + 1e3, rtol=1e-6)
    np.testing.assert_allclose(far._state.weights, near._state.weights, rtol=1e-9, atol=1e-12)


# Numbers to be read, until one asks for gradients.


@each_module
def test_parameters_are_read_without_detaching(name, attribute):
    module, rows = published(name, attribute)
    for tensor in (*module.parameters(), *module.buffers()):
        assert not tensor.requires_grad
        assert isinstance(tensor.numpy(), np.ndarray)
    assert isinstance(first_of(module(rows)).numpy(), np.ndarray)
    assert not any(part.training for part in module.modules())


@each_module
def test_modules_can_be_trained(name, attribute):
    module, rows = published(name, attribute)
    first_of(module.requires_grad_()(rows)).square().sum().backward()
    assert any(
        parameter.grad.abs().max() > 0
        for parameter in module.parameters()
        if parameter.grad is not None
    )


@of_a_network
def test_training_a_module_leaves_the_origin(name):
    """It is a buffer: what rows are counted from is no weight."""
    module, _ = published(name, "encoder_", X + 3.0, **OF_A_NETWORK[name])
    module.requires_grad_()
    origins = [tensor for key, tensor in module.named_buffers() if key.endswith("origin")]
    np.testing.assert_allclose(origins[0], (X + 3.0).mean(axis=0), rtol=1e-6)
    assert not any(origin.requires_grad for origin in origins)
    assert not any(key.endswith("origin") for key, _ in module.named_parameters())


# Rows of another dtype.


@each_module
@pytest.mark.parametrize("dtype", [torch.float32, torch.int64])
def test_another_dtype_is_an_error_that_says_what_to_do(name, attribute, dtype):
    module, rows = published(name, attribute)
    message = rf"dtype {dtype}, but .* dtype torch.float64: pass X\.to\(torch.float64\)"
    with pytest.raises(TypeError, match=message):
        module(rows.to(dtype))


def test_a_module_may_be_converted():
    module, rows = published("AutoencoderClassifier", "module_")
    expected = module(rows)
    np.testing.assert_allclose(module.float()(rows.float()), expected, rtol=1e-5)
    with pytest.raises(TypeError, match=r"float64, but .*float32"):
        module(rows)


def test_a_module_works_with_autocast():
    module, rows = published("Autoencoder", "encoder_", X.astype(np.float32))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert module(rows.bfloat16()).dtype == torch.bfloat16


def test_a_module_can_be_called_with_other_parameters():
    module, rows = published("Autoencoder", "encoder_")
    halves = {name: value.float() for name, value in module.named_parameters()}
    found = torch.func.functional_call(module, halves, (rows.float(),))
    np.testing.assert_allclose(found, module(rows), rtol=1e-4, atol=1e-5)


# Other tools of torch's.


@each_module
def test_modules_work_with_torch_func(name, attribute):
    module, rows = published(name, attribute)
    one = lambda row: first_of(module(row))  # noqa: E731
    forward = torch.func.vmap(torch.func.jacfwd(one))(rows)
    reverse = torch.func.vmap(torch.func.jacrev(one))(rows)
    torch.testing.assert_close(forward, reverse)
    assert reverse.shape == (*first_of(module(rows)).shape, rows.shape[1])


def test_the_module_of_a_regressor_is_differentiated_as_predict():
    model = small("AutoencoderRegressor").fit(X, LABELS)
    slopes = torch.func.vmap(torch.func.grad(model.module_))(torch.tensor(X))
    step = 1e-6 * np.eye(6)[2]
    difference = (model.predict(X + step) - model.predict(X - step)) / 2e-6
    np.testing.assert_allclose(slopes[:, 2], difference, rtol=1e-5, atol=1e-7)


def assert_equal_results(found, expected):
    torch.testing.assert_close(first_of(found), first_of(expected))


@each_module
def test_modules_are_exported(name, attribute):
    module, rows = published(name, attribute)
    dynamic = ({0: torch.export.Dim("n_rows", min=2)},)
    program = torch.export.export(module, (rows,), dynamic_shapes=dynamic)
    assert_equal_results(program.module()(rows[:7]), module(rows[:7]))


@each_module
def test_modules_are_traced_and_scripted(name, attribute):
    module, rows = published(name, attribute)
    for converted in (torch.jit.trace(module, rows), torch.jit.script(module)):
        torch.jit.save(converted, file := io.BytesIO())
        file.seek(0)
        assert_equal_results(torch.jit.load(file)(rows[:7]), module(rows[:7]))


@each_module
def test_modules_are_copied_and_pickled(name, attribute):
    module, rows = published(name, attribute)
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert_equal_results(other(rows), module(rows))
        with pytest.raises(TypeError, match="float32"):
            other(rows.float())


# torch's exporter, of its own parts.
@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")
@pytest.mark.parametrize(
    ("name", "attribute"),
    [("VAE", "encoder_"), ("GAN", "generator_"), *((name, "module_") for name in SUPERVISED)],
)
def test_modules_become_onnx(name, attribute):
    onnxruntime, _ = map(pytest.importorskip, ("onnxruntime", "onnxscript"))
    module, rows = published(name, attribute, X.astype(np.float32))
    file = io.BytesIO()
    with torch.no_grad():
        torch.onnx.export(module, (rows,), dynamo=True, verbose=False).save(file)
    session = onnxruntime.InferenceSession(file.getvalue())
    found = session.run(None, {session.get_inputs()[0].name: rows.numpy()})[0]
    np.testing.assert_allclose(found, first_of(module(rows)), rtol=1e-4, atol=1e-5)
