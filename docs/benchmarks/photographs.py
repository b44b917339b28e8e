"""Photographs: noise taken out of them, and colour put in, patch by patch.

Run with `python docs/benchmarks/photographs.py`, which writes photographs.md. Some competitors are
scikit-image's, which nothing else here needs: `pip install scikit-image PyWavelets`.

One photograph trains, the other tests, both ways. What has a parameter, ours too, gets it from
the training photograph alone. References: Vincent et al., "Stacked denoising autoencoders", JMLR
11, 2010, https://jmlr.org/papers/v11/vincent10a.html; Chambolle, "An algorithm for total
variation minimization and applications", 2004, https://doi.org/10.1023/B:JMIV.0000011325.36760.1e;
Chang, Yu and Vetterli, "Adaptive wavelet thresholding for image denoising and compression", IEEE
Transactions on Image Processing 9, 2000, https://doi.org/10.1109/83.862633; Zhang et al., "Beyond
a Gaussian denoiser", IEEE Transactions on Image Processing 26, 2017 (noise as the target),
https://doi.org/10.1109/TIP.2017.2662206.
"""

import time
from functools import partial
from itertools import product

import numpy as np
from _report import table, write
from scipy.ndimage import gaussian_filter, median_filter
from skimage.restoration import denoise_tv_chambolle, denoise_wavelet
from sklearn.datasets import load_sample_image

from skae import DenoisingAutoencoder
from skae.datasets import average_patches, extract_patches
from skae.networks import ConvNet

LOW, HIGH = 25 / 255, 1.0  # standard deviations; pixels are in [0, 1]
PHOTOGRAPHS = ("china", "flower")
STEPS = (2e-3, 4e-3)  # peaks of the learning rate to choose from
CONTRASTS = {LOW: (0.5, 2.0), HIGH: (1.0, 1.0)}
N_COPIES = {LOW: 96, HIGH: 256}
BLOCK = 64  # pixels; of each third block in colourisation, nothing is trained on


def colour(name):
    return (load_sample_image(f"{name}.jpg") / 255).astype(np.float32)


def grey(image):
    return np.ascontiguousarray(image.mean(axis=2))


def psnr(image, clean):
    """Peak signal-to-noise ratio in dB; the peak is 1."""
    return -10 * np.log10(np.square(image - clean, dtype=np.float64).mean())


def add_noise(image, std, rng):
    return image + np.float32(std) * rng.standard_normal(image.shape, dtype=np.float32)


def turns(image):
    """The eight ways to lay an image on a table, mirrored ones too."""
    for side in (image, image[:, ::-1]):
        for k in range(4):
            yield np.ascontiguousarray(np.rot90(side, k))


# Ours


class PatchDenoiser:
    """An autoencoder of patches, and what leads there from a picture and back.

    The patch's mean is that of the noisy patch, in training as in use. Against weak noise the
    network learns the noise itself: what it would otherwise have to copy is most of a picture.
    """

    def __init__(self, std, n_copies, step):
        weak = std == LOW
        self.std, self.n_copies, self.learns_noise = std, n_copies, weak
        self.side, self.stride = (32, 8) if weak else (64, 16)
        channels = (24, 24) if weak else (32, 64, 128)
        self.autoencoder = DenoisingAutoencoder(
            channels[-1],
            network=ConvNet(
                (1, self.side, self.side),
                channels=channels,
                kernel_size=5,
                downsample=None if weak else "stride",
                code="image",
            ),
            corruption=None,  # the noise is in X
            code_activation="identity" if weak else "relu",
            learning_rate="one_cycle",
            learning_rate_init=step,
            batch_size=16 if weak else 8,
            max_iter=1,  # each copy has noise of its own
            random_state=0,
        )

    def fit(self, image):
        pairs = list(self._pairs(image, np.random.default_rng(0)))
        noisy, clean = (np.vstack(rows) for rows in zip(*pairs, strict=True))
        means = noisy.mean(axis=1, keepdims=True)
        target = noisy - clean if self.learns_noise else clean - means
        self.autoencoder.fit(noisy - means, target=target)
        return self

    def _pairs(self, image, rng):
        """Noisy and clean patches of turned copies, cut at another place in each."""
        sides = list(turns(image))
        for k in range(self.n_copies):
            top, left = rng.integers(self.side, size=2)
            clean = tiles(sides[k % 8][top:, left:], self.side)
            means = clean.mean(axis=1, keepdims=True)
            contrasts = rng.uniform(*CONTRASTS[self.std], means.shape).astype(np.float32)
            clean = means + contrasts * (clean - means)
            yield add_noise(clean, self.std, rng), clean

    def __call__(self, noisy):
        patches = extract_patches(noisy, (self.side, self.side), step=self.stride)
        means = patches.mean(axis=1, keepdims=True)
        found = self.autoencoder.reconstruct(patches - means)
        patches = patches - found if self.learns_noise else found + means
        return average_patches(patches, noisy.shape, step=self.stride)


