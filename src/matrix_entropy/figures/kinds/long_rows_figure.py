"""Where a dip of matrix entropy comes from: rows that are far longer than the others.

Across blocks, for a model and for fresh weights of its architecture: how long the longest rows are,
how much attention goes to them, and the entropy with and without them; and for every text the
entropy that the formula of `maths.long_rows` tells from the norms, without any fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from matrix_entropy.figures.drawing import Drawing, Runs, titled
from matrix_entropy.figures.kinds.run_curves import run_captions, run_metrics
from matrix_entropy.figures.style import COLOURS, GREY, colours, styled
from matrix_entropy.figures.text import drawn_with, frame_figure, head_panel, plain, say, signed
from matrix_entropy.maths.long_rows import LONG
from matrix_entropy.results.long_row_values import TRAINED, block_values, formula_errors, run_values
from matrix_entropy.results.model_values import fresh_starts
from matrix_entropy.results.rows_file import Rows

DASHED = (0, (4, 1.5))
LONGEST, SECOND, BULK = COLOURS[4], COLOURS[5], GREY
MOST_POSITIONS = 3  # that a note lists


def make(figure: dict[str, Any], runs: Runs) -> Drawing:
    """The long rows of a model's texts, and what they do to entropy."""
    rows = [Rows.load(path) for path in runs.inputs["rows"]]
    found = run_metrics(*runs.files)
    texts, positions = run_values(rows, [metrics for _, metrics, _ in found], runs.models)
    blocks, errors = block_values(texts), formula_errors(texts)
    captions = long_row_captions(
        titled(figure),
        found[0][0],
        rows[0].provenance["options"],
        fresh_starts((of_run.provenance["model"] for of_run in rows), runs.models),
    )
    drawn = draw_long_rows(blocks, texts, positions, errors, *captions)
    return Drawing(drawn, blocks, {"texts": texts, "positions": positions, "formula": errors})


def long_row_captions(
    title: str,
    called: dict[str, Any],
    options: dict[str, Any],
    starts: Mapping[str, float | None],
) -> tuple[str, str]:
    """Title and caption: which model, what is long, and what the formula knows.

    Parameters
    ----------
    called : dict
        What figures call the run (`figures.kinds.run_curves.run_metrics`).
    options : dict
        How the model ran: ``layers``, ``width`` and ``bos``.
    starts : mapping
        From `results.model_values.fresh_starts`; empty without fresh weights.
    """
    title, words = run_captions(f"{title}, long rows", pd.DataFrame([called]))
    trained = "" if called["stand_in"] else ", a trained model"
    front = "one BOS row" if options["bos"] else "no BOS row"
    fresh = (
        f" Untrained: fresh weights of the same architecture, {drawn_with(starts)}."
        if starts
        else ""
    )
    return (
        title,
        f"{words}{trained}: {options['layers']} blocks, width {options['width']}, {front} in front "
        f"of each text.{fresh} A row is long if its norm is more than {LONG:g} times the "
        "median norm of its text after that block. Attention: to the row of a text that is longest "
        "after any block, mean over heads and later rows. Formula: from the rows' distances from "
        "the mean of those that are not long, and the entropy of these; no parameter is fitted.",
    )


def draw_long_rows(
    blocks: pd.DataFrame,
    texts: pd.DataFrame,
    positions: pd.DataFrame,
    errors: pd.DataFrame,
    title: str,
    subtitle: str,
) -> Figure:
    """Draw what `results.long_row_values` gives: a column for each kind of weights."""
    styled(blocks, texts, title, subtitle)
    weights = list(dict.fromkeys(blocks["weights"]))
    groups = list(dict.fromkeys(texts["group"]))
    hues = dict(zip(groups, colours(len(groups)), strict=True))
    figure, axes = plt.subplots(
        4,
        len(weights),
        figsize=(max(4.6, 0.5 + 3.4 * len(weights)), 10.2),
        sharex=False,
        sharey="row",
        squeeze=False,
        layout="constrained",
    )
    for kind, column in zip(weights, axes.T, strict=True):
        part = blocks[blocks["weights"] == kind]
        together = part[part["group"].isna()].sort_values("block")
        seeds = int(together["seeds"].max())
        called = kind if kind == TRAINED else f"{kind}, {seeds} seed{'s' * (seeds > 1)}"
        of_kind = positions[positions["weights"] == kind]
        where = _where(of_kind, texts[texts["weights"] == kind])
        head_panel(column[0], called.capitalize(), [(where, "#6A6A6A")])
        _draw_norms(column[0], together)
        _draw_attention(column[1], together)
        head_panel(column[2], "", [(_lowest(together), "#6A6A6A")])
        for group, hue in hues.items():
            _draw_entropies(column[2], part[part["group"] == group].sort_values("block"), hue)
        error = errors[errors["weights"] == kind].iloc[0]
        _draw_formula(column[3], texts[texts["weights"] == kind], error, hues)
        for axis in column[:3]:
            axis.set_xlabel("Block (0 is the first)")
            axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    for axis, label in zip(
        axes[:, 0],
        (
            "Norm / median of its text",
            "Attention received",
            "$H$ / log $d$",
            "$H$ / log $d$ measured",
        ),
        strict=True,
    ):
        axis.set_ylabel(label)
    axes[0][0].set_yscale("log")
    figure.align_ylabels(axes[:, 0])
    frame_figure(figure, title, subtitle, _handles(hues), 2)
    return figure


