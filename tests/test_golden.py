"""What released versions have saved loads, and computes what it did (see golden/make.py)."""

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
from helpers import LABELS

FOLDER = Path(__file__).parent / "golden"
SUMS = dict(reversed(line.split()) for line in (FOLDER / "SHA256SUMS").read_text().splitlines())


def test_every_file_is_listed():
    assert {path.name for path in FOLDER.glob("*.pkl")} == set(SUMS)


@pytest.mark.filterwarnings("ignore:This .* was saved with skae:UserWarning")
@pytest.mark.parametrize("file_name", SUMS)
def test_models_of_earlier_releases(file_name):
    data = (FOLDER / file_name).read_bytes()
    assert hashlib.sha256(data).hexdigest() == SUMS[file_name]
    for name, (model, rows, codes) in pickle.loads(data).items():
        np.testing.assert_allclose(model.transform(rows), codes, atol=1e-6, err_msg=name)
        if hasattr(model, "partial_fit"):
            y = model.predict(rows) if hasattr(model, "predict") else LABELS[: len(rows)]
            assert model.partial_fit(rows, y).n_iter_ > 1
        else:
            assert len(model.predict(rows)) == len(
                model.set_params(max_iter=1).fit(np.vstack([rows] * 3), LABELS[:15]).predict(rows)
            )
