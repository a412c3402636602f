"""An axis of model sizes: logarithmic, with a tick at every model and labels that never overlap."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
from numpy.typing import ArrayLike

from matrix_entropy.figures.text import fitted
from matrix_entropy.results.model_words import count

LABEL_SIZE = 7.0  # points
LINE = 1.25 * LABEL_SIZE  # what a line of text takes
LETTER = 0.66 * LABEL_SIZE  # and a letter, about
LONGEST = 110.0  # points of a line of a label


def size_labels(values: pd.DataFrame) -> dict[float, str]:
    """A label for every number of parameters, in rising order.

    A model is labelled by the size in its name, a stand-in by its own number of parameters, since
    it is not of the size of the model that it stands for.
    """
    models = values.drop_duplicates("model").sort_values("parameters", kind="stable")
    return {
        float(model.parameters): (
            count(model.parameters) if model.stand_in else fitted(model.size, LONGEST, LABEL_SIZE)
        )
        for model in models[["parameters", "stand_in", "size"]].itertuples()
    }


def label_sizes(figure: Figure, axes: list[Axes], values: pd.DataFrame) -> None:
    """Make the abscissa that all panels share one of model sizes, labelled below ``axes``.

    Labels stand upright where they would not fit side by side, and those that still would overlap
    are left out, but neither the largest nor, if there is room for two, the smallest. Call it when
    all else is in the figure: it lays the panels out to learn their width.
    """
    label_columns(figure, [(axes, values)])


def label_columns(figure: Figure, columns: Sequence[tuple[list[Axes], pd.DataFrame]]) -> None:
    """Do it for columns of panels with an abscissa each, which takes no longer than for one."""
    labels_of = [size_labels(values) for _, values in columns]
    for (axes, values), labels in zip(columns, labels_of, strict=True):
        sizes = np.array(list(labels))
        first = axes[0]
        first.set_xscale("log")
        margin = (sizes[-1] / sizes[0]) ** 0.07 if len(sizes) > 1 else 2.0
        first.set_xlim(sizes[0] / margin, sizes[-1] * margin)
        first.set_xticks(sizes, list(labels.values()))
        first.xaxis.set_minor_locator(NullLocator())
        for axis in axes:
            axis.set_xlabel(
                "Parameters of the stand-ins" if values["stand_in"].all() else "Parameters"
            )
    _lay_out(figure)
    for (axes, _), labels in zip(columns, labels_of, strict=True):
        places = _places(figure, axes[0], list(labels))
        lines = [label.split("\n") for label in labels.values()]
        widths = np.array([max(map(len, of_label)) * LETTER for of_label in lines])
        upright = bool((np.diff(places) < (widths[1:] + widths[:-1]) / 2 + 2).any())
        kept = spread(places, LINE * max(map(len, lines))) if upright else set(range(len(labels)))
        axes[0].set_xticks(
            list(labels),
            [label if place in kept else "" for place, label in enumerate(labels.values())],
        )
        for axis in axes:
            axis.tick_params(axis="x", labelsize=LABEL_SIZE, labelrotation=90 if upright else 0)


def places_of(figure: Figure, axis: Axes, values: ArrayLike) -> list[float]:
    """Where on the page, in points from the left, the values of an abscissa stand."""
    _lay_out(figure)
    return _places(figure, axis, values)


def _lay_out(figure: Figure) -> None:
    """Place the panels as a drawing does before it draws them."""
    if engine := figure.get_layout_engine():
        engine.execute(figure)


def _places(figure: Figure, axis: Axes, values: ArrayLike) -> list[float]:
    values = np.asarray(values, dtype=np.float64)
    places = axis.transData.transform(np.column_stack((values, np.ones(len(values)))))[:, 0]
    return list(places / figure.dpi * 72)


def spread(places: list[float], gap: float) -> set[int]:
    """Which of the rising places to keep so that none is nearer than ``gap`` to another.

    The last comes first, then the first, then the others in their order.

    Examples
    --------
    >>> sorted(spread([0, 5, 10, 11, 20], 8))
    [0, 2, 4]
    """
    kept: set[int] = set()
    for number in dict.fromkeys((len(places) - 1, 0, *range(len(places)))):
        if all(abs(places[number] - places[other]) >= gap for other in kept):
            kept.add(number)
    return kept


def log_ordinate(axis: Axes) -> None:
    """A logarithmic ordinate with plain numbers, of which some stand in any range."""
    axis.set_yscale("log")
    low, high = axis.get_ylim()
    narrow = high < 8 * low  # a decade has too few of the round numbers then
    axis.yaxis.set_major_locator(
        MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]) if narrow else LogLocator(subs=(1, 2, 5))
    )
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.6g}"))
    axis.yaxis.set_minor_locator(NullLocator())
