"""Liang's recipe equals the numbers of TransformerLens, which the paper used."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import random_models
from conftest import ROOT
from matrix_entropy.maths.entropy import entropy_of
from matrix_entropy.states.extraction import Extraction
from matrix_entropy.states.token_losses import Decoder
from matrix_entropy.texts.tokens import Tokens

FIXTURE = json.loads((ROOT / "tests" / "fixtures" / "transformer_lens.json").read_text())


def states_of(name: str, text: str) -> dict[int, np.ndarray]:
    """Residual stream after every block, by our extraction: BOS in front, features centred."""
    model = getattr(random_models, name)(FIXTURE["models"][name]["seed"])
    ids = np.array(FIXTURE["tokens"][text])
    tokens = Tokens(ids, np.array([0, len(ids)]), np.array([False]), np.array([0]))
    layers = range(1, model.config.get_text_config().num_hidden_layers + 1)
    states: dict[int, np.ndarray] = {}
    extraction = Extraction(
        Decoder(model, with_losses=False),
        tokens,
        list(layers),
        True,
        lambda layer, _, rows: states.update({int(layer): rows.numpy()}),
        name,
        [text],
    )
    extraction.run([0], torch.device("cpu"))
    return states


@pytest.mark.parametrize("text", FIXTURE["tokens"])
@pytest.mark.parametrize("name", FIXTURE["models"])
def test_entropies_equal_transformer_lens(name: str, text: str) -> None:
    states = states_of(name, text)
    stored = FIXTURE["models"][name]["texts"][text]
    found = [entropy_of(states[layer]) for layer in sorted(states)]
    assert found == pytest.approx(stored["entropy"], abs=1e-5)
    width = states[1].shape[1]
    assert np.array(found) / np.log(width) == pytest.approx(
        np.array(stored["normalised"]), abs=1e-5
    )


@pytest.mark.parametrize("name", FIXTURE["models"])
def test_features_equal_transformer_lens(name: str) -> None:
    text = "middle"
    states = states_of(name, text)
    for block, features in enumerate(FIXTURE["models"][name]["texts"][text]["features"]):
        found = states[block + 1][[0, 1, -1], :3]
        assert found == pytest.approx(np.array(features), abs=1e-4)
