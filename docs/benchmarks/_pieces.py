"""Pieces of a benchmark, each measured once and kept when it is done."""

import warnings

from _report import processor_in_full


def measure_lacking(records, pieces):
    """Measure the pieces that have no record yet, pairs of a key and a function, and keep each."""
    for key, measure in pieces:
        if records.lacks(key):
            try:
                figures = quietly(measure)
            except ImportError as failure:
                print(f"{key}: left out: {failure}", flush=True)
            else:
                records.keep(key, {"processor": processor_in_full(), **rounded(figures)})
                print(key, records.known[key], flush=True)


def quietly(function):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of fits that have not converged, and of other libraries
        return function()


def rounded(figures):
    return {name: round(figure, 4) for name, figure in figures.items()}
