"""The values of vision-language models at every place, in one table: what their tables show."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from matrix_entropy.maths.entropy import rank_of_entropy
from matrix_entropy.results.metrics import read_metrics, read_summary
from matrix_entropy.results.model_values import change_of, described_model
from matrix_entropy.results.multimodal_metrics import (
    CONNECTOR_INPUT,
    FRESH,
    NONE,
    NULLS,
    POSITIONS,
    SHUFFLES,
    image_reduction,
    image_text_alignment,
)

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


def null_values(metrics: Sequence[str]) -> pd.DataFrame:
    """What image reduction and image–text alignment are held against, of the records of the nulls.

    Parameters
    ----------
    metrics : sequence of str
        ``{model}/{dataset}.{operation}.parquet`` of every run, as they are and the nulls.

    Returns
    -------
    DataFrame
        ``model``, ``dataset``, ``measure`` (``entropy_a`` or ``effective_rank_geometric``),
        ``control`` and ``value``, and the number of ``texts``. Controls are of the same records:
        ``alignment_here``, of the pairs as they are; ``alignment_shuffled``, with H5 of each text
        behind another record's image, and ``alignment_fresh``, with H3 and H5 behind a connector
        with fresh weights, means over the draws, with ``_std``, their standard deviation (ddof 1);
        ``reduction_here`` and ``reduction_fresh``; ``h1_connector_input`` and
        ``reduction_connector_input``, with the rows that the connector reads for H1.
    """
    tables = {}
    for path in map(Path, metrics):
        dataset, operation = path.stem.split(".")
        tables[path.parent.name, dataset, operation] = read_metrics(path)[0]
    rows = []
    for (model, dataset, operation), nulls in tables.items():
        if operation != NULLS:
            continue
        whole = tables[model, dataset, NONE]
        whole = whole[whole["id"].isin(nulls["id"])]
        of_measure = {
            "entropy_a": lambda part: part["matrix_entropy_normalised"].mean(),
            "effective_rank_geometric": lambda part: float(
                rank_of_entropy(part["matrix_entropy"].mean())
            ),
        }
        for measure, of in of_measure.items():
            values = {
                position: of(part)
                for table in (whole, nulls)
                for position, part in table.groupby("layer")
            }
            rows += [
                {
                    "model": model,
                    "dataset": dataset,
                    "measure": measure,
                    "control": control,
                    "value": value,
                    "texts": nulls["id"].nunique(),
                }
                for control, value in _controls(values).items()
            ]
    return pd.DataFrame(rows)


def _controls(values: dict[str, float]) -> dict[str, float]:
    """The controls of `null_values` from the values at all positions of one run."""
    h1, h2, h3, h4, h5 = (values[position] for position in POSITIONS)
    _, at_h2, at_h3, _, at_h5 = POSITIONS
    shuffled = [image_text_alignment(h3, h4, values[f"{at_h5}_{name}"]) for name in SHUFFLES]
    fresh = [
        image_text_alignment(values[f"{at_h3}_{name}"], h4, values[f"{at_h5}_{name}"])
        for name in FRESH
    ]
    return {
        "alignment_here": image_text_alignment(h3, h4, h5),
        "alignment_shuffled": float(np.mean(shuffled)),
        "alignment_shuffled_std": float(np.std(shuffled, ddof=1)),
        "alignment_fresh": float(np.mean(fresh)),
        "alignment_fresh_std": float(np.std(fresh, ddof=1)),
        "reduction_here": image_reduction(h1, h2),
        "reduction_fresh": h1 - float(np.mean([values[f"{at_h2}_{name}"] for name in FRESH])),
        CONNECTOR_INPUT: values[CONNECTOR_INPUT],
        "reduction_connector_input": image_reduction(values[CONNECTOR_INPUT], h2),
    }


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
        of the differences to the same record's without an operation, ``change_standard_error`` and
        ``change_p``, that of the paired t test. Records without an entropy in either are left out.
    """
    entropies = {}
    for path in map(Path, metrics):
        dataset, operation = path.stem.split(".")
        table, _ = read_metrics(path)
        wide = table.pivot(index="id", columns="layer", values="matrix_entropy_normalised")
        entropies[path.parent.name, dataset, operation] = wide
    rows = []
    for (model, dataset, operation), wide in entropies.items():
        if operation in (NONE, NULLS):
            continue
        before = entropies[model, dataset, NONE]
        for position, after in wide.items():
            where = {"model": model, "dataset": dataset, "operation": operation}
            change = change_of(before[position], after)
            rows.append(where | {"position": position} | change)
    return pd.DataFrame(rows)
