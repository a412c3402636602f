"""A model's files: that they lie in its folder, and are those that its record describes."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from huggingface_hub import constants
from safetensors.torch import load_file, save_file

import random_models
from commands import snakemake_for
from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import sha256, write_json
from matrix_entropy.models.loading import load_model, load_tokenizer
from matrix_entropy.models.provenance import described, untrained_record
from matrix_entropy.models.resolving import resolve_hub, resolve_path
from matrix_entropy.models.stand_ins import train_tokenizer
from matrix_entropy.sources import model_files
from matrix_entropy.sources.model_files import known_by, marks

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small random GPT-2 with a tokenizer, in two files of weights and an index."""
    random_models.gpt2(vocabulary=300).save_pretrained(tmp_path / "model", max_shard_size="70KB")
    train_tokenizer(["a fox and a lighthouse"] * 20, 300).save_pretrained(tmp_path / "model")
    assert len(marks(tmp_path / "model")) > 1
    return tmp_path / "model"


def recorded(folder: Path) -> dict[str, Any]:
    return resolve_path("mine", str(folder), folder)


def load(record: dict[str, Any]) -> Any:
    load_tokenizer(record)
    return load_model(record, 3, 48, "float32")


def exchange(path: Path) -> None:
    """Other weights of the same size, with the old file's time: what `cp -p` may leave."""
    status = path.stat()
    weights = {key: value + 1 for key, value in load_file(path).items()}
    save_file(weights, path, {"format": "pt"})
    assert path.stat().st_size == status.st_size
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


