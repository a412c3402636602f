"""From files of spectra to tables of metrics, part by part: no file is in memory as a whole."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from matrix_entropy.models.provenance import common_provenance
from matrix_entropy.results import columns
from matrix_entropy.results.metrics import (
    chosen,
    groups_of,
    joined_layers,
    metric_values,
    summary_of,
    table_of,
    write_summary,
    writing_metrics,
)
from matrix_entropy.results.spectra_file import Spectra
from matrix_entropy.results.spectra_parts import SpectraParts


def write_tables(
    files: Sequence[SpectraParts],
    selected: Callable[[Spectra], Spectra],
    asked: Sequence[str],
    metrics: str | Path,
    summary: str | Path,
) -> pd.DataFrame:
    """Write `metrics_table` and `summary_table` of files of further and further layers.

    Parameters
    ----------
    files : sequence of SpectraParts
        Of the same texts.
    selected : callable
        What is shown of spectra: some of their views and measures, under which names.
    asked : sequence of str
        Further metrics, by their names.
    metrics, summary : str or Path
        Files to make.

    Returns
    -------
    DataFrame
        The summary.

    Raises
    ------
    InputError
        If a file of spectra is damaged, or has not what is to be shown.
    """
    heads = [selected(file.head) for file in files]
    provenance = common_provenance([head.provenance for head in heads])
    summaries: list[pd.DataFrame] = []
    first = 0
    with writing_metrics(metrics, provenance) as write:
        for file, head in zip(files, heads, strict=True):

            def add(layer: int, rows: pd.DataFrame, first: int = first) -> None:
                write(rows.assign(depth=first + layer))

            summaries.append(_of_file(file, head, selected, asked, add))
            first += len(file.layers)
    joined = joined_layers(summaries)
    write_summary(summary, joined, provenance)
    return joined


def _of_file(
    file: SpectraParts,
    head: Spectra,
    selected: Callable[[Spectra], Spectra],
    asked: Sequence[str],
    add: Callable[[int, pd.DataFrame], None],
) -> pd.DataFrame:
    """Pass on the rows of one file, and give its summary."""
    more, groups = chosen(head, asked), groups_of(head)
    summaries = []
    for layer, parts in itertools.groupby(file, key=lambda part: part.layer):
        found = []
        for part in parts:
            spectra = selected(part.spectra)
            found.append(metric_values(spectra, [*columns.METRICS, *more]))
            add(layer, table_of(spectra, found[-1]))
        values = {name: np.concatenate([of[name] for of in found], axis=-1) for name in found[0]}
        of_layer = summary_of(head, [file.layers[layer]], values, more, groups)
        summaries.append(of_layer.assign(depth=layer))
    # As in a table of all layers: groups, then views, then layers.
    return pd.concat(summaries).sort_index(kind="stable", ignore_index=True)
