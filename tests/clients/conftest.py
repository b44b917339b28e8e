"""Files whose packages are not installed are not collected: the suite runs without them, too."""

from importlib.util import find_spec

PACKAGES = {
    "test_onnx.py": ("skl2onnx", "onnxruntime"),
    "test_programs.py": ("cleanlab", "feature_engine", "imblearn", "mapie", "sklego", "skrub"),
    "test_with_other_tools.py": (
        *("captum", "cleanlab", "dask_ml", "feature_engine", "imblearn", "mapie", "mlflow"),
        *("optuna", "shap", "sklego", "skrub"),
    ),
}

collect_ignore = [file for file, packages in PACKAGES.items() if not all(map(find_spec, packages))]
