"""Checkpoints of a model's training: what is on record of each, and how one is fetched.

Those on the hub are too many to be kept. Their records hold the commit and the hashes that the hub
states of their weights; the job that measures one fetches it into a folder of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matrix_entropy.base.errors import InputError
from matrix_entropy.models.resolving import resolve_hub
from matrix_entropy.models.stand_ins import KEPT
from matrix_entropy.sources.hashes import stated
from matrix_entropy.sources.hub import is_whole, snapshot
from matrix_entropy.sources.hub_models import CONFIG, needed_patterns
from matrix_entropy.sources.model_files import contents

Entry = dict[str, Any]

WEIGHTS = (".safetensors", ".bin")


def kept_checkpoint(name: str, base: Entry, step: int) -> Entry:
    """Record of a checkpoint that a stand-in's training has kept.

    Raises
    ------
    InputError
        If there is none of this step.
    """
    folder = Path(base["folder"]) / KEPT / str(step)
    if not folder.is_dir():
        raise InputError(
            f"model '{name}': there is no checkpoint in {folder}; delete "
            f"results/models/{base['model']}.json and run again."
        )
    kept = ("source", "id", "stand_in", "parameters", "training")
    return {
        "model": name,
        **{key: base[key] for key in kept},
        "checkpoint": {"model": base["model"], "step": step},
        "folder": str(folder),
        **contents(folder),
    }


def checkpoint_on_hub(name: str, entry: Entry) -> Entry:
    """Record of a checkpoint on the hub, of which config.json alone is fetched.

    Raises
    ------
    InputError
        See `sources.hub.snapshot`.
    """
    folder = snapshot("model", name, entry["hub"], entry["revision"], [CONFIG])
    weights = {path: file for path, file in stated(folder).items() if path.endswith(WEIGHTS)}
    return {
        "model": name,
        "source": "hub",
        "id": entry["hub"],
        "revision": entry["revision"],
        "commit": folder.name,
        "folder": str(folder.absolute()),
        "stand_in": False,
        "checkpoint": {key: entry["checkpoint"][key] for key in ("model", "step")},
        "published_sha256": {path: file.hash for path, file in sorted(weights.items())},
    }


def fetched(record: Entry, convert_weights: bool, folder: Path) -> Entry:
    """A checkpoint on the hub, on this machine: the record by which it is loaded.

    What the user's cache holds is taken from there and stays. Anything else comes into ``folder``,
    for the caller to remove.

    Raises
    ------
    InputError
        See `models.loading.resolve_hub`; or if the branch has moved on since the record was made.
    """
    name, hub = record["model"], record["id"]
    entry = {"hub": hub, "revision": record["revision"], "convert_weights": convert_weights}
    files = [CONFIG, *record["published_sha256"]]
    # Nothing is stated of a cache that was filled by hand.
    here = not record["published_sha256"] or is_whole(
        "model", hub, record["commit"], needed_patterns(name, entry, files)
    )
    found = resolve_hub(name, entry, folder / "converted", None if here else folder / "hub")
    if found["commit"] != record["commit"]:
        raise InputError(
            f"model '{name}': revision {record['revision']} of {hub} has moved on from commit "
            f"{record['commit']} to {found['commit']}; delete results/models/{name}.json and run "
            "again, or hold commits with models.lock.yaml."
        )
    return found
