"""Layers other than dense ones, for the parameter `network` of the autoencoders.

`ConvNet` suits images. For layers of your own, write a `BaseEstimator` with a method `build` that
returns two torch modules, an encoder and a decoder. The encoder gets rows of X minus the column
means:

>>> from sklearn.base import BaseEstimator
>>> from torch import nn
>>> class Normalized(BaseEstimator):
...     '''A hidden layer each way, with layer normalization.'''
...
...     def __init__(self, width=64):
...         self.width = width
...
...     def build(self, n_features, *, n_inputs, n_outputs, activation):
...         encoder = nn.Sequential(
...             nn.Linear(n_inputs, self.width), nn.LayerNorm(self.width), nn.GELU()
...         )
...         decoder = nn.Sequential(
...             nn.LayerNorm(self.width), nn.Linear(self.width, n_outputs)
...         )
...         return encoder, decoder

It works like any other parameter in `clone`, pickle and grid searches:

>>> from sklearn.datasets import load_digits
>>> from sklearn.model_selection import GridSearchCV
>>> from skae import Autoencoder
>>> X = load_digits().data / 16
>>> autoencoder = Autoencoder(8, network=Normalized(), max_iter=5, random_state=0)
>>> GridSearchCV(autoencoder, {"network__width": [8, 64]}, cv=2).fit(X).best_params_
{'network__width': 64}

The arguments of `build`:

n_features : int
    Columns of X.
n_inputs : int
    Number of input columns of the encoder: n_features, or twice as many for a
    `DenoisingAutoencoder` on data with missing values. The second half then tells which
    cells are observed (1) and which are missing (0).
n_outputs : int
    Number of output columns of the decoder: n_features, or those of `target` if given; twice as
    many for a `VAE` with noise_variance='heteroscedastic', whose second half are logarithms of
    variances. The last layer has no activation: the loss applies it.
activation : str
    The estimator's parameter, which `build` may use or ignore.

The encoder turns rows (n, n_inputs) into features (n, width), which enter the layers of
`hidden_layer_sizes` and the code's layer; the decoder turns (n, width) into (n,
n_outputs). If the features are an image, (n, n_channels, height, width), the dense
layers act at each of its pixels, as convolutions with a kernel of one pixel do, and the
code is an image of `n_components` channels, flattened.

The modules' constructors draw the initial weights, from a generator seeded by `random_state` in
place of torch's global one; parameters that need no gradient stay fixed. Threads that share a
fitted estimator share its modules, so `forward` must not store anything. Modules that behave
differently in training and in evaluation, such as dropout and batch normalization, are refused.
Weight decay acts on parameters with two or more axes, the bound on a sparse autoencoder's atoms on
the weights of linear layers and convolutions, and precision='bf16' on what `torch.autocast`
rounds, which excludes float64.
"""

from math import ceil, prod
from numbers import Integral

import torch
from sklearn.base import BaseEstimator
from torch import nn

from skae._compat import DocumentedMixin, Interval, InvalidParameterError, StrOptions
from skae._constraints import Sizes, as_sizes
from skae._engine.activations import find_activation

__all__ = ["ConvNet"]


