"""Streamed spectra are those of hidden states on disk, in every way of running the model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import PreTrainedTokenizerFast

import random_models
from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import read_json, write_json, write_jsonl
from matrix_entropy.maths import spectra
from matrix_entropy.maths.long_rows import LONG
from matrix_entropy.maths.spectra import spectrum, spectrum_of
from matrix_entropy.models.stand_ins import train_tokenizer
from matrix_entropy.results.spectra_file import Spectra, compute_spectra
from matrix_entropy.states import device_batches, gathered_matrices
from matrix_entropy.states.device_spectra import normalised_matrix, on_host
from matrix_entropy.states.hidden_states import dump_hidden_states
from matrix_entropy.states.streamed_spectra import stream_spectra
from short_texts import OPTIONS, short_texts

LAYERS = [0, 1, 2, 3, "final"]
CONTROLS = [
    "without_first_row",
    "equal_length",
    "without_long_rows",
    "equal_length_without_long_rows",
]
CUTS = [4, 30]
OF_MODEL = ["lens_entropy"]
MEASURES = ["norm_ratio", "curvature", *OF_MODEL, "anisotropy"]
# From a single token to more tokens than the model is wide, where the covariance is smaller.
TEXTS = short_texts(9, 5)


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return train_tokenizer([text["text"] for text in TEXTS], 300)


def save(name: str, folder: Path, tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    """A random model whose row in front of every text is a long one."""
    return random_models.save(name, folder, tokenizer, context=256, front=200)


def from_disk(
    record: dict[str, Any],
    folder: Path,
    texts: list[dict[str, str]] = TEXTS,
    **changes: Any,
) -> Spectra:
    """The spectra by way of hidden states on disk."""
    options, reading = OPTIONS | changes, READING | {"measures": OF_MODEL}
    dump_hidden_states(record, options, reading, texts, LAYERS, folder, {"options": options})
    return compute_spectra(folder, LAYERS, CONTROLS, None, 1, CUTS, MEASURES)


READING = {"window_perplexity": True, "max_tokens": 120}
VIEWS = {"controls": CONTROLS, "lengths": CUTS, "measures": MEASURES}


def streamed(
    record: dict[str, Any], path: Path, extra: dict[str, Any] | None = None, **changes: Any
) -> Spectra:
    options = OPTIONS | changes
    stream_spectra(
        record,
        options,
        READING | VIEWS,
        TEXTS,
        LAYERS,
        path,
        {"options": options},
        **(extra or {}),
    )
    return Spectra.load(path)


def assert_same(found: Spectra, expected: Spectra, tolerance: float) -> None:
    """The same in everything, measures to the last bit; eigenvalues within a tolerance."""
    for name, values in vars(expected).items():
        if name in ("eigenvalues", "token_losses", "window_losses"):
            np.testing.assert_allclose(getattr(found, name), values, rtol=0, atol=tolerance)
        elif isinstance(values, np.ndarray):
            np.testing.assert_array_equal(getattr(found, name), values)
        else:
            assert getattr(found, name) == values


@pytest.mark.parametrize("name", ["gpt2", "gpt_neo", "gpt_neox", "llama", "opt"])
def test_streaming_changes_no_bit(
    name: str, tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    record = save(name, tmp_path / "model", tokenizer)
    expected = from_disk(record, tmp_path / "states", center_features=True)
    found = streamed(record, tmp_path / "spectra.npz", center_features=True)
    assert_same(found, expected, tolerance=0)
    assert expected.counts.max() == 48, "a text with more tokens than the model is wide"
    assert (expected.counts[-1] == 0).any(), "a text too short for its view"
    left_out = expected.rows[0] - expected.rows[expected.views.index("without_long_rows")]
    assert left_out[:-1, -1].tolist() == [1] * 4, "the long row, from the embeddings on"
    assert left_out[-1].max() == 0, "no row is long behind the last norm"
    assert found.measures == tuple(MEASURES)
    ratios = found.measured[0]
    assert (ratios[:-1, -1] > LONG).all(), "the long row"
    assert (ratios[-1] < LONG).all()
    assert np.isfinite(found.measured[:, :, -1]).all()
    assert not list(tmp_path.glob(".*")), "nothing beside the file"


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision(dtype: str, tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    record = save("gpt2", tmp_path / "model", tokenizer)
    expected = from_disk(record, tmp_path / "states", dtype=dtype)
    assert_same(streamed(record, tmp_path / "spectra.npz", dtype=dtype), expected, tolerance=0)
    on_device = streamed(record, tmp_path / "device.npz", {"on_device": True}, dtype=dtype)
    assert_same(on_device, expected, tolerance=1e-12)


@pytest.mark.parametrize("on_device", [False, True])
def test_single_precision_and_large_matrices_are_said(
    on_device: bool,
    tmp_path: Path,
    tokenizer: PreTrainedTokenizerFast,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In float32 as from disk; in float64, of a covariance too, whatever rows are counted."""
    record = save("gpt2", tmp_path / "model", tokenizer)
    options, texts = OPTIONS, TEXTS[-1:]
    asked = VIEWS | {"spectra_precision": "single"}
    extra = {"on_device": on_device}
    path = tmp_path / "single.npz"
    stream_spectra(record, options, asked, texts, LAYERS, path, {"options": options}, **extra)
    single = Spectra.load(path)
    reading, said = {"measures": OF_MODEL}, {"options": options}
    dump_hidden_states(record, options, reading, texts, LAYERS, tmp_path / "states", said)
    by_files = tmp_path / "states", LAYERS, CONTROLS, None, 1, CUTS, MEASURES
    assert_same(single, compute_spectra(*by_files, single=True), 1e-5 if on_device else 0)
    assert single.provenance["spectra_precision"] == "single"
    monkeypatch.setattr(spectra, "TWO_STAGE", 48)
    path = tmp_path / "double.npz"
    # Of 48 rows, the Gram matrix of all is as large, and its views are smaller.
    stream_spectra(record, options, VIEWS, texts, LAYERS, path, {"options": options}, **extra)
    double = Spectra.load(path)
    assert double.provenance["large_matrices"] in ("MKL", "NumPy")
    assert "spectra_precision" not in double.provenance


