"""
Eight problems, five methods: a table of the literature, anew
=============================================================

Vincent et al. (2008) compare stacked denoising autoencoders (SdA-3) with plain ones (SAA-3), deep
belief networks (DBN-3) and support vector machines on Larochelle's problems: digits, rotated or
with noise or pictures behind them, rectangles and convex shapes. Measured anew, denoising gains
most in the cases that they name, where something other than the digit fills the image. With noise
behind digits, deep belief networks gain even more.
"""

import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits, load_sample_images

from skae.datasets import (
    add_picture_background,
    add_random_background,
    fill_with_pictures,
    make_convex_shapes,
    make_rectangles,
    rotate_images,
)

# %%
# The problems, here with scikit-learn's digits and photographs. For shapes, the task is to
# distinguish wide from tall rectangles, and convex from other regions.

N_SHOWN = 4
large = load_digits().images[:N_SHOWN].repeat(3, axis=1).repeat(3, axis=2) / 16
digits = np.pad(large, ((0, 0), (2, 2), (2, 2))).reshape(N_SHOWN, -1)
pictures = [picture[::2, ::2].mean(axis=2) / 255 for picture in load_sample_images().images]
turned = rotate_images(digits, random_state=0)
large_ones = {"min_length": 10, "min_difference": 5, "area_range": (0.25, 0.75)}
problems = {
    "basic": digits,
    "rot": turned,
    "bg-rand": add_random_background(digits, random_state=0),
    "bg-img": add_picture_background(digits, pictures, random_state=0),
    "rot-bg-img": add_picture_background(turned, pictures, random_state=1),
    "rect": make_rectangles(N_SHOWN, random_state=0)[0],
    "rect-img": fill_with_pictures(
        make_rectangles(N_SHOWN, **large_ones, random_state=0)[0], pictures, random_state=0
    ),
    "convex": make_convex_shapes(N_SHOWN, random_state=0)[0],
}

figure, axes = plt.subplots(len(problems), N_SHOWN, figsize=(4.5, 7.6), layout="constrained")
for row, (name, images) in zip(axes, problems.items(), strict=True):
    row[0].set_ylabel(name, rotation=0, ha="right", va="center")
    for ax, image in zip(row, images, strict=True):
        ax.imshow(image.reshape(28, 28), cmap="gray", vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
plt.show()

# %%
# Training all the networks takes hours, so this example reads the stored results of the benchmark
# (run it in the repository): test errors in %, one for each draw of a problem's images. For SdA-3
# and SVM(nu), a support vector machine on images with destroyed pixels, validation images choose
# the level of destruction.

records = json.loads(Path("../docs/benchmarks/larochelle.json").read_text())
methods = {
    "RBF SVM": ["RBF SVM 0%"],
    "DBN-3": ["DBN"],
    "SAA-3": ["denoising 0%"],
    "SdA-3": ["denoising 10%", "denoising 25%", "denoising 40%"],
    "SVM(nu)": ["RBF SVM 10%", "RBF SVM 25%"],
}
papers = {
    "basic": (3.03, 3.11, 3.46, 2.80, 3.07),
    "rot": (11.11, 10.30, 10.30, 10.29, 11.62),
    "bg-rand": (14.58, 6.73, 11.28, 10.38, 15.63),
    "bg-img": (22.61, 16.31, 23.00, 16.68, 23.15),
    "rot-bg-img": (55.18, 47.39, 51.93, 44.49, 54.16),
    "rect": (2.15, 2.60, 2.41, 1.99, 2.45),
    "rect-img": (24.04, 22.50, 24.05, 21.59, 23.00),
    "convex": (19.13, 18.63, 18.41, 19.06, 24.20),
}


def mean_error(problem, candidates):
    """Mean over draws, each with the candidate of lowest validation error."""
    found = {}
    for key, record in records.items():
        name, draw, method = key.split(" | ")
        if name == problem and method in candidates:
            found.setdefault(draw, []).append((record["valid"], record["test"]))
    return np.mean([min(one)[1] for one in found.values()]) if found else np.nan


ours = {name: [mean_error(name, methods[method]) for method in methods] for name in problems}
print(f"{'ours (paper)':12}" + "".join(f"{method:>16}" for method in methods))
for name in problems:
    pairs = zip(ours[name], papers[name], strict=True)
    print(f"{name:12}" + "".join(f"{a:8.2f} ({b:5.2f})" for a, b in pairs))

# %%
# Errors relative to those of the support vector machine: left of the line a method is better.
# Filled marks are measured here, hollow ones are the paper's, with its own pictures and wider
# networks.

figure, ax = plt.subplots(figsize=(6, 5), layout="constrained")
places = np.arange(len(problems))[::-1]
for number, method in enumerate(list(methods)[1:], start=1):
    offset = 0.3 - 0.15 * number
    for results, fill in ((ours, "full"), (papers, "none")):
        ratios = [results[name][number] / results[name][0] for name in problems]
        label = method if fill == "full" else None
        ax.plot(ratios, places + offset, "o", color=f"C{number}", fillstyle=fill, label=label)
ax.axvline(1, color="gray", linewidth=1)
ax.set_yticks(places, list(problems))
ax.set_xscale("log")
ax.set_xticks([0.5, 0.75, 1, 1.5], ["0.5", "0.75", "1", "1.5"])
ax.set_xticks([], minor=True)
ax.set_xlabel("errors, as a multiple of the RBF SVM's")
ax.legend(ncols=4, loc="upper center", bbox_to_anchor=(0.5, 1.1), frameon=False)
plt.show()
