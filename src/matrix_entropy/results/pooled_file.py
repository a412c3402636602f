"""One vector for every text at every layer, and for its halves if these are its two views.

Ranks over many texts need the vectors themselves. They are small beside the hidden states, a
vector for all rows of a text, and kept for good.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matrix_entropy.results.npz_files import load_npz, save_npz

WHOLE = "whole"
HALVES = ("first_half", "second_half")


@dataclass(frozen=True)
class PooledTexts:
    """Vectors of T texts at L layers, each pooled in P ways, of V parts of a text."""

    ids: NDArray[np.str_]
    groups: NDArray[np.str_]
    lengths: NDArray[np.int64]  # (T,): rows of a text, over which is pooled
    parts: tuple[str, ...]  # `WHOLE`, and perhaps `HALVES`
    poolings: tuple[str, ...]  # of `maths.many_texts.POOLINGS`
    layers: tuple[str, ...]
    vectors: NDArray[np.float32]  # (V, P, L, T, width)
    provenance: dict[str, Any]

    def with_groups(self, names: dict[str, str]) -> PooledTexts:
        """Groups under the names that a data set gives them, if it does."""
        groups = [names.get(group, group) for group in map(str, self.groups)]
        return replace(self, groups=np.array(groups, dtype=np.str_))

    def save(self, path: str | Path) -> None:
        """Write everything into one file."""
        save_npz(path, vars(self))

    @staticmethod
    def load(path: str | Path) -> PooledTexts:
        """Read a file that `save` wrote; `InputError` if it is damaged."""
        return load_npz(PooledTexts, path)

    def fault(self) -> str | None:
        """What cannot be in it."""
        texts = len(self.ids)
        if not len(self.groups) == len(self.lengths) == texts:
            return f"its groups and lengths are not those of {texts} texts"
        if self.parts not in ((WHOLE,), (WHOLE, *HALVES)):
            return f"it has the parts {', '.join(self.parts)}"
        shape = (len(self.parts), len(self.poolings), len(self.layers), texts)
        if self.vectors.ndim != 5 or self.vectors.shape[:4] != shape:
            return f"its vectors are not those of {shape} parts, poolings, layers and texts"
        if not np.isfinite(self.vectors).all():
            return "a vector is not finite"
        return None
