"""What the papers draw, as tables: Liang's curves, and Wei's points at the sizes of our models."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from matrix_entropy.base.errors import InputError
from matrix_entropy.base.shipped import published
from matrix_entropy.maths.entropy import nats, rank_of_entropy
from matrix_entropy.published.counterparts import TABLES_OF_FAMILIES
from matrix_entropy.published.tables import WEI, published_models, published_values

TOKENS = published("tan2024", "tokens")

TABLE_OF_FAMILY = TABLES_OF_FAMILIES[WEI]
# Our columns of the numbers that these figures print as indicators.
COLUMNS = {"matrix_entropy": "entropy_a", "loss": "loss", "ppl": "ppl_windows"}


def published_layers(
    paper: str, model: str, dataset: str, blocks: int | None = None
) -> pd.DataFrame:
    """A paper's curves of a model on a data set: a row per group and block, empty if it has none.

    Columns: ``group`` ("good long"), ``block`` (from 0), ``mean``, ``std`` (ddof 0), ``mean_err``
    and ``std_err``, bounds of the reading error. With ``blocks``, the number of a model's blocks,
    the published curve is stretched to its depth; ``published_blocks`` is the paper's number.
    """
    path = published(paper, "figures")
    known = ["model", "dataset", "series", "layer", "mean", "std", "mean_err", "std_err"]
    curves = pd.read_csv(path) if path.is_file() else pd.DataFrame(columns=known)
    if lacking := [name for name in known if name not in curves]:
        raise InputError(f"{path} lacks the columns {', '.join(lacking)}; add them.")
    curves = curves[(curves["model"] == model) & (curves["dataset"] == dataset)]
    printed = curves["layer"].nunique()
    stretch = 1.0 if blocks is None else (blocks - 1) / max(printed - 1, 1)
    return pd.DataFrame(
        {
            "group": curves["series"].str.replace("_", " "),
            "block": curves["layer"] * stretch,
            "mean": curves["mean"],
            "std": curves["std"],
            "mean_err": curves["mean_err"],
            "std_err": curves["std_err"],
            "published_blocks": printed,
        }
    ).reset_index(drop=True)


def published_family(table: str) -> pd.DataFrame:
    """Table 1, 8 or 9 of Wei et al. 2024 with ``parameters``, ``width`` and effective ranks.

    The rows are those of `published_values` and, for every matrix entropy ``H / log d``, one of
    the indicator ``effective_rank``: ``exp(mean H)``, which the paper does not print.
    """
    values = published_values(WEI, table).merge(
        published_models(), on=["model_family", "size"], how="left", validate="many_to_one"
    )
    entropy = values[values["indicator"] == "matrix_entropy"]
    rank = rank_of_entropy(nats(entropy["value"], entropy["width"]))
    ranks = entropy.assign(indicator="effective_rank", value=rank)
    return pd.concat([values, ranks], ignore_index=True)


def published_sizes(numbers: pd.DataFrame, datasets: Mapping[str, str]) -> pd.DataFrame:
    """Published points for `figures.kinds.scaling_figure.draw_scaling`, at the places of ours.

    A point stands at the ``parameters`` of our model of that family and size, which of a stand-in
    are other than the paper's. Models and data sets that have none are left out.

    Parameters
    ----------
    numbers : DataFrame
        From `figures.kinds.scaling_figure.scaling_numbers`.
    datasets : mapping
        What the paper calls each data set of ours.

    Returns
    -------
    DataFrame
        A row per data set and model: ``dataset``, ``family``, ``parameters``, ``entropy_a``,
        ``effective_rank_geometric``, ``loss``, ``ppl_windows`` (NaN where none is printed).
    """
    names = {**COLUMNS, "effective_rank": "effective_rank_geometric"}
    ours = numbers.loc[numbers["shown"], ["dataset", "family", "size", "parameters"]].assign(
        model_family=numbers["family"].str.lower(), published=numbers["dataset"].map(datasets)
    )
    tables = [
        published_family(TABLE_OF_FAMILY[family])
        for family in dict.fromkeys(ours["model_family"])
        if family in TABLE_OF_FAMILY
    ]
    keys = ["model_family", "size", "dataset"]
    points = pd.DataFrame(columns=[*keys, *names.values()])
    if tables:
        printed = pd.concat(tables)
        wide = printed[printed["indicator"].isin(names)].pivot(
            index=keys, columns="indicator", values="value"
        )
        points = wide.rename(columns=names).reset_index()
    points = points.rename(columns={"dataset": "published"})
    joined = ours.merge(points, on=["model_family", "size", "published"])
    columns = ["dataset", "family", "parameters", *names.values()]
    return joined.reindex(columns=columns).astype(dict.fromkeys(columns[2:], np.float64))
