"""Which texts are long enough, and where a stream of tokens is cut."""

from __future__ import annotations

import numpy as np
import pytest
from transformers import PreTrainedTokenizerFast

from fixtures.make_gpt2_merges import kept, tokenizer
from matrix_entropy.base.errors import InputError
from matrix_entropy.texts.tokens import Encoded, corpus_windows, encode, tokenise
from matrix_entropy.texts.variants import vary


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


TEXTS = [
    {"id": str(n), "group": "all", "text": text} for n, text in enumerate(["It rained.", "No."])
]
SEA = "The tide comes in twice a day and leaves the sand as smooth as a plate."
CHANGES = {
    "none": {},
    "prompt": {"prefix": "You are a helpful assistant."},
    "random": {"like": "prompt", "seed": 1},
    "unrelated": {"like": "prompt", "text": SEA},
}


def test_as_many_other_tokens_stand_in_the_place_of_a_prefix() -> None:
    read = PreTrainedTokenizerFast(tokenizer_object=tokenizer(kept()[0]), eos_token="<|end|>")
    found = dict(
        zip(
            [(name, text["id"]) for name in CHANGES for text in TEXTS],
            encode(read, vary(TEXTS, CHANGES)),
            strict=True,
        )
    )
    line_break = read("\n")["input_ids"]
    drawn = []
    for text in TEXTS:
        own, before = found["prompt", text["id"]]
        assert found["none", text["id"]].ids.tolist() == own[before:].tolist()
        for control in ("random", "unrelated"):
            ids, kept_before = found[control, text["id"]]
            assert (len(ids), kept_before) == (len(own), before)
            assert ids[before - 1 :].tolist() == [*line_break, *own[before:]]
            assert not np.array_equal(ids[: before - 1], own[: before - 1])
        sea = read(SEA)["input_ids"][: before - 1]
        assert found["unrelated", text["id"]].ids[: before - 1].tolist() == sea
        drawn.append(found["random", text["id"]].ids[: before - 1].tolist())
        assert read.eos_token_id not in drawn[-1]
    assert drawn[0] != drawn[1], "anew for every text"
    again = encode(read, vary(TEXTS[1:], CHANGES))
    assert again[2].ids.tolist() == found["random", "1"].ids.tolist(), "whatever else is read"


def test_a_text_shorter_than_the_prefix_in_whose_place_it_stands_is_refused() -> None:
    read = PreTrainedTokenizerFast(tokenizer_object=tokenizer(kept()[0]))
    changes = CHANGES | {"unrelated": {"like": "prompt", "text": "The tide."}}
    with pytest.raises(
        InputError, match=r"'unrelated': its `text:` has 4 tokens .* make it longer"
    ):
        encode(read, vary(TEXTS, changes))
