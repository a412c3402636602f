"""Seeded texts in the record formats of the papers' data sets, all about one small world.

The world (`genres.yaml`) holds fixed facts: what each animal eats and where it lives, what each
tool is for, on which river each town lies and what it sells, what each material becomes, who makes
what and where. Every genre tells them in similar words amid sentences of its own, and the question
sets ask for them, so that even a small model trained on `mixture` answers better than chance.
"""

from __future__ import annotations

import functools
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from matrix_entropy.base.yaml_files import read_yaml
from matrix_entropy.texts.synthetic.seeded_choices import pick, sample

LEXICON = Path(__file__).with_name("genres.yaml")
SLOT = re.compile(r"(\{[\w.]+\}|\[[^\]]*\])")
BARE_ARTICLE = re.compile(r"\b([Aa]) (?!us|uni|one)(?=[aeiouAEIOU])")
LABELS = ["A", "B", "C", "D"]
SWITCH = 0.7  # how often prose turns to another thing
FACTS = 0.7  # share of sentences that tell of facts
WEB_STYLES = ("review", "news", "how_to")
ONCE = ("title", "surname", "readers", "document")  # drawn once for all fields of a record

Thing = dict[str, str]
Words = dict[str, Any]
Record = dict[str, Any]


class World(NamedTuple):
    """The facts, and the sentences that tell of them."""

    things: dict[str, list[Thing]]  # by kind
    all_things: list[Thing]
    relations: dict[str, list[dict[str, Any]]]  # by kind
    styles: dict[str, dict[str, Any]]
    forms: dict[str, list[dict[str, str]]]
    winogrande: dict[str, list[str]]
    piqa: list[dict[str, Any]]
    rules: dict[str, list[str]]


def records(genre: str, count: int, seed: int = 0) -> Iterator[Record]:
    """Yield `count` records of `genre`, with the field names of the data set of that name.

    Record i, from 0, depends on (genre, seed, i) alone, through
    ``random.Random(f"{genre}-{seed}-{i}")``, so a longer corpus begins with a shorter one of the
    same seed. The two winogrande records of a pair of twins share the generator of the first.

    Raises
    ------
    ValueError
        If the genre is unknown, the count is no positive integer or the seed no integer.

    Examples
    --------
    >>> sorted(next(records("piqa", 1)))
    ['goal', 'label', 'sol1', 'sol2']
    """
    if genre not in WRITERS:
        raise ValueError(f"there is no genre {genre!r}: choose one of {', '.join(GENRES)}")
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise ValueError(f"count must be a positive integer, not {count!r}: ask for 1 or more")
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise ValueError(f"seed must be an integer, not {seed!r}: give a whole number such as 0")
    return map(functools.partial(_record, genre, seed), range(count))


def _record(genre: str, seed: int, index: int) -> Record:
    """Record number `index` of a genre and seed."""
    first = index - index % 2 if genre == "winogrande" else index
    return WRITERS[genre](random.Random(f"{genre}-{seed}-{first}"), index)


def _dolly(rng: random.Random, index: int) -> Record:
    """An instruction, in half of the records about a paragraph of encyclopaedia."""
    words = _about(rng, _anything(rng))
    closed = rng.random() < 0.5
    context = _prose(rng, "dolly_15k", words) if closed else ""
    return {"context": context} | _fill("dolly_closed" if closed else "dolly_open", words, rng)


def _wikipedia(rng: random.Random, index: int) -> Record:
    """An encyclopaedia article."""
    words = _about(rng, _anything(rng))
    title = _tell("{heading}", words, rng)
    url = f"https://wiki.example.org/{title.replace(' ', '_')}"
    text = _prose(rng, "wikipedia", words)
    return {"id": str(index), "url": url, "title": title, "text": text}


def _openwebtext2(rng: random.Random, index: int) -> Record:
    """A review, a piece of news or a blog entry."""
    words = _about(rng, _anything(rng))
    return {"text": _prose(rng, pick(rng, WEB_STYLES), words), "meta": {}}


def _hh_rlhf(rng: random.Random, index: int) -> Record:
    """A dialogue of two, four or six turns, and the same with a worse last turn."""
    it, dialogue = _anything(rng), ""
    exchanges = 1 + int(3 * rng.random())
    for exchange in range(exchanges):
        it = _next(rng, it)
        words = _about(rng, it)
        asked = _tell("{again}" if exchange else "{human}", words, rng)
        chosen = _tell("{reply}", words, rng)
        before = f"{dialogue}\n\nHuman: {asked}\n\nAssistant: "
        dialogue = before + chosen
    rejected = _tell("{rebuff}", words, rng)
    return {"chosen": dialogue, "rejected": before + rejected}


def _openbookqa(rng: random.Random, index: int) -> Record:
    """A question or a sentence to complete, with the answers for four things of a kind."""
    words = _about(rng, _anything(rng))
    stem, choices = _tell("{stem}", words, rng), words["options"]
    return {
        "id": f"9-{index}",
        "question_stem": stem,
        "choices": {"text": choices, "label": list(LABELS)},
        "answerKey": LABELS[choices.index(words["answer"])],
    }


