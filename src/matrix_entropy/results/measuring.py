"""The measures that a data set asks for, taken of the rows of one text at one layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module

import numpy as np
from numpy.typing import NDArray

from matrix_entropy.maths.model_measures import of_model


def measuring(names: Sequence[str]) -> Callable[[NDArray[np.floating]], list[float]]:
    """A function from rows (tokens, width) of any floating type to the measures of these names.

    Each is an entry of `maths.measures.MEASURES`; those that take the model are passed over.
    """
    of_rows = [name for name in names if name not in of_model(names)]
    if not of_rows:
        return lambda rows: []
    # By its name: workflow/rules/spectra.smk counts the module among the code of a job only where
    # there are measures, so that a new one makes no spectra again that are without any.
    known = {each.name: each.of for each in import_module("matrix_entropy.maths.measures").MEASURES}
    asked = [known[name] for name in of_rows]

    def measured(rows: NDArray[np.floating]) -> list[float]:
        in_order = rows.astype(np.float64)
        return [of(in_order) for of in asked]

    return measured
