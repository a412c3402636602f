"""Curves across blocks of several runs in one table, and the gaps between groups of their texts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from matrix_entropy.base.errors import InputError
from matrix_entropy.configuration.entries import panels_of
from matrix_entropy.figures.kinds.layers import layer_curves
from matrix_entropy.figures.style import colours
from matrix_entropy.results.metrics import read_metrics
from matrix_entropy.results.model_words import (
    not_the_model,
    not_the_models,
    quantised,
    together,
    weights_of,
)

Entry = dict[str, Any]

NO_GROUPS = (
    "there are no two groups to compare; give a data set of the figure `panels:` of two groups "
    "each, the higher first."
)
IDENTITY = [
    *("model", "model_title", "stand_in", "weights", "parameters", "dataset", "dataset_title")
]


def run_metrics(
    metrics: Sequence[str], models: dict[str, Entry], datasets: dict[str, Entry]
) -> list[tuple[Entry, pd.DataFrame, dict[str, list[str]]]]:
    """Of every run: what it is called (the columns of `IDENTITY`), its metrics, its panels.

    Parameters
    ----------
    metrics : sequence of str
        ``results/metrics/{model}/{dataset}.parquet`` of every run.
    models, datasets : dict
        Entries of the configuration by name: what figures call them, and ``panels``.

    Raises
    ------
    InputError
        If two data sets of a model have a panel of the same name.
    """
    runs: list[tuple[Entry, pd.DataFrame, dict[str, list[str]]]] = []
    seen: dict[tuple[str, str], str] = {}
    for path in metrics:
        table, provenance = read_metrics(path)
        record, dataset = provenance["model"], provenance["dataset"]["name"]
        entry = datasets[dataset]
        called = {
            "model": record["model"],
            "model_title": models[record["model"]].get("title", record["model"]),
            "stand_in": bool(record["stand_in"]),
            "weights": weights_of(record),
            "parameters": record.get("parameters"),
            "dataset": dataset,
            "dataset_title": entry.get("title", dataset),
        }
        panels = panels_of(entry, list(dict.fromkeys(table["group"])))
        for panel in panels:
            other = seen.setdefault((record["model"], panel), dataset)
            if other != dataset:
                raise InputError(
                    f"the data sets '{other}' and '{dataset}' both have a panel '{panel}', which "
                    "the figure could not tell apart; give it one of them, or rename the panel."
                )
        runs.append((called, table, panels))
    return runs


def run_curves(
    metrics: Sequence[str], models: dict[str, Entry], datasets: dict[str, Entry]
) -> pd.DataFrame:
    """The curves of `figures.kinds.layers.layer_curves` of every run, one below the other.

    Parameters are those of `run_metrics`. Columns: those of `IDENTITY`, then those of the curves.
    """
    return pd.concat(
        [
            layer_curves(table, panels).assign(**called)
            for called, table, panels in run_metrics(metrics, models, datasets)
        ],
        ignore_index=True,
    )[lambda curves: [*IDENTITY, *(name for name in curves if name not in IDENTITY)]]


def group_gaps(curves: pd.DataFrame, keys: list[str], values: list[str]) -> pd.DataFrame:
    """Differences between the two groups of every panel: the first less the second.

    Parameters
    ----------
    curves : DataFrame
        ``panel``, ``group`` in the panel's order, and the columns below.
    keys : list of str
        What tells apart the curves of a panel, ``block`` among them.
    values : list of str
        Columns of which the differences are taken.

    Returns
    -------
    DataFrame
        ``keys``, ``panel``, ``gap`` ("good − bad") and the differences. Panels that have not two
        groups have no rows.

    Raises
    ------
    InputError
        If no panel has two groups.

    Examples
    --------
    >>> curves = pd.DataFrame({"panel": "", "group": ["a", "b"], "block": 0, "entropy": [3.0, 1.0]})
    >>> group_gaps(curves, ["block"], ["entropy"]).to_numpy().tolist()
    [[0, '', 'a − b', 2.0]]
    """
    parts = []
    for panel, part in curves.groupby("panel", sort=False):
        groups = list(dict.fromkeys(part["group"]))
        if len(groups) != 2:
            continue
        first, second = (part[part["group"] == group].set_index(keys)[values] for group in groups)
        gap = (first - second.reindex(first.index)).reset_index()
        gap.insert(len(keys), "panel", panel)
        gap.insert(len(keys) + 1, "gap", " − ".join(groups))
        parts.append(gap)
    if not parts:
        raise InputError(NO_GROUPS)
    return pd.concat(parts, ignore_index=True)


def gap_colours(gaps: Iterable[str]) -> dict[str, Any]:
    """A colour for every different gap, none of those of the two groups of a panel."""
    names = list(dict.fromkeys(gaps))
    return dict(zip(names, colours(len(names) + 2)[2:], strict=True))


def run_captions(title: str, curves: pd.DataFrame) -> tuple[str, str]:
    """Title and the caption's first words: which models on which texts.

    Stand-ins are named so, and quantised weights. ``curves`` need the columns of `IDENTITY` alone.

    Examples
    --------
    >>> runs = pd.DataFrame({
    ...     "model": ["a", "b"], "model_title": ["GPT-2", "OPT"], "stand_in": True, "weights": "",
    ...     "parameters": [5_000, 20_000], "dataset_title": "stories",
    ... })
    >>> run_captions("Control", runs)[0]
    'Control: 2 stand-ins, stories'
    >>> run_captions("Control", runs)[1]
    'Not GPT-2, OPT but stand-ins of 5k to 20k parameters, trained in seconds on generated texts'
    """
    models = curves.drop_duplicates("model")
    names, single = ", ".join(models["model_title"]), len(models) == 1
    datasets = ", ".join(dict.fromkeys(curves["dataset_title"]))
    if not models["stand_in"].any():
        called = together(names if single else f"{len(models)} models", curves)
        words = "; ".join(filter(None, (names, quantised(curves))))
    elif single:
        called, words = f"{names} stand-in", not_the_model(names, models["parameters"].item())
    else:
        called = f"{len(models)} stand-ins"
        words = not_the_models(names, models["parameters"])
    return f"{title}{'' if title.endswith('?') else ':'} {called}, {datasets}", words
