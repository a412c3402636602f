"""The values of several models on several data sets, in one table: what figures and tables show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from matrix_entropy.base.errors import InputError
from matrix_entropy.maths.group_tests import paired
from matrix_entropy.models.provenance import check_kept
from matrix_entropy.results.asked_views import ALL_ROWS, FIRST
from matrix_entropy.results.metrics import read_metrics, read_provenance, read_summary
from matrix_entropy.results.model_words import weights_of

Entry = dict[str, Any]

FINAL = "final"
CHANGES = ("change", "change_standard_error", "change_p")


def model_values(
    metrics: Sequence[str],
    summaries: Sequence[str],
    models: dict[str, Entry],
    datasets: dict[str, Entry],
    view: str | None = "all_rows",
    layer: str | None = FINAL,
) -> pd.DataFrame:
    """One row per model and data set (and variant), at the layer after the last normalisation.

    Columns: ``model``, ``model_title``, ``family``, ``size``, ``parameters``, ``stand_in``,
    ``weights``, ``dataset``, ``dataset_title``, ``published_dataset``, ``variant``, ``order``
    (position of the variant) and those of `results.metrics.summary_table`. The groups of a
    union are the data sets it joins; those of another data set are its variants.

    Parameters
    ----------
    metrics, summaries : sequence of str
        ``{model}/{dataset}.parquet`` and ``{model}/{dataset}.summary.csv`` of every run.
    models, datasets : dict
        Entries of the configuration by name: what figures call them.
    view : str, optional
        Rows of the texts that count; None gives every view, each a row of its own.
    layer : str, optional
        The layer; None gives every layer, each a row of its own.

    Raises
    ------
    InputError
        If a model's last normalisation was not extracted, or its number of parameters is unknown.
    """
    rows = []
    for path, summary in zip(metrics, summaries, strict=True):
        model, run = Path(path).parent.name, Path(path).stem
        values = read_summary(summary)
        check_kept(read_provenance(path), FINAL, values["layer"].unique())
        if layer is not None:
            values = values[values["layer"] == layer]
        if view is not None:
            values = values[values["view"] == view]
        described = values.assign(**described_model(path, models[model]))
        rows.append(_placed(described, run, datasets))
    return pd.concat(rows, ignore_index=True)


def described_model(metrics: str, entry: Entry) -> Entry:
    """What figures and tables say of the model of some metrics, ``{model}/....parquet``.

    ``model``, ``model_title``, ``family``, ``size``, ``parameters``, ``stand_in`` and ``weights``;
    ``entry`` is the model's in the configuration.

    Raises
    ------
    InputError
        If the file is damaged, or the model's number of parameters is unknown.
    """
    model, record = Path(metrics).parent.name, read_provenance(metrics)["model"]
    title = entry.get("title", model)
    return {
        "model": model,
        "model_title": title,
        "family": entry.get("family", title),
        "size": entry.get("size", title),
        "parameters": parameters_of(model, entry, record),
        "stand_in": bool(record["stand_in"]),
        "weights": weights_of(record),
    }


def parameters_of(model: str, entry: Entry, record: Entry) -> float:
    """A stand-in's own number, else that of the configuration."""
    found = record.get("parameters") if record["stand_in"] else None
    found = found or entry.get("parameters") or record.get("parameters")
    if not found:
        raise InputError(
            f"model '{model}': its number of parameters is not known; add `parameters:` to its "
            "entry, for example `parameters: 70.0e+6`."
        )
    return float(found)


def _placed(values: pd.DataFrame, run: str, datasets: dict[str, Entry]) -> pd.DataFrame:
    """The values with their data set and variant, as the run's groups say."""
    entry, groups = datasets[run], values["group"]
    if "union" in entry:
        values = values.assign(dataset=groups, variant="", order=0)
        values = values.assign(position=groups.map(entry["union"].index)).sort_values(
            "position", kind="stable"
        )
        values = values.drop(columns="position")
    else:
        changes = list(entry.get("variants", {}).get("changes", dict.fromkeys(groups)))
        name = entry["variants"]["of"] if "variants" in entry else run
        values = values.assign(
            dataset=name,
            variant="" if set(groups) == {"all"} else groups,
            order=groups.map(changes.index),
        )
    names = values["dataset"]
    titles = {name: datasets[name].get("title", name) for name in names}
    published = {name: datasets[name].get("published", name.replace("_", "-")) for name in names}
    return values.assign(
        dataset_title=names.map(titles), published_dataset=names.map(published)
    ).drop(columns="group")


