"""Whether something rises or falls in the paper and here: what a stand-in can be compared in.

Every row is of a number that has no scale to differ in, or of which only the sign is read: a rank
correlation with size, a change, a share of blocks. It stands on both sides, but for the likeness of
two curves, which nobody published and which is told without being compared. A rank correlation has
a direction where chance gives one as far from zero at most one time in twenty; a change where its
interval of 95 % leaves zero out, if its sampling error is at hand. Else where a direction begins is
a convention; of points that were read off a figure it is where the reading errors end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t as student

from matrix_entropy.maths.rank_correlation import rank_correlation, rank_correlation_chance

CANNOT_TELL = "cannot tell"
UNCHANGED, EVENLY = "unchanged", "as often as not"
# Words that are no direction: neither agreement nor disagreement follows from them.
NO_DIRECTION = (CANNOT_TELL, UNCHANGED, EVENLY)
LEVEL = 0.95
# A convention: what rounding to four decimals can do to the difference of two values.
CHANGED = 1e-4
# Also one: curves across blocks that are correlated more than this are called alike.
LIKE = 0.5
LEAST_SIZES = 3
DECIMALS = 9  # of what is told from a threshold, more than is printed anywhere

# Which indicators are followed from the smallest model to the largest.
WITH_SIZE = ("matrix_entropy", "effective_rank", "loss", "ppl", "accuracy")
# Pairs that a table of Wei et al. 2024 sets against one another, in a column of it.
PAIRS: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "2": ("variant", [("base", "lora")]),
    "3": (
        "variant",
        [("empty", prompt) for prompt in ("prompt1", "prompt2", "prompt3", "average_1_to_3")],
    ),
    "5": (
        "indicator",
        [
            ("h1_vision_encoder", "h2_connector"),
            ("h3_llm_image", "h5_llm_image_text"),
            ("h4_llm_text", "h5_llm_image_text"),
        ],
    ),
    "6": ("variant", [("base", "rotate_image_clockwise"), ("base", "reverse_after_connector")]),
}
# The groups of a panel of Liang 2024, the blue one first.
GROUPS = (
    ("good long", "bad long"),
    ("good condensed", "bad condensed"),
    ("utopian", "dystopian"),
)


def half_interval(error: float, count: int) -> float:
    """Half of the 95 % interval of a mean of ``count`` values with this standard error.

    Student's t with ``count − 1`` degrees of freedom; infinite for a single value.

    Examples
    --------
    >>> round(half_interval(1.0, 10), 4), half_interval(1.0, 1)
    (2.2622, inf)
    """
    if count < 2:
        return float("inf")
    return float(student.ppf((1 + LEVEL) / 2, count - 1)) * error


def word(number: float, least: float, words: tuple[str, str, str]) -> str:
    """The first word above ``least``, the second below ``−least``, else the third; "" of NaN."""
    if np.isnan(number):
        return ""
    # A difference of just the last printed digit has no exact double.
    number = round(number, DECIMALS)
    return words[0] if number > least else words[1] if number < -least else words[2]


def size_directions(numbers: pd.DataFrame) -> list[dict[str, Any]]:
    """Rank correlation of every indicator of `WITH_SIZE` with the size of the models.

    ``published_p`` and ``rebuilt_p`` are how often chance gives a rank correlation as far from
    zero, if every order of the values over the sizes is as likely
    (`maths.rank_correlation.rank_correlation_chance`); a direction is told up to 0.05. Fewer than
    five sizes can therefore tell none.

    Parameters
    ----------
    numbers : DataFrame
        ``model_family``, ``dataset``, ``indicator`` (published names), ``published``,
        ``published_parameters``, ``rebuilt`` and ``rebuilt_parameters``; NaN where one is missing.
        Sizes that are missing on one side are left out on the other.
    """
    rows = []
    chosen = numbers[numbers["indicator"].isin(WITH_SIZE) & numbers["published"].notna()]
    keys = ["model_family", "dataset", "indicator"]
    for (family, dataset, indicator), part in chosen.groupby(keys, sort=False):
        both = part.dropna(subset="rebuilt")
        built = len(both) >= LEAST_SIZES
        if not built and len(part) < LEAST_SIZES:
            continue
        compared = both if built else part
        row: dict[str, Any] = {
            "quantity": f"{indicator} with size",
            "model": family,
            "dataset": dataset,
            "reason": f"rank correlation with size, {len(compared)} sizes; told where chance gives "
            f"one as far from zero at most {1 - LEVEL:.0%} of the time",
        }
        for side in ("published", "rebuilt"):
            rho, chance, told = np.nan, np.nan, ""
            if built or side == "published":
                sizes, values = compared[f"{side}_parameters"], compared[side]
                rho, chance = (
                    rank_correlation(sizes, values),
                    rank_correlation_chance(sizes, values),
                )
                told = trend(rho, chance)
            row |= {side: rho, f"{side}_p": chance, f"{side}_direction": told}
        rows.append(row)
    return rows


def trend(rho: float, chance: float) -> str:
    """The direction of a rank correlation that chance gives so often.

    Examples
    --------
    >>> trend(0.9, 0.01), trend(-0.9, 0.01), trend(0.9, 0.33)
    ('rises', 'falls', 'cannot tell')
    """
    clear = chance <= 1 - LEVEL + 1e-9
    return word(rho if clear else 0.0, 0.0, ("rises", "falls", CANNOT_TELL))


def pair_directions(
    numbers: pd.DataFrame, table: str, errors: Mapping[tuple[str, ...], float] | None = None
) -> list[dict[str, Any]]:
    """Change from the first to the second of every pair that the table sets against each other.

    Parameters
    ----------
    numbers : DataFrame
        ``model``, ``dataset``, ``indicator``, ``variant``, ``published`` and ``rebuilt``, one row
        for each number that the table prints.
    table : str
        Of `PAIRS`.
    errors : mapping, optional
        Half of the 95 % interval of the mean of paired changes here, by model, data set,
        indicator and variant, the second of the pair. What is not in it changes by convention.
    """
    errors = errors or {}
    column, pairs = PAIRS[table]
    (other,) = {"variant", "indicator"} - {column}
    rows = []
    for (model, dataset, named), part in numbers.groupby(["model", "dataset", other], sort=False):
        values = part.set_index(column)[["published", "rebuilt"]]
        for first, second in pairs:
            change = values.loc[second] - values.loc[first]
            quantity = f"{named}: {first} to {second}"
            if column == "indicator":
                quantity = f"{first} to {second}"
            where = {"quantity": quantity, "model": model, "dataset": dataset}
            reason = f"change; by convention unchanged within {CHANGED:g}"
            row = _row(
                where,
                (change["published"], change["rebuilt"]),
                CHANGED,
                ("rises", "falls", UNCHANGED),
                reason,
            )
            error = errors.get((model, dataset, named, second))
            # What no image or text changes has no error, and is unchanged all the same.
            if error:
                words = ("rises", "falls", CANNOT_TELL)
                row["rebuilt_direction"] = word(change["rebuilt"], error, words)
                row["reason"] = f"{reason}; here 95 % interval of paired changes, ±{error:.2g}"
            rows.append(row)
    return rows


def claimed_effects(numbers: pd.DataFrame, table: str) -> dict[int, float]:
    """What the paper says that a variant does to a number: the change from the first of a pair.

    Of Tables 2, 3 and 6 of Wei et al. 2024 (LoRA, prompts, operations on images), by the row of
    ``numbers``, which has ``model``, ``dataset``, ``indicator``, ``variant`` and ``published``. The
    first of several pairs has the smallest of their changes. Rows that do not change have none.
    """
    column, pairs = PAIRS.get(table, ("", []))
    if column != "variant":
        return {}
    effects: dict[int, float] = {}
    for _, part in numbers.groupby(["model", "dataset", "indicator"], sort=False):
        rows = {str(row.variant): row for row in part.itertuples()}
        for first, second in pairs:
            if first not in rows or second not in rows:
                continue
            change = float(rows[second].published - rows[first].published)
            if np.isnan(change) or change == 0:
                continue
            effects[rows[second].Index] = change
            known = effects.get(rows[first].Index, np.inf)
            effects[rows[first].Index] = min(known, change, key=abs)
    return effects


def layer_directions(
    published: Mapping[str, np.ndarray],
    errors: Mapping[str, np.ndarray],
    rebuilt: Mapping[str, np.ndarray],
) -> list[dict[str, Any]]:
    """Order of the groups, change over depth and shape of curves of one figure of Liang 2024.

    The order is the share of blocks in which the first group of a panel lies above the second,
    less one half. The change is that from the first block to the last; it is none, on both sides,
    within the sum of the reading errors of the two published points. The shape is the rank
    correlation with the published curve at the same share of the depth: a number of the two curves
    together, of which no paper has a direction, so that it is told and not compared. What chance
    would give is not known of it: a curve's neighbouring blocks are alike.

    Parameters
    ----------
    published, rebuilt : mapping
        Means of every group, from the first block to the last; there may be fewer blocks here.
    errors : mapping
        Bounds of the reading errors of ``published``, block by block.
    """
    rows = []
    for first, second in GROUPS:
        if first in published:
            shares = [
                float(np.mean(side[first] > side[second])) - 0.5
                if first in side and second in side
                else np.nan
                for side in (published, rebuilt)
            ]
            where = {"quantity": "share of blocks above, less 1/2", "group": f"{first}, {second}"}
            reason = "in which the first group has the higher mean"
            rows.append(_row(where, shares, 0.0, ("above", "below", EVENLY), reason))
    for group, curve in published.items():
        ours = rebuilt.get(group)
        changes = [np.nan if side is None else side[-1] - side[0] for side in (curve, ours)]
        where = {"quantity": "change from the first block to the last", "group": group}
        least = float(errors[group][0] + errors[group][-1])
        reason = f"change; unchanged within the two reading errors, {least:.2g}"
        rows.append(_row(where, changes, least, ("rises", "falls", UNCHANGED), reason))
        likeness = np.nan if ours is None else rank_correlation(ours, stretched(curve, len(ours)))
        where = {"quantity": "shape over the depth", "group": group}
        reason = f"rank correlation with the published curve; by convention alike above {LIKE:g}"
        words = ("alike", "opposite", "unlike")
        rows.append(_row(where, (np.nan, likeness), LIKE, words, reason))
    return rows


def stretched(curve: Sequence[float] | np.ndarray, blocks: int) -> np.ndarray:
    """A curve at the same shares of the depth of a model of so many blocks, linear between.

    Examples
    --------
    >>> stretched([0.0, 1.0, 4.0], 5).tolist()
    [0.0, 0.5, 1.0, 2.5, 4.0]
    """
    return np.interp(np.linspace(0, 1, blocks), np.linspace(0, 1, len(curve)), curve)


def _row(
    where: dict[str, Any],
    values: Iterable[float],
    least: float,
    words: tuple[str, str, str],
    reason: str,
) -> dict[str, Any]:
    published, rebuilt = values
    return {
        **where,
        "published": published,
        "rebuilt": rebuilt,
        "published_direction": word(published, least, words),
        "rebuilt_direction": word(rebuilt, least, words),
        "reason": reason,
    }
