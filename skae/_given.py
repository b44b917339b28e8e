"""Rows of which users give some cells, for `VAE.sample`: what is given, and put into samples."""

from dataclasses import replace

import numpy as np
from sklearn.utils import check_array

from skae._categories import UNSEEN, Categories
from skae._cells import Fill
from skae._conditional import codes_given
from skae._engine.notice import warn
from skae._frames import frame_of, is_frame
from skae._hints import hinted
from skae._table_columns import FEW, check_names


def rows_given(vae, given, n_samples, prior, rng):
    """Rows of a VAE that have given cells, see `VAE.sample`."""
    if vae._perceptron.output.has_totals:
        raise ValueError(
            "given needs features that do not depend on each other given the code, but "
            "likelihood='categorical' divides a total among them: leave given out, and keep those "
            "samples that suit."
        )
    read = of_array if vae._table is None else of_table
    matrix, cells_of = read(vae, given)
    check_cells(matrix, n_samples)
    vae._check_values(matrix, "given", vae._perceptron.output)
    X = vae._drawn(codes_given(vae, matrix, n_samples, prior, rng), rng)
    X = np.where(np.isnan(matrix), X, matrix)
    if vae._table is None:
        return X
    X = vae._lacking(X, rng, never=cells_of)
    like = given if len(matrix) == n_samples else None
    return filled(vae._as_table(X, like, exact=True), vae._table, cells_of)


def check_cells(matrix, n_samples):
    """Refuse rows that are too few or many, and those with nothing given or nothing to draw."""
    if len(matrix) not in (1, n_samples):
        raise ValueError(
            f"given has {len(matrix)} rows, but n_samples={n_samples}: pass one row for all "
            f"samples, or set n_samples={len(matrix)} to draw one sample for each."
        )
    missing = np.isnan(matrix)
    if missing.all():
        raise ValueError("given has no value: leave it out, or give the value of some column.")
    if not missing.any():
        raise ValueError(
            "given has a value in every column, so that there is nothing to draw: leave out the "
            "columns to be drawn, or give missing values there."
        )


def of_array(vae, given):
    """Given cells of an array's rows, NaN in the others."""
    names = vars(vae).get("feature_names_in_")
    is_named = is_frame(given) and names is not None
    values = hinted(
        check_array,
        given,
        dtype=vae._state.weights.dtype,
        ensure_all_finite="allow-nan",
        ensure_min_features=0,
        estimator=vae,
        input_name="given",
    )
    if is_named:
        matrix = np.full((len(values), len(names)), np.nan, values.dtype)
        matrix[:, places_of(frame_of(given).names, names.tolist())] = values
        return matrix, {}
    if values.shape[1] != vae.n_features_in_:
        raise ValueError(
            f"given has {values.shape[1]} columns, but X had {vae.n_features_in_} in fit: pass as "
            "many, with NaN for the cells to be drawn."
        )
    return values, {}


def places_of(names, known):
    """Where columns were in `fit`; ValueError for others."""
    check_names(names, {})
    for name in names:
        if name not in known:
            raise ValueError(
                f"given has the column {name!r}, which fit did not see: leave it out, or name it "
                f"like one of {known}."
            )
    return [known.index(name) for name in names]


def of_table(vae, given):
    """The same for the rows of a table's matrix, and the cells by the place of their column."""
    table, of_frame = vae._table, vae._table._frame["library"] != "numpy"
    if of_frame != is_frame(given):
        kind = "a data frame with some of the columns" if of_frame else "an array with the columns"
        raise ValueError(
            f"given must be {kind} {table.columns_}, as in fit, but found {type(given).__name__}."
        )
    if not of_frame:
        given = of_array(vae, given)[0]
    frame = frame_of(given)
    matrix = np.full((len(given), table._n_columns), np.nan, vae._state.weights.dtype)
    cells_of = {}
    for its, place in enumerate(places_of(frame.names, table.columns_)):
        column, cells = table._columns[place], frame.cells(given, its)
        if not cells.missing.all():
            cells = column.like_fit(cells, frame.dtypes[its])
            block = matrix[:, table.blocks_[column.name]]
            block[:] = 0.0
            column.encoder.write(block, seen_in_fit(column, cells), "missing")
        cells_of[place] = cells
    return matrix, cells_of


def seen_in_fit(column, cells):
    """Cells with the nearest number that `fit` has seen; ValueError for other categories."""
    encoder = column.encoder
    if isinstance(encoder, Categories):
        refuse_unseen(column, cells)
        return cells
    nearest = np.clip(cells.values, encoder.lowest, encoder.greatest)
    beyond = cells.at(np.flatnonzero((nearest != cells.values) & ~cells.missing))
    if len(beyond.values):
        low, value, high = shown([encoder.lowest, beyond.values[0], encoder.greatest], cells)
        warn(
            f"Column {column.name!r} of given has {value}, but fit saw values from {low} to "
            f"{high}: the other columns are drawn as for the nearest of these."
        )
    return replace(cells, values=nearest)


def refuse_unseen(column, cells):
    levels, codes = cells.coded
    unseen = codes[column.encoder.codes(cells) == UNSEEN]
    if len(unseen):
        known = column.encoder.kept
        more = f", such as {', '.join(map(repr, known[:FEW]))}," if known else ""
        raise ValueError(
            f"Column {column.name!r} of given has {levels[unseen[0]]!r}, which fit did not see: "
            f"give a value that it saw{more} or leave the column out."
        )


def shown(values, cells):
    """Numbers as users know them; times are kept as integers."""
    kinds = {"datetimes": "M8", "durations": "m8"}
    if cells.family not in kinds:
        return values
    return [np.array(v).astype(f"{kinds[cells.family]}[{cells.unit}]") for v in values]


def filled(rows, table, cells_of):
    """Rows with cells put in, by the place of their column; a single one is for all rows."""
    fills = {}
    for place, cells in cells_of.items():
        if len(cells.missing) == 1:
            cells = cells.at(np.zeros(len(rows), dtype=int))
        encoder = table._columns[place].encoder
        levels = encoder.shown.tolist() if isinstance(encoder, Categories) else ()
        if not cells.missing.all():
            fills[place] = Fill(~cells.missing, cells.known, levels)
    return frame_of(rows).fill(rows, fills)
