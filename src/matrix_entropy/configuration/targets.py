"""What a set of targets asks for: their entries, and the models and data sets that these need."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from matrix_entropy.base.errors import InputError
from matrix_entropy.configuration import experiments
from matrix_entropy.configuration.entries import layers_of
from matrix_entropy.configuration.shared_checks import has_images

Entry = dict[str, Any]

FILE = re.compile(r"(?:figures|results/tables)/(?P<name>\w+)\.\w+(?:\.\w+)?\Z")


def chosen(config: Entry) -> dict[str, Entry]:
    """Entries of the figures and tables that ``targets:`` names, all without it, by name.

    A target is that of a paper (``wei2024``), the name of a figure or table, or one of their files
    as they are given to Snakemake (``figures/fig10_gpt2_large_world.pdf``).

    Raises
    ------
    InputError
        If a target is none of these.
    """
    entries = config["figures"] | config["tables"]
    if not config.get("targets"):
        return dict(entries)
    found: dict[str, Entry] = {}
    for target in config["targets"]:
        file = FILE.match(target)
        name = file["name"] if file else target
        of_paper = {
            key: entry for key, entry in entries.items() if target_of(entry, config) == name
        }
        if name in entries:
            found[name] = entries[name]
        elif of_paper:
            found |= of_paper
        else:
            found[name] = _layers_of_any(name, config, target)
    return found


def target_of(entry: Entry, config: Entry) -> str | None:
    """The target that builds an entry with all others of its paper."""
    paper = entry.get("paper")
    images = any(has_images(config["datasets"][name]) for name in _read(entry, config))
    return with_images(paper) if paper and images else paper


def with_images(paper: str) -> str:
    """Of a paper, the target of what needs images: apart, since some are to be fetched by hand."""
    return f"{paper}_multimodal"


def _layers_of_any(name: str, config: Entry, target: str) -> Entry:
    """The entry of a figure ``layers_{model}_{dataset}``."""
    for model in config["models"]:
        dataset = name.removeprefix(f"layers_{model}_")
        if name != dataset and dataset in config["datasets"]:
            check_blocks(model, config["models"][model])
            return {"kind": "layers", "model": model, "dataset": dataset}
    raise InputError(
        f"`targets:` names '{target}', which is no paper, figure or table of the configuration; "
        "write names or files as you would give them to snakemake, as in "
        "`targets: [wei2024, figures/fig10_gpt2_large_world.pdf]`."
    )


def check_blocks(name: str, model: Entry) -> None:
    """See that a figure across the blocks of a model can be drawn, before the model runs for it.

    Raises
    ------
    InputError
        If its ``extract:`` holds no block.
    """
    if set(layers_of(model)) <= {0, "final"}:
        raise InputError(
            f"a figure across blocks needs those of model '{name}', whose `extract:` has none; "
            "write `extract: all` there or, for a model of config.yaml, into a copy of its entry "
            "under another name."
        )


def needed_runs(entry: Entry, config: Entry) -> list[tuple[str, str]]:
    """Pairs of model and data set that an entry's numbers come from, each once."""
    return list(dict.fromkeys(experiments.runs(entry, config["datasets"])))


def needed_models(entry: Entry, config: Entry) -> list[str]:
    """The models of the configuration that an entry needs, those that write its texts included."""
    return list(dict.fromkeys(_models(entry, config)))


def seen_learning(config: Entry) -> list[str]:
    """Models on the hub whose checkpoints the targets show, which the jobs themselves fetch."""
    entries = [entry for entry in chosen(config).values() if "steps" in entry]
    named = dict.fromkeys(model for entry in entries for model in experiments.models_of(entry))
    return [model for model in named if "revisions" in config["models"][model]]


def needed_datasets(entry: Entry, config: Entry) -> list[str]:
    """The data sets that an entry needs, with those that unions and variants are made of."""
    return list(dict.fromkeys(_datasets(entry, config)))


def _models(entry: Entry, config: Entry) -> Iterator[str]:
    # A drawing or a table of architectures alone runs nothing.
    for model in experiments.models_of(entry) if needed_runs(entry, config) else []:
        if "steps" in entry and "revisions" in config["models"][model]:
            continue  # whose checkpoints are fetched by the jobs that measure them
        yield model
        if "minigpt_v2" in config["models"][model]:
            yield config["models"][model]["minigpt_v2"]["language_model"]
    for dataset in needed_datasets(entry, config):
        generate = config["datasets"][dataset].get("generate", {})
        if "model" in generate:
            yield generate["model"]


def _read(entry: Entry, config: Entry) -> list[str]:
    """The data sets that an entry shows or its models are run over."""
    named = entry.get("datasets", [entry["dataset"]] if "dataset" in entry else [])
    return [*named, *(dataset for _, dataset in needed_runs(entry, config))]


def _datasets(entry: Entry, config: Entry) -> Iterator[str]:
    waiting = _read(entry, config)
    # What the models learn from is needed as well, where they are trained here.
    for model in experiments.models_of(entry):
        if "train" in config["models"][model]:
            waiting.append(config["models"][model]["train"]["corpus"])
    while waiting:
        name = waiting.pop(0)
        yield name
        dataset = config["datasets"][name]
        waiting += dataset.get("union", [])
        waiting += [dataset["variants"]["of"]] if "variants" in dataset else []
