"""Trained models against the same architectures with fresh weights, and Diff-eRank.

Diff-eRank (Wei et al., NeurIPS 2024) of a data set is the effective rank ``exp(mean H)`` of the
untrained model minus that of the trained one: the authors' code takes the mean of the entropies
before the exponential. The same difference of ``mean(exp H)`` is drawn beside it.
"""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from matrix_entropy.base.errors import InputError
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
from matrix_entropy.figures.numbers import in_order
from matrix_entropy.figures.size_axis import label_sizes
from matrix_entropy.figures.style import GREY, looks, styled
from matrix_entropy.figures.text import drawn_with, frame_figure, head_panel, plain
from matrix_entropy.results.model_values import with_originals

TRAINED = "trained"
HALF: dict[str, Any] = DOT | {"fillstyle": "left", "markerfacecoloralt": "white"}
DOTTED = (0, (1, 1.2))
ENDS = ("", "_low", "_high")
RANKS = {"effective_rank_geometric": "rank", "effective_rank": "mean_rank"}


def make(figure: dict[str, Any], runs: Runs) -> Drawing:
    """Models against their own architectures with fresh weights."""
    values = with_originals(runs.values(), runs.models)
    values = values[values["dataset"] == figure.get("group", figure["dataset"])]
    numbers = untrained_numbers(values)
    start = f"fresh weights are {drawn_with(runs.fresh_starts())}"
    return Drawing(draw_untrained(numbers, *runs.captions(figure, values, start)), numbers)


def untrained_numbers(values: pd.DataFrame) -> pd.DataFrame:
    """The numbers that the figure draws: one row per model and data set, in order of size.

    Variants of the values are "trained" and one for every seed of fresh weights. Columns ``rank_``
    are of ``exp(mean H)``, columns ``mean_rank_`` of ``mean(exp H)``: ``trained``; ``untrained``,
    ``untrained_low`` and ``untrained_high``, mean and range over the ``seeds``, and
    ``untrained_std``, their standard deviation (ddof 1); ``diff`` with ``diff_low`` and
    ``diff_high``, these minus ``trained``: Diff-eRank. Data sets on which no untrained model ran
    are left out. Of a single model, ``trained_low`` and ``trained_high`` are the 95 % interval
    over texts.

    Raises
    ------
    InputError
        If there is no untrained model at all.
    """
    trained = values[values["variant"] == TRAINED]
    untrained = values[values["variant"] != TRAINED]
    if untrained.empty:
        raise InputError("no untrained model to compare with; add `seeds:` to the figure.")
    key = ["model", "dataset"]
    numbers = trained[
        [
            *("model", "family", "size", "parameters", "width", "stand_in", "weights"),
            *("dataset", "dataset_title", "texts", "undefined", "tokens_mean"),
        ]
    ]
    seeds = untrained.groupby(key).size().rename("seeds").reset_index()
    numbers = numbers.merge(seeds, on=key)
    alone = is_one_model(trained)
    if alone:
        trained = with_intervals(trained)
    for column, name in RANKS.items():
        over_seeds = untrained.groupby(key)[column].agg(["mean", "min", "max", "std"])
        over_seeds.columns = [f"{name}_untrained{end}" for end in (*ENDS, "_std")]
        own = trained[[*key, column, *(ends_of(column) if alone else [])]]
        own.columns = [*key, *(f"{name}_trained{end}" for end in ENDS[: len(own.columns) - 2])]
        numbers = numbers.merge(own, on=key).merge(over_seeds.reset_index(), on=key)
        for end in ENDS:
            difference = numbers[f"{name}_untrained{end}"] - numbers[f"{name}_trained"]
            numbers[f"{name}_diff{end}"] = difference
    return in_order(numbers, ["dataset", "family", "parameters"])


