"""What is said in turn as one text: the place of the image, the order, and what is no turn."""

from __future__ import annotations

from typing import Any

import pytest

from matrix_entropy.base.errors import InputError
from matrix_entropy.texts.conversations import joined, string_of, turns_of

ASKED, ANSWERED = "What is there?", "A red kite over the bay."

PLACEHOLDERS = {
    "before": f"<image>\n{ASKED}",
    "behind": f"{ASKED}\n<image>",
    "in the same line": f"<image> {ASKED}",
    "with no space": f"{ASKED}<image>",
    "with white space about": f"  <image> \r\n\n {ASKED}",
    "not there": ASKED,
    "twice": f"<image>\n{ASKED}\n<image>",
}


@pytest.mark.parametrize("value", PLACEHOLDERS.values(), ids=PLACEHOLDERS)
def test_the_placeholder_goes_with_the_space_about_it(value: str) -> None:
    assert joined([("human", value), ("gpt", ANSWERED)], "\n") == f"{ASKED}\n{ANSWERED}"


def test_the_placeholder_inside_a_sentence_leaves_one_space() -> None:
    turns = [("human", "Is <image> a kite?"), ("gpt", "It is <image>.")]
    assert joined(turns, "\n") == "Is a kite?\nIt is ."


def test_other_text_is_kept_as_it_is() -> None:
    turns = [("human", f"<image>\n{ASKED}"), ("gpt", " A kite.\n\nAnd a bay. ")]
    assert joined(turns, "\n") == f"{ASKED}\n A kite.\n\nAnd a bay. "


def test_empty_questions_are_left_out() -> None:
    assert joined([("human", "<image>"), ("gpt", "A kite.")], " | ") == "A kite."
    turns = [("human", "a"), ("gpt", "b"), ("human", " "), ("gpt", "c")]
    assert joined(turns, " | ") == "a | b | c"


@pytest.mark.parametrize("responses", [[], [""], ["A kite.", " \n"], ["<image>"]])
def test_without_every_response_there_is_no_text(responses: list[str]) -> None:
    assert joined([("human", ASKED), *(("gpt", words) for words in responses)], "\n") == ""


def test_turns_in_their_order() -> None:
    values = [{"from": "gpt", "value": "b"}, {"from": "human", "value": "a", "other": 1}]
    assert turns_of({"id": 1, "conversations": values}, "x") == [("gpt", "b"), ("human", "a")]


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "none": ({"id": "1"}, "has no field 'conversations'; it has: id."),
    "text": ({"conversations": "a"}, "'conversations' is no list of turns with 'from' and 'value'"),
    "texts": ({"conversations": ["a"]}, "'conversations' is no list of turns"),
    "no speaker": ({"conversations": [{"value": "a"}]}, "has no field 'from'; it has: value."),
    "a number": ({"conversations": [{"from": "gpt", "value": 5}]}, "'value' is int, not text"),
}


@pytest.mark.parametrize(("record", "part"), BAD.values(), ids=BAD)
def test_what_is_no_conversation(record: dict[str, Any], part: str) -> None:
    with pytest.raises(InputError) as raised:
        turns_of(record, "talks.json, record 3")
    assert str(raised.value).startswith("talks.json, record 3")
    assert part in str(raised.value)


def test_text_of_a_field() -> None:
    assert string_of({"caption": ""}, "caption", "x") == ""
    with pytest.raises(InputError, match=r"^x: 'caption' is NoneType, not text; correct it\.$"):
        string_of({"caption": None}, "caption", "x")
