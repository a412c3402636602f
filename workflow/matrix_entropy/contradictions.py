"""What a schema cannot say of a configuration: names that exist, keys that go together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from matrix_entropy.dataset_checks import dataset_contradictions
from matrix_entropy.entries import layers_of
from matrix_entropy.figure_checks import figure_contradictions, names_given_twice
from matrix_entropy.shared_checks import given, has_images, known, one_source, said_in_vain

# Stand-ins of these architectures look at pictures.
MULTIMODAL = ("llava", "minigpt_v2")


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
    yield from said_in_vain(where, model, "model", root)
    for layer in layers_of(model):
        if layer != "final" and int(layer) > model["layers"]:
            yield (
                where,
                f"extracts layer {layer}, but states only {model['layers']} layers; "
                "correct one of them.",
            )
    yield from _vision(name, config, root)
    if "train" in model:
        train, inside = model["train"], f"'models.{name}.train"
        yield from known(f"{inside}.corpus'", train["corpus"], config["datasets"], "data set")
        if model["width"] % train["heads"]:
            yield (
                where,
                f"has width {model['width']}, which its {train['heads']} heads do not divide; "
                "change one of them.",
            )
        if train["block"] > train["context"]:
            yield (
                f"{inside}'",
                f"has `block: {train['block']}`, more than the `context: {train['context']}` that "
                "the model can read; lower the one or raise the other.",
            )


def _vision(name: str, config: dict[str, Any], root: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Whether a vision-language model says what it has to, and a language model nothing of it."""
    model, where = config["models"][name], f"'models.{name}'"
    train, parts = model.get("train"), model.get("minigpt_v2")
    looks = train is not None and train["architecture"] in MULTIMODAL
    if "vision" not in model:
        if looks or parts:
            yield where, "is a vision-language model without `vision:`; add it."
        return
    for key in ("connector", "language_model"):
        if key not in model:
            yield where, f"has a `vision:` without `{key}:`, what that part of it is; add it."
    for key in ("extract", "center_features", "convert_weights"):
        if given(key, model, root["$defs"]["model"]):
            yield where, f"has `{key}:`, which a vision-language model does not use; remove it."
    if train:
        yield from _pupil(name, model, train, config["datasets"], looks)
    if parts:
        inside = f"'models.{name}.minigpt_v2.language_model'"
        yield from known(inside, parts["language_model"], config["models"], "model")
        language = config["models"][parts["language_model"]]
        if "vision" in language:
            yield inside, f"names '{parts['language_model']}', which is no language model itself."
        for key in ("layers", "width"):
            if language[key] != model[key]:
                yield (
                    where,
                    f"has `{key}: {model[key]}`, but its language model "
                    f"'{parts['language_model']}' has {language[key]}; correct one of them.",
                )


def _pupil(
    name: str, model: dict[str, Any], train: dict[str, Any], datasets: dict[str, Any], looks: bool
) -> Iterator[tuple[str, str]]:
    """Whether a stand-in with a vision encoder can be made as its entry says."""
    where, vision = f"'models.{name}'", model["vision"]
    if not looks:
        yield (
            f"'models.{name}.train'",
            f"has `architecture: {train['architecture']}`, a language model's, beside a `vision:`; "
            f"set it to {' or '.join(MULTIMODAL)}, or remove `vision:`.",
        )
    if train["corpus"] in datasets and not has_images(datasets[train["corpus"]]):
        yield (
            f"'models.{name}.train.corpus'",
            f"names '{train['corpus']}', which has no images to learn from; choose a data set with "
            "`record: llava_instruct` or `cc_sbu_align`.",
        )
    if vision["width"] % train["heads"]:
        yield (
            where,
            f"has in `vision:` the width {vision['width']}, which its {train['heads']} heads do "
            "not divide; change one of them.",
        )
    if vision["image_size"] % vision["patch"]:
        yield (
            where,
            f"has in `vision:` images of {vision['image_size']} pixels, which patches of "
            f"{vision['patch']} do not divide; change one of them.",
        )
