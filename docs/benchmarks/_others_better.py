"""Where other libraries are better than skae, as others.py says on its page.

Read in the documentation or source of the version that is named, where it is not measured.
"""

BETTER = {
    "PCA (scikit-learn 1.9)": (
        "It has a closed form: there is one solution, found in milliseconds, with ordered "
        "components. It passes every check. On tables that lie near a plane an autoencoder "
        "gains little, as on wine above."
    ),
    "MLPRegressor (scikit-learn 1.9)": (
        "It needs no torch, which is the larger part of what skae installs and imports. It is "
        "enough for a plain network whose codes nobody asks for."
    ),
    "skorch 1.4": (
        "It trains any module with any loss and any optimiser, with callbacks for checkpoints, "
        "frozen layers and learning rates, and with several GPUs through accelerate. In skae the "
        "loss is one of a list, and only the outer layers are the user's."
    ),
    "pyod 3.6": (
        "Its summary counts 61 detectors, most of which are no networks, and it combines them. "
        "skae has one detector, and [benchmarks of outliers](outliers.md) find the distance "
        "to a row's neighbours about as good."
    ),
    "pythae 0.1": (
        "It has two dozen models, most of them VAEs (VQ-VAE, VAMP, hierarchical, Riemannian, with "
        "normalising flows) and ten ways to sample from a trained one; skae has one VAE and two "
        "ways. Its convolutional networks for MNIST, CIFAR and CelebA come with settings that "
        "reach published figures."
    ),
    "scvi-tools 1.5": (
        "It is made for counts of genes: likelihoods for zero-inflated counts, batches as "
        "covariates, labels for some cells, several modalities, and differential expression. It "
        "trains on GPUs by Lightning and loads models of earlier versions."
    ),
    "SAELens 6": (
        "It is made for the activations of language models: it streams them from the model while "
        "it trains, has BatchTopK, JumpReLU and gated autoencoders and transcoders, "
        "and loads many that others have published. skae has top-k, L1 and KL sparsity on arrays."
    ),
    "H2O 3.46": (
        "It trains on the rows of a cluster, takes categories and missing values in its frames, "
        "and exports models to Java."
    ),
    "ctgan 0.12": (
        "It belongs to SDV, which knows of several tables with keys between them and of constraints"
        " between columns; skae knows of one table. Of [three tables](tables.md), classifiers of "
        "two learn a little more from the rows that TVAE makes up."
    ),
    "encdr 1.2": (
        "It scales X inside, so that columns in different units need no scaler before it, and it "
        "trains with Lightning, whose callbacks and loggers it can use."
    ),
}
