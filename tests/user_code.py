"""What users write, for pyright: it must find no error here, and the types that are asserted.

It is not run. `assert_type` is where a type that nobody knows would pass as well.
"""

from typing import assert_type

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import (
    GAN,
    VAE,
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderOutlierDetector,
    AutoencoderRegressor,
    ConditionalGAN,
    ContractiveAutoencoder,
    DenoisingAutoencoder,
    InfoGAN,
    SparseAutoencoder,
    StackedAutoencoder,
)
from skae.base import BaseAutoencoder, Output, penalized
from skae.datasets import (
    add_random_background,
    average_patches,
    extract_patches,
    make_convex_shapes,
    make_rectangles,
    rotate_images,
)
from skae.inspection import (
    FeatureErrorsDisplay,
    FilterDisplay,
    LatentSpaceDisplay,
    LatentTraversalDisplay,
    LossCurveDisplay,
    OutlierScoresDisplay,
    ReconstructionDisplay,
    SamplesDisplay,
)
from skae.metrics import coverage, density, explained_variance, neg_reconstruction_error
from skae.networks import ConvNet

X = np.random.default_rng(0).uniform(size=(100, 16))
y = np.arange(100) % 3


def plain() -> None:
    autoencoder = Autoencoder(8).fit(X)
    assert_type(autoencoder, Autoencoder)
    assert_type(autoencoder.transform(X), np.ndarray)
    assert_type(autoencoder.fit_transform(X), np.ndarray)
    assert_type(autoencoder.partial_fit(X), Autoencoder)
    assert_type(autoencoder.set_params(max_iter=5).fit(X), Autoencoder)
    assert_type(autoencoder.score(X), float)
    assert_type(autoencoder.loss_curve_, list[float])
    codes = autoencoder.transform(X)
    print(Autoencoder(8).fit(X).transform(X).shape, codes[:, 0].mean(), np.abs(codes).max())
    print(np.linalg.norm(X - autoencoder.inverse_transform(codes)), autoencoder.score_samples(X)[0])
    print((autoencoder.reconstruct(X) - X).std(axis=0).round(2).tolist())
    print(f"{autoencoder.loss_:.2f}", autoencoder.n_iter_ + 1, min(autoencoder.loss_curve_))
    print(autoencoder.get_feature_names_out()[0], autoencoder.feature_names_in_[0])
    if autoencoder.validation_loss_curve_ is not None:
        print(autoencoder.validation_loss_curve_[-1])
    assert_type(autoencoder.set_output(transform="pandas"), Autoencoder)


def settings() -> None:
    Autoencoder(
        n_components=4,
        hidden_layer_sizes=(64, 32),
        activation="tanh",
        loss="binary_cross_entropy",
        learning_rate_init=1e-2,
        batch_size=50,
        max_iter=20,
        n_iter_no_change=np.inf,
        network=ConvNet(image_shape=(1, 4, 4), channels=(8,)),
        alpha=1,
        random_state=np.random.RandomState(0),
        verbose=1,
    ).fit(X)
    StackedAutoencoder((64, 32, 8), estimator=[SparseAutoencoder(), Autoencoder(), VAE()]).fit(X)
    StackedAutoencoder([16, 8], estimator=ContractiveAutoencoder()).fit(X)
    autoencoder = Autoencoder()
    autoencoder.max_iter = 30
    autoencoder.network = ConvNet()
    print(autoencoder.get_params()["n_components"], autoencoder.n_components + 1)


def weights_and_modules() -> None:
    autoencoder = Autoencoder(8).fit(X)
    assert_type(autoencoder.coefs_, list[np.ndarray])
    hidden = np.maximum(X @ autoencoder.coefs_[0] + autoencoder.intercepts_[0], 0)
    rows = torch.tensor(X)
    codes = autoencoder.encoder_(rows)
    print(hidden.shape, codes.numpy().shape, autoencoder.decoder_(codes).shape)
    torch.onnx.export(autoencoder.encoder_, (rows,), "encoder.onnx")
    print(sum(p.numel() for p in autoencoder.encoder_.parameters()))


