"""The values of vision-language models at every place, in one table: what their tables show."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from matrix_entropy.results.metrics import read_metrics, read_summary
from matrix_entropy.results.model_values import described_model
from matrix_entropy.results.multimodal_metrics import NONE

Entry = dict[str, Any]


def multimodal_values(
    metrics: Sequence[str],
    summaries: Sequence[str],
    models: dict[str, Entry],
    datasets: dict[str, Entry],
) -> pd.DataFrame:
    """One row per model, data set, operation on the images and place.

    Columns: ``model``, ``model_title``, ``family``, ``size``, ``parameters``, ``stand_in``,
    ``dataset``, ``dataset_title``, ``published_dataset``, ``operation``, ``position`` (of
    `results.multimodal_metrics.POSITIONS`) and those of
    `results.metrics.summary_table`.

    Parameters
    ----------
    metrics, summaries : sequence of str
        ``{model}/{dataset}.{operation}.parquet`` and ``....summary.csv`` of every run.
    models, datasets : dict
        Entries of the configuration by name: what tables call them.

    Raises
    ------
    InputError
        If a file is damaged, or a model's number of parameters is unknown.
    """
    rows = []
    for path, summary in zip(metrics, summaries, strict=True):
        dataset, operation = Path(path).stem.split(".")
        texts = datasets[dataset]
        rows.append(
            read_summary(summary)
            .rename(columns={"layer": "position"})
            .assign(
                **described_model(path, models[Path(path).parent.name]),
                dataset=dataset,
                dataset_title=texts.get("title", dataset),
                published_dataset=texts.get("published", dataset.replace("_", "-")),
                operation=operation,
            )
        )
    return pd.concat(rows, ignore_index=True)


def paired_changes(metrics: Sequence[str]) -> pd.DataFrame:
    """By how much every operation on the images changes ``H / log d``, record by record.

    Parameters
    ----------
    metrics : sequence of str
        ``{model}/{dataset}.{operation}.parquet`` of every run, those without an operation among
        them.

    Returns
    -------
    DataFrame
        ``model``, ``dataset``, ``operation``, ``position``; ``change``, the mean over the records
        of the differences to the same record's without an operation, and ``change_sem``, the
        standard error of that mean. Records without an entropy in either are left out.
    """
    entropies = {}
    for path in map(Path, metrics):
        dataset, operation = path.stem.split(".")
        table, _ = read_metrics(path)
        wide = table.pivot(index="id", columns="layer", values="matrix_entropy_normalised")
        entropies[path.parent.name, dataset, operation] = wide
    rows = []
    for (model, dataset, operation), wide in entropies.items():
        if operation == NONE:
            continue
        for position, differences in (wide - entropies[model, dataset, NONE]).items():
            known = differences.dropna()
            rows.append(
                {
                    "model": model,
                    "dataset": dataset,
                    "operation": operation,
                    "position": position,
                    "change": known.mean(),
                    "change_sem": known.std(ddof=1) / np.sqrt(max(len(known), 1)),
                }
            )
    return pd.DataFrame(rows)