def draw_untrained(numbers: pd.DataFrame, title: str, subtitle: str) -> Figure:
    """Draw the numbers of `untrained_numbers`: a column per data set, ranks above Diff-eRank."""
    styled(numbers, title, subtitle)
    if is_one_model(numbers):
        return _draw_one_model(numbers, title, subtitle)
    datasets = list(dict.fromkeys(numbers["dataset"]))
    families = looks(numbers["family"])
    figure, axes = plt.subplots(
        2,
        len(datasets),
        figsize=(max(5.2, 0.6 + 2.6 * len(datasets)), 6.0),
        sharex=True,
        sharey="row",
        squeeze=False,
        layout="constrained",
    )
    for (top, bottom), dataset in zip(axes.T, datasets, strict=True):
        part = numbers[numbers["dataset"] == dataset]
        head_panel(top, part["dataset_title"].iloc[0], [])
        bottom.axhline(0, color=GREY, lw=0.6)
        for family, look in families.items():
            curve = part[part["family"] == family]
            top.plot(curve["parameters"], curve["rank_trained"], ms=4, **look)
            _with_range(top, curve, "rank_untrained", mfc="white", ls=(0, (4, 2)), **look)
            _with_range(
                bottom, curve, "rank_diff", fillstyle="left", markerfacecoloralt="white", **look
            )
            _with_range(bottom, curve, "mean_rank_diff", mfc="white", ls=DOTTED, **look)
    axes[0][0].set_ylabel("Effective rank exp(mean entropy)")
    axes[1][0].set_ylabel("Diff-eRank: untrained − trained")
    frame_figure(figure, title, subtitle, _handles(families, numbers))
    label_sizes(figure, list(axes[-1]), numbers)
    return figure


def _draw_one_model(numbers: pd.DataFrame, title: str, subtitle: str) -> Figure:
    """The same of one model: a row per data set, ranks beside Diff-eRank."""
    figure, axes = plt.subplots(
        len(numbers),
        2,
        figsize=(7.2, 1.5 + 1.0 * len(numbers)),
        sharex="col",
        squeeze=False,
        layout="constrained",
    )
    for (left, right), (_, row) in zip(axes, numbers.groupby("dataset", sort=False), strict=True):
        for place, name in enumerate(RANKS.values()):
            draw_dots(left, [-place], row, f"{name}_trained", **DOT)
            draw_dots(left, [-place], row, f"{name}_untrained", **HOLLOW)
            draw_dots(right, [-place], row, f"{name}_diff", **HALF)
        for axis in (left, right):
            name_rows(axis, ["exp(mean H)", "mean of exp H"])
        right.tick_params(labelleft=False)
        right.axvline(0, color=GREY, lw=0.9)
        head_panel(left, row["dataset_title"].iloc[0], [])
    left.set_xlim(left=0)
    left.set_xlabel("Effective rank")
    right.set_xlabel("Diff-eRank: untrained − trained")
    handles = [
        dot("trained, 95 % interval over texts"),
        dot(f"untrained, {_over(numbers)}", **HOLLOW),
        dot("Diff-eRank, of the same seeds", **HALF),
    ]
    frame_figure(figure, title, subtitle, handles)
    return figure


def _with_range(axis: Axes, curve: pd.DataFrame, name: str, **look: Any) -> None:
    """A curve with a bar from the lowest to the highest seed at every size."""
    mean = curve[name]
    ends = [mean - curve[f"{name}_low"], curve[f"{name}_high"] - mean]
    axis.errorbar(curve["parameters"], mean, ends, ms=4, elinewidth=0.9, capsize=2, **look)


def _over(numbers: pd.DataFrame) -> str:
    seeds = int(numbers["seeds"].max())
    return "1 seed" if seeds == 1 else f"mean and range of {seeds} seeds"


def _handles(families: dict[str, dict[str, Any]], numbers: pd.DataFrame) -> list[Line2D]:
    first: dict[str, Any] = {"marker": "o", "ms": 4, "color": GREY}
    if len(families) == 1:
        first = {"ms": 4, **next(iter(families.values()))}
    over = _over(numbers)
    named = families if len(families) > 1 else {}
    return [
        *(Line2D([], [], ls="", ms=4, label=plain(name), **look) for name, look in named.items()),
        Line2D([], [], label="trained", **first),
        Line2D([], [], ls=(0, (4, 2)), mfc="white", label=f"untrained, {over}", **first),
        Line2D(
            [],
            [],
            fillstyle="left",
            markerfacecoloralt="white",
            label="Diff-eRank of exp(mean $H$)",
            **first,
        ),
        Line2D([], [], ls=DOTTED, mfc="white", label="the same of mean(exp $H$)", **first),
    ]
