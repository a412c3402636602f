"""One look for all figures, and files that are the same bytes on every rebuild."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")  # before pyplot: no figure job has a screen

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from matrix_entropy.base.files import write_csv, writing
from matrix_entropy.figures.fonts import FAMILY, families_for

# Blue and red lead, as in Liang 2024; the others from Okabe and Ito, made for colour-blind readers.
COLOURS = ("#0072B2", "#C1272D", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A5195", "#444444")
GREY = "#8A8A8A"
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<")

STYLE: Any = {
    "font.family": FAMILY,
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.5,
    "axes.axisbelow": True,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "lines.linewidth": 1.3,
    "figure.dpi": 100,
    "savefig.dpi": 200,
    "pdf.fonttype": 42,  # TrueType: text stays text, and journals accept it
}


def styled(*said: pd.DataFrame | str) -> None:
    """Set the project's style for a figure that says these words, those of tables among them.

    Scripts that the project's font lacks are drawn with fonts that have them.
    """
    plt.rcdefaults()
    families = families_for("".join(_words(said)))
    plt.rcParams.update(STYLE | {"font.family": families})
    # Told once, by `families_for`, not at every layout.
    warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)


def _words(said: Iterable[pd.DataFrame | str]) -> Iterator[str]:
    for part in said:
        if isinstance(part, str):
            yield part
        else:
            for _, column in part.items():
                if not pd.api.types.is_numeric_dtype(column):
                    yield from map(str, column.unique())


def colours(number: int) -> list[Any]:
    """So many colours: those of the house, or steps of a colour map where these do not suffice."""
    if number <= len(COLOURS):
        return list(COLOURS[:number])
    return [plt.get_cmap("viridis")(position) for position in np.linspace(0, 0.9, number)]


def looks(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """A colour and a marker for every different name, in the order of their appearance."""
    different = list(dict.fromkeys(names))
    return {
        name: {"color": colour, "marker": MARKERS[number % len(MARKERS)]}
        for number, (name, colour) in enumerate(
            zip(different, colours(len(different)), strict=True)
        )
    }


def save_figure(figure: Figure, numbers: pd.DataFrame, paths: Sequence[str | Path]) -> None:
    """Write a figure as PDF and PNG and the numbers that it draws as CSV.

    ``paths`` are told apart by their endings. No date or version goes into the files, so a rebuild
    from the same numbers gives the same bytes.
    """
    for path in map(Path, paths):
        if path.suffix == ".csv":
            write_csv(path, numbers)
            continue
        with writing(path) as temporary:
            if path.suffix == ".pdf":
                figure.savefig(temporary, metadata={"CreationDate": None, "Producer": None})
            else:
                figure.savefig(temporary, metadata={"Software": None})
    plt.close(figure)
