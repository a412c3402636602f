"""Arrays that are written and read piece by piece, so that no process holds one whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Values of a piece, about: 2 MiB of float64, and several times that while it is worked on.
AT_A_TIME = 2**18


@dataclass(frozen=True)
class InPieces:
    """An array that is there piece by piece, in C order, as often as asked for.

    Attributes
    ----------
    shape : tuple of int
        Of the whole array.
    dtype : dtype
        Of every piece.
    pieces : callable
        Gives arrays of any shape, whose values follow each other.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    pieces: Callable[[], Iterable[NDArray[Any]]]

    def whole(self) -> NDArray[Any]:
        """All pieces as one array."""
        found = np.empty(self.shape, dtype=self.dtype)
        flat, first = found.reshape(-1), 0
        for piece in self.pieces():
            flat[first : first + piece.size] = piece.reshape(-1)
            first += piece.size
        return found


def blocks(sizes: NDArray[np.int64], most: int) -> Iterator[slice]:
    """Runs of things that follow each other, of at most so much together, or of a single one.

    Examples
    --------
    >>> [(run.start, run.stop) for run in blocks(np.array([3, 3, 9, 0, 1]), most=6)]
    [(0, 2), (2, 3), (3, 5)]
    """
    ends, first, before = np.cumsum(sizes), 0, 0
    while first < len(sizes):
        last = max(first + 1, int(np.searchsorted(ends, before + most, side="right")))
        yield slice(first, last)
        first, before = last, int(ends[last - 1])
