"""Sentences one by one: the same states as the dump's, and attention as transformers gives it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

import random_models
from matrix_entropy.errors import InputError
from matrix_entropy.hidden_states import dump_hidden_states
from matrix_entropy.sentences import WatchedDecoder, read_sentences
from matrix_entropy.sentences_file import Sentences
from matrix_entropy.stand_ins import train_tokenizer
from matrix_entropy.state_files import open_states
from matrix_entropy.written_sentences import written_sentences

LAYERS = [1, 3, "final"]
OPTIONS = {
    "layers": 3,
    "width": 48,
    "bos": False,
    "center_features": False,
    "dtype": "float32",
    "device_map": "single",
}
CONTEXTS = {"none": "", "king": "He is the king of", "queen": "She is the queen of"}
WORDS = ["Cuba.", "Denmark.", "Spain."]
TEXTS = written_sentences(CONTEXTS, WORDS)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return train_tokenizer([text["text"] for text in TEXTS], 290)


@pytest.fixture(scope="module", params=["gpt2", "gpt_neo", "gpt_neox", "llama", "opt"])
def record(
    request: Any, tmp_path_factory: Any, tokenizer: PreTrainedTokenizerFast
) -> dict[str, Any]:
    return save(request.param, tmp_path_factory.mktemp("model"), tokenizer)


def save(name: str, folder: Path, tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    model = getattr(random_models, name)(vocabulary=len(tokenizer), context=64)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return {"model": name, "source": "path", "folder": str(folder), "stand_in": False}


def read(record: dict[str, Any], texts: Any = TEXTS, **options: Any) -> Sentences:
    provenance = {"model": record}
    return read_sentences(record, OPTIONS | options, texts, LAYERS, CPU, provenance)


def test_every_context_comes_with_every_word() -> None:
    assert [text["text"] for text in TEXTS[:4]] == [
        *WORDS,
        "He is the king of Cuba.",
    ]
    assert len(TEXTS) == len({text["id"] for text in TEXTS}) == 9
    assert {(text["group"], text["label"]) for text in TEXTS} == {
        (context, word) for context in CONTEXTS for word in WORDS
    }
    assert written_sentences({"one": " A text. "}, []) == [
        {"id": "one", "group": "one", "text": "A text.", "label": ""}
    ]


def test_states_are_those_of_the_dump(record: dict[str, Any], tmp_path: Path) -> None:
    sentences = read(record)
    dump_hidden_states(record, OPTIONS, {}, TEXTS, LAYERS, tmp_path / "states", {})
    for layer in LAYERS:
        states = np.array(open_states(tmp_path / "states", layer))
        scale = np.abs(states).max()
        found = np.concatenate([sentences.rows(number, layer) for number in range(len(TEXTS))])
        np.testing.assert_allclose(found, states, rtol=1e-5, atol=1e-5 * scale)


def test_attention_is_the_mean_over_heads(record: dict[str, Any]) -> None:
    sentences = read(record)
    model = AutoModelForCausalLM.from_pretrained(record["folder"], attn_implementation="eager")
    tokenizer = AutoTokenizer.from_pretrained(record["folder"])
    for number, text in enumerate(TEXTS):
        ids = torch.tensor([tokenizer(text["text"])["input_ids"]])
        with torch.inference_mode():
            expected = model(ids, output_attentions=True).attentions
        for block in (1, 2, 3):
            weights = sentences.attention_of(number, block)
            of_block = expected[block - 1][0].numpy().mean(axis=0)
            np.testing.assert_allclose(weights, of_block, atol=1e-6)
            np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-5)
            assert not np.triu(weights, 1).any(), "a token attends to a later one"


def test_tokens_spell_the_sentence(record: dict[str, Any]) -> None:
    sentences = read(record)
    for number, text in enumerate(TEXTS):
        assert "".join(sentences.words(number)).strip() == text["text"]
        assert len(sentences.rows(number, "final")) == len(sentences.words(number))


def test_a_file_holds_everything(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    sentences = read(save("gpt_neox", tmp_path / "model", tokenizer), bos=True)
    sentences.save(tmp_path / "sentences.npz")
    sentences.save(tmp_path / "again.npz")
    assert (tmp_path / "sentences.npz").read_bytes() == (tmp_path / "again.npz").read_bytes()
    loaded = Sentences.load(tmp_path / "sentences.npz")
    for name, value in vars(sentences).items():
        np.testing.assert_array_equal(getattr(loaded, name), value)
    assert loaded.words(0)[0] == tokenizer.bos_token
    (tmp_path / "sentences.npz").write_bytes((tmp_path / "again.npz").read_bytes()[:500])
    with pytest.raises(InputError, match=r"sentences\.npz is damaged"):
        Sentences.load(tmp_path / "sentences.npz")


def test_what_was_not_kept_is_named(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    sentences = read(save("gpt_neox", tmp_path, tokenizer))
    with pytest.raises(InputError, match=r"layer 2 .* was not kept, but 1, 3, final; add it"):
        sentences.rows(0, 2)
    with pytest.raises(InputError, match=r"block 4 was asked for, .* blocks 1 to 3"):
        sentences.attention_of(0, 4)


def test_a_sentence_is_never_cut(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    long = {"id": "7", "group": "all", "text": "He is the king of Spain. " * 30}
    with pytest.raises(InputError, match=r"text '7' \(He is .* more tokens than the 64 .* shorten"):
        read(save("gpt2", tmp_path, tokenizer), [long])


def test_a_model_without_attention_weights_is_named(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        WatchedDecoder, "attentions", property(lambda _: (), lambda *_: None), raising=False
    )
    with pytest.raises(InputError, match="does not give the attention weights of every block"):
        read(save("gpt2", tmp_path, tokenizer))
