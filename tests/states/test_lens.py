"""The entropy that the output matrix reads off the states between blocks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

import matrix_entropy as me
import random_models
import small_architectures
from matrix_entropy.base.errors import InputError
from matrix_entropy.maths.entropy import entropy_terms
from matrix_entropy.models.anatomy import blocks_and_norm
from matrix_entropy.models.stand_ins import train_tokenizer
from matrix_entropy.results.spectra_file import compute_spectra
from matrix_entropy.states import lens as module
from matrix_entropy.states.hidden_states import dump_hidden_states
from matrix_entropy.states.lens import Lens
from matrix_entropy.states.token_losses import Decoder
from short_texts import OPTIONS, short_texts

TEXTS = short_texts(5, 3)
# Float32 by two routes differs by less than 1e-6 of the entropy over all architectures.
SAME = 1e-5


def entropies_of(logits: torch.Tensor) -> np.ndarray:
    """Of every row, in float64."""
    shares = logits.double().softmax(dim=-1).numpy()
    return np.array([entropy_terms(row).sum() for row in shares])


def read(model: Any, ids: torch.Tensor) -> tuple[dict[Any, torch.Tensor], torch.Tensor]:
    """States of some layers (tokens, width), and the model's logits."""
    states: dict[Any, torch.Tensor] = {}
    layers = [1, len(blocks_and_norm(model).blocks), "final"]
    decoder = Decoder(model, with_losses=False, layers=layers)
    with torch.inference_mode(), decoder.watched(ids, layers, states.__setitem__):
        logits = model(input_ids=ids, use_cache=False).logits[0]
    return {layer: of_layer[0] for layer, of_layer in states.items()}, logits


# The last three cap the logits or scale them.
@pytest.mark.parametrize("name", ["gpt2", "gemma2", "cohere", "granite"])
def test_behind_the_last_block_it_is_of_the_models_own_prediction(name: str) -> None:
    model = small_architectures.build(name)
    ids = torch.arange(3, 33)[None]
    states, logits = read(model, ids)
    lens = Lens(Decoder(model, with_losses=False), name)
    for layer in list(states)[1:]:
        found = lens.entropies(states[layer], layer)
        np.testing.assert_allclose(found, entropies_of(logits), rtol=SAME)
    with torch.inference_mode():
        bare = entropies_of(model.get_output_embeddings()(states["final"]))
    assert np.allclose(bare, entropies_of(logits), rtol=SAME) == (name == "gpt2")
    # And the model is as it was.
    assert torch.equal(read(model, ids)[1], logits)


def test_between_blocks_it_is_norm_and_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    """Written out for Llama; and in parts it is the same."""
    model = random_models.llama()
    states, _ = read(model, torch.arange(60)[None])
    rows = states[1].double().numpy()
    gain, matrix = (
        parameter.detach().double().numpy()
        for parameter in (model.model.norm.weight, model.lm_head.weight)
    )
    squares = (rows**2).mean(axis=1, keepdims=True) + model.config.rms_norm_eps
    expected = entropies_of(torch.from_numpy((rows / np.sqrt(squares) * gain) @ matrix.T))
    lens = Lens(Decoder(model, with_losses=False), "llama")
    np.testing.assert_allclose(lens.entropies(states[1], 1), expected, rtol=SAME)
    monkeypatch.setattr(module, "LOGITS_BYTES", 1)
    np.testing.assert_allclose(lens.entropies(states[1], 1), expected, rtol=SAME)
    assert lens.entropies(states[1][:0], 1).shape == (0,)
    assert expected.max() < np.log(len(matrix))


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("bart", "has no last normalisation and output matrix that are known here"),
        (
            "gemma3n_text",
            "makes its logits of something else than the states behind its last block",
        ),
    ],
)
def test_a_model_without_a_lens_is_refused(name: str, why: str) -> None:
    decoder = Decoder(small_architectures.build(name), with_losses=False, streams="mean")
    with pytest.raises(InputError, match=f"'{name}' {why}.*`lens_entropy`"):
        Lens(decoder, name)


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return train_tokenizer([text["text"] for text in TEXTS], 290)


def test_a_text_has_the_mean_of_its_rows(
    tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    """Texts one by one by transformers' own states, against batches; centring does not reach it."""
    random_models.save("llama", tmp_path / "model", tokenizer, front=200)
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    table = me.measure(
        tmp_path / "model", [text["text"] for text in TEXTS], measures=["lens_entropy"],
        losses=False, bos=True, center_features=True, progress=False,
    )  # fmt: skip
    found = table.pivot(index="layer", columns="id", values="lens_entropy")
    for text in TEXTS:
        ids = [tokenizer.bos_token_id, *tokenizer(text["text"])["input_ids"]]
        with torch.inference_mode():
            run = model(torch.tensor([ids]), output_hidden_states=True)
            # transformers' last hidden states are normalised already.
            logits = [model.lm_head(model.model.norm(of)) for of in run.hidden_states[:-1]]
        expected = [entropies_of(of[0]).mean() for of in (*logits, run.logits)]
        layers = [*map(str, range(len(logits))), "final"]
        np.testing.assert_allclose(found.loc[layers, text["id"]], expected, rtol=SAME)


def test_written_states_have_it_only_from_the_run(
    tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    record = random_models.save("gpt2", tmp_path / "model", tokenizer, front=200)
    said = {"model": record, "dataset": {"name": "texts"}, "options": OPTIONS}
    dump_hidden_states(record, OPTIONS, {}, TEXTS, [1, "final"], tmp_path / "states", said)
    with pytest.raises(InputError, match=r"written without the measure 'lens_entropy'.* run again"):
        compute_spectra(tmp_path / "states", [1], [], None, measures=["lens_entropy"])
    reading = {"measures": ["lens_entropy"], "token_losses": False}
    dump_hidden_states(record, OPTIONS, reading, TEXTS, [1, "final"], tmp_path / "with", said)
    both = [
        compute_spectra(tmp_path / "with", layers, [], None, measures=["lens_entropy"]).measured
        for layers in ([1, "final"], ["final"])
    ]
    np.testing.assert_array_equal(both[0][:, 1:], both[1])
    assert np.isfinite(both[0]).all()
