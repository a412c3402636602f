"""Weights that do not fit the model: drawn at random or dropped by transformers, refused here."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import load_file, save_file

import random_models
import short_texts
from matrix_entropy.base.errors import InputError
from matrix_entropy.models.loading import load_model
from matrix_entropy.models.resolving import resolve_hub, resolve_path
from matrix_entropy.models.stand_ins import train_tokenizer
from matrix_entropy.results.state_files import open_states
from matrix_entropy.states.hidden_states import dump_hidden_states

Weights = dict[str, torch.Tensor]
OPTIONS = short_texts.OPTIONS | {"bos": False}


def saved(folder: Path, architecture: str = "llama") -> Path:
    """A sound model with a tokenizer; Llama's output matrix is its own, GPT-2's is tied."""
    model = getattr(random_models, architecture)(vocabulary=300)
    model.save_pretrained(folder)
    train_tokenizer(["a fox and a lighthouse"] * 20, 300).save_pretrained(folder)
    return folder


def changed(folder: Path, change: Callable[[Weights], Weights]) -> None:
    path = folder / "model.safetensors"
    save_file(change(load_file(path)), path, {"format": "pt"})


def load(folder: Path, **options: Any) -> Any:
    return load_model(resolve_path("mine", str(folder), folder), 3, 48, "float32", **options)


def stated(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda weights: {f"base_model.model.{key}": value for key, value in weights.items()},
            r"30 weights are missing .*\(lm_head\.weight, model\.embed_tokens\.weight, "
            r"model\.layers\.0\.input_layernorm\.weight, …\), which have base_model\.model",
        ),
        (
            lambda weights: {key: weights[key] for key in weights if "layers.1.mlp" not in key},
            r"3 weights are missing .*\(model\.layers\.1\.mlp\.down_proj\.weight, ",
        ),
        (
            lambda weights: {key: weights[key] for key in weights if key != "model.norm.weight"},
            r"1 weight is missing .*\(model\.norm\.weight\); fetch or save",
        ),
        (
            lambda weights: weights | {"model.layers.0.self_attn.q_proj.bias": torch.ones(48)},
            r"1 weight is in its files .*LlamaForCausalLM .*\(model\.layers\.0\.self_attn\.q_proj",
        ),
        (
            lambda weights: weights | {"lm_head.bias": torch.ones(300)},
            r"no place for \(lm_head\.bias\)",
        ),
    ],
)
def test_weights_that_are_missing_or_left_over(
    tmp_path: Path, change: Callable[[Weights], Weights], told: str
) -> None:
    changed(saved(tmp_path), change)
    with pytest.raises(InputError, match=told):
        load(tmp_path)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"intermediate_size": 80}, r"9 weights are of another shape .*\(model\.layers\.0\.mlp\."),
        ({"vocab_size": 310}, r"embed_tokens\.weight \(300, 48\) instead of \(310, 48\)"),
        ({"num_key_value_heads": 2}, r"k_proj\.weight \(48, 48\) instead of \(24, 48\)"),
        ({"attention_bias": True}, r"12 weights are missing .*k_proj\.bias"),
    ],
)
def test_a_configuration_of_another_model(
    tmp_path: Path, changes: dict[str, Any], told: str
) -> None:
    stated(saved(tmp_path), **changes)
    with pytest.raises(InputError, match=told):
        load(tmp_path)


@pytest.mark.parametrize(("stated_layers", "told"), [(5, "missing"), (2, r"model\.layers\.2\.")])
def test_more_or_fewer_blocks_than_are_stated(
    tmp_path: Path, stated_layers: int, told: str
) -> None:
    stated(saved(tmp_path), num_hidden_layers=stated_layers)
    with pytest.raises(InputError, match=told):
        load_model(resolve_path("mine", "mine", tmp_path), stated_layers, 48, "float32")


def test_fewer_blocks_than_are_stated_of_a_backbone(tmp_path: Path) -> None:
    """Saved without its head a model's names begin otherwise."""
    model = random_models.gpt2(vocabulary=300)
    model.base_model.save_pretrained(tmp_path)
    assert torch.equal(load(tmp_path).lm_head.weight, model.lm_head.weight)  # tied
    stated(tmp_path, n_layer=2)
    with pytest.raises(InputError, match=r"no place for \(h\.2\."):
        load_model(resolve_path("mine", "mine", tmp_path), 2, 48, "float32")


