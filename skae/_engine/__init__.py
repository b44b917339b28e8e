"""Networks and their training: arrays and torch alone, no scikit-learn and no estimator."""
