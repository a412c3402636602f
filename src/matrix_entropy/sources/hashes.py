"""Files in the hub's cache, by their hashes: measured once, compared with what the hub states.

The hub library sees to it that a file has the size that the hub states, not the content. The hub
states the SHA-256 of a large file, and git's own hash, ``sha1("blob {size}\\0" + content)``, of a
small one.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from huggingface_hub.utils import filter_repo_objects

from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import read_json, sha256, write_json
from matrix_entropy.sources.lock_file import LOCK

log = logging.getLogger("matrix_entropy")

# Of a repository's folder in the cache, where we keep what was measured.
MEASURED = "matrix_entropy"
# Of the file in which the hub library keeps what the hub says of a commit's files.
TREE_FORMAT = 1


class Stated(NamedTuple):
    """Of a file: its size in bytes, and its hash by ``sha256`` or ``git_blob``."""

    size: int
    algorithm: str
    hash: str


def git_blob(path: str | Path) -> str:
    """The hash by which git knows a file's content, in hexadecimal."""
    content = Path(path).read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


ALGORITHMS: dict[str, Callable[[Path], str]] = {"sha256": sha256, "git_blob": git_blob}


def stated(folder: Path) -> dict[str, Stated]:
    """What the hub said of all files of a snapshot's commit when it was fetched, by path.

    Nothing is known of a cache that was filled by hand, or by an old hub library.
    """
    path = folder.parent.parent / "trees" / f"{folder.name}.json"
    tree = read_json(path) if path.is_file() else {}
    if tree.get("format_version") != TREE_FORMAT:
        return {}
    return {
        path: Stated(file["lfs_size"], "sha256", file["lfs_sha256"])
        if "lfs_sha256" in file
        else Stated(file["size"], "git_blob", file["blob_id"])
        for path, file in tree["files"].items()
    }


def measure(folder: Path, algorithms: dict[str, str]) -> dict[str, str]:
    """Hashes of files of a snapshot, each read once for as long as its size and time stay.

    Parameters
    ----------
    folder : Path
        A snapshot in the cache. What is measured is kept beside it, unless the cache is read-only.
    algorithms : dict
        Path in the snapshot to ``sha256`` or ``git_blob``.
    """
    kept = folder.parent.parent / MEASURED / f"{folder.name}.json"
    known = read_json(kept) if kept.is_file() else {}
    new = False
    for path, algorithm in algorithms.items():
        status = (folder / path).stat()
        mark = [status.st_size, status.st_mtime_ns]
        if known.get(path, {}).get("size_and_time") != mark:
            known[path] = {"size_and_time": mark}
        if algorithm not in known[path]:
            known[path][algorithm] = ALGORITHMS[algorithm](folder / path)
            new = True
    if new and os.access(folder.parent.parent, os.W_OK):
        write_json(kept, known)
    return {path: known[path][algorithm] for path, algorithm in algorithms.items()}


def check_files(where: str, folder: Path, patterns: list[str], locked: dict[str, str]) -> None:
    """See that a snapshot's files are what the hub states and what the lock file holds.

    Parameters
    ----------
    where : str
        What messages call the repository.
    folder, patterns
        The snapshot, and shell patterns of its files that are needed.
    locked : dict
        Path to SHA-256, from `sources.lock_file.locked`.

    Raises
    ------
    InputError
        If a file is another. One that the hub does not know is removed, so that the next run
        fetches it anew.
    """
    present = [p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()]
    needed = sorted(filter_repo_objects(present, allow_patterns=patterns))
    said = stated(folder)
    if not said:
        log.info(
            "%s: the cache holds no hashes of the hub, so its files are taken as they are", where
        )
    expected = {path: said[path] for path in needed if path in said}
    found = measure(folder, {path: file.algorithm for path, file in expected.items()})
    wrong = [path for path, file in expected.items() if found[path] != file.hash]
    if wrong:
        first = expected[wrong[0]]
        for path in wrong:
            (folder / path).resolve().unlink(missing_ok=True)
            (folder / path).unlink(missing_ok=True)
        raise InputError(
            f"{where}: what came as {', '.join(wrong)} is not what the hub states "
            f"({first.algorithm} {first.hash}, but {wrong[0]} has {found[wrong[0]]}); it has been "
            "removed from the cache, run again to fetch it anew; if that does not help, the "
            "way to the hub (a proxy, a mirror in HF_ENDPOINT) changes files."
        )
    for path, value in measure(folder, {p: "sha256" for p in needed if p in locked}).items():
        if value != locked[path]:
            raise InputError(
                f"{where}: {path} has sha256 {value}, but {LOCK} holds {locked[path]}; fetch it "
                f"again ({folder / path}), or, if the new file is meant, delete the entry in "
                f"{LOCK} and run `snakemake prefetch`."
            )
