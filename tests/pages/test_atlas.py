"""The atlas: its numbers are those of the tables, and a browser shows them from the file alone."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import write_jsonl
from matrix_entropy.pages.atlas import atlas_data, write_atlas
from matrix_entropy.results.metrics import (
    metrics_table,
    read_metrics,
    read_summary,
    summary_table,
    write_metrics,
    write_summary,
)
from matrix_entropy.results.spectra_file import Spectra

GROUPS = ["good", "bad"] * 5
LAYERS = ("0", "1", "2", "final")
MODELS = {
    "small": {"title": "Small </script>", "family": "Toy", "layers": 3, "parameters": 1e6},
    "large": {"title": "Large", "family": "Toy", "layers": 3, "parameters": 9e6},
}
DATASETS = {
    "stories": {"title": "Stories & more", "licence": "MIT", "hidden": []},
    "secrets": {"title": "Secrets", "licence": "", "hidden": ["*"]},
}
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
in_browser = pytest.mark.skipif(CHROMIUM is None, reason="neither Chromium nor Chrome is installed")


def spectra(model: str, width: int, seed: int) -> Spectra:
    random = np.random.default_rng(seed)
    counts = random.integers(5, 12, (2, len(LAYERS), len(GROUPS)))
    offsets = np.cumsum([0, *counts[0, 0] + 1])
    losses = random.random(offsets[-1]).astype(np.float32)
    losses[offsets[:-1]] = np.nan
    return Spectra(
        eigenvalues=np.concatenate([random.dirichlet(np.ones(n)) for n in counts.ravel()]),
        counts=counts,
        rows=counts + 1,
        views=("all_rows", "without_first_row"),
        layers=LAYERS,
        width=width,
        ids=np.array([f"{group}/{number}" for number, group in enumerate(GROUPS)]),
        groups=np.array(GROUPS),
        offsets=offsets,
        truncated=np.zeros(len(GROUPS), dtype=bool),
        token_losses=losses,
        window_groups=np.array(sorted(set(GROUPS))),
        window_losses=random.random(2).astype(np.float32),
        window_tokens=np.full(2, 10),
        provenance={"model": {"model": model, "stand_in": False}},
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("atlas")
    metrics, summaries = [], []
    for seed, (model, dataset) in enumerate([(m, d) for m in MODELS for d in DATASETS]):
        found = spectra(model, 32 + 16 * seed, seed)
        metrics.append(str(folder / model / f"{dataset}.parquet"))
        summaries.append(str(folder / model / f"{dataset}.summary.csv"))
        write_metrics(metrics[-1], metrics_table(found, ["rankme"]), found.provenance)
        told = found.provenance | {"dataset": {"name": dataset}}
        write_summary(summaries[-1], summary_table(found, ["rankme"]), told)
    texts = [
        {"id": f"{group}/{number}", "group": group, "text": f"Text {number} <b>of</b>\n{group}."}
        for number, group in enumerate(GROUPS)
    ]
    write_jsonl(folder / "stories.jsonl", texts)
    return {
        "metrics": metrics,
        "summaries": summaries,
        "models": MODELS,
        "datasets": DATASETS,
        "texts": [str(folder / "stories.jsonl")],
    }


@pytest.fixture(scope="module")
def page(runs, tmp_path_factory) -> Path:
    found = tmp_path_factory.mktemp("page") / "atlas.html"
    write_atlas(found, **runs)
    return found


def test_means_and_deviations_are_those_of_the_texts(runs) -> None:
    data = atlas_data(**runs)
    for run, path in zip(data["runs"], runs["metrics"], strict=True):
        texts, _ = read_metrics(path)
        for series in run["series"]:
            end = "" if series["view"] == "all_rows" else f"_{series['view']}"
            here = texts[texts["group"] == series["group"]].groupby("depth")
            for name in ("matrix_entropy", "matrix_entropy_normalised"):
                values = here[f"{name}{end}"]
                np.testing.assert_allclose(series["means"][name], values.mean(), rtol=1e-5)
                np.testing.assert_allclose(series["stds"][name], values.std(ddof=0), rtol=1e-5)
            if not end:
                np.testing.assert_allclose(series["means"]["rankme"], here["rankme"].mean(), 1e-5)
                np.testing.assert_allclose(series["means"]["loss"], here["loss"].mean(), 1e-5)


def test_a_metric_counts_the_texts_that_have_it(runs, tmp_path) -> None:
    """RankMe is taken from two texts of a layer, so that its standard error is of the others."""
    texts, provenance = read_metrics(runs["metrics"][0])
    here = (texts["depth"] == 1) & (texts["group"] == "good")
    texts.loc[texts.index[here][:2], "rankme"] = np.nan
    path = tmp_path / "small" / "stories.parquet"
    write_metrics(path, texts, provenance)
    changed = runs | {"metrics": [str(path), *runs["metrics"][1:]]}
    series = atlas_data(**changed)["runs"][0]["series"]
    found = {(each["view"], each["group"]): each["counts"] for each in series}
    assert found["all_rows", "good"]["rankme"] == [5, 3, 5, 5]
    assert found["all_rows", "bad"]["rankme"] == [5, 5, 5, 5]
    assert found["all_rows", "good"]["matrix_entropy"] == [5, 5, 5, 5]
    # Of other rows nobody counted it.
    assert "rankme" not in found["without_first_row", "good"]
    assert found["without_first_row", "good"]["matrix_entropy"] == [5, 5, 5, 5]


def test_the_texts_at_either_end_are_named(runs) -> None:
    run = atlas_data(**runs)["runs"][0]
    texts, _ = read_metrics(runs["metrics"][0])
    here = texts[(texts["depth"] == 2) & (texts["group"] == "bad")].sort_values("effective_rank")
    found = run["extremes"]["effective_rank"]["bad"][2]
    assert [text for text, _ in found] == here["id"].tolist()  # three and two: all five
    np.testing.assert_allclose([value for _, value in found], here["effective_rank"], rtol=1e-5)


def test_texts_without_an_open_licence_stay_out(runs, page) -> None:
    data = atlas_data(**runs)
    assert data["texts"]["stories"]["good/0"]["text"] == "Text 0 <b>of</b> good."
    assert {text["text"] for text in data["texts"]["secrets"].values()} == {None}
    hidden = DATASETS | {"stories": DATASETS["stories"] | {"hidden": ["good"]}}
    of_stories = atlas_data(**runs | {"datasets": hidden})["texts"]["stories"]
    assert {text["group"] for text in of_stories.values() if text["text"]} == {"bad"}


def test_the_page_takes_nothing_from_elsewhere_and_is_the_same_bytes(runs, page, tmp_path) -> None:
    whole = page.read_text(encoding="utf-8")
    outside = whole.split('id="data"')[0]
    assert re.findall(r"\b(?:src|href|url|@import)\b[^ ]*", outside) == ['href="#said">To']
    assert whole.count("</script>") == 3
    write_atlas(tmp_path / "again.html", **runs)
    assert (tmp_path / "again.html").read_bytes() == page.read_bytes()


def test_no_run_is_a_sentence(tmp_path) -> None:
    with pytest.raises(InputError, match="no figure or table"):
        write_atlas(tmp_path / "atlas.html", [], [], {}, {})
    assert not (tmp_path / "atlas.html").exists()


def shown(page: Path, width: int = 1280, **choice: str) -> str:
    """What a browser makes of the page, as HTML."""
    address = f"file://{page}#" + "&".join(f"{key}={value}" for key, value in choice.items())
    command = [
        *(str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"),
        *("--no-first-run", "--disable-background-networking", "--disable-component-update"),
        *("--disable-sync", f"--user-data-dir={page.parent / 'browser'}"),
        *(f"--window-size={width},900", "--virtual-time-budget=4000", "--dump-dom", address),
    ]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


def numbers(dom: str) -> dict[str, list[str]]:
    """The cells of the page's table of numbers, by what tells its rows apart."""
    table = dom.split('<table id="numbers">')[1].split("</table>")[0]
    found = {}
    for row in re.findall(r"<tr>(.*?)</tr>", table)[1:]:
        label, _, *values = [html.unescape(cell) for cell in re.findall(r">([^<]*)</t[hd]>", row)]
        found[label] = values
    return found


