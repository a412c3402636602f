"""Means over texts of what `measure` gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matrix_entropy.api.wording import needing_models

if TYPE_CHECKING:
    import pandas as pd

OF_TABLE = ("group", "layer", "depth", "width", "tokens", "rows")
# By which a row of one table, or of several joined, is known.
OF_ROW = ("model", "group", "id", "layer")


def check_once(table: pd.DataFrame) -> None:
    """See that no text stands twice at a layer of a model, as in a table joined with itself.

    Raises
    ------
    ValueError
        If one does: its values would be in a mean twice, or two models in one.
    """
    keys = [name for name in OF_ROW if name in table]
    # A table that its user took the texts' names from cannot be looked at.
    twice = table[table.duplicated(keys)] if "id" in keys else table[:0]
    if len(twice):
        called = ", ".join(f"{name} {twice[name].iloc[0]!r}" for name in keys)
        raise ValueError(
            f"two rows are of the same text ({called}); give models of one name different names in "
            "the column `model`, and measure several files of texts in one call."
        )


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Means over texts, as in ``results/metrics/MODEL/DATASET.summary.csv`` of the workflow.

    Parameters
    ----------
    table : DataFrame
        As `measure` gives it, or several of these joined with `pandas.concat`.

    Returns
    -------
    DataFrame
        A row per model, group and layer: ``texts``, ``undefined`` (those of fewer than two rows,
        which are in no mean), ``tokens_mean``, the columns in docs/metrics.md that the table has
        the metrics and measures for, and ``loss`` if it has that.

    Raises
    ------
    ValueError
        If the table lacks a column that `measure` gives, or holds a text twice.
    """
    with needing_models():
        import pandas as pd

        from matrix_entropy.results import columns

    if missing := [name for name in OF_TABLE if name not in table]:
        raise ValueError(f"the table lacks {', '.join(missing)}; give what `measure` returned.")
    check_once(table)
    further = [metric for metric in columns.if_asked() if metric.name in table]
    means = [*columns.means(), *columns.means_of(further)]
    metrics = [each.name for each in (*columns.METRICS, *further) if each.name in table]
    if not metrics:
        raise ValueError("the table has no metric; give what `measure` returned.")
    keys = [name for name in ("model", "group", "depth", "layer") if name in table]
    rows = []
    for place, part in table.groupby(keys, sort=False):
        width = int(part["width"].iloc[0])
        rows.append(
            {
                **dict(zip(keys, place, strict=True)),
                "width": width,
                "texts": len(part),
                "undefined": int((part["rows"] < 2).sum()),
                "tokens_mean": part["tokens"].mean(),
                **{
                    mean.name: mean.over(part[mean.of].to_numpy(float), width)
                    for mean in means
                    if mean.of in metrics
                },
                **({"loss": part["loss"].mean()} if "loss" in part else {}),
            }
        )
    return pd.DataFrame(rows)
