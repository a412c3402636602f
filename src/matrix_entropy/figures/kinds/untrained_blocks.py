"""A trained model against fresh weights of its architecture, across blocks.

What the curve of untrained weights shows too is no sign of anything learnt: the architecture, the
tokens and the lengths of the texts suffice for it. So with a gap between groups of texts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from matrix_entropy.base.errors import InputError
from matrix_entropy.figures.drawing import Drawing, Runs, titled
from matrix_entropy.figures.kinds.run_curves import (
    IDENTITY,
    gap_colours,
    group_gaps,
    run_captions,
    run_curves,
)
from matrix_entropy.figures.kinds.untrained import TRAINED
from matrix_entropy.figures.style import GREY, colours, styled
from matrix_entropy.figures.text import (
    NOTE_SIZE,
    SIDE,
    drawn_with,
    frame_figure,
    head_panel,
    in_lines,
    room_of,
    signed,
)
from matrix_entropy.results.model_values import with_originals

DASHED = (0, (4, 2))
ENDS = ("", "_low", "_high")
UNTRAINED = [f"untrained{end}" for end in (*ENDS, "_std")]
KEYS = ["panel", "group", "block"]


def make(figure: dict[str, Any], runs: Runs) -> Drawing:
    """A model across its blocks against fresh weights."""
    numbers, gaps = untrained_block_numbers(run_curves(*runs.files), runs.models)
    heading, words = untrained_block_captions(titled(figure), numbers, runs.fresh_starts())
    drawn = draw_untrained_blocks(numbers, gaps, heading, runs.with_left_out(words))
    return Drawing(drawn, numbers, {"gaps": gaps})


def untrained_block_numbers(
    curves: pd.DataFrame, models: dict[str, dict[str, Any]]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The numbers that the curves and the gaps draw: one row per panel, (group) and block.

    Parameters
    ----------
    curves : DataFrame
        Those of `figures.kinds.run_curves.run_curves`, of one model and of its fresh weights on
        one data set.
    models : dict
        Entries of all these by name; those of fresh weights say so in ``untrained``.

    Returns
    -------
    curves : DataFrame
        Means over texts of ``H / log d``: ``trained``, with ``trained_std`` (ddof 0) over texts;
        ``untrained``, ``untrained_low`` and ``untrained_high``, mean and range over the ``seeds``
        of these means, and ``untrained_std``, their standard deviation (ddof 1); ``bound``, the
        mean of what texts of these lengths can reach.
    gaps : DataFrame
        Of every panel the first group's mean less the second's, in the same columns; the range is
        that of the gap. Empty if no panel has two groups.

    Raises
    ------
    InputError
        If there is no untrained model.
    """
    means = with_originals(curves, models)
    untrained = means[means["variant"] != TRAINED]
    if untrained.empty:
        raise InputError("no untrained model to compare with; add `seeds:` to the figure.")
    trained = means[means["variant"] == TRAINED].rename(
        columns={
            "normalised_mean": "trained",
            "normalised_std": "trained_std",
            "entropy_bound_mean": "bound",
        }
    )
    columns = [*IDENTITY, *KEYS, "texts", "undefined", "tokens_mean"]
    numbers = trained[[*columns, "trained", "trained_std", "bound"]].merge(
        _over_seeds(untrained, KEYS), on=KEYS
    )
    pairs = numbers.groupby("panel")["group"].nunique() == 2
    if not pairs.any():
        return numbers, pd.DataFrame(columns=["block", "panel", "gap", "trained", *UNTRAINED])
    of_seeds = group_gaps(untrained, ["variant", "block"], ["normalised_mean"])
    gaps = group_gaps(numbers, ["block"], ["trained"]).merge(
        _over_seeds(of_seeds, ["panel", "block"]), on=["panel", "block"]
    )
    return numbers, gaps


