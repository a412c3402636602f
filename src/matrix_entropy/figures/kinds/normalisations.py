"""Three ways to make one number of a data set's entropies: Wei et al. 2024, Figure 5.

(a) mean of ``H / log d``, (b) ``exp(mean H) / d``, (c) ``mean(exp H) / d``. All three divide by the
width; beside them stand the ranks that are not divided, and in each the null of one constant rank.
"""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from matrix_entropy.figures.drawing import Drawing, Runs
from matrix_entropy.figures.kinds.one_model import (
    DOT,
    HOLLOW,
    dot,
    draw_dots,
    ends_of,
    is_one_model,
    name_rows,
    with_intervals,
)
from matrix_entropy.figures.numbers import null_of, require_entropy
from matrix_entropy.figures.size_axis import label_sizes, log_ordinate
from matrix_entropy.figures.style import GREY, looks, styled
from matrix_entropy.figures.text import frame_figure, plain
from matrix_entropy.maths.entropy import normalised

Looks = dict[str, dict[str, Any]]

UNITS = (
    *("Matrix entropy / log $d$", "Effective rank / $d$", "Effective rank / $d$"),
    "Effective rank",
)
ASIDE = 0.13  # of two values in one row
DASHED, DOTTED = (0, (4, 2)), (0, (1, 1.2))
PANELS = {
    "entropy_a": "(a) mean of $H$ / log $d$",
    "entropy_b": "(b) exp(mean $H$) / $d$",
    "entropy_c": "(c) mean of exp $H$ / $d$",
    "effective_rank_geometric": "Effective rank: not divided",
}


def make(figure: dict[str, Any], runs: Runs) -> Drawing:
    """The three ways of making one number of a data set."""
    values = runs.values()
    numbers = normalisations_numbers(values)
    return Drawing(draw_normalisations(numbers, *runs.captions(figure, values)), numbers)


def normalisations_numbers(values: pd.DataFrame) -> pd.DataFrame:
    """The numbers that the figure draws: one row per model and data set, in order of size.

    ``null_entropy_a``, ``null_entropy_b`` and ``null_effective_rank_geometric`` are what the best
    constant effective rank predicts (`constant_rank_null` of ``H / log d``); ``null_entropy_c`` is
    that of a constant ``mean(exp H)``, fitted in the same way to its logarithm. NaN with fewer than
    three models. Of a single one there are the intervals of
    `figures.kinds.one_model.with_intervals`, too.

    Raises
    ------
    InputError
        If there is no entropy to draw.
    """
    require_entropy(values)
    intervals = []
    if is_one_model(values):
        values, intervals = with_intervals(values), ends_of(*PANELS, "effective_rank")
    columns = [
        *("model", "family", "size", "parameters", "width", "stand_in", "weights"),
        *("dataset", "dataset_title", "texts", "undefined"),
        *("entropy_a", "entropy_b", "entropy_c", "effective_rank_geometric", "effective_rank"),
        *intervals,
    ]
    parts = []
    for _, part in values[columns].groupby(["dataset", "family"], sort=False):
        width = part["width"]
        rank = _constant_rank(part["entropy_a"], width)
        mean_rank = _constant_rank(normalised(np.log(part["effective_rank"]), width), width)
        parts.append(
            part.assign(
                null_entropy_a=normalised(np.log(rank), width),
                null_entropy_b=rank / width,
                null_entropy_c=mean_rank / width,
                null_effective_rank_geometric=rank,
            ).sort_values("parameters", kind="stable")
        )
    return pd.concat(parts, ignore_index=True)


def _constant_rank(entropy: pd.Series, width: pd.Series) -> float:
    null = null_of(entropy, width)
    return float("nan") if null is None else null.effective_rank


