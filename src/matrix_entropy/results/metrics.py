"""Tables of metrics, each a cheap function of the spectra: no model and no hidden states needed.

Which metrics there are, `results.columns` says.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import read_csv, write_csv, writing
from matrix_entropy.maths.entropy import entropy_terms, rank_of_entropy
from matrix_entropy.results import columns
from matrix_entropy.results.asked_views import ALL_ROWS
from matrix_entropy.results.intermediates import check_place
from matrix_entropy.results.spectra_file import Spectra

PROVENANCE_KEY = b"matrix_entropy"
# What every row of a table has.
OF_TEXTS = ("id", "group", "layer")
OF_SUMMARY = ("view", "group", "layer")
OF = ("model", "dataset")  # what a summary says that it is of
# Our own CSV files have ten digits, of entropies up to some ten nats.
ROUNDING = 1e-8
# Of a table while it is written.
ROWS_AT_A_TIME = 2**16


def entropies(spectra: Spectra) -> NDArray[np.float64]:
    """Matrix entropy in nats of every spectrum, shape (views, layers, texts); NaN if undefined."""
    entropy = np.full(spectra.counts.shape, np.nan)
    defined = spectra.counts > 0
    if defined.any():
        terms = entropy_terms(spectra.eigenvalues)
        entropy[defined] = np.add.reduceat(terms, spectra.starts[defined])
    return entropy


def metric_values(
    spectra: Spectra, metrics: Iterable[columns.Metric]
) -> dict[str, NDArray[np.float64]]:
    """Metrics of every spectrum by their names, each of shape (views, layers, texts)."""
    entropy = entropies(spectra)
    return {each.name: each.of(spectra, entropy) for each in metrics}


def chosen(spectra: Spectra, asked: Sequence[str]) -> list[columns.Metric]:
    """The metrics of `maths.ranks` that are asked for, and the measures that were taken."""
    names = {*asked, *spectra.measures}
    return [each for each in columns.if_asked() if each.name in names]


def _sums(spectra: Spectra) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Negative log-likelihood of every text in nats, and the number of its predicted tokens."""
    starts = spectra.offsets[:-1]
    known = ~np.isnan(spectra.token_losses)
    sums = np.add.reduceat(np.where(known, spectra.token_losses, 0).astype(np.float64), starts)
    return sums, np.add.reduceat(known.astype(np.int64), starts)


def losses(spectra: Spectra) -> NDArray[np.float64]:
    """Mean negative log-likelihood per text in nats per token; NaN for a single token."""
    sums, counts = _sums(spectra)
    return np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0)


def perplexity(sums: NDArray[np.float64], counts: NDArray[np.int64]) -> tuple[float, float]:
    """``exp(Σ sums / Σ counts)`` of texts, or of windows, and its standard error over them.

    Of parts that are drawn whole, long ones and short: that of a ratio of means, to first order.
    NaN without a token; the error with a single part, or of a perplexity beyond all numbers.

    Examples
    --------
    >>> found, error = perplexity(np.log([2.0, 8.0]), np.array([1, 1]))
    >>> found, round(float(error / np.log(2)), 9)
    (4.0, 4.0)
    """
    tokens, parts = counts.sum(), len(counts)
    if not tokens:
        return float("nan"), float("nan")
    mean = sums.sum() / tokens
    with np.errstate(over="ignore"):
        found = float(np.exp(mean))
    if parts < 2 or not np.isfinite(found):
        return found, float("nan")
    spread = ((sums - mean * counts) ** 2).sum() / (parts - 1)
    return found, float(found * np.sqrt(parts * spread) / tokens)


def ppl_token(spectra: Spectra, texts: NDArray[np.bool_]) -> tuple[float, float]:
    """`perplexity` over all predicted tokens of some texts, each read alone."""
    sums, counts = _sums(spectra)
    some = texts & (counts > 0)
    return perplexity(sums[some], counts[some])


def ppl_windows(spectra: Spectra, group: str) -> tuple[float, float]:
    """`perplexity` over a group's texts one after another, in windows: NaN if not read so."""
    inside = spectra.window_groups == group
    tokens = spectra.window_tokens[inside]
    return perplexity(spectra.window_losses[inside].astype(np.float64) * tokens, tokens)


