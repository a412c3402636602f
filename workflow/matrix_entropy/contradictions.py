"""What a schema cannot say of a configuration: names that exist, keys that go together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from matrix_entropy.dataset_checks import dataset_contradictions
from matrix_entropy.entries import layers_of
from matrix_entropy.figure_checks import figure_contradictions, names_given_twice
from matrix_entropy.shared_checks import known, one_source, said_in_vain
from matrix_entropy.vision_checks import MULTIMODAL, vision_contradictions


def contradictions(config: dict[str, Any], root: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What a schema cannot say: references between entries, and keys that exclude each other.

    What comes later relies on what comes first: figures, on data sets that exist.
    """
    for name in config["models"]:
        yield from _model(name, config, root)
    for name in config["datasets"]:
        yield from dataset_contradictions(name, config, root)
    for section in ("figures", "tables"):
        for name, entry in config[section].items():
            yield from figure_contradictions([section, name], entry, config, root)
    yield from names_given_twice(config)


def _model(name: str, config: dict[str, Any], root: dict[str, Any]) -> Iterator[tuple[str, str]]:
    model, where = config["models"][name], f"'models.{name}'"
    yield from one_source(where, model, root["$defs"]["model"], root)
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
