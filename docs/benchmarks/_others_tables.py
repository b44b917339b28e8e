"""For others.py: H2O, whose networks run in a Java server, and ctgan, which draws tables."""

import contextlib
import io

import numpy as np
from _others_library import Library, NotOffered, given


class H2O(Library):
    """Its autoencoder; `hidden` of it are the layers of the whole network."""

    purpose = "machine learning on a cluster"
    about = "`H2OAutoEncoderEstimator`"
    released = "2026-08"
    name, distribution, module = "H2O", "h2o", "h2o"
    computes_here = False

    def estimator(self, max_iter=5):
        raise NotOffered("its wrapper is not asked")

    @staticmethod
    def _start():
        """The server, once."""
        import h2o

        if h2o.connection() is None:
            with contextlib.redirect_stdout(io.StringIO()):
                h2o.init(nthreads=1, max_mem_size="1G")
            h2o.no_progress()

    def model(self, n_features, network):
        self._start()
        from h2o.estimators import H2OAutoEncoderEstimator

        if network.is_linear:
            raise NotOffered("no linear activation")
        if network.is_default:
            raise NotOffered("its default layers, 200 and 200, have no code")
        parameters = given(epochs=network.max_iter, mini_batch_size=network.batch_size)
        hidden = [*network.hidden, network.width, *network.hidden[::-1]]
        return H2OAutoEncoderEstimator(
            hidden=hidden, seed=network.seed, reproducible=True, **parameters
        )

    def train(self, model, X):
        import h2o

        frame = h2o.H2OFrame(X)
        model.train(x=frame.names, training_frame=frame)
        model.constants = X[0]  # of columns that it leaves out

    def restored(self, model, X):
        import h2o

        found = model.predict(h2o.H2OFrame(X)).as_data_frame()
        restored = np.tile(model.constants, (len(X), 1))
        restored[:, [int(name.rpartition("C")[2]) - 1 for name in found]] = found
        return restored

    def used(self, model, X):
        import h2o

        return model.anomaly(h2o.H2OFrame(X)).as_data_frame().to_numpy()


class CTGAN(Library):
    """Its VAE, which can only draw rows: samples stand for its reconstructions."""

    purpose = "synthetic rows of a table"
    about = "`TVAE`"
    released = "2026-02"
    name, distribution, module = "ctgan", "ctgan", "ctgan"
    trains_network = False

    def model(self, n_features, network):
        from ctgan import TVAE

        parameters = given(epochs=network.max_iter, batch_size=network.batch_size)
        widths = network.hidden or (128, 128)
        model = TVAE(
            embedding_dim=network.width,
            compress_dims=widths,
            decompress_dims=widths[::-1],
            enable_gpu=False,
            **parameters,
        )
        model.set_random_state(network.seed)
        return model

    def train(self, model, X):
        """Of ten columns: each costs a mixture of Gaussians first."""
        import joblib

        with joblib.parallel_config("sequential"):  # its processes, once interrupted, stay broken
            model.fit(X[:, 2:12])

    def used(self, model, X):
        if X.shape[1] != 64:
            raise NotOffered("takes no rows")
        return model.sample(50)
