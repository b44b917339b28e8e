"""Tables of tables.py: data frames of numbers and categories, and their usual one-hot matrix."""

import json

import numpy as np
import pandas as pd

TARGETS = {
    "credit_data": "Status",
    "german": "risk",
    "nmes1988": "insurance",
    "penguins": "species",
    "titanic": "survived",
    "wage": "jobclass",
}


def load(folder, name):
    """A table as a data frame; columns that are categories have a categorical dtype."""
    facts = json.loads((folder / "meta.json").read_text())[name]
    frame = pd.read_csv(folder / f"{name}.csv.gz")
    for column, categories in facts["categories"].items():
        cells = frame[column].astype(str).where(frame[column].notna())
        dtype = pd.CategoricalDtype(categories, ordered=facts["ordered"][column])
        frame[column] = cells.astype(dtype)
    return frame


def shuffled(frame, seed, n_rows=None):
    """Rows in another order, or so many of them."""
    return frame.sample(n_rows or len(frame), random_state=seed, ignore_index=True)


def is_category(column):
    return isinstance(column.dtype, pd.CategoricalDtype)


def categories_of(frame):
    """Names of the columns that are categories."""
    return [name for name in frame if is_category(frame[name])]


def numbers_of(frame):
    """Names of the others."""
    return [name for name in frame if not is_category(frame[name])]


class OneHot:
    """Data frames as matrices: numbers standardised, categories as blocks; missing values NaN."""

    def fit(self, frame):
        self.frame = frame.iloc[:0]
        self.numbers, self.categories = numbers_of(frame), categories_of(frame)
        numbers = frame[self.numbers].astype(float)
        self.mean, self.scale = numbers.mean(), numbers.std(ddof=0).replace(0, 1)
        widths = [1] * len(self.numbers)
        widths += [len(frame[name].cat.categories) for name in self.categories]
        ends = np.cumsum(widths)
        names = self.numbers + self.categories
        self.blocks = {n: slice(e - w, e) for n, w, e in zip(names, widths, ends, strict=True)}
        return self

    def transform(self, frame):
        numbers = (frame[self.numbers].astype(float) - self.mean) / self.scale
        return np.hstack([numbers, *(indicators(frame[name]) for name in self.categories)])

    def observed(self, frame):
        """The same with missing values at the mean, and in blocks at 0."""
        return np.nan_to_num(self.transform(frame))

    def frame_of(self, matrix):
        """Back: of each block the category with the largest number."""
        columns = {}
        for name in self.frame:
            block = matrix[:, self.blocks[name]]
            if name in self.categories:
                dtype = self.frame[name].dtype
                columns[name] = pd.Categorical.from_codes(block.argmax(axis=1), dtype=dtype)
            else:
                columns[name] = block[:, 0] * self.scale[name] + self.mean[name]
        return pd.DataFrame(columns)

    def by_column(self, matrix):
        """Sums over each column's part of a matrix, in the order of the frame."""
        return np.stack([matrix[:, self.blocks[n]].sum(axis=1) for n in self.frame], axis=1)


def indicators(column):
    """A block: 1 for the category of a row, NaN where it is missing."""
    codes = column.cat.codes.to_numpy()
    block = np.eye(len(column.cat.categories))[codes]
    block[codes < 0] = np.nan
    return block


def without_cells(frame, mask):
    """The frame with missing values where the mask is True."""
    return pd.DataFrame({name: frame[name].mask(mask[:, j]) for j, name in enumerate(frame)})
