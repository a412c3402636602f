"""The cost of figures and tables before anything is built, as a table with totals."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import pandas as pd

from matrix_entropy.configuration.targets import (
    chosen,
    needed_datasets,
    needed_models,
    seen_learning,
    target_of,
)
from matrix_entropy.estimate.devices import Device
from matrix_entropy.estimate.job_costs import WITH_PANDAS, Cost, memory_of
from matrix_entropy.estimate.run_costs import costs_of
from matrix_entropy.estimate.text_sizes import data_bytes, sources

Entry = dict[str, Any]
Jobs = dict[str, Cost]

SUMMED = ("texts", "tokens", "flops", "spectra_flops", "weights", "kept")
EVERYTHING = "everything"


def estimate(config: Entry, device: Device) -> pd.DataFrame:
    """The cost of what ``targets:`` names, of each paper's target and of everything together.

    Work that several targets share is counted in each of them, and once in a paper's target and in
    everything. Hours are those of all jobs one after another on one device.

    Returns
    -------
    DataFrame
        One row per figure or table, paper's target, and ``everything``: ``target``, ``paper``,
        ``texts`` and ``tokens`` (that models read, once for each model; those of windows are in the
        operations alone), ``flops`` (of models), ``spectra_flops``, ``weights``, ``data``,
        ``kept`` and ``temporary`` (bytes on disk), ``jobs``, ``hours``, ``device``,
        ``hidden_states``.
    """
    entries = chosen(config)
    jobs = {
        name: costs_of(entry, config, device)
        | {f"drawing {name}": Cost("drawing", start_up=WITH_PANDAS)}
        for name, entry in entries.items()
    }

    def row(target: str, paper: str, names: Iterable[str]) -> dict[str, Any]:
        needed = (needed_datasets(entries[name], config) for name in names)
        data = data_bytes(itertools.chain(*needed), config)
        together = {name: cost for each in names for name, cost in jobs[each].items()}
        return _row(target, paper, together, data)

    rows = [row(name, entries[name].get("paper", ""), [name]) for name in entries]
    built_by = {name: target_of(entry, config) for name, entry in entries.items()}
    for target in filter(None, dict.fromkeys(built_by.values())):
        names = [name for name in entries if built_by[name] == target]
        rows.append(row(target, entries[names[0]]["paper"], names))
    rows.append(row(EVERYTHING, "", list(entries)))
    table = pd.DataFrame(rows)
    return table.assign(device=device.name, hidden_states=config["hidden_states"])


def _row(target: str, paper: str, jobs: Jobs, data: float) -> dict[str, Any]:
    costs = jobs.values()
    seconds = sum(cost.start_up + cost.work for cost in costs)
    return {
        "target": target,
        "paper": paper,
        **{key: sum(getattr(cost, key) for cost in costs) for key in SUMMED},
        "data": data,
        # Jobs follow one another, and so do their temporary files.
        "temporary": max(cost.temporary for cost in costs),
        "jobs": len(jobs),
        "hours": seconds / 3600,
    }


def described(table: pd.DataFrame, config: Entry, device: Device) -> str:
    """The table as a person reads it, and under it what it rests on."""
    shown = pd.DataFrame(
        {
            "target": table["target"],
            "texts": table["texts"].map(lambda number: _short(number, "")),
            "tokens": table["tokens"].map(lambda number: _short(number, "")),
            "FLOP": table["flops"].add(table["spectra_flops"]).map("{:.1e}".format),
            "weights": table["weights"].map(lambda number: _short(number, "B")),
            "data": table["data"].map(lambda number: _short(number, "B")),
            "kept": table["kept"].map(lambda number: _short(number, "B")),
            "temporary": table["temporary"].map(lambda number: _short(number, "B")),
            "hours": table["hours"].map("{:.2f}".format),
        }
    )
    return "\n".join([shown.to_string(index=False), "", *_notes(config, device)])


def _notes(config: Entry, device: Device) -> list[str]:
    entries = chosen(config).values()
    datasets = {name: None for entry in entries for name in needed_datasets(entry, config)}
    models = {name: None for entry in entries for name in needed_models(entry, config)}
    notes = [
        f"Device {device.name}: {device.source}.",
        f"Hours are those of all jobs one after another on one device and {device.cores} of its "
        "node's CPU cores, work that targets share counted once in the totals; downloads are not "
        f"in them. hidden_states: {config['hidden_states']}.",
        "Of weights and data, what comes from the hub is written into its cache (HF_HUB_CACHE), "
        "tables of JSON into HF_DATASETS_CACHE, a package into pip's cache too; what is converted "
        "or downloaded from elsewhere, and all that is kept or temporary, into the working folder.",
    ]
    if seen_learning(config):
        notes.append(
            "Weights of checkpoints are fetched in all, and are among what is temporary: of every "
            "job, those of its checkpoint (--resources checkpoint_mb= limits how much of them is "
            "on disk at a time)."
        )
    by_source: dict[str, list[str]] = {}
    for name, source in sources(datasets, config).items():
        by_source.setdefault(source, []).append(name)
    notes += [
        f"Sizes of {', '.join(names)}: {source}."
        for source, names in by_source.items()
        if "assumed" in source
    ]
    too_large = [name for name in models if memory_of(config["models"][name]) > device.memory]
    if too_large:
        notes.append(
            f"Larger than the device's memory of {_short(device.memory, 'B')}: "
            f"{', '.join(too_large)}; they need several of it, or `dtype: bfloat16`, which halves "
            "them."
        )
    return notes


def _short(number: float, unit: str) -> str:
    """A number in thousands, millions, ... with three digits.

    Examples
    --------
    >>> _short(20_480_000, ""), _short(1.7e13, "B"), _short(40, "")
    ('20.5 M', '17 TB', '40')
    """
    for power, letter in ((12, "T"), (9, "G"), (6, "M"), (3, "k")):
        if number >= 10**power:
            return f"{number / 10**power:.3g} {letter}{unit}"
    return f"{number:.3g} {unit}".strip()
