"""A real trained model on real texts: equal to the released algorithm, text by text.

The model and the texts are not part of the repository; without them these tests are skipped.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from matrix_entropy.entropy import matrix_entropy
from matrix_entropy.hidden_states import dump_hidden_states
from matrix_entropy.metrics import losses
from matrix_entropy.models import context_window, load_model, load_tokenizer, resolve_path
from matrix_entropy.released import released_entropy
from matrix_entropy.spectra_file import compute_spectra
from matrix_entropy.state_files import open_states
from matrix_entropy.texts import format_of, read_dataset

LAYERS = [0, 1, 2, 3, 4, 5, "final"]
OPTIONS = {
    "layers": 5,
    "width": 64,
    "bos": True,
    "center_features": False,
    "dtype": "float32",
    "device_map": "single",
}
FILES: dict[str, dict[str, Any]] = {
    "data/tinystories.jsonl": {"sample": {"first": 40}},
    "data/wikipedia.jsonl": {"sample": {"first": 40}},
    "stories/child_stories.json": {},
    "stories/worlds_stories.json": {},
}
# Data sets of Wei et al. 2024, read as config.yaml reads them.
LANGUAGE: dict[str, dict[str, Any]] = {
    "data/dolly.jsonl": {"field": "context", "skip_empty": True},
    "data/hh_rlhf_harmless_base_test.jsonl.gz": {"field": "chosen"},
    "data/wikipedia.jsonl": {},
    "data/openbookqa.jsonl": {"record": "openbookqa"},
    "data/winogrande.jsonl": {"record": "winogrande"},
    "data/piqa.jsonl": {"record": "piqa"},
}


@pytest.fixture(scope="module")
def record(shared: Path) -> dict[str, Any]:
    return resolve_path("stories260k", "stories260K", shared / "models" / "stories260K")


def dump(
    record: dict[str, Any], shared: Path, name: str, folder: Path, **changes: Any
) -> list[dict[str, str]]:
    """Hidden states of a real file's texts; the texts."""
    dataset = {"field": "text", "format": format_of(name), **FILES.get(name, {})}
    texts, _ = read_dataset(dataset, shared / name, name)
    texts = texts[: changes.get("texts")]
    dump_hidden_states(
        record,
        OPTIONS,
        {"max_tokens": changes.get("max_tokens")},
        texts,
        LAYERS,
        folder,
        {"options": OPTIONS},
        4096,
    )
    return texts


@pytest.mark.parametrize("name", FILES)
def test_entropies_equal_the_released_algorithm(
    record: dict[str, Any], shared: Path, tmp_path: Path, name: str
) -> None:
    texts = dump(record, shared, name, tmp_path / "states")
    spectra = compute_spectra(tmp_path / "states", LAYERS, [], None)
    for at, layer in enumerate(LAYERS):
        states = open_states(tmp_path / "states", layer)
        for text in range(len(texts)):
            rows = np.array(states[spectra.offsets[text] : spectra.offsets[text + 1]])
            ours = matrix_entropy(spectra.of(0, at, text)) / np.log(64)
            assert released_entropy(torch.from_numpy(rows)) == pytest.approx(ours, abs=2e-4)


def test_the_loss_is_the_one_known_for_this_model(
    record: dict[str, Any], shared: Path, tmp_path: Path
) -> None:
    """1.339 nats per token on the first 20 TinyStories cut to 256 tokens; and transformers' own."""
    dump(record, shared, "data/tinystories.jsonl", tmp_path / "dump", texts=20, max_tokens=256)
    model = load_model(record, 5, 64, "float32")
    with np.load(tmp_path / "dump" / "tokens.npz") as tokens:
        offsets, ids, losses = (tokens[key] for key in ("offsets", "token_ids", "token_losses"))
    assert np.nanmean(losses) == pytest.approx(1.339, abs=2e-3)
    for start, end in itertools.pairwise(offsets):
        text = torch.from_numpy(ids[start:end])[None]
        with torch.no_grad():
            expected = model(input_ids=text, labels=text).loss.item()
        assert np.nanmean(losses[start:end]) == pytest.approx(expected, abs=1e-4)


def test_the_stories_are_the_authors(shared: Path, root: Path) -> None:
    """The hashes that config.yaml expects are those of the files, and their groups are there."""
    datasets = yaml.safe_load((root / "config.yaml").read_text())["datasets"]
    for name, path, texts in (
        ("child", "stories/child_stories.json", 40),
        ("world", "stories/worlds_stories.json", 20),
    ):
        dataset = {"field": "text", "format": "json", **datasets[name]}
        found, origin = read_dataset(dataset, shared / path, path)
        assert len(found) == origin["texts"] == texts
        assert {text["group"] for text in found} == set(datasets[name]["groups"])


@pytest.fixture(params=["stories260K", "pythia_410m"])
def trained(request: Any, shared: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """A real model and a stand-in, as Wei et al. run theirs: record and options."""
    if request.param == "stories260K":
        record = resolve_path("stories260K", "stories260K", shared / "models" / "stories260K")
        return record, OPTIONS | {"bos": False}
    miniature = request.getfixturevalue("miniature")
    entry = yaml.safe_load((miniature / "config.yaml").read_text())["models"][request.param]
    folder = miniature / "results" / "models" / request.param
    record = resolve_path(request.param, request.param, folder)
    return record, OPTIONS | {"bos": False, "layers": entry["layers"], "width": entry["width"]}


@pytest.mark.parametrize("name", LANGUAGE)
def test_language_results_equal_the_released_algorithm_and_transformers(
    trained: tuple[dict[str, Any], dict[str, Any]], shared: Path, tmp_path: Path, name: str
) -> None:
    """Entropies within 2e-4 after / log d, losses within 1e-4 nats, text by text."""
    record, options = trained
    dataset = {"field": "text", "separator": "\n", **LANGUAGE[name], "format": format_of(name)}
    texts, _ = read_dataset(dataset | {"sample": {"size": 30, "seed": 1}}, shared / name, name)
    folder, width = tmp_path / "states", options["width"]
    dump_hidden_states(
        record, options, {"max_tokens": 2048}, texts, ["final"], folder, {"options": options}
    )
    spectra = compute_spectra(folder, ["final"], [], None)
    model = load_model(record, options["layers"], width, "float32")
    tokenizer = load_tokenizer(record)
    found = losses(spectra)
    states = open_states(folder, "final")
    for text, prompt in enumerate(texts):
        rows = slice(*spectra.offsets[text : text + 2])
        ids = tokenizer(prompt["text"], add_special_tokens=False)["input_ids"]
        ids = torch.tensor(ids[: context_window(model.config)])[None]
        assert spectra.token_ids[rows].tolist() == ids[0].tolist()
        with torch.no_grad():
            output = model(input_ids=ids, labels=ids, output_hidden_states=True)
        assert found[text] == pytest.approx(output.loss.item(), abs=1e-4)
        whole = output.hidden_states[-1][0]
        np.testing.assert_allclose(states[rows], whole, rtol=1e-4, atol=1e-4)
        ours = matrix_entropy(spectra.of(0, 0, text)) / np.log(width)
        assert released_entropy(whole) == pytest.approx(ours, abs=2e-4)