@pytest.mark.parametrize("threads", [1, 2, 8])
@pytest.mark.parametrize("on_device", [False, True])
def test_threads_and_matrices_made_on_the_device(
    threads: int, on_device: bool, tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    record = save("gpt_neox", tmp_path / "model", tokenizer)
    expected = from_disk(record, tmp_path / "states")
    found = streamed(record, tmp_path / "spectra.npz", {"threads": threads, "on_device": on_device})
    assert_same(found, expected, tolerance=1e-12 if on_device else 0)


@pytest.mark.parametrize("shape", [(1, 8), (2, 8), (7, 40), (40, 40), (90, 40)])
def test_matrices_on_the_device_have_the_same_spectrum(shape: tuple[int, int]) -> None:
    states = np.random.default_rng(5).normal(size=shape).astype(np.float32) + 3
    states[shape[0] // 2] = states.mean(axis=0)
    if shape[0] > 6:
        # A row that is the mean of the others has no direction and is not counted.
        others = np.delete(states, 3, axis=0).astype(np.float64)
        states[3] = others.mean(axis=0).astype(np.float32)
    matrix, valid = normalised_matrix(torch.from_numpy(states), 2.0**-23)
    values, rows = spectrum_of(*on_host(matrix.numpy(), valid.numpy()))
    expected, expected_rows = spectrum(states)
    assert rows == expected_rows
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-13)


# With two long rows, 41 and 42 rows are no more than the width, or just less than it.
@pytest.mark.parametrize("rows", [0, 1, 2, 7, 40, 41, 42, 43, 90])
@pytest.mark.parametrize("long", [[], [0], [0, 1], [3, 5]])
def test_long_rows_are_left_out_on_the_device_as_on_the_host(rows: int, long: list[int]) -> None:
    states = np.random.default_rng(rows).normal(size=(rows, 40)).astype(np.float32)
    long = [row for row in long if 2 * row + 2 < rows]
    states[long] *= 300
    matrix, valid = normalised_matrix(torch.from_numpy(states), 2.0**-23, True)
    values, counted = spectrum_of(*on_host(matrix.numpy(), valid.numpy()))
    expected, expected_rows = spectrum(states, without_long=True)
    assert counted == expected_rows == (rows - len(long) if rows > 1 else 0)
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-13)
    by_hand, _ = spectrum(np.delete(states, long, axis=0))
    np.testing.assert_array_equal(expected, by_hand)


