"""What targets need from the hub, and what is left to fetch by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from commands import snakemake
from matrix_entropy import prefetch
from matrix_entropy.configuration import checked
from matrix_entropy.errors import InputError
from matrix_entropy.files import write_json
from matrix_entropy.hub_hashes import Stated
from matrix_entropy.hub_models import PICKLED, WANTED, needed_patterns

COMMIT = "0" * 40


@pytest.fixture(scope="module")
def config(root: Path) -> dict[str, Any]:
    """The configuration at full size."""
    return checked(yaml.safe_load((root / "config.yaml").read_text()))


def needed(config: dict[str, Any], *targets: str) -> dict[str, set[str]]:
    """What is to be fetched for what, by what the configuration calls it."""
    found: dict[str, set[str]] = {}
    for need in prefetch.needs(config | {"targets": list(targets)}):
        found.setdefault(need.name, set()).add(need.use)
    return found


def test_a_figure_needs_its_model_and_a_data_set_on_the_hub(config: dict[str, Any]) -> None:
    assert needed(config, "fig10_gpt2_large_world") == {"gpt2_large": {"model"}}
    found = needed(config, "layers_gpt2_small_dolly_15k")
    assert found == {"gpt2_small": {"model"}, "dolly_15k": {"texts"}}


def test_accuracies_need_whole_data_sets(config: dict[str, Any]) -> None:
    found = needed(config, "wei_table1_benchmarks")
    assert found["openbookqa"] == {"texts", "benchmark"}
    assert "benchmark" not in needed(config, "wei_table8_cerebras").get("wikipedia", set())


def test_models_put_together_and_records_about_images(config: dict[str, Any]) -> None:
    found = needed(config, "wei_table5_mllm")
    assert found["llama_2_7b_chat"] == {"model"}
    assert found["detail_23k"] == {"image records"}
    assert "minigpt_v2_7b" not in found


def test_everything_is_needed_without_targets(config: dict[str, Any]) -> None:
    assert {"gpt2_small", "pythia_12b", "openorca"} <= set(needed(config))


def test_what_is_fetched_by_hand_is_listed_with_addresses(
    config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = prefetch.by_hand(config)
    assert len(lines) == 3
    assert all("http" in line for line in lines)
    (tmp_path / "fetched/coco/train2017").mkdir(parents=True)
    assert not any("coco" in line for line in prefetch.by_hand(config))
    assert prefetch.by_hand(config | {"targets": ["liang2024"]}) == []


def test_pickles_are_wanted_only_where_nothing_else_is() -> None:
    model = {"hub": "a/b", "convert_weights": True}
    safe, pickled = ["config.json", "model.safetensors", "a.bin"], ["config.json", "a.bin"]
    assert needed_patterns("mine", model, safe) == WANTED
    assert needed_patterns("mine", model, pickled) == [*WANTED, PICKLED]
    # Weights in a subfolder are another format's.
    assert PICKLED in needed_patterns("mine", model, ["onnx/model.safetensors", "a.bin"])
    with pytest.raises(InputError, match="`convert_weights: true`"):
        needed_patterns("mine", model | {"convert_weights": False}, pickled)


def test_of_a_gguf_repository_one_file_is_wanted() -> None:
    model = {"hub": "a/b", "gguf": "m.Q4_1.gguf", "convert_weights": False}
    files = ["README.md", "m.Q4_1.gguf", "m.Q8_0.gguf", "model.safetensors"]
    assert needed_patterns("mine", model, files) == ["m.Q4_1.gguf"]
    with pytest.raises(InputError, match=r"its GGUF files are: m\.Q4_1\.gguf, m\.Q8_0\.gguf;"):
        needed_patterns("mine", model | {"gguf": "m.Q2_K.gguf"}, files)


def test_content_that_another_revision_brought_is_not_to_come(tmp_path: Path) -> None:
    folder = tmp_path / "snapshots" / COMMIT
    folder.mkdir(parents=True)
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / "aa").write_bytes(b"weights")
    (folder / "here.json").write_text("{}")
    files = {
        "same.bin": Stated(7, "sha256", "aa"),
        "here.json": Stated(2, "git_blob", "bb"),
        "new.json": Stated(5, "git_blob", "cc"),
    }
    repository = prefetch.Repository(("model", "a/b", "main"), "mine", folder, ["*"], files)
    assert repository.missing() == {"new.json": 5}


def test_models_of_another_commit_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    key: prefetch.Key = ("model", "a/b", "main")
    repository = prefetch.Repository(key, "mine", Path(COMMIT), [], {})
    config = {"models": {"mine": {"hub": "a/b"}, "other": {"path": "model"}}}
    assert prefetch.other_commits(config, [repository]) == []
    write_json("results/models/mine.json", {"commit": "1" * 40})
    (line,) = prefetch.other_commits(config, [repository])
    assert "results/models/mine.json was made with commit 111" in line
    assert "delete it" in line
    write_json("results/models/mine.json", {"commit": COMMIT})
    assert prefetch.other_commits(config, [repository]) == []


def test_a_disk_that_is_too_small(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has only"):
        prefetch._check_room(10**18)


def test_without_a_hub_there_is_nothing_to_download(root: Path) -> None:
    done = snakemake(root, "prefetch", "--directory", str(root / "miniature"))
    assert done.returncode == 0, done.stderr
    assert "nothing to download" in done.stderr


def test_a_target_that_is_none(root: Path) -> None:
    done = snakemake(root, "prefetch", "--config", "targets=[wei2025]")
    assert done.returncode != 0
    assert "`targets:` names 'wei2025'" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
