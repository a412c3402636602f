"""Weights drawn afresh: with the deviation asked for, or not at all."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from transformers import RecurrentGemmaConfig, RwkvConfig, XLMConfig

import random_models
from matrix_entropy.base.errors import InputError
from matrix_entropy.models.fresh_weights import fresh_model

SIZES: dict[str, Any] = {"width": 16, "blocks": 2, "heads": 2, "vocabulary": 300}
ARCHITECTURES = ("gpt2", "gpt_neo", "gpt_neox", "llama", "opt")


def drawn(architecture: str, start: float | None) -> dict[str, torch.Tensor]:
    """Parameters drawn from one seed, by name."""
    config = copy.deepcopy(getattr(random_models, architecture)(**SIZES).config)
    return dict(fresh_model("fresh", config, 3, torch.float32, start).named_parameters())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_start_four_times_as_wide_is_the_same_draw_times_four(architecture: str) -> None:
    own, stated, wide = (drawn(architecture, start) for start in (None, 0.02, 0.08))
    for name, weights in own.items():
        assert torch.equal(weights, stated[name])
        factor = 4 if weights.ndim > 1 else 1  # biases are zero, gains one
        torch.testing.assert_close(wide[name], factor * weights)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_drawn_weights_have_the_deviation(architecture: str) -> None:
    weights = drawn(architecture, 0.05)
    embedding = next(weights[name] for name in weights if "wte" in name or "embed" in name)
    numbers = embedding.numel()
    assert float(embedding.detach().std()) == pytest.approx(0.05, rel=10 / (2 * numbers) ** 0.5)


OTHERWISE = {
    "RecurrentGemma": RecurrentGemmaConfig(
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=2,
        num_key_value_heads=1,
        lru_width=32,
        intermediate_size=48,
        vocab_size=300,
    ),
    "RWKV": RwkvConfig(vocab_size=300, hidden_size=32, num_hidden_layers=2, context_length=64),
    "XLM": XLMConfig(vocab_size=300, emb_dim=32, n_layers=2, n_heads=2),
}


@pytest.mark.parametrize("architecture", OTHERWISE)
def test_an_architecture_that_draws_otherwise_is_refused(architecture: str) -> None:
    config = OTHERWISE[architecture]
    with pytest.raises(InputError, match=r"'fresh'.*does not draw .*`initializer_range:`.*0\.08"):
        fresh_model("fresh", copy.deepcopy(config), 1, torch.float32, 0.08)
    fresh_model("fresh", copy.deepcopy(config), 1, torch.float32)