@pytest.mark.parametrize(
    "extra",
    [
        *({}, {"threads": 4}, {"on_device": True}, {"on_device": True, "threads": 4}),
        {"on_device": True, "threads": 4, "batched": True},
    ],
)
def test_states_that_are_not_finite_leave_nothing(
    extra: dict[str, Any],
    tmp_path: Path,
    tokenizer: PreTrainedTokenizerFast,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The states are named, also where the losses, which they spoil, are known before them."""
    look = gathered_matrices.Unit.found

    def late(*made: Any) -> Any:
        time.sleep(0.05)
        return look(*made)

    monkeypatch.setattr(gathered_matrices.Unit, "found", late)
    monkeypatch.setattr(device_batches, "LEAST", 9)
    model = random_models.gpt2(vocabulary=len(tokenizer), context=256)
    with torch.no_grad():
        model.transformer.h[1].mlp.c_proj.bias[0] = float("inf")
    model.save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    record = {"model": "broken", "folder": str(tmp_path / "model")}
    with pytest.raises(InputError, match=r"'broken'.* text '\d+' at layer 2 are not finite"):
        streamed(record, tmp_path / "spectra.npz", extra)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


# In the second case there is a process without a text.
@pytest.mark.parametrize(("processes", "texts"), [(2, TEXTS), (2, TEXTS[6:7])])
def test_several_processes_find_the_same(
    processes: int,
    texts: list[dict[str, str]],
    tmp_path: Path,
    tokenizer: PreTrainedTokenizerFast,
    root: Path,
) -> None:
    record = save("gpt2", tmp_path / "model", tokenizer)
    expected = from_disk(record, tmp_path / "states", texts)
    write_json(tmp_path / "model.json", record)
    write_json(tmp_path / "origin.json", {"source": "here", "texts": len(texts)})
    write_jsonl(tmp_path / "prompts.jsonl", texts)
    arguments = {
        "--model": tmp_path / "model.json",
        "--options": json.dumps(OPTIONS | {"device_map": "fit"}),
        "--prompts": tmp_path / "prompts.jsonl",
        "--origin": tmp_path / "origin.json",
        "--dataset": json.dumps(READING | VIEWS),
        "--processes": processes,
        "--batch-tokens": 200,
        "--output": tmp_path / "spectra.npz",
        "--log": tmp_path / "log",
    }
    done = subprocess.run(
        [
            sys.executable,
            str(root / "workflow/scripts/states/stream_spectra.py"),
            *(str(part) for pair in arguments.items() for part in pair),
        ],
        env=os.environ | {"PYTHONPATH": str(root / "src")},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert f"{processes} processes" in (tmp_path / "log").read_text()
    found = Spectra.load(tmp_path / "spectra.npz")
    np.testing.assert_array_equal(found.counts, expected.counts)
    np.testing.assert_allclose(found.eigenvalues, expected.eigenvalues, rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.token_losses, expected.token_losses, rtol=1e-5)
    np.testing.assert_allclose(found.window_losses, expected.window_losses, rtol=1e-5)
    np.testing.assert_allclose(found.measured, expected.measured, rtol=1e-5, atol=1e-6)
    assert found.measures == expected.measures
    assert read_json(tmp_path / "spectra.views.json")["views"]["measures"] == MEASURES
    assert not list(tmp_path.glob(".*"))
