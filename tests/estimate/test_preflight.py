"""What a run would fail by is said before it begins: each thing wrong in turn."""

from __future__ import annotations

import copy
import json
import logging
import shutil
from collections import namedtuple
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import constants

import hub_server
from commands import check_refusal, snakemake_for
from hub_server import Files, Hub, ask_it, running_hub
from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import read_csv
from matrix_entropy.configuration.checking import checked
from matrix_entropy.estimate import preflight_machine, preflight_sources
from matrix_entropy.estimate.preflight import preflight
from matrix_entropy.running import gpus
from matrix_entropy.sources import addresses, questions
from matrix_entropy.sources.hub import OutOfReach, snapshot
from matrix_entropy.sources.hub_models import check_model
from matrix_entropy.texts import hub_texts

GPT2, DOLLY = "models/openai-community/gpt2", "datasets/databricks/databricks-dolly-15k"
TARGET = "layers_gpt2_small_dolly_15k"
INDEX = {"weight_map": {"a": "model-1-of-2.safetensors", "b": "model-2-of-2.safetensors"}}
CARD = b"---\nconfigs:\n- {config_name: default, data_files: [{split: test, path: data/*}]}\n---\n"

Config = dict[str, Any]
Usage = namedtuple("Usage", ["total", "used", "free"])


def model(**changes: bytes | None) -> Files:
    """Files of a model that nobody loads; in names, `__` stands for a dot."""
    config = json.dumps({"n_layer": 12, "n_embd": 768}).encode()
    files = {"config__json": config, "tokenizer__json": b"{}", "model__safetensors": b"weights"}
    changed = (files | changes).items()
    return {name.replace("__", "."): each for name, each in changed if each is not None}


@pytest.fixture(scope="module")
def whole(root: Path) -> Config:
    return checked(yaml.safe_load((root / "config.yaml").read_text()))


