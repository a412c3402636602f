"""Whether an address gives its file, and how large that is, asked without fetching it."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from email.message import Message

from matrix_entropy.base.errors import InputError, first_line

TIMEOUT_SECONDS, ATTEMPTS, PAUSE_SECONDS = 10, 2, 1


def is_address(part: str) -> bool:
    """Whether it is to be fetched, and is no path."""
    return part.startswith(("https://", "http://"))


def size_at(url: str, where: str) -> int | None:
    """Bytes of the file at an address; None if the server does not say.

    Raises
    ------
    InputError
        If it does not answer, at the second attempt either, or answers with an error; ``where`` is
        for messages.
    """
    # A server may refuse to give the head alone; of the whole nothing but the head is read.
    for method in ("HEAD", "GET"):
        try:
            length = _asked(method, url, where).get("Content-Length")
            return int(length) if length else None
        except (urllib.error.HTTPError, ValueError, http.client.InvalidURL) as error:
            said = first_line(error)
    raise InputError(f"{where}: {url} answers '{said}'; correct the address in the configuration.")


def check_answers(url: str, where: str) -> None:
    """See that a server answers at all, if only that there is nothing at the address itself.

    Raises
    ------
    InputError
        If it does not, at the second attempt either; ``where`` is for messages.
    """
    try:
        _asked("HEAD", url, where)
    except urllib.error.HTTPError:
        pass
    except (ValueError, http.client.InvalidURL) as error:
        raise InputError(f"{where}: {url} is no address ({first_line(error)}).") from None


def _asked(method: str, url: str, where: str) -> Message:
    request = urllib.request.Request(url, method=method)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
                headers: Message = answer.headers
                return headers
        except urllib.error.HTTPError as error:
            error.close()
            raise
        except (OSError, http.client.HTTPException) as error:
            if attempt == ATTEMPTS:
                raise InputError(
                    f"{where}: {url} cannot be reached ({first_line(error)}); try again with a "
                    "network, or fetch the file on another machine and name it with `path:`."
                ) from None
            time.sleep(PAUSE_SECONDS)
    raise AssertionError  # the last attempt ends above
