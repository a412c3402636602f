"""The story grammar: reproducible, well formed, and true to its own world."""

from __future__ import annotations

import collections
import functools
import os
import re
import subprocess
import sys
from typing import Any

import pytest
import yaml

from matrix_entropy.texts.synthetic import grammar

COUNT = 5000
LEXICON: dict[str, Any] = yaml.safe_load(grammar.LEXICON.read_text(encoding="utf-8"))
CHARACTERS: dict[str, dict[str, str]] = LEXICON["characters"]
NAME = re.compile("|".join(CHARACTERS))


@functools.cache
def corpus() -> tuple[dict[str, str], ...]:
    """The first stories of seed 0."""
    return tuple(grammar.stories(COUNT))


def texts(group: str | None = None) -> list[str]:
    """The texts of the corpus, or of one kind of plot."""
    return [story["text"] for story in corpus() if group in (None, story["group"])]


def matches(pattern: str) -> list[tuple[str, str]]:
    """Every match of a pattern in the corpus, with the text that it is in."""
    return [(found.group(), text) for text in texts() for found in re.finditer(pattern, text)]


def test_fields_and_ids() -> None:
    assert [story["id"] for story in corpus()[:2]] == ["story-000001", "story-000002"]
    assert all(set(story) == {"id", "group", "text"} for story in corpus())


def test_every_kind_of_plot_is_common() -> None:
    counts = collections.Counter(story["group"] for story in corpus())
    assert set(counts) == set(LEXICON["plots"])
    assert min(counts.values()) > 0.8 * COUNT / len(counts)


def test_longer_corpus_begins_with_a_shorter_one() -> None:
    assert list(grammar.stories(40, seed=3)) == list(grammar.stories(90, seed=3))[:40]


def test_seed_changes_the_text() -> None:
    pairs = zip(grammar.stories(200, seed=0), grammar.stories(200, seed=1), strict=True)
    assert all(one["text"] != other["text"] for one, other in pairs)


def test_same_seed_gives_the_same_bytes_in_another_process() -> None:
    code = "from matrix_entropy.texts.synthetic.grammar import stories; "
    code += "print(*stories(100, seed=5), sep='\\n')"
    there = grammar.LEXICON.parents[3]
    environment = os.environ | {"PYTHONPATH": str(there), "PYTHONHASHSEED": "7"}
    printed = subprocess.check_output([sys.executable, "-c", code], env=environment, text=True)
    assert printed.splitlines() == [str(story) for story in grammar.stories(100, seed=5)]


def test_stories_are_distinct() -> None:
    assert len(set(texts())) > 0.99 * COUNT


def test_lengths() -> None:
    lengths = [len(text.split()) for text in texts()]
    assert min(lengths) >= 60
    assert max(lengths) <= 200
    assert 105 <= sum(lengths) / COUNT <= 130


def test_vocabulary_is_small_and_used() -> None:
    words = collections.Counter(word for text in texts() for word in re.findall(r"\w+", text))
    assert 700 <= len({word.lower() for word in words}) <= 1200
    assert sum(count >= 5 for count in words.values()) > 0.98 * len(words)


@pytest.mark.parametrize(
    "mistake",
    [
        r"[{}\[\]|@_<>]",  # template marks
        r"  |^\s|\s$|\n",  # spacing
        r"[^.!?\"]$|[^.!?]\"$",  # a last sentence without its end
        r"[.!?] [a-z]|^\"?[a-z]",  # a sentence without its capital
        r"\b(\w+) \1\b",  # a word twice
        r"[,;] ?[.,!?]|\.\.",  # punctuation twice
    ],
)
def test_text_is_clean(mistake: str) -> None:
    assert matches(mistake) == []


def test_quotes_are_paired() -> None:
    assert all(text.count('"') % 2 == 0 for text in texts())


def test_article_fits_the_next_word() -> None:
    for text in texts():
        for article, word in re.findall(r"\b([Aa]n?) (\w+)", text):
            vowel = (word[0] in "aeiou" or word in ("honest", "hour")) and word != "useful"
            assert (article.lower() == "an") == vowel, f"{article} {word}: {text}"


def test_character_keeps_the_species() -> None:
    plurals = {kind: row["plural"] for kind, row in LEXICON["species"].items()}
    kinds = "|".join([*plurals, *plurals.values()])
    said = {match for match, _ in matches(rf"\b({NAME.pattern}) the ({kinds})\b")}
    right = {
        f"{name} the {plurals[row['kind']] if row['who'] == 'they' else row['kind']}"
        for name, row in CHARACTERS.items()
    }
    assert said == right


