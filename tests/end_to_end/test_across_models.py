"""Figures and tables across a user's own models, as typed: hub data set, shards, LoRA, accuracy."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from safetensors.numpy import load_file

import random_models
from commands import check_refusal, snakemake_for, with_changes
from matrix_entropy.base.files import read_json
from matrix_entropy.models.stand_ins import train_tokenizer
from matrix_entropy.texts.synthetic.genres import records

WIDTH = 48
SIZES = ("1K", "2K", "3K")


def configuration() -> dict[str, Any]:
    models = {
        f"model_{number}": {
            "path": f"model_{number}",
            "layers": 3,
            "width": WIDTH,
            "family": "Mine",
            "size": size,
            "parameters": 1000.0 * (number + 1),
            "extract": ["final"],
        }
        for number, size in enumerate(SIZES)
    }
    both = {"union": ["news", "questions"], "controls": [], "window_perplexity": True}
    tuned = {"rank": 2, "alpha": 4, "targets": ["c_attn"], "epochs": 3, "learning_rate": 0.01}
    return {
        "models": models,
        "datasets": {
            "news": {"hub": "org/news", "split": "train", "fields": ["title", "text"]},
            "questions": {"path": "piqa.jsonl", "record": "piqa", "task": "miniature_piqa"},
            "both": both,
            "both_in_shards": both | {"shards": 3},
            "training": {"union": ["news"], "controls": []},
        },
        "figures": {
            "sizes": {"kind": "scaling", "models": list(models), "dataset": "both"},
            "fresh": {
                "kind": "untrained",
                "models": list(models)[:2],
                "dataset": "both",
                "group": "news",
                "seeds": [1, 2],
            },
        },
        "tables": {
            "numbers": {"kind": "indicators", "models": list(models), "dataset": "both"},
            "tuning": {
                "kind": "lora",
                "models": ["model_0"],
                "dataset": "training",
                "lora": tuned,
            },
        },
    }


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    """A folder in which the figures and tables of `configuration` are built."""
    folder = tmp_path_factory.mktemp("mine")
    shutil.copy(root / "config.yaml", folder)
    news = list(records("wikipedia", 12, 1))
    questions = list(records("piqa", 10, 1))
    (folder / "piqa.jsonl").write_text("".join(json.dumps(q) + "\n" for q in questions))
    snapshot = folder / "hub/datasets--org--news/snapshots" / ("a" * 40)
    snapshot.mkdir(parents=True)
    pd.DataFrame(news).to_parquet(snapshot / "train-00000-of-00001.parquet")
    (folder / "hub/datasets--org--news/refs").mkdir()
    (folder / "hub/datasets--org--news/refs/main").write_text("a" * 40)
    texts = [text["text"] for text in news] + [question["goal"] for question in questions]
    tokenizer = train_tokenizer(texts, 400)
    for number in range(len(SIZES)):
        model = random_models.gpt2(seed=number, vocabulary=len(tokenizer), context=256)
        model.save_pretrained(folder / f"model_{number}")
        tokenizer.save_pretrained(folder / f"model_{number}")
    (folder / "mine.yaml").write_text(yaml.safe_dump(configuration()))
    done = snakemake_for(
        root,
        folder,
        *("figures/sizes.pdf", "figures/fresh.pdf"),
        *("results/tables/numbers.csv", "results/tables/tuning.csv"),
        "results/metrics/model_0/both_in_shards.parquet",
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return folder


def test_the_figure_draws_the_summaries(built: Path) -> None:
    drawn = pd.read_csv(built / "figures/sizes.csv")
    assert sorted(set(drawn["dataset"])) == ["news", "questions"]
    for model in range(len(SIZES)):
        path = built / f"results/metrics/model_{model}/both.summary.csv"
        summary = pd.read_csv(path).set_index("group")
        rows = drawn[drawn["model"] == f"model_{model}"].set_index("dataset")
        for dataset in ("news", "questions"):
            for column in ("entropy_a", "loss", "ppl_token", "ppl_windows"):
                assert rows.loc[dataset, column] == pytest.approx(summary.loc[dataset, column])
    fits = pd.read_csv(built / "figures/sizes.fits.csv")
    assert {"power law", "power law with offset"} <= {*fits["kind"]} or len(fits) > 4
    assert all((built / f"figures/{name}.png").exists() for name in ("sizes", "fresh"))


def test_shards_change_nothing(built: Path) -> None:
    whole, shards = (
        pd.read_parquet(built / f"results/metrics/model_0/{name}.parquet")
        for name in ("both", "both_in_shards")
    )
    assert whole["id"].tolist() == shards["id"].tolist()
    np.testing.assert_allclose(
        whole["matrix_entropy"], shards["matrix_entropy"], rtol=1e-5, atol=1e-5
    )
    np.testing.assert_allclose(whole["loss"], shards["loss"], rtol=1e-5)
    summaries = [
        pd.read_csv(built / f"results/metrics/model_0/{name}.summary.csv")["ppl_windows"]
        for name in ("both", "both_in_shards")
    ]
    np.testing.assert_allclose(*summaries, rtol=1e-5)
    assert len(list((built / "results/spectra/model_0").glob("both_in_shards.*of3.npz"))) == 3


def test_hidden_states_of_shards_are_gone(built: Path) -> None:
    assert not list((built / "results/hidden_states").rglob("*.npy"))


def test_the_table_holds_accuracy_beside_the_indicators(built: Path) -> None:
    table = pd.read_csv(built / "results/tables/numbers.csv")
    accuracy = table[table["indicator"] == "accuracy"].set_index("model")["value"]
    assert list(accuracy.index) == ["model_0", "model_1", "model_2"]
    for model, value in accuracy.items():
        found = read_json(built / f"results/accuracy/{model}/both.json")["accuracies"]
        assert found["questions"]["accuracy"] == value
        assert found["questions"]["questions"] == 10
    text = (built / "results/tables/numbers.md").read_text()
    assert "Accuracy" in text
    assert "tand-in" not in text
    assert r"\toprule" in (built / "results/tables/numbers.tex").read_text()


def test_fine_tuning_lowers_the_loss_and_its_adapter_is_kept(built: Path) -> None:
    table = pd.read_csv(built / "results/tables/tuning.csv").set_index(["indicator", "variant"])
    assert table.loc[("loss", "lora"), "value"] < table.loc[("loss", "base"), "value"] - 0.05
    entropies = table.loc["matrix_entropy", "value"]
    assert entropies["lora"] != entropies["base"]
    adapter = load_file(built / "results/models/model_0_lora_news/adapter_model.safetensors")
    assert all("c_attn" in name for name in adapter)
    record = read_json(built / "results/models/model_0_lora_news.json")
    assert record["training"]["rank"] == 2


def test_fresh_weights_differ_by_their_seed(built: Path) -> None:
    values = [
        pd.read_csv(built / f"results/metrics/model_0_untrained_{seed}/news.summary.csv")
        for seed in (1, 2)
    ]
    assert values[0].loc[0, "matrix_entropy"] != values[1].loc[0, "matrix_entropy"]
    drawn = pd.read_csv(built / "figures/fresh.csv")
    assert drawn["seeds"].tolist() == [2, 2]


def test_the_hub_data_set_is_recorded_with_its_commit(built: Path) -> None:
    origin = read_json(built / "results/prompts/news.origin.json")
    assert origin["commit"] == "a" * 40
    assert origin["texts"] == 12


def wrong(news: dict[str, Any], both: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Data sets that cannot be had, or not be measured, of two that can."""
    return {
        "nothing_left": both | {"min_tokens": 100_000},
        "too_many_shards": {"path": "two.jsonl", "controls": [], "shards": 3},
        "other_revision": news | {"revision": "other"},
        "other_split": news | {"split": "exam"},
        "other_field": news | {"fields": ["headline"]},
    }