def text_values(
    metrics: Sequence[str], datasets: dict[str, Entry], views: Sequence[str] = (ALL_ROWS,)
) -> pd.DataFrame:
    """Every text of some runs at the layer after the last normalisation, once for every view.

    Columns: ``model``, ``dataset``, ``variant`` and so on as `model_values` has them, ``view``,
    ``text`` (the same for all variants of a text), and by the names of their means ``entropy_a``,
    ``loss`` and ``effective_rank_geometric``. The last is what a text adds to it to first order,
    ``r (1 + H − mean H)`` with ``r = exp(mean H)``: its mean is ``r``, its standard error that of
    ``r``. Views that a run has not are left out.
    """
    parts = []
    for path in metrics:
        table = read_metrics(path)[0]
        table = table[table["layer"] == FINAL]
        # A variant's texts are called {variant}/{text}.
        pairs = zip(table["id"], table["group"], strict=True)
        texts = [name.removeprefix(f"{group}/") for name, group in pairs]
        for view in views:
            column = "matrix_entropy" if view == ALL_ROWS else f"matrix_entropy_{view}"
            if column not in table:
                continue
            mean = table[column].groupby(table["group"]).transform("mean")
            values = {
                "entropy_a": table[column.replace("entropy", "entropy_normalised", 1)],
                "effective_rank_geometric": np.exp(mean) * (1 + table[column] - mean),
                "loss": table["loss"],
            }
            found = table[["group"]].assign(
                model=Path(path).parent.name, view=view, text=texts, **values
            )
            parts.append(_placed(found, Path(path).stem, datasets))
    return pd.concat(parts, ignore_index=True)


def change_of(before: pd.Series, after: pd.Series) -> dict[str, float]:
    """By how much texts change on average, both by their names: `CHANGES`.

    ``change`` is the mean of their differences, ``change_standard_error`` its standard error and
    ``change_p`` that of the paired t test, both NaN of fewer than two texts. A text without a value
    in either is left out.
    """
    found = paired((after - before).dropna().to_numpy(np.float64)[:, None])
    return {
        name: float(value[0])
        for name, value in zip(CHANGES, (found.mean, found.standard_error, found.p), strict=True)
    }


def cut_values(values: pd.DataFrame) -> pd.DataFrame:
    """Of values of every view, those of the first rows only; ``variant`` is how many are kept."""
    values = values[values["view"].str.startswith(FIRST)]
    kept = values["view"].str.removeprefix(FIRST).astype(int)
    return values.assign(variant=kept.astype(str), order=kept)


def with_originals(values: pd.DataFrame, models: dict[str, Entry]) -> pd.DataFrame:
    """Untrained models under the names of their originals, told apart by the variant.

    ``initializer_range`` is what they were drawn with, NaN for what config.json says, and ``own``
    whether that is the start of their original.
    """
    sources = [models[name].get("untrained") for name in values["model"]]
    starts = [source.get("initializer_range") if source else None for source in sources]
    originals = [models[source["model"]] if source else {} for source in sources]
    own = [
        source is not None and start in (None, original.get("initializer_range"))
        for source, start, original in zip(sources, starts, originals, strict=True)
    ]
    return values.assign(
        initializer_range=np.array(starts, dtype=np.float64),
        own=own,
        model=[s["model"] if s else m for s, m in zip(sources, values["model"], strict=True)],
        variant=[f"untrained, seed {s['seed']}" if s else "trained" for s in sources],
        order=[1 + s["seed"] if s else 0 for s in sources],
    )


def fresh_starts(records: Iterable[Entry], models: dict[str, Entry]) -> dict[str, float | None]:
    """The ``initializer_range`` that fresh weights among some runs were drawn with.

    By what figures call the model whose architecture they are of; None is that of its own
    config.json. ``records`` are the models' in the provenance of the runs.
    """
    found: dict[str, float | None] = {}
    for record in records:
        if "untrained_seed" in record:
            original = models[record["model"]]["untrained"]["model"]
            called = models[original].get("title", original)
            found[called] = record.get("initializer_range")
    return found


def paired_differences(metrics: Sequence[str], base: str) -> pd.DataFrame:
    """Mean differences of ``H / log d`` to the variant ``base``, text by text.

    Returns
    -------
    DataFrame
        ``model``, ``variant``, ``difference`` and ``difference_sem``, the standard error of the
        mean of the paired differences, of which there are ``pairs``; texts without an entropy in
        either are left out.
    """
    rows = []
    for path in metrics:
        table, _ = read_metrics(path)
        table = table[table["layer"] == FINAL]
        # A variant's texts are called {variant}/{text}.
        text = [
            name.removeprefix(f"{group}/")
            for name, group in zip(table["id"], table["group"], strict=True)
        ]
        wide = table.assign(text=text).pivot(
            index="text", columns="group", values="matrix_entropy_normalised"
        )
        for variant in wide:
            differences = (wide[variant] - wide[base]).dropna()
            rows.append(
                {
                    "model": Path(path).parent.name,
                    "variant": variant,
                    "difference": differences.mean(),
                    "difference_sem": differences.std(ddof=1) / np.sqrt(max(len(differences), 1)),
                    "pairs": len(differences),
                }
            )
    return pd.DataFrame(rows)