@pytest.mark.parametrize(("who", "others"), [("she", "he|him|his|himself"), ("he", "she|her")])
def test_pronouns_match_the_characters(who: str, others: str) -> None:
    alike = [
        text for text in texts() if {CHARACTERS[n]["who"] for n in NAME.findall(text)} == {who}
    ]
    assert len(alike) > 100
    assert not [text for text in alike if re.search(rf"\b({others})\b", text, re.IGNORECASE)]
    assert sum(bool(re.search(rf"\b{who}\b", text)) for text in alike) > len(alike) / 2


def test_verbs_agree_with_one_and_with_two() -> None:
    two = "|".join(name for name, row in CHARACTERS.items() if row["who"] == "they")
    one = "|".join(name for name, row in CHARACTERS.items() if row["who"] != "they")
    assert matches(rf"\b({two}),? (who )?(was|has|is|likes|needs|am|wins)\b") == []
    assert matches(rf"(?<!and )\b({one}),? (who )?(were|have|are|like|need|win)\b") == []
    assert matches(r"\b(I (are|were)|we (am|was))\b|\b(They|We|we) (was|is|am)\b") == []


def test_one_dressed_for_the_weather_undresses() -> None:
    for row in LEXICON["weather"]:
        noun = row["wear"].removeprefix("pair of ")
        for match, text in matches(rf"(put on|wore) a (pair of )?{noun}\b"):
            assert f" {row['name']}" in text, match
            assert re.search(rf"(took off|put) (her|his|its) {noun}", text), match


def test_obstacle_is_overcome_by_its_tool_or_its_species() -> None:
    by_tool = 0
    for row in LEXICON["obstacles"].values():
        for text in (text for text in texts("journey") if f" {row['name']}" in text):
            packed = re.search(rf"(packed|bag went) [^.]*\b{row['tool']}\b", text)
            assert (f"{row['used']}." in text) == bool(packed)
            assert (f"{LEXICON['species'][row['kind']]['aid']}." in text) != bool(packed)
            by_tool += bool(packed)
    assert 0.4 < by_tool / len(texts("journey")) < 0.6


def test_helper_is_thanked_by_name() -> None:
    helped = [text for text in texts("journey") if "did not forget" in text]
    assert len(helped) > 50
    for text in helped:
        thanked = re.search(rf"did not forget ({NAME.pattern})", text)
        assert thanked
        food = LEXICON["species"][CHARACTERS[thanked[1]]["kind"]]["food"]
        assert text.count(thanked[1]) >= 2
        assert f"some {food}" in text


def test_lost_treasure_is_found_where_its_owner_rested() -> None:
    for text in texts("lost"):
        (place,) = [name for name, row in LEXICON["places"].items() if row["spot"] in text]
        rested = rf"(rest {LEXICON['places'][place]['at']}|to the {place} and sat down to rest)"
        assert re.search(rested, text)


def test_trade_ends_with_what_was_wanted_first() -> None:
    wants = LEXICON["traders"][1:] + LEXICON["traders"][:1]
    for text in texts("trade"):
        (first,) = [row for row in LEXICON["traders"] if f"{row['goods']} {row['use']}" in text]
        assert first["ended"] in text
        given = wants[LEXICON["traders"].index(first)]["goods"].removeprefix("pair of ")
        assert re.search(rf"(took|with) the {given}\b", text)


def test_promised_number_is_counted_out() -> None:
    numbers = LEXICON["numbers"]
    for text in texts("promise"):
        promised = re.search(r"\b(?:need|needed|find) (\w+) ", text)
        counted = re.search(r"\"(One(, \w+)+)", text)
        assert promised
        assert counted
        assert counted[1].lower().split(", ") == numbers[1 : numbers.index(promised[1]) + 1]


def test_promise_is_kept_on_its_day() -> None:
    days = LEXICON["days"]
    for text in texts("promise"):
        today = re.search(r"It was (\w+day)", text)
        due = re.search(r"(?:that would be|By) (\w+day)", text)
        kept = re.findall(r"(?:On|When) (\w+day)", text)
        assert today
        assert kept[:2] == [days[(days.index(today[1]) + step) % 7] for step in (1, 2)]
        waited = re.search(r"in (three|four|five) days", text, re.IGNORECASE)
        if waited:
            later = days.index(today[1]) + LEXICON["numbers"].index(waited[1])
            assert kept[-1] == days[later % 7]
        if due:
            assert kept[-1] == due[1]


