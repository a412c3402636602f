"""The figure of trained models against untrained ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from figure_values import (
    PYTHIA,
    check_layout,
    check_same_bytes,
    legend_of,
    made_values,
    made_variants,
    words,
)
from matrix_entropy.base.errors import InputError
from matrix_entropy.figures.kinds.untrained import draw_untrained, untrained_numbers

VARIANTS = ["trained", "untrained, seed 1", "untrained, seed 2", "untrained, seed 3"]


def draw(values: pd.DataFrame) -> Figure:
    return draw_untrained(untrained_numbers(values), "A title", "A subtitle")


@pytest.fixture
def values() -> pd.DataFrame:
    return made_variants(made_values(datasets=("dolly", "wiki")), VARIANTS, 0.05)


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    plt.close("all")


def test_diff_erank_is_untrained_minus_trained(values: pd.DataFrame) -> None:
    for number, variant in enumerate(VARIANTS):
        chosen = values["variant"] == variant
        values.loc[chosen, "effective_rank_geometric"] = [60.0, 80.0, 90.0, 130.0][number]
        values.loc[chosen, "effective_rank"] = [70.0, 91.0, 101.0, 141.0][number]
    row = untrained_numbers(values).iloc[0]
    assert (row["rank_trained"], row["rank_untrained"], row["seeds"]) == (60, 100, 3)
    assert (row["rank_diff"], row["rank_diff_low"], row["rank_diff_high"]) == (40, 20, 70)
    assert row["rank_untrained_std"] == pytest.approx(700**0.5), "(20² + 10² + 30²) / 2"
    assert (row["mean_rank_trained"], row["mean_rank_untrained"]) == (70, 111)
    assert (row["mean_rank_diff_low"], row["mean_rank_diff_high"]) == (21, 71)


def test_rows_keep_the_order_of_data_sets_and_rise_in_size(values: pd.DataFrame) -> None:
    numbers = untrained_numbers(values.iloc[::-1])
    assert list(dict.fromkeys(numbers["dataset"])) == ["wiki", "dolly"]
    assert numbers["parameters"][:7].is_monotonic_increasing
    assert len(numbers) == 14


def test_a_data_set_without_an_untrained_run_is_left_out(values: pd.DataFrame) -> None:
    only = values[(values["variant"] == "trained") | (values["dataset"] == "dolly")]
    assert set(untrained_numbers(only)["dataset"]) == {"dolly"}


def test_lines_and_bars_are_the_numbers_of_the_table(values: pd.DataFrame) -> None:
    part = untrained_numbers(values).iloc[:7]
    figure = draw(values)
    top, bottom = figure.axes[0], figure.axes[2]
    np.testing.assert_array_equal(top.lines[0].get_ydata(), part["rank_trained"])
    line, _, (bars,) = top.containers[0].lines
    np.testing.assert_array_equal(line.get_ydata(), part["rank_untrained"])
    ends = np.array([segment[:, 1] for segment in bars.get_segments()])
    np.testing.assert_allclose(ends[:, 0], part["rank_untrained_low"])
    np.testing.assert_allclose(ends[:, 1], part["rank_untrained_high"])
    for container, name in zip(bottom.containers, ("rank_diff", "mean_rank_diff"), strict=True):
        np.testing.assert_array_equal(container.lines[0].get_ydata(), part[name])


def test_everything_is_labelled_and_fits(values: pd.DataFrame) -> None:
    figure = draw(values)
    check_layout(figure)
    assert legend_of(figure)[:2] == ["trained", "untrained, mean and range of 3 seeds"]
    text = words(figure)
    for wanted in ("A title", "A subtitle", "Dolly contexts", "Wikipedia", "untrained − trained"):
        assert wanted in text


def test_two_families_fit(values: pd.DataFrame) -> None:
    pythia = made_variants(made_values("Pythia", PYTHIA, stand_in=True), VARIANTS, 0.05)
    figure = draw(pd.concat([values, pythia]))
    check_layout(figure)
    assert legend_of(figure)[:2] == ["Cerebras-GPT", "Pythia"]


def test_a_single_model_and_seed_is_drawn(values: pd.DataFrame) -> None:
    one = values[(values["size"] == "111M") & values["variant"].isin(VARIANTS[:2])]
    figure = draw(one)
    check_layout(figure)
    assert "untrained, 1 seed" in legend_of(figure)


def test_no_untrained_model_is_said(values: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="no untrained model to compare with; add `seeds:`"):
        untrained_numbers(values[values["variant"] == "trained"])


def test_a_rebuild_is_the_same_bytes(values: pd.DataFrame, tmp_path: Path) -> None:
    check_same_bytes(lambda: draw(values), untrained_numbers(values), tmp_path)
