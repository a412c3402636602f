"""What only a machine with GPUs can tell; elsewhere these tests are skipped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

import random_models
from commands import snakemake_for
from matrix_entropy.base.files import write_jsonl
from matrix_entropy.maths.entropy import matrix_entropy
from matrix_entropy.maths.spectra import distribution, eigenvalues_of
from matrix_entropy.models.lora import train_lora
from matrix_entropy.models.resolving import resolve_path
from matrix_entropy.models.stand_ins import train_tokenizer
from matrix_entropy.results.spectra_file import Spectra
from matrix_entropy.states import device_batches
from matrix_entropy.states.device_spectra import normalised_matrix
from short_texts import short_texts

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU on this machine")

TEXTS = short_texts(12, 5)
TARGET = "results/spectra/mine/texts.npz"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gpu")
    tokenizer = train_tokenizer([text["text"] for text in TEXTS], 300)
    random_models.gpt_neox(vocabulary=len(tokenizer), context=256).save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    write_jsonl(folder / "texts.jsonl", TEXTS)
    return folder


def spectra(root: Path, folder: Path, dtype: str, *options: str, **keys: Any) -> Spectra:
    """Spectra by the typed command, made anew."""
    model = {"path": "model", "layers": 3, "width": 48, "dtype": dtype}
    config = {
        "models": {"mine": model},
        "datasets": {"texts": {"path": "texts.jsonl", "field": "text"}},
        "figures": {},
        **keys,
    }
    (folder / "mine.yaml").write_text(yaml.safe_dump(config))
    (folder / TARGET).unlink(missing_ok=True)
    done = snakemake_for(root, folder, TARGET, *options)
    assert done.returncode == 0, done.stderr
    return Spectra.load(folder / TARGET)


def entropies(found: Spectra) -> np.ndarray:
    layers, texts = found.counts.shape[1:]
    places = ((layer, text) for layer in range(layers) for text in range(texts))
    return np.array([matrix_entropy(found.of(0, *place)) for place in places])


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_matrices_made_on_the_gpu_have_the_spectra_of_files(
    dtype: str, folder: Path, root: Path
) -> None:
    streamed = spectra(root, folder, dtype, hidden_states="stream")
    by_files = spectra(root, folder, dtype, hidden_states="temp")
    np.testing.assert_allclose(streamed.eigenvalues, by_files.eigenvalues, rtol=0, atol=1e-6)


def test_types_agree(folder: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {
        dtype: entropies(spectra(root, folder, dtype, hidden_states="stream"))
        for dtype in ("float32", "float16", "bfloat16")
    }
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    on_cpu = entropies(spectra(root, folder, "float32"))
    np.testing.assert_allclose(found["float32"], on_cpu, atol=1e-4)
    np.testing.assert_allclose(found["float16"], on_cpu, atol=0.01)
    np.testing.assert_allclose(found["bfloat16"], on_cpu, atol=0.1)


@pytest.mark.parametrize(("single", "apart"), [(False, 1e-12), (True, 1e-5)])
def test_batches_on_the_gpu_are_as_one_by_one(single: bool, apart: float) -> None:
    """Of every size that is solved there: all are found, none has to be solved again."""
    random = np.random.default_rng(0)
    for size in (device_batches.LEAST, 500, device_batches.MOST):
        given = []
        for rows in range(size - device_batches.FEWEST // 2, size):
            states = random.standard_normal((rows, 1100)) * np.arange(1, 1101) ** -0.7
            given.append(normalised_matrix(torch.from_numpy(states).cuda(), 2.0**-52)[0])
        for matrix, found in zip(given, device_batches.eigenvalues_of(given, single), strict=True):
            assert found is not None
            expected = eigenvalues_of(matrix.cpu().numpy())
            entropy = matrix_entropy(distribution(found))
            assert entropy == pytest.approx(matrix_entropy(expected), abs=apart)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="fewer than two GPUs on this machine")
@pytest.mark.parametrize("device_map", ["single", "auto"])
def test_two_gpus_are_one(device_map: str, folder: Path, root: Path) -> None:
    expected = spectra(root, folder, "float32", hidden_states="stream")
    options = ["--resources", "gpu=2", "--set-resources", "stream_spectra:gpu=2"]
    if device_map == "auto":
        options += ["stream_spectra:gpu_mb=1"]
    found = spectra(root, folder, "float32", *options, hidden_states="stream")
    np.testing.assert_allclose(found.eigenvalues, expected.eigenvalues, rtol=0, atol=1e-5)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
def test_lora_on_a_full_card_is_lora_on_an_empty_one(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    texts = short_texts(32, 60)
    options = {
        "dataset": "texts", "layers": 3, "width": 48, "rank": 4, "alpha": 8, "dropout": 0.0,
        "targets": ["query_key_value"], "epochs": 2, "learning_rate": 0.01, "batch": 32,
        "max_tokens": 256, "seed": 5,
    }  # fmt: skip
    record = resolve_path("mine", "model", folder / "model")
    train_lora("free", record, options, texts, tmp_path / "free")
    peak = torch.cuda.max_memory_allocated()
    torch.cuda.empty_cache()
    whole = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(peak / 2 / whole)
    try:
        train_lora("full", record, options, texts, tmp_path / "full")
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert "texts at a time" in caplog.text
    weights, expected = (
        load_file(tmp_path / name / "adapter_model.safetensors") for name in ("full", "free")
    )
    for key, value in expected.items():
        torch.testing.assert_close(weights[key], value, rtol=1e-3, atol=1e-4)
