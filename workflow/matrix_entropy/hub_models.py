"""Which files of a model on the hub are needed; known without torch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from matrix_entropy.errors import InputError

CONFIG = "config.json"
WANTED = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja"]
PICKLED = "*.bin"


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
