"""Files whose packages are not installed are not collected: the suite runs without them, too."""

from importlib.util import find_spec

PACKAGES = {
    "test_onnx.py": ("skl2onnx", "onnxruntime"),
}

collect_ignore = [file for file, packages in PACKAGES.items() if not all(map(find_spec, packages))]
