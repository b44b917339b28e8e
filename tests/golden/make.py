"""Keep what this release saves, for all later ones to load: `python tests/golden/make.py`.

Run once for each release, and add the file and its line in SHA256SUMS. Writes one pickle of
{name: (fitted estimator, rows, their codes)}.
"""

import hashlib
import pickle
import sys
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER.parent))

from helpers import LABELS, SUPERVISED, TRAINED, X, small  # noqa: E402

import skae  # noqa: E402
from skae.networks import ConvNet  # noqa: E402


def models():
    """One fitted estimator of each class, and one with convolutions."""
    for name in (*TRAINED, *SUPERVISED):
        yield name, small(name).fit(X, LABELS)
    network = ConvNet((1, 2, 3), channels=(2,))
    yield "convolutional", small("Autoencoder", network=network).fit(X)


def main():
    rows = np.ascontiguousarray(X[:5])
    golden = {name: (model, rows, model.transform(rows)) for name, model in models()}
    path = FOLDER / f"skae-{skae.__version__}.pkl"
    path.write_bytes(pickle.dumps(golden, protocol=4))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    print(f"{digest}  {path.name}")


if __name__ == "__main__":
    main()
