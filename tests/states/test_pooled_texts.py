"""One vector for every text, against each text read alone by transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import random_models
from matrix_entropy.base.errors import InputError
from matrix_entropy.models.stand_ins import train_tokenizer
from matrix_entropy.results.pooled_file import HALVES, WHOLE, PooledTexts
from matrix_entropy.states import pooled_texts as module
from matrix_entropy.states.extraction import Extraction
from matrix_entropy.states.pooled_texts import pool_texts
from short_texts import OPTIONS, short_texts

LAYERS = [0, 2, "final"]
TEXTS = short_texts(6, 2)[1:]
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    tokenizer = train_tokenizer([text["text"] for text in TEXTS], 290)
    return random_models.save("llama", tmp_path_factory.mktemp("model"), tokenizer)


def pool(record: dict[str, Any], texts: Any = TEXTS, **more: Any) -> PooledTexts:
    dataset = {key: more.pop(key) for key in ("min_tokens", "max_tokens") if key in more}
    of = {"model": record}
    return pool_texts(record, OPTIONS, dataset, texts, LAYERS, CPU, of, **more)


def states_alone(record: dict[str, Any], ids: list[int]) -> np.ndarray:
    """(3, tokens, width): embeddings, behind block 2 and behind the last norm."""
    model = AutoModelForCausalLM.from_pretrained(record["folder"])
    with torch.inference_mode():
        states = model(torch.tensor([ids]), output_hidden_states=True).hidden_states
    return np.array([states[at][0].double().numpy() for at in (0, 2, -1)])


@pytest.mark.parametrize("batch_tokens", [1, 10_000])
def test_padding_is_in_no_vector(record: dict[str, Any], batch_tokens: int) -> None:
    pooled = pool(record, halves=True, batch_tokens=batch_tokens)
    tokenizer = AutoTokenizer.from_pretrained(record["folder"])
    assert (pooled.parts, pooled.poolings) == ((WHOLE, *HALVES), ("mean", "last"))
    assert len(set(pooled.lengths.tolist())) == len(TEXTS)
    for number, text in enumerate(TEXTS):
        own = tokenizer(text["text"])["input_ids"]
        middle = len(own) // 2
        assert pooled.lengths[number] == len(own) + 1
        for part, ids in enumerate((own, own[:middle], own[middle:])):
            states = states_alone(record, [tokenizer.bos_token_id, *ids])
            found = pooled.vectors[part, :, :, number]
            close = {"rtol": 1e-4, "atol": 1e-5}
            np.testing.assert_allclose(found[0], states.mean(axis=1), **close)
            np.testing.assert_allclose(found[1], states[:, -1], **close)


def test_batches_of_several_texts_are_padded(
    record: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """That the test above sees padding at all: a batch holds texts of several lengths."""
    seen = []
    run = Extraction.run

    def watched(self: Any, batch: list[int], device: torch.device) -> None:
        seen.append({int(self.tokens.lengths[text]) for text in batch})
        run(self, batch, device)

    monkeypatch.setattr(Extraction, "run", watched)
    monkeypatch.setattr("matrix_entropy.texts.tokens.LARGEST_PADDING", 0.9)
    padded = pool(record)
    assert max(map(len, seen)) > 1
    alone = pool(record, batch_tokens=1)
    np.testing.assert_allclose(padded.vectors, alone.vectors, rtol=1e-4, atol=1e-5)


def test_texts_are_cut_left_out_and_read_behind_a_prefix(record: dict[str, Any]) -> None:
    cut = pool(record, min_tokens=8, max_tokens=7)
    assert 1 < len(cut.ids) < len(TEXTS)
    assert set(cut.lengths.tolist()) == {7}
    assert cut.provenance["texts_left_out"] == len(TEXTS) - len(cut.ids)
    prefix = "the old lighthouse "
    text = {"id": "0", "group": "all", "text": TEXTS[3]["text"]}
    behind = pool(record, [text | {"prefix": prefix}], halves=True)
    whole = pool(record, [text | {"text": prefix + text["text"]}])
    assert behind.lengths[0] < whole.lengths[0]
    last = {"rtol": 1e-4, "atol": 1e-5}
    np.testing.assert_allclose(behind.vectors[0, 1], whole.vectors[0, 1], **last)
    assert not np.allclose(behind.vectors[2, 1], whole.vectors[0, 1])


def test_what_cannot_be_pooled_is_refused(
    record: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    single = {"id": "one", "group": "all", "text": "."}
    with pytest.raises(InputError, match=r"text 'one' has a single token .* `min_tokens: 2`"):
        pool(record, [single], halves=True)
    pooled = pool(record, [single])
    pooled.save(tmp_path / "pooled.npz")
    loaded = PooledTexts.load(tmp_path / "pooled.npz")
    for name, value in vars(pooled).items():
        np.testing.assert_array_equal(getattr(loaded, name), value)
    pooled.vectors[0, 0, 0, 0, 0] = np.nan
    pooled.save(tmp_path / "pooled.npz")
    with pytest.raises(InputError, match=r"pooled\.npz is damaged \(a vector is not finite\)"):
        PooledTexts.load(tmp_path / "pooled.npz")
    monkeypatch.setattr(module, "MOST_BYTES", 100)
    with pytest.raises(InputError, match=r"vectors of 5 texts at 3 layers would take .* `sample:`"):
        pool(record)


def test_states_that_are_not_finite_are_named(record: dict[str, Any], tmp_path: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(record["folder"])
    with torch.no_grad():
        model.model.layers[1].mlp.down_proj.weight[0, 0] = float("inf")
    model.save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(record["folder"]).save_pretrained(tmp_path)
    with pytest.raises(InputError, match=r"text '\d' at layer 2 are not finite"):
        pool(record | {"folder": str(tmp_path)})