def test_what_models_compute_themselves_may_be_left_over(tmp_path: Path) -> None:
    """Masks and rotary frequencies of older checkpoints; one of two tied matrices."""
    expected = load(saved(tmp_path / "gpt2", "gpt2")).state_dict()
    changed(
        tmp_path / "gpt2",
        lambda weights: (
            weights
            | {f"transformer.h.{block}.attn.bias": torch.ones(1, 1, 64, 64) for block in range(3)}
            | {"transformer.h.0.attn.masked_bias": torch.tensor(-1e4)}
            | {"lm_head.weight": weights["transformer.wte.weight"].clone()}
        ),
    )
    for key, value in load(tmp_path / "gpt2").state_dict().items():
        assert torch.equal(value, expected[key])
    changed(
        saved(tmp_path / "llama"),
        lambda weights: weights | {"model.layers.1.self_attn.rotary_emb.inv_freq": torch.ones(6)},
    )
    assert load(tmp_path / "llama")


def test_other_heads_are_named_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    changed(saved(tmp_path), lambda weights: weights | {"v_head.summary.weight": torch.ones(1, 48)})
    caplog.set_level(logging.INFO, "matrix_entropy")
    assert load(tmp_path)
    assert "1 weights of other heads are not read (v_head.summary.weight)" in caplog.text


def test_the_head_of_a_backbone(tmp_path: Path) -> None:
    """Without losses its states are those of the whole model; losses would be of a random head."""
    whole, backbone = saved(tmp_path / "whole"), saved(tmp_path / "backbone")
    changed(backbone, lambda w: {key: w[key] for key in w if key != "lm_head.weight"})
    texts = [{"id": "1", "group": "all", "text": "a fox and a lighthouse and a fox"}]

    def dump(model: Path, folder: Path, **dataset: Any) -> Path:
        record = resolve_path("mine", "mine", model)
        dump_hidden_states(record, OPTIONS, dataset, texts, [0, 2, "final"], folder, {})
        return folder

    expected = dump(whole, tmp_path / "expected")
    found = dump(backbone, tmp_path / "found", token_losses=False)
    for layer in (0, 2, "final"):
        assert np.array_equal(open_states(found, layer), open_states(expected, layer))
    with pytest.raises(InputError, match=r"without its output matrix \(lm_head\.weight\): set `to"):
        dump(backbone, tmp_path / "refused")
    assert not (tmp_path / "refused").exists()


def test_pickles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a pickle lacks is noticed when it is converted; an output matrix stays missing."""
    commit = "0123456789abcdef0123456789abcdef01234567"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    repository = tmp_path / "cache" / "models--someone--small"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(commit)
    folder = saved(repository / "snapshots" / commit)
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    entry = {"hub": "someone/small", "convert_weights": True}

    def convert(pickled: Weights) -> dict[str, Any]:
        torch.save(pickled, folder / "pytorch_model.bin")
        return resolve_hub("small", entry, tmp_path / "converted")

    with pytest.raises(InputError, match=r"1 weight is missing .*\(model\.norm\.weight\)"):
        convert({key: weights[key] for key in weights if key != "model.norm.weight"})
    assert not (tmp_path / "converted").exists()
    record = convert({key: weights[key] for key in weights if key != "lm_head.weight"})
    with pytest.raises(InputError, match="without its output matrix"):
        load_model(record, 3, 48, "float32")
    loaded = load_model(record, 3, 48, "float32", with_head=False).state_dict()
    for key in set(weights) - {"lm_head.weight"}:
        assert torch.equal(loaded[key], weights[key])
