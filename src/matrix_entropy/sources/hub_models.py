"""Which files of a model on the hub are needed; known without torch."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import read_json
from matrix_entropy.sources.model_sizes import sizes_in_folder

CONFIG = "config.json"
WANTED = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja"]
PICKLED = "*.bin"

# Of safetensors and of pickles, the file that holds all weights, or else says which files do.
SINGLE = {False: "model.safetensors", True: "pytorch_model.bin"}
INDEX = {False: "model.safetensors.index.json", True: "pytorch_model.bin.index.json"}
# Any of these is a tokenizer.
TOKENIZERS = (
    ("tokenizer.json",),
    ("tokenizer.model",),
    ("vocab.json", "merges.txt"),
    ("vocab.txt",),
    ("spiece.model",),
    ("sentencepiece.bpe.model",),
    ("tekken.json",),
)
IMAGE_PROCESSORS = ("preprocessor_config.json", "processor_config.json")


def needed_patterns(name: str, model: dict[str, Any], files: Iterable[str]) -> list[str]:
    """Shell patterns of the files to fetch: weights as a pickle only if there are no others.

    Parameters
    ----------
    name, model
        The model's entry in the configuration: ``hub``, ``revision``, ``gguf`` and
        ``convert_weights``.
    files : iterable of str
        Paths of the files that its repository has.

    Raises
    ------
    InputError
        If there is no GGUF file of this name, or if the weights would have to be unpickled and the
        entry does not ask for that.
    """
    files = list(files)
    if "gguf" in model:
        return [_gguf_file(name, model, files)]
    names = [path for path in files if "/" not in path]
    if any(path.endswith(".safetensors") for path in names):
        return WANTED
    if model["convert_weights"]:
        return [*WANTED, PICKLED]
    raise InputError(
        f"model '{name}' ({model['hub']}, revision {model.get('revision', 'main')}) has no "
        "safetensors weights, perhaps only a pickle, which could run code: name a revision that "
        "has model.safetensors (often refs/pr/1), or set `convert_weights: true` to convert it "
        "once with a reader that runs no code."
    )


def _gguf_file(name: str, model: dict[str, Any], files: list[str]) -> str:
    if model["gguf"] in files:
        return str(model["gguf"])
    known = ", ".join(sorted(path for path in files if path.endswith(".gguf"))) or "none"
    raise InputError(
        f"model '{name}' ({model['hub']}, revision {model.get('revision', 'main')}) has no file "
        f"{model['gguf']}, its GGUF files are: {known}; correct `gguf:`."
    )


def check_model(name: str, model: dict[str, Any], files: Collection[str], small: Path) -> None:
    """See that a repository has all that its model is loaded from, of the sizes that are stated.

    Parameters
    ----------
    name, model
        The model's entry in the configuration.
    files : collection of str
        Paths of the files that its repository has.
    small : Path
        Folder with its config.json, and with the index of its weights if it has one.

    Raises
    ------
    InputError
        If something is missing, or the config.json states other ``layers`` or another ``width``.
    """
    if "gguf" in model:  # which holds everything, and whose header is read once it is here
        return
    where = f"model '{name}' ({model['hub']}, revision {model.get('revision', 'main')})"
    _check_has([(CONFIG,)], files, where)
    _check_has(TOKENIZERS, files, where)
    if "vision" in model:
        _check_has([(path,) for path in IMAGE_PROCESSORS], files, where)
    pickled = PICKLED in needed_patterns(name, model, files)
    _check_has([(SINGLE[pickled],), (INDEX[pickled],)], files, where)
    if SINGLE[pickled] not in files:
        _check_has([_shards(small / INDEX[pickled], where)], files, where)
    try:
        sizes = sizes_in_folder(small)
    except InputError:
        raise InputError(
            f"{where}: its {CONFIG} is no JSON file; choose another `revision:`."
        ) from None
    for key, found in sizes.items():
        if key in model and model[key] != found:
            raise InputError(
                f"{where} has {key} {found}, but the configuration states {model[key]}; write "
                f"`{key}: {found}`, or correct `hub:`."
            )


def _check_has(choices: Iterable[tuple[str, ...]], files: Collection[str], where: str) -> None:
    """See that all files of one of several choices are there."""
    missing = [[path for path in choice if path not in files] for choice in choices]
    if all(missing):
        named = " or ".join(" and ".join(some) for some in missing)
        raise InputError(
            f"{where} has no {named}, so that the model cannot be loaded; choose a `revision:` "
            "that has, or make a whole folder of your own and give its `path:`."
        )


def _shards(index: Path, where: str) -> tuple[str, ...]:
    try:
        return tuple(sorted(set(read_json(index)["weight_map"].values())))
    except (ValueError, LookupError, TypeError, AttributeError):
        raise InputError(
            f"{where}: its {index.name} does not say in which files the weights are; choose "
            "another `revision:`."
        ) from None
