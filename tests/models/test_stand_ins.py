"""Stand-ins: seeded training, and what the built ones have learned."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import read_json
from matrix_entropy.configuration.stand_ins import STAND_INS
from matrix_entropy.models.anatomy import blocks_and_norm, context_window
from matrix_entropy.models.loading import load_model
from matrix_entropy.models.stand_ins import (
    CONFIGS,
    END_OF_TEXT,
    new_model,
    train_stand_in,
    train_tokenizer,
)
from matrix_entropy.texts.synthetic.grammar import stories

TRAIN = {
    "architecture": "gpt2",
    "corpus": "stories",
    "heads": 2,
    "vocabulary": 400,
    "context": 64,
    "block": 32,
    "batch": 2,
    "steps": 30,
    "learning_rate": 0.01,
    "seed": 3,
}
ARCHITECTURES = list(STAND_INS)
TEXTS = [story["text"] for story in stories(60)]


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return train_tokenizer(TEXTS, 400)


def train(folder: Path, tokenizer: Any, texts: list[str] = TEXTS, **changes: Any) -> dict:
    torch.set_num_threads(1)
    options = {"layers": 2, "width": 16, "train": TRAIN | changes}
    return train_stand_in("small", options, texts, tokenizer, folder)


def test_every_architecture_of_the_configuration_can_be_made() -> None:
    assert list(CONFIGS) == ARCHITECTURES


def test_the_tokenizer_reads_every_text_back(tokenizer: Any) -> None:
    assert len(tokenizer) == 400
    for text in [*TEXTS[:5], "Ünknown wörds — and “marks” 🦊"]:
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    assert tokenizer.bos_token == tokenizer.eos_token == END_OF_TEXT


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_training_is_seeded_and_learns(architecture: str, tokenizer: Any, tmp_path: Path) -> None:
    first = train(tmp_path / "first", tokenizer, architecture=architecture)
    second = train(tmp_path / "second", tokenizer, architecture=architecture)
    assert first["weights_sha256"] == second["weights_sha256"]
    curve = pd.read_csv(tmp_path / "first" / "loss.csv")
    # Better than a guess, and better at the end than halfway.
    assert curve["held_out_loss"].iloc[0] < math.log(len(tokenizer)) - 0.1
    assert curve["held_out_loss"].is_monotonic_decreasing
    assert first["held_out_loss"] == curve["held_out_loss"].iloc[-1]
    assert (tmp_path / "first" / "model.safetensors").exists()
    assert load_model(first, 2, 16, "float32")


def test_another_seed_gives_another_model(tokenizer: Any, tmp_path: Path) -> None:
    first = train(tmp_path / "first", tokenizer, steps=3)
    other = train(tmp_path / "other", tokenizer, steps=3, seed=4)
    assert first["weights_sha256"] != other["weights_sha256"]


def test_a_corpus_that_is_too_small_is_named(tokenizer: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"raise `count:` of the data set 'stories'"):
        train(tmp_path, tokenizer, texts=["A fox sang."])


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_the_stated_size_is_built(architecture: str, layers: int) -> None:
    model = new_model(TRAIN | {"architecture": architecture}, layers, 16, 400, 0)
    blocks, norm = blocks_and_norm(model)
    assert (len(blocks), norm is not None) == (layers, True)
    assert (model.config.vocab_size, context_window(model)) == (400, 64)
    assert {model.config.bos_token_id, model.config.eos_token_id} == {0}
    # Without dropout training mode changes nothing.
    ids = torch.arange(40)[None]
    torch.testing.assert_close(model.train()(ids).logits, model.eval()(ids).logits)


# Parameters of width d: matrices of a block in d², its vectors in d (biases, and two norms),
# matrices of the vocabulary, positions (OPT's are two more than stated), vectors of the last norm.
SHAPES = {
    "gpt2": (12, 13, 1, 64, 2),
    "gpt_neo": (12, 10, 1, 64, 2),
    "gpt_neox": (12, 13, 2, 0, 2),
    "opt": (12, 13, 1, 66, 2),
}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_parameters_are_counted_once(architecture: str, tokenizer: Any, tmp_path: Path) -> None:
    record = train(tmp_path, tokenizer, steps=1, architecture=architecture)
    matrices, vectors, vocabularies, positions, norm = SHAPES[architecture]
    blocks = 2 * (matrices * 16 + vectors) * 16
    assert record["parameters"] == blocks + (vocabularies * 400 + positions + norm) * 16
    assert f"{record['parameters']} parameters" in record["id"]


def test_gpt_neox_is_pythia_s_kind() -> None:
    config = new_model(TRAIN | {"architecture": "gpt_neox"}, 2, 16, 400, 0).config
    assert config.use_parallel_residual
    assert not config.tie_word_embeddings
    assert config.rope_parameters["partial_rotary_factor"] == 0.25


def test_every_token_of_opt_is_learned() -> None:
    """Its own configuration would keep token 1 at zero for padding."""
    model = new_model(TRAIN | {"architecture": "opt"}, 2, 16, 400, 0)
    embeddings = model.get_input_embeddings()
    assert embeddings.padding_idx is None
    assert (embeddings.weight.abs().sum(dim=1) > 0).all()


def test_larger_stand_ins_have_learned_more(miniature: Path) -> None:
    """On the models that the miniature scale built, within each architecture."""
    for family in (
        ["tinystories_3m", "tinystories_28m"],
        ["gpt2_small", "gpt2_medium", "gpt2_large"],
    ):
        found = [read_json(miniature / f"results/models/{name}.json") for name in family]
        losses = [record["held_out_loss"] for record in found]
        assert losses == sorted(losses, reverse=True)
        assert losses[0] - losses[-1] > 0.1