def metrics_table(spectra: Spectra, asked: Sequence[str] = ()) -> pd.DataFrame:
    """One row per text and layer.

    Columns: ``id``, ``group``, ``layer`` (as in file names: "0", "1", ..., "final"), ``depth``
    (position of the layer, to sort by), ``tokens`` (rows of the text, a beginning-of-sequence row
    included), ``rows`` (those with a direction, which are counted), ``truncated``, the metrics of
    `results.columns.METRICS`, those of `maths.ranks` that are ``asked`` for by name and the
    measures that were taken, ``loss`` (nats per token), and the entropies of the controls and cuts,
    named after them.
    """
    return table_of(spectra, metric_values(spectra, [*columns.METRICS, *chosen(spectra, asked)]))


def table_of(spectra: Spectra, values: dict[str, NDArray[np.float64]]) -> pd.DataFrame:
    """`metrics_table`, from values that `metric_values` gave."""
    texts, layers = len(spectra.ids), len(spectra.layers)

    def per_text(values: NDArray[Any]) -> NDArray[Any]:
        return np.tile(values, layers)

    found: dict[str, Any] = {
        "id": per_text(spectra.ids),
        "group": per_text(spectra.groups),
        "layer": np.repeat(np.array(spectra.layers), texts),
        "depth": np.repeat(np.arange(layers), texts),
        "tokens": per_text(np.diff(spectra.offsets)),
        "rows": spectra.rows[0].ravel(),
        "truncated": per_text(spectra.truncated),
        **{name: of_views[0].ravel() for name, of_views in values.items()},
        "loss": per_text(losses(spectra)),
    }
    named = [metric.name for metric in columns.METRICS if metric.of_views]
    for at, view in enumerate(spectra.views):
        if view != ALL_ROWS:
            found |= {f"{name}_{view}": values[name][at].ravel() for name in named}
    return pd.DataFrame(found)


class Group(NamedTuple):
    """Texts that are summarised together, and what is said of them whole."""

    name: str
    inside: NDArray[np.bool_]  # (T,): which texts
    whole: dict[str, float]


def groups_of(spectra: Spectra) -> list[Group]:
    """The groups of all texts, with their losses."""
    of_texts, found = losses(spectra), []
    for group in dict.fromkeys(map(str, spectra.groups)):
        inside = spectra.groups == group
        whole = {"loss": columns.mean(of_texts[inside]), "loss_sem": columns.sem(of_texts[inside])}
        for name, (value, error) in (
            ("ppl_token", ppl_token(spectra, inside)),
            ("ppl_windows", ppl_windows(spectra, group)),
        ):
            whole |= {name: value, f"{name}_sem": error}
        found.append(Group(group, inside, whole))
    return found


def summary_table(spectra: Spectra, asked: Sequence[str] = ()) -> pd.DataFrame:
    """One row per view of the rows, group and layer: the data set's values and their counts.

    They are those of `results.columns.means`, mean and deviation of the metrics of `maths.ranks`
    that are ``asked`` for, and of the measures that were taken, these in the rows of the view of
    all rows. ``undefined`` counts texts without an entropy, which are in no mean of a spectrum; a
    text without a value of one that was chosen is in no mean of that one. Losses are those of whole
    texts: ``loss`` the mean of the texts' means, `ppl_token` and `ppl_windows` as there, each with
    its standard error over texts or windows (``loss_sem``, ...).
    """
    more = chosen(spectra, asked)
    values = metric_values(spectra, [*columns.METRICS, *more])
    return summary_of(spectra, spectra.layers, values, more, groups_of(spectra))


