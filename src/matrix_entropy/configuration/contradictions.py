"""What a schema cannot say of a configuration: names that exist, keys that go together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from matrix_entropy.configuration.dataset_checks import dataset_contradictions
from matrix_entropy.configuration.entries import layers_of
from matrix_entropy.configuration.figure_checks import figure_contradictions, names_given_twice
from matrix_entropy.configuration.papers import paper_names
from matrix_entropy.configuration.shared_checks import known, one_source, said_in_vain
from matrix_entropy.configuration.trajectories import step_of
from matrix_entropy.configuration.vision_checks import MULTIMODAL, vision_contradictions
from matrix_entropy.configuration.yaml_examples import to_write
from matrix_entropy.sources.gguf_files import is_gguf, names_gguf


def contradictions(config: dict[str, Any], root: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What a schema cannot say: references between entries, and keys that exclude each other.

    What comes later relies on what comes first: figures, on data sets that exist.
    """
    for name, model in config["models"].items():
        yield from one_source(f"'models.{name}'", model, root["$defs"]["model"], root)
        yield from _sizes(name, model, root)
    for name in config["models"]:
        yield from _model(name, config, root)
    for name in config["datasets"]:
        yield from dataset_contradictions(name, config, root)
    for section in ("figures", "tables"):
        for name, entry in config[section].items():
            if "paper" in entry and entry["paper"] not in paper_names():
                yield (
                    f"'{section}.{name}.paper'",
                    f"is '{entry['paper']}'; choose one of {', '.join(paper_names())}, or leave it "
                    "out.",
                )
            yield from figure_contradictions([section, name], entry, config, root)
    yield from names_given_twice(config)


def _model(name: str, config: dict[str, Any], root: dict[str, Any]) -> Iterator[tuple[str, str]]:
    model, where = config["models"][name], f"'models.{name}'"
    yield from _gguf(where, model)
    yield from _checkpoints(where, model)
    if "train" in model:
        yield from _train(name, model, config["datasets"])
    yield from vision_contradictions(name, config, root)
    yield from said_in_vain(where, model, "model", root)
    for layer in layers_of(model):
        if layer != "final" and int(layer) > model["layers"]:
            yield (
                where,
                f"extracts layer {layer}, but states only {model['layers']} layers; "
                "correct one of them.",
            )


def _sizes(name: str, model: dict[str, Any], root: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Whether a model whose files are not on this machine states its sizes."""
    for key in ("layers", "width"):
        if key not in model:
            why = (
                f"lacks the key '{key}', which is read only from files on this machine (`path:`); "
                "add it, and the model is checked against it."
            )
            source = next(key for key in root["$defs"]["model"]["one_of_keys"] if key in model)
            entry = {source: model[source], "layers": 12, "width": 768}
            yield f"'models.{name}'", why + to_write(["models", name], entry)


def _gguf(where: str, model: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Whether a model out of a GGUF file is one that can be read from it."""
    if not is_gguf(model):
        return
    if "gguf" in model and names_gguf(model.get("path", "")):
        yield where, "has `gguf:` beside a `path:` that is a file already; remove one of them."
    for key in ("vision", "convert_weights", "revisions"):
        if model.get(key):
            yield where, f"has `{key}:`, which goes with no GGUF file; remove one of them."


def _checkpoints(where: str, model: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Whether the checkpoints of a model can be told apart by their steps, and are there."""
    seen: dict[int, str] = {}
    for revision in model.get("revisions", []):
        step = step_of(revision)
        if step is None:
            yield (
                where,
                f"has in `revisions:` {revision}, which names no step; remove it.",
            )
        elif step in seen:
            yield (
                where,
                f"has in `revisions:` {seen[step]} and {revision}, both step {step}; remove one.",
            )
        else:
            seen[step] = revision
    train = model.get("train", {})
    kept = train.get("checkpoints", [])
    for key in ("revisions", "checkpoints"):
        if "vision" in model and (key in model or key in train):
            yield where, f"has `{key}:`, which goes with no `vision:`; remove one of them."
    if kept and max(kept) > train["steps"]:
        yield (
            where,
            f"keeps a checkpoint after step {max(kept)}, but trains only "
            f"`steps: {train['steps']}`; lower the one or raise the other.",
        )


def _train(name: str, model: dict[str, Any], datasets: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Whether a stand-in, of whatever architecture, can be made as its entry says."""
    train, inside = model["train"], f"'models.{name}.train"
    yield from known(f"{inside}.corpus'", train["corpus"], datasets, "data set")
    if model["width"] % train["heads"]:
        yield (
            f"'models.{name}'",
            f"has width {model['width']}, which its {train['heads']} heads do not divide; "
            "change one of them.",
        )
    if train["architecture"] not in MULTIMODAL and train["block"] > train["context"]:
        yield (
            f"{inside}'",
            f"has `block: {train['block']}`, more than the `context: {train['context']}` that "
            "the model can read; lower the one or raise the other.",
        )
