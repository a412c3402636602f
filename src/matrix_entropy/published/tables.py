"""The numbers that papers print in their tables, and ours beside them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from matrix_entropy.base.errors import InputError
from matrix_entropy.base.shipped import published

WEI = "wei2024"

# Published indicators that have another name here; all others are the same on both sides.
NAMES = {"ppl_windows": "ppl"}
COMPARED = "yes"
UNPUBLISHED = "no published value"
STAND_IN = "stand-in, not comparable"


# What tells a printed number from the others of a paper.
KEYS = ("table", "model_family", "size", "dataset", "indicator", "variant")


def published_models() -> pd.DataFrame:
    """The models of the published tables, a row each: what they are called and how large they are.

    Columns: ``model_family``, ``size``, ``parameters``, ``width`` and ``layers``.
    """
    return pd.read_csv(published(WEI, "models"))


def published_values(paper: str, table: int | str) -> pd.DataFrame:
    """The values of one table of a paper, in the order printed.

    Columns: ``model_family`` (lower case), ``size``, ``dataset``, ``indicator``
    (``matrix_entropy`` is ``H / log d``, averaged over texts), ``variant`` ("" where a table has
    none) and ``value`` (NaN where our copy of the paper is unreadable); a paper may add
    ``tolerance`` and ``reason``.

    Raises
    ------
    InputError
        If no values of this table are kept; the sentence lists those that are. If the file lacks a
        column, has a number twice, or a value that is none.
    """
    path = published(paper, "tables")
    numbers = {"value": "", "tolerance": ""}
    values = pd.read_csv(path, dtype={"table": str}, keep_default_na=False, na_values=numbers)
    if lacking := sorted({*KEYS, "value"} - {*values}):
        raise InputError(f"{path} lacks the columns {', '.join(lacking)}; add them.")
    if values.duplicated([*KEYS]).any():
        twice = values.loc[values.duplicated([*KEYS])].index[0] + 2
        raise InputError(f"{path}, line {twice} has a number that is there already; remove one.")
    for column in numbers.keys() & {*values}:
        if not pd.api.types.is_numeric_dtype(values[column]):
            raise InputError(f"{path} has a '{column}' that is no number; correct it.")
    chosen = values[values["table"] == str(table)]
    if chosen.empty:
        known = ", ".join(dict.fromkeys(values["table"]))
        raise InputError(
            f"there are no published values of table '{table}' of the paper '{paper}'; choose one "
            f"of {known}."
        )
    return chosen.drop(columns="table").reset_index(drop=True)


def with_published(values: pd.DataFrame, paper: str, table: int | str) -> pd.DataFrame:
    """Our values with those of a table of a paper beside them, in the same order.

    A row is found by family (in lower case), size, data set, indicator and variant. The paper's
    ``ppl`` is held against ``ppl_windows``; that it was computed so is a conjecture, since the
    paper does not say how.

    Parameters
    ----------
    values : DataFrame
        ``family`` ("Cerebras-GPT"), ``size`` ("111M"), ``published_dataset`` ("dolly-15k"),
        ``indicator``, ``value``, ``stand_in`` (bool) and perhaps ``variant``.
    paper, table : str
        As in `published_values`.

    Returns
    -------
    DataFrame
        The same with ``published``, ``difference`` (``value − published``; NaN for a stand-in,
        which is another model) and ``comparable``: "yes", "no published value" or "stand-in, not
        comparable".

    Raises
    ------
    InputError
        If no values of this table are kept.
    """
    known = published_values(paper, table).set_index(
        ["model_family", "size", "dataset", "indicator", "variant"]
    )
    variant = values["variant"].fillna("") if "variant" in values else ""
    keys = pd.MultiIndex.from_frame(
        pd.DataFrame(
            {
                "family": values["family"].str.lower(),
                "size": values["size"],
                "dataset": values["published_dataset"],
                "indicator": values["indicator"].replace(NAMES),
                "variant": variant,
            }
        )
    )
    printed = known["value"].reindex(keys).to_numpy()
    stand_in = values["stand_in"].to_numpy(dtype=bool)
    return values.assign(
        published=printed,
        difference=np.where(stand_in, np.nan, values["value"] - printed),
        comparable=np.select(
            [np.isnan(printed), stand_in], [UNPUBLISHED, STAND_IN], default=COMPARED
        ),
    )
