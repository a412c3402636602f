"""The figure of the three normalisations."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from figure_values import (
    DATASETS,
    PYTHIA,
    check_layout,
    check_same_bytes,
    legend_of,
    made_values,
    words,
)
from matrix_entropy.base.errors import InputError
from matrix_entropy.figures.kinds.normalisations import draw_normalisations, normalisations_numbers

NAMES = ["entropy_a", "entropy_b", "entropy_c", "effective_rank_geometric"]


def draw(values: pd.DataFrame) -> Figure:
    return draw_normalisations(normalisations_numbers(values), "A title", "A subtitle")


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    plt.close("all")


def test_nulls_meet_values_of_one_constant_rank() -> None:
    values = made_values()
    width = values["width"]
    constant = values.assign(
        entropy_a=np.log(60) / np.log(width),
        entropy_b=60 / width,
        entropy_c=66 / width,
        effective_rank_geometric=60.0,
        effective_rank=66.0,
    )
    numbers = normalisations_numbers(constant)
    for name in NAMES:
        np.testing.assert_allclose(numbers[f"null_{name}"], constant[name], err_msg=name)


def test_lines_are_the_numbers_of_the_table() -> None:
    values = made_values(datasets=("dolly", "wiki"))
    numbers = normalisations_numbers(values)
    wiki = numbers[numbers["dataset"] == "wiki"]
    for axis, name in zip(draw(values).axes, NAMES, strict=True):
        drawn = [line.get_ydata().tolist() for line in axis.lines]
        assert wiki[name].tolist() in drawn, name
        assert wiki[f"null_{name}"].tolist() in drawn, name
        assert axis.get_yscale() == ("linear" if name == "entropy_a" else "log")
    assert wiki["effective_rank"].tolist() in drawn


def test_everything_is_labelled_and_fits() -> None:
    figure = draw(made_values("Pythia", PYTHIA, tuple(DATASETS), stand_in=True))
    check_layout(figure)
    assert legend_of(figure)[:4] == list(DATASETS.values())
    text = words(figure)
    for wanted in ("A title", "A subtitle", "(a) mean of", "(b) exp(mean", "(c) mean of exp"):
        assert wanted in text
    assert "Parameters of the stand-ins" in text


def test_two_families_are_told_apart_by_markers() -> None:
    figure = draw(pd.concat([made_values(), made_values("Pythia", PYTHIA)]))
    check_layout(figure)
    lines = [line for line in figure.axes[0].lines if line.get_marker() != "None"]
    assert [line.get_marker() for line in lines] == ["o", "s"]
    assert len({line.get_color() for line in lines}) == 1
    assert legend_of(figure)[:3] == ["Dolly contexts", "Cerebras-GPT", "Pythia"]


def test_a_single_model_has_no_null() -> None:
    values = made_values()[:1]
    assert normalisations_numbers(values)["null_entropy_b"].isna().all()
    figure = draw(values)
    check_layout(figure)
    assert not any("null" in entry for entry in legend_of(figure))


def test_no_entropy_at_all_is_said() -> None:
    with pytest.raises(InputError, match="no model has an entropy to draw"):
        normalisations_numbers(made_values().assign(entropy_a=np.nan))


def test_a_rebuild_is_the_same_bytes(tmp_path: Path) -> None:
    values = made_values()
    check_same_bytes(lambda: draw(values), normalisations_numbers(values), tmp_path)
