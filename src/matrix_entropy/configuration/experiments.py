"""What the figures and tables of a configuration need: models made from others, and runs.

A figure or table that compares a model with itself, untrained or fine-tuned, names only the model;
the entries of the compared ones are derived here, so that they are written nowhere twice.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from matrix_entropy.configuration.trajectories import checkpoint_name, checkpoints_of

Entry = dict[str, Any]


# The start of fresh weights that is the model's own.
OWN = "own"


def untrained_name(model: str, seed: int, start: float | str = OWN) -> str:
    """Name of a model's architecture with fresh weights, drawn with another start than its own.

    Examples
    --------
    >>> untrained_name("gpt2", 1), untrained_name("gpt2", 1, 0.02)
    ('gpt2_untrained_1', 'gpt2_untrained_1_start_0_02')
    """
    digits = "" if start == OWN else format(Decimal(repr(float(start))), "f").replace(".", "_")
    return f"{model}_untrained_{seed}" + (f"_start_{digits}" if digits else "")


def fresh_weights(entry: Entry) -> Iterator[tuple[str, int, float | str]]:
    """Model, seed and start of all fresh weights that a figure compares its models with."""
    starts = entry.get("initializer_ranges", [OWN])
    return itertools.product(models_of(entry), entry.get("seeds", []), starts)


def lora_name(model: str, dataset: str) -> str:
    """Name of a model fine-tuned on a data set."""
    return f"{model}_lora_{dataset}"


def derived_models(config: Entry) -> dict[str, Entry]:
    """Entries of the models that are derived from those of the configuration.

    Each is a copy of its original's entry. Figures and tables derive some with ``untrained``
    (``model``, ``seed`` and, if it says one, ``initializer_range``) or ``lora`` (``model``,
    ``dataset`` and how to train) in the place of the source; a model's checkpoints have
    ``checkpoint`` (``model``, its ``title`` and ``step``), and those on the hub their revision.
    """
    derived: dict[str, Entry] = {}
    for name, model in config["models"].items():
        title = model.get("title", name)
        for step, place in checkpoints_of(model).items():
            of = {"model": name, "title": title, "step": step}
            source = place | {"checkpoint": of, "title": f"{title} after step {step}"}
            derived[checkpoint_name(name, step)] = _like(model, source)
    for figure in config["figures"].values():
        for model, seed, start in fresh_weights(figure):
            original = config["models"][model]
            drawn = original.get("initializer_range") if start == OWN else start
            stated = {} if drawn is None else {"initializer_range": drawn}
            source = {"untrained": {"model": model, "seed": seed, **stated}}
            derived[untrained_name(model, seed, start)] = _like(original, source)
    for table in config["tables"].values():
        if table["kind"] == "lora":
            members = members_of(table["dataset"], config["datasets"])
            for model, member in itertools.product(table["models"], members):
                source = {"lora": {"model": model, "dataset": member, **table["lora"]}}
                derived[lora_name(model, member)] = _like(config["models"][model], source)
    return derived


def _like(model: Entry, source: Entry) -> Entry:
    sources = ("hub", "revision", "convert_weights", "path", "gguf", "package", "train")
    own = (*sources, "revisions", "initializer_range")
    return {key: value for key, value in model.items() if key not in own} | source


def models_of(entry: Entry) -> list[str]:
    """The models of the configuration that a figure or table names."""
    return entry.get("models") or ([entry["model"]] if "model" in entry else [])


def runs(entry: Entry, datasets: Mapping[str, Entry]) -> Iterator[tuple[str, str]]:
    """Pairs of model and data set whose metrics a figure or table reads, the compared ones last.

    With ``steps:`` the models are the checkpoints of those that it names.
    """
    models = models_of(entry)
    if "steps" in entry:
        models = [checkpoint_name(*each) for each in itertools.product(models, entry["steps"])]
    named: list[str] = entry.get("datasets") or ([entry["dataset"]] if "dataset" in entry else [])
    yield from itertools.product(models, named)
    for fresh in fresh_weights(entry):
        # The group alone, if it is a data set: fresh weights need not see the other members.
        group = entry.get("group", "")
        yield untrained_name(*fresh), group if group in datasets else entry["dataset"]
    for model in models:
        if entry.get("kind") == "lora":
            members = members_of(entry["dataset"], datasets)
            yield from ((lora_name(model, member), member) for member in members)


def members_of(dataset: str, datasets: Mapping[str, Entry]) -> list[str]:
    """The data sets that a union joins; a data set that is none is its only member."""
    return list(datasets[dataset].get("union", [dataset]))


def tasks_of(dataset: str, datasets: Mapping[str, Entry]) -> list[str]:
    """The members of a data set that have a benchmark task."""
    return [name for name in members_of(dataset, datasets) if "task" in datasets[name]]


def part_names(dataset: str, shards: int) -> list[str]:
    """Names of the parts of a data set that are jobs of their own: its shards, or itself."""
    if shards == 1:
        return [dataset]
    return [f"{dataset}.{number}of{shards}" for number in range(1, shards + 1)]


def part_of(name: str) -> tuple[str, int, int]:
    """Data set, number and count of a part that `part_names` named.

    Examples
    --------
    >>> part_of("wikipedia.2of8"), part_of("child")
    (('wikipedia', 2, 8), ('child', 1, 1))
    """
    dataset, _, shard = name.partition(".")
    number, _, count = shard.partition("of")
    return dataset, int(number or 1), int(count or 1)