def _over_seeds(values: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Mean, range and deviation of ``normalised_mean`` over the seeds, and how many there are."""
    over = ["mean", "min", "max", "std", "size"]
    found = values.groupby(keys, sort=False)["normalised_mean"].agg(over)
    found.columns = [*UNTRAINED, "seeds"]
    return found.reset_index()


def untrained_block_captions(
    title: str, numbers: pd.DataFrame, starts: Mapping[str, float | None]
) -> tuple[str, str]:
    """Title and caption: which model, and what its fresh weights are.

    ``starts`` are from `results.model_values.fresh_starts`.
    """
    title, words = run_captions(f"{title}, trained and untrained", numbers)
    seeds = int(numbers["seeds"].max())
    over = "one seed" if seeds == 1 else f"{seeds} seeds, mean and range"
    return (
        title,
        f"{words}. Untrained: fresh weights of the same architecture ({over}), "
        f"{drawn_with(starts)}, which read the same tokens. Notes: means over all blocks.",
    )


def draw_untrained_blocks(
    numbers: pd.DataFrame, gaps: pd.DataFrame, title: str, subtitle: str
) -> Figure:
    """Draw the numbers of `untrained_block_numbers`: a column per panel, curves above gaps."""
    styled(numbers, gaps, title, subtitle)
    panels = list(dict.fromkeys(numbers["panel"]))
    most = int(numbers.groupby("panel")["group"].nunique().max())
    rows = 1 if gaps.empty else 2
    figure, axes = plt.subplots(
        rows,
        len(panels),
        figsize=(max(5.2, 0.6 + 3.3 * len(panels)), 1.5 + 2.6 * rows),
        sharex=True,
        sharey="row",
        squeeze=False,
        layout="constrained",
    )
    pair_colours = gap_colours(gaps["gap"])
    for panel, axis in zip(panels, axes[0], strict=True):
        part, notes = numbers[numbers["panel"] == panel], []
        inside = list(dict.fromkeys(part["group"]))
        for group, colour in zip(inside, colours(most)[: len(inside)], strict=True):
            curve = part[part["group"] == group]
            _draw(axis, curve, colour)
            axis.plot(curve["block"], curve["bound"], color=colour, lw=0.6)
            called = "all texts" if inside == ["all"] else group
            notes += _notes(axis, called, curve, colour)
        head_panel(axis, panel, notes)
    for panel, axis in zip(panels, axes[-1] if rows == 2 else [], strict=rows == 2):
        part = gaps[gaps["panel"] == panel]
        axis.axhline(0, color=GREY, lw=0.6)
        if len(part):
            colour = pair_colours[part["gap"].iloc[0]]
            _draw(axis, part, colour)
            head_panel(axis, "", _notes(axis, part["gap"].iloc[0], part, colour))
    axes[0][0].set_ylabel("Matrix entropy / log $d$")
    if rows == 2:
        axes[1][0].set_ylabel("Gap between the groups")
    for axis in axes[-1]:
        axis.set_xlabel("Block (0 is the first)")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    figure.align_ylabels(axes[:, 0])
    frame_figure(figure, title, subtitle, _handles(int(numbers["seeds"].max())))
    return figure


def _draw(axis: Axes, curve: pd.DataFrame, colour: Any) -> None:
    """Trained, and untrained with its range over seeds, as bars: a band would hide in the line."""
    block, untrained = curve["block"], curve["untrained"]
    ends = [untrained - curve["untrained_low"], curve["untrained_high"] - untrained]
    axis.plot(block, curve["trained"], color=colour, marker="o", ms=3)
    axis.errorbar(
        block,
        untrained,
        ends,
        color=colour,
        ls=DASHED,
        lw=1.1,
        marker="o",
        ms=3,
        mfc="white",
        elinewidth=0.9,
        capsize=2,
    )


def _notes(axis: Axes, name: str, curve: pd.DataFrame, colour: Any) -> list[tuple[str, Any]]:
    """The means of a group or gap in lines that fit the panel."""
    trained, untrained = signed(curve["trained"].mean()), signed(curve["untrained"].mean())
    words = f"{name}: trained {trained}, untrained {untrained}"
    return [(line, colour) for line in in_lines(words, room_of(axis) - SIDE, NOTE_SIZE)]


def _handles(seeds: int) -> list[Line2D]:
    over = "1 seed" if seeds == 1 else f"mean and range of {seeds} seeds"
    marker: dict[str, Any] = {"color": GREY, "marker": "o", "ms": 3}
    return [
        Line2D([], [], label="trained", **marker),
        Line2D([], [], ls=DASHED, mfc="white", label=f"untrained, {over}", **marker),
        Line2D([], [], color=GREY, lw=0.6, label="bound log min(N − 1, d) / log d"),
    ]
