"""One text from one record: fields, several fields, benchmarks; and real records of each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matrix_entropy.base.errors import InputError
from matrix_entropy.texts.readers import read_dataset
from matrix_entropy.texts.records import text_of

WHERE = "x.jsonl, record 7"
ALPACA = {"fields": ["instruction", "input", "output"]}
CHOICES = {"text": ["a marsh", "a desert"], "label": ["A", "B"]}
FOG = {"question_stem": "Fog is likely around", "choices": CHOICES, "answerKey": "A"}
SARAH = {"sentence": "Sarah or Maria: _ won.", "option1": "Sarah", "option2": "Maria"}
EGG = {"goal": "Boil an egg", "sol1": "in oil", "sol2": "in water", "label": 1}


@pytest.mark.parametrize(
    ("record", "separator", "expected"),
    [
        ({"instruction": "Add.", "input": "1 2", "output": "3"}, None, "Add.\n1 2\n3"),
        ({"instruction": "Add.", "input": "", "output": "3"}, None, "Add.\n3"),
        ({"instruction": "Add.", "input": " \n", "output": None}, None, "Add."),
        ({"instruction": " a ", "input": "b", "output": "c"}, " | ", " a  | b | c"),
        ({"instruction": "", "input": None, "output": " "}, None, None),
    ],
)
def test_fields_are_joined_and_empty_ones_left_out(
    record: dict[str, Any], separator: str | None, expected: str | None
) -> None:
    dataset = ALPACA if separator is None else ALPACA | {"separator": separator}
    assert text_of(record, dataset, WHERE) == expected


def test_fields_and_records_go_before_the_default_field() -> None:
    """The configuration's schema fills in `field: text` for every data set."""
    assert text_of({"a": "1", "text": "no"}, {"field": "text", "fields": ["a"]}, WHERE) == "1"
    assert text_of(EGG, {"field": "text", "record": "piqa"}, WHERE) == "Boil an egg in water"


@pytest.mark.parametrize("kind", [list, np.array, lambda values: np.array(values, dtype=object)])
def test_openbookqa_choices_may_be_lists_or_arrays(kind: Any) -> None:
    choices = {key: kind(values) for key, values in CHOICES.items()}
    for key, answer in (("A", "a marsh"), ("B", "a desert")):
        record = FOG | {"choices": choices, "answerKey": key}
        expected = f"Fog is likely around {answer}"
        assert text_of(record, {"record": "openbookqa"}, WHERE) == expected


@pytest.mark.parametrize(
    ("answer", "name"), [("1", "Sarah"), ("2", "Maria"), (1, "Sarah"), (np.int64(2), "Maria")]
)
def test_winogrande_fills_the_blank(answer: Any, name: str) -> None:
    text = text_of(SARAH | {"answer": answer}, {"record": "winogrande"}, WHERE)
    assert text == f"Sarah or Maria: {name} won."


@pytest.mark.parametrize(
    ("label", "solution"),
    [(0, "in oil"), (1, "in water"), ("1", "in water"), (np.int64(0), "in oil")],
)
def test_piqa_takes_the_right_solution(label: Any, solution: str) -> None:
    text = text_of(EGG | {"label": label}, {"record": "piqa"}, WHERE)
    assert text == f"Boil an egg {solution}"


@pytest.mark.parametrize(
    ("kind", "record"),
    [
        ("openbookqa", FOG | {"question_stem": " "}),
        ("openbookqa", FOG | {"choices": {"text": [None, "x"], "label": ["A", "B"]}}),
        ("winogrande", SARAH | {"sentence": None, "answer": "1"}),
        ("winogrande", SARAH | {"option1": "", "answer": "1"}),
        ("piqa", EGG | {"sol2": ""}),
        ("piqa", EGG | {"goal": None}),
    ],
)
def test_half_a_benchmark_record_is_empty(kind: str, record: dict[str, Any]) -> None:
    assert text_of(record, {"record": kind}, WHERE) is None


def without(record: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name != key}


