"""What the text of a paper says of models in general, and whether another real model shows it.

A model that is none of the paper's cannot be held against its numbers, only against what rises or
falls. Each function turns the numbers of one figure or table into rows as those of
`published.directions`: ``published_direction`` is the paper's word, ``published`` is NaN,
since the paper's number is another model's. Where an interval of 95 % holds zero, the word is
"cannot tell".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from matrix_entropy.maths.rank_correlation import rank_correlation, rank_correlation_chance
from matrix_entropy.published.curves import TOKENS
from matrix_entropy.published.directions import (
    CANNOT_TELL,
    LEAST_SIZES,
    half_interval,
    trend,
    word,
)

LIANG, WEI, TAN = "liang2024", "wei2024", "tan2024"
# By convention: silhouettes nearer to each other are alike.
ALIKE = 0.05

Row = dict[str, Any]


def claim(
    paper: str,
    quantity: str,
    said: str,
    value: float,
    least: float,
    words: tuple[str, str],
    reason: str,
    **where: str,
) -> Row:
    """One row: the paper's word, and ours if ``value`` is further from zero than ``least``."""
    return {
        "paper": paper,
        "quantity": quantity,
        **where,
        "published": np.nan,
        "rebuilt": value,
        "published_direction": said,
        "rebuilt_direction": word(value, least, (*words, CANNOT_TELL)),
        "reason": reason,
    }


def size_claim(
    paper: str, quantity: str, said: str, values: pd.Series, sizes: pd.Series, **where: str
) -> Row:
    """One row of how a value of each model goes with their sizes, of which there are three or more.

    The word is that of `published.directions.trend`.
    """
    rho, chance = rank_correlation(sizes, values), rank_correlation_chance(sizes, values)
    row = claim(
        paper, f"{quantity}, with size", said, rho, 0.0, ("rises", "falls"),
        f"rank correlation with size, {len(values)} sizes; told where chance gives one as far from "
        "zero at most 5% of the time",
        **where,
    )  # fmt: skip
    return {**row, "rebuilt_direction": trend(rho, chance), "rebuilt_p": chance}


def gap_claims(means: pd.DataFrame) -> list[Row]:
    """Liang 2024, section 5: good and utopian stories have the higher entropy.

    ``means`` are those of `figures.kinds.group_gaps.group_gaps`: a row for every treatment.
    """
    return [
        claim(
            LIANG,
            f"gap of H / log d, mean over blocks, {row.treatment}",
            "above",
            row.difference,
            row.high - row.difference,
            ("above", "below"),
            f"95 % interval, {row.texts_first} and {row.texts_second} texts",
            model=row.model,
            dataset=row.dataset,
            group=row.gap,
        )
        for row in means.itertuples()
    ]


def context_length_claims(numbers: pd.DataFrame) -> list[Row]:
    """Wei et al. 2024, section 5.3.1: longer contexts have a larger entropy, and it decelerates.

    The second is the slope from one length to the next, in tokens: that of the last two lengths
    less that of the first two, of three lengths or more. It falls for ``log N``, too, which has no
    limit; that the curve converges cannot follow from it.

    ``numbers`` are those of `figures.kinds.context_length.length_numbers`. The interval takes the
    entropies of all lengths as if they were of different texts, which makes it wider.
    """
    rows = []
    for (model, dataset), part in numbers.groupby(["model", "dataset"], sort=False):
        part = part.sort_values("tokens_kept")
        ends = part.iloc[[0, -1]]
        first, last = ends["tokens_kept"]
        count = int(ends["texts"].min())
        error = float(np.sqrt((ends["entropy_a_std"] ** 2).sum() / max(count - 1, 1)))
        rows.append(
            claim(
                WEI,
                f"H / log d from {first} to {last} tokens",
                "rises",
                float(np.diff(ends["entropy_a"])[0]),
                half_interval(error, count),
                ("rises", "falls"),
                f"change of the mean; 95 % interval, {count} texts",
                model=model,
                dataset=dataset,
            )
        )
        if len(part) > 2:
            rows.append(_deceleration(part, count, model=model, dataset=dataset))
    return rows


