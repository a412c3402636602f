"""Extraction: every way of running the model gives the same files, and bad states are named."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import PreTrainedTokenizerFast

import random_models
from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import write_json, write_jsonl
from matrix_entropy.models.stand_ins import train_tokenizer
from matrix_entropy.results.state_files import StateFiles, open_states
from matrix_entropy.states import extraction
from matrix_entropy.states.hidden_states import dump_hidden_states
from matrix_entropy.texts.tokens import batches_by_length, tokenise
from random_models import save
from short_texts import OPTIONS, short_texts

LAYERS = [0, 1, 2, 3, "final"]
DATASET_KEYS = ("max_tokens", "min_tokens", "token_losses", "window_perplexity")
TEXTS = short_texts(13, 1)


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return train_tokenizer([text["text"] for text in TEXTS], 300)


@pytest.fixture(scope="module", params=["gpt2", "gpt_neo", "gpt_neox", "llama", "opt"])
def record(
    request: Any, tmp_path_factory: Any, tokenizer: PreTrainedTokenizerFast
) -> dict[str, Any]:
    return save(request.param, tmp_path_factory.mktemp("model"), tokenizer)


def broken_model(folder: Path, tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    """A model whose second block gives infinity."""
    model = random_models.gpt2(vocabulary=len(tokenizer), context=64)
    with torch.no_grad():
        model.transformer.h[1].mlp.c_proj.bias[0] = float("inf")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return {"model": "broken", "folder": str(folder)}


def dump(record: dict[str, Any], folder: Path, **changes: Any) -> dict[Any, np.ndarray]:
    """Run a dump and read back what it wrote."""
    options = OPTIONS | {key: changes[key] for key in changes if key in OPTIONS}
    dump_hidden_states(
        record,
        options,
        {key: changes[key] for key in DATASET_KEYS if key in changes},
        changes.get("texts", TEXTS),
        LAYERS,
        folder,
        {"options": options},
        changes.get("batch_tokens", 4096),
        changes.get("shard", (1, 1)),
    )
    return contents(folder)


def contents(folder: Path) -> dict[Any, np.ndarray]:
    found: dict[Any, np.ndarray] = {layer: np.array(open_states(folder, layer)) for layer in LAYERS}
    with np.load(folder / "tokens.npz", allow_pickle=False) as stored:
        found.update({name: stored[name] for name in stored.files})
    return found


def assert_same(found: dict[Any, np.ndarray], expected: dict[Any, np.ndarray]) -> None:
    """Same tokens; states and losses within 1e-5 of their scale."""
    assert list(found) == list(expected)
    for key, values in expected.items():
        if values.dtype.kind == "f" and values.size:
            scale = np.nanmax(np.abs(values))
            np.testing.assert_allclose(found[key], values, rtol=1e-5, atol=1e-5 * scale)
        else:
            np.testing.assert_array_equal(found[key], values)


def test_batches_equal_one_text_at_a_time(record: dict[str, Any], tmp_path: Path) -> None:
    one_by_one = dump(record, tmp_path / "one", batch_tokens=1)
    assert_same(dump(record, tmp_path / "all", batch_tokens=10**6), one_by_one)
    assert_same(dump(record, tmp_path / "some", batch_tokens=50), one_by_one)


def test_one_text_alone_equals_itself_among_others(record: dict[str, Any], tmp_path: Path) -> None:
    together = dump(record, tmp_path / "together")
    start, end = together["offsets"][7:9]
    alone = dump(record, tmp_path / "alone", texts=TEXTS[7:8])
    for layer in LAYERS:
        scale = np.abs(alone[layer]).max()
        np.testing.assert_allclose(
            together[layer][start:end], alone[layer], rtol=1e-5, atol=1e-5 * scale
        )


def test_a_rerun_gives_the_same_bytes(record: dict[str, Any], tmp_path: Path) -> None:
    for name in ("first", "second"):
        dump(record, tmp_path / name)
    for path in sorted((tmp_path / "first").iterdir()):
        assert path.read_bytes() == (tmp_path / "second" / path.name).read_bytes(), path.name


def test_states_and_losses_equal_transformers(record: dict[str, Any], tmp_path: Path) -> None:
    found = dump(record, tmp_path / "dump")
    model = getattr(random_models, record["model"])(
        vocabulary=int(found["token_ids"].max()) + 1, context=64
    )
    model = model.from_pretrained(record["folder"]).eval()
    for text in (0, 5, 12):
        start, end = found["offsets"][text : text + 2]
        ids = torch.from_numpy(found["token_ids"][start:end])[None]
        with torch.no_grad():
            output = model(input_ids=ids, labels=ids, output_hidden_states=True)
        hidden = [states[0].numpy() for states in output.hidden_states]
        for layer, expected in ((0, hidden[0]), (2, hidden[2]), ("final", hidden[-1])):
            np.testing.assert_allclose(found[layer][start:end], expected, rtol=1e-4, atol=1e-4)
        losses = found["token_losses"][start:end]
        assert np.isnan(losses[0])
        assert losses[1:].mean() == pytest.approx(output.loss.item(), abs=1e-4)


def test_feature_centring_leaves_final_alone(record: dict[str, Any], tmp_path: Path) -> None:
    raw = dump(record, tmp_path / "raw")
    centred = dump(record, tmp_path / "centred", center_features=True)
    for layer in LAYERS[:-1]:
        expected = raw[layer] - raw[layer].mean(axis=1, keepdims=True)
        np.testing.assert_allclose(centred[layer], expected, atol=1e-5)
    np.testing.assert_array_equal(centred["final"], raw["final"])


def test_features_are_centred_in_float32(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    """Of float16 states, whose own mean over the features would be rounded twice."""
    record = save("gpt2", tmp_path / "model", tokenizer)
    raw = dump(record, tmp_path / "raw", dtype="float16")
    centred = dump(record, tmp_path / "centred", dtype="float16", center_features=True)
    for layer in LAYERS[:-1]:
        states = raw[layer].astype(np.float64)
        expected = states - states.mean(axis=1, keepdims=True)
        # Half a unit in the last place, and ten times the rounding of float32.
        room = np.spacing(np.abs(expected).astype(np.float16)) / 2 + 1e-5 * np.abs(states).max()
        assert (np.abs(centred[layer] - expected) <= room).all()


def run_rule(
    root: Path, folder: Path, record: dict[str, Any], processes: int
) -> subprocess.CompletedProcess[str]:
    """Dump by the command of the rule: accelerate starts the processes, gloo joins them."""
    write_json(folder / "model.json", record)
    write_json(folder / "origin.json", {"source": "here", "texts": len(TEXTS)})
    write_jsonl(folder / "prompts.jsonl", TEXTS)
    arguments = {
        "--model": folder / "model.json",
        "--options": json.dumps(OPTIONS),
        "--prompts": folder / "prompts.jsonl",
        "--origin": folder / "origin.json",
        "--processes": processes,
        "--batch-tokens": 60,
        "--output": folder / "several",
        "--log": folder / "log",
    }
    return subprocess.run(
        [
            sys.executable,
            str(root / "workflow/scripts/states/dump_hidden_states.py"),
            *(str(part) for pair in arguments.items() for part in pair),
        ],
        env=os.environ | {"PYTHONPATH": str(root / "src")},
        capture_output=True,
        text=True,
        timeout=600,
    )


def test_several_processes_write_the_same_files(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast, root: Path
) -> None:
    processes = 2
    record = save("gpt2", tmp_path / "model", tokenizer)
    expected = dump(record, tmp_path / "one")
    done = run_rule(root, tmp_path, record, processes)
    assert done.returncode == 0, done.stderr
    assert_same(contents(tmp_path / "several"), expected)
    assert f"{processes} processes" in (tmp_path / "log").read_text()


def test_several_processes_leave_nothing_half_written(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast, root: Path
) -> None:
    record = broken_model(tmp_path / "model", tokenizer)
    done = run_rule(root, tmp_path, record, 2)
    assert done.returncode == 1
    assert "at layer 2 are not finite" in done.stderr
    assert not list(tmp_path.glob("*several*"))


def test_out_of_memory_halves_the_batch(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = save("gpt2", tmp_path / "model", tokenizer)
    alike = [{**TEXTS[6], "id": str(number)} for number in range(40)]
    expected = dump(record, tmp_path / "expected", texts=alike)
    run, sizes = extraction.Extraction.run, []

    def run_with_little_memory(self: Any, batch: list[int], device: torch.device) -> None:
        padded = len(batch) * int(self.tokens.lengths[batch].max())
        sizes.append(padded)
        if padded > 100:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        run(self, batch, device)

    monkeypatch.setattr(extraction.Extraction, "run", run_with_little_memory)
    assert_same(dump(record, tmp_path / "little", texts=alike), expected)
    assert sizes[0] > 100
    assert any(50 < size <= 100 for size in sizes), "halved no further than needed"


def test_memory_too_small_for_one_text_says_so(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = save("gpt2", tmp_path / "model", tokenizer)

    def run(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(extraction.Extraction, "run", run)
    with pytest.raises(InputError, match="memory runs out even for a single text"):
        dump(record, tmp_path / "none")
    assert not list(tmp_path.glob("*none*"))


def test_other_errors_are_not_taken_for_memory(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = save("gpt2", tmp_path / "model", tokenizer)

    def run(*_: Any) -> None:
        raise RuntimeError("shape mismatch")

    monkeypatch.setattr(extraction.Extraction, "run", run)
    with pytest.raises(RuntimeError, match="shape mismatch"):
        dump(record, tmp_path / "none")


def test_states_that_are_not_finite_name_model_layer_and_text(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    record = broken_model(tmp_path / "model", tokenizer)
    with pytest.raises(InputError, match=r"'broken'.* text '\d+' at layer 2 are not finite"):
        dump(record, tmp_path / "dump")
    assert not (tmp_path / "dump").exists()
    assert not list(tmp_path.glob(".dump*")), "nothing half-written is left"


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_close_and_stored_readably(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast, dtype: str
) -> None:
    record = save("gpt2", tmp_path / "model", tokenizer)
    full, half = dump(record, tmp_path / "full"), dump(record, tmp_path / "half", dtype=dtype)
    assert half[2].dtype == (np.float16 if dtype == "float16" else np.float32)
    scale = np.abs(full[2]).max()
    assert np.abs(half[2] - full[2]).max() < 0.05 * scale


def test_bos_is_counted_as_a_row(tokenizer: PreTrainedTokenizerFast) -> None:
    without, with_bos = (tokenise(tokenizer, TEXTS, bos)[0] for bos in (False, True))
    assert (with_bos.lengths == without.lengths + 1).all()
    assert (with_bos.ids[with_bos.offsets[:-1]] == tokenizer.bos_token_id).all()


def test_long_texts_are_cut_and_marked(tokenizer: PreTrainedTokenizerFast) -> None:
    whole, _ = tokenise(tokenizer, TEXTS, True)
    cut, _ = tokenise(tokenizer, TEXTS, True, 10)
    assert cut.lengths.max() == 10
    np.testing.assert_array_equal(cut.truncated, whole.lengths > 10)
    assert cut.truncated.any()
    np.testing.assert_array_equal(cut.of(12), whole.of(12)[:10])


def test_the_context_window_cuts_by_itself(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    record = save("gpt2", tmp_path / "model", tokenizer)
    long = [{"id": "long", "group": "all", "text": "fox and " * 100}]
    found = dump(record, tmp_path / "dump", texts=long)
    assert found["offsets"].tolist() == [0, 64]
    assert found["truncated"].tolist() == [True]
    assert json.loads((tmp_path / "dump" / "provenance.json").read_text())["truncated_texts"] == 1


def test_a_text_of_one_token_is_kept(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    record = save("gpt2", tmp_path / "model", tokenizer)
    found = dump(record, tmp_path / "dump", bos=False, texts=[TEXTS[4], {**TEXTS[0], "text": "a"}])
    assert np.diff(found["offsets"])[1] == 1
    assert np.isnan(found["token_losses"][-1])


def test_a_tokenizer_without_bos_is_named(tokenizer: PreTrainedTokenizerFast) -> None:
    bare = PreTrainedTokenizerFast(tokenizer_object=tokenizer.backend_tokenizer)
    with pytest.raises(InputError, match="bos: false"):
        tokenise(bare, TEXTS, True)


def test_a_text_without_tokens_is_named(tokenizer: PreTrainedTokenizerFast) -> None:
    with pytest.raises(InputError, match="text 'nothing' has no token"):
        tokenise(tokenizer, [{"id": "nothing", "group": "", "text": ""}], False)


@pytest.mark.parametrize("budget", [1, 30, 64, 1000])
def test_batches_hold_every_text_once_within_the_budget(budget: int) -> None:
    lengths = np.random.default_rng(0).integers(1, 60, size=200)
    batches = batches_by_length(range(200), lengths, budget)
    assert sorted(text for batch in batches for text in batch) == list(range(200))
    for batch in batches:
        longest = lengths[batch].max()
        assert len(batch) == 1 or len(batch) * longest <= budget
        assert lengths[batch].min() >= 0.85 * longest
    assert lengths[batches[0][0]] == lengths.max(), "the longest texts come first"


def test_a_full_disk_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fallocate(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", fallocate)
    with pytest.raises(OSError, match=r"layer_0\.npy"):
        StateFiles(tmp_path, [0], 8, "float32").create(100)


def test_files_where_nothing_can_be_reserved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fallocate(*_: Any) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "posix_fallocate", fallocate)
    StateFiles(tmp_path, [0], 8, "float32").create(100)
    assert open_states(tmp_path, 0).shape == (100, 8)


@pytest.mark.parametrize("damage", ["cut", "missing", "no array"])
def test_a_damaged_file_is_named(tmp_path: Path, damage: str) -> None:
    np.save(tmp_path / "layer_1.npy", np.zeros((100, 8), dtype=np.float32))
    path = tmp_path / "layer_1.npy"
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "no array":
        path.write_bytes(b"something else")
    else:
        path.unlink()
    with pytest.raises(InputError, match=r"layer_1.npy is missing or damaged"):
        open_states(tmp_path, 1)
