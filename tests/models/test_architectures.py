"""Every causal language model of the installed transformers, small and with random weights.

All of them with ``ARCHITECTURES=all`` (`make architectures`), else a sample that changes with the
date.
"""

from __future__ import annotations

import os
import random
from datetime import date

import numpy as np
import pytest

import architecture_page
import small_architectures
from architecture_page import NOT_RUN
from matrix_entropy.maths.entropy import matrix_entropy
from matrix_entropy.maths.spectra import spectrum
from reading import by_singular_values, losses_of, read, read_alone

NAMES = small_architectures.ARCHITECTURES
SAMPLE = 12
CHOSEN = (
    NAMES
    if os.environ.get("ARCHITECTURES") == "all"
    else sorted(random.Random(date.today().toordinal()).sample(NAMES, SAMPLE))
)

# transformers' hidden states of these begin after the first block and lack what goes into it.
WITHOUT_THE_INPUT = ("falcon_mamba", "mamba", "mamba2", "rwkv")

# float32 against float32 in another order of sums. Over all architectures, layers differ by less
# than 1e-6 of their largest value, batches from texts alone by less than 3e-6, losses by less than
# 2e-5 nats; ten times that is allowed.
LAYERS, BATCHES, LOSSES = 1e-5, 3e-5, 2e-4
ENTROPY = 1e-9  # float64 by two routes


def close(ours: np.ndarray, theirs: np.ndarray, tolerance: float) -> bool:
    assert ours.shape == theirs.shape
    return bool(np.abs(ours - theirs).max() <= tolerance * np.abs(theirs).max())


def test_the_page_names_every_architecture() -> None:
    assert sorted(architecture_page.rows()) == NAMES
    assert set(NOT_RUN) <= set(NAMES)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # each architecture has warnings of its own
@pytest.mark.parametrize("model_type", [name for name in CHOSEN if name not in NOT_RUN])
def test_layers_entropies_and_losses_are_those_of_transformers(model_type: str) -> None:
    model = small_architectures.build(model_type)
    generator = np.random.default_rng(0)
    texts = [generator.integers(3, small_architectures.VOCABULARY - 1, n) for n in (40, 36, 7, 5)]
    found = read(model, texts, [[0, 1], [2, 3]])
    alone = read(model, texts, [[0], [1], [2], [3]])
    for layer_and_text, states in found.states.items():
        assert close(states, alone.states[layer_and_text], BATCHES)
    for ours, theirs in zip(found.losses, alone.losses, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=LOSSES)

    hidden, last, logits = read_alone(model, texts[0])
    axis = found.decoder.stream_axis
    hidden = [states if axis is None else states.mean(dim=axis) for states in hidden[:-1]]
    first = 1 if model_type in WITHOUT_THE_INPUT else 0
    for layer, states in enumerate(hidden, start=first):
        assert close(alone.states[layer, 0], states[0].double().numpy(), LAYERS)
    assert layer == len(found.layers) - 2 - ("final" in found.layers) + first
    behind = "final" if "final" in found.layers else layer + 1 - first
    if model_type != "bigbird_pegasus":  # whose last norm bears another's name
        assert close(alone.states[behind, 0], last, LAYERS)
    for rows in (alone.states[layer, 0] for layer in found.layers):
        eigenvalues, _ = spectrum(rows)
        expected = by_singular_values(rows)
        assert matrix_entropy(eigenvalues) == pytest.approx(expected, abs=ENTROPY)

    expected = losses_of(logits, texts[0])
    np.testing.assert_allclose(alone.losses[0][1:], expected, rtol=0, atol=LOSSES)
    assert np.isnan(alone.losses[0][0])
    assert architecture_page.row(model_type, found) == architecture_page.rows()[model_type]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("model_type", [name for name in CHOSEN if name in NOT_RUN])
def test_what_cannot_be_run_says_why(model_type: str) -> None:
    with pytest.raises(Exception, match=NOT_RUN[model_type]["says"]):
        read(small_architectures.build(model_type), [np.arange(3, 20)], [[0]])
    assert architecture_page.row(model_type, None) == architecture_page.rows()[model_type]
