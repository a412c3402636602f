"""The figure with and without the first row."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from figure_values import check_layout, check_same_bytes, legend_of, words
from matrix_entropy.base.errors import InputError
from matrix_entropy.figures.kinds.first_token import (
    draw_first_token,
    first_token_captions,
    first_token_gaps,
    first_token_numbers,
)
from matrix_entropy.figures.kinds.layers import layer_curves
from matrix_entropy.maths.entropy import entropy_of

MODELS = {"gpt2_small": "GPT-2 Small", "gpt2_large": "GPT-2 Large"}
PANELS = {
    "Long stories": ["good long", "bad long"],
    "Condensed stories": ["good condensed", "bad condensed"],
}
WIDTH = 48


def entropies_with_a_sink(length: int, sink: float, seed: int) -> tuple[float, float]:
    """``H / log d`` of rows in all directions of which the first is long, with and without it."""
    states = np.random.default_rng(seed).normal(size=(length, WIDTH))
    states[0] *= sink
    return entropy_of(states) / np.log(WIDTH), entropy_of(states[1:]) / np.log(WIDTH)


@pytest.fixture(scope="module")
def curves() -> pd.DataFrame:
    lengths = dict(zip(chain(*PANELS.values()), (150, 120, 46, 39), strict=True))
    parts = []
    for place, (model, title) in enumerate(MODELS.items()):
        rows = []
        for block, sink in enumerate((1.0, 60.0, 20.0)):
            for group, length in lengths.items():
                for text in range(2):
                    both = entropies_with_a_sink(length, sink, 100 * place + text)
                    rows.append((str(text), group, str(block + 1), length, *both))
        names = ["id", "group", "layer", "tokens", "matrix_entropy_normalised"]
        table = pd.DataFrame(rows, columns=[*names, "matrix_entropy_normalised_without_first_row"])
        parts.append(
            layer_curves(table.assign(entropy_bound_normalised=1.0), PANELS).assign(
                model=model,
                model_title=title,
                stand_in=True,
                weights="",
                parameters=1000 * (1 + place),
                dataset="child",
                dataset_title="child stories",
            )
        )
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    plt.close("all")


def test_a_long_first_row_makes_the_dip_and_the_gap(curves: pd.DataFrame) -> None:
    gaps = first_token_gaps(first_token_numbers(curves))
    gap = gaps[gaps["gap"] == "good condensed − bad condensed"].set_index("block")
    assert gap.loc[1, "normalised_mean"].mean() > 2 * gap.loc[0, "normalised_mean"].mean()
    without = gap["normalised_without_first_row_mean"].to_numpy().reshape(2, 3)
    np.testing.assert_allclose(without, without[:, :1] * np.ones(3), rtol=1e-9)


def test_gaps_are_differences_of_the_means(curves: pd.DataFrame) -> None:
    numbers = first_token_numbers(curves)
    gaps = first_token_gaps(numbers)
    assert len(gaps) == len(numbers) / 2
    means = numbers.set_index(["model", "group", "block"])["normalised_mean"]
    row = gaps[(gaps["model"] == "gpt2_large") & (gaps["block"] == 2)].iloc[0]
    expected = means["gpt2_large", "good long", 2] - means["gpt2_large", "bad long", 2]
    assert row["normalised_mean"] == pytest.approx(expected)


def test_a_data_set_without_the_control_is_named(curves: pd.DataFrame) -> None:
    name = "normalised_without_first_row_mean"
    other = curves.assign(dataset="world", **{name: np.nan})
    for missing in (pd.concat([curves, other]), curves.drop(columns=name)):
        with pytest.raises(InputError, match=r"'(world|child)' was not measured without its first"):
            first_token_numbers(missing)


def test_lines_are_the_numbers_of_the_tables(curves: pd.DataFrame) -> None:
    numbers = first_token_numbers(curves)
    gaps = first_token_gaps(numbers)
    axes = draw_first_token(numbers, gaps, "A title", "A subtitle").axes
    large = numbers[numbers["model"] == "gpt2_large"]
    bad = large[large["group"] == "bad condensed"]
    lines = axes[4].lines
    np.testing.assert_array_equal(lines[2].get_ydata(), bad["normalised_mean"])
    without = "normalised_without_first_row_mean"
    np.testing.assert_array_equal(lines[3].get_ydata(), bad[without])
    pair = gaps[(gaps["model"] == "gpt2_large") & (gaps["panel"] == "Condensed stories")]
    np.testing.assert_array_equal(axes[5].lines[4].get_ydata(), pair[without])


def test_everything_is_labelled_and_fits(curves: pd.DataFrame) -> None:
    numbers = first_token_numbers(curves)
    captions = first_token_captions("Control", numbers)
    figure = draw_first_token(numbers, first_token_gaps(numbers), *captions)
    check_layout(figure)
    assert legend_of(figure)[:2] == ["all rows", "first row left out"]
    text = words(figure)
    for wanted in (
        "2 stand-ins, child stories",
        "Not GPT-2 Small",
        "Long stories",
        "Gaps",
        "up to",
    ):
        assert wanted in text


def test_a_panel_that_a_model_has_not_is_said(curves: pd.DataFrame) -> None:
    part = curves[(curves["model"] == "gpt2_small") | (curves["panel"] == "Long stories")]
    numbers = first_token_numbers(part)
    figure = draw_first_token(numbers, first_token_gaps(numbers), "A title", "A subtitle")
    check_layout(figure)
    assert [text.get_text() for text in figure.axes[4].texts if text.get_text()] == ["not measured"]


def test_a_rebuild_is_the_same_bytes(curves: pd.DataFrame, tmp_path: Path) -> None:
    numbers = first_token_numbers(curves)
    gaps = first_token_gaps(numbers)
    check_same_bytes(lambda: draw_first_token(numbers, gaps, "A", "B"), numbers, tmp_path)
