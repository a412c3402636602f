"""Choices: every item as likely as any other, by nothing but `random()`."""

from __future__ import annotations

import collections
import itertools
import math
import random
from collections.abc import Iterable
from typing import Any

import pytest

from matrix_entropy.texts.synthetic.seeded_choices import pick, sample


class Given:
    """A generator of given numbers, which has `random()` only."""

    def __init__(self, numbers: Iterable[float]) -> None:
        self.random = iter(numbers).__next__


def middles(count: int) -> list[float]:
    """The middles of `count` equal parts of the interval from 0 to 1."""
    return [(i + 0.5) / count for i in range(count)]


def test_equal_parts_of_the_interval_give_every_item_once() -> None:
    rng: Any = Given(middles(7))
    assert "".join(pick(rng, "abcdefg") for _ in range(7)) == "abcdefg"


def test_equal_parts_give_every_ordered_pair_once() -> None:
    pairs = []
    for numbers in itertools.product(middles(4), middles(3)):
        rng: Any = Given(numbers)
        pairs.append(tuple(sample(rng, "abcd", 2)))
    assert sorted(pairs) == list(itertools.permutations("abcd", 2))


@pytest.mark.parametrize("number", [0.0, math.nextafter(1, 0)])
def test_the_ends_of_the_interval_give_the_ends_of_the_items(number: float) -> None:
    for count in range(1, 2000):
        rng: Any = Given([number])
        assert pick(rng, range(count)) == (0 if number == 0 else count - 1)


def test_items_are_as_likely_as_each_other() -> None:
    rng = random.Random(0)
    picked = collections.Counter(pick(rng, "abc") for _ in range(3000))
    drawn = collections.Counter("".join(sample(rng, "abc", 3)) for _ in range(6000))
    assert (len(picked), len(drawn)) == (3, 6)
    for count in [*picked.values(), *drawn.values()]:
        assert abs(count - 1000) < 120  # four standard deviations


def test_the_items_stay_as_they_were() -> None:
    items = list("abc")
    assert sorted(sample(random.Random(1), items, 3)) == items == list("abc")


def test_no_more_can_be_drawn_than_there_are() -> None:
    with pytest.raises(IndexError):
        sample(random.Random(0), "abc", 4)
