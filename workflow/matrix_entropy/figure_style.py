"""One look for all figures, and files that are the same bytes on every rebuild."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")  # before pyplot: no figure job has a screen

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from matrix_entropy.files import writing

# Blue and red lead, as in Liang 2024; the others from Okabe and Ito, made for colour-blind readers.
COLOURS = ("#0072B2", "#C1272D", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A5195", "#444444")
GREY = "#8A8A8A"

STYLE: Any = {
    "font.family": "DejaVu Sans",
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


def styled() -> None:
    """Set the project's style for the figures that follow."""
    plt.rcdefaults()
    plt.rcParams.update(STYLE)


def save_figure(figure: Figure, numbers: pd.DataFrame, paths: Sequence[str | Path]) -> None:
    """Write a figure as PDF and PNG and the numbers that it draws as CSV.

    ``paths`` are told apart by their endings. No date or version goes into the files, so a rebuild
    from the same numbers gives the same bytes.
    """
    for path in map(Path, paths):
        with writing(path) as temporary:
            if path.suffix == ".csv":
                numbers.to_csv(temporary, index=False, float_format="%.10g", lineterminator="\n")
            elif path.suffix == ".pdf":
                figure.savefig(temporary, metadata={"CreationDate": None, "Producer": None})
            else:
                figure.savefig(temporary, metadata={"Software": None})
    plt.close(figure)
