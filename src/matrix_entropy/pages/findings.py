"""What a figure or table shows, in one sentence with its own numbers: for the first page.

Each function takes the numbers beside a figure or table (NAME.csv) and says what they are, not what
a paper makes of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from matrix_entropy.configuration.kinds import KINDS
from matrix_entropy.figures.kinds.group_gaps import probability, with_error
from matrix_entropy.pages.notebook import Built, number
from matrix_entropy.pages.page_markdown import escaped_markdown
from matrix_entropy.pages.readings import group_gaps, separations, size_ends

# Means that a figure across blocks has beside those that it draws.
BESIDE = ("tokens_mean", "entropy_bound_mean")

Finding = Callable[[pd.DataFrame], str]


def finding(kind: str, name: str, built: Built) -> str:
    """What a figure or table shows, and how that compares with the paper, as Markdown.

    A kind without a function here is told in its own words, without numbers.
    """
    numbers = built.numbers(name, READ_FROM.get(kind, ".csv"))
    if kind in FINDINGS and len(numbers):
        said = FINDINGS[kind](numbers)
    else:
        words = re.sub(r"`(\w+):`", r"\1", KINDS[kind].says)
        said = f"{words[0].upper()}{words[1:]}."
    return f"{escaped_markdown(said)} {built.published(name).markdown}".strip()


def _between(values: Any, decimals: int = 3) -> str:
    values = np.asarray(values, dtype=float)
    least, most = (number(end, decimals) for end in (np.nanmin(values), np.nanmax(values)))
    return least if least == most else f"{least} to {most}"


def _layers(curves: pd.DataFrame) -> str:
    drawn = next(name for name in curves if str(name).endswith("_mean") and name not in BESIDE)
    of = " of H / log d" if drawn == "normalised_mean" else ""
    said = f"Group means{of} lie between {_between(curves[drawn]).replace(' to ', ' and ')}"
    if drawn == "normalised_mean" and (curves.groupby("panel")["group"].nunique() == 2).all():
        gaps = group_gaps(curves)
        said += "; " + ", ".join(
            f"{first} less {second} {number(gap, 4, sign=True)} on average"
            for (first, second), gap in zip(
                (pair.split(" − ") for pair in gaps["first − second"]),
                gaps["as drawn"],
                strict=True,
            )
        )
    return f"{said}."


def _sizes(column: str, called: str, decimals: int = 3) -> Finding:
    """From the smallest to the largest model, per family and data set."""

    def found(values: pd.DataFrame) -> str:
        if "variant" in values:
            values = values[values["order"] == values["order"].min()]
        ends = size_ends(values, {column: called})
        smallest, largest = (ends[f"{called}, {end}"] for end in ("smallest", "largest"))
        falls = int((largest < smallest).sum())
        first = ends.iloc[0]
        return (
            f"From the smallest to the largest model {called} goes from "
            f"{number(smallest.iloc[0], decimals)} to {number(largest.iloc[0], decimals)} "
            f"({first['data set']}, {first['models']}); it falls in {falls} of {len(ends)} series."
        )

    return found


def _operations(values: pd.DataFrame) -> str:
    changed = values[values["order"] > 0]
    parts = [
        f"{variant} {_between(part['difference'], 4)}"
        for variant, part in changed.groupby("variant", sort=False)
    ]
    return f"Change of H / log d against the texts as they are: {', '.join(parts)}."


def _untrained(values: pd.DataFrame) -> str:
    above = int((values["rank_diff"] > 0).sum())
    return (
        f"Fresh weights have the higher effective rank in {above} of {len(values)} models; "
        f"the difference is {_between(values['rank_diff'], 1)}."
    )


def _untrained_blocks(values: pd.DataFrame) -> str:
    return (
        f"Means of H / log d are {_between(values['trained'])} trained and "
        f"{_between(values['untrained'])} with fresh weights."
    )


def _first_token(values: pd.DataFrame) -> str:
    change = values["normalised_without_first_row_mean"] - values["normalised_mean"]
    return f"Without the first row H / log d changes by {_between(change)}, group by group."


def _length(values: pd.DataFrame) -> str:
    parts = [
        f"{source} {number(part['r_squared'].median(), 2)}"
        for source, part in values.groupby("source", sort=False)
    ]
    return f"Length explains this share of the variance of group means (R²): {', '.join(parts)}."


def _group_gaps(values: pd.DataFrame) -> str:
    plain = values[values["treatment"] == values["treatment"].iloc[0]]
    parts = [
        f"{row.gap} in {row.dataset_title} "
        f"{with_error(row.difference, row.standard_error)} (p {probability(row.p)})"
        for row in plain.itertuples()
    ]
    return f"Gaps in thousandths of H / log d, {plain['treatment'].iloc[0]}: {'; '.join(parts)}."


def _gain(values: pd.DataFrame) -> str:
    last = values[values["tokens"] == values["tokens"].max()]
    return (
        f"At {int(values['tokens'].max())} tokens the information gain is "
        f"{_between(last['gain'], 1)} nats over the models."
    )


def _map(places: pd.DataFrame) -> str:
    parts = [
        f"{row.measure} {number(row[1], 2)} (chance {number(row[2], 2)})"
        for row in separations(places).itertuples(index=False)
    ]
    return f"How well contexts separate (mean silhouette): {', '.join(parts)}."


def _tokens(values: pd.DataFrame) -> str:
    both = values["picked_lasso"] & values["picked_attention"]
    return (
        f"Lasso picks {int(values['picked_lasso'].sum())} tokens, attention "
        f"{int(values['picked_attention'].sum())}, both {int(both.sum())}."
    )


def _lengths(values: pd.DataFrame) -> str:
    ends = (values["tokens_kept"].min(), values["tokens_kept"].max())
    few, most = (_between(values.loc[values["tokens_kept"] == n, "entropy_a"]) for n in ends)
    return f"H / log d is {few} at {ends[0]:.0f} tokens and {most} at {ends[1]:.0f}."


def _ranges(values: pd.DataFrame, by: str) -> str:
    parts = [
        f"{name} {_between(part['value'])}".replace("_", " ").strip()
        for name, part in values.fillna({by: ""}).groupby(by, sort=False)
    ]
    return ", ".join(parts)


def _values(values: pd.DataFrame) -> str:
    """The first indicator of a table, by variant."""
    first = values[values["indicator"] == values["indicator"].iloc[0]]
    called = str(first["indicator"].iloc[0]).replace("_", " ")
    return f"{called[0].upper()}{called[1:]}: {_ranges(first, 'variant')}."


def _places(values: pd.DataFrame) -> str:
    """All indicators of a vision-language table but its controls."""
    shown = values[~values["indicator"].str.startswith("control")]
    return f"{_ranges(shown, 'indicator')}."


def _shares(shares: pd.DataFrame) -> str:
    return (
        "Of the published change of H / log d from the smallest to the largest model, log d alone "
        f"makes {_between(100 * shares['share_log_d'], 0)} percent, set by set."
    )


def _laws(fits: pd.DataFrame) -> str:
    return f"Exponents of power laws that were fitted: {_between(fits['exponent'])}."


def _predicted(fits: pd.DataFrame) -> str:
    return f"Exponents are {_between(fits['ratio'], 2)} times those that theory predicts."


def _rows(called: str) -> Finding:
    return lambda values: f"{len(values)} {called}."


# The file beside a figure that its finding is read from, if that is not NAME.csv.
READ_FROM = {
    "log_d_null": ".shares.csv",
    "published_entropy": ".fits.csv",
    "skill_scaling": ".fits.csv",
}
FINDINGS: dict[str, Finding] = {
    "layers": _layers,
    "scaling": _sizes("entropy_a", "H / log d"),
    "normalisations": _sizes("entropy_a", "H / log d"),
    "context_length": _lengths,
    "operations": _operations,
    "untrained": _untrained,
    "untrained_blocks": _untrained_blocks,
    "first_token": _first_token,
    "length_control": _length,
    "group_gaps": _group_gaps,
    "information_gain": _gain,
    "sentence_map": _map,
    "log_d_null": _shares,
    "published_entropy": _laws,
    "skill_scaling": _predicted,
    "token_selection": _tokens,
    "indicators": _values,
    "lora": _values,
    "variants": _values,
    "samples": _values,
    "multimodal": _places,
    "image_operations": _places,
    "prompts": _rows("prompts"),
    "sources": _rows("data sets with source, revision, licence and hash"),
}
