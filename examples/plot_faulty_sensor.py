"""
Which sensor is wrong?
======================

A pump's sensors depend on each other: who knows speed, valve and inlet, knows the rest. A sensor
that shows what it has shown at another time is within its usual range, and fits none of the
others. `AutoencoderOutlierDetector` finds such rows, and the largest of its bars is the sensor.
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
    """Ten sensors of a pump that runs as it should, each with an error of one per cent."""
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
# Three numbers describe the pump, so the code has three components. With one as wide as the row, a
# wrong sensor would be restored as it is: the row would still be found, by its code, but no bar
# would say which sensor it is. Trained is on rows without faults; no threshold is set.

autoencoder = make_pipeline(StandardScaler(), Autoencoder(3))
detector = AutoencoderOutlierDetector(autoencoder, random_state=0).fit(train)
new = pd.concat([normal, faulty])
is_faulty = np.repeat([False, True], 1000)
flagged = detector.predict(new) == -1
print(f"flagged: {flagged[is_faulty].mean():.0%} of faulty rows, ", end="")
print(f"{flagged[~is_faulty].mean():.1%} of normal ones")

# %%
# Areas under the ROC curve, where chance has 0.5:

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
# How often the largest bar is the wrong sensor; guessing has 10 %. A reading's distance from its
# mean, in standard deviations, says little.

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
# Three faulty rows. A bar of 1 is an error as in training, and few training rows go beyond a tick.
# A wrong sensor also leads the code astray, and so raises the errors of others, but less.

figure, axes = plt.subplots(1, 3, figsize=(11, 3.6), layout="constrained")
for axis, sensor in zip(axes, ("pressure (bar)", "motor (°C)", "flow (l/s)"), strict=True):
    row = np.flatnonzero(found & is_wrong[:, train.columns.get_loc(sensor)])[0]
    FeatureErrorsDisplay.from_estimator(detector, faulty, row=row, n_features=6, ax=axis)
    axis.set_title(f"wrong: {sensor}", fontsize=10)
plt.show()
