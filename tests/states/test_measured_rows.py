"""Norms of rows and attention to them, against a plain run of transformers."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

import random_models
from matrix_entropy.base.errors import InputError
from matrix_entropy.models.stand_ins import train_tokenizer
from matrix_entropy.results.rows_file import Rows
from matrix_entropy.results.state_files import open_states
from matrix_entropy.states import measured_rows as module
from matrix_entropy.states.attention import in_sight
from matrix_entropy.states.hidden_states import dump_hidden_states
from matrix_entropy.states.measured_rows import measure_rows, received
from short_texts import OPTIONS, short_texts

LAYERS = [0, 1, 3, "final"]
TEXTS = short_texts(5, 3)
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
    """A random model whose row in front of every text is a long one."""
    return random_models.save(name, folder, tokenizer, front=200)


def measure(record: dict[str, Any], texts: Any = TEXTS, **dataset: Any) -> Rows:
    return measure_rows(record, OPTIONS, dataset, texts, LAYERS, CPU, {"model": record})


def test_norms_are_those_of_the_states(record: dict[str, Any], tmp_path: Path) -> None:
    rows, first_is_long = measure(record), 0
    dump_hidden_states(record, OPTIONS, {}, TEXTS, LAYERS, tmp_path / "states", {})
    for at, layer in enumerate(LAYERS):
        states = np.array(open_states(tmp_path / "states", layer)).astype(np.float64)
        norms = np.linalg.norm(states, axis=1)
        np.testing.assert_allclose(rows.norms[at], norms, rtol=1e-5)
        for text in range(len(TEXTS)):
            of_text, of_norms = states[rows.of(text)], norms[rows.of(text)]
            long = of_norms > 10 * np.median(of_norms)
            first_is_long += long.tolist() == [True] + [False] * (len(long) - 1)
            mean = of_text[~long].mean(axis=0)
            expected = np.linalg.norm(of_text - mean, axis=1)
            found = rows.distances[at, rows.of(text)]
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)
    assert first_is_long > 4


@pytest.mark.parametrize("sharp", [False, True])
def test_attention_is_what_later_tokens_pay(
    sharp: bool, record: dict[str, Any], tmp_path: Path
) -> None:
    """Also where all heads look at one token each, so that most weights are rounded to zero."""
    model = AutoModelForCausalLM.from_pretrained(record["folder"], attn_implementation="eager")
    tokenizer = AutoTokenizer.from_pretrained(record["folder"])
    if sharp:
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if re.search(r"(q_proj|c_attn|query_key_value)\.weight", name):
                    parameter *= 1e6
        record = record | {"folder": str(tmp_path)}
        model.save_pretrained(tmp_path)
        tokenizer.save_pretrained(tmp_path)
    rows = measure(record)
    for number, text in enumerate(TEXTS):
        ids = [tokenizer.bos_token_id, *tokenizer(text["text"])["input_ids"]]
        with torch.inference_mode():
            blocks = model(torch.tensor([ids]), output_attentions=True).attentions
        assert len(rows.attention) == len(rows.uniform) == len(blocks) == 3
        for block, weights in enumerate(blocks):
            # One block of GPT-Neo looks back 16 tokens only.
            window = 16 if record["model"] == "gpt_neo" and block == 1 else len(ids)
            mean = weights[0].double().numpy().mean(axis=0)
            for row in range(len(ids)):
                later = range(row + 1, min(row + window, len(ids)))
                found = [of[block, rows.of(number)][row] for of in (rows.attention, rows.uniform)]
                if not later:
                    assert np.isnan(found).all()
                    continue
                alike = np.mean([1 / min(q + 1, window) for q in later])
                expected = [np.mean([mean[q, row] for q in later]), alike]
                np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-7)


def test_uniform_attention_is_that_of_equal_weights() -> None:
    weights = np.tril(np.ones((50, 50))) / np.arange(1, 51)[:, None]
    attention, uniform = received(weights, weights > 0)
    np.testing.assert_allclose(attention, uniform)
    harmonic = np.sum(1 / np.arange(2, 51)) / 49
    assert attention[0] == pytest.approx(harmonic)
    assert np.isnan(attention[-1])


def test_a_mask_may_say_what_is_hidden() -> None:
    """As in MPT, whose masks are true where others are false. One that hides nothing is none."""
    sight = torch.ones((4, 4), dtype=torch.bool).tril().triu(-1)
    weights = torch.zeros((2, 4, 4))
    for mask in (sight, ~sight, torch.where(sight, -3.0, torch.finfo(torch.float32).min)):
        assert in_sight(torch.nn.Identity(), [None, mask[None, None]], weights).equal(sight)
    free = torch.zeros((1, 2, 4, 4))
    assert in_sight(torch.nn.Identity(), [free], weights).equal(torch.ones((4, 4)).tril() > 0)


def test_longer_texts_have_no_attention_but_the_same_norms(
    tmp_path: Path,
    tokenizer: PreTrainedTokenizerFast,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    record = save("llama", tmp_path, tokenizer)
    whole = measure(record)
    lengths = np.diff(whole.offsets)
    assert f"{lengths.sum()}/{lengths.sum()}" in capsys.readouterr().err
    monkeypatch.setattr(module, "MOST_TOKENS", int(np.sort(lengths)[2]))
    rows = measure(record)
    np.testing.assert_allclose(rows.norms, whole.norms, rtol=1e-5)
    for text, length in enumerate(lengths):
        found, expected = rows.attention[:, rows.of(text)], whole.attention[:, rows.of(text)]
        if length > module.MOST_TOKENS:
            assert np.isnan(found).all()
        else:
            np.testing.assert_array_equal(found, expected)
    monkeypatch.setattr(module, "MOST_TOKENS", 0)
    assert np.isnan(measure(record).attention).all()


def test_texts_are_cut_and_left_out_as_for_spectra(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    record = save("gpt2", tmp_path, tokenizer)
    whole = measure(record)
    rows = measure(record, max_tokens=6, min_tokens=5)
    kept = [text for text in range(len(TEXTS)) if np.diff(whole.offsets)[text] > 5]
    assert rows.ids.tolist() == [TEXTS[text]["id"] for text in kept]
    assert np.diff(rows.offsets).tolist() == [6] * len(kept)
    for text, original in enumerate(kept):
        start = whole.offsets[original]
        expected = whole.norms[:, start : start + 6]
        np.testing.assert_allclose(rows.norms[:, rows.of(text)], expected, rtol=1e-5)


def test_rows_of_a_prefix_look_but_are_not_kept(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    record = save("llama", tmp_path, tokenizer)
    prefix, text = "the old lighthouse ", TEXTS[4]["text"]
    behind = measure(record, [{"id": "0", "group": "all", "text": text, "prefix": prefix}])
    whole = measure(record, [{"id": "0", "group": "all", "text": prefix + text}])
    count = behind.norms.shape[1]
    assert 2 < count < whole.norms.shape[1]
    np.testing.assert_allclose(behind.norms, whole.norms[:, -count:], rtol=1e-5)
    np.testing.assert_allclose(behind.attention, whole.attention[:, -count:], rtol=1e-4)


def test_the_file_gives_back_what_was_saved(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    rows = measure(save("gpt2", tmp_path / "model", tokenizer))
    rows.save(tmp_path / "rows.npz")
    loaded = Rows.load(tmp_path / "rows.npz")
    for name, value in vars(rows).items():
        np.testing.assert_array_equal(getattr(loaded, name), value)
    data = (tmp_path / "rows.npz").read_bytes()
    (tmp_path / "rows.npz").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"rows\.npz is damaged"):
        Rows.load(tmp_path / "rows.npz")
    one = {"layers": ("0",), "norms": rows.norms[:1], "distances": rows.distances[:1]}
    replace(rows, **one).save(tmp_path / "rows.npz")
    assert Rows.load(tmp_path / "rows.npz").layers == ("0",)


def test_too_many_rows_are_refused_before_the_model_runs(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 1000)
    with pytest.raises(InputError, match=r"attention of \d+ rows would take .* set `sample:`"):
        measure(save("gpt2", tmp_path, tokenizer))


def test_states_that_are_not_finite_are_named(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    record = save("gpt2", tmp_path, tokenizer)
    model = AutoModelForCausalLM.from_pretrained(tmp_path)
    with torch.no_grad():
        model.transformer.h[1].mlp.c_proj.bias[0] = float("inf")
    model.save_pretrained(tmp_path)
    with pytest.raises(InputError, match=r"'gpt2'.* text '\d' at layer 3 are not finite"):
        measure(record)
