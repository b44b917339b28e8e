"""Converters for skl2onnx: fitted estimators in ONNX, for programs without Python or torch.

They need the packages skl2onnx and onnxruntime, which `pip install "skae[onnx]"`
installs.
"""

__all__ = ["register"]


def register(*estimator_classes: type) -> None:
    """Make skae's estimators known to skl2onnx.

    Afterwards, `skl2onnx.to_onnx` converts them, alone or anywhere in a `Pipeline`,
    `ColumnTransformer` or `FeatureUnion`. The graph computes the estimators' results in the dtype
    of its input, float32 or float64, for any number of rows:

    - an autoencoder's code, as in `transform`; with an option `{"score_samples": True}` or
      `{"reconstruct": True}`, also the result of that method; scores have shape
      (n_samples, 1);
    - for `AutoencoderImputer`, the filled rows; for the GANs, `transform`, with an option
      `{"discriminate": True}` (not `ConditionalGAN`) or `{"predict": True}` (`InfoGAN` alone)
      also the result of that method;
    - for `AutoencoderOutlierDetector` of an autoencoder of skae, the labels and the results of
      `decision_function` and, as an option, `score_samples`, each of shape (n_samples, 1);
    - for `AutoencoderClassifier`, the labels and probabilities, in the form that skl2onnx's
      option `zipmap` sets; for `AutoencoderRegressor`, the predictions, of shape
      (n_samples, n_outputs). If a pipeline continues after them, or with an option
      `{"transform": True}`, it is their code.

    Missing values (NaN) are filled in as by `DenoisingAutoencoder.transform`. Codes are dense,
    even with `sparse_output`. Nothing is checked: values outside the domain of a loss, for which
    `score_samples` raises an error, get a number.

    Parameters
    ----------
    *estimator_classes : type
        Further classes to convert, subclasses of skae's whose `encoder_` gives their codes.

    Raises
    ------
    ImportError
        If skl2onnx is not installed.

    See Also
    --------
    skae.Autoencoder : Its `encoder_` is a torch module that `torch.onnx.export` takes.

    Notes
    -----
    Layers of your own, in a `network`, are converted if they consist of torch's linear layers,
    convolutions, maximum pooling, nearest upsampling, layer or group normalization and common
    activations; other layers raise NotImplementedError with their class. onnxruntime has no
    float64 kernel for convolutions and "gelu", which are then computed in float32.

    References
    ----------
    The ONNX project, "Open Neural Network Exchange", https://onnx.ai.

    Its converters of scikit-learn's models, https://onnx.ai/sklearn-onnx.

    Examples
    --------
    >>> import numpy as np
    >>> import onnxruntime
    >>> import skae.onnx
    >>> from skae import Autoencoder
    >>> from skl2onnx import to_onnx
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import MinMaxScaler
    >>> skae.onnx.register()
    >>> X = load_digits().data.astype("float32")
    >>> pipeline = make_pipeline(MinMaxScaler(), Autoencoder(8, max_iter=5)).fit(X)
    >>> session = onnxruntime.InferenceSession(to_onnx(pipeline, X[:1]).SerializeToString())
    >>> (codes,) = session.run(None, {"X": X})
    >>> np.allclose(codes, pipeline.transform(X), atol=1e-5)
    True
    """
    try:
        from skl2onnx import update_registered_converter, update_registered_parser
    except ImportError as error:
        raise ImportError('skae.onnx.register needs skl2onnx: pip install "skae[onnx]".') from error
    from skae import _onnx_estimators as converters

    for kind in (*_own_classes(), *estimator_classes):
        functions = converters.calculate_shapes, converters.convert
        options = {"parser": converters.parse, "options": converters.options_of(kind)}
        update_registered_converter(kind, converters.alias_of(kind), *functions, **options)
    for kind, parser in converters.parsers_of_composites():
        update_registered_parser(kind, parser)


def _own_classes():
    import skae

    return [getattr(skae, name) for name in skae.__all__ if name != "__version__"]
