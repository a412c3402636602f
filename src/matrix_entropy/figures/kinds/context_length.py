"""Entropy against the length of the context: Wei et al. 2024, Figure 2.

The paper says that the curves grow towards a limit of one. What limits a text of N tokens is
``log min(N − 1, d) / log d``, which is drawn beside every curve.

The null of one constant effective rank is not: it compares models of several widths, but here
every model has a curve of its own, of one width, whose effective rank stands in the second panel.
"""

from __future__ import annotations

from math import log2
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import NullLocator

from matrix_entropy.figures.drawing import Drawing, Runs
from matrix_entropy.figures.numbers import in_order, require_entropy
from matrix_entropy.figures.size_axis import LABEL_SIZE, LETTER, log_ordinate, places_of, spread
from matrix_entropy.figures.style import GREY, looks, styled
from matrix_entropy.figures.text import frame_figure, head_panel, plain
from matrix_entropy.maths.entropy import nats, rank_of_entropy
from matrix_entropy.results.model_values import cut_values

DOTTED = (0, (1, 1.5))


def make(figure: dict[str, Any], runs: Runs) -> Drawing:
    """Entropy against the rows kept."""
    values = cut_values(runs.values(view=None))
    numbers = length_numbers(values)
    return Drawing(draw_lengths(numbers, *runs.captions(figure, values)), numbers)


def length_numbers(values: pd.DataFrame) -> pd.DataFrame:
    """The numbers that the figure draws: one row per model, data set and number of tokens kept.

    ``variant`` of the values is that number. Ranks are ``exp`` of the mean entropy, of the mean
    less and plus one standard deviation over texts (ddof 0), and of the mean bound.

    Raises
    ------
    InputError
        If there is no entropy to draw.
    """
    require_entropy(values)
    numbers = values.assign(tokens_kept=values["variant"].astype(int))
    mean, std = numbers["entropy_a"], numbers["entropy_a_std"]
    ranks = {
        "rank": mean,
        "rank_low": mean - std,
        "rank_high": mean + std,
        "rank_bound": numbers["entropy_bound"],
    }
    for name, entropy in ranks.items():
        numbers[name] = rank_of_entropy(nats(entropy, numbers["width"]))
    columns = [
        *("model", "model_title", "family", "size", "parameters", "width", "stand_in", "weights"),
        *("dataset", "dataset_title", "tokens_kept", "texts", "undefined"),
        *("entropy_a", "entropy_a_std", "entropy_bound"),
        *("rank", "rank_low", "rank_high", "rank_bound"),
    ]
    return in_order(numbers[columns], ["dataset", "model", "tokens_kept"])


def draw_lengths(numbers: pd.DataFrame, title: str, subtitle: str) -> Figure:
    """Draw the numbers of `length_numbers`: a row per data set, ``H / log d`` beside the rank."""
    styled(numbers, title, subtitle)
    datasets = list(dict.fromkeys(numbers["dataset"]))
    models = looks(numbers["model_title"])
    figure, axes = plt.subplots(
        len(datasets),
        2,
        figsize=(7.2, 1.2 + 2.6 * len(datasets)),
        sharex=True,
        squeeze=False,
        layout="constrained",
    )
    for (left, right), dataset in zip(axes, datasets, strict=True):
        part = numbers[numbers["dataset"] == dataset]
        for name, look in models.items():
            curve = part[part["model_title"] == name]
            entropy, std = curve["entropy_a"], curve["entropy_a_std"]
            _draw(left, curve, (entropy, entropy - std, entropy + std), "entropy_bound", look)
            rank = (curve["rank"], curve["rank_low"], curve["rank_high"])
            _draw(right, curve, rank, "rank_bound", look)
        left.axhline(1, color=GREY, lw=0.9, ls=DOTTED)
        left.set_ylim(0, 1.05)
        left.set_ylabel("Matrix entropy / log $d$")
        right.set_ylabel("Effective rank exp(mean entropy)")
        log_ordinate(right)
        head_panel(left, part["dataset_title"].iloc[0], [])
    frame_figure(figure, title, subtitle, _handles(models), max(len(models), 3))
    _label_lengths(figure, list(axes[-1]), sorted(set(numbers["tokens_kept"])))
    return figure


def _draw(
    axis: Axes,
    curve: pd.DataFrame,
    values: tuple[pd.Series, pd.Series, pd.Series],
    bound: str,
    look: dict[str, Any],
) -> None:
    tokens, (mean, low, high) = curve["tokens_kept"], values
    axis.plot(tokens, mean, ms=3.2, **look)
    axis.fill_between(tokens, low, high, color=look["color"], alpha=0.16, lw=0)
    single = len(curve) == 1  # where a band has no width, nor a bound a line
    if single:
        axis.errorbar(tokens, mean, [mean - low, high - mean], color=look["color"], lw=0.8)
    axis.plot(tokens, curve[bound], color=look["color"], lw=0.7, marker="_" if single else None)


def _handles(models: dict[str, dict[str, Any]]) -> list[Any]:
    return [
        *(Line2D([], [], ms=3.2, label=plain(name), **look) for name, look in models.items()),
        Patch(color=GREY, alpha=0.3, lw=0, label="mean entropy ± std over texts"),
        Line2D([], [], color=GREY, lw=0.7, label="bound: a rank of min(N − 1, d)"),
        Line2D([], [], color=GREY, lw=0.9, ls=DOTTED, label="1, the limit that the paper names"),
    ]


def _label_lengths(figure: Figure, axes: list[Axes], lengths: list[int]) -> None:
    first = axes[0]
    first.set_xscale("log", base=2)
    margin = (lengths[-1] / lengths[0]) ** 0.05 if len(lengths) > 1 else 2.0
    first.set_xlim(lengths[0] / margin, lengths[-1] * margin)
    first.set_xticks(lengths, map(str, lengths))
    first.xaxis.set_minor_locator(NullLocator())
    for axis in axes:
        axis.set_xlabel("Tokens kept of every text")
        axis.tick_params(axis="x", labelsize=LABEL_SIZE)
    places = dict(zip(lengths, places_of(figure, first, lengths), strict=True))
    labelled = _fitting(lengths, places)
    if len(labelled) < len(lengths):  # doublings are evenly spaced, the first that fit are not
        doubled = [length for length in lengths[:-1] if log2(length / lengths[0]).is_integer()]
        labelled = _fitting([*doubled, lengths[-1]], places)
    first.set_xticks(lengths, [str(length) if length in labelled else "" for length in lengths])


def _fitting(lengths: list[int], places: dict[int, float]) -> set[int]:
    """The lengths whose labels do not overlap when they stand at their places, in points."""
    gap = len(str(lengths[-1])) * LETTER + 3
    return {lengths[number] for number in spread([places[length] for length in lengths], gap)}
