"""Token losses: by hand in float64, in pieces, beside padding, and for unusual output layers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import by_hand
import random_models
from matrix_entropy.states import token_losses
from matrix_entropy.states.token_losses import Decoder

NAMES = ["gpt2", "gpt_neo", "gpt_neox", "llama", "opt"]
LENGTHS = [41, 7, 1]


@pytest.fixture(params=NAMES)
def model(request: pytest.FixtureRequest) -> Any:
    return getattr(random_models, request.param)()


@pytest.fixture
def ids() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 96, (3, max(LENGTHS))))


def run(decoder: Decoder, ids: torch.Tensor) -> list[np.ndarray]:
    mask = torch.arange(ids.shape[1]) < torch.tensor(LENGTHS)[:, None]
    with torch.inference_mode():
        return decoder.losses(decoder.run(ids, mask), ids, LENGTHS)


def expected(model: Any, ids: torch.Tensor) -> np.ndarray:
    """−log p of the second token and those after it, by the float64 model run by hand."""
    logits = by_hand.forward(model, ids.numpy())["logits"]
    log_probabilities = by_hand.log_softmax(logits)
    return -log_probabilities[np.arange(len(ids) - 1), ids[1:].numpy()]


def test_losses_are_those_computed_by_hand(model: Any, ids: torch.Tensor) -> None:
    decoder = Decoder(model, with_losses=True)
    assert decoder.separable
    found = run(decoder, ids)
    for losses, row, length in zip(found, ids, LENGTHS, strict=True):
        assert losses.shape == (length,)
        assert losses.dtype == np.float32
        assert np.isnan(losses[0])
        if length > 1:
            # Logits reach 24, where float32 keeps 1e-6, and sum 48 products of states that are
            # off by 1e-6.
            np.testing.assert_allclose(losses[1:], expected(model, row[:length]), atol=1e-4)


def test_pieces_change_nothing(
    model: Any, ids: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(Decoder(model, with_losses=True), ids)
    monkeypatch.setattr(token_losses, "LOGITS_BYTES", 1)
    for losses, pieces in zip(whole, run(Decoder(model, with_losses=True), ids), strict=True):
        np.testing.assert_allclose(pieces, losses, rtol=1e-5, atol=1e-5)


def test_scaled_logits_are_noticed(ids: torch.Tensor) -> None:
    """An architecture that changes its logits after the output matrix keeps its own."""
    model = random_models.gpt2()
    forward = model.forward

    def scaled(*args: Any, **kwargs: Any) -> Any:
        output = forward(*args, **kwargs)
        output.logits = output.logits / 3
        return output

    model.forward = scaled
    decoder = Decoder(model, with_losses=True)
    assert not decoder.separable
    with torch.no_grad():
        logits = model(input_ids=ids[:1]).logits[0]
    direct = torch.nn.functional.cross_entropy(logits[:-1], ids[0, 1:], reduction="none")
    np.testing.assert_allclose(run(decoder, ids)[0][1:], direct.numpy(), rtol=1e-5, atol=1e-5)


def test_without_losses_the_output_matrix_is_never_used(ids: torch.Tensor) -> None:
    model = random_models.gpt2()
    model.lm_head = None
    decoder = Decoder(model, with_losses=False)
    with torch.inference_mode():
        assert decoder.run(ids, None).shape == (3, max(LENGTHS), 48)
