"""Tables of metrics, each a cheap function of the spectra: no model and no hidden states needed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from matrix_entropy.entropy import dataset_normalisations, entropy_bound, normalised
from matrix_entropy.files import writing
from matrix_entropy.spectra_file import ALL_ROWS, Spectra

PROVENANCE_KEY = b"matrix_entropy"


def entropies(spectra: Spectra) -> NDArray[np.float64]:
    """Matrix entropy in nats of every spectrum, shape (views, layers, texts); NaN if undefined."""
    values = spectra.eigenvalues
    terms = -values * np.log(values, out=np.zeros_like(values), where=values > 0)
    entropy = np.full(spectra.counts.shape, np.nan)
    defined = spectra.counts > 0
    if defined.any():
        entropy[defined] = np.add.reduceat(terms, spectra.starts[defined])
    return entropy


def losses(spectra: Spectra) -> NDArray[np.float64]:
    """Mean negative log-likelihood per text in nats per token; NaN for a single token."""
    starts = spectra.offsets[:-1]
    known = ~np.isnan(spectra.token_losses)
    sums = np.add.reduceat(np.where(known, spectra.token_losses, 0).astype(np.float64), starts)
    counts = np.add.reduceat(known.astype(np.int64), starts)
    return np.divide(sums, counts, out=np.full(len(starts), np.nan), where=counts > 0)


def metrics_table(spectra: Spectra) -> pd.DataFrame:
    """One row per text and layer.

    Columns: ``id``, ``group``, ``layer`` (as in file names: "0", "1", ..., "final"), ``depth``
    (position of the layer, to sort by), ``tokens`` (rows of the text, a beginning-of-sequence row
    included), ``rows`` (those with a direction, which are counted), ``truncated``,
    ``matrix_entropy`` (nats), ``matrix_entropy_normalised`` (divided by ``log d``),
    ``effective_rank``, ``entropy_bound_normalised`` (``log min(N − 1, d) / log d``), ``loss``
    (nats per token), and the entropies of the controls, named after them.
    """
    entropy, width = entropies(spectra), spectra.width
    texts, layers = len(spectra.ids), len(spectra.layers)

    def per_text(values: NDArray[Any]) -> NDArray[Any]:
        return np.tile(values, layers)

    columns: dict[str, Any] = {
        "id": per_text(spectra.ids),
        "group": per_text(spectra.groups),
        "layer": np.repeat(np.array(spectra.layers), texts),
        "depth": np.repeat(np.arange(layers), texts),
        "tokens": per_text(np.diff(spectra.offsets)),
        "rows": spectra.rows[0].ravel(),
        "truncated": per_text(spectra.truncated),
        "matrix_entropy": entropy[0].ravel(),
        "matrix_entropy_normalised": normalised(entropy[0], width).ravel(),
        "effective_rank": np.exp(entropy[0]).ravel(),
        "entropy_bound_normalised": normalised(
            entropy_bound(spectra.rows[0], width), width
        ).ravel(),
        "loss": per_text(losses(spectra)),
    }
    for view, values in zip(spectra.views, entropy, strict=True):
        if view != ALL_ROWS:
            columns[f"matrix_entropy_{view}"] = values.ravel()
            columns[f"matrix_entropy_normalised_{view}"] = normalised(values, width).ravel()
    return pd.DataFrame(columns)


def summary_table(metrics: pd.DataFrame, width: int) -> pd.DataFrame:
    """One row per group and layer: the data set's value in three normalisations, and its counts.

    ``entropy_a``, ``entropy_b``, ``entropy_c`` are those of `dataset_normalisations`;
    ``undefined`` counts texts without an entropy, which are in no mean.
    """
    rows = []
    for (group, depth), part in metrics.groupby(["group", "depth"], sort=True):
        values = dataset_normalisations(part["matrix_entropy"].to_numpy(), width)
        rows.append(
            {
                "group": group,
                "layer": part["layer"].iloc[0],
                "depth": depth,
                "texts": len(part),
                "undefined": int(part["matrix_entropy"].isna().sum()),
                "truncated": int(part["truncated"].sum()),
                "tokens_mean": part["tokens"].mean(),
                "matrix_entropy": part["matrix_entropy"].mean(),
                **{f"entropy_{key}": value for key, value in values.items()},
                "effective_rank": part["effective_rank"].mean(),
                "loss": part["loss"].mean(),
            }
        )
    return pd.DataFrame(rows)


def write_metrics(path: str | Path, metrics: pd.DataFrame, provenance: dict[str, Any]) -> None:
    """Write a table as Parquet with its provenance in the file's metadata."""
    table = pa.Table.from_pandas(metrics, preserve_index=False)
    table = table.replace_schema_metadata(
        {**(table.schema.metadata or {}), PROVENANCE_KEY: json.dumps(provenance).encode()}
    )
    with writing(path) as temporary:
        pq.write_table(table, temporary)


def read_metrics(path: str | Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """A table that `write_metrics` wrote, and its provenance."""
    table = pq.read_table(path)
    return table.to_pandas(), json.loads(table.schema.metadata[PROVENANCE_KEY])
