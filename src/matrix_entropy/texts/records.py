"""How one record of a data set becomes one text."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from matrix_entropy.base.errors import InputError

Record = Mapping[str, Any]

# Where the nested groups of a JSON file are kept in a record; no real field has such a name.
NESTED_GROUP = "\0group"
# What can name a group: values that are written in one way only.
NAMES = (str, int, float, Decimal, date)


def text_of(record: Record, dataset: dict[str, Any], where: str) -> str | None:
    """Text of a record, or None if it is empty.

    The data set's entry says how, by the first of these keys that it has:

    - ``record``: a benchmark's question and its correct answer with a space between them
      (``openbookqa``: ``question_stem`` and the choice that ``answerKey`` names; ``piqa``:
      ``goal`` and the solution that ``label`` counts from 0), or the ``sentence`` with its blank
      filled (``winogrande``). It is empty if the question or the answer is.
    - ``fields``: these fields, joined by ``separator`` (a line break) where they are not empty.
    - ``field``: this field, or ``text``.

    Parameters
    ----------
    record : mapping
    dataset : dict
        The data set's entry in the configuration.
    where : str
        File and number of the record, for messages.

    Raises
    ------
    InputError
        If a field is missing or no text, or a benchmark's record does not tell its answer.

    Examples
    --------
    >>> text_of({"goal": "Boil an egg", "sol1": "in oil", "sol2": "in water", "label": 1},
    ...         {"record": "piqa"}, "piqa.jsonl, record 0")
    'Boil an egg in water'
    """
    if "record" in dataset:
        return BENCHMARKS[dataset["record"]](record, where)
    if "fields" in dataset:
        parts = [_string(record, field, where) for field in dataset["fields"]]
        return dataset.get("separator", "\n").join(part for part in parts if part) or None
    return _string(record, dataset.get("field", "text"), where)


def named(dataset: dict[str, Any]) -> str:
    """What a message calls the text of a record: its field, its fields, or what they mean."""
    if "record" in dataset:
        return "question or answer"
    return ", ".join(
        f"'{field}'" for field in dataset.get("fields", [dataset.get("field", "text")])
    )


def group_of(record: Record, field: str | None, where: str) -> str | None:
    """The group of a record, as it is written; None if it is nothing or white space.

    Parameters
    ----------
    field : str, optional
        The field that names it. Without one, the keys above the record in a nested JSON file, or
        ``all``.

    Raises
    ------
    InputError
        If the field is missing, or holds what is no name.

    Examples
    --------
    >>> group_of({"label": 7}, "label", "x.jsonl, record 0")
    '7'
    """
    if field is None:
        called, group = "the key above it", record.get(NESTED_GROUP, "all")
    else:
        called, group = f"'{field}'", value_of(record, field, where)
    if group is None or (isinstance(group, float) and math.isnan(group)):
        return None
    if not isinstance(group, NAMES):
        raise InputError(
            f"{where}: {called} is {type(group).__name__}, which names no group; set "
            "`group_field:` to one that holds texts or numbers."
        )
    name = str(group)
    _check_characters(name, called, where)
    if "\0" in name:  # which NumPy drops from the end of a name
        raise InputError(f"{where}: {called} holds the character NUL; remove it.")
    return name if name.strip() else None


def value_of(record: Record, field: str, where: str) -> Any:
    """Value of a field that has to be there.

    Raises
    ------
    InputError
        If it is not; the sentence lists the fields that are.
    """
    if field not in record:
        known = ", ".join(str(key) for key in record if key != NESTED_GROUP)
        raise InputError(f"{where} has no field '{field}'; it has: {known}.")
    return record[field]


def _string(record: Record, field: str, where: str) -> str | None:
    return _checked(value_of(record, field, where), field, where)


def _checked(text: Any, field: str, where: str) -> str | None:
    """The text, or None if it is nothing or white space."""
    if text is None:
        return None
    if not isinstance(text, str):
        raise InputError(
            f"{where}: '{field}' is {type(text).__name__}, not text; set `field:` to one that "
            "holds text."
        )
    _check_characters(text, f"'{field}'", where)
    return text if text.strip() else None


def _check_characters(text: str, called: str, where: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InputError(
            f"{where}: {called} holds half a surrogate pair (a \\ud... escape without its other "
            "half), which is no character; remove it."
        ) from None


def _openbookqa(record: Record, where: str) -> str | None:
    question = _string(record, "question_stem", where)
    choices = value_of(record, "choices", where)
    # From Parquet these are arrays, whose truth and equality are not those of lists.
    try:
        texts = dict(zip(map(str, choices["label"]), choices["text"], strict=True))
    except (KeyError, TypeError, ValueError, IndexError):
        raise InputError(
            f"{where}: 'choices' is {reprlib.repr(choices)}; it has to hold two lists of one "
            "length, 'label' and 'text': correct it."
        ) from None
    answer = _correct(record, "answerKey", texts, where)
    return _joined(question, _checked(answer, "choices", where))


def _winogrande(record: Record, where: str) -> str | None:
    sentence = _string(record, "sentence", where)
    options = {number: _string(record, f"option{number}", where) for number in ("1", "2")}
    option = _correct(record, "answer", options, where)
    if sentence is None or option is None:
        return None
    if sentence.count("_") != 1:
        raise InputError(
            f"{where}: 'sentence' has {sentence.count('_')} blanks '_' where one is expected: "
            f"{reprlib.repr(sentence)}; correct or remove the record."
        )
    return sentence.replace("_", option)


def _piqa(record: Record, where: str) -> str | None:
    solutions = {
        label: _string(record, field, where) for label, field in (("0", "sol1"), ("1", "sol2"))
    }
    return _joined(_string(record, "goal", where), _correct(record, "label", solutions, where))


def _correct(record: Record, key: str, answers: dict[str, Any], where: str) -> Any:
    """The answer whose label is the record's ``key``, be it written as a number or as text."""
    label = value_of(record, key, where)
    called = str(label).strip()  # some real ones have a space in front
    if called not in answers:
        raise InputError(
            f"{where} does not tell its correct answer: '{key}' is {reprlib.repr(label)}, not one "
            f"of {', '.join(answers)}; correct the record, or choose a split that has the answers "
            "(those of a test split are often withheld)."
        )
    return answers[called]


def _joined(question: str | None, answer: str | None) -> str | None:
    return None if question is None or answer is None else f"{question} {answer}"


BENCHMARKS: dict[str, Callable[[Record, str], str | None]] = {
    "openbookqa": _openbookqa,
    "winogrande": _winogrande,
    "piqa": _piqa,
}
