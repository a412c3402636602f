"""A few sentences as a model saw them: the states of every token, and who attended to whom.

Distances between sentences and the choice of tokens need the rows themselves, not their spectra.
Of a few sentences these are megabytes, so they are kept for good, like spectra.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matrix_entropy.base.errors import InputError
from matrix_entropy.models.provenance import check_kept
from matrix_entropy.results.npz_files import HALF, load_npz, offsets_fault, save_npz, within


@dataclass(frozen=True)
class Sentences:
    """Hidden states of S sentences at L layers, one sentence after another, R rows in all."""

    ids: NDArray[np.str_]
    groups: NDArray[np.str_]  # the context that a sentence begins with
    labels: NDArray[np.str_]  # the word that it ends with; "" without one
    texts: NDArray[np.str_]
    offsets: NDArray[np.int64]  # (S + 1,): where a sentence's rows begin
    tokens: NDArray[np.str_]  # (R,): what each row's token says
    spans: NDArray[np.int64]  # (R, 2): the characters of its sentence's text that it covers
    layers: tuple[str, ...]
    states: NDArray[np.float32]  # (L, R, width)
    attention: NDArray[np.float32]  # (blocks, sum of N²): mean over heads, row by row
    provenance: dict[str, Any]

    def rows(self, sentence: int, layer: int | str) -> NDArray[np.float32]:
        """Hidden states (N, width) of one sentence.

        Raises
        ------
        InputError
            If the layer was not kept, or the model has none of this name.
        """
        start, end = self.offsets[sentence : sentence + 2]
        check_kept(self.provenance, layer, self.layers)
        return self.states[self.layers.index(str(layer)), start:end]

    def with_groups(self, names: dict[str, str]) -> Sentences:
        """Contexts under the names that a data set gives them, if it does."""
        groups = [names.get(group, group) for group in map(str, self.groups)]
        return replace(self, groups=np.array(groups, dtype=np.str_))

    def words(self, sentence: int) -> list[str]:
        """What the tokens of one sentence say."""
        return list(map(str, self.tokens[slice(*self.offsets[sentence : sentence + 2])]))

    def spans_of(self, sentence: int) -> NDArray[np.int64]:
        """Characters of the text that the tokens of one sentence cover: (N, 2), first and end."""
        return self.spans[slice(*self.offsets[sentence : sentence + 2])]

    def attention_of(self, sentence: int, block: int) -> NDArray[np.float32]:
        """Attention weights (N, N) of one sentence in a block (from 1), a row per token that looks.

        Raises
        ------
        InputError
            If the model has no such block.
        """
        if not 1 <= block <= len(self.attention):
            raise InputError(
                f"block {block} was asked for, but model '{self.provenance['model']['model']}' has "
                f"blocks 1 to {len(self.attention)}; correct `attention_block:`."
            )
        squares = np.diff(self.offsets) ** 2
        start = int(squares[:sentence].sum())
        length = int(self.offsets[sentence + 1] - self.offsets[sentence])
        return self.attention[block - 1, start : start + length**2].reshape(length, length)

    def save(self, path: str | Path) -> None:
        """Write everything into one file."""
        save_npz(path, vars(self))

    @staticmethod
    def load(path: str | Path) -> Sentences:
        """Read a file that `save` wrote; `InputError` if it is damaged."""
        return load_npz(Sentences, path)

    def fault(self) -> str | None:
        """What cannot be in sentences."""
        count, rows = len(self.ids), len(self.tokens)
        if fault := offsets_fault(self.offsets, count, "sentences"):
            return fault
        if not len(self.groups) == len(self.labels) == len(self.texts) == count:
            return f"its groups, labels and texts are not those of {count} sentences"
        if self.offsets[-1] != rows or self.spans.shape != (rows, 2):
            return f"its offsets and spans are not those of {rows} tokens"
        lengths = np.repeat(np.char.str_len(self.texts), np.diff(self.offsets))
        begin, end = self.spans.T
        if (begin < 0).any() or (end < begin).any() or (end > lengths).any():
            return "a token covers characters that its sentence does not have"
        if self.states.ndim != 3 or self.states.shape[:2] != (len(self.layers), rows):
            return f"its states are not those of {len(self.layers)} layers and {rows} tokens"
        if self.attention.shape[1:] != (int((np.diff(self.offsets) ** 2).sum()),):
            return "its attention is not that between the tokens of its sentences"
        if not np.isfinite(self.states).all():
            return "a state is no number"
        if not within(self.attention, 0, 1 + HALF):
            return "some attention is no share of one"
        return None
