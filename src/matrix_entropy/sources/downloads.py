"""Download one file, whose hash is known beforehand or which a reader of its kind looks at."""

from __future__ import annotations

import errno
import hashlib
import http.client
import os
import shutil
import time
import urllib.error
import urllib.request
from pathlib import Path

from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import writing

TIMEOUT_SECONDS = 15
ATTEMPTS = 3
# Of a file that is already whole, but that nobody has looked at, a server has no rest to give.
NO_REST, GOES_ON = 416, 206
# What may be otherwise a little later: most of it is said by servers that have too much to do.
PASSING = (429, 500, 502, 503, 504, NO_REST)
LONGEST_WAIT = 60  # seconds, whatever a server asks for


class NotFetched(Exception):
    """Why an address gave nothing; the caller says in a sentence what to do about it."""


class Refused(NotFetched):
    """A server answered, or nobody can: asking again changes nothing."""


class OutOfReach(NotFetched):
    """No answer, or half of one, at any attempt."""


def check_hash(path: Path, expected: str, source: str, kind: str = "sha256") -> None:
    """Raise `InputError` unless the file has the hash that is expected, SHA-256 or MD5."""
    with open(path, "rb") as stream:
        found = hashlib.file_digest(stream, kind).hexdigest()
    if found != expected.lower():
        raise InputError(
            f"{source} has {kind} {found}, but the configuration expects {expected}: the file is "
            "damaged or has changed at its source; download it again, or put the new hash into "
            f"`{kind}:` after you have looked at the file."
        )


def download(url: str, expected: str, destination: str | Path, kind: str = "sha256") -> None:
    """Fetch ``url`` into ``destination``, which appears only if its hash is right.

    Raises
    ------
    InputError
        If the address cannot be reached (after a few attempts within seconds), answers with an
        error, or delivers other bytes than expected.
    """
    with writing(destination) as temporary:
        try:
            receive(url, temporary)
        except Refused as error:
            raise InputError(
                f"{url} answers '{error}': correct the address in `url:`, or fetch the file "
                "yourself and name it with `path:` instead."
            ) from None
        except OutOfReach as error:
            if url.startswith("file:"):
                raise InputError(f"{url} cannot be read ({error}): correct `url:`.") from None
            raise InputError(
                f"{url} cannot be reached ({error}): run once with a network, or fetch "
                "the file on another machine and name it with `path:` instead of `url:`."
            ) from None
        check_hash(temporary, expected, url, kind)


def receive(url: str, file: Path, attempts: int | None = None, go_on: bool = False) -> None:
    """Write what an address gives into ``file``, asking a few times with longer and longer waits.

    With ``go_on`` a file that an earlier call has left half-written is gone on with, if the server
    says that it still has the same one (by its ETag, which is kept in a file beside it meanwhile).

    Raises
    ------
    Refused, OutOfReach
    OSError
        If the disk has less room than the server announces, before anything is written.
    """
    attempts = attempts or ATTEMPTS
    for attempt in range(1, attempts + 1):
        wait = 2.0 ** (attempt - 1)
        try:
            return _receive(url, file, go_on)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code not in PASSING or attempt == attempts:
                raise Refused(str(error)) from None
            asked = error.headers.get("Retry-After", "")
            wait = min(float(asked), LONGEST_WAIT) if asked.isdigit() else wait
            if error.code == NO_REST:
                file.unlink(missing_ok=True)
        except (ValueError, http.client.InvalidURL) as error:
            raise Refused(str(error)) from None
        except (
            urllib.error.URLError,
            TimeoutError,
            ConnectionError,
            http.client.HTTPException,
        ) as error:
            if url.startswith("file:") or attempt == attempts:
                said = " ".join(str(error).split())  # a line, whatever the server sent
                raise OutOfReach(said) from None
        time.sleep(wait)


def _receive(url: str, file: Path, go_on: bool) -> None:
    tag = file.with_name(f"{file.name}.etag")
    known = tag.read_text("utf-8") if go_on and file.is_file() and tag.is_file() else ""
    headers = {"Range": f"bytes={file.stat().st_size}-", "If-Range": known} if known else {}
    request = urllib.request.Request(url, headers=headers)
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
        length = getattr(answer, "length", None)
        if length and length > shutil.disk_usage(file.parent).free:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file))
        # A server that has another file, or knows no ranges, sends it from its beginning.
        rest = answer.status == GOES_ON
        if go_on and not rest:
            file.unlink(missing_ok=True)  # first, since it is not of the tag that is written now
            tag.write_text(answer.headers.get("ETag", ""), "utf-8")
        with open(file, "ab" if rest else "wb") as stream:
            shutil.copyfileobj(answer, stream, 2**20)
        if getattr(answer, "length", None):
            raise ConnectionError(f"broke off {answer.length} bytes before the end")
    tag.unlink(missing_ok=True)
