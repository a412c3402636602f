"""What all vision-language models share: their tokens, the room for them, and the reversal."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import small_llava
from matrix_entropy.base.errors import InputError
from matrix_entropy.models.vision.interface import (
    beginning,
    check_room,
    read_texts,
    reversed_image_tokens,
)
from matrix_entropy.texts.image_records import rotated

RECORDS = [{"id": "first", "text": "a red square"}, {"id": "second", "text": "two green circles ."}]


def bare(context: int | None = None, bos: bool = True) -> Any:
    """As much of a model as texts and the hook need."""
    torch.manual_seed(0)
    return SimpleNamespace(
        name="bare",
        tokenizer=small_llava.tokenizer(bos),
        context=context,
        connector=torch.nn.Linear(4, 6),
    )


def test_only_a_tokenizer_that_uses_it_begins_texts() -> None:
    with_bos, without = small_llava.tokenizer(), small_llava.tokenizer(bos=False)
    assert beginning(with_bos) == [with_bos.bos_token_id]
    assert without.bos_token_id is not None
    assert beginning(without) == []


@pytest.mark.parametrize("bos", [True, False])
def test_texts_are_tokens_without_special_ones(bos: bool) -> None:
    model = bare(bos=bos)
    texts = read_texts(model, RECORDS)
    for record, ids in zip(RECORDS, texts.ids, strict=True):
        assert model.tokenizer.decode(ids) == record["text"]
        assert not set(ids) & set(model.tokenizer.all_special_ids)
    assert not texts.truncated.any()


def test_longer_texts_are_cut_and_marked() -> None:
    whole = read_texts(bare(), RECORDS)
    shortest = min(map(len, whole.ids))
    texts = read_texts(bare(), RECORDS, shortest)
    for ids, of_whole in zip(texts.ids, whole.ids, strict=True):
        np.testing.assert_array_equal(ids, of_whole[:shortest])
    assert texts.truncated.tolist() == [len(ids) > shortest for ids in whole.ids]
    assert texts.truncated.sum() == 1


def test_a_text_without_tokens_is_named() -> None:
    with pytest.raises(InputError, match="text of record 'empty' has no token"):
        read_texts(bare(), [*RECORDS, {"id": "empty", "text": ""}])


@pytest.mark.parametrize("bos", [True, False])
def test_what_fits_exactly_fits_and_one_more_does_not(bos: bool) -> None:
    longest = max(len(ids) for ids in read_texts(bare(bos=bos), RECORDS).ids)
    fits = 16 + bos + longest
    for context in (fits, None):
        model = bare(context, bos)
        check_room(model, RECORDS, read_texts(model, RECORDS), 16)
    model = bare(fits - 1, bos)
    texts = read_texts(model, RECORDS)
    named = RECORDS[int(np.argmax([len(ids) for ids in texts.ids]))]["id"]
    message = f"record '{named}' has {longest} tokens.* 1 of 2 .*`max_tokens: {longest - 1}`"
    with pytest.raises(InputError, match=message):
        check_room(model, RECORDS, texts, 16)
    check_room(model, RECORDS, read_texts(model, RECORDS, longest - 1), 16)


def test_an_image_that_leaves_no_room_is_said() -> None:
    model = bare(context=17)
    with pytest.raises(InputError, match="an image alone has 16: there is no room"):
        check_room(model, RECORDS, read_texts(model, RECORDS), 16)


def test_tokens_are_reversed_image_by_image_and_twice_is_not_at_all() -> None:
    model, patches = bare(), torch.randn(3, 5, 4)
    tokens = model.connector(patches)
    with reversed_image_tokens(model):
        assert torch.equal(model.connector(patches), tokens[:, [4, 3, 2, 1, 0]])
        with reversed_image_tokens(model):
            assert torch.equal(model.connector(patches), tokens)
    assert torch.equal(model.connector(patches), tokens)


def test_the_hook_is_gone_after_an_exception() -> None:
    model = bare()

    def fail() -> None:
        with reversed_image_tokens(model):
            assert len(model.connector._forward_hooks) == 1
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert not model.connector._forward_hooks


def test_a_quarter_turn_is_not_the_reversal_of_patches() -> None:
    """Nor is it any other order of the same patches, but for patches that look the same turned."""
    values = np.random.default_rng(0).integers(0, 256, (12, 12, 3), dtype=np.uint8)

    def patches(image: Image.Image) -> list[bytes]:
        pixels = np.asarray(image).reshape(3, 4, 3, 4, 3).swapaxes(1, 2).reshape(9, -1)
        return [patch.tobytes() for patch in pixels]

    image = Image.fromarray(values)
    turned = patches(rotated(image))
    assert turned != patches(image)[::-1]
    assert not set(turned) & set(patches(image))
    each_turned = [
        np.rot90(np.frombuffer(patch, np.uint8).reshape(4, 4, 3), -1).tobytes()
        for patch in patches(image)
    ]
    # First the lowest patch of the first column, then those above it, then the next column.
    assert turned == [each_turned[i] for i in (6, 3, 0, 7, 4, 1, 8, 5, 2)]
