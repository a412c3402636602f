"""Which texts are long enough, and where a stream of tokens is cut."""

from __future__ import annotations

import numpy as np
import pytest

from matrix_entropy.texts.tokens import Encoded, corpus_windows, tokenise


class Blank:
    """A tokenizer of which only the token between texts is asked."""

    bos_token_id = 0

    def __call__(self, text: str, **_: object) -> dict[str, list[int]]:
        return {"input_ids": [9]}


def of_lengths(*lengths: int) -> tuple[list[dict[str, str]], list[Encoded]]:
    texts = [{"id": str(n), "group": "all", "text": "x"} for n in range(len(lengths))]
    return texts, [Encoded(np.arange(1, length + 1), 0) for length in lengths]


@pytest.mark.parametrize("bos", [False, True])
def test_a_text_of_exactly_the_fewest_tokens_is_read(bos: bool) -> None:
    texts, encoded = of_lengths(7, 8, 9)
    tokens, chosen = tokenise(Blank(), texts, bos, fewest=8, encoded=encoded)
    assert chosen == [1, 2]
    assert tokens.lengths.tolist() == [8 + bos, 9 + bos]


@pytest.mark.parametrize(("length", "windows"), [(8, [4, 4]), (9, [4, 4]), (10, [4, 4, 2])])
def test_a_window_of_one_token_is_left_out(length: int, windows: list[int]) -> None:
    texts, encoded = of_lengths(length)
    tokens, groups = corpus_windows(Blank(), texts, 4, encoded)
    assert tokens.lengths.tolist() == windows
    assert groups == ["all"] * len(windows)
