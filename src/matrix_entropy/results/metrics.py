"""Tables of metrics, each a cheap function of the spectra: no model and no hidden states needed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import read_csv, write_csv, writing
from matrix_entropy.maths.entropy import dataset_normalisations, entropy_bound, normalised
from matrix_entropy.results.intermediates import check_place
from matrix_entropy.results.spectra_file import ALL_ROWS, Spectra

PROVENANCE_KEY = b"matrix_entropy"
# What every row of a table has, and the columns of shares in it, which are from 0 to 1.
OF_TEXTS = ("id", "group", "layer")
OF_SUMMARY = ("view", "group", "layer")
OF = ("model", "dataset")  # what a summary says that it is of
SHARES = ("matrix_entropy_normalised", "entropy_a", "entropy_b", "entropy_c")
RANKS = ("effective_rank", "effective_rank_geometric")
# Our own CSV files have ten digits, of entropies up to some ten nats.
ROUNDING = 1e-8


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


def ppl_token(spectra: Spectra, texts: NDArray[np.bool_]) -> float:
    """Perplexity ``exp(mean NLL)`` over all predicted tokens of some texts, each read alone."""
    lengths = np.diff(spectra.offsets)
    of_texts = spectra.token_losses[np.repeat(texts, lengths)]
    of_texts = of_texts[~np.isnan(of_texts)].astype(np.float64)
    return float(np.exp(of_texts.mean())) if len(of_texts) else float("nan")


def ppl_windows(spectra: Spectra, group: str) -> float:
    """Perplexity over a group's texts one after another, in windows: NaN if not read so."""
    inside = spectra.window_groups == group
    if not inside.any():
        return float("nan")
    losses, tokens = spectra.window_losses[inside], spectra.window_tokens[inside]
    return float(np.exp(np.average(losses.astype(np.float64), weights=tokens)))


def metrics_table(spectra: Spectra) -> pd.DataFrame:
    """One row per text and layer.

    Columns: ``id``, ``group``, ``layer`` (as in file names: "0", "1", ..., "final"), ``depth``
    (position of the layer, to sort by), ``tokens`` (rows of the text, a beginning-of-sequence row
    included), ``rows`` (those with a direction, which are counted), ``truncated``,
    ``matrix_entropy`` (nats), ``matrix_entropy_normalised`` (divided by ``log d``),
    ``effective_rank``, ``entropy_bound_normalised`` (``log min(N − 1, d) / log d``), ``loss``
    (nats per token), and the entropies of the controls and cuts, named after them.
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


def summary_table(spectra: Spectra) -> pd.DataFrame:
    """One row per view of the rows, group and layer: the data set's values and their counts.

    ``entropy_a``, ``entropy_b``, ``entropy_c`` are those of `dataset_normalisations`,
    ``entropy_a_std`` the standard deviation over texts (ddof 0), ``effective_rank`` the mean of
    ``exp H``, ``effective_rank_std`` their standard deviation, and ``effective_rank_geometric``
    ``exp(mean H)``; ``undefined`` counts texts without an entropy, which are in no mean. Losses are
    those of whole texts: ``loss`` the mean of the texts' means, `ppl_token` and `ppl_windows` as
    there.
    """
    entropy, width = entropies(spectra), spectra.width
    of_texts, lengths = losses(spectra), np.diff(spectra.offsets)
    rows = []
    for group in dict.fromkeys(map(str, spectra.groups)):
        inside = spectra.groups == group
        whole = {
            "loss": _mean(of_texts[inside]),
            "ppl_token": ppl_token(spectra, inside),
            "ppl_windows": ppl_windows(spectra, group),
        }
        for at, view in enumerate(spectra.views):
            for depth, layer in enumerate(spectra.layers):
                values = entropy[at, depth, inside]
                bounds = normalised(entropy_bound(spectra.rows[at, depth, inside], width), width)
                means = dataset_normalisations(values, width)
                rows.append(
                    {
                        "view": view,
                        "group": group,
                        "layer": layer,
                        "depth": depth,
                        "width": width,
                        "texts": int(inside.sum()),
                        "undefined": int(np.isnan(values).sum()),
                        "truncated": int(spectra.truncated[inside].sum()),
                        "tokens_mean": lengths[inside].mean(),
                        "matrix_entropy": _mean(values),
                        **{f"entropy_{key}": value for key, value in means.items()},
                        "entropy_a_std": _std(normalised(values, width)),
                        "effective_rank": _mean(np.exp(values)),
                        "effective_rank_std": _std(np.exp(values)),
                        "effective_rank_geometric": means["b"] * width,
                        "entropy_bound": _mean(bounds),
                        **(whole if view == ALL_ROWS else dict.fromkeys(whole, np.nan)),
                    }
                )
    return pd.DataFrame(rows)


def joined_layers(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Tables of further and further layers of the same texts as one; ``depth`` goes on counting."""
    joined, first = [], 0
    for table in tables:
        joined.append(table.assign(depth=table["depth"] + first))
        first += table["depth"].max() + 1
    return pd.concat(joined, ignore_index=True)


