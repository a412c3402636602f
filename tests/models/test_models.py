"""Finding and loading models: what is recorded, and what is refused in one sentence."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import constants

import random_models
from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import sha256
from matrix_entropy.models.loading import load_model, load_tokenizer
from matrix_entropy.models.resolving import resolve_hub, resolve_path
from matrix_entropy.models.stand_ins import train_tokenizer

COMMIT = "0123456789abcdef0123456789abcdef01234567"
HUB = {"hub": "someone/small-gpt2", "convert_weights": False}


def save_model(folder: Path) -> Path:
    """A small random GPT-2 with a tokenizer, as a Hugging Face folder."""
    random_models.gpt2(vocabulary=300).save_pretrained(folder)
    train_tokenizer(["a fox and a lighthouse"] * 20, 300).save_pretrained(folder)
    return folder


def save_pickle(folder: Path) -> Path:
    """The same with its weights in a pickle only, as older repositories have them."""
    save_model(folder)
    model = random_models.gpt2(vocabulary=300)
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    return folder


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty hub cache; the snapshot folder that `snapshot_download` looks for in it."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    repository = tmp_path / "cache" / "models--someone--small-gpt2"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(COMMIT)
    return repository / "snapshots" / COMMIT


def record_of(folder: Path) -> dict[str, Any]:
    return resolve_path("mine", str(folder), folder)


def one_sentence(error: pytest.ExceptionInfo[InputError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    assert text.endswith(".")
    return text


def test_a_local_model_is_recorded_with_its_hash_and_loads(tmp_path: Path) -> None:
    record = record_of(save_model(tmp_path))
    assert record["weights_sha256"] == {"model.safetensors": sha256(tmp_path / "model.safetensors")}
    model = load_model(record, layers=3, width=48, dtype="float32")
    assert not model.training
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert load_tokenizer(record).bos_token == "<|endoftext|>"


def test_a_model_goes_straight_onto_a_device(tmp_path: Path) -> None:
    save_model(tmp_path)
    one = load_model(record_of(tmp_path), 3, 48, "float32")
    onto = load_model(record_of(tmp_path), 3, 48, "float32", {"": torch.device("cpu")})
    ids = torch.arange(9)[None]
    with torch.inference_mode():
        assert torch.equal(one(ids).logits, onto(ids).logits)


def test_the_stated_dtype_wins_over_the_checkpoint(tmp_path: Path) -> None:
    random_models.gpt2().to(torch.float16).save_pretrained(tmp_path)
    model = load_model(record_of(tmp_path), 3, 48, "float32")
    assert next(model.parameters()).dtype == torch.float32


@pytest.mark.parametrize(
    ("layers", "width", "told"),
    [(5, 48, ("layers 3", "states 5", "`layers: 3`")), (3, 64, ("width 48", "64", "`width: 48`"))],
)
def test_a_mismatch_names_both_numbers(
    tmp_path: Path, layers: int, width: int, told: tuple[str, ...]
) -> None:
    record = record_of(save_model(tmp_path))
    with pytest.raises(InputError) as error:
        load_model(record, layers, width, "float32")
    assert all(part in one_sentence(error) for part in told)


def test_a_folder_that_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no config\.json"):
        record_of(tmp_path / "nothing")


def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    record = record_of(save_model(tmp_path / "model"))
    (tmp_path / "model").rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=r"delete results/models/mine\.json"):
        load_model(record, 3, 48, "float32")


def test_a_model_without_a_tokenizer_is_named(tmp_path: Path) -> None:
    random_models.gpt2().save_pretrained(tmp_path)
    with pytest.raises(InputError, match="'mine' has no tokenizer"):
        load_tokenizer(record_of(tmp_path))


def test_damaged_weights(tmp_path: Path) -> None:
    weights = save_model(tmp_path) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    record = record_of(tmp_path)
    with pytest.raises(InputError, match="'mine' cannot be loaded"):
        load_model(record, 3, 48, "float32")


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"pytorch_model\.bin.*unpickled.*save_pretrained"):
        record_of(save_pickle(tmp_path))


def test_no_weights_at_all(tmp_path: Path) -> None:
    save_model(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"no \*\.safetensors file"):
        record_of(tmp_path)


def test_remote_code_is_refused(tmp_path: Path) -> None:
    save_model(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.OwnConfig"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "own.py").write_text("raise SystemExit('remote code ran')")
    with pytest.raises(InputError, match="code of its own"):
        load_model(record_of(tmp_path), 3, 48, "float32")


def test_a_folder_that_names_another_model_is_refused(tmp_path: Path) -> None:
    save_model(tmp_path / "asked_for")
    save_model(tmp_path / "another")
    adapter = {"peft_type": "LORA", "base_model_name_or_path": str(tmp_path / "another")}
    (tmp_path / "asked_for" / "adapter_config.json").write_text(json.dumps(adapter))
    with pytest.raises(InputError, match="another model than the one in this folder"):
        load_model(record_of(tmp_path / "asked_for"), 3, 48, "float32")


class TestHub:
    def test_a_cached_model_is_found_offline_with_its_commit(self, hub_cache: Path) -> None:
        save_model(hub_cache)
        record = resolve_hub("small", HUB, Path("unused"))
        assert record["commit"] == COMMIT
        assert record["revision"] == "main"
        assert load_model(record, 3, 48, "float32")

    def test_a_commit_as_revision(self, hub_cache: Path) -> None:
        save_model(hub_cache)
        assert resolve_hub("small", HUB | {"revision": COMMIT}, Path("unused"))["commit"] == COMMIT

    def test_a_wrong_revision(self, hub_cache: Path) -> None:
        save_model(hub_cache)
        with pytest.raises(InputError) as error:
            resolve_hub("small", HUB | {"revision": "step9"}, Path("unused"))
        assert "revision step9" in one_sentence(error)

    def test_nothing_cached_says_how_to_prefetch(self, hub_cache: Path) -> None:
        with pytest.raises(InputError) as error:
            resolve_hub("small", HUB, Path("unused"))
        text = one_sentence(error)
        for part in ("someone/small-gpt2", "hf download", "HF_HUB_CACHE", "HF_HUB_OFFLINE=1"):
            assert part in text

    def test_an_unreachable_hub_is_asked_once_and_not_for_long(
        self, hub_cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The hub library by itself would try again and again for a minute."""
        waited = []

        def nobody(address: Any, timeout: Any = None, *_: Any, **__: Any) -> None:
            waited.append(timeout)
            raise ConnectionRefusedError

        monkeypatch.setattr(socket, "create_connection", nobody)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
        with pytest.raises(InputError, match="cannot be reached"):
            resolve_hub("small", HUB, Path("unused"))
        assert len(waited) == 1
        assert 0 < waited[0] <= 10

    def test_pickled_weights_are_refused_unless_converted(
        self, hub_cache: Path, tmp_path: Path
    ) -> None:
        save_pickle(hub_cache)
        # A download leaves pickles out, so they are not in the snapshot when it is looked at.
        pickle = (hub_cache / "pytorch_model.bin").rename(tmp_path / "pytorch_model.bin")
        with pytest.raises(InputError, match="convert_weights: true"):
            resolve_hub("small", HUB, tmp_path / "converted")
        pickle.rename(hub_cache / "pytorch_model.bin")
        record = resolve_hub("small", HUB | {"convert_weights": True}, tmp_path / "converted")
        assert record["commit"] == COMMIT
        converted = load_model(record, 3, 48, "float32")
        expected = random_models.gpt2(vocabulary=300).state_dict()
        for name, values in converted.state_dict().items():
            torch.testing.assert_close(values, expected[name], rtol=0, atol=0)

    def test_a_pickle_that_would_run_code_is_never_run(
        self, hub_cache: Path, tmp_path: Path
    ) -> None:
        save_pickle(hub_cache)
        torch.save({"weight": Mischief(tmp_path / "ran")}, hub_cache / "pytorch_model.bin")
        with pytest.raises(InputError, match="cannot be read without running code"):
            resolve_hub("small", HUB | {"convert_weights": True}, tmp_path / "converted")
        assert not (tmp_path / "ran").exists()


class Mischief:
    """An object whose pickle makes a folder when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)
