"""Long rows, attention to them and their effect on entropy: per text, and over texts and seeds.

From two files of each run: the rows (`results.rows_file`) and the metrics, measured with the
control ``without_long_rows``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from matrix_entropy.base.errors import InputError
from matrix_entropy.maths.entropy import normalised
from matrix_entropy.maths.long_rows import LONG, entropy_with_long_rows, relative
from matrix_entropy.results.rows_file import Rows

TRAINED, UNTRAINED = "trained", "untrained"
WITHOUT = "matrix_entropy_without_long_rows"
VALUES = ["attention", "uniform", "normalised", "without_long_rows", "formula"]
BULK = (0.05, 0.95)  # quantiles of the norms of all rows but the two longest


def text_values(rows: Rows, metrics: pd.DataFrame, seed: int | None) -> pd.DataFrame:
    """One row per text and block of a run.

    Columns: ``weights`` (trained or untrained), ``seed``, ``id``, ``group``, ``block`` (from 0),
    ``tokens``, ``long_rows`` (how many), ``largest`` and ``second`` (norms relative to the median),
    ``bulk_low`` and ``bulk_high`` (`BULK`, of the other rows), ``attention`` (that the block pays
    to the row which is relatively longest at any block, see `Rows`) and ``uniform``, and of H /
    log d ``normalised``, ``without_long_rows`` and ``formula``
    (`maths.long_rows.entropy_with_long_rows`).

    Raises
    ------
    InputError
        If the data set was not measured without long rows, or the files are not of the same texts.
    """
    dataset, width = rows.provenance["dataset"]["name"], rows.provenance["options"]["width"]
    if WITHOUT not in metrics:
        raise InputError(
            f"data set '{dataset}' was not measured without long rows; add `without_long_rows` to "
            "its `controls:`."
        )
    found = []
    for at, layer in enumerate(rows.layers):
        if layer in ("0", "final"):
            continue
        of_layer = metrics[metrics["layer"] == layer]
        if of_layer["id"].tolist() != rows.ids.tolist():
            raise InputError(
                f"the rows and the metrics of data set '{dataset}' are not of the same texts; "
                f"delete results/rows/{rows.provenance['model']['model']}/{dataset}.npz and run "
                "again."
            )
        for text, (_, of_text) in enumerate(of_layer.iterrows()):
            here = rows.of(text)
            lengths = relative(rows.norms[at, here])
            long, longest = lengths > LONG, _longest(rows, text)
            in_order = np.sort(lengths)[::-1]
            bulk = np.quantile(in_order[2:], BULK) if len(in_order) > 2 else [np.nan] * 2
            rest = float(of_text[WITHOUT])
            formula = entropy_with_long_rows(rest, rows.distances[at, here], long)
            block = int(layer) - 1
            found.append(
                {
                    "weights": TRAINED if seed is None else UNTRAINED,
                    "seed": seed,
                    "id": of_text["id"],
                    "group": of_text["group"],
                    "block": block,
                    "tokens": len(lengths),
                    "long_rows": int(long.sum()),
                    "largest": in_order[0],
                    "second": in_order[1] if len(in_order) > 1 else np.nan,
                    "bulk_low": bulk[0],
                    "bulk_high": bulk[1],
                    "attention": rows.attention[block, here][longest],
                    "uniform": rows.uniform[block, here][longest],
                    "normalised": of_text["matrix_entropy_normalised"],
                    "without_long_rows": float(normalised(rest, width)),
                    "formula": float(normalised(formula, width)),
                }
            )
    return pd.DataFrame(found)


def _blocks(rows: Rows) -> list[int]:
    return [at for at, layer in enumerate(rows.layers) if layer not in ("0", "final")]


def _longest(rows: Rows, text: int) -> int:
    """The row of a text that is longest, relative to the others, behind any block."""
    here = rows.of(text)
    largest = np.max([relative(rows.norms[at, here]) for at in _blocks(rows)], axis=0)
    return int(np.nan_to_num(largest, nan=-1.0).argmax())


def long_positions(rows: Rows, seed: int | None) -> pd.DataFrame:
    """Where the long rows stand: ``weights``, ``seed``, ``block``, ``position``, ``texts``.

    Positions count from 0, a beginning-of-sequence row included.
    """
    found: dict[tuple[int, int], int] = {}
    for at in _blocks(rows):
        for text in range(len(rows.ids)):
            for position in np.flatnonzero(relative(rows.norms[at, rows.of(text)]) > LONG):
                place = (int(rows.layers[at]) - 1, int(position))
                found[place] = found.get(place, 0) + 1
    table = pd.DataFrame(
        [(*place, texts) for place, texts in sorted(found.items())],
        columns=["block", "position", "texts"],
    )
    table.insert(0, "weights", TRAINED if seed is None else UNTRAINED)
    table.insert(1, "seed", seed)
    return table


def block_values(texts: pd.DataFrame) -> pd.DataFrame:
    """One row per weights, group and block, then of all texts together (``group`` is empty).

    Parameters
    ----------
    texts : DataFrame
        `text_values` of every run, one below the other.

    Returns
    -------
    DataFrame
        Of the norms, medians and ranges over texts and seeds (of the bulk, medians of the
        quantiles). Of all else, the mean over texts, and over seeds the mean (``_mean``) and the
        range (``_low``, ``_high``) of that; texts without a value are left out.
    """
    of_groups = texts.groupby(["weights", "group", "block"], sort=False)
    together = texts.groupby(["weights", "block"], sort=False)
    return pd.DataFrame(
        [
            *({"weights": w, "group": g, "block": b} | _over(p) for (w, g, b), p in of_groups),
            *({"weights": w, "group": None, "block": b} | _over(p) for (w, b), p in together),
        ]
    )


def _over(part: pd.DataFrame) -> dict[str, Any]:
    """What `block_values` says of some texts at one block."""
    of_seeds = part.groupby("seed", dropna=False)[VALUES].mean()
    row: dict[str, Any] = {
        "texts": part["id"].nunique(),
        "seeds": len(of_seeds),
        "texts_with_long_rows": int((part["long_rows"] > 0).sum()),
    }
    for name in ("largest", "second"):
        row[f"{name}_median"] = part[name].median()
        row |= {f"{name}_low": part[name].min(), f"{name}_high": part[name].max()}
    row |= {name: part[name].median() for name in ("bulk_low", "bulk_high")}
    for name in VALUES:
        row[f"{name}_mean"] = of_seeds[name].mean()
        row |= {f"{name}_low": of_seeds[name].min(), f"{name}_high": of_seeds[name].max()}
    return row


def formula_errors(texts: pd.DataFrame) -> pd.DataFrame:
    """How well the formula tells the entropies of texts with long rows, in H / log d.

    ``points`` (texts and blocks, of all seeds), ``rms``, ``bias`` (mean of formula less measured),
    ``largest`` error, ``r2`` (share of the variance that it explains) and ``rms_without``, the
    error of taking the entropy without the long rows instead. NaN where no row is long.
    """
    found = []
    for weights, part in texts.groupby("weights", sort=False):
        part = part[part["long_rows"] > 0].dropna(subset=["normalised", "formula"])
        measured = part["normalised"].to_numpy()
        error = part["formula"].to_numpy() - measured
        without = part["without_long_rows"].to_numpy() - measured
        found.append(
            {
                "weights": weights,
                "points": len(part),
                "rms": _rms(error),
                "bias": error.mean() if len(part) else np.nan,
                "largest": np.abs(error).max() if len(part) else np.nan,
                "r2": 1 - (error**2).mean() / measured.var() if len(part) > 1 else np.nan,
                "rms_without": _rms(without),
            }
        )
    return pd.DataFrame(found)


def _rms(errors: NDArray[np.float64]) -> float:
    return float(np.sqrt((errors**2).mean())) if len(errors) else float("nan")


def run_values(
    rows: Sequence[Rows], metrics: Sequence[pd.DataFrame], models: dict[str, dict[str, Any]]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`text_values` and `long_positions` of a model and its fresh weights, the trained one first.

    Parameters
    ----------
    rows, metrics : sequence
        Of every run.
    models : dict
        Entries of the models by name; those of fresh weights say so in ``untrained``.
    """
    texts, positions = [], []
    for of_run, table in zip(rows, metrics, strict=True):
        seed = models[of_run.provenance["model"]["model"]].get("untrained", {}).get("seed")
        texts.append(text_values(of_run, table, seed))
        positions.append(long_positions(of_run, seed))
    return pd.concat(texts, ignore_index=True), pd.concat(positions, ignore_index=True)
