"""Download one file whose hash is known beforehand."""

from __future__ import annotations

import http.client
import shutil
import time
import urllib.error
import urllib.request
from pathlib import Path

from matrix_entropy.errors import InputError
from matrix_entropy.files import sha256, writing

TIMEOUT_SECONDS = 15
ATTEMPTS = 3


def check_hash(path: Path, expected: str, source: str) -> None:
    """Raise `InputError` unless the file at ``path`` has the SHA-256 that is expected."""
    found = sha256(path)
    if found != expected.lower():
        raise InputError(
            f"{source} has sha256 {found}, but the configuration expects {expected}: the file is "
            "damaged or has changed at its source; download it again, or put the new hash into "
            "`sha256:` after you have looked at the file."
        )


def download(url: str, expected_sha256: str, destination: str | Path) -> None:
    """Fetch ``url`` into ``destination``, which appears only if its SHA-256 is right.

    Raises
    ------
    InputError
        If the address cannot be reached (after a few attempts within seconds), answers with an
        error, or delivers other bytes than expected.
    """
    with writing(destination) as temporary:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with (
                    urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer,
                    open(temporary, "wb") as stream,
                ):
                    shutil.copyfileobj(answer, stream)
                    if getattr(answer, "length", None):
                        raise ConnectionError(f"broke off {answer.length} bytes before the end")
                break
            except (urllib.error.HTTPError, ValueError, http.client.InvalidURL) as error:
                # The server has spoken: asking again changes nothing.
                if isinstance(error, urllib.error.HTTPError):
                    error.close()
                raise InputError(
                    f"{url} answers '{error}': correct the address in `url:`, or fetch the file "
                    "yourself and name it with `path:` instead."
                ) from None
            except (
                urllib.error.URLError,
                TimeoutError,
                ConnectionError,
                http.client.HTTPException,
            ) as error:
                said = " ".join(str(error).split())  # a line, whatever the server sent
                if url.startswith("file:"):
                    raise InputError(f"{url} cannot be read ({said}): correct `url:`.") from None
                if attempt == ATTEMPTS:
                    raise InputError(
                        f"{url} cannot be reached ({said}): run once with a network, or fetch "
                        "the file on another machine and name it with `path:` instead of `url:`."
                    ) from None
                time.sleep(attempt)
        check_hash(temporary, expected_sha256, url)
