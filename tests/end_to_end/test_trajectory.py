"""A model on a hub while it learnt: every checkpoint is fetched, measured and removed."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from transformers import GPTNeoXForCausalLM

import matrix_entropy as me
from commands import snakemake_for
from hub_server import Hub, ask_it, running_hub
from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import read_json
from matrix_entropy.models.checkpoints import checkpoint_on_hub, fetched
from matrix_entropy.models.resolving import resolve_hub
from matrix_entropy.models.stand_ins import new_model, train_tokenizer

STEPS = [0, 1, 10, 100, 1000]
REPLACED = 100
ENTRY = {
    "hub": "someone/learns",
    "revision": "step1",
    "convert_weights": False,
    "checkpoint": {"model": "learns", "title": "learns", "step": 1},
}
TEXTS = [f"The fox and the ferry rang {number} bells at noon." for number in range(4)]
SIZE = {"layers": 2, "width": 16}


def checkpoint(folder: Path, step: int) -> Path:
    """A model that goes straight from one draw of weights towards another, but for one step."""
    train = {"architecture": "gpt_neox", "heads": 2, "context": 64}
    weights = []
    for seed in (2, 1):
        torch.manual_seed(seed)
        model = new_model(train, **SIZE, vocabulary=300, end=0)
        weights.append(model.state_dict())
    for name, tensor in model.state_dict().items():
        tensor += 0.05 * STEPS.index(step) * weights[0][name]
    if step == REPLACED:  # embeddings in two directions only
        model.get_input_embeddings().weight.data[:, 2:] = 0
    model.save_pretrained(folder)
    train_tokenizer(TEXTS, 300).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    return {step: checkpoint(tmp_path_factory.mktemp("steps") / str(step), step) for step in STEPS}


def publish(hub: Hub, folders: dict[int, Path]) -> None:
    """Put each folder at the branch of its step."""
    for step, folder in folders.items():
        files = {path.name: path.read_bytes() for path in folder.iterdir()}
        if step == 10:  # one that has a pickle only
            del files["model.safetensors"]
            model = GPTNeoXForCausalLM.from_pretrained(folder)
            torch.save(model.state_dict(), folder / "pytorch_model.bin")
            files["pytorch_model.bin"] = (folder / "pytorch_model.bin").read_bytes()
            (folder / "pytorch_model.bin").unlink()
        hub.publish("models/someone/learns", files, f"step{step}")


def configuration() -> dict[str, object]:
    learns = {
        "hub": "someone/learns",
        "revisions": [f"step{step}" for step in STEPS],
        "convert_weights": True,
        "parameters": 1e4,
        **SIZE,
    }
    return {
        "models": {"learns": learns},
        "datasets": {"texts": {"path": "texts.jsonl", "controls": []}},
        "figures": {
            "learning": {
                "kind": "trajectory",
                "models": ["learns"],
                "dataset": "texts",
                "steps": STEPS,
            }
        },
    }


@pytest.fixture(scope="module")
def built(
    root: Path, tmp_path_factory: pytest.TempPathFactory, folders: dict[int, Path]
) -> tuple[Path, str]:
    """The figure of a hub that knows no `main`, with room for one checkpoint at a time."""
    folder = tmp_path_factory.mktemp("user")
    pd.DataFrame({"text": TEXTS}).to_json(folder / "texts.jsonl", orient="records", lines=True)
    (folder / "mine.yaml").write_text(yaml.safe_dump(configuration()))
    with running_hub() as hub:
        publish(hub, folders)
        budget = ("--resources", "checkpoint_mb=1")
        done = snakemake_for(root, folder, "figures/learning.pdf", *budget, hub=hub.address)
    assert done.returncode == 0, done.stderr
    return folder, done.stderr


def test_every_checkpoint_has_the_numbers_of_its_own_weights(
    built: tuple[Path, str], folders: dict[int, Path]
) -> None:
    drawn = pd.read_csv(built[0] / "figures/learning.csv")
    assert list(drawn["step"].unique()) == STEPS
    assert list(drawn["layer"].unique()) == ["0", "1", "2", "final"]
    for step in (0, 10, 1000):
        alone = me.measure(folders[step], TEXTS, progress=False)
        expected = alone.groupby("depth")[["matrix_entropy_normalised", "loss"]].mean()
        found = drawn[drawn["step"] == step]
        # The CSV has ten digits.
        np.testing.assert_allclose(found[["mean", "loss"]], expected, rtol=1e-6)


def test_the_replaced_checkpoint_alone_is_flagged(built: tuple[Path, str]) -> None:
    drawn = pd.read_csv(built[0] / "figures/learning.csv")
    assert set(drawn.loc[drawn["off_curve"], "step"]) == {REPLACED}


def test_the_budget_of_disk_lets_one_be_measured_at_a_time(built: tuple[Path, str]) -> None:
    """On two cores, where two would be without it."""
    on_disk: set[str] = set()
    begun = 0
    for line in built[1].splitlines():
        if found := re.match(r"Job (\d+): Fetching", line):
            assert not on_disk
            on_disk.add(found[1])
            begun += 1
        elif found := re.match(r"Finished jobid: (\d+) \(Rule: measure_checkpoint", line):
            on_disk.remove(found[1])
    assert begun == len(STEPS)


def test_nothing_of_any_checkpoint_is_left(built: tuple[Path, str]) -> None:
    folder, _ = built
    kept = [path for path in folder.rglob("*") if path.suffix in (".safetensors", ".bin")]
    assert kept == []
    assert list((folder / "results/checkpoints").iterdir()) == []
    record = read_json(folder / "results/models/learns_step_1000.json")
    assert record["revision"] == "step1000"
    assert list(record["published_sha256"]) == ["model.safetensors"]


def test_a_branch_that_moved_on_is_refused(
    tmp_path: Path, folders: dict[int, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_hub() as hub:
        ask_it(hub, tmp_path, monkeypatch)
        publish(hub, {1: folders[1]})
        record = checkpoint_on_hub("learns_step_1", ENTRY)
        assert "model.safetensors" not in hub.sent
        found = fetched(record, False, tmp_path / "place")
        assert Path(found["folder"]).is_relative_to(tmp_path / "place")
        assert found["weights_sha256"] == record["published_sha256"]
        publish(hub, {1: folders[0]})
        told = "revision step1 of someone/learns has moved on.*results/models/learns_step_1.json"
        with pytest.raises(InputError, match=told):
            fetched(record, False, tmp_path / "again")


def test_what_the_cache_holds_is_not_fetched_again(
    tmp_path: Path, folders: dict[int, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_hub() as hub:
        ask_it(hub, tmp_path, monkeypatch)
        publish(hub, {1: folders[1]})
        resolve_hub("whole", ENTRY, tmp_path / "converted")
        record = checkpoint_on_hub("learns_step_1", ENTRY)
        hub.forget()
        found = fetched(record, False, tmp_path / "place")
    assert Path(found["folder"]).is_relative_to(tmp_path / "hub")
    assert "model.safetensors" not in hub.sent
