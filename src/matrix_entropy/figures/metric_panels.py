"""A panel for each of many metrics, and the line of the most that a metric can be."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from matrix_entropy.figures.size_axis import LABEL_SIZE
from matrix_entropy.figures.style import GREY

MOST_COLUMNS = 4
BOUND: dict[str, Any] = {"lw": 0.8, "color": GREY, "ls": (0, (1, 1.5))}


def metric_panels(count: int, abscissa: str) -> tuple[Figure, list[Axes]]:
    """A figure with so many panels of one abscissa, which is named below the lowest of a column."""
    columns = min(MOST_COLUMNS, count)
    lines = -(-count // columns)
    figure, axes = plt.subplots(
        lines,
        columns,
        figsize=(0.5 + 2.1 * columns, 1.2 + 1.65 * lines),
        sharex=True,
        squeeze=False,
        layout="constrained",
    )
    shown, hidden = list(axes.flat[:count]), axes.flat[count:]
    for number, axis in enumerate(shown):
        lowest = number + columns >= count
        axis.tick_params(axis="x", labelsize=LABEL_SIZE, labelbottom=lowest)
        if lowest:
            axis.set_xlabel(abscissa)
    for axis in hidden:
        axis.set_visible(False)
    return figure, shown