# Benchmark, record, what the sentence names.
UNANSWERED: dict[str, tuple[str, dict[str, Any], list[str]]] = {
    "hidden": ("openbookqa", FOG | {"answerKey": ""}, ["'answerKey' is ''", "A, B"]),
    "no such label": ("openbookqa", FOG | {"answerKey": "E"}, ["'E'", "A, B"]),
    "no key": ("openbookqa", without(FOG, "answerKey"), ["'answerKey'", "question_stem, choices"]),
    "no choices": ("openbookqa", FOG | {"choices": None}, ["'choices' is None", "two lists"]),
    "bare choices": ("openbookqa", FOG | {"choices": np.array(["a", "b"])}, ["two lists"]),
    "uneven choices": (
        "openbookqa",
        FOG | {"choices": {"text": ["a"], "label": ["A", "B"]}},
        ["two lists of one length"],
    ),
    "a number as answer": (
        "openbookqa",
        FOG | {"choices": {"text": [5], "label": ["A"]}},
        ["'choices' is int"],
    ),
    "winogrande hidden": ("winogrande", SARAH | {"answer": ""}, ["'answer' is ''", "1, 2"]),
    "winogrande none": ("winogrande", SARAH | {"answer": None}, ["'answer' is None"]),
    "winogrande third": ("winogrande", SARAH | {"answer": "3"}, ["'3'", "1, 2"]),
    "winogrande no key": ("winogrande", SARAH, ["'answer'", "sentence, option1, option2"]),
    "no blank": (
        "winogrande",
        SARAH | {"answer": "1", "sentence": "Sarah won."},
        ["0 blanks", "'Sarah won.'"],
    ),
    "two blanks": ("winogrande", SARAH | {"answer": "1", "sentence": "_ or _"}, ["2 blanks"]),
    "piqa hidden": ("piqa", EGG | {"label": -1}, ["'label' is -1", "0, 1"]),
    "piqa none": ("piqa", EGG | {"label": None}, ["'label' is None"]),
    "piqa true": ("piqa", EGG | {"label": True}, ["'label' is True"]),
    "piqa no key": ("piqa", without(EGG, "label"), ["'label'", "goal, sol1, sol2"]),
}


@pytest.mark.parametrize(("kind", "record", "parts"), UNANSWERED.values(), ids=UNANSWERED)
def test_a_record_without_its_answer(kind: str, record: dict[str, Any], parts: list[str]) -> None:
    with pytest.raises(InputError) as raised:
        text_of(record, {"record": kind}, WHERE)
    message = str(raised.value)
    assert message.startswith(WHERE)
    assert message.endswith(".")
    assert "\n" not in message
    for part in parts:
        assert part in message


# Every real sample: how it is read, how many texts it has, and one of them.
REAL: dict[str, tuple[dict[str, Any], int, int, str]] = {
    "dolly.jsonl": (
        {"field": "context", "skip_empty": True},
        623,
        0,
        "Euxoa brevipennis is a moth",
    ),
    "hh_rlhf_harmless_base_test.jsonl.gz": ({"field": "chosen"}, 2312, 0, "\n\nHuman: "),
    "openbookqa.jsonl": (
        {"record": "openbookqa"},
        500,
        1,
        "There is most likely going to be fog around: a marsh",
    ),
    "winogrande.jsonl": (
        {"record": "winogrande"},
        1267,
        0,
        "Sarah was a much better surgeon than Maria so Maria always got the easier cases.",
    ),
    "piqa.jsonl": ({"record": "piqa"}, 1838, 1, "dresser finish, woodgrain with  bobby pin"),
    "alpaca.jsonl": (ALPACA, 2000, 2, "Categorize the following fruit as either a citrus or a "),
    "openorca.jsonl": (
        {"fields": ["question", "response"], "group_field": "system_prompt"},
        284,
        0,
        "MM. Georges Colombier, Samad Seyidov",
    ),
    "wikipedia.jsonl": ({}, 1000, 0, "= Valkyria Chronicles III ="),
}


@pytest.mark.parametrize("name", REAL)
def test_real_records(shared: Path, name: str) -> None:
    dataset, count, number, beginning = REAL[name]
    texts, origin = read_dataset(dataset, shared / "data" / name, name)
    assert len(texts) == origin["texts"] == count
    assert texts[number]["text"].startswith(beginning)
    if "fields" in dataset:
        lines = (shared / "data" / name).read_text(encoding="utf-8").split("\n")
        records = [json.loads(line) for line in lines if line]
        for text, record in zip(texts, records, strict=True):
            parts = [record[field] for field in dataset["fields"]]
            assert text["text"] == "\n".join(part for part in parts if part.strip())
            assert text["group"] == record.get(dataset.get("group_field", ""), "all")


def test_the_blank_of_every_real_sentence_is_filled(shared: Path) -> None:
    path = shared / "data" / "winogrande.jsonl"
    texts, _ = read_dataset({"record": "winogrande"}, path, path.name)
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for text, record in zip(texts, records, strict=True):
        before, after = record["sentence"].split("_")
        option = record["option1"] if record["answer"] == "1" else record["option2"]
        assert text["text"] == before + option + after
