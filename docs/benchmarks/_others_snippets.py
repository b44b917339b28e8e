"""Programs as users of each library write them, for others.py to count their lines and to run them.

Each gets digits in [0, 1], trains 64-32-8-32-64 in 20 epochs of batches of 200 rows, and returns
codes and reconstructions. Imports belong to what a user writes.
"""


def skae(X):
    from skae import Autoencoder

    model = Autoencoder(8, hidden_layer_sizes=(32,), max_iter=20, batch_size=200).fit(X)
    return model.transform(X), model.reconstruct(X)


def perceptron(X):
    import numpy as np
    from sklearn.neural_network import MLPRegressor

    model = MLPRegressor(hidden_layer_sizes=(32, 8, 32), max_iter=20, batch_size=200).fit(X, X)
    codes = X
    for layer in range(2):
        codes = np.maximum(codes @ model.coefs_[layer] + model.intercepts_[layer], 0)
    return codes, model.predict(X)


def skorch(X):
    import torch
    from skorch import NeuralNetRegressor
    from torch import nn

    encoder = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 8))
    decoder = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 64))
    model = NeuralNetRegressor(
        nn.Sequential(encoder, decoder),
        optimizer=torch.optim.Adam,
        lr=1e-3,
        max_epochs=20,
        batch_size=200,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
    ).fit(X, X)
    codes = model.module_[0](torch.tensor(X)).detach().numpy()
    return codes, model.predict(X)


def encdr(X):
    from encdr import ENCDR

    model = ENCDR([32], 8, batch_size=200, max_epochs=20, validation_split=0).fit(X)
    return model.transform(X), model.predict(X)


def pyod(X):
    import torch
    from pyod.models.auto_encoder import AutoEncoder

    model = AutoEncoder(
        hidden_neuron_list=[32, 8], epoch_num=20, batch_size=200, preprocessing=False, verbose=0
    ).fit(X)
    network = model.model.eval()
    with torch.no_grad():
        codes = network.encoder(torch.tensor(X))
        return codes.numpy(), network.decoder(codes).numpy()


def pythae(X):
    import torch
    from pythae.data.datasets import BaseDataset
    from pythae.models import AE, AEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.trainers import BaseTrainer, BaseTrainerConfig
    from torch import nn

    class Encoder(BaseEncoder):
        def __init__(self):
            super().__init__()
            self.layers = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 8))

        def forward(self, x):
            return ModelOutput(embedding=self.layers(x))

    class Decoder(BaseDecoder):
        def __init__(self):
            super().__init__()
            self.layers = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 64))

        def forward(self, z):
            return ModelOutput(reconstruction=self.layers(z))

    model = AE(AEConfig(input_dim=(64,), latent_dim=8), Encoder(), Decoder())
    config = BaseTrainerConfig(num_epochs=20, per_device_train_batch_size=200, learning_rate=1e-3)
    X = torch.tensor(X)
    BaseTrainer(model, BaseDataset(X, torch.zeros(len(X))), training_config=config).train()
    with torch.no_grad():
        return model.embed(X).numpy(), model.reconstruct(X).numpy()


def h2o(X):
    import h2o
    import numpy as np
    from h2o.estimators import H2OAutoEncoderEstimator

    h2o.init()
    frame = h2o.H2OFrame(X)
    model = H2OAutoEncoderEstimator(hidden=[32, 8, 32], epochs=20, mini_batch_size=200)
    model.train(x=frame.names, training_frame=frame)
    codes = model.deepfeatures(frame, 1).as_data_frame().to_numpy()
    found = model.predict(frame).as_data_frame()  # without columns that are constant
    restored = np.tile(X[0], (len(X), 1))
    restored[:, [int(name.rpartition("C")[2]) - 1 for name in found]] = found
    return codes, restored


SNIPPETS = {
    "skae": skae,
    "MLPRegressor": perceptron,
    "skorch": skorch,
    "encdr": encdr,
    "pyod": pyod,
    "pythae": pythae,
    "H2O": h2o,
}
