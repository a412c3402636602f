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

from matrix_entropy.published.curves import TOKENS
from matrix_entropy.published.directions import CANNOT_TELL, CHANGED, half_interval, word

LIANG, WEI, TAN = "liang2024", "wei2024", "tan2024"
# By convention, as that of `directions.CHANGED`: silhouettes nearer to each other are alike.
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
    """Wei et al. 2024, section 5.3.1: longer contexts have a larger entropy.

    ``numbers`` are those of `figures.kinds.context_length.length_numbers`. The interval takes the
    entropies of the two lengths as if they were of different texts, which makes it wider.
    """
    rows = []
    for (model, dataset), part in numbers.groupby(["model", "dataset"], sort=False):
        ends = part.sort_values("tokens_kept").iloc[[0, -1]]
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
    return rows


def operation_claims(numbers: pd.DataFrame) -> list[Row]:
    """Wei et al. 2024, section 5.3.2: shuffled or reversed sentences have a smaller entropy.

    ``numbers`` are those of `figures.kinds.operations.operations_numbers`.
    """
    changed = numbers[numbers["order"] > numbers["order"].min()]
    return [
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


def prompt_claims(values: pd.DataFrame) -> list[Row]:
    """Wei et al. 2024, section 5.3.3: behind a prompt the same texts have a smaller entropy.

    ``values`` are those of a table of variants, the first of which has no prompt. The table holds
    no standard errors, so that what is a change is a convention, as in the paper's own table.
    """
    values = values[values["indicator"] == "matrix_entropy"]
    rows = []
    for (model, dataset), part in values.groupby(["model", "dataset"], sort=False):
        first, *prompts = part.to_dict("records")
        rows += [
            claim(
                WEI,
                "H / log d behind a prompt less without",
                "falls",
                row["value"] - first["value"],
                CHANGED,
                ("rises", "falls"),
                f"change of the mean; by convention none within {CHANGED:g}",
                model=model,
                dataset=dataset,
                group=str(row["variant"]),
            )
            for row in prompts
            if str(row["variant"]).startswith("prompt")
        ]
    return rows


def gain_claims(numbers: pd.DataFrame) -> list[Row]:
    """Tan et al. 2024, section 4.1: the gain over d rises with the number of tokens, and every
    token adds less than those before it.

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
    return rows


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
