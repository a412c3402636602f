"""``models.lock.yaml``: the commits that revisions led to, and the hashes of what was fetched.

It lies in the folder where results/ is written. `snakemake prefetch` writes it and
`sources.hub` goes by it: a branch that moves on changes nothing, other bytes are refused.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal, TypedDict

import yaml

from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import writing

Kind = Literal["model", "dataset"]


class Locked(TypedDict):
    """A revision's commit, and the SHA-256 of files by their path in the repository."""

    commit: str
    sha256: dict[str, str]


LOCK = Path("models.lock.yaml")
SECTIONS: dict[Kind, str] = {"model": "models", "dataset": "datasets"}
COMMIT = re.compile("[0-9a-f]{40}")

HEAD = """\
# Written by `snakemake prefetch`: of every id and revision of the configuration the commit, and the
# SHA-256 of weights or data files. Every run takes these commits and refuses other files. To follow
# a branch that has moved on, delete its entry (or this file) and run `snakemake prefetch` again.
"""


def read_lock(path: Path = LOCK) -> dict[str, Any]:
    """Sections, ids and revisions of a lock file, down to `Locked`; empty if there is none.

    Raises
    ------
    InputError
        If the file is not what `write_lock` would write.
    """
    if not path.exists():
        return {}
    try:
        lock = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        for section, ids in lock.items():
            _check(section in SECTIONS.values(), section)
            for hub, revisions in ids.items():
                for revision, entry in revisions.items():
                    where = f"{section}, {hub}, {revision}"
                    _check(set(entry) == {"commit", "sha256"}, where)
                    _check(COMMIT.fullmatch(str(entry["commit"])) is not None, where)
                    _check(all(isinstance(sha, str) for sha in entry["sha256"].values()), where)
    except (yaml.YAMLError, AttributeError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"{path} is not a lock file ({reason}); delete it, or the entry, and run "
            "`snakemake prefetch` to have it written anew."
        ) from None
    return lock


def _check(right: bool, where: str) -> None:
    if not right:
        raise ValueError(f"at {where}")


def locked(kind: Kind, hub: str, revision: str) -> Locked | None:
    """What the lock file says of a revision, or None.

    Raises
    ------
    InputError
        See `read_lock`.
    """
    return revisions_of(kind, hub).get(revision)


def revisions_of(kind: Kind, hub: str) -> dict[str, Locked]:
    """What the lock file says of all revisions of a repository.

    Raises
    ------
    InputError
        See `read_lock`.
    """
    return read_lock().get(SECTIONS[kind], {}).get(hub, {})


def write_lock(found: dict[tuple[Kind, str, str], Locked], path: Path = LOCK) -> None:
    """Put what was found of ``(kind, id, revision)`` into the lock file; other entries stay.

    The same entries give the same bytes; nothing is written if nothing changes.
    """
    before = read_lock(path)
    lock = {section: dict(before.get(section, {})) for section in SECTIONS.values()}
    for (kind, hub, revision), entry in found.items():
        revisions = lock[SECTIONS[kind]]
        revisions[hub] = revisions.get(hub, {}) | {revision: dict(entry)}
    lock = {section: ids for section, ids in lock.items() if ids}
    if lock != before:
        with writing(path) as temporary:
            temporary.write_text(HEAD + yaml.safe_dump(lock, width=200), encoding="utf-8")
