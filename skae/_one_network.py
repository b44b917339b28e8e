"""Training of a network as a whole: from its description, or from an earlier fit, to a trainer."""

from sklearn.base import clone

from skae._callbacks import Progress
from skae._engine.blocks import describe_pair
from skae._engine.data import split_rows
from skae._engine.streams import stream
from skae._engine.training import State
from skae._estimator import make_trainer


class OneNetworkMixin:
    """For estimators whose parameters describe one network, trained as a whole.

    They write `_describe_perceptron` and `_initial_network`; the other hooks do nothing unless
    they are overridden.
    """

    def _fit(self, data, continues):
        start = self._resume if continues else self._start
        trainer = start(data, self._held_out_fraction)
        with Progress.of_fit(self, data, trainer.settings.max_iter) as progress:
            self._train(trainer, progress)

    def _start(self, data, held_out_fraction=0):
        """A trainer with newly drawn weights."""
        seed = self._draw_seed(data)
        split = split_rows(len(data), held_out_fraction, seed)
        seen, n_features = split.seen(data), data.X.shape[1]
        self._prepare(seen, continues=False)
        perceptron = self._describe_perceptron(n_features)
        network = self._initial_network(perceptron, stream(seed, "weights"), seen)
        self._set_out(network, seen)
        state = State(network.flat.numpy().astype(data.X.dtype), seed)
        return make_trainer(self, perceptron, state, data, split)

    def _resume(self, data, held_out_fraction=0):
        """A trainer that continues from the fitted state."""
        perceptron = self._describe_perceptron(data.X.shape[1])
        if perceptron != self._perceptron:
            raise ValueError(
                "Training cannot continue, since the parameters now describe the network "
                f"{perceptron}, but the fitted one is {self._perceptron}: restore the parameters "
                "that decide its sizes, activations, tied weights and output, or call fit with "
                "warm_start=False."
            )
        split = split_rows(len(data), held_out_fraction, self._state.seed)
        self._prepare(split.seen(data), continues=True)
        return self._go_on(make_trainer(self, perceptron, self._state, data, split))

    def _describe_blocks(self, n_features, n_inputs, n_outputs):
        return describe_pair(
            clone(self.network),
            n_features=n_features,
            n_inputs=n_inputs,
            n_outputs=n_outputs,
            activation=self.activation,
        )

    # Methods for estimators to fill in.

    def _describe_perceptron(self, n_features):
        """The layers for data with `n_features` columns."""
        raise NotImplementedError

    def _initial_network(self, perceptron, generator, data):
        """The network with drawn weights."""
        raise NotImplementedError

    def _prepare(self, data, continues):
        """Learn from the training rows what the objective needs."""

    def _set_out(self, network, data):
        """Change the drawn weights in place, using the training rows."""
