"""A trained model against fresh weights of several starts: Diff-eRank and what its sign depends on.

Fresh weights are drawn from a normal distribution, and its standard deviation (`initializer_range`)
is a choice that a model's files may not hold. The effective rank of fresh weights grows with it,
so that Diff-eRank, untrained minus trained, can have either sign.
"""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from matrix_entropy.base.errors import InputError
from matrix_entropy.figures.drawing import Drawing, Runs
from matrix_entropy.figures.kinds.untrained import TRAINED
from matrix_entropy.figures.numbers import require_entropy
from matrix_entropy.figures.size_axis import log_ordinate
from matrix_entropy.figures.style import GREY, styled
from matrix_entropy.figures.text import frame_figure, head_panel
from matrix_entropy.maths.entropy import nats, rank_of_entropy
from matrix_entropy.results.model_values import FINAL, with_originals

RANK = "effective_rank_geometric"
ENDS = ("", "_low", "_high")
BLACK: dict[str, Any] = {"color": "black", "lw": 1.5}
BOUND: dict[str, Any] = {"color": GREY, "lw": 0.7}


def make(figure: dict[str, Any], runs: Runs) -> Drawing:
    """A model against fresh weights of several starts, across its blocks."""
    values = with_originals(runs.values(layer=None), runs.models)
    values = values[values["dataset"] == figure.get("group", figure["dataset"])]
    numbers = start_numbers(values)
    captions = runs.captions(figure, values, start_words(numbers))
    return Drawing(draw_starts(numbers, *captions), numbers)


def start_numbers(values: pd.DataFrame) -> pd.DataFrame:
    """The numbers that the figure draws: one row per start and layer.

    ``initializer_range`` is the start (NaN for what config.json says), ``own`` whether it is the
    model's. Ranks are ``exp(mean H)``: ``rank_trained``; ``rank_untrained``, with ``_low`` and
    ``_high`` mean and range over the ``seeds``; ``rank_diff`` with its range, these minus
    ``rank_trained``: at the last layer, Diff-eRank; ``rank_bound``, the most that texts of these
    lengths can have, ``exp`` of the mean of ``log min(N − 1, d)``.

    Parameters
    ----------
    values : DataFrame
        Of one model, of every layer, from `results.model_values.with_originals`.

    Raises
    ------
    InputError
        If there is no untrained model, or no entropy to draw.
    """
    trained, untrained = (
        values[values["variant"] == TRAINED],
        values[values["variant"] != TRAINED],
    )
    if untrained.empty:
        raise InputError("no untrained model to compare with; add `seeds:` to the figure.")
    require_entropy(values)
    key = ["initializer_range", "own", "layer"]
    over_seeds = untrained.groupby(key, sort=False, dropna=False)[RANK]
    numbers = over_seeds.agg(["mean", "min", "max", "size"]).reset_index()
    numbers.columns = [*key, *(f"rank_untrained{end}" for end in ENDS), "seeds"]
    columns = [
        *("model", "stand_in", "parameters", "width", "dataset", "dataset_title", "texts"),
        *("undefined", "tokens_mean", "depth", "layer"),
    ]
    own = trained[[*columns, RANK]].rename(columns={RANK: "rank_trained"})
    own["rank_bound"] = rank_of_entropy(nats(trained["entropy_bound"], trained["width"]))
    numbers = own.merge(numbers, on="layer")
    for end in ENDS:
        numbers[f"rank_diff{end}"] = numbers[f"rank_untrained{end}"] - numbers["rank_trained"]
    return numbers.sort_values(["initializer_range", "depth"], kind="stable", ignore_index=True)


