"""The figure of a trained model against fresh weights across blocks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from figure_values import check_layout, check_same_bytes, legend_of, words
from matrix_entropy.base.errors import InputError
from matrix_entropy.figures.kinds.untrained_blocks import (
    draw_untrained_blocks,
    untrained_block_captions,
    untrained_block_numbers,
)

PANELS = {
    "Long stories": ["good long", "bad long"],
    "Condensed stories": ["good condensed", "bad condensed"],
}
MODELS: dict[str, Any] = {
    "gpt2": {},
    **{f"gpt2_untrained_{seed}": {"untrained": {"model": "gpt2", "seed": seed}} for seed in (1, 2)},
}


def made(panels: dict[str, list[str]] = PANELS, blocks: int = 4) -> pd.DataFrame:
    """Curves with means of their own everywhere."""
    rows: list[dict[str, Any]] = []
    for order, model in enumerate(MODELS):
        for panel, groups in panels.items():
            for place, group in enumerate(groups):
                for block in range(blocks):
                    mean = 0.5 + 0.2 * (order > 0) + 0.01 * order * (1 + place) + 0.02 * block
                    rows.append(
                        {
                            "model": model,
                            "model_title": "GPT-2",
                            "stand_in": True,
                            "weights": "",
                            "parameters": 5000,
                            "dataset": "child",
                            "dataset_title": "child stories",
                            "panel": panel,
                            "group": group,
                            "block": block,
                            "texts": 10,
                            "undefined": 0,
                            "tokens_mean": 100.0,
                            "normalised_mean": mean - 0.1 * place * len(group) / 10,
                            "normalised_std": 0.02,
                            "entropy_bound_mean": 1.0,
                        }
                    )
    return pd.DataFrame(rows)


def draw(curves: pd.DataFrame) -> Figure:
    numbers, gaps = untrained_block_numbers(curves, MODELS)
    return draw_untrained_blocks(numbers, gaps, "A title", "A subtitle")


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    plt.close("all")


def test_untrained_is_mean_and_range_over_seeds() -> None:
    curves = made()
    numbers, _ = untrained_block_numbers(curves, MODELS)
    assert len(numbers) == 16
    row = numbers[(numbers["group"] == "bad long") & (numbers["block"] == 3)].iloc[0]
    same = curves[(curves["group"] == "bad long") & (curves["block"] == 3)]
    trained, first, second = same["normalised_mean"]
    assert row["trained"] == trained
    assert row["untrained"] == pytest.approx((first + second) / 2)
    assert (row["untrained_low"], row["untrained_high"]) == (first, second)
    assert row["untrained_std"] == pytest.approx(abs(first - second) / 2**0.5)
    assert (row["seeds"], row["bound"], row["trained_std"]) == (2, 1, 0.02)


def test_the_range_of_a_gap_is_that_of_the_gaps_of_seeds() -> None:
    curves = made()
    _, gaps = untrained_block_numbers(curves, MODELS)
    row = gaps[(gaps["gap"] == "good long − bad long") & (gaps["block"] == 0)].iloc[0]
    means = curves[curves["block"] == 0].set_index(["model", "group"])["normalised_mean"]
    trained, first, second = (means[m, "good long"] - means[m, "bad long"] for m in MODELS)
    assert row["trained"] == pytest.approx(trained)
    assert row["untrained"] == pytest.approx((first + second) / 2)
    # Seeds differ alike in both groups, so that the gap's range is far below that of the means.
    assert (row["untrained_low"], row["untrained_high"]) == pytest.approx((second, first))
    assert first - second == pytest.approx(0.01)


def test_lines_and_bars_are_the_numbers_of_the_table() -> None:
    numbers, gaps = untrained_block_numbers(made(), MODELS)
    axes = draw_untrained_blocks(numbers, gaps, "A title", "A subtitle").axes
    part = numbers[numbers["group"] == "bad condensed"]
    np.testing.assert_array_equal(axes[1].lines[-5].get_ydata(), part["trained"])
    line, _, (bars,) = axes[1].containers[1].lines
    np.testing.assert_array_equal(line.get_ydata(), part["untrained"])
    ends = np.array([segment[:, 1] for segment in bars.get_segments()])
    np.testing.assert_allclose(ends, part[["untrained_low", "untrained_high"]])
    pair = gaps[gaps["panel"] == "Condensed stories"]
    np.testing.assert_array_equal(axes[3].containers[0].lines[0].get_ydata(), pair["untrained"])


def test_everything_is_labelled_and_fits() -> None:
    numbers, gaps = untrained_block_numbers(made(), MODELS)
    captions = untrained_block_captions("Control", numbers, {"GPT-2": 0.0417})
    figure = draw_untrained_blocks(numbers, gaps, *captions)
    check_layout(figure)
    assert legend_of(figure)[:2] == ["trained", "untrained, mean and range of 2 seeds"]
    text = words(figure)
    for wanted in ("GPT-2 stand-in, child", "Not GPT-2 but", "good long − bad long: trained 0."):
        assert wanted in text
    assert "drawn with initializer_range 0.0417" in " ".join(text.split())


def test_texts_without_groups_and_a_single_block_are_drawn() -> None:
    figure = draw(made({"": ["all"]}, blocks=1))
    check_layout(figure)
    assert len(figure.axes) == 1
    assert "all texts: trained" in words(figure)


def test_no_untrained_model_is_said() -> None:
    curves = made()
    with pytest.raises(InputError, match="no untrained model to compare with; add `seeds:`"):
        untrained_block_numbers(curves[curves["model"] == "gpt2"], MODELS)


def test_a_rebuild_is_the_same_bytes(tmp_path: Path) -> None:
    curves = made()
    check_same_bytes(lambda: draw(curves), untrained_block_numbers(curves, MODELS)[0], tmp_path)
