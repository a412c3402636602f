"""Models that are laid out as on the hub: the sizes of the real files, and weights that load."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import real_size_models
import real_size_tokenizers
from matrix_entropy.models.stand_ins import train_tokenizer
from real_size_models import Layout, gpt2_config, named_weights, write_model


# What the hub says of each, in bytes, to three digits.
@pytest.mark.parametrize(
    ("layout", "stated"),
    [
        (real_size_models.GPT2_LARGE, 3.25e9),
        (real_size_models.CEREBRAS_1_3B, 5.36e9),
        (real_size_models.PYTHIA_1_4B, 2.93e9),
        (real_size_models.OPT_1_3B, 2.63e9),
    ],
)
def test_as_large_as_on_the_hub(layout: Layout, stated: float) -> None:
    weights, masks = named_weights(layout)
    apart = {id(tensor): tensor.nbytes for tensor in (weights | masks).values()}
    assert sum(apart.values()) == pytest.approx(stated, rel=2e-3)


SMALL = Layout(gpt2_config(3, 48, 4, 64), torch.float32, real_size_tokenizers.gpt2, torch.uint8)


@pytest.mark.parametrize(
    "layout",
    [
        replace(SMALL, bare=True),
        replace(SMALL, pickled=True),
        replace(SMALL, pickled=True, bare=True, shards=2, dtype=torch.float16),
    ],
    ids=["safetensors", "pickle", "shards"],
)
def test_files_that_load(layout: Layout, tmp_path: Path) -> None:
    learnt = train_tokenizer(["a fox and a lighthouse"] * 20, 300).backend_tokenizer.to_str()
    write_model(layout, json.loads(learnt), tmp_path / "model")
    model: Any
    model, report = AutoModelForCausalLM.from_pretrained(
        tmp_path / "model", output_loading_info=True, weights_only=True
    )
    assert not report["missing_keys"]
    assert all(name.endswith("bias") for name in report["unexpected_keys"])
    assert model.transformer.wte.weight.std().item() == pytest.approx(0.02, rel=0.02)
    assert model.transformer.ln_f.weight.eq(1).all()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    assert tokenizer.decode(tokenizer("a fox")["input_ids"]) == "a fox"
