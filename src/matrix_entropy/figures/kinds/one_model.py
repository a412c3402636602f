"""Figures across models that are given a single one: intervals, and no axis of sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student

from matrix_entropy.figures.style import COLOURS
from matrix_entropy.figures.text import fitted
from matrix_entropy.maths.entropy import nats, rank_of_entropy

SURE = 0.95
LONGEST, LETTERS = 130.0, 7.5  # points: of a line of a row's name, and of its letters
MEAN_WITH_INTERVAL = "mean over texts, 95 % interval"
DOT: dict[str, Any] = {"marker": "o", "ms": 4.5, "ls": "", "color": COLOURS[0]}
HOLLOW = DOT | {"mfc": "white"}
BAR: dict[str, Any] = {"elinewidth": 1.1, "capsize": 2.5}


def is_one_model(numbers: pd.DataFrame) -> bool:
    """Whether the numbers are those of a single model."""
    return bool(numbers["model"].nunique() == 1)


def half_width(std: ArrayLike, texts: ArrayLike) -> NDArray[np.float64]:
    """Half of the 95 % interval of a mean over texts, by Student's t.

    ``t · std / √(n − 1)`` for the standard deviation (ddof 0) over n texts; NaN for fewer than two.

    Examples
    --------
    >>> half_width([1.0, 1.0], [1, 2]).round(3).tolist()
    [nan, 12.706]
    """
    freedom = np.asarray(texts, dtype=np.float64) - 1
    freedom = np.where(freedom > 0, freedom, np.nan)
    return np.asarray(student.ppf((1 + SURE) / 2, freedom) * np.asarray(std) / np.sqrt(freedom))


def with_intervals(values: pd.DataFrame) -> pd.DataFrame:
    """Values with the ends ``_low`` and ``_high`` of the 95 % intervals of what they are means of.

    Of ``H / log d``, and through the exponential of ``exp(mean H)``, from the standard deviation of
    ``H / log d`` over texts; of ``mean(exp H)`` from that of ``exp H``; of paired ``difference``,
    where there is one, from its standard error over ``pairs``.

    Parameters
    ----------
    values : DataFrame
        From `results.model_values.model_values`.
    """
    texts, width = values["texts"] - values["undefined"], values["width"]
    entropy, rank = values["entropy_a"], values["effective_rank"]
    half = [half_width(values[f"{name}_std"], texts) for name in ("entropy_a", "effective_rank")]
    found = values.copy()
    for end, sign in (("low", -1), ("high", 1)):
        of_mean = rank_of_entropy(nats(entropy + sign * half[0], width))
        mean_of = rank + sign * half[1]
        found[f"entropy_a_{end}"] = entropy + sign * half[0]
        found[f"entropy_b_{end}"], found[f"entropy_c_{end}"] = of_mean / width, mean_of / width
        found[f"effective_rank_geometric_{end}"] = of_mean
        found[f"effective_rank_{end}"] = mean_of
        if "difference" in values:
            std = values["difference_sem"] * np.sqrt(values["pairs"] - 1)
            paired = half_width(std, values["pairs"])
            found[f"difference_{end}"] = values["difference"] + sign * paired
    return found


def ends_of(*names: str) -> list[str]:
    """The columns of the intervals of some values."""
    return [f"{name}_{end}" for name in names for end in ("low", "high")]


def draw_dots(axis: Axes, rows: ArrayLike, part: pd.DataFrame, name: str, **look: Any) -> None:
    """Values of a column as dots, one above the other at ``rows``, with bars from low to high."""
    mean = part[name].to_numpy()
    ends = np.array([mean - part[f"{name}_low"], part[f"{name}_high"] - mean])
    axis.errorbar(mean, np.asarray(rows), xerr=np.nan_to_num(ends), **BAR, **look)
    axis.xaxis.set_major_locator(MaxNLocator(5))
    axis.tick_params(axis="y", length=0)


def name_rows(axis: Axes, names: Sequence[str]) -> None:
    """Names of rows that stand at 0, −1, −2, ... of an ordinate, and room around them."""
    shown = [fitted(name, LONGEST, LETTERS) for name in names]
    axis.set_yticks([-place for place in range(len(names))], shown)
    axis.set_ylim(0.4 - len(names), 0.6)


def dot(label: str, **look: Any) -> Line2D:
    """An entry of the legend."""
    return Line2D([], [], label=label, **{**DOT, **look})
