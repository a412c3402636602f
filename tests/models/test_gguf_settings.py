"""Settings of a GGUF file that its model would run without are named, and no others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from transformers import CONFIG_MAPPING

from matrix_entropy.base.errors import InputError
from matrix_entropy.models.gguf_models import convert_gguf
from matrix_entropy.models.gguf_settings import lost_settings
from small_gguf import HEADS, WIDTH, write_gguf

WINDOW, SOFTCAP = "attention.sliding_window", "final_logit_softcapping"
ROTARY, EPSILON = "rope.dimension_count", "attention.layer_norm_epsilon"
# Of a class with its usual values: an architecture of files, what one states, whether that is lost.
CASES: list[tuple[str, str, dict[str, Any], bool]] = [
    ("phi3", "phi3", {WINDOW: 2047}, True),
    ("phi3", "phi3", {ROTARY: 72}, True),
    ("phi3", "phi3", {ROTARY: 96, WINDOW: 0}, False),
    ("gemma2", "gemma2", {WINDOW: 4096, SOFTCAP: 30.0, "attn_logit_softcapping": 50.0}, False),
    ("gemma2", "gemma2", {SOFTCAP: 15.0}, True),
    ("gemma3", "gemma3_text", {"rope.freq_base": 1e6, "rope.freq_base_swa": 1e4}, False),
    ("gemma3", "gemma3_text", {"rope.freq_base": 1e4}, True),
    ("gemma3", "gemma3_text", {"rope.freq_base_swa": 1e6}, True),
    ("gemma3", "gemma3_text", {WINDOW: 512}, True),
    ("gemma3", "gemma3_text", {"attention.key_length": 256}, False),
    ("gemma4", "gemma4_text", {"attention.key_length": 7}, True),
    ("starcoder2", "starcoder2", {"rope.freq_base": 1e4}, False),
    ("starcoder2", "starcoder2", {"rope.freq_base": 1e5}, True),
    ("stablelm", "stablelm", {ROTARY: 20}, False),
    ("stablelm", "stablelm", {ROTARY: 80}, True),
    ("falcon", "falcon", {EPSILON: 1e-5, "attention.head_count_kv": 1}, False),
    ("falcon", "falcon", {EPSILON: 1e-6}, True),
    ("qwen3", "qwen3", {"attention.key_length": 128, "context_length": 7}, False),
    ("qwen3", "qwen3", {"attention.key_length": 64}, True),
    ("mamba", "mamba", {"ssm.conv_kernel": 4, "attention.head_count": 0}, False),
    ("mamba", "mamba", {"ssm.conv_kernel": 3}, True),
    ("mamba", "mamba", {"ssm.dt_b_c_rms": False}, False),
    ("mamba", "mamba", {"ssm.dt_b_c_rms": True}, True),
    ("lfm2", "lfm2", {"attention.head_count_kv": [0, 8, 0]}, False),
    ("lfm2", "lfm2", {"attention.head_count_kv": [0, 8, 4]}, True),
    ("olmoe", "olmoe", {"expert_used_count": 8, "expert_weights_scale": 1.0}, False),
    ("olmoe", "olmoe", {"attention.clamp_kqv": 8.0}, True),
    ("cohere", "cohere", {"logit_scale": 0.0625}, False),
    ("llama", "llama", {"logit_scale": 2.0}, True),
    ("llama", "llama", {"rope.scaling.factor": 4.0}, True),
    ("llama", "llama", {"rope.scaling.factor": 1.0, "rope.scaling.finetuned": True}, False),
    ("llama", "llama", {"attention.causal": False}, True),
    ("llama", "llama", {"tensor_data_layout": "reference", "vocab_size": 7}, False),
    ("llama", "llama", {"flux": 2.5}, True),
    ("llama", "llama", {"swiglu_clamp_exp": 7.0}, True),
    ("stablelm", "stablelm", {"use_parallel_residual": False}, False),
    ("stablelm", "stablelm", {"use_parallel_residual": True}, True),
]


@pytest.mark.parametrize(("kind", "model_type", "stated", "lost"), CASES)
def test_what_a_model_would_run_without(
    kind: str, model_type: str, stated: dict[str, Any], lost: bool
) -> None:
    config = CONFIG_MAPPING[model_type]()
    values = {f"{kind}.{name}": value for name, value in stated.items()}
    found = lost_settings({"general.architecture": kind} | values, config)
    assert bool(found) is lost
    assert all(one.startswith(tuple(values)) for one in found)


def test_a_setting_without_the_architecture_in_front() -> None:
    made = {"general.architecture": "llama", "general.name": "x", "somebody.quantised_at": "2024"}
    assert lost_settings(made, CONFIG_MAPPING["llama"]()) == []
    assert lost_settings(made | {"xielu.beta": 0.5}, CONFIG_MAPPING["llama"]()) == [
        "xielu.beta is 0.5, the model has no such setting"
    ]


def test_a_scale_that_follows_from_the_size_alone() -> None:
    config = CONFIG_MAPPING["gemma2"](num_hidden_layers=46)
    values = {"general.architecture": "gemma2", "gemma2.block_count": 46}
    assert lost_settings(values, config) == [
        "gemma2 of this size scales attention by a number that is not in the file"
    ]
    assert lost_settings(values | {"gemma2.block_count": 26}, CONFIG_MAPPING["gemma2"]()) == []


@pytest.mark.parametrize(
    ("setting", "value", "has"),
    [
        (WINDOW, 8, "no such setting"),
        ("attention.key_length", 2 * WIDTH // HEADS, f"{WIDTH // HEADS}"),
        ("logit_scale", 0.5, "no such setting"),
    ],
)
def test_a_file_is_refused(tmp_path: Path, setting: str, value: Any, has: str) -> None:
    write_gguf(tmp_path / "m.gguf", values={f"llama.{setting}": value})
    lost = rf"\(llama\.{setting} is {value}, the model has {has}\)"
    with pytest.raises(InputError, match=f"settings that transformers leaves out .*{lost}"):
        convert_gguf("m", {"path": str(tmp_path / "m.gguf")}, None, tmp_path / "out")
    assert not (tmp_path / "out").exists()
