"""How long every row of some texts is at every layer, and how much attention it gets.

Spectra say nothing of single rows, and hidden states are not kept. These few numbers a row are.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matrix_entropy.results.npz_files import HALF, load_npz, offsets_fault, save_npz, within


@dataclass(frozen=True)
class Rows:
    """Norms of R rows of T texts at L layers, and attention in B blocks."""

    ids: NDArray[np.str_]
    offsets: NDArray[np.int64]  # (T + 1,): where a text's rows begin
    layers: tuple[str, ...]
    norms: NDArray[np.float64]  # (L, R)
    distances: NDArray[np.float64]  # (L, R): from the mean of the text's rows that are not long
    # (B, R): mean over the later rows that can look at this one, and over heads; NaN where there
    # are none, and in texts too long for it.
    attention: NDArray[np.float32]
    uniform: NDArray[np.float32]  # (B, R): the same if every row looked at all that it can, alike
    provenance: dict[str, Any]

    def of(self, text: int) -> slice:
        """The rows of one text."""
        return slice(*map(int, self.offsets[text : text + 2]))

    def save(self, path: str | Path) -> None:
        """Write everything into one file."""
        save_npz(path, vars(self))

    @staticmethod
    def load(path: str | Path) -> Rows:
        """Read a file that `save` wrote; `InputError` if it is damaged."""
        return load_npz(Rows, path)

    def fault(self) -> str | None:
        """What cannot be in rows."""
        if fault := offsets_fault(self.offsets, len(self.ids), "texts"):
            return fault
        rows = int(self.offsets[-1])
        if not self.norms.shape == self.distances.shape == (len(self.layers), rows):
            return (
                f"its norms and distances are not those of {len(self.layers)} layers, {rows} rows"
            )
        if self.attention.shape != self.uniform.shape or self.attention.shape[1:] != (rows,):
            return f"its attention is not that of {rows} rows"
        if not (within(self.norms, 0) and within(self.distances, 0)):
            return "a norm or distance is negative or no number"
        shares = np.array([self.attention, self.uniform])
        if not within(shares[~np.isnan(shares)], 0, 1 + HALF):
            return "some attention is no share of one"
        return None
