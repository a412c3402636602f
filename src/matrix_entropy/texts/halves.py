"""The two halves of every text, each to be read alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from matrix_entropy.base.errors import InputError
from matrix_entropy.texts.tokens import Tokens


def with_halves(tokens: Tokens, front: int, ids: Sequence[str]) -> Tokens:
    """All texts, then the first halves of all, then the second halves.

    A half has what stands in front of its text: a prefix, or the token that begins a sequence.
    Of an odd number of tokens the second half has one more.

    Parameters
    ----------
    front : int
        Tokens that begin every text without being its own: 1 with ``bos: true``, else 0.
    ids : sequence of str
        Of the texts, for messages.

    Raises
    ------
    InputError
        If a text has a single token.

    Examples
    --------
    >>> of = Tokens(np.array([9, 1, 2, 3]), np.array([0, 4]), np.array([False]), np.array([0]))
    >>> [with_halves(of, 1, ["a"]).of(text).tolist() for text in range(3)]
    [[9, 1, 2, 3], [9, 1], [9, 2, 3]]
    """
    whole, first, second = [], [], []
    for text, name in enumerate(ids):
        own = tokens.of(text)
        begin = max(front, int(tokens.context[text]))
        if len(own) - begin < 2:
            raise InputError(
                f"text '{name}' has a single token for this model and no two halves; set "
                "`min_tokens: 2` for the data set."
            )
        middle = begin + (len(own) - begin) // 2
        whole.append(own)
        first.append(own[:middle])
        second.append(np.concatenate([own[:begin], own[middle:]]))
    parts = [*whole, *first, *second]
    return Tokens(
        np.concatenate(parts),
        np.cumsum([0, *map(len, parts)]),
        np.tile(tokens.truncated, 3),
        np.tile(tokens.context, 3),
    )
