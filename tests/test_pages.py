"""What pages of the documentation say of this repository is so."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NAMED = re.findall(r"`(test_\w+\.py)::(test_\w+)`", (ROOT / "docs/reliability.md").read_text())


@pytest.mark.parametrize(("file", "test"), sorted(set(NAMED)))
def test_reliability_names_tests_that_exist(file, test):
    assert f"\ndef {test}(" in (ROOT / "tests" / file).read_text()
