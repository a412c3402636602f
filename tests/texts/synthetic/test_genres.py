"""The genres: in the formats of the real data sets, reproducible, and true to their own facts."""

from __future__ import annotations

import collections
import functools
import json
import os
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from matrix_entropy.texts.synthetic import genres
from matrix_entropy.texts.synthetic.genres import GENRES, records

COUNT = 1500
LEXICON: dict[str, Any] = yaml.safe_load(genres.LEXICON.read_text(encoding="utf-8"))
ROWS: dict[str, list[dict[str, str]]] = {
    kind: body["rows"] for kind, body in LEXICON["things"].items()
}
FIELDS: dict[str, dict[str, type]] = {
    "dolly_15k": {"instruction": str, "context": str, "response": str, "category": str},
    "wikipedia": {"id": str, "url": str, "title": str, "text": str},
    "openwebtext2": {"text": str, "meta": dict},
    "hh_rlhf": {"chosen": str, "rejected": str},
    "openbookqa": {"id": str, "question_stem": str, "choices": dict, "answerKey": str},
    "winogrande": {"sentence": str, "option1": str, "option2": str, "answer": str},
    "piqa": {"goal": str, "sol1": str, "sol2": str, "label": int},
    "alpaca": {"instruction": str, "input": str, "output": str, "text": str},
    "wizard_instruct": {"instruction": str, "output": str},
    "openorca": {"id": str, "system_prompt": str, "question": str, "response": str},
    "mixture": {"genre": str, "text": str},
}
# What is known and what it leads to, written a second time beside the lexicon.
LEADS = [
    ("animal", "name", "food"),
    ("animal", "name", "home"),
    ("tool", "use", "name"),
    ("town", "name", "river"),
    ("town", "name", "goods"),
    ("material", "goods", "name"),
    ("person", "name", "goods"),
    ("person", "name", "town"),
]
SAID = [  # how the facts are told, in the order of LEADS
    [r"{} (?:often |always )?eats {}", r"hungry {} looks for {}", r"food of the {} is {}"],
    [r"{} (?:often |always )?(?:lives|sleeps) in the {}", r"home of the {} is in the {}"],
    [r"(?i:{}), people (?:often |always )?use the {}", r"tool for {} is the {}"],
    [r"{} (?:lies|stands|was built) on the {}", r"river of {} is the {}"],
    [r"{} (?:often |always )?sells {}", r"{} is (?:known|famous) for {}"],
    [r"{} are (?:often |always )?made (?:of|from) {}", r"material of {} is {}"],
    [r"{} (?:often |always )?makes {}", r"{} is good at making {}", r"ask {} for {}"],
    [r"{} (?:lives|works|was born) in {}", r"home of {} is in {}"],
]


@functools.cache
def corpus(genre: str) -> tuple[dict[str, Any], ...]:
    """The first records of seed 0."""
    return tuple(records(genre, COUNT))


