"""A user's own models on sentences and texts, as typed: maps, tokens, information gain."""

from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

import random_models
from commands import check_refusal, snakemake_for, with_changes
from matrix_entropy.figures.kinds.token_selection import lasso_weights
from matrix_entropy.maths.distances import log_det_js_distance, prepared
from matrix_entropy.maths.information_gain import (
    cholesky_diagonal,
    information_gains,
    kernel_matrix,
)
from matrix_entropy.models.stand_ins import train_tokenizer
from matrix_entropy.results.gain_file import Gains, gathered_gains
from matrix_entropy.results.sentences_file import Sentences
from matrix_entropy.texts.synthetic.genres import records

SIZES = ("1K", "2K")
TARGETS = ["results/tables/picks.csv", "figures/map.pdf", "figures/gains.pdf"]


def configuration() -> dict[str, Any]:
    models = {
        f"model_{number}": {
            "path": f"model_{number}",
            "layers": 3,
            "width": 48,
            "family": "Mine",
            "size": size,
            "parameters": 1000.0 * (number + 1),
            "extract": [2, "final"],
        }
        for number, size in enumerate(SIZES)
    }
    gain = {"tokens": 20, "noise": 0.05}
    gains = {"kind": "information_gain", "models": list(models), "information_gain": gain}
    return {
        "hidden_states": "keep",
        "models": models,
        "datasets": {
            "news": {"path": "news.jsonl", "controls": [], "token_losses": False},
            "news_in_shards": {"union": ["news"], "controls": [], "shards": 2},
            "weather": {
                "sentences": {
                    "contexts": {"plain": "", "rain": "It rained in", "sun": "The sun shone in"},
                    "words": ["Oslo.", "Lima.", "Cairo.", "Delhi."],
                }
            },
            "said": {"sentences": {"contexts": {"one": "It rained. It rained in Oslo all day."}}},
        },
        "figures": {
            "map": {
                "kind": "sentence_map",
                "model": "model_0",
                "dataset": "weather",
                "sentence_map": {
                    "measures": ["token_mean", "log_det_js", "riemannian"],
                    "umap": {"neighbours": 4},
                },
            },
            "gains": gains | {"dataset": "news"},
            "gains_in_shards": gains | {"models": ["model_0"], "dataset": "news_in_shards"},
        },
        "tables": {
            "picks": {
                "kind": "token_selection",
                "model": "model_0",
                "dataset": "said",
                "token_selection": {"tokens": ["Oslo", "rained"], "attention_block": 2, "layer": 2},
            }
        },
    }


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    """A folder in which all of `configuration` is built."""
    folder = tmp_path_factory.mktemp("mine")
    shutil.copy(root / "config.yaml", folder)
    news = [record["text"] for record in records("wikipedia", 12, 1)]
    news.append("It rained.")
    (folder / "news.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in news))
    said = [word for entry in configuration()["datasets"].values() for word in str(entry).split()]
    tokenizer = train_tokenizer([*news, " ".join(said)] * 3, 400)
    for number in range(len(SIZES)):
        model = random_models.gpt_neox(seed=number, vocabulary=len(tokenizer), context=512)
        model.save_pretrained(folder / f"model_{number}")
        tokenizer.save_pretrained(folder / f"model_{number}")
    (folder / "mine.yaml").write_text(yaml.safe_dump(configuration()))
    done = snakemake_for(root, folder, *TARGETS, "figures/gains_in_shards.pdf")
    assert done.returncode == 0, done.stderr[-4000:]
    return folder


def test_information_gain_is_that_of_the_states(built: Path) -> None:
    """Kept hidden states give the figure's numbers by one determinant for every prefix."""
    folder = built / "results/hidden_states/model_1/news"
    states = np.load(folder / "layer_final.npy")
    with np.load(folder / "tokens.npz") as tokens:
        offsets = tokens["offsets"]
    gains = []
    for start, end in itertools.pairwise(offsets):
        if end - start >= 20:
            rows = states[start : start + 20].astype(np.float64)
            rows /= np.linalg.norm(rows, axis=1, keepdims=True)
            matrices = (np.eye(t) + rows[:t] @ rows[:t].T / 0.05**2 for t in range(1, 21))
            gains.append([0.5 * np.linalg.slogdet(matrix)[1] for matrix in matrices])
    drawn = pd.read_csv(built / "figures/gains.csv")
    curve = drawn[drawn["model"] == "model_1"]
    assert curve["tokens"].tolist() == list(range(1, 21))
    assert set(curve["texts"]) == {len(gains)} == {12}
    assert set(curve["left_out"]) == {1}
    np.testing.assert_allclose(curve["gain"], np.mean(gains, axis=0), rtol=1e-8)
    np.testing.assert_allclose(curve["gain_per_width"], np.mean(gains, axis=0) / 48, rtol=1e-8)


def test_shards_have_the_same_information_gain(built: Path) -> None:
    whole, shards = (
        pd.read_csv(built / f"figures/{name}.csv") for name in ("gains", "gains_in_shards")
    )
    whole = whole[whole["model"] == "model_0"]
    assert whole["texts"].tolist() == shards["texts"].tolist()
    assert whole["left_out"].tolist() == shards["left_out"].tolist()
    np.testing.assert_allclose(whole["gain"], shards["gain"], rtol=1e-5)
    parts = sorted((built / "results/information_gain/gains_in_shards/model_0").glob("*.npz"))
    assert len(parts) == 2
    assert len(gathered_gains([Gains.load(path) for path in parts]).ids) == 12


def test_a_map_draws_the_distances_of_its_sentences(built: Path) -> None:
    sentences = Sentences.load(built / "results/sentences/model_0/weather.npz")
    assert len(sentences.ids) == 12
    pairs = pd.read_csv(built / "figures/map.distances.csv")
    assert set(pairs["measure"]) == {"token_mean", "log_det_js", "riemannian"}
    rows = [sentences.rows(number, "final") for number in range(12)]
    of_pair = pairs[pairs["measure"] == "token_mean"].iloc[0]
    place = {str(text): number for number, text in enumerate(sentences.texts)}
    first, second = (place[str(of_pair[key])] for key in ("first", "second"))
    means = [rows[number].astype(np.float64).mean(axis=0) for number in (first, second)]
    assert of_pair["distance"] == pytest.approx(np.linalg.norm(means[0] - means[1]), rel=1e-6)
    of_pair = pairs[pairs["measure"] == "log_det_js"].iloc[-1]
    first, second = (place[str(of_pair[key])] for key in ("first", "second"))
    expected = log_det_js_distance(prepared(rows[first]), prepared(rows[second]), 100.0)
    assert of_pair["distance"] == pytest.approx(expected, rel=1e-6)
    points = pd.read_csv(built / "figures/map.csv")
    assert len(points) == 3 * 2 * 12
    assert points[["x", "y"]].notna().all(axis=None)


def test_the_table_of_tokens_says_which_occurrence_is_taken(built: Path) -> None:
    table = pd.read_csv(built / "results/tables/picks.csv", dtype=str)
    assert "2 of 2" in table.to_string(), "the second `rained`"
    weights = pd.read_csv(built / "figures/picks.csv")
    sentences = Sentences.load(built / "results/sentences/model_0/said.npz")
    for target, part in weights.groupby("target"):
        position = int(part["target_position"].iloc[0])
        assert str(target).endswith(sentences.words(0)[position].strip())
        part = part.sort_values("position")
        before = part[part["position"] < position]
        rows = sentences.rows(0, 2).astype(np.float64)
        found = lasso_weights(rows[:position], rows[position], 1e-4)
        np.testing.assert_allclose(before["lasso"], found, atol=1e-8)
        np.testing.assert_allclose(
            before["attention"], sentences.attention_of(0, 2)[position, :position], atol=1e-8
        )
    assert all((built / f"figures/picks{end}").exists() for end in (".pdf", ".png"))


def test_the_library_gives_what_the_workflow_keeps(built: Path) -> None:
    """Arrays in, numbers out: the diagonal in the file is that of the rows."""
    sentences = Sentences.load(built / "results/sentences/model_0/said.npz")
    rows = sentences.rows(0, "final")
    diagonal = cholesky_diagonal(kernel_matrix(rows, "cosine"), 0.05)
    assert (np.diff(information_gains(diagonal)) > 0).all()


WRONG = {
    "tables.picks.token_selection.tokens": ["Paris"],
    "figures.gains.information_gain.tokens": 500,
    "figures.map.sentence_map.ridge": 0,
}
BAD = {
    "results/tables/picks.csv": [
        "sentence 'one' has no token 'Paris', but [I]",
        "correct `tokens:`",
    ],
    "figures/gains.pdf": ["no text has 500 tokens", "lower `tokens:`"],
    "figures/map.pdf": ["sentence 'Oslo.' (", "set `ridge:"],
}


def test_bad_input_ends_with_a_sentence(built: Path, root: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    made = (".snakemake", "figures", "tables", "information_gain")
    shutil.copytree(built, folder, ignore=shutil.ignore_patterns(*made))
    (folder / "mine.yaml").write_text(yaml.safe_dump(with_changes(configuration(), WRONG)))
    done = snakemake_for(root, folder, *BAD, "--keep-going")
    for target, told in BAD.items():
        check_refusal(done, folder, target, told)
