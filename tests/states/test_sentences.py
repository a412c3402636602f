"""Sentences one by one: the same states as the dump's, and attention as transformers gives it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
)

import short_texts
from matrix_entropy.base.errors import InputError
from matrix_entropy.figures.kinds.token_selection import find_token
from matrix_entropy.models.stand_ins import train_tokenizer
from matrix_entropy.results.sentences_file import Sentences
from matrix_entropy.results.state_files import open_states
from matrix_entropy.states import sentences as module
from matrix_entropy.states.hidden_states import dump_hidden_states
from matrix_entropy.states.sentences import MOST_SENTENCES, read_sentences
from matrix_entropy.texts.tokens import tokenise
from matrix_entropy.texts.written_sentences import written_sentences
from random_models import save

LAYERS = [1, 3, "final"]
OPTIONS = short_texts.OPTIONS | {"bos": False}
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


def test_attention_is_the_mean_over_heads(
    record: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    sentences = read(record)
    # It takes minutes with a large model, and says how far it is.
    assert f"{len(sentences.tokens)}/{len(sentences.tokens)}" in capsys.readouterr().err
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


WORLD = [
    "Is London the capital of UK? Yes.",
    "Is São Paulo the capital of 日本? 日本 is 🙂 with thecapital.",
    "  Two  spaces\nand\n\na line é e\u0301 ",
]


def sentence_piece(texts: list[str]) -> PreTrainedTokenizerFast:
    """A tokenizer as SentencePiece's: a space belongs to the token behind it and is not decoded."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.BpeTrainer(
        vocab_size=120, special_tokens=["<unk>", "<s>"], show_progress=False
    )
    said = [" ".join(re.findall(r"\w+|[^\w\s]", text)) for text in texts]
    tokenizer.train_from_iterator(said, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", unk_token="<unk>")


TOKENIZERS = {
    "bytes": lambda: train_tokenizer(WORLD[:1] * 9, 300),
    "bytes of known words": lambda: train_tokenizer(WORLD * 9, 400),
    "sentence piece": lambda: sentence_piece(WORLD * 9),
}


@pytest.fixture(scope="module", params=TOKENIZERS)
def world(request: Any, tmp_path_factory: Any) -> tuple[dict[str, Any], Any]:
    tokenizer = TOKENIZERS[request.param]()
    return save("llama", tmp_path_factory.mktemp("model"), tokenizer), tokenizer


@pytest.mark.parametrize("bos", [False, True])
def test_spans_are_where_the_tokens_of_the_states_stand(
    world: tuple[dict[str, Any], Any], bos: bool
) -> None:
    record, tokenizer = world
    texts = [{"id": str(n), "group": "g", "text": text} for n, text in enumerate(WORLD)]
    sentences = read(record, texts, bos=bos)
    ids = tokenise(AutoTokenizer.from_pretrained(record["folder"]), texts, bos)[0]
    assert sentences.spans.shape == (len(ids.ids), 2)
    for number, text in enumerate(WORLD):
        encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        assert ids.of(number)[bos:].tolist() == encoded["input_ids"]
        spans, words = sentences.spans_of(number), sentences.words(number)
        if bos:
            assert spans[0].tolist() == [0, 0]
            assert words[0] == tokenizer.bos_token
        assert spans[bos:].tolist() == list(map(list, encoded["offset_mapping"]))
        covered = {place for start, end in spans for place in range(start, end)}
        assert covered == set(range(len(text)))
        assert words[bos:] == [text[start:end] for start, end in spans[bos:]]


@pytest.mark.parametrize("bos", [False, True])
@pytest.mark.parametrize(
    ("number", "word", "times"),
    [
        (0, "capital of", 1),
        (0, "London", 1),
        (1, "São Paulo", 1),
        (1, "日本", 2),
        (1, "日", 2),
        (1, "🙂", 1),
        (1, "São", 1),
        (2, "spaces", 1),
        (2, "line é", 1),
    ],
)
def test_words_of_every_script_are_found(
    world: tuple[dict[str, Any], Any], bos: bool, number: int, word: str, times: int
) -> None:
    record, tokenizer = world
    text = WORLD[number]
    sentences = read(record, [{"id": "0", "group": "g", "text": text}], bos=bos)
    whole_tokens = {text[start:end].strip() for start, end in sentences.spans}
    if word == "日" and "日本" in whole_tokens:
        with pytest.raises(InputError, match="has no token '日'"):  # but a part of one
            find_token(sentences, 0, word)
        return
    found, rows = find_token(sentences, 0, word)
    assert (found, len(rows)) == (word, times)
    # The ids up to a row are those of the text up to the word, which no merge crosses.
    end = text.rindex(word) + len(word)
    ids = tokenizer(text[:end], add_special_tokens=False)["input_ids"]
    assert rows[-1] == bos + len(ids) - 1


def test_words_that_are_not_there_are_not_found_without_their_spaces(
    tmp_path: Path,
) -> None:
    record = save("llama", tmp_path, sentence_piece(WORLD * 9))
    sentences = read(record, [{"id": "0", "group": "g", "text": WORLD[0]}])
    with pytest.raises(InputError, match="has no token 'thecapital', but"):
        find_token(sentences, 0, "thecapital")


def test_a_tokenizer_that_cannot_tell_characters_is_named(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = save("gpt2", tmp_path, tokenizer)
    monkeypatch.setattr(PreTrainedTokenizerFast, "is_fast", False)
    with pytest.raises(InputError, match=r"no fast tokenizer\); use a model with tokenizer\.json"):
        read(record)


def test_too_many_sentences_are_refused(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = save("gpt2", tmp_path, tokenizer)
    monkeypatch.setattr(module, "MOST_SENTENCES", len(TEXTS))
    assert len(read(record).ids) == len(TEXTS)
    monkeypatch.setattr(module, "MOST_SENTENCES", len(TEXTS) - 1)
    with pytest.raises(InputError, match=r"there are 9 sentences, .* set `sample: \{first: 8\}`"):
        read(record)
    assert MOST_SENTENCES == 300


def test_too_much_attention_is_refused(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = save("gpt2", tmp_path, tokenizer)
    size = read(record).attention.nbytes
    assert module.MOST_ATTENTION == 2**30
    monkeypatch.setattr(module, "MOST_ATTENTION", size)
    read(record)
    monkeypatch.setattr(module, "MOST_ATTENTION", size - 1)
    with pytest.raises(InputError, match=r"of 3 blocks .* 9 sentences .* GiB, .* set `sample:`"):
        read(record)


def test_a_prefix_is_refused(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    texts = [TEXTS[0], TEXTS[1] | {"prefix": "Listen: "}]
    with pytest.raises(
        InputError, match=r"has a prefix, .* without a `prefix:` in its `variants:`"
    ):
        read(save("gpt2", tmp_path, tokenizer), texts)


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
    # As an architecture does whose attention knows no such implementation.
    monkeypatch.setattr(GPT2LMHeadModel, "set_attn_implementation", lambda *_: None)
    with pytest.raises(InputError, match="does not give the attention weights of every block"):
        read(save("gpt2", tmp_path, tokenizer))