BAD = {
    "results/tables/tuning.csv": ["q_proj", "c_attn"],
    "results/metrics/model_0/nothing_left.parquet": ["none of the 22 texts has the 100000 tokens"],
    "results/metrics/model_0/too_many_shards.parquet": ["2 texts cannot be spread over 3 shards"],
    "results/prompts/other_revision.jsonl": ["org/news, revision other"],
    "results/prompts/other_split.jsonl": ["exam", "train"],
    "results/prompts/other_field.jsonl": ["headline", "title"],
}


@pytest.fixture(scope="module")
def refused(
    built: Path, root: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[subprocess.CompletedProcess[str], Path]:
    """A run that is asked for everything that is wrong, and goes on; and its folder."""
    folder = tmp_path_factory.mktemp("wrong") / "mine"
    left_out = (".snakemake", "figures", "tables", "metrics")
    shutil.copytree(built, folder, ignore=shutil.ignore_patterns(*left_out))
    mine = with_changes(configuration(), {"tables.tuning.lora.targets": ["q_proj"]})
    datasets = mine["datasets"]
    datasets |= wrong(datasets["news"], datasets["both"])
    (folder / "two.jsonl").write_text('{"text": "One fox sang."}\n{"text": "Two slept."}\n')
    (folder / "mine.yaml").write_text(yaml.safe_dump(mine))
    return snakemake_for(root, folder, *BAD, "--keep-going", "--forcerun", "train_lora"), folder


@pytest.mark.parametrize("target", BAD)
def test_bad_input_ends_with_a_sentence(
    refused: tuple[subprocess.CompletedProcess[str], Path], target: str
) -> None:
    check_refusal(*refused, target, BAD[target])


def test_no_number_of_parameters(built: Path, root: Path, tmp_path: Path) -> None:
    mine = with_changes(configuration(), {"models.model_0.parameters": None})
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(mine))
    shutil.copy(built / "config.yaml", tmp_path)
    target, told = "figures/sizes.pdf", "needs the number of parameters of 'model_0'"
    check_refusal(snakemake_for(root, tmp_path, target, "-n"), tmp_path, target, [told])
