"""What targets need, from the two configurations of the repository."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from commands import snakemake
from matrix_entropy.base.errors import InputError
from matrix_entropy.configuration import targets
from matrix_entropy.configuration.checking import checked
from matrix_entropy.estimate.fetched_by_hand import by_hand


@pytest.fixture(scope="module", params=["config.yaml", "miniature/config.yaml"])
def config(request: pytest.FixtureRequest, root: Path) -> dict[str, Any]:
    return checked(yaml.safe_load((root / request.param).read_text()))


def test_without_targets_everything_is_meant(config: dict[str, Any]) -> None:
    assert targets.chosen(config) == config["figures"] | config["tables"]


def test_papers_names_and_files(config: dict[str, Any]) -> None:
    name = "fig10_gpt2_large_world"
    for target in (name, f"figures/{name}.pdf", f"figures/{name}.png"):
        assert targets.chosen(config | {"targets": [target]}) == {name: config["figures"][name]}
    table = "wei_table8_cerebras"
    chosen = targets.chosen(config | {"targets": [f"results/tables/{table}.csv", "tan2024"]})
    assert set(chosen) == {table} | {
        key
        for key, entry in (config["figures"] | config["tables"]).items()
        if entry.get("paper") == "tan2024"
    }


def test_what_needs_images_is_apart(config: dict[str, Any]) -> None:
    apart, rest = (config | {"targets": [name]} for name in ("wei2024_multimodal", "wei2024"))
    names = ["wei_table5_mllm", "wei_table6_image_operations", "wei_image_data_sets"]
    assert sorted(targets.chosen(apart)) == sorted(names)
    assert not targets.chosen(rest).keys() & set(names)
    assert by_hand(rest) == []
    papers = [entry.get("paper") for entry in (config["figures"] | config["tables"]).values()]
    assert len(targets.chosen(apart) | targets.chosen(rest)) == papers.count("wei2024")


def test_layers_of_any_model_and_data_set(config: dict[str, Any]) -> None:
    chosen = targets.chosen(config | {"targets": ["figures/layers_gpt2_small_child_matched.pdf"]})
    (entry,) = chosen.values()
    assert targets.needed_runs(entry, config) == [("gpt2_small", "child_matched")]


def test_blocks_that_are_not_extracted_are_told_before_a_model_runs(
    config: dict[str, Any], root: Path
) -> None:
    target = "figures/layers_cerebras_1_3b_dolly_15k.pdf"
    told = "needs those of model 'cerebras_1_3b', whose `extract:` has none; write `extract: all`"
    with pytest.raises(InputError, match=re.escape(told)):
        targets.chosen(config | {"targets": [target]})
    done = snakemake(root, "-n", target)
    assert done.returncode != 0
    assert told in done.stderr + done.stdout


def test_an_unknown_target_is_named(config: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=re.escape("figures/fig99.pdf")):
        targets.chosen(config | {"targets": ["figures/fig99.pdf"]})


def test_needs_of_an_entry(config: dict[str, Any]) -> None:
    table = config["tables"]["wei_table1_benchmarks"]
    runs = targets.needed_runs(table, config)
    assert {model for model, _ in runs} == set(table["models"])
    needed = targets.needed_datasets(table, config)
    assert set(config["datasets"][table["dataset"]]["union"]) < set(needed)
    assert targets.needed_models(table, config) == table["models"]
    written = {"model": "gpt2_small", "dataset": "child_written"}
    assert targets.needed_models(written, config) == ["gpt2_small", "gpt2_large"]


def test_a_drawing_of_models_needs_none_of_them(config: dict[str, Any]) -> None:
    for entry in (
        config["figures"]["wei_fig4_mllm_schematic"],
        config["tables"]["wei_table4_mllm"],
    ):
        assert targets.needed_models(entry, config) == []


def test_a_model_put_together_needs_its_language_model() -> None:
    parts = {"minigpt_v2": {"language_model": "llama"}}
    config = {"models": {"made": parts, "llama": {}}, "datasets": {"pictures": {}}}
    entry = {"models": ["made"], "dataset": "pictures"}
    assert targets.needed_models(entry, config) == ["made", "llama"]


def test_checkpoints_on_the_hub_are_left_to_the_jobs_that_measure_them(
    config: dict[str, Any],
) -> None:
    asked = config | {"targets": ["pythia_trajectory"]}
    (entry,) = targets.chosen(asked).values()
    on_hub = [name for name in entry["models"] if "revisions" in config["models"][name]]
    assert targets.seen_learning(asked) == on_hub
    assert targets.needed_models(entry, asked) == [m for m in entry["models"] if m not in on_hub]
    runs = targets.needed_runs(entry, asked)
    assert len(runs) == len(entry["models"]) * len(entry["steps"])
    assert runs[1] == (f"{entry['models'][0]}_step_1", entry["dataset"])