def variants() -> None:
    sparse = SparseAutoencoder(64, sparsity="topk", n_active=4).fit(X)
    print(sparse.coefs_[1][sparse.mean_activation_.argsort()[::-1][:36]].shape)
    print(sparse.code_density_ < 0.1, len(sparse.dead_components_))

    denoising = DenoisingAutoencoder(corruption="gaussian").fit(X, target=X)
    assert_type(denoising.partial_fit(X, target=X), DenoisingAutoencoder)
    assert_type(denoising.corrupt(X, random_state=0), np.ndarray)
    print(denoising.corrupt(X)[0].reshape(4, 4), denoising.corrupt(csr_matrix(X)).nnz)
    print(denoising.sample(10, n_steps=5).shape, denoising.score(X, target=X) > 0.5)
    print(denoising.n_features_out_, denoising.noise_variance_.mean())
    denoising.set_fit_request(target=True).set_score_request(target=True)

    contractive = ContractiveAutoencoder().fit(X)
    print(contractive.jacobian(X).shape, contractive.jacobian_norm(X).mean())
    first, second = contractive.tangents(X[:1], 2)[0]
    print(first @ second)

    stacked = StackedAutoencoder((64, 8)).fit(X)
    print([layer.transform(X).shape for layer in stacked.estimators_[:1]])
    print(stacked.estimators_[0].loss_curve_[-1])


def densities() -> None:
    vae = VAE(2, likelihood="bernoulli", kl_warmup=3).fit(X)
    mean, std = vae.posterior(X)
    assert_type(mean, np.ndarray)
    print((mean + std * np.random.normal(size=std.shape)).shape, vae.sample(16).shape)
    print(vae.log_likelihood(X, n_draws=10).mean(), round(vae.score(X), 2))
    print(vae.kl_per_component_.sum(), vae.n_active_components_, vae.noise_variance_)


def supervised() -> None:
    classifier = AutoencoderClassifier(StackedAutoencoder((64, 8)), unlabeled=-1).fit(X, y)
    assert_type(classifier, AutoencoderClassifier)
    print(classifier.classes_[classifier.predict_proba(X).argmax(axis=1)])
    print(classifier.predict(X) == y, classifier.predict_log_proba(X).max(), classifier.score(X, y))
    print(classifier.transform(X).shape, classifier.autoencoder_.reconstruct(X).shape)
    print(classifier.module_(torch.tensor(X)).numpy().argmax(axis=1))
    regressor = AutoencoderRegressor(Autoencoder(8), fine_tune=False).fit(X, y)
    print(np.abs(regressor.predict(X) - y).mean(), regressor.score(X, y, sample_weight=y))


def generators() -> None:
    gan = GAN(4, hidden_layer_sizes=(64, 32), gradient_penalty=1, max_iter=5).fit(X)
    assert_type(gan, GAN)
    assert_type(gan.sample(10, random_state=0), np.ndarray)
    print(gan.generate(np.zeros((2, 4))).mean(axis=0), gan.transform(X).shape)
    print((gan.discriminate(X) > 0.5).mean(), gan.offset_ + 1, round(gan.score(X), 2))
    print(gan.generator_(torch.zeros(1, 4)).numpy(), gan.loss_curve_[-1], gan.n_components_ + 1)

    conditional = ConditionalGAN(4, network=ConvNet(image_shape=(1, 4, 4))).fit(X, y)
    assert_type(conditional.partial_fit(X, y, classes=[0, 1, 2]), ConditionalGAN)
    rows, labels = conditional.sample(5, y=2)
    assert_type(rows, np.ndarray)
    print(rows[labels == 2].shape, conditional.sample(y=[0, 1])[1], conditional.classes_[0])
    print(conditional.generate(np.zeros((2, 4)), 1).shape, conditional.score(X, y) > 0.9)
    print(conditional.discriminate(X, y).mean(), conditional.class_prior_ @ conditional.offset_)
    SamplesDisplay.from_estimator(conditional, n_samples=4).figure_.suptitle("by class")

    informed = InfoGAN(4, n_categories=3, n_continuous=1, information_weight=2).fit(X)
    assert_type(informed, InfoGAN)
    assert_type(informed.predict(X), np.ndarray)
    rows, codes = informed.sample(5, codes=[1.0, 0.0, 0.0, -0.5], random_state=0)
    print(rows.mean() + codes[0, 3], informed.generate(np.zeros((2, 8)))[0], informed.transform(X))
    print(max(informed.information_curve_), informed.score(X), informed.offset_)


