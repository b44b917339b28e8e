"""
Sparse counts of words in, sparse codes out
===========================================

Word counts are mostly zeros. skae takes the CSR matrix of `CountVectorizer` as it is and makes one
batch at a time dense; the multinomial loss suits counts; and with `sparse_output=True` the codes
are CSR again, ready for any classifier of scikit-learn.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, StandardScaler
from sklearn.utils.discovery import all_estimators

from skae import SparseAutoencoder

# %%
# The text is scikit-learn's own: the docstrings of its classes, cut into passages of 50 words. To
# which module does a passage belong? Each class is entirely in the training set or in the test
# set, since passages of one class share its words.

modules = ["linear_model", "ensemble", "cluster", "decomposition", "preprocessing", "neighbors"]
passages, labels, classes = [], [], []
for name, estimator in all_estimators():
    module = estimator.__module__.split(".")[1]
    words = (estimator.__doc__ or "").split()
    if module in modules:
        chunks = [" ".join(words[i : i + 50]) for i in range(0, len(words), 50)]
        passages += chunks
        labels += [module] * len(chunks)
        classes += [name] * len(chunks)
vectorizer = CountVectorizer(min_df=5, stop_words="english", dtype=np.float32)
X, y = vectorizer.fit_transform(passages), np.array(labels)
splits = list(GroupShuffleSplit(5, test_size=0.2, random_state=0).split(X, y, classes))
print(f"{X.shape[0]} passages, {X.shape[1]} words, {X.nnz / np.prod(X.shape):.1%} of cells filled")

# %%
# A code with 128 components is compared with `TruncatedSVD` with as many, of counts and of tf-idf,
# and with all words. The unsupervised steps are fitted on the training set, too.

sparse = SparseAutoencoder(
    128,
    sparsity="l1",
    sparsity_weight=0.2,
    loss="categorical_cross_entropy",
    sparse_output=True,
    learning_rate="one_cycle",
    learning_rate_init=1e-2,
    batch_size=100,
    max_iter=20,
    random_state=0,
)
svd = TruncatedSVD(128, random_state=0)
features = {
    "all words": ["passthrough"],
    "SVD of counts": [svd, StandardScaler()],
    "SVD of tf-idf": [TfidfTransformer(sublinear_tf=True), svd, StandardScaler()],
    "sparse codes": [sparse, MaxAbsScaler()],
}
scores, filled = {}, {}
for name, steps in features.items():
    pipeline = make_pipeline(*steps, LogisticRegression(max_iter=1000))
    scores[name] = []
    for train, test in splits:
        scores[name].append(pipeline.fit(X[train], y[train]).score(X[test], y[test]))
    codes = pipeline[:-1].transform(X[test])
    filled[name] = (codes != 0).mean()
    print(f"{name:14} {type(codes).__name__:10}", end=" ")
    print(f"filled {filled[name]:4.0%}, accuracy {np.mean(scores[name]):.3f}")

# %%
# The fraction of nonzero cells, and the accuracy on each of five splits, with its mean. The codes
# come close to the SVD of counts with a third of its cells; the SVD of tf-idf is better than both,
# and all words are better than every summary.

figure, (above, below) = plt.subplots(2, 1, figsize=(6, 5), sharey=True, layout="constrained")
bars = above.barh(list(filled), list(filled.values()), color="0.7")
above.bar_label(bars, [f"{share:.0%}" for share in filled.values()], padding=3)
above.set(xlabel="cells filled", xlim=(0, 1.25), xticks=[])
for name, values in scores.items():
    below.plot(values, [name] * len(values), "o", color="C0", alpha=0.4)
    below.plot(np.mean(values), name, "D", color="C1")
below.set(xlabel="accuracy on passages of unseen classes")
below.grid(axis="x", alpha=0.4)
above.invert_yaxis()

# %%
# A component can be interpreted, since it adds to the log-odds of words. For each module, we show
# the component that indicates it most, and the words that it makes likelier. Some reflect the
# module's subject, some what its docstrings happen to have in common.

vocabulary = vectorizer.get_feature_names_out()
classifier = pipeline[-1]  # of the sparse codes, on the last split
for module, weights in zip(classifier.classes_, classifier.coef_, strict=True):
    component = weights.argmax()
    words = vocabulary[sparse.coefs_[1][component].argsort()[::-1][:7]]
    print(f"{module:14} {', '.join(words)}")
plt.show()
