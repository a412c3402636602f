"""Entropy of texts whose sentences are shuffled or reversed: Wei et al. 2024, Figure 3.

The changes are of the order of a thousandth, which the curves themselves do not show; so the mean
difference, text by text, stands beside them with its standard error. So does the effective rank,
the same entropy without the division by ``log d``, and in both the null of one constant rank.
"""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from matrix_entropy.base.errors import InputError
from matrix_entropy.figures.drawing import Drawing, Runs
from matrix_entropy.figures.kinds.one_model import (
    DOT,
    MEAN_WITH_INTERVAL,
    dot,
    draw_dots,
    ends_of,
    is_one_model,
    name_rows,
    with_intervals,
)
from matrix_entropy.figures.numbers import in_order, with_null
from matrix_entropy.figures.size_axis import label_sizes
from matrix_entropy.figures.style import GREY, looks, styled
from matrix_entropy.figures.text import frame_figure, head_panel, label_ordinate, plain
from matrix_entropy.results.model_values import paired_differences

SCALE = 1e3  # differences are drawn in thousandths
DIFFERENCE = ("difference", *ends_of("difference"))
NULL_LINE: Any = {"color": GREY, "lw": 0.9, "ls": (0, (4, 2))}
LINES = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (4, 1.5, 1, 1.5)))


def make(figure: dict[str, Any], runs: Runs) -> Drawing:
    """The variants of a data set, each against the first."""
    values = runs.values()
    base = values.loc[values["order"].idxmin(), "variant"]
    values = values.merge(paired_differences(runs.metrics, base), on=["model", "variant"])
    numbers = operations_numbers(values)
    return Drawing(draw_operations(numbers, *runs.captions(figure, values)), numbers)


def operations_numbers(values: pd.DataFrame) -> pd.DataFrame:
    """The numbers that the figure draws: one row per model, data set and variant.

    ``difference`` and ``difference_sem`` are the mean of the paired differences of ``H / log d``
    to the first variant and its standard error, as the values hold them. ``null_entropy_a`` and
    ``null_effective_rank`` are what one constant effective rank for all models of the family
    predicts, fitted to the first variant: ``c / log d`` and ``exp(c)``; NaN where it has no fit. Of
    a single model there are the intervals of `figures.kinds.one_model.with_intervals`, too.

    Raises
    ------
    InputError
        If there is only one variant.
    """
    if values["variant"].nunique() < 2:
        raise InputError(
            f"there is nothing to compare '{values['variant'].iloc[0]}' with; add another way of "
            "changing the texts to `changes:` of the data set."
        )
    intervals = ["entropy_a", "effective_rank_geometric", "difference"]
    if is_one_model(values):
        values, intervals = with_intervals(values), ends_of(*intervals)
    else:
        intervals = []
    columns = [
        *("model", "family", "size", "parameters", "width", "stand_in", "weights"),
        *("dataset", "dataset_title", "variant", "order", "texts", "undefined", "tokens_mean"),
        *("entropy_a", "effective_rank_geometric", "difference", "difference_sem", *intervals),
    ]
    numbers = in_order(values[columns], ["dataset", "family", "order", "parameters"])
    first = numbers["order"] == numbers["order"].min()
    parts = [
        with_null(part, part[first.loc[part.index]])
        for _, part in numbers.groupby(["dataset", "family"], sort=False)
    ]
    return pd.concat(parts, ignore_index=True)


