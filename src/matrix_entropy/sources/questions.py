"""What the hub says of a revision: its commit and files, and the few small ones that tell more.

Nothing goes into the hub's cache. The hub library's own ways to fetch a file wait for minutes, some
without end, where a hub is slow; here every answer is waited for in seconds, once more if need be.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from httpx2 import HTTPError, Response, TransportError
from huggingface_hub import DatasetInfo, HfApi, ModelInfo, constants, hf_hub_url
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.file_download import repo_folder_name
from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

from matrix_entropy.base.errors import InputError, first_line
from matrix_entropy.sources.hashes import Stated
from matrix_entropy.sources.hub import Asked, OutOfReach, asked_for, refusals
from matrix_entropy.sources.lock_file import Kind

TIMEOUT_SECONDS, ATTEMPTS, PAUSE_SECONDS = 10, 2, 1
# Answers after which it helps to ask again.
BUSY = (429, 500, 502, 503, 504)

T = TypeVar("T")


class Seen(NamedTuple):
    """A revision: where its files are in the hub's cache, or would be, and all that it has."""

    folder: Path
    files: dict[str, Stated]
    small: Path  # a folder with the small files that were asked for


def look(
    kind: Kind, name: str, hub: str, revision: str, small: tuple[str, ...], scratch: Path
) -> Seen:
    """Ask the hub for a revision, and for those of the ``small`` files that it has.

    Parameters
    ----------
    kind, name, hub, revision
        As for `sources.hub.snapshot`; the lock file's commit goes before the revision.
    small : tuple of str
        Paths of files; a gated repository that has none of them is asked for another.
    scratch : Path
        Folder for them, which is the caller's to remove.

    Raises
    ------
    InputError
        If the repository or the revision does not exist or may not be read, or the hub fails.
    OutOfReach
        If the hub does not answer.
    """
    asked = asked_for(kind, name, hub, revision)
    try:
        with refusals(kind, hub, asked.where):
            return _seen(kind, hub, asked, small, Path(tempfile.mkdtemp(dir=scratch)))
    # A portal or a proxy may answer in the place of the hub, which says what it does not find.
    except (OSError, HTTPError, ValueError, LookupError, TypeError) as error:
        said = first_line(error)
        if isinstance(error, HfHubHTTPError) and error.response.status_code != 404:
            raise InputError(f"{asked.where}: the hub answers '{said}'.") from None
        raise OutOfReach(
            f"{asked.where}: {constants.ENDPOINT} does not answer as a hub does ({said}); look at "
            "what lies on the way there (a proxy, a login page), or correct HF_ENDPOINT."
        ) from None


def _seen(kind: Kind, hub: str, asked: Asked, small: tuple[str, ...], folder: Path) -> Seen:
    info = _answered(asked.where, partial(_told, kind, hub, asked.revision))
    files = {
        file.rfilename: Stated(file.lfs.size, "sha256", file.lfs.sha256)
        if file.lfs
        else Stated(file.size or 0, "git_blob", file.blob_id or "")
        for file in info.siblings or []
    }
    wanted = [path for path in small if path in files]
    for path in wanted or (list(files)[:1] if info.gated else []):
        url = hf_hub_url(hub, path, repo_type=kind, revision=asked.revision)
        # Whether a gated file may be read is said in answer to the question for it.
        method = "GET" if path in wanted else "HEAD"
        answer = _answered(asked.where, partial(_sent, method, url))
        (folder / Path(path).name).write_bytes(answer.content)
    place = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=hub, repo_type=kind)
    return Seen(place / "snapshots" / str(info.sha), files, folder)


def _told(kind: Kind, hub: str, revision: str) -> ModelInfo | DatasetInfo:
    api = HfApi()
    ask: Callable[..., ModelInfo | DatasetInfo] = (
        api.model_info if kind == "model" else api.dataset_info
    )
    return ask(hub, revision=revision, files_metadata=True, timeout=TIMEOUT_SECONDS)


def _sent(method: str, url: str) -> Response:
    headers = build_hf_headers()
    answer = get_session().request(
        method, url, headers=headers, timeout=TIMEOUT_SECONDS, follow_redirects=True
    )
    hf_raise_for_status(answer)
    return answer


def _answered(where: str, ask: Callable[[], T]) -> T:
    """What the hub answers, at the second attempt if it has to be."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return ask()
        except HfHubHTTPError as error:
            status = error.response.status_code
            if status not in BUSY:
                raise
            if attempt == ATTEMPTS:
                raise InputError(
                    f"{where}: the hub answers with status {status} alone; try again later."
                ) from None
        except TransportError as error:
            if attempt == ATTEMPTS:
                raise OutOfReach(
                    f"{where}: the hub ({constants.ENDPOINT}) does not answer "
                    f"({first_line(error)}); try again later, or see what the cache holds with "
                    "HF_HUB_OFFLINE=1."
                ) from None
        time.sleep(PAUSE_SECONDS)
    raise AssertionError  # every last attempt ends above