def summary_of(
    spectra: Spectra,
    layers: Sequence[str],
    values: dict[str, NDArray[np.float64]],
    more: Sequence[columns.Metric],
    groups: Sequence[Group],
) -> pd.DataFrame:
    """`summary_table`, from the values of all texts at some layers that `metric_values` gave.

    ``more`` are the metrics beside those that are in every table; ``spectra`` need not be of these
    layers.
    """
    means = [*columns.means(), *columns.means_of(more)]
    lengths = np.diff(spectra.offsets)
    rows = []
    for group, inside, whole in groups:
        for at, view in enumerate(spectra.views):
            for depth, layer in enumerate(layers):
                here = {name: of_all[at, depth, inside] for name, of_all in values.items()}
                rows.append(
                    {
                        "view": view,
                        "group": group,
                        "layer": layer,
                        "depth": depth,
                        "width": spectra.width,
                        "texts": int(inside.sum()),
                        "undefined": int(np.isnan(here["matrix_entropy"]).sum()),
                        "truncated": int(spectra.truncated[inside].sum()),
                        "tokens_mean": lengths[inside].mean(),
                        **{each.name: each.over(here[each.of], spectra.width) for each in means},
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


def write_metrics(path: str | Path, metrics: pd.DataFrame, provenance: dict[str, Any]) -> None:
    """Write a table as Parquet with its provenance in the file's metadata."""
    with writing_metrics(path, provenance) as write:
        write(metrics)


@contextmanager
def writing_metrics(
    path: str | Path, provenance: dict[str, Any]
) -> Iterator[Callable[[pd.DataFrame], None]]:
    """Give a function that adds rows to the table of `write_metrics`; at least once.

    They stay in memory until there are `ROWS_AT_A_TIME`.
    """
    held: list[pa.Table] = []
    writer: pq.ParquetWriter | None = None
    with writing(path) as temporary:

        def put() -> None:
            nonlocal writer
            table = pa.concat_tables(held).combine_chunks()
            held.clear()
            if writer is None:
                writer = pq.ParquetWriter(temporary, table.schema)
            writer.write_table(table)

        def add(rows: pd.DataFrame) -> None:
            table = pa.Table.from_pandas(rows, preserve_index=False)
            told = {
                **(table.schema.metadata or {}),
                PROVENANCE_KEY: json.dumps(provenance).encode(),
            }
            held.append(table.replace_schema_metadata(told))
            if sum(len(each) for each in held) >= ROWS_AT_A_TIME:
                put()

        try:
            yield add
            if held:
                put()
        finally:
            if writer is not None:
                writer.close()


def read_metrics(path: str | Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """A table that `write_metrics` wrote, and its provenance; `InputError` if it is damaged."""
    with _named(path):
        table = pq.read_table(path)
        provenance = json.loads(table.schema.metadata[PROVENANCE_KEY])
        check_place(path, provenance)
        metrics = _sound(table.to_pandas(), OF_TEXTS, columns.METRICS, columns.if_asked())
        rank = rank_of_entropy(metrics["matrix_entropy"])
        if not np.allclose(rank, metrics["effective_rank"], rtol=ROUNDING, equal_nan=True):
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
        if_there = columns.means_of(columns.if_asked())
        table = _sound(table, (*OF_SUMMARY, *OF), columns.means(), if_there)
        _check_means(table)
    for model, dataset in table[[*OF]].drop_duplicates().to_numpy():
        check_place(path, {"model": {"model": model}, "dataset": {"name": dataset}})
    return table.drop(columns=[*OF])


Number = columns.Metric | columns.Mean


def _sound(
    table: pd.DataFrame,
    keys: Sequence[str],
    numbers: Sequence[Number],
    if_there: Sequence[Number],
) -> pd.DataFrame:
    """The table; `ValueError` if a row is there twice or has a number that cannot be."""
    if missing := sorted({*keys, *(number.name for number in numbers)} - {*table}):
        raise ValueError(f"it lacks {', '.join(missing)}")
    if table.empty or table[list(keys)].isna().any(axis=None) or table.duplicated(keys).any():
        raise ValueError(f"it has not one row for each {', '.join(keys)}")
    # Texts do not say their width; then only what holds for any.
    width = table["width"].to_numpy(float) if "width" in table else np.inf
    for number in (*numbers, *(number for number in if_there if number.name in table)):
        least, most = number.unit.limits(width)
        _check_within(number.name, table[number.name].to_numpy(float), least, most)
    return table


def _check_means(table: pd.DataFrame) -> None:
    """`ValueError` if a summary's means cannot be those of so many texts."""
    texts, undefined = (table[name].to_numpy(float) for name in ("texts", "undefined"))
    _check_within("texts", texts, 1)
    _check_within("undefined", undefined, 0, texts)
    # Whatever is left out is in no mean, and a mean of nothing is none.
    for mean in columns.means():
        if (table[mean.name].isna() != (texts == undefined)).any():
            raise ValueError(f"a mean is missing, or is there of no texts ({mean.name})")


def _check_within(name: str, values: NDArray[Any], least: Any, most: Any = np.inf) -> None:
    """`ValueError` if a value that is there is outside of its limits by more than rounding."""
    least, most = np.broadcast_to(least, values.shape), np.broadcast_to(most, values.shape)
    slack = ROUNDING * np.maximum(1, np.where(np.isfinite(most), most, 1))
    for at in np.flatnonzero((values < least - slack) | (values > most + slack))[:1]:
        raise ValueError(f"{name} is {values[at]:g}, not from {least[at]:g} to {most[at]:g}")


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
