"""Gaps between groups of texts with their intervals: of means over blocks, and block by block.

It draws the numbers of `figures.kinds.group_gaps`, the same that the table of this kind holds.
"""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from matrix_entropy.figures.kinds.group_gaps import TREATMENTS, UNIT, tests_words
from matrix_entropy.figures.kinds.run_curves import gap_colours, run_captions
from matrix_entropy.figures.style import GREY, styled
from matrix_entropy.figures.text import (
    NOTE_SIZE,
    frame_figure,
    head_panel,
    in_lines,
    probability,
    room_of,
)

INK = "#6A6A6A"
LOWER = 0.24  # by how much a gap at equal length stands below the one before it
LOOKS: dict[str, dict[str, Any]] = {
    "": {"marker": "o", "ms": 4.5},
    "adjusted_": {"marker": "s", "ms": 3.8, "mfc": "white", "elinewidth": 0.9},
    "curved_": {"marker": "D", "ms": 3.4, "mfc": "white", "elinewidth": 0.9},
}


def group_gap_captions(title: str, means: pd.DataFrame) -> tuple[str, str]:
    """Title and caption: which models, and how their gaps were tested; stand-ins are named so."""
    title, words = run_captions(title, means)
    return (
        title,
        f"{words}. Gaps of H / log d, the first group less the second. Left: of the texts' means "
        "over blocks with 95 % t intervals; squares: between texts of the same log length (one "
        "slope within groups or pairs), diamonds: and of its square. Right: block by block in a "
        "band of c standard errors, c being what the largest |t| over blocks exceeds in 5 % of "
        "relabellings; "
        f"{tests_words(means)}.",
    )


def draw_group_gaps(means: pd.DataFrame, blocks: pd.DataFrame, title: str, subtitle: str) -> Figure:
    """Draw what `figures.kinds.group_gaps.group_gaps` gives: a row per model and panel.

    At the left the gaps of the means over blocks with their 95 % intervals, those at equal log
    length below them; then, for every treatment, the gaps across blocks in a band that holds all of
    them with 95 %.
    """
    styled(means, title, subtitle)
    keys = ["model", "panel"]
    panels = list(means.groupby(keys, sort=False))
    of_blocks = dict(iter(blocks.groupby(keys, sort=False)))
    pairs = gap_colours(means["gap"])
    several = means["model"].nunique() > 1
    figure, axes = plt.subplots(
        len(panels),
        1 + len(TREATMENTS),
        figsize=(10.2, 1.9 + 1.7 * len(panels)),
        squeeze=False,
        layout="constrained",
        width_ratios=[1.5, *(1 for _ in TREATMENTS)],
    )
    for (key, part), row in zip(panels, axes, strict=True):
        first = part.iloc[0]
        colour = pairs[first["gap"]]
        head = f"{first['model_title']}, {first['panel']}" if several else first["panel"]
        _draw_intervals(row[0], part, colour)
        words = in_lines(_compared(first), room_of(row[0]), NOTE_SIZE)
        head_panel(row[0], head or "All texts", [(line, INK) for line in words])
        for axis, treatment in zip(row[1:], TREATMENTS, strict=True):
            axis.sharey(row[1])
            curve = of_blocks[key][of_blocks[key]["treatment"] == treatment]
            _draw_blocks(axis, curve, colour)
            p = part.loc[part["treatment"] == treatment, "p_blocks"].iloc[0]
            head_panel(
                axis, treatment.capitalize(), [(f"max-t over blocks: p {probability(p)}", INK)]
            )
        row[1].set_ylabel("Gap (thousandths)")
    axes[-1][0].set_xlabel("Gap of means over blocks (thousandths)")
    for axis in axes[-1][1:]:
        axis.set_xlabel("Block (0 is the first)")
    figure.align_ylabels(axes[:, 1])
    frame_figure(figure, title, subtitle, _handles(), 2)
    return figure


def _compared(row: pd.Series) -> str:
    kind = "pairs" if row["paired"] else "texts"
    number = (
        row["texts_first"] if row["paired"] else f"{row['texts_first']} and {row['texts_second']}"
    )
    return f"{row['gap']}, {number} {kind}"


def _draw_intervals(axis: Axes, part: pd.DataFrame, colour: Any) -> None:
    axis.axvline(0, color=GREY, lw=0.6)
    places = np.arange(len(part))
    for below, (name, look) in enumerate(LOOKS.items()):
        middle, low, high = (UNIT * part[name + of] for of in ("difference", "low", "high"))
        axis.errorbar(
            middle,
            places + LOWER * below,
            xerr=[middle - low, high - middle],
            color=colour,
            ls="",
            **look,
        )
    axis.set_yticks(places, part["treatment"])
    axis.set_ylim(len(part) - 1 + 3 * LOWER, -2 * LOWER)
    axis.grid(visible=False, axis="y")
    axis.xaxis.set_major_locator(MaxNLocator(5))


def _draw_blocks(axis: Axes, curve: pd.DataFrame, colour: Any) -> None:
    single = len(curve) == 1  # which has neither line nor band to see
    axis.axhline(0, color=GREY, lw=0.6)
    low, middle, high = (UNIT * curve[name] for name in ("low", "difference", "high"))
    axis.fill_between(curve["block"], low, high, color=colour, alpha=0.18, lw=0)
    axis.plot(curve["block"], middle, color=colour, marker="o" if single else None, ms=3)
    if single:
        axis.errorbar(curve["block"], middle, [middle - low, high - middle], color=colour, lw=0.8)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _handles() -> list[Any]:
    dot, square, diamond = (
        {"color": GREY, **{key: value for key, value in look.items() if key != "elinewidth"}}
        for look in LOOKS.values()
    )
    return [
        Line2D([], [], label="gap of means over blocks, 95 % interval", **dot),
        Line2D([], [], lw=0.9, label="at equal log length", **square),
        Line2D([], [], lw=0.9, label="at equal log length and its square", **diamond),
        Line2D([], [], color=GREY, label="gap of a block"),
        Patch(color=GREY, alpha=0.3, lw=0, label="holds the gaps of all blocks with 95 %"),
    ]