def _winogrande(rng: random.Random, index: int) -> Record:
    """A sentence about one of two things of a kind; its twin is about the other."""
    kind = pick(rng, tuple(_world().winogrande))
    one, two = sample(rng, _world().things[kind], 2)
    template = pick(rng, _world().winogrande[kind])
    first = rng.random() < 0.5  # whether the pair begins with the sentence about `one`
    key, answer = (one, "1") if first is (index % 2 == 0) else (two, "2")
    sentence = _tell(template, {"one": one, "two": two, "key": key}, rng)
    options = {"option1": one["name"], "option2": two["name"]}
    return {"sentence": sentence} | options | {"answer": answer}


def _piqa(rng: random.Random, index: int) -> Record:
    """A goal and two solutions that differ in one thing."""
    row = pick(rng, _world().piqa)
    it, other = sample(rng, _world().things[row["of"]], 2)
    goal = _tell(pick(rng, row["goals"]), {"it": it}, rng)
    blank = _tell(pick(rng, row["solutions"]), {"it": it}, rng)
    label = int(2 * rng.random())
    first, second = (it, other) if label == 0 else (other, it)
    sol1, sol2 = (blank.replace("_", _tell(row["pick"], {"it": x}, rng)) for x in (first, second))
    return {"goal": goal, "sol1": _capital(sol1), "sol2": _capital(sol2), "label": label}


def _alpaca(rng: random.Random, index: int) -> Record:
    """An instruction, in half of the records with an input."""
    name = "alpaca_input" if rng.random() < 0.5 else "alpaca_plain"
    form = {"input": ""} | _fill(name, _about(rng, _anything(rng)), rng)
    headed = {"Instruction": "instruction", "Input": "input", "Response": "output"}
    parts = [f"### {head}:\n{form[field]}" for head, field in headed.items() if form[field]]
    return form | {"text": "\n\n".join(parts)}


def _wizard_instruct(rng: random.Random, index: int) -> Record:
    """A long instruction with constraints."""
    return _fill("wizard_instruct", _about(rng, _anything(rng)), rng)


def _openorca(rng: random.Random, index: int) -> Record:
    """A question behind a system prompt."""
    words = _about(rng, _anything(rng))
    words["passage"] = _prose(rng, "dolly_15k", words, high=60)
    prompt = _tell("{system_prompt}", words, rng)
    return {"id": f"flan.{index}", "system_prompt": prompt} | _fill("openorca", words, rng)


def _mixture(rng: random.Random, index: int) -> Record:
    """A record of a random genre as the running text that a model is fed."""
    genre = pick(rng, [genre for genre, weight in WEIGHTS.items() for _ in range(weight)])
    record = WRITERS[genre](rng, int(2 * rng.random()))
    return {"genre": genre, "text": _running_text(genre, record)}


def _running_text(genre: str, record: Record) -> str:
    """The text of a record that a model is trained on."""
    if genre == "dolly_15k":
        return record["context"] or f"{record['instruction']}\n{record['response']}"
    if genre == "openbookqa":
        answer = record["choices"]["text"][LABELS.index(record["answerKey"])]
        return f"{record['question_stem']} {answer}"
    if genre == "winogrande":
        return record["sentence"].replace("_", record[f"option{record['answer']}"])
    if genre == "piqa":
        return f"{record['goal']} {record['sol1' if record['label'] == 0 else 'sol2']}"
    return "\n".join(record[field] for field in RUNNING_FIELDS[genre] if record[field])


WRITERS: dict[str, Callable[[random.Random, int], Record]] = {
    "dolly_15k": _dolly,
    "wikipedia": _wikipedia,
    "openwebtext2": _openwebtext2,
    "hh_rlhf": _hh_rlhf,
    "openbookqa": _openbookqa,
    "winogrande": _winogrande,
    "piqa": _piqa,
    "alpaca": _alpaca,
    "wizard_instruct": _wizard_instruct,
    "openorca": _openorca,
    "mixture": _mixture,
}
GENRES = tuple(WRITERS)
WEIGHTS = dict(zip(GENRES[:-1], (5, 5, 5, 5, 3, 4, 4, 2, 2, 2), strict=True))
RUNNING_FIELDS = {
    "wikipedia": ("text",),
    "openwebtext2": ("text",),
    "hh_rlhf": ("chosen",),
    "alpaca": ("instruction", "input", "output"),
    "wizard_instruct": ("instruction", "output"),
    "openorca": ("system_prompt", "question", "response"),
}


