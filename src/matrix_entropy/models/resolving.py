"""Find a model's files and record what they are, without what runs a model.

Every model is first resolved to a folder on this machine (`resolve_hub`, `resolve_path`; a
stand-in makes its own), and loaded from there: nothing that loads a model touches the network.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from matrix_entropy.base.errors import InputError
from matrix_entropy.sources.hashes import measure
from matrix_entropy.sources.hub import snapshot
from matrix_entropy.sources.hub_models import WANTED, needed_patterns
from matrix_entropy.sources.model_files import check_inside, contents, marks, settings_sha256

PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")


def resolve_path(name: str, path: str, folder: Path) -> dict[str, Any]:
    """Record of a local model folder: where it is and the hashes of its weights.

    Raises
    ------
    InputError
        If the folder is missing, is no model, holds no safetensors weights, or something in it
        leads elsewhere.
    """
    if folder.is_dir():
        check_inside(f"model '{name}'", folder)
    if not (folder / "config.json").is_file():
        raise InputError(
            f"model '{name}': {path} is not a model folder, it has no config.json "
            f"({folder.absolute()})."
        )
    _refuse_pickles(name, folder, "save the model with `save_pretrained`, which writes safetensors")
    return {
        "model": name,
        "source": "path",
        "id": path,
        "folder": str(folder.absolute()),
        "stand_in": False,
        **contents(folder),
        "marks": marks(folder),
    }


def resolve_hub(
    name: str, model: dict[str, Any], converted: Path, cache: Path | None = None
) -> dict[str, Any]:
    """Record of a hub model: downloaded if need be, with the commit that its revision led to.

    Parameters
    ----------
    name, model
        The model's entry in the configuration.
    converted : Path
        Folder for safetensors weights, should they have to be made from a pickle.
    cache : Path, optional
        Another cache than the user's.

    Raises
    ------
    InputError
        If the hub cannot be reached and the model is not in the cache, if the model or revision
        does not exist, or if its weights would have to be unpickled.
    """
    revision = model.get("revision", "main")
    fetch = functools.partial(snapshot, "model", name, model["hub"], revision, cache=cache)
    folder = fetch(WANTED)
    commit = folder.name
    patterns = needed_patterns(name, model, (path.name for path in folder.iterdir()))
    if patterns == WANTED:
        check_inside(f"model '{name}'", folder)
        found = measure(folder, dict.fromkeys(marks(folder), "sha256"))
        hashes = {"weights_sha256": found, "settings_sha256": settings_sha256(folder)}
    else:
        # Reads the weights with torch, which no other model needs to be found.
        from matrix_entropy.models.loading import convert

        convert(name, fetch(patterns), converted)
        folder, hashes = converted, contents(converted)
    return {
        "model": name,
        "source": "hub",
        "id": model["hub"],
        "revision": revision,
        "commit": commit,
        "folder": str(folder.absolute()),
        "stand_in": False,
        **hashes,
        "marks": marks(folder),
    }


def _refuse_pickles(name: str, folder: Path, advice: str) -> None:
    if list(folder.glob("*.safetensors")):
        return
    found = sorted(path.name for pattern in PICKLES for path in folder.glob(pattern))
    if found:
        raise InputError(
            f"model '{name}' has its weights only in {', '.join(found)}, which would have to be "
            f"unpickled and could run code: {advice}."
        )
    raise InputError(f"model '{name}' has no *.safetensors file in {folder}.")