def outliers() -> None:
    detector = AutoencoderOutlierDetector(Autoencoder(8), contamination=0.1).fit(X)
    assert_type(detector, AutoencoderOutlierDetector)
    assert_type(detector.predict(X), np.ndarray)
    assert_type(detector.fit_predict(X), np.ndarray)
    print((detector.decision_function(X) < 0).mean(), detector.score_samples(X) < detector.offset_)
    print(detector.feature_errors(X).argmax(axis=1), detector.code_distances(X).max())
    AutoencoderOutlierDetector(contamination="auto", table=None, random_state=0).fit(X)
    FeatureErrorsDisplay.from_estimator(detector, X, row=3, n_features=5).ax_.set_title("row 3")
    OutlierScoresDisplay.from_estimator(detector, X, y, bins=20).offset_line_.set_color("red")


def compositions() -> None:
    pipeline = make_pipeline(StandardScaler(), Autoencoder(8), LogisticRegression())
    print(pipeline.fit(X, y).predict(X))
    named = Pipeline([("scale", StandardScaler()), ("reduce", VAE(8))])
    search = GridSearchCV(named, {"reduce__n_components": [2, 4]}, scoring=explained_variance)
    print(search.fit(X).best_params_, explained_variance(named, X) > 0)
    print(-neg_reconstruction_error(named, X), cross_val_score(Autoencoder(), X).mean())
    samples = VAE(8).fit(X).sample(100, random_state=0)
    assert_type(coverage(X, samples), float)
    print(density(csr_matrix(X), samples.tolist(), n_neighbors=3) / 2)


def pictures() -> None:
    autoencoder = Autoencoder(8).fit(X)
    curve = LossCurveDisplay.from_estimator(autoencoder, name="plain", linewidth=2)
    assert_type(curve, LossCurveDisplay)
    assert_type(curve.ax_, Axes)
    assert_type(curve.figure_, Figure)
    curve.ax_.set_title("training")
    curve.line_.set_color("black")
    LossCurveDisplay.from_estimator(VAE().fit(X), ax=curve.ax_).figure_.savefig("curves.png")
    for ax in ReconstructionDisplay.from_estimator(autoencoder, X, n_samples=4).axes_.flat:
        ax.set_axis_off()
    FilterDisplay.from_estimator(autoencoder, image_shape=(4, 4)).figure_.suptitle("filters")
    LatentSpaceDisplay.from_estimator(autoencoder, X, y, alpha=0.5).plot().ax_.legend()
    LatentTraversalDisplay.from_estimator(autoencoder, X, n_steps=5).plot(cmap="gray")
    display = SamplesDisplay.from_estimator(VAE().fit(X), n_samples=9, image_shape=(4, 4), vmin=0)
    display.images_[0].set_clim(0, 1)


def data() -> None:
    images, is_wide = make_rectangles(10, random_state=0)
    assert_type(images, np.ndarray)
    print(add_random_background(rotate_images(images)).max(), is_wide.mean())
    images, is_convex = make_convex_shapes(10)
    patches = extract_patches(images[0].reshape(28, 28), (8, 8), step=4)
    restored = Autoencoder(8).fit(patches).reconstruct(patches)
    print(average_patches(restored, (28, 28), step=4).shape, is_convex.sum())


class NonnegativeAutoencoder(Autoencoder):
    def _constrain(self, network):
        for weight in network.decoder_weights:
            weight.clamp_(min=0)


class AbsoluteError(Output):
    name = "absolute_error"

    def loss_of_rows(self, output, x):
        return (output - x).abs().sum(dim=-1)

    def mean_loss(self, output, x):
        slope = (output - x).sign() / (output.numel() / output.shape[-1])
        return self.loss_of_rows(output, x).mean(), lambda gradient: (slope * gradient,)


class OwnAutoencoder(BaseAutoencoder):
    def __init__(self, n_components=8, *, weight=0.1):
        self.n_components = n_components
        self.weight = weight

    @property
    def _output(self):
        return AbsoluteError()

    def _objective(self, network, x, noise):
        code = network.encode(x)
        loss = network.apply(self._output.mean_loss, network.decode(code), x)
        return network.apply(penalized, loss, code.abs().mean(), weight=self.weight)


def own() -> None:
    assert_type(NonnegativeAutoencoder(8).fit(X), NonnegativeAutoencoder)
    assert_type(OwnAutoencoder().fit(X).reconstruct(X), np.ndarray)
    total, pull_back = penalized(torch.tensor(2.0), torch.tensor(3.0), weight=0.1)
    print(total.item(), pull_back(1.0))