@in_browser
def test_a_browser_shows_what_is_chosen(runs, page) -> None:
    chosen = {"dataset": "stories", "metric": "matrix_entropy", "norm": "width"}
    dom = shown(page, **chosen, models="large,small")
    assert "<svg" in dom
    assert dom.count('aria-roledescription="point"') == 2 * 2 * len(LAYERS)
    for path, title in ((runs["summaries"][0], "Small </script>"), (runs["summaries"][2], "Large")):
        summary = read_summary(path)
        for group in ("good", "bad"):
            here = summary[(summary["view"] == "all_rows") & (summary["group"] == group)]
            found = np.array(numbers(dom)[f"{title} · {group}"], dtype=float)
            np.testing.assert_allclose(found, here["entropy_a"], rtol=1e-3)


@in_browser
def test_data_sets_of_one_title_are_told_apart(runs, tmp_path) -> None:
    datasets = {name: entry | {"title": "Tales"} for name, entry in DATASETS.items()}
    write_atlas(tmp_path / "atlas.html", **runs | {"datasets": datasets})
    dom = shown(tmp_path / "atlas.html")
    assert all(f">Tales ({name})</option>" in dom for name in DATASETS)


def test_every_control_has_a_name(page) -> None:
    """By the label around it, or by one that names it where something else comes first in it."""
    body = page.read_text(encoding="utf-8").split("<script")[0]
    for label in re.findall(r"<label.*?</label>", body, re.DOTALL):
        if "<output" in label:
            assert re.search(r'<label for="(\w+)">.*<input [^>]*id="\1"', label), label


@in_browser
def test_a_browser_of_a_phones_width_shows_it_too(page) -> None:
    choice = {"dataset": "secrets", "metric": "effective_rank", "axis": "size", "layer": "1"}
    dom = shown(page, 390, **choice, models="small,large", groups="good")
    assert dom.count('aria-roledescription="point"') == 2
    assert set(numbers(dom)) == {"Small </script>", "Large"}
    assert "names no open licence" in dom
    dom = shown(page, 390, **choice | {"picture": "heat", "axis": "depth"}, groups="bad")
    assert dom.count('aria-roledescription="rect mark"') == 2 * len(LAYERS)


def test_data_are_json_without_what_is_none(runs) -> None:
    json.dumps(atlas_data(**runs), allow_nan=False)


@in_browser
def test_checkpoints_stand_along_the_steps_of_their_training(runs, tmp_path) -> None:
    models = {
        name: entry | {"checkpoint": {"model": "m", "title": "M", "step": step}}
        for step, (name, entry) in enumerate(MODELS.items())
    }
    write_atlas(tmp_path / "atlas.html", **runs | {"models": models})
    dom = shown(tmp_path / "atlas.html", dataset="stories", groups="good")
    assert dom.count('aria-roledescription="point"') == 2
    assert ">training step</text>" in dom