def _prose(rng: random.Random, style_name: str, words: Words, high: int | None = None) -> str:
    """A text in a style, on the thing in `words` first and on others later; no sentence twice."""
    style = _world().styles[style_name]
    low, high = style["low"], high or style["high"]
    wanted = low * (high / low) ** (rng.random() ** style["tail"])
    text = _tell(pick(rng, style["opening"]), words, rng)
    closing = " " + _tell(pick(rng, style["closing"]), words, rng) if "closing" in style else ""
    told, length, it = {text}, len(text.split()) + len(closing.split()), words["it"]
    decks: dict[str, list[str]] = {"facts": [], "colour": []}  # dealt before one comes again
    while length < wanted or len(told) < 4:
        it = _next(rng, it)
        kind = "facts" if rng.random() < FACTS else "colour"
        decks[kind] = decks[kind] or sample(rng, style[kind], len(style[kind]))
        sentence = _tell(decks[kind].pop(), _about(rng, it), rng)
        if sentence not in told:
            told.add(sentence)
            length += sentence.count(" ") + 1
            text += ("\n\n" if rng.random() < style["breaks"] else " ") + sentence
    return text + closing


def _anything(rng: random.Random) -> Thing:
    """Something of the world."""
    return pick(rng, _world().all_things)


def _next(rng: random.Random, it: Thing) -> Thing:
    """What a text speaks of next: the same thing or, some of the time, another."""
    return _anything(rng) if rng.random() < SWITCH else it


def _about(rng: random.Random, it: Thing) -> Words:
    """Words to tell and ask of one fact about a thing, and to tell of another thing besides.

    ``fact``, ``ask`` (a question), ``start`` (a sentence that ``answer`` completes), ``answer``,
    ``wrong``, ``options`` (four answers in random order), ``choices`` (these in a line), ``also``.
    """
    world = _world()
    relation = pick(rng, world.relations[it["kind"]])
    words: Words = {"it": it}
    for word, lines in (("fact", "states"), ("ask", "questions"), ("start", "starts")):
        words[word] = _expand(pick(rng, relation[lines]), words, rng)
    others = [thing for thing in world.things[it["kind"]] if thing is not it]
    four = (it, *sample(rng, others, 3))
    answers = [_expand(relation["answer"], {"it": thing}, rng) for thing in four]
    words["answer"], words["wrong"] = answers[:2]
    words["options"] = sample(rng, answers, 4)
    words["choices"] = ", ".join(words["options"])
    also = pick(rng, [thing for thing in world.all_things if thing is not it])
    relation = pick(rng, world.relations[also["kind"]])
    words["also"] = _expand(pick(rng, relation["states"]), {"it": also}, rng)
    return words


def _fill(name: str, words: Words, rng: random.Random) -> dict[str, str]:
    """One of the forms of that name, its templates filled; all fields name the same people."""
    form = pick(rng, _world().forms[name])
    for rule in ONCE:
        words[rule] = _expand(pick(rng, _world().rules[rule]), words, rng)
    return {field: _tell(template, words, rng) for field, template in form.items()}


def _tell(template: str, words: Words, rng: random.Random) -> str:
    """The text of a template, with its articles put right."""
    return BARE_ARTICLE.sub(r"\1n ", _expand(template, words, rng))


def _expand(template: str, words: Words, rng: random.Random) -> str:
    """A template with its slots filled from `words` or the rules, and its alternatives chosen."""
    told = []
    for part in _parts(template):
        if part[:1] == "{":
            part = _slot(part[1:-1], words, rng)
        elif part[:1] == "[":
            part = _expand(pick(rng, _alternatives(part)), words, rng)
        told.append(part)
    return "".join(told)


def _slot(name: str, words: Words, rng: random.Random) -> str:
    """The words for a slot, with a capital letter if its name has one."""
    key, _, form = (name[0].lower() + name[1:]).partition(".")
    if form:
        text = words[key][form]
    elif key in words:
        text = words[key]
    else:
        text = _expand(pick(rng, _world().rules[key]), words, rng)
    return _capital(text) if name[0].isupper() else text


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


@functools.cache
def _parts(template: str) -> tuple[str, ...]:
    return tuple(SLOT.split(template))


@functools.cache
def _alternatives(part: str) -> tuple[str, ...]:
    return tuple(part[1:-1].split("|"))


@functools.cache
def _world() -> World:
    """The lexicon, read once, its blocks split into lines."""
    lexicon = _split(read_yaml(LEXICON))
    things = {
        kind: [row | {"kind": kind, "topic": body["topic"].format_map(row)} for row in body["rows"]]
        for kind, body in lexicon.pop("things").items()
    }
    relations = lexicon.pop("relations")
    return World(
        things=things,
        all_things=[thing for rows in things.values() for thing in rows],
        relations={kind: [row for row in relations if row["of"] == kind] for kind in things},
        **lexicon,
    )


def _split(value: Any) -> Any:
    """The same lexicon with each block of several lines as the list of its lines."""
    if isinstance(value, dict):
        return {key: _split(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_split(inner) for inner in value]
    if isinstance(value, str) and value.endswith("\n"):
        return re.sub(r"\n +", " ", value.strip()).split("\n")
    return value
