"""The hub as it answers, and as it fails: by direct calls, and by typed commands."""

from __future__ import annotations

import io
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas
import pytest
import yaml
from huggingface_hub import constants

import hub_server
import random_models
from commands import check_refusal, snakemake_for
from hub_server import Hub, Repository, ask_it, commit_of, running_hub
from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import read_json, sha256
from matrix_entropy.models.resolving import resolve_hub
from matrix_entropy.models.stand_ins import train_tokenizer
from matrix_entropy.sources import hashes, lock_file
from matrix_entropy.sources.hub import OutOfReach, snapshot
from matrix_entropy.sources.hub_models import WANTED

GPT2 = "openai-community/gpt2"
DOLLY = "databricks/databricks-dolly-15k"
COMMIT = "c" * 40
WEIGHTS = "model.safetensors"
FIGURE = "figures/layers_gpt2_small_dolly_15k.csv"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A small random GPT-2 with a tokenizer."""
    folder = tmp_path_factory.mktemp("model")
    random_models.gpt2(vocabulary=300).save_pretrained(folder)
    train_tokenizer(["a fox and a lighthouse"] * 20, 300).save_pretrained(folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def server(files: dict[str, bytes]) -> Iterator[Hub]:
    """A hub with the model, and with a small data set in the form of dolly-15k."""
    rows = [
        {"instruction": "Say it", "context": f"A fox {i} and a lighthouse", "response": "Yes"}
        for i in range(9)
    ]
    parquet = io.BytesIO()
    pandas.DataFrame(rows).to_parquet(parquet)
    with running_hub() as hub:
        hub.publish(f"models/{GPT2}", files)
        hub.publish(
            f"datasets/{DOLLY}", {"README.md": b"# Dolly", "data/train.parquet": parquet.getvalue()}
        )
        yield hub


@pytest.fixture
def here(server: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """The model's repository; this process asks that hub, with an empty cache."""
    ask_it(server, tmp_path, monkeypatch)
    return server.repositories[f"models/{GPT2}"]


def fetched(revision: str = "main", hub: str = GPT2) -> Path:
    return snapshot("model", "gpt2_small", hub, revision, WANTED)


def refused(revision: str = "main", hub: str = GPT2) -> str:
    """The one sentence, behind which nothing half-written lies."""
    with pytest.raises(InputError) as raised:
        fetched(revision, hub)
    message = str(raised.value)
    assert message.startswith(f"model 'gpt2_small' ({hub}, revision {revision}")
    assert "\n" not in message
    assert not list(Path(constants.HF_HUB_CACHE).rglob("*.incomplete"))
    return message


