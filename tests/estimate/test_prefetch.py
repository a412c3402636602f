"""What targets need from the hub, and what is left to fetch by hand."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from commands import snakemake
from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import write_json
from matrix_entropy.configuration.checking import checked
from matrix_entropy.estimate import prefetch
from matrix_entropy.estimate.fetched_by_hand import by_hand, waiting
from matrix_entropy.estimate.image_prefetch import fetch_images, images_to_come
from matrix_entropy.estimate.text_sizes import image_bytes
from matrix_entropy.sources.hashes import Stated
from matrix_entropy.sources.hub_models import PICKLED, WANTED, needed_patterns

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
    checkpoint, llama = by_hand(config)
    assert "minigpt_v2/checkpoint_stage3.pth (from https://drive.google.com/" in checkpoint
    assert "huggingface.co/meta-llama/Llama-2-7b-chat-hf" in llama
    assert all("without it there is no wei_table5_mllm" in line for line in (checkpoint, llama))
    assert by_hand(config | {"targets": ["liang2024"]}) == []
    told = "; ".join(line.partition("; without")[0] for line in (checkpoint, llama))
    assert waiting(config) == {"wei_table5_mllm": told}
    assert waiting(config | {"archive": "results.zip"}) == {}
    monkeypatch.setenv("HF_TOKEN", "hf_mine")
    assert by_hand(config) == [checkpoint]
    # Of what was made of it, nobody has to keep the file.
    write_json("results/models/minigpt_v2_7b.made_of.json", {})
    assert by_hand(config) == []
    assert waiting(config) == {}
    mine = {"record": "cc_sbu_align", "path": "cap.json", "images": "image", "fetch_from": "a.org"}
    (line,) = by_hand(config | {"datasets": config["datasets"] | {"cc_sbu_align": mine}})
    assert line.startswith("data set 'cc_sbu_align' needs cap.json and image (from a.org); without")


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
    """What comes into several folders of a disk has to fit together."""
    half = 0.6 * shutil.disk_usage(tmp_path).free
    prefetch.check_room({tmp_path / "cache": half})
    with pytest.raises(InputError, match=r"into \S+cache and \S+images, but .* has only"):
        prefetch.check_room({tmp_path / "cache": half, tmp_path / "images": half})


def test_room_for_tables_that_are_made_of_json(
    config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever they are: the other cache may be on another disk, and takes nothing of this one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "tables")
    sizes = {"a.json": 100, "b.json.gz": 10, "c.parquet": 1000, "README.md": 7}
    files = {path: Stated(size, "sha256", path) for path, size in sizes.items()}
    key: prefetch.Key = ("dataset", "org/texts", "main")
    repository = prefetch.Repository(key, "texts", tmp_path / "hub/a/snapshots/b", [], files)
    monkeypatch.setattr(prefetch, "planned", lambda _: ([repository], {}))
    seen: list[dict[Path, float]] = []

    def no_room(to_come: dict[Path, float]) -> None:
        seen.append(to_come)
        raise InputError("no room")

    monkeypatch.setattr(prefetch, "check_room", no_room)
    with pytest.raises(InputError, match="no room"):
        prefetch.prefetch(config | {"targets": ["wei_table1_benchmarks"]})
    assert list(seen[0].values()) == [1117, 130]
    assert list(seen[0])[1] == tmp_path / "tables"
    write_json("results/prompts/texts.jsonl", {})
    assert prefetch.table_bytes([repository]) == 0


def test_room_for_images_that_are_fetched(
    config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "fetched/coco/train2017"
    assert images_to_come(config) == {"detail_23k": (folder, pytest.approx(4e9, rel=0.1))}
    folder.mkdir(parents=True)
    for number in range(10):
        (folder / f"{number}.jpg").touch()
    there = image_bytes("detail_23k", config) - images_to_come(config)["detail_23k"][1]
    assert there == pytest.approx(10 * 170_000)
    assert image_bytes("cc_sbu_align", config) == pytest.approx(2 * 29.2e6, rel=0.1)


def test_images_that_are_not_to_be_had_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """All else is fetched before the end says so."""
    mine = {"path": "talks.json", "record": "llava_instruct", "images": "images"}
    mine |= {"images_url": "http://127.0.0.1:9"}
    fetched = {"datasets": {"mine": mine, "mine_too": mine}}
    assert fetch_images(fetched, ["mine", "mine_too"]) == 2
    assert caplog.text.count("there is no such file") == 2


def test_without_a_hub_there_is_nothing_to_download(root: Path) -> None:
    done = snakemake(root, "prefetch", "--directory", str(root / "miniature"))
    assert done.returncode == 0, done.stderr
    assert "nothing to download" in done.stderr


def test_a_target_that_is_none(root: Path) -> None:
    done = snakemake(root, "prefetch", "--config", "targets=[wei2025]")
    assert done.returncode != 0
    assert "`targets:` names 'wei2025'" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
