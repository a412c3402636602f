"""JSON as people write it, and a sentence for what Python's reader would pass over or choke on."""

from __future__ import annotations

import json
from typing import Any

from matrix_entropy.base.errors import InputError


def parsed_json(text: str | bytes, where: str, advice: str) -> Any:
    """The value of a JSON text.

    Parameters
    ----------
    where : str
        What the text is called in messages: a file, perhaps with a line.
    advice : str
        What to do about a text that is not valid JSON.

    Raises
    ------
    InputError
        If it is none, is nested too deep to be read, has a whole number of thousands of digits, or
        an object in it has a key twice, of which Python would keep the last without a word.

    Examples
    --------
    >>> parsed_json('{"a": [1, 2]}', "x.json", "correct it")
    {'a': [1, 2]}
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise InputError(
                f"{where} has an object with the key {twice!r} twice, of which only one could be "
                "read; rename or remove one of them."
            )
        return found

    try:
        return json.loads(text, object_pairs_hook=unique)
    except RecursionError:
        raise InputError(
            f"{where} is nested too deep to be read; write a list of texts or of records."
        ) from None
    except json.JSONDecodeError as error:
        place = f"column {error.colno}"
        if error.lineno > 1:
            place = f"line {error.lineno}, {place}"
        raise InputError(f"{where} is not valid JSON ({error.msg} at {place}); {advice}.") from None
    except UnicodeDecodeError as error:
        raise InputError(
            f"{where} is not valid JSON (byte {error.start}: {error.reason}); {advice}."
        ) from None
    except ValueError:  # the one that is left: Python reads no number of so many digits
        raise InputError(
            f"{where} has a whole number of thousands of digits; shorten it or put it in quotes."
        ) from None
