"""Curves of several runs in one table, and gaps between groups of texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from figure_values import whole_metrics
from matrix_entropy.base.errors import InputError
from matrix_entropy.figures.kinds.run_curves import group_gaps, run_captions, run_curves
from matrix_entropy.results.metrics import write_metrics

PANELS = {"Long": ["good", "bad"]}
MODELS = {"small": {"title": "GPT-2 Small"}, "large": {}}
DATASETS: dict[str, dict[str, Any]] = {
    "child": {"title": "child stories", "panels": PANELS},
    "matched": {"panels": PANELS},
}


def written(folder: Path, model: str, dataset: str, stand_in: bool = False) -> str:
    metrics = pd.DataFrame(
        {
            "id": ["0", "1"] * 2,
            "group": ["good", "bad"] * 2,
            "layer": ["1", "1", "final", "final"],
            "tokens": [20, 30] * 2,
            "matrix_entropy_normalised": [0.5, 0.4, 0.9, 0.9],
            "entropy_bound_normalised": 1.0,
        }
    )
    record = {"model": model, "stand_in": stand_in, "parameters": 1000}
    path = folder / model / f"{dataset}.parquet"
    write_metrics(path, whole_metrics(metrics), {"model": record, "dataset": {"name": dataset}})
    return str(path)


def test_curves_of_all_runs_with_what_they_are_called(tmp_path: Path) -> None:
    paths = [written(tmp_path, model, "child") for model in MODELS]
    curves = run_curves(paths, MODELS, DATASETS)
    assert curves["model"].tolist() == ["small", "small", "large", "large"]
    assert curves["model_title"].tolist() == ["GPT-2 Small"] * 2 + ["large"] * 2
    assert curves["normalised_mean"].tolist() == [0.5, 0.4] * 2
    assert set(curves["dataset_title"]) == {"child stories"}


def test_two_data_sets_with_the_same_panel_are_said(tmp_path: Path) -> None:
    paths = [written(tmp_path, "small", dataset) for dataset in DATASETS]
    with pytest.raises(InputError, match="'child' and 'matched' both have a panel 'Long'"):
        run_curves(paths, MODELS, DATASETS)


def test_a_gap_is_the_first_group_less_the_second() -> None:
    curves = pd.DataFrame(
        {
            "panel": ["a"] * 4 + ["b"] * 2,
            "group": ["x", "x", "y", "y", "x", "y"],
            "block": [0, 1, 1, 0, 0, 0],
            "entropy": [1.0, 2.0, 10.0, 20.0, 5.0, 3.0],
        }
    )
    gaps = group_gaps(curves, ["block"], ["entropy"])
    assert gaps.to_numpy().tolist() == [
        [0, "a", "x − y", -19.0],
        [1, "a", "x − y", -8.0],
        [0, "b", "x − y", 2.0],
    ]


def test_panels_without_two_groups_have_no_gap() -> None:
    curves = pd.DataFrame(
        {"panel": ["a", "b", "b"], "group": ["x", "x", "y"], "block": 0, "entropy": 1.0}
    )
    assert set(group_gaps(curves, ["block"], ["entropy"])["panel"]) == {"b"}
    with pytest.raises(InputError, match="no two groups to compare; give a data set"):
        group_gaps(curves[curves["panel"] == "a"], ["block"], ["entropy"])


@pytest.mark.parametrize(
    ("stand_ins", "title", "words"),
    [
        ([False], "T: GPT-2, stories", "GPT-2"),
        ([True], "T: GPT-2 stand-in, stories", "Not GPT-2 but a stand-in of 5k"),
        ([False, False], "T: 2 models, stories", "GPT-2, OPT"),
        ([True, True], "T: 2 stand-ins, stories", "Not GPT-2, OPT but stand-ins of 5k to 30k"),
        ([True, True, True], "T: 3 stand-ins, stories", "of 5k to 30k parameters"),
    ],
)
def test_captions_name_stand_ins(stand_ins: list[bool], title: str, words: str) -> None:
    models = pd.DataFrame(
        {
            "model": ["a", "b", "c"],
            "model_title": ["GPT-2", "OPT", "Pythia"],
            "parameters": [5_000, 30_000, 20_000],
            "dataset_title": "stories",
            "weights": "",
        }
    )[: len(stand_ins)].assign(stand_in=stand_ins)
    if not any(stand_ins):  # whose parameters no record counts
        models["parameters"] = None
    found = run_captions("T", models)
    assert found[0] == title
    assert words in found[1]
