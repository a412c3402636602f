"""What human and model say in turn, as one text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from matrix_entropy.base.errors import InputError
from matrix_entropy.texts.records import Record, value_of

PLACEHOLDER = re.compile(r"\s*<image>\s*")

Turn = tuple[str, str]  # who speaks, "human" or "gpt", and what


def turns_of(record: Record, where: str) -> list[Turn]:
    """The turns of a record's ``conversations``, as LLaVA-Instruct has them.

    Parameters
    ----------
    record : mapping
        With ``{"conversations": [{"from": speaker, "value": words}, ...]}``.
    where : str
        File and number of the record, for messages.

    Raises
    ------
    InputError
        If a field is missing or of another kind.
    """
    turns = value_of(record, "conversations", where)
    if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns):
        raise InputError(
            f"{where}: 'conversations' is no list of turns with 'from' and 'value'; correct it."
        )
    return [(string_of(turn, "from", where), string_of(turn, "value", where)) for turn in turns]


def string_of(record: Record, field: str, where: str) -> str:
    """Value of a field that has to be there and hold text.

    Raises
    ------
    InputError
        If it is not there, or is something else.
    """
    value = value_of(record, field, where)
    if not isinstance(value, str):
        raise InputError(f"{where}: '{field}' is {type(value).__name__}, not text; correct it.")
    return value


def joined(turns: Sequence[Turn], separator: str) -> str:
    """The turns, joined where they say something; nothing if a response does not, or is not there.

    The mark of the image goes with the white space about it: a line break, in real records.

    Examples
    --------
    >>> joined([("human", "<image>\\nWhat is there?"), ("gpt", "A kite.")], " ")
    'What is there? A kite.'
    >>> joined([("human", "<image>\\nWhat is there?")], " ")
    ''
    """
    said = [
        (speaker, PLACEHOLDER.sub(" ", words).strip() if "<image>" in words else words)
        for speaker, words in turns
    ]
    responses = [words.strip() for speaker, words in said if speaker == "gpt"]
    if not responses or not all(responses):
        return ""
    return separator.join(words for _, words in said if words.strip())
