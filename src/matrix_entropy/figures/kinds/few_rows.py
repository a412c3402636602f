"""Metrics of the same texts cut to their first rows: what few rows do to each of them.

A metric that grows with the rows kept compares texts of several lengths, or models with other
tokenizers, by how many rows they have. Fresh weights have learned nothing: what their curve shows
is the metric's own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from matrix_entropy.figures.drawing import Drawing, Runs
from matrix_entropy.figures.kinds.untrained import TRAINED
from matrix_entropy.figures.metric_panels import BOUND, metric_panels
from matrix_entropy.figures.numbers import in_order, require_entropy
from matrix_entropy.figures.size_axis import LETTER, log_ordinate, places_of, spread
from matrix_entropy.figures.style import GREY, looks, styled
from matrix_entropy.figures.text import drawn_with, frame_figure, head_panel, plain
from matrix_entropy.maths.units import NATS, NUCLEAR, RANK, SHARE, Unit
from matrix_entropy.results.columns import of_spectra
from matrix_entropy.results.model_values import cut_values, with_originals

KEYS = ["model", "rows", "metric"]
# Of the summaries, what every run has: its column, unit and what it is called here.
ALWAYS = {
    "matrix_entropy": (NATS, "Matrix entropy (nats)"),
    "entropy_a": (SHARE, "Matrix entropy / log d"),
    "effective_rank": (RANK, "Effective rank"),
}
# What a unit allows for so many directions, and a width.
MOST: dict[Unit, Callable[[Any, Any], Any]] = {
    NATS: lambda directions, width: np.log(directions),
    SHARE: lambda directions, width: np.log(directions) / np.log(width),
    RANK: lambda directions, width: directions,
    NUCLEAR: lambda directions, width: np.sqrt(directions),
}
FRESH: dict[str, Any] = {"ls": (0, (4, 2)), "mfc": "white"}


def make(figure: dict[str, Any], runs: Runs) -> Drawing:
    """The figure of models on one data set with ``lengths:``."""
    values = with_originals(runs.values(view=None), runs.models)
    cut = cut_values(values).rename(columns={"order": "rows"}).assign(source=values["variant"])
    require_entropy(cut)
    numbers = few_row_numbers(cut)
    start = f"fresh weights are {drawn_with(runs.fresh_starts())}"
    shown = cut[cut["source"] == TRAINED]
    return Drawing(draw_few_rows(numbers, *runs.captions(figure, shown, start)), numbers)


def known_metrics() -> dict[str, tuple[Unit, str]]:
    """By column of a summary, the unit of a metric and what it is called."""
    more = {each.name: (each.unit, each.heading) for each in of_spectra()}
    return ALWAYS | more


def few_row_numbers(values: pd.DataFrame) -> pd.DataFrame:
    """The numbers that the figure draws: one row per model, metric and number of rows kept.

    ``trained``; ``untrained`` with ``untrained_low`` and ``untrained_high``, mean and range over
    the ``seeds``; ``bound``, the most that so many rows can have, where the unit says it. Columns
    ``..._share`` are these divided by the value of the most rows: 1 where few rows change nothing.

    Parameters
    ----------
    values : DataFrame
        Means over texts, with ``rows`` (kept), ``source`` ("trained", or a seed) and a column per
        metric.
    """
    metrics = [name for name in known_metrics() if name in values]
    about = ["model", "model_title", "width", "texts", "stand_in"]
    tall = values.melt(
        ["model", "rows", "source"], metrics, var_name="metric", value_name="value"
    ).dropna(subset="value")
    own = tall[tall["source"] == TRAINED].rename(columns={"value": "trained"})
    fresh = tall[tall["source"] != TRAINED].groupby(KEYS, sort=False)["value"]
    fresh_numbers = fresh.agg(
        untrained="mean", untrained_low="min", untrained_high="max", seeds="size"
    )
    models = values.loc[values["source"] == TRAINED, about].drop_duplicates("model")
    found = own.drop(columns="source").merge(fresh_numbers.reset_index(), on=KEYS)
    found = found.merge(models, on="model")
    directions = np.minimum(found["rows"] - 1, found["width"])
    units = found["metric"].map({name: unit for name, (unit, _) in known_metrics().items()})
    found["bound"] = [
        MOST[unit](most, width) if unit in MOST and metric != "entropy_attained" else np.nan
        for unit, metric, most, width in zip(
            units, found["metric"], directions, found["width"], strict=True
        )
    ]
    found = in_order(found, ["metric", "model", "rows"])
    last = found.groupby(["model", "metric"])[["trained", "untrained"]].transform("last")
    for name in ("trained", "untrained"):
        found[f"{name}_share"] = found[name] / last[name]
    return found


def draw_few_rows(numbers: pd.DataFrame, title: str, subtitle: str) -> Figure:
    """Draw the numbers of `few_row_numbers`: a panel per metric."""
    styled(numbers, title, subtitle)
    metrics, models = list(dict.fromkeys(numbers["metric"])), looks(numbers["model_title"])
    figure, axes = metric_panels(len(metrics), "First rows kept")
    known = known_metrics()
    for axis, metric in zip(axes, metrics, strict=True):
        part = numbers[numbers["metric"] == metric]
        for name, look in models.items():
            _draw(axis, part[part["model_title"] == name], look)
        head_panel(axis, known[metric][1], [])
        if known[metric][0] not in (NATS, SHARE) and part["trained"].min() > 0:
            log_ordinate(axis)
    frame_figure(figure, title, subtitle, _handles(models), max(len(models), 3))
    _label_rows(figure, axes[0], sorted(set(numbers["rows"])))
    return figure


def _draw(axis: Axes, curve: pd.DataFrame, look: dict[str, Any]) -> None:
    axis.plot(curve["rows"], curve["bound"], **BOUND)
    axis.plot(curve["rows"], curve["trained"], ms=3, lw=1.2, **look)
    mean = curve["untrained"]
    ends = [mean - curve["untrained_low"], curve["untrained_high"] - mean]
    axis.errorbar(curve["rows"], mean, ends, ms=3, lw=0.9, elinewidth=0.7, **look, **FRESH)


def _label_rows(figure: Figure, axis: Axes, rows: list[int]) -> None:
    axis.set_xscale("log", base=2)
    axis.xaxis.set_minor_locator(NullLocator())
    axis.set_xticks(rows, map(str, rows))
    kept = spread(places_of(figure, axis, rows), len(str(rows[-1])) * LETTER + 3)
    axis.set_xticks(rows, [str(row) if at in kept else "" for at, row in enumerate(rows)])


def _handles(models: dict[str, dict[str, Any]]) -> list[Line2D]:
    first: dict[str, Any] = {"ms": 3, "color": GREY, "marker": "o"}
    return [
        *(Line2D([], [], ms=3, label=plain(name), **look) for name, look in models.items()),
        Line2D([], [], label="trained", **first),
        Line2D([], [], label="fresh weights, mean and range of seeds", **first, **FRESH),
        Line2D([], [], label="most that min(N − 1, d) directions have", **BOUND),
    ]