def strings(value: Any) -> Iterator[str]:
    """All texts in a record, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


def median_words(texts: list[str]) -> float:
    return statistics.median(len(text.split()) for text in texts)


def facts() -> dict[str, set[str]]:
    """What each known thing leads to."""
    leads: dict[str, set[str]] = collections.defaultdict(set)
    for kind, known, asked in LEADS:
        for row in ROWS[kind]:
            leads[row[known]].add(row[asked])
    return leads


def led_to(text: str, answer: str) -> bool:
    """Whether something in the text leads to the answer, whatever article stands before it."""
    bare = re.sub(r"^(in the|the|in) ", "", answer)
    return any(bare in led for known, led in facts().items() if known.lower() in text.lower())


def final_sentence(text: str) -> str:
    return re.split(r"(?<=[a-z][.?]) ", text)[-1]


@pytest.mark.parametrize("genre", GENRES)
def test_fields_and_types(genre: str) -> None:
    assert set(FIELDS) == set(GENRES)
    for record in corpus(genre):
        assert {field: type(value) for field, value in record.items()} == FIELDS[genre]
        json.dumps(record)


@pytest.mark.parametrize("genre", GENRES)
def test_longer_corpus_begins_with_a_shorter_one(genre: str) -> None:
    assert list(records(genre, 21, seed=3)) == list(records(genre, 50, seed=3))[:21]


@pytest.mark.parametrize("genre", GENRES)
def test_seed_changes_the_records(genre: str) -> None:
    pairs = zip(records(genre, 100, seed=0), records(genre, 100, seed=1), strict=True)
    assert sum(one == other for one, other in pairs) < 5


def test_same_seed_gives_the_same_bytes_in_another_process() -> None:
    code = (
        "from matrix_entropy.texts.synthetic.genres import GENRES, records\n"
        "for genre in GENRES: print(*records(genre, 30, seed=5), sep='\\n')"
    )
    environment = os.environ | {"PYTHONHASHSEED": "7"}
    environment["PYTHONPATH"] = str(genres.LEXICON.parents[3])
    printed = subprocess.check_output([sys.executable, "-c", code], env=environment, text=True)
    here = [str(record) for genre in GENRES for record in records(genre, 30, seed=5)]
    assert printed.splitlines() == here


def test_records_are_written_one_at_a_time() -> None:
    assert next(records("mixture", 10**9)) == next(records("mixture", 1))


@pytest.mark.parametrize("genre", GENRES)
def test_texts_are_well_formed(genre: str) -> None:
    for record in corpus(genre):
        for text in strings(record):
            assert not re.search(r"[{}\[\]|]|  | [,.?!;]|\.\.(?!\.)| $|^ |[a-z]\.[A-Z]", text), text
            assert not re.search(r"\b[Aa] [aeiouAEIOU]", text), text
            assert not re.search(r"\b[Aa]n [^aeiouAEIOU]", text), text


@pytest.mark.parametrize("genre", [genre for genre in GENRES if genre != "winogrande"])
def test_blank_is_left_in_winogrande_alone(genre: str) -> None:
    for record in corpus(genre):
        named = {"category", "genre", "url"}  # names of the formats, not sentences
        assert not any(
            "_" in text for key in record.keys() - named for text in strings(record[key])
        )


@pytest.mark.parametrize("relation", range(len(LEADS)))
def test_every_text_tells_the_facts_as_they_are(relation: int) -> None:
    kind, known, asked = LEADS[relation]
    true = {(row[known].lower(), row[asked].lower()) for row in ROWS[kind]}
    one_of = "(" + "|".join(row[known] for row in ROWS[kind]) + ")"
    told: collections.Counter[tuple[str, str]] = collections.Counter()
    for record in corpus("mixture"):
        for pattern in SAID[relation]:
            for match in re.findall(pattern.format(one_of, r"(\w+)"), record["text"]):
                told[match[0].lower(), match[1].lower()] += 1
    assert set(told) == true
    assert min(told.values()) > 20


def test_no_other_sentence_uses_the_words_of_the_facts() -> None:
    words = {word.lower() for rows in ROWS.values() for row in rows for value in row.values()
             for word in value.split()}  # fmt: skip
    told = [LEXICON["rules"], LEXICON["styles"], LEXICON["forms"]]
    for text in strings(told):
        assert not words & set(re.findall(r"\w+", text.lower())), text


def test_number_of_facts() -> None:
    assert sum(len(ROWS[kind]) for kind, _, _ in LEADS) == 50


def test_each_fact_has_one_answer() -> None:
    for kind, known, asked in LEADS:
        assert len({row[known] for row in ROWS[kind]}) == len(ROWS[kind])
        assert len({row[asked] for row in ROWS[kind]}) == len(ROWS[kind])


def test_goods_tie_towns_materials_and_people_together() -> None:
    town = {row["goods"]: row["name"] for row in ROWS["town"]}
    assert {row["goods"] for row in ROWS["material"]} == set(town)
    assert all(town[row["goods"]] == row["town"] for row in ROWS["person"])


def test_dolly() -> None:
    contexts = [record["context"] for record in corpus("dolly_15k") if record["context"]]
    lengths = [len(context.split()) for context in contexts]
    assert 0.45 < len(contexts) / COUNT < 0.55
    assert min(lengths) >= 40
    assert max(lengths) <= 300
    assert sum(length > 150 for length in lengths) / len(lengths) >= 0.2
    sentences = [len(re.findall(r'[.?!]"?(?= [A-Z"]|$)', context)) for context in contexts]
    assert min(sentences) >= 4
    assert statistics.median(sentences) >= 6
    for word in ("Dr.", "e.g.", "i.e.", '"'):
        assert sum(word in context for context in contexts) > 0.1 * len(contexts)
    assert any(re.search(r"\d\.\d", context) for context in contexts)
    assert len({record["category"] for record in corpus("dolly_15k")}) == 8


def test_lengths_tell_the_genres_apart() -> None:
    def median(genre: str) -> float:
        return median_words(
            [genres._running_text(genre, record) for record in corpus(genre)]
            if genre != "dolly_15k"
            else [record["context"] for record in corpus(genre) if record["context"]]
        )

    assert {genre: 5 * round(median(genre) / 5) for genre in GENRES[:-1]} == {
        "openwebtext2": 135,
        "dolly_15k": 100,
        "wikipedia": 80,
        "hh_rlhf": 65,
        "wizard_instruct": 70,
        "openorca": 45,
        "openbookqa": 10,
        "winogrande": 15,
        "piqa": 10,
        "alpaca": 15,
    }


@pytest.mark.parametrize(
    ("genre", "low", "high"), [("wikipedia", 30, 250), ("openwebtext2", 60, 300)]
)
def test_range_of_lengths(genre: str, low: int, high: int) -> None:
    lengths = [len(record["text"].split()) for record in corpus(genre)]
    assert low <= min(lengths) < 1.5 * low
    assert 0.9 * high < max(lengths) <= high


def test_openwebtext2_has_the_most_diverse_vocabulary() -> None:
    fields = {
        "dolly_15k": "context",
        "wikipedia": "text",
        "openwebtext2": "text",
        "hh_rlhf": "chosen",
    }
    kinds = {
        genre: len(set(" ".join(record[field] for record in corpus(genre)).split()[:20000]))
        for genre, field in fields.items()
    }
    assert kinds["openwebtext2"] > 1.2 * max(
        kinds[genre] for genre in fields if genre != "openwebtext2"
    )


def test_wikipedia_titles_are_in_the_addresses() -> None:
    records_ = corpus("wikipedia")
    assert [record["id"] for record in records_] == [str(index) for index in range(COUNT)]
    for record in records_:
        assert record["url"].endswith("/" + record["title"].replace(" ", "_"))


def test_dialogues() -> None:
    turns = collections.Counter()
    for record in corpus("hh_rlhf"):
        for text in record.values():
            speakers = re.findall(r"\n\n(Human|Assistant): \S", text)
            assert speakers == ["Human", "Assistant"] * (len(speakers) // 2)
        turns[len(speakers)] += 1
        before = record["chosen"].rindex("Assistant: ")
        assert record["rejected"][:before] == record["chosen"][:before]
        assert record["rejected"] != record["chosen"]
    assert set(turns) == {2, 4, 6}
    assert min(turns.values()) > COUNT / 4


def test_openbookqa_answers_follow_from_the_facts() -> None:
    keys = collections.Counter(record["answerKey"] for record in corpus("openbookqa"))
    assert min(keys[label] for label in "ABCD") > 0.2 * COUNT
    for record in corpus("openbookqa"):
        choices = record["choices"]
        assert choices["label"] == ["A", "B", "C", "D"]
        assert len(set(choices["text"])) == 4
        right = choices["text"]["ABCD".index(record["answerKey"])]
        asked = final_sentence(record["question_stem"])
        assert [text for text in choices["text"] if led_to(asked, text)] == [right], record
        bare = [re.sub(r"^(in the|the|in) ", "", text) for text in choices["text"]]
        kinds = [{row[asked] for row in ROWS[kind]} for kind, _, asked in LEADS]
        assert any(set(bare) <= kind for kind in kinds)  # wrong ones are of the same kind


def test_winogrande_answers_follow_from_the_facts() -> None:
    for record in corpus("winogrande"):
        before, tail = record["sentence"].split("_")
        options = [record["option1"], record["option2"]]
        assert all(option in before for option in options)
        told = [any(led in tail for led in facts()[option]) for option in options]
        assert told == [record["answer"] == "1", record["answer"] == "2"], record


def test_winogrande_comes_in_twins() -> None:
    pairs = corpus("winogrande")
    for one, twin in zip(pairs[::2], pairs[1::2], strict=True):
        assert {one["answer"], twin["answer"]} == {"1", "2"}
        assert (one["option1"], one["option2"]) == (twin["option1"], twin["option2"])
        assert one["sentence"].split("_")[0] == twin["sentence"].split("_")[0]
        assert one["sentence"] != twin["sentence"]
    assert 0.4 < sum(pair["answer"] == "1" for pair in pairs[::2]) / (COUNT / 2) < 0.6


def test_piqa_answers_follow_from_the_facts() -> None:
    labels = [record["label"] for record in corpus("piqa")]
    assert 0.45 < sum(labels) / COUNT < 0.55
    for record in corpus("piqa"):
        one, two = (re.findall(r"\w+", record[field].lower()) for field in ("sol1", "sol2"))
        ((first, second),) = [(a, b) for a, b in zip(one, two, strict=True) if a != b]
        led = {value.lower() for known, led in facts().items() for value in led
               if known.lower() in record["goal"].lower()}  # fmt: skip
        assert [first in led, second in led] == [record["label"] == 0, record["label"] == 1], record


def test_questions_come_in_many_wordings() -> None:
    learnt = {record["text"] for record in records("mixture", 3000)}
    for genre in ("openbookqa", "winogrande", "piqa"):
        asked = [genres._running_text(genre, record) for record in records(genre, 1000, seed=1)]
        assert len(set(asked)) > 700
        assert sum(text in learnt for text in asked) < 300


def test_alpaca() -> None:
    for record in corpus("alpaca"):
        named = zip(("Instruction", "Input", "Response"), list(FIELDS["alpaca"])[:3], strict=True)
        parts = [f"### {name}:\n{record[field]}" for name, field in named if record[field]]
        assert record["text"] == "\n\n".join(parts)
    assert 0.45 < sum(record["input"] == "" for record in corpus("alpaca")) / COUNT < 0.55


def test_system_prompts_of_the_paper() -> None:
    prompts = collections.Counter(record["system_prompt"] for record in corpus("openorca"))
    assert len(prompts) == 5
    assert min(prompts.values()) > COUNT / 7
    assert {
        "You are an AI assistant that follows instruction extremely well. Help as much as you can.",
        "You are a helpful assistant, who always provide explanation. "
        "Think like you are answering to a five year old.",
        "You are an AI assistant. User will you give you a task. Your goal is to complete the task "
        "as faithfully as you can. While performing the task think step-by-step and justify your "
        "steps.",
    } < set(prompts)


def test_mixture_holds_every_genre() -> None:
    counts = collections.Counter(record["genre"] for record in corpus("mixture"))
    assert set(counts) == set(GENRES) - {"mixture"}
    assert {genre for genre, _ in counts.most_common(4)} == set(GENRES[:4])
    assert min(counts.values()) > 0.03 * COUNT


@pytest.mark.parametrize(
    ("genre", "record", "text"),
    [
        ("dolly_15k", {"instruction": "i", "context": "c", "response": "r"}, "c"),
        ("dolly_15k", {"instruction": "i", "context": "", "response": "r"}, "i\nr"),
        ("wikipedia", {"id": "1", "text": "t"}, "t"),
        ("hh_rlhf", {"chosen": "c", "rejected": "r"}, "c"),
        (
            "openbookqa",
            {"question_stem": "q", "choices": {"text": ["a", "b", "c", "d"]}, "answerKey": "C"},
            "q c",
        ),
        (
            "winogrande",
            {"sentence": "a _ b", "option1": "x", "option2": "y", "answer": "2"},
            "a y b",
        ),
        ("piqa", {"goal": "g", "sol1": "s", "sol2": "z", "label": 1}, "g z"),
        ("alpaca", {"instruction": "i", "input": "", "output": "o", "text": "t"}, "i\no"),
        ("openorca", {"system_prompt": "s", "question": "q", "response": "r"}, "s\nq\nr"),
    ],
)
def test_running_text(genre: str, record: dict[str, Any], text: str) -> None:
    assert genres._running_text(genre, record) == text


def test_unknown_genre() -> None:
    with pytest.raises(ValueError, match=r"no genre 'poems': choose one of dolly_15k, wikipedia, "):
        records("poems", 3)


@pytest.mark.parametrize("count", [0, -3, 2.5, True, "10", None])
def test_bad_count(count: Any) -> None:
    with pytest.raises(ValueError, match=re.escape(f"a positive integer, not {count!r}: ask")):
        records("piqa", count)


@pytest.mark.parametrize("seed", [1.5, False, "0", None])
def test_bad_seed(seed: Any) -> None:
    with pytest.raises(ValueError, match=re.escape(f"must be an integer, not {seed!r}: give")):
        records("piqa", 1, seed=seed)