def tiles(image, side):
    """Patches that do not overlap; what is left over at the end goes unused."""
    height, width = (size // side * side for size in image.shape)
    return extract_patches(image[:height, :width], (side, side), step=side)


def ranked_steps(std, image):
    """Steps, first the one that does best on the image's right third, trained on the rest."""
    cut = image.shape[1] * 2 // 3
    seen, held_out = image[:, :cut], image[:, cut:]
    noisy = add_noise(held_out, std, np.random.default_rng(1))

    def score(step):
        return psnr(PatchDenoiser(std, N_COPIES[std] // 2, step).fit(seen)(noisy), held_out)

    return sorted(STEPS, key=score, reverse=True)


def ours(std, image):
    """A denoiser, its parameters in words, and the seconds that training it took.

    Large steps end with dead units now and then, and then with what went in: seen on the
    training photograph, and answered with the next step.
    """
    noisy = add_noise(image, std, np.random.default_rng(2))
    for step in ranked_steps(std, image):
        started = time.perf_counter()
        denoiser = PatchDenoiser(std, N_COPIES[std], step).fit(image)
        seconds = time.perf_counter() - started
        if psnr(denoiser(noisy), image) > psnr(noisy, image) + 1.0:
            break
    return denoiser, f"step {step}", f"{seconds:.0f}"


# The others


def total_variation(image, weight):
    return denoise_tv_chambolle(image, weight, eps=1e-5, max_num_iter=500)


def wavelet(image, method, mode, name, factor, std):
    return denoise_wavelet(image, factor * std, name, mode, method=method)


def competitors(std):
    """(name, filter, arguments to choose from)."""
    wavelets = ("db1", "db2", "sym4", "sym8", "coif2")
    weights = np.geomspace(0.03, 0.3, 12) if std == LOW else np.geomspace(0.5, 4, 12)
    bayes = product(["BayesShrink"], ["soft"], wavelets, (0.8, 1, 1.2, 1.4))
    universal = product(["VisuShrink"], ["soft", "hard"], wavelets, (0.1, 0.2, 0.35, 0.5, 0.7, 1))
    return [
        ("median 3 x 3", median_filter, [(3,)]),
        ("median 5 x 5", median_filter, [(5,)]),
        ("Gaussian", gaussian_filter, [(sigma,) for sigma in np.geomspace(0.5, 12, 40)]),
        ("total variation", total_variation, [(weight,) for weight in weights]),
        ("wavelets, BayesShrink", partial(wavelet, std=std), list(bayes)),
        ("wavelets, VisuShrink", partial(wavelet, std=std), list(universal)),
    ]


def in_words(arguments):
    return ", ".join(f"{x:.3g}" if isinstance(x, float) else str(x) for x in arguments)


def denoising(std, trained, tested):
    """Rows of a table: name, parameters, PSNR on the training photograph and on the other."""
    images = [grey(colour(name)) for name in (trained, tested)]
    rng = np.random.default_rng(1)
    noisy = [add_noise(image, std, rng) for image in images]
    yield "noisy", "", *(f"{psnr(*pair):.2f}" for pair in zip(noisy, images, strict=True)), ""
    best = -np.inf
    for name, function, candidates in competitors(std):
        score = {a: psnr(function(noisy[0], *a), images[0]) for a in candidates}
        chosen = max(score, key=score.get)
        reached = psnr(function(noisy[1], *chosen), images[1])
        best = max(best, reached)
        yield name, in_words(chosen), f"{score[chosen]:.2f}", f"{reached:.2f}", ""
    denoiser, parameters, seconds = ours(std, images[0])
    on_trained, reached = (psnr(denoiser(x), y) for x, y in zip(noisy, images, strict=True))
    verdict = f"**{reached:.2f}** ({reached - best:+.2f}; bar +0.10)"
    yield "ConvNet", parameters, f"{on_trained:.2f}", verdict, seconds


# Colour


def blocks(image):
    """Those to train on, and each third one, along rows and columns, to test."""
    parts = [], []
    for i, j in np.ndindex(*(size // BLOCK for size in image.shape[:2])):
        block = image[i * BLOCK : (i + 1) * BLOCK, j * BLOCK : (j + 1) * BLOCK]
        parts[(i + j) % 3 == 0].append(block)
    return parts


class Colouriser:
    """What each colour differs from grey, told from grey patches."""

    def __init__(self, side=32, stride=8):
        self.patch, self.stride = (side, side), stride
        self.autoencoder = DenoisingAutoencoder(
            64,
            network=ConvNet((1, side, side), channels=(32, 64), kernel_size=5, code="image"),
            corruption=None,
            code_activation="identity",
            learning_rate="one_cycle",
            learning_rate_init=2e-3,
            batch_size=16,
            max_iter=5,
            random_state=0,
        )

    def fit(self, images):
        """Learn from turned pictures, of shape (height, width, 3)."""
        images = [side for image in images for side in turns(image)]
        of_grey = np.vstack(
            [extract_patches(grey(x), self.patch, step=self.stride) for x in images]
        )
        of_colour = np.vstack([extract_patches(x, self.patch, step=self.stride) for x in images])
        # Brightness tells of the colour, so that not the patch's mean is removed, but a half.
        self.autoencoder.fit(of_grey - 0.5, target=of_colour - np.tile(of_grey, 3))
        return self

    def __call__(self, image):
        patches = extract_patches(image, self.patch, step=self.stride)
        differences = self.autoencoder.reconstruct(patches - 0.5)
        found = average_patches(differences, (*image.shape, 3), step=self.stride)
        return image[..., None] + found


def linear_map(images):
    """The best map of a pixel's grey value to its colours, which is a function of pictures."""
    colours = np.vstack([image.reshape(-1, 3) for image in images])
    design = np.stack([colours.mean(axis=1), np.ones(len(colours))], axis=1)
    slopes, offsets = np.linalg.lstsq(design, colours, rcond=None)[0]
    return lambda image: image[..., None] * slopes + offsets


def colourisation():
    for name in PHOTOGRAPHS:
        seen, held_out = blocks(colour(name))
        started = time.perf_counter()
        ours = Colouriser().fit(seen)
        seconds = f"{time.perf_counter() - started:.0f}"
        functions = (lambda image: image[..., None], linear_map(seen), ours)
        grey_, linear, learned = (
            np.mean([np.square(function(grey(x)) - x).mean() for x in held_out])
            for function in functions
        )
        verdict = f"**{1e3 * learned:.2f}** (bar {1e3 * linear:.2f})"
        yield name, f"{1e3 * grey_:.2f}", f"{1e3 * linear:.2f}", verdict, seconds


def main():
    started = time.perf_counter()
    paragraphs = [
        "# Photographs",
        "## Noise",
        "scikit-learn's china.jpg and flower.jpg, 427 x 640, the mean of the three colours over "
        "255; PSNR in dB, nothing clipped. Gaussian noise of standard deviation 25/255, and of "
        "1.0. Parameters are chosen on the noisy training photograph, for the competitors by "
        "their PSNR on it, from grids; wavelets: method, threshold, wavelet, factor of the known "
        "standard deviation. In brackets, how far ours is above the best of the others.",
        "Ours at 25/255: patches of 32 x 32, `ConvNet(channels=(24, 24), kernel_size=5, "
        'downsample=None, code="image")`, a code of 24 channels, `target=` the noise, 96 turned '
        "copies of the photograph, each with its own noise; patches overlap at a step of 8 in "
        "use. Ours at 1.0: 64 x 64, three strides of channels (32, 64, 128), 128 code channels, "
        "`target=` the clean patch, 256 copies, step 16. The mean of the noisy patch is removed, "
        f"in training too. The learning rate's peak is {' or '.join(map(str, STEPS))}, whichever "
        "does better on the right third of the training photograph after training half as long "
        "on the left two thirds. The other is taken if that one ends with dead units, which "
        "leave the training photograph as noisy as it was. At 25/255 the contrast of each "
        "training patch is multiplied by a uniform number from 0.5 to 2, because other "
        "photographs have other contrasts. No part of the same photograph can tell whether that "
        "helps: on its right third it makes no difference for china and costs 0.3 dB for flower. "
        "At 1.0 it costs on both, so contrasts stay.",
    ]
    for std, (trained, tested) in product((LOW, HIGH), (PHOTOGRAPHS, PHOTOGRAPHS[::-1])):
        noise = "25/255" if std == LOW else "1.0"
        header = ["", "parameters", f"on {trained}", f"on {tested}", "seconds of training"]
        rows = list(denoising(std, trained, tested))
        paragraphs += [
            f"### Standard deviation {noise}, trained on {trained}, tested on {tested}",
            table(header, rows),
        ]
        write(__file__, *paragraphs)  # what there is so far
    paragraphs += [
        "## Colour",
        f"Grey to colour, in blocks of {BLOCK} x {BLOCK} pixels; every third block, along rows "
        "and columns, is held out; 1000 times the mean squared error on those. Grey: all three "
        "colours are the grey value. Linear: the best line from a pixel's grey value to each of "
        "its colours, by least squares on the training blocks. Ours: patches of 32 x 32 within "
        'blocks, `ConvNet(channels=(32, 64), kernel_size=5, code="image")`, a code of 64 '
        "channels, `target=` the colours minus the grey value, 5 epochs of all eight turned "
        "copies. One half is subtracted from the grey values: with their patch's mean "
        "subtracted, they tell less.",
        table(["", "grey", "linear", "ConvNet", "seconds of training"], colourisation()),
        f"In all {(time.perf_counter() - started) / 60:.0f} minutes.",
    ]
    write(__file__, *paragraphs)


if __name__ == "__main__":
    main()