def test_storm_shares_add_up() -> None:
    numbers = LEXICON["numbers"]
    for text in texts("storm"):
        had = re.search(r"(?:with|found) (\w+) ", text)
        part = re.search(r"(\w+) of the \w+", text.split("gave")[-1]) or re.search(
            r"gave (?:\w+|\w+ and \w+) (\w+) of the", text
        )
        left = re.search(r"(?:left|home with) (\w+)|and (\w+) (?:was|were) left", text[-80:])
        also = re.search(rf"(?:{NAME.pattern}) got (\w+),|gave (\w+) to ", text)
        assert had
        assert left
        assert part
        parts = [part[1]] + ([also[1] or also[2]] if also else [])
        rest = numbers.index(left[1] or left[2])
        assert numbers.index(had[1]) == rest + sum(map(numbers.index, parts)), text


def test_largest_number_wins_the_contest() -> None:
    numbers = LEXICON["numbers"]
    counted = rf"({NAME.pattern}) (?:found|had) (\w+)(?: {'|'.join(numbers)})?"
    for text in texts("contest"):
        found = {name: word for name, word in re.findall(counted, text) if word in numbers}
        if len(found) == 3:
            winner = max(found, key=lambda name: numbers.index(found[name]))
            assert re.search(rf"(gave|So) the [^.]* to {winner}\b|Well done, {winner}!", text)


def test_gifted_species_wins_the_contest() -> None:
    for row in LEXICON["events"]:
        for match, text in matches(rf"({NAME.pattern}) {row['win']}"):
            winner = match.removesuffix(f" {row['win']}")
            assert CHARACTERS[winner]["kind"] == row["kinds"][0]
            assert f"a {row['name']}" in text


def test_riddle_is_answered_by_its_facts() -> None:
    kinds = {row["food"]: kind for kind, row in LEXICON["species"].items()}
    asked = [(text, re.search(r"I love ([\w ]+)[.,]", text)) for text in texts("riddle")]
    answered = [(text, kinds[food[1]]) for text, food in asked if food]
    assert len(answered) > 50
    for text, kind in answered:
        assert re.search(rf"(You are|answer is|It is) an? {kind}\b", text)


def test_thief_is_known_by_what_was_left() -> None:
    for text in texts("mystery"):
        thief = re.search(rf"(?:That can only be|It must have been) ({NAME.pattern})", text)
        assert thief
        species = LEXICON["species"][CHARACTERS[thief[1]]["kind"]]
        assert species["trace"] in text or f"a voice that {species['cried']}" in text
        assert text.count(species["food"]) >= 1


def test_parcels_reach_those_they_are_for() -> None:
    colour = "|".join(LEXICON["wraps"])
    for text in texts("delivery"):
        plan = re.findall(rf"({colour}) one was for ({NAME.pattern})", text)
        for wrap, name in plan:
            assert re.search(rf"\b{name}\b.*\b{wrap}\b|\b{wrap}\b.*\b{name}\b", text)
        homes = [LEXICON["species"][CHARACTERS[name]["kind"]] for _, name in plan]
        assert all(home["home"] in text or f"the {home['den']} of" in text for home in homes)


def test_every_fact_has_its_counterpart() -> None:
    friends = [name for pair in LEXICON["friends"].items() for name in pair]
    assert sorted(friends) == sorted(CHARACTERS)
    assert {row["kind"] for row in CHARACTERS.values()} == set(LEXICON["species"])
    solvers = [row["kind"] for row in LEXICON["obstacles"].values()]
    assert sorted(solvers) == sorted(LEXICON["species"])
    bars = [row["bars"] for row in LEXICON["places"].values()]
    assert sorted(bars) == sorted(LEXICON["obstacles"])
    assert {row["name"] for row in LEXICON["traders"]} <= set(CHARACTERS)
    assert all(kind in LEXICON["species"] for row in LEXICON["events"] for kind in row["kinds"])


@pytest.mark.parametrize("count", [0, -3, 2.5, True, "10", None])
def test_bad_count(count: Any) -> None:
    with pytest.raises(ValueError, match=re.escape(f"a positive integer, not {count!r}: ask")):
        grammar.stories(count)


@pytest.mark.parametrize("seed", [1.5, False, "0", None])
def test_bad_seed(seed: Any) -> None:
    with pytest.raises(ValueError, match=re.escape(f"must be an integer, not {seed!r}: give")):
        grammar.stories(1, seed=seed)


def test_unknown_form_is_named() -> None:
    with pytest.raises(AttributeError, match="'fox' has no form 'wings'"):
        _ = grammar.Entry("fox", a="a fox").wings
