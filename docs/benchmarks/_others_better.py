"""Where other libraries are better than skae, as others.py says on its page.

Each claim was checked in the source or documentation of the version named, or measured above it.
"""

BETTER = {
    "PCA (scikit-learn 1.9)": (
        "It has a closed form: one solution, found in milliseconds, with ordered components. On "
        "some tables, such as wine above, an autoencoder gains little over it."
    ),
    "MLPRegressor (scikit-learn 1.9)": (
        "It does without PyTorch, which takes up most of the disk space that skae needs. It is "
        "enough for a plain network if you want reconstructions and no codes."
    ),
    "skorch 1.4": (
        "It trains any module with any loss and any optimiser. Callbacks save checkpoints, freeze "
        "layers and change learning rates; an experimental class uses several GPUs through "
        "accelerate. In skae you choose the loss from a list or write a subclass, and your own "
        "modules only surround dense layers."
    ),
    "pyod 3.6": (
        "It counts 61 detectors, most of them no neural networks, for tables, time series, graphs, "
        "text, images and audio, and can combine their scores. skae has one detector. On "
        "standardised tables of mostly normal rows, [the distance to the nearest "
        "neighbours](outliers.md) is about as good."
    ),
    "pythae 0.1": (
        "It has 25 models, most of them VAEs (importance-weighted, vector-quantised, Hamiltonian, "
        "Riemannian, with normalising flows), and ten samplers, some for a single model; skae has "
        "one VAE, which draws codes from the prior or from a fitted mixture. It has convolutional "
        "networks for MNIST, CIFAR and CelebA. Its authors list published figures that they "
        "reproduced with 14 of the models."
    ),
    "scvi-tools 1.5": (
        "It is made for the gene counts of single cells: likelihoods for zero-inflated counts, "
        "batches as covariates, labels for some cells, several modalities and differential "
        "expression. It trains with Lightning, and its hub shares trained models."
    ),
    "SAELens 6.54": (
        "It is made for the activations of language models, and streams them from the model during "
        "training. Among others it trains BatchTopK, JumpReLU and gated autoencoders. It loads "
        "published autoencoders and transcoders, of which it lists 170 releases. skae has top-k, "
        "L1 and KL sparsity, for arrays."
    ),
    "H2O 3.46": "It trains on the rows of a cluster, and its models run in Java without Python.",
    "ctgan 0.12": (
        "It belongs to SDV, which handles several tables linked by keys, and constraints between "
        "columns; skae handles one table. On two of [three tables](tables.md), classifiers learn "
        "slightly more from rows of TVAE than from rows of skae's VAE."
    ),
    "encdr 1.2": (
        "It standardises X itself, so that columns in different units need no scaler before it. It "
        "trains with Lightning, whose callbacks and loggers it accepts."
    ),
}
