"""Codes of tables.py: who makes them, and what classifiers make of them."""

import numpy as np
from _tables_data import TARGETS, OneHot, load, shuffled
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import VAE, Autoencoder, AutoencoderImputer, DenoisingAutoencoder

TABLES = ("german", "wage", "credit_data")
WIDTH = 8
TRAIN = 0.6  # of the rows


def one_hot(train, test, seed):
    encoder = OneHot().fit(train)
    return encoder.observed(train), encoder.observed(test)


def pca(train, test, seed):
    train, test = one_hot(train, test, seed)
    components = PCA(WIDTH, random_state=seed).fit(train)
    return components.transform(train), components.transform(test)


def famd(train, test, seed):
    """Factor analysis of mixed data: blocks divided by the root of their categories' shares."""
    encoder = OneHot().fit(train)
    train, test = (np.nan_to_num(encoder.transform(frame)) for frame in (train, test))
    scales = np.ones(train.shape[1])
    blocks = slice(len(encoder.numbers), None)
    scales[blocks] = np.sqrt(np.maximum(train[:, blocks].mean(axis=0), 1 / len(train)))
    components = PCA(WIDTH, random_state=seed).fit(train / scales)
    return components.transform(train / scales), components.transform(test / scales)


def skrub_pca(train, test, seed):
    from skrub import TableVectorizer

    steps = SimpleImputer(), StandardScaler(), PCA(WIDTH, random_state=seed)
    pipeline = make_pipeline(TableVectorizer(), *steps).fit(train)
    return pipeline.transform(train), pipeline.transform(test)


def ours(kind, fills=False, **params):
    """Codes of one of our estimators, with gaps filled before if it takes none."""

    def codes(train, test, seed):
        steps = [kind(WIDTH, random_state=seed, **params)]
        if fills and train.isna().any(axis=None):
            steps.insert(0, AutoencoderImputer(random_state=seed))
        estimator = make_pipeline(*steps).fit(train)
        return estimator.transform(train), estimator.transform(test)

    return codes


OURS = "DenoisingAutoencoder(8)"
DEEP = "DenoisingAutoencoder(8), two hidden layers of 128"
PEERS = {
    "PCA of one-hot": pca,
    "FAMD": famd,
    "skrub's TableVectorizer, scaled, PCA": skrub_pca,
}
CODERS = {
    "all columns, one-hot": one_hot,
    **PEERS,
    "Autoencoder(8)": ours(Autoencoder, fills=True),
    "VAE(8)": ours(VAE),
    OURS: ours(DenoisingAutoencoder),
    DEEP: ours(DenoisingAutoencoder, hidden_layer_sizes=(128, 128), code_activation="identity"),
}
CLASSIFIERS = {
    "logistic regression": lambda seed: make_pipeline(
        StandardScaler(), LogisticRegression(max_iter=1000)
    ),
    "25 neighbours": lambda seed: KNeighborsClassifier(25),
    "boosting": lambda seed: HistGradientBoostingClassifier(random_state=seed),
}


def measure(folder, name, coder, seed):
    """AUC on the test rows of each classifier, trained on codes of the training rows."""
    rows = shuffled(load(folder, name), seed)
    X, y = rows.drop(columns=TARGETS[name]), rows[TARGETS[name]].astype(str)
    n_train = int(TRAIN * len(rows))
    train, test = CODERS[coder](X[:n_train], X[n_train:], seed)
    return {kind: auc(make(seed), train, test, y) for kind, make in CLASSIFIERS.items()}


def auc(classifier, train, test, y):
    classifier.fit(train, y[: len(train)])
    found = classifier.predict_proba(test)[:, 1]
    return float(roc_auc_score(y[len(train) :] == classifier.classes_[1], found))
