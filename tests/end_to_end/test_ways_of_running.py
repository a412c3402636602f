"""One data set in every way that a person can have it run, by typed commands: the same spectra."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

import random_models
from commands import snakemake_for
from matrix_entropy.base.files import write_jsonl
from matrix_entropy.models.stand_ins import train_tokenizer
from matrix_entropy.results.spectra_file import Spectra
from short_texts import short_texts

TEXTS = short_texts(9, 2)
TARGET = "results/spectra/mine/texts.npz"
# What is typed, and what the jobs' log then says.
WAYS = {
    "one process": ([], "1 process)"),
    "stream": (["--config", "hidden_states=stream"], "1 process)"),
    "two processes": (["--set-resources", "dump_hidden_states:processes=2"], "2 processes)"),
    "two GPUs that are not there": (
        ["--resources", "gpu=2", "--set-resources", "dump_hidden_states:gpu=2"],
        "2 processes)",
    ),
    # Too large for a device of 1 MiB, so that one process has all of them.
    "spread": (
        [
            *("--resources", "gpu=2", "--set-resources"),
            *("dump_hidden_states:gpu=2", "dump_hidden_states:gpu_mb=1"),
        ],
        "1 process)",
    ),
    "stream in two processes": (
        [
            *("--config", "hidden_states=stream"),
            *("--set-resources", "stream_spectra:processes=2", "--set-threads", "stream_spectra=2"),
        ],
        "2 processes)",
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mine")
    tokenizer = train_tokenizer([text["text"] for text in TEXTS], 300)
    random_models.gpt2(vocabulary=len(tokenizer), context=128).save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    write_jsonl(folder / "texts.jsonl", TEXTS)
    config = {
        "models": {"mine": {"path": "model", "layers": 3, "width": 48, "bos": True}},
        "datasets": {
            "texts": {
                "path": "texts.jsonl",
                "field": "text",
                "group_field": "group",
                "window_perplexity": True,
            }
        },
        "figures": {},
    }
    (folder / "mine.yaml").write_text(yaml.safe_dump(config))
    return folder


@pytest.fixture(scope="module")
def expected(folder: Path, root: Path) -> Spectra:
    done = snakemake_for(root, folder, TARGET)
    assert done.returncode == 0, done.stderr
    return Spectra.load(folder / TARGET)


@pytest.mark.parametrize("way", WAYS)
def test_spectra_are_the_same(way: str, folder: Path, root: Path, expected: Spectra) -> None:
    options, said = WAYS[way]
    rule = "stream_spectra" if "stream" in way else "dump_hidden_states"
    done = snakemake_for(root, folder, TARGET, "--forcerun", rule, *options)
    assert done.returncode == 0, done.stderr
    assert said in (folder / "results/logs" / rule / "mine/texts.log").read_text()
    found = Spectra.load(folder / TARGET)
    np.testing.assert_array_equal(found.counts, expected.counts)
    np.testing.assert_allclose(found.eigenvalues, expected.eigenvalues, rtol=0, atol=1e-6)
    for losses in ("token_losses", "window_losses"):
        np.testing.assert_allclose(getattr(found, losses), getattr(expected, losses), rtol=1e-5)
    assert found.provenance == expected.provenance
    assert not list((folder / "results").rglob("*.npy"))
    assert not list((folder / "results").rglob("*.part*"))
