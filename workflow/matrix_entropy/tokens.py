"""Texts as tokens: ids and offsets known before any model runs, and batches of similar length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matrix_entropy.errors import InputError
from matrix_entropy.files import writing

# A batch is padded to its longest text; a text much shorter than that begins the next batch.
LARGEST_PADDING = 0.15

TEXTS_AT_A_TIME = 256


@dataclass(frozen=True)
class Tokens:
    """Token ids of all texts one after another, with the beginning-of-sequence rows if any."""

    ids: NDArray[np.int64]
    offsets: NDArray[np.int64]
    truncated: NDArray[np.bool_]

    @property
    def lengths(self) -> NDArray[np.int64]:
        return np.diff(self.offsets)

    def of(self, text: int) -> NDArray[np.int64]:
        return self.ids[self.offsets[text] : self.offsets[text + 1]]


def tokenise(
    tokenizer: Any, texts: Sequence[dict[str, str]], bos: bool, limit: int | None
) -> Tokens:
    """Token ids of every text, without special tokens but for one in front if ``bos``.

    Parameters
    ----------
    limit : int, optional
        Longest text in rows, the one in front counted; longer texts are cut and marked.

    Raises
    ------
    InputError
        If ``bos`` is asked of a tokenizer that has no such token, or a text has no token.
    """
    if bos and tokenizer.bos_token_id is None:
        raise InputError(
            f"the tokenizer in {tokenizer.name_or_path} has no beginning-of-sequence token; set "
            "`bos: false` for this model."
        )
    front = [tokenizer.bos_token_id] if bos else []
    rows, truncated = [], []
    # In pieces, since what a tokenizer gives is many times larger than the ids that are kept.
    for start in range(0, len(texts), TEXTS_AT_A_TIME):
        piece = texts[start : start + TEXTS_AT_A_TIME]
        encoded = tokenizer(
            [text["text"] for text in piece],
            add_special_tokens=False,
            return_attention_mask=False,
            verbose=False,
        )["input_ids"]
        for text, ids in zip(piece, encoded, strict=True):
            if not ids:
                raise InputError(f"text '{text['id']}' has no token for this model; remove it.")
            truncated.append(limit is not None and len(front) + len(ids) > limit)
            rows.append(np.array([*front, *ids][:limit], dtype=np.int64))
    offsets = np.cumsum([0, *map(len, rows)])
    return Tokens(np.concatenate(rows), offsets, np.array(truncated))


def batches_by_length(
    texts: Sequence[int], lengths: NDArray[np.int64], budget: int
) -> list[list[int]]:
    """Texts in batches of similar length whose padded size is at most ``budget`` tokens.

    The longest come first, so that a batch too large for the memory shows itself at once. A text
    longer than the budget is a batch of its own.
    """
    batches: list[list[int]] = []
    for text in sorted(texts, key=lambda text: (-lengths[text], text)):
        longest = lengths[batches[-1][0]] if batches else 0
        fits = batches and longest * (len(batches[-1]) + 1) <= budget
        if fits and lengths[text] >= (1 - LARGEST_PADDING) * longest:
            batches[-1].append(text)
        else:
            batches.append([text])
    return batches


def save_tokens(
    path: Path, tokens: Tokens, losses: NDArray[np.float32], texts: Sequence[dict[str, str]]
) -> None:
    """Write the tokens of all texts: per text ids, groups and offsets, per token id and loss."""
    with writing(path) as temporary:
        np.savez(
            temporary,
            ids=np.array([text["id"] for text in texts]),
            groups=np.array([text["group"] for text in texts]),
            offsets=tokens.offsets,
            truncated=tokens.truncated,
            token_ids=tokens.ids,
            token_losses=losses,
        )
