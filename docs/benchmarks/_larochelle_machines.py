"""Boltzmann machines of digits before noise: ours, and scikit-learn's at several step sizes."""

import time

from _larochelle_methods import best, boltzmann, probed
from sklearn.neural_network import BernoulliRBM

MACHINES = "machines"
RATES = (0.005, 0.02, 0.1)


def machines(problem, images, draw):
    """The test error of a linear SVM on the codes of each, in %, and its seconds of a processor."""
    ours = boltzmann(problem).set_params(n_components=problem.width, random_state=draw)
    found = {"RestrictedBoltzmannMachine": judged(ours, images)}
    for rate in RATES:
        theirs = BernoulliRBM(problem.width, learning_rate=rate, random_state=draw)
        theirs.set_params(batch_size=problem.batch_size, n_iter=problem.pretraining)
        found[f"BernoulliRBM, learning_rate={rate}"] = judged(theirs, images)
    return {MACHINES: found}


def judged(machine, images):
    start = time.process_time()
    machine.fit(images.training.X)
    seconds = time.process_time() - start
    return [best(probed(images.through(machine.transform)))["test"], round(seconds, 1)]
