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

from matrix_entropy.configuration.checking import checked
from matrix_entropy.figures.kinds.sentence_figure import draw_sentence_map, map_captions
from matrix_entropy.figures.kinds.sentence_map import map_distances, map_numbers
from matrix_entropy.figures.kinds.token_selection import token_weights
from matrix_entropy.figures.style import save_figure
from matrix_entropy.maths.entropy import matrix_entropy
from matrix_entropy.maths.information_gain import (
    information_gains,
    largest_gain,
    posterior_variances,
)
from matrix_entropy.models.anatomy import context_window
from matrix_entropy.models.loading import load_model, load_tokenizer
from matrix_entropy.models.resolving import resolve_path
from matrix_entropy.results.gain_file import compute_gains
from matrix_entropy.results.metrics import losses
from matrix_entropy.results.sentences_file import Sentences
from matrix_entropy.results.spectra_file import compute_spectra
from matrix_entropy.results.state_files import open_states
from matrix_entropy.states.hidden_states import dump_hidden_states
from matrix_entropy.states.sentences import read_sentences
from matrix_entropy.texts.readers import format_of, read_dataset
from matrix_entropy.texts.written_sentences import written_sentences
from released import released_entropy

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
        ids = torch.tensor(ids[: context_window(model)])[None]
        assert rows.stop - rows.start == ids.shape[1]
        with torch.no_grad():
            output = model(input_ids=ids, labels=ids, output_hidden_states=True)
        assert found[text] == pytest.approx(output.loss.item(), abs=1e-4)
        whole = output.hidden_states[-1][0]
        np.testing.assert_allclose(states[rows], whole, rtol=1e-4, atol=1e-4)
        ours = matrix_entropy(spectra.of(0, 0, text)) / np.log(width)
        assert released_entropy(whole) == pytest.approx(ours, abs=2e-4)


# Figures 3 to 6 and the table of tokens of Tan et al. 2024, on real states.


@pytest.fixture(scope="module")
def paper(root: Path) -> dict[str, Any]:
    """The entries of config.yaml, with defaults filled in."""
    return checked(yaml.safe_load((root / "config.yaml").read_text()))


def sentences_of(record: dict[str, Any], texts: list[dict[str, str]]) -> Sentences:
    options = OPTIONS | {"bos": False}
    provenance = {"model": record}
    return read_sentences(record, options, texts, ["final"], torch.device("cpu"), provenance)


@pytest.mark.parametrize(
    ("name", "options"),
    [("hh_rlhf_harmless_base_test.jsonl.gz", {"field": "chosen"}), ("wikipedia.jsonl", {})],
)
def test_information_gain_of_real_texts(
    record: dict[str, Any], shared: Path, tmp_path: Path, name: str, options: dict[str, Any]
) -> None:
    """Every prefix by its own determinant, the increments by ridge regression, within its bound."""
    tokens, noise = 64, 0.01
    dataset = {"field": "text", **options, "format": format_of(name), "sample": {"first": 30}}
    texts, _ = read_dataset(dataset, shared / "data" / name, name)
    # What the dump's own script puts beside the states.
    provenance = {"options": OPTIONS, "model": record, "dataset": {"name": name}}
    chosen = {"min_tokens": tokens, "max_tokens": tokens}
    folder = tmp_path / "states"
    dump_hidden_states(
        record, OPTIONS | {"bos": False}, chosen, texts, ["final"], folder, provenance
    )
    gains = compute_gains(folder, "final", tokens, noise, "cosine")
    assert len(gains.ids) > 5
    states = np.array(open_states(folder, "final"), dtype=np.float64)
    for text, diagonal in enumerate(gains.diagonals):
        rows = states[tokens * text : tokens * (text + 1)]
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        found = information_gains(diagonal)
        for end in (1, 2, 17, tokens):
            matrix = np.eye(end) + rows[:end] @ rows[:end].T / noise**2
            assert found[end - 1] == pytest.approx(0.5 * np.linalg.slogdet(matrix)[1], rel=1e-9)
        before, last = rows[:-1], rows[-1]
        ridge = np.linalg.solve(before @ before.T + noise**2 * np.eye(tokens - 1), before @ last)
        left = last @ (last - ridge @ before)
        assert posterior_variances(diagonal, noise)[-1] == pytest.approx(left, rel=1e-6)
        assert (found <= largest_gain(np.arange(1, tokens + 1), 64, noise) + 1e-9).all()


