"""Unions and variants of data sets, and the sentences that variants put into another order."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from conftest import ROOT
from matrix_entropy.texts.readers import read_dataset
from matrix_entropy.texts.variants import reorder, split_sentences, union, vary

STORY = 'Dr. Smith paid 3.50 for it, i.e. too much. He left. "Why?!" she asked.\n\nNo reply...'
STORY_SENTENCES = [
    "Dr. Smith paid 3.50 for it, i.e. too much.",
    "He left.",
    '"Why?!" she asked.',
    "No reply...",
]
TEXTS = [
    {"id": "0", "group": "a", "text": STORY},
    {"id": "9", "group": "b", "text": "One line\nis one sentence"},
]

SENTENCES = {
    "titles": ["Mr. and Mrs. Brown met Prof. Lee at 5 p.m. on Monday.", "They came back."],
    "initials": ["J. R. R. Tolkien wrote it.", "It is long."],
    "decimals": ["Pi is 3.14 and e is 2.72.", "Both are irrational."],
    "Latin abbreviations": ["Use fruit, e.g. apples, i.e. Malus.", "Then wash them."],
    "companies": ["Apple Inc. was founded in 1976.", "It sells phones."],
    "countries": ["The U.S. economy grew.", "The U.K. did not."],
    "full stop within a quotation": ['She said, "Stop. Go away."', "Then she left."],
    "quotation with speaker": ['"I am here." said Tom.', "He smiled."],
    "curly quotes": ["“I found it. Can you help?” she asked.", "Her mother smiled."],
    "question and exclamation": ["What?!", "No way!", "Really?"],
    "ellipses": ["Wait... what happened?", "I don't know...", "Maybe later."],
    "citation marks": ["He died in 1999.[1][2]", "He was known.[3]", "Next one."],
    "web addresses": ["Visit www.example.com.", "Then go."],
    "words with full stops": ["Sega and Media.Vision made it.", "It sold."],
}


@pytest.mark.parametrize("sentences", SENTENCES.values(), ids=SENTENCES)
def test_sentences(sentences: list[str]) -> None:
    assert split_sentences(" ".join(sentences)) == sentences


def test_a_blank_line_ends_a_sentence_and_a_line_break_does_not() -> None:
    text = "A title\n \nA line\nthat is  wrapped. Next\r\n\r\nLast"
    assert split_sentences(text) == ["A title", "A line that is wrapped.", "Next", "Last"]
    assert split_sentences(STORY) == STORY_SENTENCES


@given(st.text(st.sampled_from("ab A.!?\"'“”()[]1…\n\r\t\u2028\u00a0\u3000é戦。")))
@example("\u2028A. Bc. De")
@example("by J.\u00a0R. Tolkien. Yes.")
@example("")
def test_no_word_is_lost_changed_or_moved(text: str) -> None:
    sentences = split_sentences(text)
    assert " ".join(sentences).split() == text.split()
    assert all(sentence == " ".join(sentence.split()) != "" for sentence in sentences)


@pytest.mark.parametrize(
    ("name", "field"), [("dolly.jsonl", "context"), ("tinystories.jsonl", "text")]
)
def test_real_texts(shared: Path, name: str, field: str) -> None:
    dataset = {"field": field, "skip_empty": True}
    texts, _ = read_dataset(dataset, shared / "data" / name, name)
    changes = {order: {"sentences": order, "seed": 1} for order in ("shuffled", "reversed")}
    varied = vary(texts, changes)
    several = 0
    for text, shuffled, turned in zip(
        texts, varied[: len(texts)], varied[len(texts) :], strict=True
    ):
        sentences = split_sentences(text["text"])
        assert " ".join(sentences).split() == text["text"].split()
        several += len(sentences) > 1
        assert turned["text"] == " ".join(sentences[::-1])
        assert Counter(shuffled["text"].split()) == Counter(text["text"].split())
    assert several > 0.9 * len(texts)


def test_a_shuffle_keeps_the_sentences_and_depends_on_the_seed() -> None:
    text = " ".join(f"This is number {i}." for i in range(20))
    shuffled = {seed: reorder(text, "shuffled", "sentence", seed) for seed in ("1/0", "2/0", "1/1")}
    for changed in shuffled.values():
        assert sorted(split_sentences(changed)) == sorted(split_sentences(text))
    assert len({text, *shuffled.values()}) == 4


def test_a_shuffle_is_a_plain_one() -> None:
    """Two sentences keep their order every other time, three each of six orders alike."""
    two = [reorder("One. Two.", "shuffled", "sentence", f"1/{i}") for i in range(400)]
    assert 160 < two.count("One. Two.") < 240
    three = Counter(reorder("a b c", "shuffled", "word", f"1/{i}") for i in range(1200))
    assert len(three) == 6
    assert 150 < min(three.values()) <= max(three.values()) < 250


def test_reversing_twice_gives_the_text_with_single_spaces() -> None:
    text = "It rained.\nWe  stayed at home. Then the sun came out."
    for unit in ("sentence", "word"):
        turned = reorder(text, "reversed", unit, "")
        assert turned != text
        assert reorder(turned, "reversed", unit, "") == " ".join(text.split())


def test_kept_differs_in_white_space_alone() -> None:
    text = "It rained.\n\nWe  stayed at home. Then the sun came out."
    for unit in ("sentence", "word"):
        assert reorder(text, "kept", unit, "") == " ".join(text.split())


def test_words() -> None:
    assert reorder("Dr. Smith\narrived  here.", "reversed", "word", "") == "here. arrived Smith Dr."
    assert sorted(reorder(STORY, "shuffled", "word", "1/0").split()) == sorted(STORY.split())


def test_the_order_is_the_same_in_every_process() -> None:
    """Python salts its hash differently in each; the random generator must not depend on it."""
    program = (
        "import json, sys; from matrix_entropy.texts.variants import vary; "
        "print(json.dumps(vary(json.load(sys.stdin), {'s': {'sentences': 'shuffled', 'seed': 5}})))"
    )
    texts = [{"id": str(i), "group": "all", "text": STORY} for i in range(30)]
    expected = vary(texts, {"s": {"sentences": "shuffled", "seed": 5}})
    assert len({text["text"] for text in expected}) > 10  # each text has an order of its own
    for salt in ("1", "2"):
        output = subprocess.run(
            [sys.executable, "-c", program],
            input=json.dumps(texts),
            env=os.environ | {"PYTHONHASHSEED": salt, "PYTHONPATH": str(ROOT / "src")},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert json.loads(output) == expected


def test_a_known_order() -> None:
    """An order once published stays: this is what seed 123 makes of text 0."""
    assert reorder("a b c d e f", "shuffled", "word", "123/0") == "d b e a f c"


def test_vary() -> None:
    before = json.dumps(TEXTS)
    varied = vary(
        TEXTS,
        {
            "as is": {},
            "reversed": {"sentences": "reversed"},
            "words": {"sentences": "reversed", "unit": "word"},
            "asked": {"prefix": "You are a helpful assistant."},
        },
    )
    assert [(text["id"], text["group"]) for text in varied] == [
        (f"{label}/{number}", label)
        for label in ("as is", "reversed", "words", "asked")
        for number in ("0", "9")
    ]
    assert [text["text"] for text in varied[:2]] == [text["text"] for text in TEXTS]
    assert varied[2]["text"] == " ".join(STORY_SENTENCES[::-1])
    assert varied[3]["text"] == "One line is one sentence"
    assert varied[5]["text"] == "sentence one is line One"
    assert varied[6] == {
        "id": "asked/0",
        "group": "asked",
        "text": STORY,
        "prefix": "You are a helpful assistant.\n",
    }
    assert not any("prefix" in text for text in varied[:6])
    assert json.dumps(TEXTS) == before


def test_variants_of_one_seed_order_a_text_alike() -> None:
    """The order depends on the text's id in the source, not on what the variant is called."""
    change = {"sentences": "shuffled", "seed": 3}
    one, two = vary(TEXTS[:1], {"one": change, "two": change})
    assert one["text"] == two["text"]


def test_union() -> None:
    members = {
        "first": [{"id": "0", "group": "x", "text": "a"}, {"id": "5", "group": "y", "text": "b"}],
        "second": [{"id": "as is/0", "group": "x", "text": "c", "prefix": "p\n"}],
    }
    before = json.dumps(members)
    assert union(members) == [
        {"id": "first/0", "group": "first", "text": "a"},
        {"id": "first/5", "group": "first", "text": "b"},
        {"id": "second/as is/0", "group": "second", "text": "c", "prefix": "p\n"},
    ]
    assert json.dumps(members) == before