def _where(positions: pd.DataFrame, texts: pd.DataFrame) -> str:
    """In how many texts there are long rows at some block, and at which positions."""
    every = texts[["seed", "id"]].drop_duplicates()
    having = texts.loc[texts["long_rows"] > 0, ["seed", "id"]].drop_duplicates()
    if having.empty:
        return f"no long row in {len(every)} texts"
    most = positions.groupby("position")["texts"].max().sort_values(ascending=False)
    listed = ", ".join(f"{place} in {count}" for place, count in most[:MOST_POSITIONS].items())
    more = f" and {len(most) - MOST_POSITIONS} more" if len(most) > MOST_POSITIONS else ""
    return f"long rows in {len(having)} of {len(every)} texts; position {listed}{more}"


def _lowest(together: pd.DataFrame) -> str:
    """At which block long rows lower the mean entropy most."""
    change = together["normalised_mean"] - together["without_long_rows_mean"]
    if change.isna().all() or not change.abs().max() > 5e-4:
        return "long rows change nothing"
    at = change.abs().idxmax()
    moved = f"{'+' if change[at] > 0 else ''}{signed(change[at])}"
    return f"long rows change the mean by {moved} at block {together.loc[at, 'block']}"


def _draw_norms(axis: Axes, curve: pd.DataFrame) -> None:
    block = curve["block"]
    axis.fill_between(block, curve["bulk_low"], curve["bulk_high"], color=BULK, alpha=0.35, lw=0)
    for name, colour in (("second", SECOND), ("largest", LONGEST)):
        low, high = curve[f"{name}_low"], curve[f"{name}_high"]
        axis.fill_between(block, low, high, color=colour, alpha=0.25, lw=0)
        axis.plot(block, curve[f"{name}_median"], color=colour, marker="o", ms=2.4)
    axis.axhline(LONG, color="#444444", lw=0.8, ls=DASHED)


def _draw_attention(axis: Axes, curve: pd.DataFrame) -> None:
    if curve["attention_mean"].isna().all():
        say(axis, "not measured")
        return
    _draw_range(axis, curve, "attention", LONGEST, "-")
    axis.plot(curve["block"], curve["uniform_mean"], color="#444444", lw=1.0, ls=DASHED)
    axis.set_ylim(bottom=0)


def _draw_entropies(axis: Axes, curve: pd.DataFrame, colour: Any) -> None:
    _draw_range(axis, curve, "normalised", colour, "-")
    _draw_range(axis, curve, "without_long_rows", colour, DASHED)


def _draw_range(axis: Axes, curve: pd.DataFrame, name: str, colour: Any, dashes: Any) -> None:
    """A mean and, where there are several seeds, bars of its range over them."""
    mean, low, high = (curve[f"{name}_{end}"] for end in ("mean", "low", "high"))
    axis.plot(curve["block"], mean, color=colour, ls=dashes, lw=1.2, marker="o", ms=2)
    if curve["seeds"].max() > 1:
        axis.errorbar(
            curve["block"], mean, [mean - low, high - mean], color=colour, ls="", elinewidth=0.8
        )


def _draw_formula(axis: Axes, texts: pd.DataFrame, error: pd.Series, hues: dict[str, Any]) -> None:
    long = texts[texts["long_rows"] > 0]
    if long.empty:
        head_panel(axis, "", [("no text has a long row", "#6A6A6A")])
        axis.axis("off")
        return
    axis.set_xlabel("$H$ / log $d$ by the formula")
    ends = [float(f(long[["formula", "normalised"]].to_numpy())) for f in (np.nanmin, np.nanmax)]
    axis.plot(ends, ends, color=GREY, lw=0.8, zorder=1)
    for group, hue in hues.items():
        part = long[long["group"] == group]
        axis.plot(part["formula"], part["normalised"], "o", ms=2, mew=0, color=hue, alpha=0.6)
    note = (
        f"{int(error['points']):,} texts × blocks: RMS {error['rms']:.4f}, bias "
        f"{signed(error['bias'])}, R² {error['r2']:.4f}"
    )
    head_panel(axis, "", [(note, "#6A6A6A")])


def _handles(hues: dict[str, Any]) -> list[Any]:
    dark = "#444444"
    return [
        Line2D([], [], color=LONGEST, marker="o", ms=3, label="longest row, median and range"),
        Line2D([], [], color=SECOND, marker="o", ms=3, label="second, median and range"),
        Patch(color=BULK, alpha=0.35, lw=0, label="9 of 10 of the other rows"),
        Line2D([], [], color=dark, lw=0.8, ls=DASHED, label="limit of long; uniform attention"),
        Line2D([], [], color=GREY, marker="o", ms=2, label="all rows"),
        Line2D([], [], color=GREY, marker="o", ms=2, ls=DASHED, label="long rows left out"),
        *(
            Line2D([], [], color=hue, label=plain("all texts" if list(hues) == ["all"] else group))
            for group, hue in hues.items()
        ),
    ]