@pytest.fixture
def config(whole: Config) -> Config:
    whole = copy.deepcopy(whole) | {"targets": [TARGET]}
    for entry in (whole["models"]["gpt2_small"], whole["datasets"]["dolly_15k"]):
        entry["revision"] = "main"
    return whole


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub that has all that the target needs."""
    with running_hub() as hub:
        hub.publish(GPT2, model())
        hub.publish(DOLLY, {"README.md": b"# Dolly", "data/train.jsonl": b"{}" * 50})
        ask_it(hub, tmp_path, monkeypatch)
        monkeypatch.setattr(questions, "PAUSE_SECONDS", 0)
        monkeypatch.setattr(gpus, "memories", lambda: [80 * 10**9])
        monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(10**12, 0, 10**12))
        yield hub


def told(config: Config, caplog: pytest.LogCaptureFixture) -> list[str]:
    """The sentences about a configuration, of things that are wrong before the verdict."""
    caplog.set_level(logging.INFO, logger="matrix_entropy")
    try:
        preflight(config, Path("results/preflight.csv"), jobs_run_here=True)
    except InputError as error:
        verdict = str(error)
    else:
        verdict = caplog.records[-1].getMessage()
    found = [each.getMessage() for each in caplog.records if each.levelno == logging.ERROR]
    assert not any("\n" in sentence for sentence in (*found, verdict))
    return [*found, verdict]


def test_all_is_there_and_no_weights_are_fetched(
    server: Hub, config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    (verdict,) = told(config, caplog)
    assert verdict == "all 4 things that a run needs are there; to download: 146 B"
    assert set(server.sent) == {"config.json", "README.md"}
    assert not Path(constants.HF_HUB_CACHE).exists()
    table = read_csv("results/preflight.csv", "commit").set_index("kind")
    assert list(table.index) == ["model", "data set", "disk", "memory"]
    assert table["commit"]["model"] == server.repositories[GPT2].commit("main")
    assert table["bytes"]["data set"] == 107
    assert table["state"]["model"] == "to come"


def test_everything(
    server: Hub, config: Config, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for entry in config["models"].values():
        if "hub" in entry:
            config_json = {"n_layer": entry["layers"], "n_embd": entry["width"]}
            sizes = {"config__json": json.dumps(config_json).encode()}
            server.publish(
                f"models/{entry['hub']}",
                model(**sizes, preprocessor_config__json=b"{}"),
                entry.get("revision", "main"),
            )
    for entry in config["datasets"].values():
        if "hub" in entry:
            name, revision = f"datasets/{entry['hub']}", entry.get("revision", "main")
            paths = entry.get("files") or [f"{entry.get('subset', 'data')}/train.jsonl"]
            files = {path.replace("*", "1"): b"{}" for path in paths}
            known = server.repositories.get(name)
            before = known.revisions.get(revision, {}) if known else {}
            server.publish(name, before | files, revision)
    monkeypatch.setattr(preflight_sources, "size_at", lambda url, where: 1)
    monkeypatch.setattr(preflight_sources, "check_answers", lambda url, where: None)
    *wrong, verdict = told(config | {"targets": []}, caplog)
    assert all("to be fetched by hand: " in sentence for sentence in wrong)
    assert verdict.startswith(f"{len(wrong)} of ")
    said = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
    models = config["figures"]["pythia_trajectory"]["models"]
    for name in models:
        assert any(f"the checkpoints of {name} are not looked for" in each for each in said), name


Change = Callable[[Hub, Config], Any]


def published(name: str, files: Files) -> Change:
    return lambda hub, config: hub.publish(name, files)


def entry(kind: str, name: str, **keys: Any) -> Change:
    return lambda hub, config: config[kind][name].update(keys)


def gated(hub: Hub, config: Config) -> None:
    hub.repositories[GPT2].gated = True


def sees_images(hub: Hub, config: Config) -> None:
    config["models"]["gpt2_small"]["vision"] = config["models"]["llava_1_5_7b"]["vision"]


def gated_without_a_card(hub: Hub, config: Config) -> None:
    hub.publish(DOLLY, {"data/train.jsonl": b"{}"}).gated = True


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda hub, config: hub.repositories.pop(GPT2), "the hub has no such model"),
        (lambda hub, config: hub.repositories.pop(DOLLY), "the hub has no such data set"),
        (entry("models", "gpt2_small", revision="v9"), "revision v9): the hub has no such revi"),
        (gated, "is gated: ask for access"),
        (gated_without_a_card, "(databricks/databricks-dolly-15k, revision main) is gated"),
        (published(GPT2, model(config__json=None)), "has no config.json, so that"),
        (published(GPT2, model(config__json=b"{")), "its config.json is no JSON file"),
        (
            published(GPT2, model(tokenizer__json=None, vocab__json=b"{}")),
            "or merges.txt or",
        ),
        (
            published(
                GPT2,
                model(
                    model__safetensors=None,
                    **{
                        "model-1-of-2__safetensors": b"a",
                        "model__safetensors__index__json": json.dumps(INDEX).encode(),
                    },
                ),
            ),
            "has no model-2-of-2.safetensors, so that",
        ),
        (
            published(GPT2, model(model__safetensors=None, other__safetensors=b"w")),
            "has no model.safetensors or model.safetensors.index.json",
        ),
        (
            published(GPT2, model(model__safetensors=None, pytorch_model__bin=b"w")),
            "set `convert_weights: true`",
        ),
        (published(GPT2, model(config__json=b'{"n_embd": 64}')), "has width 64, but the config"),
        (sees_images, "has no preprocessor_config.json or processor_"),
        (entry("models", "gpt2_small", gguf="m.gguf"), "has no file m.gguf"),
        (published(DOLLY, {"README.md": CARD, "data/a.jsonl": b"{}"}), "has no split 'train'"),
        (published(DOLLY, {"README.md": b"", "a.pdf": b"%"}), "no data files that can be found"),
        (entry("datasets", "dolly_15k", files=["texts/*"]), "has no file 'texts/*'"),
    ],
)
def test_what_the_hub_lacks(
    server: Hub, config: Config, caplog: pytest.LogCaptureFixture, change: Change, said: str
) -> None:
    change(server, config)
    sentence, verdict = told(config, caplog)
    assert said in sentence
    assert verdict.startswith("1 of 4 things that a run needs would make it fail")
    assert "WOULD FAIL" in caplog.text


def test_a_token_that_may(
    server: Hub,
    config: Config,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server.repositories[GPT2].gated = True
    monkeypatch.setenv("HF_TOKEN", hub_server.TOKEN)
    assert told(config, caplog)[0].startswith("all 4 things")


MINE = "http://127.0.0.1:9/mine.json"
PACKAGE = {"name": "x", "version": "1", "file": "m.gguf", "sha256": "0" * 64}
TALKS = {"record": "llava_instruct", "files": ["data/*"], "images": "coco", "fetch_from": "X"}


def no_wheel(name: str, package: dict[str, str]) -> None:
    raise InputError("no index has it.")


@pytest.mark.parametrize(
    ("kind", "name", "keys", "said"),
    [
        ("models", "gpt2_small", {"path": "mine"}, "'gpt2_small': there is no mine; put it there"),
        ("datasets", "dolly_15k", {"path": "mine.json"}, "'dolly_15k': there is no mine.json"),
        (
            "datasets",
            "dolly_15k",
            {"hub": DOLLY[9:], **TALKS},
            "by hand: data set 'dolly_15k'",
        ),
        ("datasets", "dolly_15k", {"url": MINE}, f"'dolly_15k': {MINE} cannot be reached"),
        ("models", "gpt2_small", {"package": PACKAGE}, "no index has it"),
    ],
)
def test_what_lies_elsewhere(
    server: Hub,
    config: Config,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    name: str,
    keys: dict[str, Any],
    said: str,
) -> None:
    monkeypatch.setattr(preflight_sources, "find_wheel", no_wheel)
    monkeypatch.setattr(addresses, "PAUSE_SECONDS", 0)
    del config[kind][name]["hub"]
    config[kind][name] |= keys
    assert said in told(config, caplog)[0]


def test_a_package_is_here_twice_and_in_the_cache_of_pip(
    server: Hub,
    config: Config,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(preflight_sources, "find_wheel", lambda *_: MINE)
    monkeypatch.setattr(preflight_sources, "size_at", lambda *_: 10**9)
    monkeypatch.setattr(preflight_machine, "cache_folder", lambda: Path("pip"))
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(10**6, 0, 10**6))
    del config["models"]["gpt2_small"]["hub"]
    config["models"]["gpt2_small"] |= {"package": PACKAGE}
    sentence, _ = told(config, caplog)
    assert "downloads: 2.0 GB, pip: 1.0 GB, " in sentence


def test_an_address_that_has_gone(
    server: Hub, config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    address = f"{server.address}/{DOLLY}/resolve/main/"
    del config["datasets"]["dolly_15k"]["hub"]
    config["datasets"]["dolly_15k"]["url"] = f"{address}data/train.jsonl"
    assert told(config, caplog)[0] == "all 4 things that a run needs are there; to download: 139 B"
    config["datasets"]["dolly_15k"]["url"] = f"{address}texts.json"
    assert f"{address}texts.json answers 'HTTP Error 404: Not Found'" in told(config, caplog)[-2]


@pytest.mark.parametrize(
    ("cards", "free", "changes", "said"),
    [
        ([], 10**12, {}, "but this machine has less (no GPU, 1.0 GB)"),
        (
            [10**9, 10**9],
            10**12,
            {},
            "needs 2.7 GB of memory in float32 (1.2 times",
        ),
        ([2 * 10**9] * 2, 10**12, {"device_map": "single"}, "has less (GPUs: 2, 2.0 GB)"),
        ([8 * 10**9], 10**6, {}, "(hub: 146 B, Arrow: 100 B, results: "),
    ],
)
def test_a_machine_that_is_too_small(
    server: Hub,
    config: Config,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    cards: list[int],
    free: int,
    changes: dict[str, str],
    said: str,
) -> None:
    monkeypatch.setattr(gpus, "memories", lambda: cards)
    monkeypatch.setattr(preflight_machine, "ram", lambda: 10**9)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(free, 0, free))
    config["models"]["gpt2_small"] |= changes
    sentence, _ = told(config, caplog)
    assert said in sentence


def test_a_model_for_several_gpus(
    server: Hub,
    config: Config,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gpus, "memories", lambda: [2 * 10**9] * 2)
    assert told(config, caplog)[0].startswith("all 4 things")
    assert "GPUs: 2, 4.0 GB, one alone too little" in caplog.text


class TestTheWayThere:
    def test_a_hub_that_is_away(
        self, server: Hub, config: Config, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
        with pytest.raises(OutOfReach, match=r"^the hub .* cannot be reached from here"):
            preflight(config, Path("results/preflight.csv"), jobs_run_here=True)
        assert not Path("results").exists()

    def test_a_hub_that_answers_too_slowly(
        self, server: Hub, config: Config, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(questions, "TIMEOUT_SECONDS", 0.1)
        monkeypatch.setattr(preflight_sources, "QUESTIONS_AT_A_TIME", 1)
        server.answering.clear()
        try:
            with pytest.raises(OutOfReach, match="does not answer"):
                preflight(config, Path("results/preflight.csv"), jobs_run_here=True)
        finally:
            server.answering.set()
        assert sum("/api/" in question for question in server.asked) == questions.ATTEMPTS
        assert not Path("results").exists()

    def test_a_token_that_the_hub_does_not_know(
        self, server: Hub, config: Config, caplog: pytest.LogCaptureFixture
    ) -> None:
        server.refused = [401] * 9
        (sentence,) = told(config, caplog)
        assert "does not accept the token in the environment variable HF_TOKEN" in sentence

    @pytest.mark.parametrize(
        ("refused", "said"),
        [
            ([503], "all 4 things"),
            ([503] * 9, "answers with status 503 alone"),
            ([403] * 9, "the hub answers '403 Forbidden: Too much to do'"),
            ([404] * 9, "does not answer as a hub does (Client error '404 Not Found'"),
            ([200] * 9, "does not answer as a hub does (Expecting value"),
        ],
    )
    def test_other_answers(
        self,
        server: Hub,
        config: Config,
        caplog: pytest.LogCaptureFixture,
        refused: list[int],
        said: str,
    ) -> None:
        server.refused = refused
        assert said in told(config, caplog)[0]

    def test_offline_it_says_what_the_cache_holds(
        self,
        server: Hub,
        config: Config,
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        assert sum("nothing of it is in the cache" in each for each in told(config, caplog)) == 2
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        fetch(["*"], [hub_texts.CARD])
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        caplog.clear()
        server.forget()
        sentence, verdict = told(config, caplog)
        assert "data/train.jsonl (100 B) are not in the cache" in sentence
        assert verdict.startswith("1 of 4")
        assert server.asked == []

    def test_what_the_cache_holds_whole_is_there_whatever_the_hub_says(
        self, server: Hub, config: Config, caplog: pytest.LogCaptureFixture
    ) -> None:
        fetch(["*"], ["*"])
        server.repositories[GPT2].gated = True
        assert told(config, caplog)[0].endswith("to download: 0 B")


def fetch(of_model: list[str], of_texts: list[str]) -> None:
    snapshot("model", "gpt2_small", GPT2[7:], "main", of_model)
    snapshot("dataset", "dolly_15k", DOLLY[9:], "main", of_texts)


def test_typed(root: Path, server: Hub, config: Config, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config | {"targets": []}))
    mine = {"targets": [f"figures/{TARGET}.pdf"], "hidden_states": "stream"}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(mine))
    done = snakemake_for(root, tmp_path, "preflight", hub=server.address)
    assert done.returncode == 0, done.stderr
    assert "openai-community/gpt2" in done.stderr
    assert "all 4 things that a run needs are there" in done.stderr
    server.repositories[GPT2].gated = True
    failed = snakemake_for(root, tmp_path, "preflight", hub=server.address)
    check_refusal(failed, tmp_path, "hub", ["is gated: ask for access", "1 of 4 things"])


SIZES = {"num_hidden_layers": 2, "hidden_size": 4}
SHARDS = {"weight_map": {"a": "pytorch_model-1.bin", "b": "pytorch_model-2.bin"}}
TWO_FILES = ["vocab.json", "merges.txt"]
TEXT_CONFIG = {"text_config": {"vocab_size": 32064}, "hidden_size": 1}


@pytest.mark.parametrize(
    ("config_json", "files"),
    [
        (SIZES, ["model.safetensors", "pytorch_model.bin", "tokenizer.json"]),
        (SIZES, ["pytorch_model.bin", *TWO_FILES]),
        (SIZES, ["pytorch_model.bin.index.json", *SHARDS["weight_map"].values(), *TWO_FILES]),
        ({"num_layers": 2, "hidden_size": 4}, ["pytorch_model.bin", "tokenizer.json"]),
        (TEXT_CONFIG, ["model.safetensors", "tokenizer.model", "preprocessor_config.json"]),
    ],
)
def test_layouts_of_the_papers_models(
    tmp_path: Path, config_json: dict[str, Any], files: list[str]
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config_json))
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps(SHARDS))
    entry = {"hub": "a/b", "convert_weights": True, "layers": 2, "width": 4}
    vision = {"vision": {}} if "preprocessor_config.json" in files else {}
    check_model("mine", entry | vision, ["config.json", *files], tmp_path)