def _mean(values: NDArray[np.floating]) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")


def _std(values: NDArray[np.floating]) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.std()) if len(defined) else float("nan")


def write_metrics(path: str | Path, metrics: pd.DataFrame, provenance: dict[str, Any]) -> None:
    """Write a table as Parquet with its provenance in the file's metadata."""
    table = pa.Table.from_pandas(metrics, preserve_index=False)
    table = table.replace_schema_metadata(
        {**(table.schema.metadata or {}), PROVENANCE_KEY: json.dumps(provenance).encode()}
    )
    with writing(path) as temporary:
        pq.write_table(table, temporary)


def read_metrics(path: str | Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """A table that `write_metrics` wrote, and its provenance; `InputError` if it is damaged."""
    with _named(path):
        table = pq.read_table(path)
        provenance = json.loads(table.schema.metadata[PROVENANCE_KEY])
        check_place(path, provenance)
        metrics = _sound(table.to_pandas(), OF_TEXTS)
        if RANKS[0] in metrics:
            entropy, rank = (metrics[one].to_numpy(float) for one in ("matrix_entropy", RANKS[0]))
            if not np.allclose(np.exp(entropy), rank, rtol=ROUNDING, equal_nan=True):
                raise ValueError("an effective rank is not that of its entropy")
        return metrics, provenance


def write_summary(path: str | Path, summary: pd.DataFrame, provenance: dict[str, Any]) -> None:
    """Write a table that `summary_table` made as CSV, with the model and data set it is of."""
    model, dataset = provenance["model"]["model"], provenance["dataset"]["name"]
    write_csv(path, summary.assign(model=model, dataset=dataset))


def read_summary(path: str | Path) -> pd.DataFrame:
    """A table that `write_summary` wrote; `InputError` if it is damaged, or another's."""
    with _named(path):
        table = read_csv(path, "layer")
        # They stand last: a row that is cut off lacks them.
        table = _sound(table, (*OF_SUMMARY, *OF))
        _check_means(table)
    for model, dataset in table[[*OF]].drop_duplicates().to_numpy():
        check_place(path, {"model": {"model": model}, "dataset": {"name": dataset}})
    return table.drop(columns=[*OF])


def _sound(table: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """The table; `ValueError` if a row is there twice or has an entropy that cannot be."""
    if missing := sorted({*keys} - {*table}):
        raise ValueError(f"it lacks {', '.join(missing)}")
    if table.empty or table[list(keys)].isna().any(axis=None) or table.duplicated(keys).any():
        raise ValueError(f"it has not one row for each {', '.join(keys)}")
    shares, nats, ranks = (
        table[[name for name in names if name in table]].to_numpy(float)
        for names in (SHARES, ["matrix_entropy"], RANKS)
    )
    if not (_within(shares, 0, 1) and _within(nats, 0)):
        raise ValueError("an entropy is negative or above that of its width")
    if not _within(ranks, 1):
        raise ValueError("an effective rank is below one")
    return table


def _check_means(table: pd.DataFrame) -> None:
    """`ValueError` if a summary's means cannot be those of so many texts and this width."""
    columns = ("texts", "undefined", "width", "matrix_entropy", *RANKS)
    texts, undefined, width, entropy, *ranks = table[list(columns)].to_numpy(float).T
    if not (_within(texts, 1) and _within(undefined, 0) and _within(texts - undefined, 0)):
        raise ValueError("a row counts fewer texts than it leaves out")
    # Whatever is left out is in no mean, and a mean of nothing is none.
    for values in (entropy, *ranks):
        if (np.isnan(values) != (texts == undefined)).any():
            raise ValueError("a mean is missing, or is there of no texts")
    with np.errstate(invalid="ignore"):
        if not (_within(width, 1) and _within(entropy - np.log(width), -np.inf, 0)):
            raise ValueError("an entropy is negative or above that of its width")
    if not all(_within(values / width, 0, 1) for values in ranks):
        raise ValueError("an effective rank is above its width")


def _within(values: NDArray[np.floating], least: float, most: float = np.inf) -> bool:
    """Whether values are in these limits but for rounding; those that are missing are."""
    return not ((values < least - ROUNDING).any() or (values > most + ROUNDING).any())


@contextmanager
def _named(path: str | Path) -> Iterator[None]:
    """A file that broke off or was overwritten is named, with what to do."""
    try:
        yield
    except (OSError, ValueError, KeyError) as error:  # those of Arrow and pandas among them
        raise InputError(f"{path} is damaged ({error}); delete it and run again.") from None


def read_provenance(path: str | Path) -> dict[str, Any]:
    """The provenance of a table that `write_metrics` wrote, without its rows."""
    with _named(path):
        provenance: dict[str, Any] = json.loads(pq.read_metadata(path).metadata[PROVENANCE_KEY])
        check_place(path, provenance)
    return provenance