class TestRecorded:
    def test_weights_are_read_again_only_if_size_or_time_differ(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        record = recorded(folder)
        read = []

        def reading(path: Path) -> str:
            read.append(path.name)
            return sha256(path)

        monkeypatch.setattr(model_files, "sha256", reading)
        load(record)
        assert not [name for name in read if name.endswith(".safetensors")]
        first = sorted(folder.glob("*.safetensors"))[0]
        os.utime(first, (1, 1))
        load(record)
        assert set(read) & set(marks(folder)) == {first.name}
        del record["marks"]
        load(record)
        assert set(read) >= set(marks(folder))

    @pytest.mark.parametrize("seconds", [-10_000, 10_000])
    def test_other_weights_whatever_their_date(self, folder: Path, seconds: int) -> None:
        record = recorded(folder)
        path = sorted(folder.glob("*.safetensors"))[-1]
        exchange(path)
        time = path.stat().st_mtime + seconds
        os.utime(path, (time, time))
        with pytest.raises(
            InputError,
            match=rf"model 'mine': {path.name} in .* is not what results/models/mine\.json has on "
            r"record .*delete that record and run again\.$",
        ):
            load(record)

    def test_other_weights_without_marks(self, folder: Path) -> None:
        """As in records of what a run makes itself, and in older ones."""
        record = recorded(folder)
        del record["marks"], record["settings_sha256"]
        assert load(record)
        exchange(next(folder.glob("*.safetensors")))
        with pytest.raises(InputError, match="is not what results"):
            load(record)

    @pytest.mark.parametrize(
        ("change", "named"),
        [
            (lambda folder: edit(folder / "config.json", n_head=2), "config.json"),
            (lambda folder: edit(folder / "tokenizer.json", truncation=None, x=1), "tokenizer.j"),
            (lambda folder: (folder / "tokenizer_config.json").unlink(), "tokenizer_config.json"),
            (lambda folder: (folder / "vocab.json").write_text("{}"), "vocab.json"),
            (lambda folder: (folder / "merges.txt").write_text("a b"), "merges.txt"),
        ],
    )
    def test_configuration_and_tokenizer(
        self, folder: Path, change: Callable[[Path], Any], named: str
    ) -> None:
        record = recorded(folder)
        change(folder)
        with pytest.raises(InputError, match=rf"'mine': {named}.* is not what .* has on record"):
            load(record)
        del record["settings_sha256"]  # an older record says nothing of them
        if named != "tokenizer_config.json":
            load_model(record, 3, 48, "float32")

    def test_weights_that_were_added(self, folder: Path) -> None:
        """transformers would prefer a single file to those of the index."""
        record = recorded(folder)
        random_models.gpt2(seed=1, vocabulary=300).save_pretrained(folder / "other")
        (folder / "other" / "model.safetensors").rename(folder / "model.safetensors")
        with pytest.raises(InputError, match=r"'mine': model\.safetensors in .* is not what"):
            load(record)

    def test_what_is_made_of_it(self, folder: Path) -> None:
        """A derived record knows the files too; weights that are not read may change."""
        record = untrained_record("fresh", recorded(folder), seed=1)
        assert "marks" in record
        assert "marks" not in described(record)
        exchange(next(folder.glob("*.safetensors")))
        assert load(record)
        edit(folder / "config.json", n_head=2)
        with pytest.raises(InputError, match="that record and that of the model"):
            load(record)

    def test_what_snakemake_is_told(self, folder: Path, tmp_path: Path) -> None:
        """Another date alone is no change, other content is, in every file and with any date."""
        record, path = tmp_path / "mine.json", next(folder.glob("*.safetensors"))
        told = known_by(folder, record)
        write_json(record, recorded(folder))
        assert known_by(folder, record) == told
        os.utime(path, (1, 1))
        assert known_by(folder, record) == told
        record.write_text("{")
        assert known_by(folder, record) != told
        os.utime(path, ns=(0, told["weights"][path.name][1]))
        write_json(record, recorded(folder))
        assert known_by(folder, record) == told
        exchange(path)
        os.utime(path, (1, 1))
        assert known_by(folder, record) != told
        edit(folder / "config.json", n_head=2)
        assert known_by(folder, record)["settings"] != told["settings"]


class TestInside:
    def test_an_index_that_leads_out(self, folder: Path) -> None:
        record = recorded(folder)
        path = folder / "model.safetensors.index.json"
        index = json.loads(path.read_text())
        shutil.copytree(folder, folder.parent / "other")
        for file in ("../other/{}", "../model/{}", "sub/{}", str(folder.parent / "other" / "{}")):
            named = {key: file.format(shard) for key, shard in index["weight_map"].items()}
            path.write_text(json.dumps(index | {"weight_map": named}))
            for use in (lambda: recorded(folder), lambda: load(record)):
                with pytest.raises(InputError, match=r"index\.json in .* names .*, which is not a"):
                    use()

    @pytest.mark.parametrize(
        ("name", "change"),
        [
            ("config.json", {"transformers_weights": "../other/model.safetensors"}),
            ("config.json", {"transformers_weights": "sub/model.safetensors"}),
            ("tokenizer_config.json", {"fast_tokenizer_files": ["../other/tokenizer.4.0.0.json"]}),
        ],
    )
    def test_settings_that_lead_out(self, folder: Path, name: str, change: dict[str, Any]) -> None:
        edit(folder / name, **change)
        record = {"model": "mine", "folder": str(folder)}
        for use in (lambda: recorded(folder), lambda: load(record)):
            with pytest.raises(InputError, match=rf"{name} in .* names .*, which is not a file"):
                use()

    def test_settings_that_nothing_follows(self, folder: Path, tmp_path: Path) -> None:
        """Many models' tokenizers name paths of the machine on which they were saved."""
        expected = load_tokenizer(recorded(folder)).get_vocab()
        train_tokenizer(["a sheep and a ship"] * 20, 280).save_pretrained(tmp_path / "other")
        other = {
            f"{kind}_file": str(tmp_path / "other" / file)
            for kind, file in (
                *(("tokenizer", "tokenizer.json"), ("vocab", "vocab.json")),
                *(("merges", "merges.txt"), ("special_tokens_map", "tokenizer_config.json")),
            )
        }
        edit(folder / "tokenizer_config.json", **other, name_or_path=str(tmp_path / "other"))
        assert load_tokenizer(recorded(folder)).get_vocab() == expected

    @pytest.mark.parametrize("text", ["", "[]", '{"weight_map": []}', '{"weight_map": {"a": 1}}'])
    def test_an_index_that_is_damaged(self, folder: Path, text: str) -> None:
        (folder / "model.safetensors.index.json").write_text(text)
        with pytest.raises(InputError, match=r"index\.json is damaged"):
            recorded(folder)

    @pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "shard", "merges.txt"])
    def test_links_that_lead_out_or_nowhere(self, folder: Path, name: str) -> None:
        path = sorted(folder.glob("*.safetensors"))[0] if name == "shard" else folder / name
        target = folder.parent / "elsewhere"
        path.touch()
        path.rename(target)
        path.symlink_to(os.path.relpath(target, folder))
        record = {"model": "mine", "folder": str(folder)}
        for use in (lambda: recorded(folder), lambda: load(record)):
            with pytest.raises(InputError, match=r"a link to \.\./elsewhere, outside the folder"):
                use()
        target.unlink()
        for use in (lambda: recorded(folder), lambda: load(record)):
            with pytest.raises(InputError, match=r"a link to \.\./elsewhere, where nothing is"):
                use()

    def test_links_that_stay_inside(self, folder: Path) -> None:
        expected = load(recorded(folder)).state_dict()
        shard = sorted(folder.glob("*.safetensors"))[0]
        shard.rename(folder / "weights")
        shard.symlink_to("weights")
        (folder.parent / "link").symlink_to(folder)
        record = recorded(folder.parent / "link")
        assert all(torch.equal(v, expected[k]) for k, v in load(record).state_dict().items())

    def test_links_of_the_hub(
        self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Snapshots consist of links to their repository's blobs, not to those of another one."""
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        repository = tmp_path / "cache" / "models--someone--small"
        snapshot = repository / "snapshots" / COMMIT
        for inner in ("refs", "blobs", f"snapshots/{COMMIT}"):
            (repository / inner).mkdir(parents=True)
        (repository / "refs" / "main").write_text(COMMIT)
        for number, path in enumerate(sorted(folder.iterdir())):
            shutil.copy(path, repository / "blobs" / str(number))
            (snapshot / path.name).symlink_to(f"../../blobs/{number}")
        entry = {"hub": "someone/small", "convert_weights": False}
        record = resolve_hub("mine", entry, tmp_path / "unused")
        assert set(record["settings_sha256"]) >= {"config.json", "tokenizer.json"}
        assert load(record)
        assert load(recorded(snapshot))
        blob = (snapshot / "config.json").resolve()
        blob.rename(tmp_path / "cache" / "config.json")
        (snapshot / "config.json").unlink()
        (snapshot / "config.json").symlink_to("../../../config.json")
        with pytest.raises(InputError, match="outside the folder"):
            resolve_hub("mine", entry, tmp_path / "unused")

    def test_an_adapter(self, folder: Path, tmp_path: Path) -> None:
        (tmp_path / "adapter").mkdir()
        for name in ("adapter_model.safetensors", "adapter_config.json"):
            (tmp_path / name).write_text("{}")
            (tmp_path / "adapter" / name).symlink_to(f"../{name}")
        record = recorded(folder) | {"adapter": str(tmp_path / "adapter")}
        with pytest.raises(InputError, match=r"adapter of model 'mine': .*outside the folder"):
            load(record)


def test_a_run_notices_other_weights_whatever_their_date(
    root: Path, folder: Path, tmp_path: Path
) -> None:
    """`cp -p` and `rsync -a` keep dates, which are then older than all that was made."""
    shutil.copy(root / "config.yaml", tmp_path)
    mine = {"models": {"mine": {"path": "model", "layers": 3, "width": 48}}}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(mine))
    target = "results/models/mine.json"

    def plan() -> str:
        done = snakemake_for(root, tmp_path, "-n", target)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert snakemake_for(root, tmp_path, target).returncode == 0
    assert "Nothing to be done" in plan()
    path = next(folder.glob("*.safetensors"))
    os.utime(path)
    assert "Nothing to be done" in plan()
    exchange(path)
    os.utime(path, (1, 1))
    assert "resolve_model" in plan()
    assert snakemake_for(root, tmp_path, target).returncode == 0
    assert "Nothing to be done" in plan()
    status = (folder / "config.json").stat()
    edit(folder / "config.json", n_head=2)
    os.utime(folder / "config.json", (1, status.st_mtime))
    assert "resolve_model" in plan()