def start_words(numbers: pd.DataFrame) -> str:
    """What the caption says of the starts, after which model and texts these are."""
    seeds = int(numbers["seeds"].max())
    over = "one seed" if seeds == 1 else f"{seeds} seeds, mean and range"
    own = numbers.loc[numbers["own"], "initializer_range"]
    words = ""
    if len(own):
        value = "what its config.json says" if own.isna().all() else f"{own.iloc[0]:.3g}"
        words = f" (the model's own: {value})"
    return (
        f"untrained: fresh weights of the same architecture ({over}) drawn with the standard "
        f"deviation that the legend names, initializer_range{words}; they read the same tokens"
    )


def draw_starts(numbers: pd.DataFrame, title: str, subtitle: str) -> Figure:
    """Draw the numbers of `start_numbers`: ranks across blocks beside Diff-eRank."""
    styled(numbers, title, subtitle)
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(7.2, 4.2), width_ratios=(3, 2), layout="constrained"
    )
    parts = [part for _, part in numbers.groupby("initializer_range", sort=False, dropna=False)]
    shades = plt.get_cmap("viridis")(np.linspace(0, 0.85, len(parts)))
    last = max([int(layer) for layer in numbers["layer"] if layer != FINAL], default=0) + 1
    for place, (part, shade) in enumerate(zip(parts, shades, strict=True)):
        passed = [last if layer == FINAL else int(layer) for layer in part["layer"]]
        _with_range(left, passed, part, "rank_untrained", color=shade, lw=1.1, ms=2.5)
        final = part[part["layer"] == FINAL]
        _with_range(right, [place], final, "rank_diff", color=shade, ls="", ms=5)
    trained = parts[0]
    passed = [last if layer == FINAL else int(layer) for layer in trained["layer"]]
    left.plot(passed, trained["rank_trained"], **BLACK)
    left.plot(passed, trained["rank_bound"], **BOUND)
    log_ordinate(left)
    step = max(1, round(last / 6))
    ticks = [*range(0, last - step // 2, step), last]
    left.set_xticks(ticks, [*map(str, ticks[:-1]), "norm"])
    left.set_xlabel("Blocks passed; norm: after the last normalisation")
    left.set_ylabel("Effective rank exp(mean entropy)")
    right.axhline(0, color=GREY, lw=0.9)
    right.set_xlim(-0.5, len(parts) - 0.5)
    right.set_xticks(range(len(parts)), [f"{_label(part)}\n{_difference(part)}" for part in parts])
    right.set_xlabel("Standard deviation of the fresh weights,\nand below it the mean difference")
    right.set_ylabel("Diff-eRank: untrained − trained")
    head_panel(left, "Across blocks", [])
    head_panel(right, "At the last layer", [])
    frame_figure(figure, title, subtitle, _handles(parts, list(shades)), 2)
    return figure


def _with_range(axis: Axes, places: list[int], part: pd.DataFrame, name: str, **look: Any) -> None:
    """Means with bars from the lowest to the highest seed."""
    mean = part[name].to_numpy()
    ends = [mean - part[f"{name}_low"], part[f"{name}_high"] - mean]
    axis.errorbar(places, mean, ends, marker="o", elinewidth=0.9, capsize=2, **look)


def _label(part: pd.DataFrame) -> str:
    """A start as the axis names it."""
    start, own = part["initializer_range"].iloc[0], part["own"].iloc[0]
    if np.isnan(start):
        return "own"
    return f"{start:.3g} own" if own else f"{start:.3g}"


def _difference(part: pd.DataFrame) -> str:
    difference = part.loc[part["layer"] == FINAL, "rank_diff"].item()
    return f"{difference:+.1f}".replace("-", "−")


def _handles(parts: list[pd.DataFrame], shades: list[Any]) -> list[Line2D]:
    return [
        Line2D([], [], label="trained", **BLACK),
        Line2D([], [], label="bound: min(N − 1, d)", **BOUND),
        *(
            Line2D(
                [],
                [],
                color=shade,
                marker="o",
                ms=2.5,
                lw=1.1,
                label=f"untrained, {_label(part)}",
            )
            for part, shade in zip(parts, shades, strict=True)
        ),
    ]
