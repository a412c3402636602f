"""The files of a model's folder: that they lie in it, and that they are those of its record.

A record says what a folder held when the model was resolved; every job that loads the model sees
whether it still does. Known without torch.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import sha256, weights_sha256

# Of a record, what the folder's files are known by.
HASHES = ("weights_sha256", "settings_sha256", "marks")
WEIGHTS = "*.safetensors"
# Beside the weights, what a model's numbers depend on.
SETTINGS = ("*.json", "*.model", "*.jinja", "merges.txt", "vocab.txt")
# Keys by which transformers reads other files than the usual ones. Those that other libraries leave
# there (`vocab_file`, `name_or_path`, ...) it does not follow.
FOLLOWED = {
    "config.json": "transformers_weights",
    "tokenizer_config.json": "fast_tokenizer_files",
}


def contents(folder: Path) -> dict[str, dict[str, str]]:
    """For a model's record: SHA-256 of its files of weights, and of its others, by file name."""
    return {"weights_sha256": weights_sha256(folder), "settings_sha256": settings_sha256(folder)}


def settings_sha256(folder: Path) -> dict[str, str]:
    """SHA-256 of configuration and tokenizer, by file name."""
    found = {path for pattern in SETTINGS for path in folder.glob(pattern)}
    return {path.name: sha256(path) for path in sorted(found) if path.is_file()}


def marks(folder: Path) -> dict[str, list[int]]:
    """``[size, time of the last change in nanoseconds]`` of every file of weights.

    With them in its record a model's weights need not be read again to be known. Records of what a
    run makes itself are without: the same work gives the same record.
    """
    found = {path.name: path.stat() for path in sorted(folder.glob(WEIGHTS)) if path.is_file()}
    return {name: [status.st_size, status.st_mtime_ns] for name, status in found.items()}


def known_by(folder: Path, record: Path) -> dict[str, Any]:
    """What tells the files of a folder from others, whatever their dates, without reading much.

    As long as the weights are those that a ``record`` describes, these are its marks, so that
    another date alone is no change.
    """
    found = marks(folder)
    try:
        recorded = json.loads(record.read_text(encoding="utf-8"))
        if known_hashes(folder, recorded) == recorded["weights_sha256"]:
            found = recorded["marks"]
    except (OSError, ValueError, TypeError, LookupError):  # none, a broken or an older one
        pass
    return {"weights": found, "settings": settings_sha256(folder)}


def check_recorded(record: dict[str, Any], weights: bool = False) -> None:
    """See that a model's folder holds what its record says, and nothing from outside.

    Configuration and tokenizer are read; weights only if size or time is another than the record
    has, or if it has none. Of what an older record does not hold nothing is said.

    Parameters
    ----------
    record : dict
        A resolved model (`models.resolving`).
    weights : bool
        Whether the weights are to be loaded.

    Raises
    ------
    InputError
        See `check_inside`; or if a file is another one, is gone, or was added.
    """
    name, folder = record["model"], Path(record["folder"])
    check_inside(f"model '{name}'", folder)
    changed: list[str] = []
    if "settings_sha256" in record:
        changed += _differences(record["settings_sha256"], settings_sha256(folder))
    if weights and "weights_sha256" in record:
        changed += _differences(record["weights_sha256"], known_hashes(folder, record))
    if changed:
        derived = record.get("source") in ("lora", "untrained")
        first = " and that of the model it is derived from" if derived else ""
        raise InputError(
            f"model '{name}': {', '.join(changed)} in {folder} is not what "
            f"results/models/{name}.json has on record (by SHA-256): put back what was there, or "
            f"delete that record{first} and run again."
        )


def known_hashes(folder: Path, record: dict[str, Any]) -> dict[str, str]:
    """SHA-256 of every file of weights: as recorded where size and time are, else by reading it."""
    recorded, known = record.get("marks", {}), record["weights_sha256"]
    return {
        file: known[file] if mark == recorded.get(file) else sha256(folder / file)
        for file, mark in marks(folder).items()
    }


def check_inside(called: str, folder: Path) -> None:
    """See that all that a folder's links, its weights' index and its settings name is inside it.

    Links of the hub's cache, from a snapshot to the blobs of its repository, are inside.

    Raises
    ------
    InputError
        If one leads elsewhere, where files could be exchanged and no hash would tell; or nowhere.
    """
    whole = folder.resolve()
    homes = [whole]
    if whole.parent.name == "snapshots":
        homes.append((whole.parent.parent / "blobs").resolve())
    for path in sorted(folder.iterdir()):
        if not path.is_symlink() or path.name.startswith("."):
            continue
        where = f"{called}: {path.name} in {folder} is a link to {path.readlink()}"
        if not path.exists():
            raise InputError(
                f"{where}, where nothing is; put the file there, or fetch the model again."
            )
        if not any(path.resolve().is_relative_to(home) for home in homes):
            raise InputError(
                f"{where}, outside the folder; put the file itself there, since what stands "
                "elsewhere is not the model's alone."
            )
    named = {path: _named_files(called, path) for path in sorted(folder.glob("*.index.json"))}
    named |= {folder / name: _listed(folder / name, key) for name, key in FOLLOWED.items()}
    for path, files in named.items():
        for file in files:
            if Path(file).name != file:
                raise InputError(
                    f"{called}: {path.name} in {folder} names {file}, which is not a file of this "
                    "folder; put it there and name it without a folder, or fetch the model again."
                )


def _named_files(called: str, index: Path) -> list[str]:
    """The files that an index of weights names; none if it is an index of something else."""
    try:
        content = json.loads(index.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        content = None
    named = content.get("weight_map", {}) if isinstance(content, dict) else None
    if not isinstance(named, dict) or not all(isinstance(file, str) for file in named.values()):
        raise InputError(
            f"{called}: {index} is damaged, it does not say which weight is in which file; fetch "
            "or save the model again."
        )
    return sorted(set(named.values()))


def _listed(path: Path, key: str) -> list[str]:
    """The files that a JSON file names at a key: one or a list; what is no name is not followed."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):  # none, or said where the model is loaded
        return []
    found = content.get(key) if isinstance(content, dict) else None
    return [file for file in (found if isinstance(found, list) else [found]) if type(file) is str]


def _differences(recorded: dict[str, str], found: dict[str, str]) -> list[str]:
    return sorted(
        file for file in recorded.keys() | found.keys() if recorded.get(file) != found.get(file)
    )