class ConvNet(DocumentedMixin, BaseEstimator):
    """Convolutional layers for images, and a decoder that mirrors them.

    A specification for the parameter `network`. X has a column for each number of an image,
    channel by channel and line by line, as in `images.reshape(n_samples, -1)` for images of shape
    (n_samples, n_channels, height, width).

    For each of `channels` there is a convolution, the estimator's `activation`, and a halving of
    height and width, rounded up (with an even kernel, down). The decoder restores the exact sizes,
    even odd ones. Signals are images of height 1.

    Parameters
    ----------
    image_shape : tuple of int, default=(1, 28, 28)
        Channels, height and width of an image, in pixels: (1, height, width) for grey
        images, (1, 1, length) for signals. Their product must be the number of columns
        of X, or `fit` raises ValueError.
    channels : int or tuple of int, default=(16, 32)
        Number of output channels of each convolution, input side first: how many kinds
        of parts it can distinguish. More channels take longer; more convolutions see
        larger parts. An int is one convolution. Unless `downsample` is None, each needs
        an image of more than one pixel.
    kernel_size : int, default=3
        Height and width of the kernels, in pixels: how much of the image below a unit
        sees. 3 is enough with several convolutions; 5 or 7 suit a single one, and
        denoising. Along an axis of one pixel it is 1.
    downsample : {'stride', 'pool'} or None, default='stride'
        How each layer halves the image. 'stride': the convolution takes every other
        pixel, and the decoder's transposed convolution reverses this; the fastest.
        'pool': the greatest of four pixels is kept, and the decoder repeats each pixel
        before its convolution; less sensitive to small shifts. None: the size is kept
        (an even kernel removes a line and a column), and with it every detail, which
        helps denoising but takes longer.
    code : {'vector', 'image'}, default='vector'
        Shape of the code. 'vector': all features enter the dense layers
        `hidden_layer_sizes`, and the code has `n_components` numbers for the whole
        image. 'image': the dense layers act at each pixel, as convolutions with a
        kernel of one pixel do, and the code is an image of `n_components` channels: the
        network is fully convolutional. `transform` returns it as a row, channel by
        channel. This suits denoising, colouring and stacks of convolutions.

    See Also
    --------
    skae.StackedAutoencoder : Stacks convolutional layers if their codes are images.
    sklearn.feature_extraction.image.extract_patches_2d : Extracts patches from large
        images.

    References
    ----------
    Masci, Meier, Ciresan and Schmidhuber, "Stacked convolutional auto-encoders for
    hierarchical feature extraction", ICANN 2011, https://doi.org/10.1007/978-3-642-21735-7_7.

    Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", 2016,
    https://arxiv.org/abs/1603.07285.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import DenoisingAutoencoder
    >>> from skae.networks import ConvNet
    >>> X = load_digits().data / 16
    >>> network = ConvNet(image_shape=(1, 8, 8), channels=(8, 16))
    >>> denoiser = DenoisingAutoencoder(16, network=network, max_iter=5, random_state=0)
    >>> denoiser.fit_transform(X).shape
    (1797, 16)

    A code that is an image with 4 channels of 2 x 2 pixels:

    >>> denoiser.set_params(n_components=4, network__code="image").fit_transform(X).shape
    (1797, 16)
    """

    _parameter_constraints = {
        "image_shape": [Sizes("(1, 28, 28)", number=False)],
        "channels": [Sizes("(16, 32)")],
        "kernel_size": [Interval(Integral, 1, None, closed="left")],
        "downsample": [StrOptions({"stride", "pool"}), None],
        "code": [StrOptions({"vector", "image"})],
    }

    def __init__(
        self,
        image_shape=(1, 28, 28),
        *,
        channels=(16, 32),
        kernel_size=3,
        downsample: str | None = "stride",
        code="vector",
    ):
        self.image_shape = image_shape
        self.channels = channels
        self.kernel_size = kernel_size
        self.downsample = downsample
        self.code = code

    def build(self, n_features, *, n_inputs, n_outputs, activation) -> tuple[nn.Module, nn.Module]:
        """Make the encoder and the decoder.

        Parameters
        ----------
        n_features : int
            Columns of X.
        n_inputs, n_outputs : int
            Numbers of input columns of the encoder and output columns of the decoder:
            multiples of the number of pixels.
        activation : str
            Activation after each convolution except the decoder's last.

        Returns
        -------
        encoder, decoder : torch.nn.Sequential
            The two modules; torch's global generator draws their weights.

        Raises
        ------
        ValueError
            If a parameter is invalid or does not suit these numbers of columns.
        """
        self._check_parameters(n_features, n_outputs)
        size = tuple(map(int, self.image_shape[1:]))
        into, out_of = n_inputs // prod(size), n_outputs // prod(size)
        encoder, decoder = [nn.Unflatten(1, (into, *size))], [nn.Flatten()]
        for channels in as_sizes(self.channels):
            axes = self._axes(size)
            is_output = len(decoder) == 1
            down, up = convolution(into, channels, axes), transposed(channels, out_of, axes)
            gain = find_activation(activation).gain
            draw_weights(down, gain)
            draw_weights(up, 0.1 if is_output else gain)
            pool, repeat = pooling(axes)
            encoder += [down, *pool, activation_layer(activation)]
            decoder[:0] = [*repeat, up, *([] if is_output else [activation_layer(activation)])]
            into, out_of, size = channels, channels, tuple(axis.size_out for axis in axes)
        nn.init.zeros_(decoder[-2].bias)
        if self.code == "vector":
            encoder.append(nn.Flatten())
            decoder.insert(0, nn.Unflatten(1, (into, *size)))
        return nn.Sequential(*encoder), nn.Sequential(*decoder)

    def _axes(self, size):
        return [Axis(pixels, int(self.kernel_size), self.downsample) for pixels in size]

    def _check_parameters(self, n_features, n_outputs):
        self._validate_params()
        shape = tuple(map(int, self.image_shape))
        if len(shape) != 3:
            raise InvalidParameterError(
                f"image_shape={shape} must have three numbers, channels, height and width: "
                "(1, height, width) for grey images, (1, 1, length) for signals."
            )
        if prod(shape) != n_features:
            raise ValueError(
                f"image_shape={shape} has {prod(shape)} numbers, but X has {n_features} features: "
                "give the shape of one row's image, as (channels, height, width)."
            )
        if n_outputs % prod(shape[1:]):
            raise ValueError(
                f"image_shape={shape} has {prod(shape[1:])} pixels, but target has {n_outputs} "
                "columns, which is not a multiple of that number: the images in target must have "
                "the same height and width, with any number of channels."
            )
        self._check_downsampling(shape)

    def _check_downsampling(self, shape):
        size, n_possible, n_asked = shape[1:], 0, len(as_sizes(self.channels))
        while self.downsample is not None and size != (1, 1):
            size, n_possible = tuple(axis.size_out for axis in self._axes(size)), n_possible + 1
        if self.downsample is not None and n_asked > n_possible:
            raise ValueError(
                f"channels={self.channels!r} asks for {n_asked} downsamplings, but "
                f"image_shape={shape} allows {n_possible} until a single pixel is left: use fewer "
                "channels, larger images or downsample=None."
            )