def openings(shared: Path) -> list[dict[str, str]]:
    """The beginnings of five real texts of each of three kinds."""
    found = []
    for name in ("dolly.jsonl", "hh_rlhf_harmless_base_test.jsonl.gz", "wikipedia.jsonl"):
        options = LANGUAGE[f"data/{name}"] | {"format": format_of(name), "sample": {"first": 5}}
        texts, _ = read_dataset({"field": "text", **options}, shared / "data" / name, name)
        kind = name.split(".")[0]
        for text in texts:
            start = " ".join(text["text"].split()[:15])
            found.append({"id": f"{kind} {text['id']}", "group": kind, "text": start})
    return found


@pytest.mark.parametrize("source", ["the paper", "real texts"])
def test_maps_of_real_states(
    record: dict[str, Any], shared: Path, paper: dict[str, Any], tmp_path: Path, source: str
) -> None:
    """Distances of sentences are those of the 64 x 64 matrices; the figures are drawn."""
    texts = openings(shared)
    if source == "the paper":
        made = paper["datasets"]["contexts_and_countries"]["sentences"]
        texts = written_sentences(made["contexts"], made["words"])
    sentences = sentences_of(record, texts)
    assert len(sentences.ids) == (45 if source == "the paper" else 15)
    figures = {n: f for n, f in paper["figures"].items() if f["kind"] == "sentence_map"}
    assert len(figures) == 3
    covariances = []
    for number in range(len(texts)):
        rows = sentences.rows(number, "final").astype(np.float64)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        covariances.append(rows.T @ rows / len(rows))
    for name, entry in figures.items():
        figure = {"name": name, **entry, **entry["sentence_map"]}
        distances = map_distances(sentences, figure)
        for measure, between in distances.items():
            assert np.isfinite(between).all()
            for first, second in ((0, 1), (3, 12), (7, len(texts) - 1)):
                one, other = covariances[first], covariances[second]
                if measure == "frobenius":
                    expected = np.linalg.norm(one - other)
                elif measure in ("log_det_js", "log_det"):
                    scale = 100 if measure == "log_det_js" else 1 / figure["ridge"]
                    ends = [np.linalg.slogdet(np.eye(64) + scale * m)[1] for m in (one, other)]
                    middle = np.linalg.slogdet(np.eye(64) + scale * (one + other) / 2)[1]
                    expected = np.sqrt(middle - np.mean(ends))
                else:
                    continue
                assert between[first, second] == pytest.approx(expected, rel=1e-6)
        figure["umap"] = {**figure["umap"], "neighbours": 5}
        numbers = map_numbers(sentences, distances, figure)
        captions = map_captions("Real", sentences, figure, {"title": "stories260K"})
        assert "tand-in" not in " ".join(captions)
        save_figure(draw_sentence_map(numbers, *captions), numbers, [tmp_path / f"{name}.pdf"])


@pytest.mark.parametrize("source", ["the paper", "real texts"])
def test_tokens_of_sentences_on_real_states(
    record: dict[str, Any], shared: Path, paper: dict[str, Any], source: str
) -> None:
    """Lasso meets its optimality conditions, and words are found that the tokenizer splits."""
    settings = dict(paper["tables"]["tan_table_lasso_tokens"]["token_selection"])
    targets = settings.pop("tokens")
    texts = openings(shared)[-1:]
    if source == "the paper":
        texts = written_sentences(paper["datasets"]["capitals"]["sentences"]["contexts"], [])
    else:
        targets = texts[0]["text"].split()[4:14:3]
    sentences = sentences_of(record, texts)
    weights = token_weights(sentences, 0, targets, **settings)
    rows = sentences.rows(0, "final").astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    assert set(weights["target"]) == set(targets)
    for _, part in weights.groupby("target"):
        position = int(part["target_position"].iloc[0])
        before = part[part["position"] < position]
        beta, earlier = before["lasso"].to_numpy(), rows[:position]
        slope = earlier @ (rows[position] - beta @ earlier) / 64
        alpha = settings["alpha"]
        assert (np.abs(slope) <= alpha * (1 + 1e-4)).all()
        np.testing.assert_allclose(slope[beta != 0], alpha * np.sign(beta[beta != 0]), rtol=1e-3)
        assert before["attention"].sum() < 1
