"""Folders of the Hugging Face Hub, downloaded if need be: models and data sets alike."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path
from typing import Literal

from huggingface_hub import constants, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import disable_progress_bars

from matrix_entropy.errors import InputError

# Jobs have bars of their own.
disable_progress_bars()

Kind = Literal["model", "dataset"]

CALLED: dict[Kind, str] = {"model": "model", "dataset": "data set"}


def snapshot(kind: Kind, name: str, hub: str, revision: str, patterns: list[str]) -> Path:
    """Folder with the files of a revision that match ``patterns``; its name is the commit.

    Without a network, or with ``HF_HUB_OFFLINE=1``, it is the folder in the cache with whatever
    files it has.

    Parameters
    ----------
    kind : {"model", "dataset"}
    name : str
        What the configuration calls it, for messages.
    hub, revision : str
        Id on the hub, and branch, tag or commit.
    patterns : list of str
        Shell patterns of the files that are needed; ``*`` matches ``/`` too.

    Raises
    ------
    InputError
        If the hub cannot be reached and the revision is not in the cache, or if the repository or
        the revision does not exist or may not be read.
    """
    offline = constants.HF_HUB_OFFLINE or not _answers(constants.ENDPOINT)
    called = CALLED[kind]
    where = f"{called} '{name}' ({hub}, revision {revision})"
    try:
        return Path(
            snapshot_download(
                hub,
                repo_type=kind,
                revision=revision,
                allow_patterns=patterns,
                local_files_only=offline,
            )
        )
    except GatedRepoError:
        raise InputError(
            f"{where} is gated: ask for access at {page(kind, hub)} and put your token into the "
            "environment variable HF_TOKEN."
        ) from None
    except RevisionNotFoundError:
        raise InputError(
            f"{where}: the hub has no such revision; correct `revision:` (a branch, tag or commit)."
        ) from None
    except RepositoryNotFoundError:
        raise InputError(
            f"{where}: the hub has no such {called}, or it is private: correct `hub:`, or put your "
            "token into the environment variable HF_TOKEN."
        ) from None
    except (LocalEntryNotFoundError, FileNotFoundError):
        options = "" if kind == "model" else " --repo-type dataset"
        raise InputError(
            f"{where}: the hub ({constants.ENDPOINT}) cannot be reached and this revision is not, "
            f"or not whole, in the cache ({constants.HF_HUB_CACHE}); where there is a network, run "
            f"`hf download {hub}{options} --revision {revision}`, copy the cache here and set "
            "HF_HUB_CACHE to it and HF_HUB_OFFLINE=1."
        ) from None
    except OSError as error:
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        raise InputError(f"{where} could not be downloaded: {first_line}") from None


def page(kind: Kind, hub: str) -> str:
    """Address of a repository on the hub, for people to look at."""
    return f"{constants.ENDPOINT}/{'' if kind == 'model' else 'datasets/'}{hub}"


def _answers(address: str) -> bool:
    """True if anything answers there within seconds; the hub library would ask for a minute."""
    try:
        urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=5).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True
