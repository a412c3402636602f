"""Choices that the same seed makes in every version of Python."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")

# Python promises the stream of random() for later versions, not those of choice and sample.


def pick(rng: random.Random, items: Sequence[Item]) -> Item:
    """One of `items`, each as likely: number ``floor(u len(items))`` for the next ``u`` of `rng`.

    Examples
    --------
    >>> pick(random.Random(0), ["ant", "bee", "cat", "dog"])
    'dog'
    """
    return items[int(rng.random() * len(items))]


def sample(rng: random.Random, items: Sequence[Item], count: int) -> list[Item]:
    """`count` of `items` in random order: one is picked and taken away, then the next.

    Examples
    --------
    >>> sample(random.Random(0), range(10), 3)
    [8, 6, 3]
    """
    pool = list(items)
    return [pool.pop(int(rng.random() * len(pool))) for _ in range(count)]