def draw_normalisations(numbers: pd.DataFrame, title: str, subtitle: str) -> Figure:
    """Draw the numbers of `normalisations_numbers`: a panel for each way, one for the ranks."""
    styled(numbers, title, subtitle)
    if is_one_model(numbers):
        return _draw_one_model(numbers, title, subtitle)
    datasets, families = looks(numbers["dataset_title"]), looks(numbers["family"])
    figure, grid = plt.subplots(2, 2, figsize=(7.2, 6.2), sharex=True, layout="constrained")
    for axis, (name, heading) in zip(grid.ravel(), PANELS.items(), strict=True):
        for (dataset, family), curve in numbers.groupby(["dataset_title", "family"], sort=False):
            look = datasets[dataset]
            if len(families) > 1:  # which the markers tell apart then
                look = {**look, "marker": families[family]["marker"]}
            _draw(axis, curve, name, look)
        axis.set_title(heading, loc="left", fontweight="bold")
        if name != "entropy_a":
            log_ordinate(axis)
    for axis, words in zip(grid.ravel(), UNITS, strict=True):
        axis.set_ylabel(words)
    frame_figure(
        figure, title, subtitle, _handles(numbers, datasets, families), max(len(datasets), 3)
    )
    label_sizes(figure, list(grid[-1]), numbers)
    return figure


def _draw_one_model(numbers: pd.DataFrame, title: str, subtitle: str) -> Figure:
    """The same of one model: data sets below one another, with the intervals of their means."""
    rows = len(numbers)
    figure, grid = plt.subplots(
        2, 2, figsize=(7.2, 2.8 + 2 * 0.28 * rows), sharey=True, layout="constrained"
    )
    places = np.arange(0.0, -rows, -1.0)
    for axis, (name, heading), words in zip(grid.ravel(), PANELS.items(), UNITS, strict=True):
        aside = ASIDE if name == "effective_rank_geometric" else 0.0
        draw_dots(axis, places + aside, numbers, name, **DOT)
        if aside:
            draw_dots(axis, places - aside, numbers, "effective_rank", **HOLLOW)
        axis.set_title(heading, loc="left", fontweight="bold")
        axis.set_xlabel(words)
    name_rows(grid[0][0], list(numbers["dataset_title"]))
    ranks = [dot("exp(mean $H$)"), dot("mean of exp $H$", **HOLLOW)]
    frame_figure(figure, title, f"{subtitle}; bars: 95 % intervals of means over texts", ranks)
    return figure


def _draw(axis: Axes, curve: pd.DataFrame, name: str, look: dict[str, Any]) -> None:
    axis.plot(curve["parameters"], curve[name], lw=1.1, ms=3.6, **look)
    if name == "effective_rank_geometric":
        mean = curve["effective_rank"]
        axis.plot(curve["parameters"], mean, lw=0.9, ms=3.6, ls=DOTTED, mfc="none", **look)
    null = curve[f"null_{name}"]
    axis.plot(curve["parameters"], null, lw=0.8, ls=DASHED, color=look["color"])


def _handles(numbers: pd.DataFrame, datasets: Looks, families: Looks) -> list[Line2D]:
    several = len(families) > 1
    hidden = {"marker": None} if several else {}
    handles = [
        Line2D([], [], lw=1.1, ms=3.6, label=plain(name), **{**look, **hidden})
        for name, look in datasets.items()
    ]
    if several:
        handles += [
            Line2D([], [], ls="", ms=3.6, label=plain(name), **{**look, "color": GREY})
            for name, look in families.items()
        ]
    if numbers["null_entropy_a"].notna().any():
        null = "null: one constant effective rank"
        handles.append(Line2D([], [], color=GREY, lw=0.8, ls=DASHED, label=null))
    rank: dict[str, Any] = {"color": GREY, "marker": "o", "ms": 3.6}
    return [
        *handles,
        Line2D([], [], lw=1.1, label="rank: exp(mean $H$)", **rank),
        Line2D([], [], lw=0.9, ls=DOTTED, mfc="none", label="rank: mean of exp $H$", **rank),
    ]
