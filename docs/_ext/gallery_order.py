"""The order of the gallery: a tour, the plain autoencoder beside PCA, then each family."""

from pathlib import Path

ORDER = [
    "plot_first_ten_minutes",
    # the plain autoencoder, and how to train and search
    "plot_pca_width",
    "plot_hidden_layers",
    "plot_learning_rates",
    "plot_grid_search",
    # sparse
    "plot_sparse_codes",
    "plot_active_units",
    "plot_text_codes",
    # denoising
    "plot_corruption_filters",
    "plot_denoising_field",
    "plot_imputation",
    # contractive
    "plot_contraction_weight",
    "plot_tangents",
    # stacked, supervised
    "plot_pretraining_depth",
    "plot_few_labels",
    "plot_eight_problems",
    # variational
    "plot_vae_manifold",
    "plot_vae_beta",
    "plot_vae_digits",
    "plot_vae_traversal",
    "plot_density_comparison",
    # generative adversarial
    "plot_gan_field",
    "plot_gan_digits",
    "plot_conditional_modes",
    "plot_infogan",
    "plot_saturating_loss",
    "plot_optimal_discriminator",
    "plot_gan_convolutions",
    "plot_discriminator_features",
    # tables
    "plot_table_codes",
    "plot_odd_cells",
    "plot_synthetic_rows",
    # outliers
    "plot_unseen_digit",
    "plot_faulty_sensor",
    "plot_spoilt_images",
    # convolutions
    "plot_convolution_bottleneck",
    "plot_convolution_filters",
    "plot_photograph_denoising",
    "plot_colourisation",
]


def place(path):
    """Where an example stands; the last, if nobody has said so."""
    name = Path(path).stem
    return ORDER.index(name) if name in ORDER else len(ORDER)
