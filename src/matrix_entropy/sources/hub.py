"""Folders of the Hugging Face Hub, downloaded if need be: models and data sets alike."""

from __future__ import annotations

import functools
import logging
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from httpx2 import HTTPError
from huggingface_hub import constants, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import repo_folder_name
from huggingface_hub.utils import disable_progress_bars, filter_repo_objects

from matrix_entropy.base.errors import InputError, first_line
from matrix_entropy.sources.hashes import check_files, stated
from matrix_entropy.sources.lock_file import COMMIT, LOCK, Kind, locked, revisions_of

log = logging.getLogger("matrix_entropy")

# Jobs have bars of their own.
disable_progress_bars()

CALLED: dict[Kind, str] = {"model": "model", "dataset": "data set"}


class OutOfReach(InputError):
    """The hub answers none of our questions, and the cache does not hold what is asked for."""


class Asked(NamedTuple):
    """A revision as it is asked for: the lock file's commit, if that holds one, and its hashes."""

    revision: str
    sha256: dict[str, str]
    where: str  # for messages


def asked_for(kind: Kind, name: str, hub: str, revision: str) -> Asked:
    """What is asked for when an entry of the configuration, ``name``, wants a revision.

    Raises
    ------
    InputError
        If the lock file cannot be read.
    """
    lock = locked(kind, hub, revision)
    if lock is None:
        _say_what_is_held(kind, hub, revision)
        return Asked(revision, {}, f"{CALLED[kind]} '{name}' ({hub}, revision {revision})")
    held = f"{hub}, revision {revision}, commit {lock['commit']} by {LOCK}"
    return Asked(lock["commit"], lock["sha256"], f"{CALLED[kind]} '{name}' ({held})")


def snapshot(
    kind: Kind,
    name: str,
    hub: str,
    revision: str,
    patterns: list[str],
    offline: bool = False,
    cache: Path | None = None,
) -> Path:
    """Folder with the files of a revision that match ``patterns``; its name is the commit.

    The commit is the one that the lock file holds, else the one that the revision leads to. Nothing
    is asked if a known commit's files are all in the cache. Without a network, or with
    ``HF_HUB_OFFLINE=1``, it is the folder in the cache with whatever files it has. Every file is
    compared with the hash that the hub stated.

    Parameters
    ----------
    kind : {"model", "dataset"}
    name : str
        What the configuration calls it, for messages.
    hub, revision : str
        Id on the hub, and branch, tag or commit.
    patterns : list of str
        Shell patterns of the files that are needed; ``*`` matches ``/`` too.
    offline : bool
        Look into the cache alone, also where there is a network.
    cache : Path, optional
        Another cache than the user's (``HF_HUB_CACHE``).

    Raises
    ------
    InputError
        If the repository or the revision does not exist or may not be read, if the download breaks
        off, or if a file is not what the hub or the lock file states.
    OutOfReach
        If the hub cannot be reached and the revision is not in the cache.
    """
    asked = asked_for(kind, name, hub, revision)
    folder = _downloaded(kind, hub, asked.revision, patterns, asked.where, offline, cache)
    check_files(asked.where, folder, patterns, asked.sha256)
    return folder


@functools.cache  # once is enough
def _say_what_is_held(kind: Kind, hub: str, revision: str) -> None:
    """Say so if the lock file holds the repository at other revisions only."""
    others = revisions_of(kind, hub)
    if others:
        log.warning(
            "%s has no entry for revision %s of %s, only for %s, which does not count: what the "
            "revision leads to now is taken; `snakemake prefetch` writes its entry.",
            LOCK, revision, hub, ", ".join(others),
        )  # fmt: skip


def _downloaded(
    kind: Kind,
    hub: str,
    revision: str,
    patterns: list[str],
    where: str,
    offline: bool,
    cache: Path | None,
) -> Path:
    """The folder, its files not yet compared with anything; ``where`` is for messages."""
    offline = (
        offline
        or constants.HF_HUB_OFFLINE
        or is_whole(kind, hub, revision, patterns, cache)
        or not answers()
    )
    try:
        with refusals(kind, hub, where):
            return Path(
                snapshot_download(
                    hub,
                    repo_type=kind,
                    revision=revision,
                    allow_patterns=patterns,
                    local_files_only=offline,
                    cache_dir=cache,
                )
            )
    except (LocalEntryNotFoundError, FileNotFoundError):
        options = "" if kind == "model" else " --repo-type dataset"
        raise OutOfReach(
            f"{where}: the hub ({constants.ENDPOINT}) cannot be reached and this revision is not, "
            f"or not whole, in the cache ({constants.HF_HUB_CACHE}); where there is a network, run "
            f"`snakemake prefetch` (or `hf download {hub}{options} --revision {revision}`), copy "
            f"the cache and {LOCK} here and set HF_HUB_CACHE to it and HF_HUB_OFFLINE=1."
        ) from None
    except (OSError, HTTPError, ValueError) as error:  # the last where no hub has answered
        raise InputError(
            f"{where} could not be downloaded ({first_line(error)}); run again, files that "
            "are whole are kept."
        ) from None


@contextmanager
def refusals(kind: Kind, hub: str, where: str) -> Iterator[None]:
    """Let what the hub refuses in the block be an `InputError`; ``where`` is for messages."""
    try:
        yield
    except GatedRepoError:
        raise InputError(
            f"{where} is gated: ask for access at {page(kind, hub)} and put your token into the "
            "environment variable HF_TOKEN."
        ) from None
    except RevisionNotFoundError:
        raise InputError(
            f"{where}: the hub has no such revision; correct `revision:` (a branch, tag or "
            f"commit), or, if the commit is that of {LOCK}, delete the entry there and run "
            "`snakemake prefetch`."
        ) from None
    except RepositoryNotFoundError:
        raise InputError(
            f"{where}: the hub has no such {CALLED[kind]}, or it is private: correct `hub:`, or "
            "put your token into the environment variable HF_TOKEN."
        ) from None
    except HfHubHTTPError as error:
        if error.response.status_code != 401:
            raise
        raise OutOfReach(  # whatever is asked for, also what anybody may read
            f"{where}: the hub does not accept the token in the environment variable HF_TOKEN "
            f"(or in your login); make another at {constants.ENDPOINT}/settings/tokens."
        ) from None


def is_whole(
    kind: Kind, hub: str, revision: str, patterns: list[str], cache: Path | None = None
) -> bool:
    """True if a commit's files are in the cache for certain, all that match."""
    repository = Path(cache or constants.HF_HUB_CACHE) / repo_folder_name(
        repo_id=hub, repo_type=kind
    )
    folder = repository / "snapshots" / revision
    # Without a folder none of its files was ever asked for, such as the card that it does not have.
    said = stated(folder) if COMMIT.fullmatch(revision) and folder.is_dir() else {}
    needed = filter_repo_objects(said, allow_patterns=patterns)
    return bool(said) and all((folder / path).is_file() for path in needed)


def page(kind: Kind, hub: str) -> str:
    """Address of a repository on the hub, for people to look at."""
    return f"{constants.ENDPOINT}/{'' if kind == 'model' else 'datasets/'}{hub}"


def answers() -> bool:
    """True if the hub answers anything within seconds; its library would ask for a minute."""
    asked = urllib.request.Request(constants.ENDPOINT, method="HEAD")
    try:
        urllib.request.urlopen(asked, timeout=5).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True