def _deceleration(part: pd.DataFrame, count: int, **where: str) -> Row:
    """Slope between the last two lengths less that between the first two."""
    variances = (part["entropy_a_std"] ** 2 / max(count - 1, 1)).to_numpy()
    steps = np.diff(part["tokens_kept"])
    slopes = np.diff(part["entropy_a"]) / steps
    # Every length of the two slopes by what it weighs; of three lengths the middle one in both.
    weights = np.zeros(len(part))
    weights[-2:] += np.array([-1, 1]) / steps[-1]
    weights[:2] -= np.array([-1, 1]) / steps[0]
    return claim(
        WEI,
        "slope of H / log d in tokens, last two lengths less first two",
        "falls",
        float(slopes[-1] - slopes[0]),
        half_interval(float(np.sqrt(weights**2 @ variances)), count),
        ("rises", "falls"),
        f"difference of slopes; 95 % interval, {count} texts",
        **where,
    )


def operation_claims(numbers: pd.DataFrame) -> list[Row]:
    """Wei et al. 2024, section 5.3.2: shuffled or reversed sentences have a smaller entropy, and
    reversed ones the smaller of the two.

    ``numbers`` are those of `figures.kinds.operations.operations_numbers`. The interval of the
    second takes the two changes of a text as independent: it is wider where they are alike.
    """
    changed = numbers[numbers["order"] > numbers["order"].min()]
    rows = [
        claim(
            WEI,
            "H / log d of changed less unchanged texts",
            "falls",
            row.difference,
            half_interval(row.difference_sem, int(row.texts)),
            ("rises", "falls"),
            f"mean of paired differences; 95 % interval, {row.texts} texts",
            model=row.model,
            dataset=row.dataset,
            group=str(row.variant),
        )
        for row in changed.itertuples()
    ]
    columns = ["difference", "difference_sem", "texts"]
    for (model, dataset), part in changed.groupby(["model", "dataset"], sort=False):
        of = part.set_index("variant")[columns]
        if not {"shuffled", "reversed"} <= {*of.index}:
            continue
        one, other = of.loc["shuffled"], of.loc["reversed"]
        count = int(min(one["texts"], other["texts"]))
        error = float(np.hypot(one["difference_sem"], other["difference_sem"]))
        rows.append(
            claim(
                WEI,
                "H / log d of shuffled less reversed texts",
                "above",
                float(one["difference"] - other["difference"]),
                half_interval(error, count),
                ("above", "below"),
                f"difference of two mean changes, taken as independent; 95 % interval, {count} "
                "texts",
                model=model,
                dataset=dataset,
            )
        )
    return rows


def prompt_claims(values: pd.DataFrame) -> list[Row]:
    """Wei et al. 2024, section 5.3.3: behind a prompt the same texts have a smaller entropy, and
    the average reduction gets larger with size.

    ``values`` are those of a table of variants, the first of which has no prompt. The change is
    that of the same texts; the effective rank has none and is left out.
    """
    values = values[values["indicator"] == "matrix_entropy"]
    rows = []
    for (model, dataset), part in values.groupby(["model", "dataset"], sort=False):
        rows += [
            claim(
                WEI,
                "H / log d behind a prompt less without",
                "falls",
                row["change"],
                half_interval(row["change_standard_error"], int(row["texts"])),
                ("rises", "falls"),
                f"mean of paired differences; 95 % interval, {row['texts']:.0f} texts",
                model=model,
                dataset=dataset,
                group=str(row["variant"]),
            )
            for row in part.to_dict("records")
            if str(row["variant"]).startswith("prompt")
        ]
    average = values["variant"].astype(str).str.startswith("average")
    for dataset, part in values[average].groupby("dataset", sort=False):
        if len(part) < LEAST_SIZES:
            continue
        first = values[(values["dataset"] == dataset) & ~average].groupby("model")["value"].first()
        reductions = part["model"].map(first) - part["value"]
        name = "average reduction by prompts"
        rows.append(
            size_claim(WEI, name, "rises", reductions, part["parameters"], dataset=str(dataset))
        )
    return rows


