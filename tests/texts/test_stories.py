"""The project's own stories: the paper's structure, and pairs of the same length and variety."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

from fixtures.make_gpt2_merges import kept, tokenizer

PAIRS = {
    "child.json": [
        (("Good Stories", "Long"), ("Bad Stories", "Long")),
        (("Good Stories", "Condensed"), ("Bad Stories", "Condensed")),
    ],
    "world.json": [(("Utopian Worlds",), ("Dystopian Worlds",))],
}


def at(stories: dict, path: tuple[str, ...]) -> list[str]:
    for key in path:
        stories = stories[key]
    return stories


@pytest.mark.parametrize("name", PAIRS)
def test_pairs_match_in_words_within_3_percent(root: Path, name: str) -> None:
    stories = json.loads((root / "data/stories" / name).read_text())
    for left, right in PAIRS[name]:
        left_texts, right_texts = at(stories, left), at(stories, right)
        assert len(left_texts) == len(right_texts) == 10
        for one, other in zip(left_texts, right_texts, strict=True):
            words = len(one.split()), len(other.split())
            assert abs(words[0] - words[1]) <= 0.03 * max(words), (left, one[:40])


@pytest.mark.parametrize("name", PAIRS)
def test_texts_are_distinct_and_clean(root: Path, name: str) -> None:
    stories = json.loads((root / "data/stories" / name).read_text())
    texts = [text for pair in PAIRS[name] for path in pair for text in at(stories, path)]
    assert len(set(texts)) == len(texts)
    for text in texts:
        assert text == " ".join(text.split())
        assert text[-1] in '.!?"'


@pytest.fixture(scope="module")
def pairs(root: Path) -> dict[str, dict[str, str]]:
    """Text by pair and group."""
    found: dict[str, dict[str, str]] = {}
    for line in (root / "data/stories/pairs.jsonl").read_text().splitlines():
        story = json.loads(line)
        assert story["group"] not in found.setdefault(story["pair"], {})
        found[story["pair"]][story["group"]] = story["text"]
    return found


def test_second_set_has_twenty_pairs_of_texts_of_their_own(pairs: dict, root: Path) -> None:
    assert len(pairs) == 20
    for name, texts in pairs.items():
        wanted = ["good", "bad"] if name.startswith("child ") else ["utopian", "dystopian"]
        assert list(texts) == wanted, name
    stories = [text for texts in pairs.values() for text in texts.values()]
    first_set = [(root / "data/stories" / name).read_text() for name in PAIRS]
    assert len(set(stories)) == 40
    for story in stories:
        assert story == " ".join(story.split())
        assert story[-1] in '.!?"'
        assert not re.search(r" [,.;:!?]|[,;:][,.;:]", story), story
        assert not any(story[:40] in text for text in first_set)


def words(text: str) -> set[str]:
    return set(re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)*", text.lower()))


def test_pairs_match_in_gpt2_tokens_and_distinct_words_within_2_percent(
    pairs: dict, root: Path
) -> None:
    merges, sha256 = kept()
    written = (root / "data/stories/pairs.jsonl").read_bytes()
    again = "the stories have changed: run tests/fixtures/make_gpt2_merges.py"
    assert sha256 == hashlib.sha256(written).hexdigest(), again
    gpt2 = tokenizer(merges)
    for name, texts in pairs.items():
        for counts in (
            [len(gpt2.encode(text).ids) for text in texts.values()],
            [len(words(text)) for text in texts.values()],
        ):
            assert max(counts) - min(counts) <= 0.02 * max(counts), (name, counts)
