"""What the tables beside the figures across models have in common."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from matrix_entropy.base.errors import InputError
from matrix_entropy.maths.entropy import normalised, rank_of_entropy
from matrix_entropy.maths.scaling import Null, constant_rank_null

LEAST_MODELS = 3  # with fewer a null has hardly a variance to explain


def in_order(numbers: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Rows sorted by columns: names in the order of their appearance, numbers rising.

    Examples
    --------
    >>> table = pd.DataFrame({"name": ["b", "a", "b"], "size": [2, 1, 1]})
    >>> in_order(table, ["name", "size"]).to_numpy().tolist()
    [['b', 1], ['b', 2], ['a', 1]]
    """

    def place(column: pd.Series) -> pd.Series:
        if is_numeric_dtype(column):
            return column
        return pd.Series(pd.factorize(column)[0], index=column.index)

    return numbers.sort_values(columns, kind="stable", key=place, ignore_index=True)


def require_entropy(values: pd.DataFrame) -> None:
    """Stop with a sentence if no row has an entropy.

    Raises
    ------
    InputError
        If ``entropy_a`` is NaN everywhere.
    """
    if values["entropy_a"].isna().all():
        raise InputError(
            "no model has an entropy to draw: all texts have fewer than two distinct rows; use "
            "longer texts, or raise `max_tokens:` or `lengths:`."
        )


def null_of(entropy: pd.Series, width: pd.Series) -> Null | None:
    """`constant_rank_null`, or None with fewer than three different entropies."""
    if entropy.nunique() < LEAST_MODELS:
        return None
    return constant_rank_null(entropy, width)


def with_null(part: pd.DataFrame, fitted: pd.DataFrame) -> pd.DataFrame:
    """The rows of a part, with what the constant effective rank of its ``fitted`` rows predicts.

    ``null_entropy_a`` is ``c / log d`` and ``null_effective_rank`` is ``exp(c)``; NaN where
    `null_of` finds too few entropies.
    """
    null = null_of(fitted["entropy_a"], fitted["width"])
    entropy = np.nan if null is None else null.entropy
    return part.assign(
        null_entropy_a=normalised(entropy, part["width"]),
        null_effective_rank=rank_of_entropy(entropy),
    )
