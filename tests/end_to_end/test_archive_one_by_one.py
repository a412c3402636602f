"""An archive as typed: packed from what a user built, rebuilt from it without torch."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pandas as pd
import pytest
import yaml

import random_models
from commands import snakemake_for
from matrix_entropy.models.stand_ins import train_tokenizer
from matrix_entropy.results.archive import manifest_of
from matrix_entropy.results.crate import CONFIGURATION, METADATA
from matrix_entropy.results.spectra_file import Spectra
from matrix_entropy.texts.synthetic.genres import records

FIGURE = "figures/layers_mine_texts"
TABLE = "results/tables/numbers"
MEASURED = "figures/straight"
FILES = [f"{figure}{end}" for figure in (FIGURE, MEASURED) for end in (".pdf", ".png", ".csv")]
FILES += [f"{TABLE}{end}" for end in (".csv", ".md", ".tex")]
TARGETS = [f"{FIGURE}.pdf", f"{MEASURED}.pdf", f"{TABLE}.csv"]


def configuration() -> dict:
    model = {"path": "model", "layers": 3, "width": 48, "parameters": 1.0e5}
    dataset = {
        "path": "texts.jsonl",
        "shards": 2,
        "controls": ["without_first_row", "without_long_rows"],
        "measures": ["curvature", "norm_ratio"],
    }
    return {
        "models": {"mine": model},
        "datasets": {"texts": dataset},
        "figures": {"straight": {"model": "mine", "dataset": "texts", "metric": "curvature"}},
        "tables": {"numbers": {"kind": "indicators", "models": ["mine"], "dataset": "texts"}},
    }


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    """A folder with a figure, a table and their archive."""
    folder = tmp_path_factory.mktemp("built")
    shutil.copy(root / "config.yaml", folder)
    texts = [record["text"] for record in records("wikipedia", 8, 1)]
    pd.DataFrame({"text": texts}).to_json(folder / "texts.jsonl", orient="records", lines=True)
    tokenizer = train_tokenizer(texts * 3, 400)
    model = random_models.gpt_neox(vocabulary=len(tokenizer), context=512)
    model.save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    (folder / "mine.yaml").write_text(yaml.safe_dump(configuration()))
    done = snakemake_for(root, folder, *TARGETS)
    assert done.returncode == 0, done.stderr[-4000:]
    done = snakemake_for(root, folder, "archive")
    assert done.returncode == 0, done.stderr[-4000:]
    return folder


def without_a_model(root: Path, built: Path, folder: Path) -> None:
    """A folder with the configuration and the archive alone."""
    shutil.copy(root / "config.yaml", folder)
    shutil.copy(built / "results/archive.zip", folder / "published.zip")
    mine = {**configuration(), "archive": "published.zip"}
    (folder / "mine.yaml").write_text(yaml.safe_dump(mine))


def test_the_archive_holds_the_gathered_spectra_and_no_states(built: Path) -> None:
    manifest = manifest_of(built / "results/archive.zip")
    names = [entry["path"] for entry in manifest["files"]]
    assert "results/spectra/mine/texts.npz" in names
    assert "results/prompts/texts.origin.json" in names
    assert not [name for name in names if "of2" in name or "hidden_states/" in name]
    assert not [name for name in names if name.startswith("results/models")]
    assert manifest["configuration"]["models"]["mine"]["width"] == 48
    # The crate in it tells of the same files, and says what the run was told to do.
    with ZipFile(built / "results/archive.zip") as source:
        graph = json.loads(source.read(METADATA))["@graph"]
        configuration = yaml.safe_load(source.read(CONFIGURATION))
    (run,) = [one for one in graph if one["@type"] == "CreateAction"]
    results = {name for name in names if name.startswith("results/")}
    assert {result["@id"] for result in run["result"]} == results
    assert configuration == manifest["configuration"]


def test_measures_of_shards_are_gathered_and_drawn(built: Path) -> None:
    spectra = Spectra.load(built / "results/spectra/mine/texts.npz")
    parts = [Spectra.load(built / f"results/spectra/mine/texts.{n}of2.npz") for n in (1, 2)]
    together = np.concatenate([part.measured for part in parts], axis=-1)
    assert spectra.measures == ("curvature", "norm_ratio")
    np.testing.assert_array_equal(spectra.measured, together)
    drawn = pd.read_csv(built / f"{MEASURED}.csv")
    of_blocks = spectra.measured[0, 1:4]
    np.testing.assert_allclose(drawn["curvature_mean"], of_blocks.mean(axis=1), rtol=1e-8)
    np.testing.assert_allclose(drawn["curvature_std"], of_blocks.std(axis=1), rtol=1e-7)


def test_a_measure_that_the_archive_lacks_is_refused(
    root: Path, built: Path, tmp_path: Path
) -> None:
    without_a_model(root, built, tmp_path)
    mine = {**configuration(), "archive": "published.zip"}
    mine["datasets"]["texts"]["measures"].append("anisotropy")
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(mine))
    done = snakemake_for(root, tmp_path, "-n", *TARGETS)
    assert done.returncode != 0
    told = done.stderr + done.stdout
    assert "published.zip was made with another 'datasets.texts.measures'" in told
    assert "build without the archive" in told
    assert "Traceback" not in done.stderr


def test_a_metric_of_spectra_that_is_added_needs_no_new_archive(
    root: Path, built: Path, tmp_path: Path
) -> None:
    without_a_model(root, built, tmp_path)
    mine = {**configuration(), "archive": "published.zip"}
    mine["datasets"]["texts"]["metrics"] = ["participation_ratio"]
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(mine))
    target = "results/metrics/mine/texts.summary.csv"
    done = snakemake_for(root, tmp_path, target)
    assert done.returncode == 0, done.stderr
    summary = pd.read_csv(tmp_path / target)
    spectra = Spectra.load(built / "results/spectra/mine/texts.npz")
    values = [
        [1 / np.sum(spectra.of(view, 1, text) ** 2) for text in range(len(spectra.ids))]
        for view in range(len(spectra.views))
    ]
    first = summary[(summary["depth"] == 1) & (summary["group"] == spectra.groups[0])]
    assert list(first["view"]) == list(spectra.views)
    inside = spectra.groups == spectra.groups[0]
    expected = [np.mean(np.array(of_view)[inside]) for of_view in values]
    np.testing.assert_allclose(first["participation_ratio"], expected, rtol=1e-8)


def test_a_rebuild_without_torch_is_the_same_bytes(
    root: Path, built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_a_model(root, built, tmp_path)
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    for module in ("torch", "transformers"):
        (blocked / f"{module}.py").write_text("raise ImportError('not on this machine')\n")
    monkeypatch.setenv("PYTHONPATH", str(blocked))
    done = snakemake_for(root, tmp_path, *TARGETS)
    assert done.returncode == 0, done.stderr[-4000:]
    for file in FILES:
        assert (tmp_path / file).read_bytes() == (built / file).read_bytes(), file
    assert not (tmp_path / "results/models").exists()


def test_new_results_are_packed_anew_and_old_ones_are_not(root: Path, built: Path) -> None:
    done = snakemake_for(root, built, "-n", "archive")
    assert "Nothing to be done" in done.stdout
    origin = built / "results/prompts/other.origin.json"
    origin.write_text("{}")
    try:
        done = snakemake_for(root, built, "-n", "archive")
        assert "Packing what has been built" in done.stdout
    finally:
        origin.unlink()


def test_no_text_can_be_read_from_the_archive(built: Path) -> None:
    with np.load(built / "results/spectra/mine/texts.npz") as stored:
        assert "token_ids" not in stored.files
    words = (built / "texts.jsonl").read_text().split()[3:9]
    packed = (built / "results/archive.zip").read_bytes()
    assert " ".join(words).encode() not in packed


def test_another_model_of_the_same_name_is_refused(root: Path, built: Path, tmp_path: Path) -> None:
    without_a_model(root, built, tmp_path)
    mine = {**configuration(), "archive": "published.zip"}
    mine["models"]["mine"]["layers"] = 4
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(mine))
    done = snakemake_for(root, tmp_path, "-n", *TARGETS)
    assert done.returncode != 0
    told = done.stderr + done.stdout
    assert "published.zip was made with another 'models.mine.layers' (3)" in told
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("fault", ["damaged", "missing"])
def test_an_archive_that_cannot_be_used_is_named(
    root: Path, built: Path, tmp_path: Path, fault: str
) -> None:
    without_a_model(root, built, tmp_path)
    archive = tmp_path / "published.zip"
    whole = archive.read_bytes()
    archive.unlink()
    if fault == "damaged":
        archive.write_bytes(whole[:-200])
    done = snakemake_for(root, tmp_path, "-n", *TARGETS)
    assert done.returncode != 0
    assert "published.zip" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