class Axis:
    """The effect of a layer along one axis of an image.

    Attributes
    ----------
    kernel, padding, stride, pool : int
    convolved, size_out : int
        Numbers of pixels after the convolution and after pooling.
    left_over : int
        Number of pixels at the end that no step of the convolution reaches.
    """

    def __init__(self, size, kernel_size, downsample):
        self.kernel = kernel_size if size > 1 else 1
        self.padding = (self.kernel - 1) // 2
        step = 2 if size > 1 else 1
        self.stride = step if downsample == "stride" else 1
        self.pool = step if downsample == "pool" else 1
        reach = size + 2 * self.padding - self.kernel
        self.convolved, self.left_over = reach // self.stride + 1, reach % self.stride
        self.size_out = ceil(self.convolved / self.pool)


def _both(axes, name):
    return tuple(getattr(axis, name) for axis in axes)


def convolution(n_in, n_out, axes):
    """A convolution of the encoder."""
    kernel, stride, padding = (_both(axes, name) for name in ("kernel", "stride", "padding"))
    return nn.Conv2d(n_in, n_out, kernel, stride, padding, dtype=torch.float32)


def transposed(n_in, n_out, axes):
    """A convolution of the decoder, which restores exactly the image size before `convolution`."""
    kernel, stride, padding = (_both(axes, name) for name in ("kernel", "stride", "padding"))
    end = {"output_padding": _both(axes, "left_over"), "dtype": torch.float32}
    return nn.ConvTranspose2d(n_in, n_out, kernel, stride, padding, **end)


def pooling(axes):
    """Layers that shrink an image after a convolution, and layers that undo it, if any."""
    pool = _both(axes, "pool")
    if pool == (1, 1):
        return [], []
    return [nn.MaxPool2d(pool, ceil_mode=True)], [nn.Upsample(size=_both(axes, "convolved"))]


def activation_layer(name):
    """A torch layer; 'relu' works in place, to avoid filling another large image."""
    return nn.ReLU(inplace=True) if name == "relu" else find_activation(name).layer()


def draw_weights(layer, gain):
    """Initial weights, uniform within Glorot's limit, as a perceptron's are.

    A stride of several pixels divides the number of outputs that an input reaches or,
    in a transposed convolution, the number of inputs of an output.
    """
    kernel, n_steps = prod(layer.kernel_size), prod(layer.stride)
    fan_in, fan_out = layer.in_channels * kernel, layer.out_channels * kernel
    if layer.transposed:
        fan_in /= n_steps
    else:
        fan_out /= n_steps
    limit = (6.0 / (fan_in + fan_out)) ** 0.5
    nn.init.uniform_(layer.weight, -gain * limit, gain * limit)
    nn.init.uniform_(layer.bias, -(fan_in**-0.5), fan_in**-0.5)
