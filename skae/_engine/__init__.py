"""Networks and their training: arrays and torch only, no scikit-learn and no estimator."""
