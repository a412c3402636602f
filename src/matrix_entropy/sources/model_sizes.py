"""Blocks and width of models where the configuration leaves them out: read from local files.

Plans need them, and planning must neither ask a network nor wait for torch: a folder's config.json
is read as JSON, a GGUF file's header by itself. The model that is loaded is the judge of both.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from matrix_entropy.base.errors import InputError
from matrix_entropy.sources import gguf_files

Entry = dict[str, Any]

# What architectures call them in config.json.
NAMES = {
    "layers": ("num_hidden_layers", "n_layer", "num_layers", "n_layers"),
    "width": ("hidden_size", "n_embd", "d_model"),
}


def with_sizes(models: dict[str, Entry]) -> dict[str, Entry]:
    """Entries of models, with `layers:` and `width:` of those whose files lie on this machine.

    What is stated stays, and is compared with the file where there is one.

    Raises
    ------
    InputError
        If a size is left out and the file does not say it, or if the file says another one.
    """
    return {name: _with_sizes(name, model) for name, model in models.items()}


def _with_sizes(name: str, model: Entry) -> Entry:
    where, missing = f"configuration: 'models.{name}'", [key for key in NAMES if key not in model]
    if "path" not in model:
        return model
    path = gguf_files.local_gguf(model)
    try:
        found = _in_gguf(path) if gguf_files.is_gguf(model) else sizes_in_folder(path)
    except InputError as error:
        if missing:
            raise InputError(
                f"{where} lacks the key '{missing[0]}', and it cannot be read: {error}"
            ) from None
        return model  # the job that needs the files says what is wrong with them
    for key in NAMES:
        if key in model and key in found and model[key] != found[key]:
            raise InputError(
                f"{where} states `{key}: {model[key]}`, but {path} has {found[key]}; correct it, "
                "or leave it out."
            )
    for key in missing:
        if key not in found:
            raise InputError(
                f"{where} lacks the key '{key}', and {path / 'config.json'} does not say it; add "
                "it, and the model is checked against it."
            )
    return model | {key: found[key] for key in missing}


def _in_gguf(path: Path) -> dict[str, int]:
    return dict(zip(NAMES, gguf_files.sizes(path), strict=True))


def sizes_in_folder(folder: Path) -> dict[str, int]:
    """Sizes that a folder's config.json states, of the language model if there is more in it.

    Raises
    ------
    InputError
        If there is none, or it is no JSON.
    """
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} ({error.strerror}); correct `path:`.") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no JSON file ({error}).") from None
    text = config.get("text_config") if isinstance(config, dict) else None
    stated = text if isinstance(text, dict) else config if isinstance(config, dict) else {}
    found = {}
    for key, names in NAMES.items():
        value = next((stated[name] for name in names if name in stated), None)
        if isinstance(value, int) and value > 0:
            found[key] = value
    return found
