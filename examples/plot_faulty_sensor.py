"""
Which sensor is wrong?
======================

A pump's sensors depend on each other: speed, valve and inlet determine the rest. A sensor that
repeats a value from another time stays within its usual range, but does not fit the others.
`AutoencoderOutlierDetector` finds such rows, and its largest bar is the faulty sensor.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import Autoencoder, AutoencoderOutlierDetector
from skae.inspection import FeatureErrorsDisplay


def readings(n_rows, rng):
    """Ten sensors of a pump that runs properly, each with an error of one per cent."""
    speed, valve = rng.uniform(0.3, 1, n_rows), rng.uniform(0.2, 1, n_rows)
    inlet = rng.normal(15, 4, n_rows)
    flow = 120 * speed * np.sqrt(valve)
    power = 2 + 4.5 * speed**3 * (1 + valve)
    sensors = {
        "speed (rpm)": 1450 * speed,
        "flow (l/s)": flow,
        "pressure (bar)": 1 + 4 * speed**2 - 0.00012 * flow**2,
        "power (kW)": power,
        "current (A)": power / (0.41 + 0.21 * speed),
        "bearing (°C)": inlet + 15 + 30 * speed**2,
        "motor (°C)": inlet + 10 + 5 * power,
        "inlet (°C)": inlet,
        "outlet (°C)": inlet + 32 * power / (flow + 20),
        "vibration (mm/s)": 0.5 + 3 * (speed - 0.65) ** 2 + (1 - valve) * speed**2,
    }
    table = pd.DataFrame(sensors)
    return table * (1 + 0.01 * rng.normal(size=table.shape))


rng = np.random.default_rng(0)
train, normal, faulty = (readings(n_rows, rng) for n_rows in (2000, 1000, 1000))
is_wrong = np.eye(10, dtype=bool)[rng.integers(10, size=1000)]  # one sensor of each faulty row
faulty = faulty.mask(is_wrong, faulty.sample(frac=1, random_state=0).to_numpy())

# %%
# Three numbers describe the pump, so the code has three components. A code as wide as the row
# would reproduce the wrong value: the row would still be found by its code, but no bar would show
# which sensor it is. The detector is trained on rows without faults; no threshold is set.

autoencoder = make_pipeline(StandardScaler(), Autoencoder(3))
detector = AutoencoderOutlierDetector(autoencoder, random_state=0).fit(train)
new = pd.concat([normal, faulty])
is_faulty = np.repeat([False, True], 1000)
flagged = detector.predict(new) == -1
print(f"flagged: {flagged[is_faulty].mean():.0%} of faulty rows, ", end="")
print(f"{flagged[~is_faulty].mean():.1%} of normal ones")

# %%
# Areas under the ROC curve; chance gives 0.5:

scale = StandardScaler().fit(train)
neighbours = NearestNeighbors(n_neighbors=5).fit(scale.transform(train))
strangeness = {
    "AutoencoderOutlierDetector": -detector.score_samples(new),
    "distance of the fifth neighbour": neighbours.kneighbors(scale.transform(new))[0][:, -1],
    "IsolationForest": -IsolationForest(random_state=0).fit(train).score_samples(new),
}
for name, values in strangeness.items():
    print(f"{name:32} {roc_auc_score(is_faulty, values):.2f}")

# %%
# How often the largest bar is the wrong sensor; guessing gives 10 %. The distance of a reading
# from its mean, in standard deviations, tells little.

errors = detector.feature_errors(faulty)
distances = np.abs(scale.transform(faulty))
found = flagged[is_faulty]
hits = is_wrong[np.arange(1000), errors.argmax(axis=1)]
print(
    f"largest error: {hits.mean():.0%} of all faulty rows, {hits[found].mean():.0%} of flagged ones"
)
by_distance = is_wrong[np.arange(1000), distances.argmax(axis=1)].mean()
print(f"largest distance from the mean: {by_distance:.0%} of all faulty rows")

# %%
# Three faulty rows. A bar of length 1 is an average training error, and few training rows exceed a
# tick. A wrong sensor also misleads the code, and so raises the errors of the others, but less.

figure, axes = plt.subplots(3, 1, figsize=(5, 8), layout="constrained")
for axis, sensor in zip(axes, ("pressure (bar)", "motor (°C)", "flow (l/s)"), strict=True):
    row = np.flatnonzero(found & is_wrong[:, train.columns.get_loc(sensor)])[0]
    FeatureErrorsDisplay.from_estimator(detector, faulty, row=row, n_features=6, ax=axis)
    axis.set_title(f"wrong: {sensor}", fontsize=10)
    axis.get_legend().set_loc("lower right")
plt.show()
