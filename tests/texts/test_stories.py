"""The project's own stories: the paper's structure, and pairs of the same length."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

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
