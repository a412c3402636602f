"""Which rows of every text its spectra count, view by view; `results.spectra_file` names them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from matrix_entropy.results.asked_views import ALL_ROWS, FIRST

# Below this many rows a spectrum says little; a shorter text has no equal-length spectrum.
FEWEST_EQUAL_ROWS = 16


def equal_lengths(
    groups: Sequence[str] | NDArray[np.str_],
    lengths: NDArray[np.int64],
    panels: Sequence[Sequence[str]],
) -> NDArray[np.int64]:
    """Rows that each text keeps when all texts of its panel are cut to the same number.

    The shortest text of a panel gives the number, but never less than `FEWEST_EQUAL_ROWS`; a text
    shorter than that, or in no panel, gets 0.
    """
    cut = np.zeros_like(lengths)
    for members in panels:
        inside = np.isin(groups, members) & (cut == 0)
        if inside.any():
            shared = max(FEWEST_EQUAL_ROWS, int(lengths[inside].min()))
            cut[inside & (lengths >= shared)] = shared
    return cut


class View(NamedTuple):
    """Which rows of every text are counted: from one row to another, with long ones or without."""

    first: int
    ends: NDArray[np.int64]  # (T,): behind the last row of each; 0 of a text without such a view
    without_long: bool = False

    def rows(self, text: int) -> slice:
        """Those of one text."""
        return slice(self.first, int(self.ends[text]))

    @property
    def most(self) -> NDArray[np.int64]:
        """(T,): how many they are, long ones counted."""
        return np.maximum(self.ends - self.first, 0)


def views_of(
    groups: Sequence[str] | NDArray[np.str_],
    lengths: NDArray[np.int64],
    controls: Sequence[str],
    panels: Sequence[Sequence[str]] | None,
    cuts: Sequence[int] = (),
) -> dict[str, View]:
    """What each view counts of every text: all rows, those of the controls, the first so many.

    Parameters
    ----------
    groups, lengths
        Of every text.
    controls : sequence of str
        Names of views, as above.
    panels : sequence of sequences of str, optional
        Groups compared with each other; None compares all.
    cuts : sequence of int
        Numbers of first rows; a shorter text has no such view.
    """
    if panels is None:
        panels = [sorted(set(groups))]
    equal = equal_lengths(groups, lengths, panels)
    known = {
        ALL_ROWS: View(0, lengths),
        "without_first_row": View(1, lengths),
        "equal_length": View(0, equal),
        "without_long_rows": View(0, lengths, without_long=True),
        "equal_length_without_long_rows": View(0, equal, without_long=True),
    }
    views = {name: known[name] for name in (ALL_ROWS, *controls)}
    for cut in cuts:
        views[f"{FIRST}{cut}"] = View(0, np.where(lengths >= cut, cut, 0))
    return views