class TestDownloads:
    def test_what_is_wanted_comes_and_is_not_asked_for_again(
        self, server: Hub, here: Repository, files: dict[str, bytes]
    ) -> None:
        server.publish(f"models/{GPT2}", files | {"model.onnx": b"x", "onnx/config.json": b"{}"})
        folder = fetched()
        wanted = {*files, "onnx/config.json"}
        found = {path.relative_to(folder).as_posix() for path in folder.rglob("*.*")}
        assert found == wanted
        assert all((folder / name).read_bytes() == files[name] for name in files)
        assert folder.name == here.commit("main")
        server.forget()
        assert fetched(folder.name) == folder
        assert server.asked == []

    def test_a_file_on_disk_is_served_as_one_in_memory(
        self, server: Hub, here: Repository, files: dict[str, bytes], tmp_path: Path
    ) -> None:
        (tmp_path / WEIGHTS).write_bytes(files[WEIGHTS])
        server.publish(f"models/{GPT2}", files | {WEIGHTS: tmp_path / WEIGHTS})
        here.dropped[WEIGHTS] = [200_000]
        assert here.commit("main") == commit_of(dict(files))
        assert (fetched() / WEIGHTS).read_bytes() == files[WEIGHTS]

    def test_revisions(self, server: Hub, here: Repository, files: dict[str, bytes]) -> None:
        other = files | {"config.json": files["config.json"] + b"\n"}
        server.publish(f"models/{GPT2}", other, "refs/pr/1")
        first, second = fetched(), fetched("refs/pr/1")
        assert (first.name, second.name) == (commit_of(files), commit_of(other))
        assert (second / "config.json").read_bytes() == other["config.json"]
        assert server.sent[WEIGHTS] == len(files[WEIGHTS])

    def test_a_data_set_without_a_card(self, server: Hub, here: Repository) -> None:
        """Its commit is known after the first question, which brought nothing into the cache."""
        server.publish("datasets/ybisk/piqa", {"0000.parquet": b"rows"}, COMMIT)
        for _ in range(2):
            folder = snapshot("dataset", "piqa", "ybisk/piqa", COMMIT, ["README.md"])
            assert folder.name == COMMIT

    def test_offline(self, server: Hub, here: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = fetched()
        server.forget()
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        assert fetched() == folder
        with pytest.raises(OutOfReach, match="snakemake prefetch"):
            fetched("v2")
        assert server.asked == []

    def test_a_model_is_recorded_with_the_hashes_of_its_weights(self, here: Repository) -> None:
        model = {"hub": GPT2, "convert_weights": False}
        record = resolve_hub("gpt2_small", model, Path("unused"))
        weights = Path(record["folder"]) / WEIGHTS
        assert record["weights_sha256"] == {WEIGHTS: sha256(weights)}


class TestRefusals:
    @pytest.mark.parametrize("token", [None, "hf_wrong"])
    def test_gated(
        self, here: Repository, token: str | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        here.gated = True
        if token is not None:
            monkeypatch.setenv("HF_TOKEN", token)
        message = refused()
        assert f"ask for access at {constants.ENDPOINT}/{GPT2}" in message
        assert "HF_TOKEN" in message
        monkeypatch.setenv("HF_TOKEN", hub_server.TOKEN)
        assert (fetched() / WEIGHTS).is_file()

    def test_no_such_repository(self, here: Repository) -> None:
        assert "no such model" in refused(hub="openai-community/gpt3")

    def test_an_answer_that_no_hub_gives(self, server: Hub, here: Repository) -> None:
        server.refused = [200]
        assert "could not be downloaded (Expecting value" in refused()

    def test_no_such_revision(self, here: Repository) -> None:
        assert "no such revision; correct `revision:`" in refused("v9")


class TestConnections:
    def test_what_had_come_is_not_sent_again(
        self,
        server: Hub,
        here: Repository,
        files: dict[str, bytes],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1000)  # what is lost at most
        here.dropped[WEIGHTS] = [200_000]
        folder = fetched()
        assert (folder / WEIGHTS).read_bytes() == files[WEIGHTS]
        assert server.ranges == ["bytes=200000-"]
        assert server.sent[WEIGHTS] == len(files[WEIGHTS])

    def test_broken_for_good(
        self, server: Hub, here: Repository, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _: None)
        here.dropped[WEIGHTS] = [200_000] + 6 * [0]
        assert "could not be downloaded" in refused()
        server.forget()
        assert (fetched() / WEIGHTS).is_file()
        assert set(server.sent) == {WEIGHTS}


class TestContent:
    @pytest.mark.parametrize("name", [WEIGHTS, "tokenizer.json"])
    @pytest.mark.parametrize(
        "change",
        [
            lambda content: content[::-1],
            lambda content: content[:-9],
            lambda content: content + b" ",
        ],
        ids=["other bytes", "too short", "too long"],
    )
    def test_a_file_that_the_hub_does_not_know(
        self,
        server: Hub,
        here: Repository,
        files: dict[str, bytes],
        name: str,
        change: Callable[[bytes], bytes],
    ) -> None:
        here.instead[name] = change(files[name])
        message = refused()
        assert name in message
        assert "run again" in message
        had = {path.name for path in Path(constants.HF_HUB_CACHE).rglob("*")}
        assert name not in had
        here.instead.clear()
        server.forget()
        assert (fetched() / name).read_bytes() == files[name]
        # Of files fetched side by side, some may not have come yet when one is refused.
        assert name in server.sent
        assert not had & set(server.sent)

    def test_a_file_is_read_once_for_as_long_as_it_stays(
        self, here: Repository, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = fetched()
        read: list[str] = []
        for name, algorithm in hashes.ALGORITHMS.items():

            def counted(path: Path, algorithm: Any = algorithm) -> str:
                read.append(path.name)
                return algorithm(path)

            monkeypatch.setitem(hashes.ALGORITHMS, name, counted)
        fetched()
        assert read == []
        os.utime(folder / "config.json", (1, 1))
        fetched()
        assert read == ["config.json"]

    def test_damage_in_the_cache_is_found_without_a_network(
        self, here: Repository, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        weights = (fetched() / WEIGHTS).resolve()
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        weights.write_bytes(weights.read_bytes()[:-1] + b"!")
        assert WEIGHTS in refused()
        assert not weights.exists()


class TestLockFile:
    def lock(self, folder: Path, revision: str = "main", **hashes: str) -> None:
        entry: lock_file.Locked = {"commit": folder.name, "sha256": hashes}
        lock_file.write_lock({("model", GPT2, revision): entry})

    def move(self, server: Hub, here: Repository, files: dict[str, bytes]) -> None:
        """Let the branch lead to another commit; the old one stays at a tag."""
        here.revisions["v1"] = files
        server.publish(f"models/{GPT2}", files | {"config.json": b"{}"})

    def test_a_branch_that_moved_changes_nothing(
        self, server: Hub, here: Repository, files: dict[str, bytes]
    ) -> None:
        folder = fetched()
        self.lock(folder)
        self.move(server, here, files)
        assert fetched() == folder
        shutil.rmtree(folder)
        assert fetched() == folder
        Path("models.lock.yaml").unlink()
        assert fetched() != folder

    def test_another_revision_is_not_held(
        self, server: Hub, here: Repository, files: dict[str, bytes], caplog: Any
    ) -> None:
        self.lock(fetched())
        self.move(server, here, files)
        caplog.set_level(logging.WARNING, logger="matrix_entropy")
        fetched("v1")
        (record,) = caplog.records
        assert "no entry for revision v1" in record.getMessage()
        assert "`snakemake prefetch` writes its entry" in record.getMessage()

    def test_other_weights_are_refused(self, here: Repository) -> None:
        folder = fetched()
        self.lock(folder, **{WEIGHTS: "0" * 64})
        message = refused()
        assert f"but models.lock.yaml holds {'0' * 64}" in message
        assert (folder / WEIGHTS).is_file()

    def test_a_commit_that_is_gone(self, here: Repository) -> None:
        self.lock(Path("0" * 40))
        message = refused()
        assert f"commit {'0' * 40} by models.lock.yaml" in message
        assert "delete the entry there" in message

    @pytest.mark.parametrize(
        "text",
        ["models: [a]", "model: {}", "models: {a: {main: {commit: 12}}}", "{", "- a", "text"],
    )
    def test_a_file_that_is_no_lock_file(self, here: Repository, text: str) -> None:
        Path("models.lock.yaml").write_text(text)
        with pytest.raises(InputError, match=r"^models\.lock\.yaml is not a lock file") as raised:
            fetched()
        assert "\n" not in str(raised.value)

    def test_other_entries_stay(self, here: Repository) -> None:
        folder = fetched()
        self.lock(folder, "old")
        self.lock(folder, **{WEIGHTS: sha256(folder / WEIGHTS)})
        before = Path("models.lock.yaml").stat().st_mtime_ns
        assert set(lock_file.revisions_of("model", GPT2)) == {"old", "main"}
        self.lock(folder, "old")
        assert Path("models.lock.yaml").stat().st_mtime_ns == before


class TestTyped:
    """The real configuration's names, with the small model's sizes."""

    @pytest.fixture
    def folder(self, root: Path, tmp_path: Path) -> Path:
        config = yaml.safe_load((root / "config.yaml").read_text())
        config["models"]["gpt2_small"] |= {"layers": 3, "width": 48, "revision": "main"}
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
        (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"targets": [FIGURE]}))
        return tmp_path

    def test_fetched_once_then_no_network(self, root: Path, folder: Path, server: Hub) -> None:
        planned = snakemake_for(root, folder, "prefetch", "-n", hub=server.address)
        assert planned.returncode == 0, planned.stderr
        assert server.asked == []
        done = snakemake_for(root, folder, "prefetch", hub=server.address)
        assert done.returncode == 0, done.stderr
        for told in (f"model {GPT2}", f"data set {DOLLY}", WEIGHTS, "to come: ", "fetched "):
            assert told in done.stderr
        lock = yaml.safe_load((folder / "models.lock.yaml").read_text())
        commit = server.repositories[f"models/{GPT2}"].commit("main")
        assert lock["models"][GPT2]["main"]["commit"] == commit
        assert set(lock["datasets"][DOLLY]["main"]["sha256"]) == {"data/train.parquet"}

        # A branch that moves on, even to something broken, changes nothing.
        server.publish(f"models/{GPT2}", {"config.json": b"{}"})
        server.repositories[f"models/{GPT2}"].revisions["v1"] = {}
        server.forget()
        again = snakemake_for(root, folder, "prefetch", hub=server.address)
        assert again.returncode == 0, again.stderr
        assert "nothing to download" in again.stderr
        built = snakemake_for(root, folder, FIGURE, hub=server.address)
        assert built.returncode == 0, built.stderr
        assert server.asked == []
        record = read_json(folder / "results/models/gpt2_small.json")
        assert record["commit"] == commit
        assert record["weights_sha256"] == lock["models"][GPT2]["main"]["sha256"]

        numbers = (folder / FIGURE).read_bytes()
        shutil.rmtree(folder / "results")
        offline = snakemake_for(root, folder, FIGURE)
        assert offline.returncode == 0, offline.stderr
        assert (folder / FIGURE).read_bytes() == numbers
        # Edits of the lock file are no reason to compute anything again.
        with open(folder / "models.lock.yaml", "a") as stream:
            stream.write("# mine\n")
        assert "Nothing to be done" in snakemake_for(root, folder, FIGURE).stderr

    def test_wrong_weights(self, root: Path, folder: Path, server: Hub) -> None:
        repository = server.repositories[f"models/{GPT2}"]
        repository.instead[WEIGHTS] = repository.revisions["main"][WEIGHTS][::-1]
        target = "results/models/gpt2_small.json"
        done = snakemake_for(root, folder, target, hub=server.address)
        check_refusal(done, folder, target, [f"what came as {WEIGHTS} is not what the hub states"])
        repository.instead.clear()
        assert snakemake_for(root, folder, target, hub=server.address).returncode == 0

    def test_what_can_be_had_is_fetched(self, root: Path, folder: Path, server: Hub) -> None:
        server.repositories[f"models/{GPT2}"].gated = True
        done = snakemake_for(root, folder, "prefetch", hub=server.address)
        told = ["is gated: ask for access at", "HF_TOKEN", "1 of 2 repositories could not be had"]
        check_refusal(done, folder, "results/models/gpt2_small.json", told)
        lock = yaml.safe_load((folder / "models.lock.yaml").read_text())
        assert set(lock) == {"datasets"}