def draw_operations(numbers: pd.DataFrame, title: str, subtitle: str) -> Figure:
    """Draw the numbers of `operations_numbers`: a row per data set.

    The normalised entropy, the effective rank and the differences stand side by side.
    """
    styled(numbers, title, subtitle)
    if is_one_model(numbers):
        return _draw_one_model(numbers, title, subtitle)
    datasets = list(dict.fromkeys(numbers["dataset"]))
    variants = looks(numbers.sort_values("order", kind="stable")["variant"])
    base = next(iter(variants))
    families = list(dict.fromkeys(numbers["family"]))
    figure, axes = plt.subplots(
        len(datasets),
        3,
        figsize=(9.0, 1.2 + 2.4 * len(datasets)),
        sharex=True,
        squeeze=False,
        layout="constrained",
    )
    for (left, middle, right), dataset in zip(axes, datasets, strict=True):
        part = numbers[numbers["dataset"] == dataset]
        for (family, variant), curve in part.groupby(["family", "variant"], sort=False):
            look = _look(variants, families, variant, family)
            left.plot(curve["parameters"], curve["entropy_a"], **look)
            middle.plot(curve["parameters"], curve["effective_rank_geometric"], **look)
            if variant != base:
                right.errorbar(
                    curve["parameters"] * _aside(numbers, list(variants).index(variant)),
                    SCALE * curve["difference"],
                    SCALE * curve["difference_sem"],
                    elinewidth=0.9,
                    capsize=2,
                    **look,
                )
        for _, curve in part[part["variant"] == base].groupby("family", sort=False):
            left.plot(curve["parameters"], curve["null_entropy_a"], **NULL_LINE)
            middle.plot(curve["parameters"], curve["null_effective_rank"], **NULL_LINE)
        right.axhline(0, color=variants[base]["color"], lw=0.9)
        left.set_ylabel("Matrix entropy / log $d$")
        middle.set_ylabel("Effective rank\nexp(mean entropy)")
        label_ordinate(right, f"Difference to “{base}”", "in $10^{-3}$, mean ± standard error")
        head_panel(left, part["dataset_title"].iloc[0], [])
        head_panel(right, "Paired differences", [])
    frame_figure(figure, title, subtitle, _handles(numbers, variants, families))
    label_sizes(figure, list(axes[-1]), numbers)
    return figure


def _draw_one_model(numbers: pd.DataFrame, title: str, subtitle: str) -> Figure:
    """The same of one model: variants below one another, with the intervals of their means."""
    datasets, base = list(dict.fromkeys(numbers["dataset"])), numbers["variant"].iloc[0]
    rows = numbers["variant"].nunique()
    figure, axes = plt.subplots(
        len(datasets),
        3,
        figsize=(8.6, 1.4 + len(datasets) * (0.7 + 0.28 * rows)),
        sharex="col",
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for (left, middle, right), dataset in zip(axes, datasets, strict=True):
        part = numbers[numbers["dataset"] == dataset]
        places = [-place for place in range(len(part))]
        draw_dots(left, places, part, "entropy_a", **DOT)
        draw_dots(middle, places, part, "effective_rank_geometric", **DOT)
        scaled = part.assign(**{name: SCALE * part[name] for name in DIFFERENCE})
        others = (scaled["variant"] != base).to_numpy()
        right.axvline(0, color=GREY, lw=0.9)
        draw_dots(right, np.array(places)[others], scaled[others], "difference", **DOT)
        name_rows(left, list(part["variant"]))
        head_panel(left, part["dataset_title"].iloc[0], [])
        head_panel(right, "Paired differences", [])
    left.set_xlabel("Matrix entropy / log $d$")
    middle.set_xlabel("Effective rank exp(mean entropy)")
    right.set_xlabel(f"Difference to “{base}”, $10^{{-3}}$")
    frame_figure(figure, title, subtitle, [dot(MEAN_WITH_INTERVAL)])
    return figure


def _look(
    variants: dict[str, dict[str, Any]], families: list[str], variant: str, family: str
) -> dict[str, Any]:
    """Hollow markers of several shapes, which do not hide one another where values agree."""
    return {
        **variants[variant],
        "ls": LINES[families.index(family) % len(LINES)],
        "lw": 1.0,
        "ms": 4.5,
        "mfc": "none",
    }


def _aside(numbers: pd.DataFrame, place: int) -> float:
    """Factor that moves a variant a little along the abscissa, so that bars stand side by side."""
    span = numbers["parameters"].max() / numbers["parameters"].min()
    middle = numbers["variant"].nunique() / 2
    return float(max(span, 2) ** (0.012 * (place - middle)))


def _handles(
    numbers: pd.DataFrame, variants: dict[str, dict[str, Any]], families: list[str]
) -> list[Line2D]:
    handles = [
        Line2D([], [], label=plain(variant), **_look(variants, families, variant, families[0]))
        for variant in variants
    ]
    if len(families) > 1:
        handles += [
            Line2D(
                [], [], color="black", lw=1.0, ls=LINES[number % len(LINES)], label=plain(family)
            )
            for number, family in enumerate(families)
        ]
    if numbers["null_entropy_a"].notna().any():
        base = plain(next(iter(variants)))
        label = f"null: one constant effective rank, fitted to “{base}”"
        handles.append(Line2D([], [], label=label, **NULL_LINE))
    return handles
