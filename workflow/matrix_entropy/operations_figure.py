"""Entropy of texts whose sentences are shuffled or reversed: Wei et al. 2024, Figure 3.

The changes are of the order of a thousandth, which the curves themselves do not show; so the mean
difference, text by text, stands beside them with its standard error.
"""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from matrix_entropy.errors import InputError
from matrix_entropy.figure_numbers import in_order
from matrix_entropy.figure_style import GREY, looks, styled
from matrix_entropy.figure_text import frame_figure, head_panel
from matrix_entropy.size_axis import label_sizes

SCALE = 1e3  # differences are drawn in thousandths
LINES = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (4, 1.5, 1, 1.5)))


def operations_numbers(values: pd.DataFrame) -> pd.DataFrame:
    """The numbers that the figure draws: one row per model, data set and variant.

    ``difference`` and ``difference_sem`` are the mean of the paired differences of ``H / log d``
    to the first variant and its standard error, as the values hold them.

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
    columns = [
        *("model", "family", "size", "parameters", "width", "stand_in"),
        *("dataset", "dataset_title", "variant", "order", "texts", "undefined", "tokens_mean"),
        *("entropy_a", "effective_rank_geometric", "difference", "difference_sem"),
    ]
    return in_order(values[columns], ["dataset", "family", "order", "parameters"])


def draw_operations(numbers: pd.DataFrame, title: str, subtitle: str) -> Figure:
    """Draw the numbers of `operations_numbers`: a row per data set, differences on the right."""
    styled()
    datasets = list(dict.fromkeys(numbers["dataset"]))
    variants = looks(numbers.sort_values("order", kind="stable")["variant"])
    base = next(iter(variants))
    families = list(dict.fromkeys(numbers["family"]))
    figure, axes = plt.subplots(
        len(datasets),
        2,
        figsize=(7.2, 1.2 + 2.5 * len(datasets)),
        sharex=True,
        squeeze=False,
        layout="constrained",
    )
    for (left, right), dataset in zip(axes, datasets, strict=True):
        part = numbers[numbers["dataset"] == dataset]
        for (family, variant), curve in part.groupby(["family", "variant"], sort=False):
            look = _look(variants, families, variant, family)
            left.plot(curve["parameters"], curve["entropy_a"], **look)
            if variant != base:
                right.errorbar(
                    curve["parameters"] * _aside(numbers, list(variants).index(variant)),
                    SCALE * curve["difference"],
                    SCALE * curve["difference_sem"],
                    elinewidth=0.9,
                    capsize=2,
                    **look,
                )
        right.axhline(0, color=variants[base]["color"], lw=0.9)
        left.set_ylabel("Matrix entropy / log $d$")
        right.set_ylabel(f"Difference to “{base}”, $10^{{-3}}$")
        head_panel(left, part["dataset_title"].iloc[0], [])
        head_panel(right, "Paired differences: mean ± standard error", [])
    frame_figure(figure, title, subtitle, _handles(variants, families))
    label_sizes(figure, list(axes[-1]), numbers)
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


def _handles(variants: dict[str, dict[str, Any]], families: list[str]) -> list[Line2D]:
    handles = [
        Line2D([], [], label=variant, **_look(variants, families, variant, families[0]))
        for variant in variants
    ]
    if len(families) > 1:
        handles += [
            Line2D([], [], color=GREY, lw=1.0, ls=LINES[number % len(LINES)], label=family)
            for number, family in enumerate(families)
        ]
    return handles