def gain_claims(numbers: pd.DataFrame) -> list[Row]:
    """Tan et al. 2024, section 4.1: the gain over d rises with the number of tokens, and every
    token adds less than those before it; of several models, both less so in the larger ones.

    ``numbers`` are those of `figures.kinds.information_gain_figure.gain_numbers`; fresh weights
    beside the trained ones, which have ``seeds``, are left out. So is the first increment, which is
    the same for every text.
    """
    if "seeds" in numbers:
        numbers = numbers[numbers["seeds"] == 0]
    rows = []
    for model, part in numbers.groupby("model", sort=False):
        part = part.sort_values("tokens")
        first, second, last = (part.iloc[place] for place in (0, 1, -1))
        halves = [end["increment_high"] - end["increment"] for end in (second, last)]
        rows += [
            claim(
                TAN,
                f"gain / d from 1 to {last['tokens']} tokens",
                "rises",
                float(last["gain_per_width"] - first["gain_per_width"]),
                float(last["gain_per_width_high"] - last["gain_per_width"]),
                ("rises", "falls"),
                "change of the mean; 95 % interval over texts",
                model=str(model),
            ),
            claim(
                TAN,
                f"increment from token 2 to token {last['tokens']}",
                "falls",
                float(last["increment"] - second["increment"]),
                float(np.hypot(*halves)),
                ("rises", "falls"),
                "change of the mean; 95 % interval over texts, the two ends taken as independent",
                model=str(model),
            ),
        ]
    if numbers["model"].nunique() < LEAST_SIZES:
        return rows
    shortest = numbers.groupby("model")["tokens"].max().min()
    by_tokens = numbers.set_index(["tokens", "model"])
    first, second, last = (by_tokens.loc[tokens] for tokens in (1, 2, shortest))
    sizes = last["parameters"]
    rise = last["gain_per_width"] - first["gain_per_width"]
    fall = second["increment_per_width"] - last["increment_per_width"]
    return [
        *rows,
        size_claim(TAN, f"rise of gain / d from 1 to {shortest} tokens", "falls", rise, sizes),
        size_claim(TAN, f"fall of increment / d from token 2 to {shortest}", "falls", fall, sizes),
    ]


def map_claims(places: pd.DataFrame) -> list[Row]:
    """Tan et al. 2024, section 4.3: the mean of all tokens tells contexts apart, the last does not.

    ``places`` are those of a map of sentences that shows both.
    """
    means = places.groupby("measure", sort=False)["silhouette"].mean()
    if not {"token_mean", "last_token"} <= set(means.index):
        return []
    return [
        claim(
            TAN,
            "silhouette of contexts, token mean less last token",
            "above",
            float(means["token_mean"] - means["last_token"]),
            ALIKE,
            ("above", "below"),
            f"difference of means over sentences; by convention alike within {ALIKE:g}",
        )
    ]


def token_claims(weights: pd.DataFrame) -> list[Row]:
    """Tan et al. 2024, section 4.2: the earlier tokens that Lasso picks.

    ``weights`` are those of the paper's sentence, from
    `figures.kinds.token_selection.token_weights`.
    """
    rows = []
    printed = pd.read_csv(TOKENS, keep_default_na=False)
    listed = printed[printed["method"] == "lasso"]
    for target, part in listed.groupby("target", sort=False):
        wanted = Counter(part["picks"])
        ours = weights[weights["target"] == target]
        for column, penalty in (("picked_lasso", "alpha"), ("picked_literal", "λ as printed")):
            picked = Counter(ours.loc[ours[column], "token"].str.strip())
            same = picked == wanted
            rows.append(
                {
                    "paper": TAN,
                    "quantity": f"tokens that Lasso picks, {penalty}",
                    "group": f"[{target}]",
                    "published": float(wanted.total()),
                    "rebuilt": float(picked.total()),
                    "published_direction": _named(wanted),
                    "rebuilt_direction": _named(wanted) if same else _named(picked),
                    "reason": "the tokens themselves; numbers are how many",
                    # Of a list practically none: 33 tokens have thousands of parts as large.
                    "chance": 0.0,
                }
            )
    return rows


def _named(tokens: Counter[str]) -> str:
    return (
        " ".join(sorted(tokens.elements())) if tokens.total() <= 8 else f"{tokens.total()} tokens"
    )


CLAIMS: dict[str, Callable[[pd.DataFrame], list[Row]]] = {
    "group_gaps": gap_claims,
    "context_length": context_length_claims,
    "operations": operation_claims,
    "variants": prompt_claims,
    "information_gain": gain_claims,
    "sentence_map": map_claims,
    "token_selection": token_claims,
}


def claims_of(kind: str, numbers: pd.DataFrame) -> list[Row]:
    """The rows of a figure or table of some kind, from the numbers beside it."""
    return CLAIMS[kind](numbers)
