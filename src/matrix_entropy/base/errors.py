"""The one exception that a user is meant to read, and what it takes over from others."""

import zlib
from zipfile import BadZipFile

LONGEST = 300  # letters that a message takes over from a library
# What zipfile says of bytes that are no zip, or no zip any more.
NO_ZIP = (BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)


class InputError(Exception):
    """Something the user gave cannot be used.

    The message is one sentence that names the file, key or value and says what to do. Scripts
    print it without a traceback and exit with status 1.
    """


def first_line(error: BaseException) -> str:
    """The first line of what an error says, without its full stop; its kind if it says nothing."""
    lines = str(error).strip().splitlines()
    if not lines:
        return type(error).__name__
    line = lines[0].strip().rstrip(".:;,")
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}…"
