"""The figure of what log d alone explains: as measured by hand from the published tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from figure_values import check_layout, check_same_bytes, legend_of, words
from matrix_entropy.figures.kinds.log_d_null import (
    draw_log_d_null,
    log_d_null_captions,
    log_d_null_numbers,
    log_d_null_shares,
)
from matrix_entropy.figures.model_comparison import model_comparison

LANGUAGE = ("dolly-15k", "wikipedia", "openwebtext2", "hh-rlhf")
BENCHMARKS = ("openbookqa", "winogrande", "piqa")
# Effective ranks by rising size, computed apart from this code.
RANKS = {
    (8, "dolly-15k"): (53.0, 59.3, 60.1, 65.1, 61.1, 67.5, 63.4),
    (8, "wikipedia"): (60.6, 70.0, 73.0, 82.4, 76.3, 86.9, 79.7),
    (8, "openwebtext2"): (76.4, 92.8, 94.9, 108.1, 99.0, 113.0, 106.3),
    (8, "hh-rlhf"): (45.7, 51.4, 50.7, 55.5, 49.5, 54.8, 52.6),
    (1, "openbookqa"): (10.8, 10.9, 10.8, 11.0, 10.5, 10.7, 10.6),
    (1, "winogrande"): (15.0, 15.4, 15.2, 15.6, 14.6, 15.2, 14.7),
    (1, "piqa"): (15.9, 16.3, 16.0, 16.5, 15.6, 16.1, 16.0),
    (9, "dolly-15k"): (42.6, 52.9, 65.6, 63.3, 54.2, 58.1, 57.3, 62.2, 64.2, 64.4),
    (9, "wikipedia"): (47.1, 62.0, 78.9, 79.2, 65.8, 70.6, 70.8, 78.1, 83.1, 80.6),
    (9, "openwebtext2"): (52.0, 73.5, 99.3, 103.3, 85.3, 93.0, 91.0, 101.5, 104.6, 102.2),
    (9, "hh-rlhf"): (41.4, 51.7, 61.7, 58.6, 46.9, 47.2, 46.4, 49.7, 49.8, 47.8),
}


@pytest.fixture(scope="module")
def numbers() -> pd.DataFrame:
    return log_d_null_numbers()


@pytest.fixture(scope="module")
def shares(numbers: pd.DataFrame) -> pd.DataFrame:
    return log_d_null_shares(numbers)


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.mark.parametrize(("table", "dataset"), RANKS)
def test_effective_ranks_by_size(numbers: pd.DataFrame, table: int, dataset: str) -> None:
    part = numbers[(numbers["table"] == table) & (numbers["dataset"] == dataset)]
    assert part["parameters"].is_monotonic_increasing
    np.testing.assert_allclose(part["effective_rank"], RANKS[table, dataset], atol=0.0501)


@pytest.mark.parametrize(
    ("table", "smallest", "datasets", "log_d", "raw"),
    [
        (8, "111M", LANGUAGE, (121, 135, 141, 117), (-21, -35, -41, -17)),
        (1, "111M", BENCHMARKS, (98, 98, 100), (2, 2, 0)),
        (9, "14M", LANGUAGE, (123, 130, 139, 107), (-23, -30, -39, -7)),
        (9, "410M", LANGUAGE, (125, 130, 123, 102), (-25, -30, -23, -2)),
    ],
)
def test_shares_in_percent(
    shares: pd.DataFrame,
    table: int,
    smallest: str,
    datasets: tuple[str, ...],
    log_d: tuple[int, ...],
    raw: tuple[int, ...],
) -> None:
    part = shares[(shares["table"] == table) & (shares["smallest"] == smallest)]
    assert tuple(part["dataset"]) == datasets
    assert tuple((100 * part["share_log_d"]).round()) == log_d
    assert tuple((100 * part["share_raw_entropy"]).round()) == raw


def test_a_share_is_that_of_the_printed_ends(shares: pd.DataFrame) -> None:
    # Table 8, dolly-15k: 0.5976 at d = 768 and 0.4859 at d = 5120.
    change = np.log(0.4859 / 0.5976)
    raw = np.log(0.4859 * np.log(5120) / (0.5976 * np.log(768)))
    assert shares["share_raw_entropy"].iloc[0] == pytest.approx(raw / change)


@pytest.mark.parametrize(
    ("column", "table", "expected"),
    [
        ("r_squared", 8, (0.929, 0.812, 0.794, 0.952)),
        ("r_squared", 1, (0.995, 0.991, 0.996)),
        ("r_squared", 9, (0.942, 0.900, 0.830, 0.967)),
        ("entropy_against_size", 8, (0.82, 0.82, 0.82, 0.54)),
        ("entropy_against_size", 1, (-0.64, -0.29, -0.07)),
        ("entropy_against_size", 9, (0.53, 0.70, 0.67, -0.07)),
    ],
)
def test_the_null_fits_and_raw_entropy_hardly_falls(
    shares: pd.DataFrame, column: str, table: int, expected: tuple[float, ...]
) -> None:
    part = shares[(shares["table"] == table) & shares["smallest"].isin(["111M", "14M"])]
    np.testing.assert_allclose(part[column], expected, atol=0.0051)


def test_with_an_intercept_the_null_fits_all(shares: pd.DataFrame) -> None:
    whole = shares[shares["smallest"].isin(["111M", "14M"])]["r_squared_intercept"]
    assert (round(whole.min(), 3), round(whole.max(), 3)) == (0.948, 0.996)


def test_models_of_one_width_have_one_entropy(numbers: pd.DataFrame) -> None:
    pythia = numbers[numbers["table"] == 9].set_index(["dataset", "size"])["entropy_normalised"]
    change = pythia.xs("1.4B", level="size") - pythia.xs("1B", level="size")
    np.testing.assert_allclose(change, [-0.0019, 0.0003, -0.0028, -0.0022], atol=1e-9)


@pytest.fixture(scope="module")
def comparison(numbers: pd.DataFrame) -> pd.DataFrame:
    keys = ["size", "left_out", "table", "dataset"]
    return model_comparison(numbers).set_index(keys).sort_index()


def test_every_series_is_compared_four_ways(comparison: pd.DataFrame) -> None:
    assert len(comparison) == 4 * len(RANKS)
    assert comparison.index.is_unique
    assert comparison.notna().all(axis=None)
    left_out = comparison.index.get_level_values("left_out") != ""
    pythia = comparison["family"] == "Pythia"
    assert (comparison["models"] == np.where(pythia, 10, 7) - left_out).all()
    assert (comparison["law_degrees"] == comparison["models"] - 2).all()


def test_what_the_comparison_says_of_the_published_series(comparison: pd.DataFrame) -> None:
    """The numbers of docs/controls.md."""
    named, blocks = comparison.loc["as named", ""], comparison.loc["blocks", ""]
    assert (named["law_left_out_error"] < named["null_left_out_error"]).all()
    assert (blocks["law_left_out_error"] < blocks["null_left_out_error"]).sum() == 10
    ahead = (named["null_aicc"] - named["law_aicc"]).to_dict()
    expected = {
        8: (6.9, 6.7, 6.3, 1.4),
        1: (-1.8, 0.1, -2.6),
        9: (3.8, 9.2, 18.7, 0.9),
    }
    for table, datasets in ((8, LANGUAGE), (1, BENCHMARKS), (9, LANGUAGE)):
        found = [ahead[table, dataset] for dataset in datasets]
        assert found == pytest.approx(expected[table], abs=0.06)
    rising = named.index[(named["rank_p"] < 0.05) & (named["rank_slope"] > 0)]
    assert set(rising) == {(table, name) for table in (8, 9) for name in LANGUAGE[:3]}
    assert named["rank_p"].min() > 0.05 / len(RANKS)
    inflation = named["variance_inflation"].groupby("table").first().round()
    assert inflation.to_dict() == {1: 396, 8: 396, 9: 45}


def test_size_and_width_as_laws(comparison: pd.DataFrame) -> None:
    """What law of size gains on the law of width: AICc of the second less that of the first."""
    gain = comparison["width_law_aicc"] - comparison["law_aicc"]
    for called, table, low, high in (
        ("as named", 8, 1.0, 2.4),
        ("blocks", 8, -1.2, -0.2),
        ("as named", 9, -6.8, 3.6),
        ("blocks", 9, 6.1, 8.0),
    ):
        found = gain.loc[called, "", table]
        assert (found.min(), found.max()) == pytest.approx((low, high), abs=0.06)


def test_pythia_needs_no_offset_with_the_parameters_of_its_blocks(comparison: pd.DataFrame) -> None:
    gain = comparison["offset_law_aicc"] - comparison["law_aicc"]
    blocks, named = (gain.loc[called, "", 9] for called in ("blocks", "as named"))
    assert (blocks.min(), blocks.max()) == pytest.approx((4.6, 6.0), abs=0.06)
    assert (named < 0).sum() == 3


def test_curves_and_bars_are_the_numbers_of_the_tables(
    numbers: pd.DataFrame, shares: pd.DataFrame
) -> None:
    axes = draw_log_d_null(numbers, shares, "A title", "A subtitle").axes
    wiki = numbers[(numbers["table"] == 9) & (numbers["dataset"] == "wikipedia")]
    np.testing.assert_array_equal(axes[2].lines[2].get_ydata(), wiki["entropy_normalised"])
    np.testing.assert_array_equal(axes[2].lines[3].get_ydata(), wiki["null"])
    np.testing.assert_array_equal(axes[5].lines[1].get_ydata(), wiki["effective_rank"])
    pythia = 100 * shares[shares["table"] == 9]
    heights = [bar.get_height() for bar in axes[8].patches]
    np.testing.assert_allclose(
        heights, [*pythia["share_log_d"], *pythia["share_raw_entropy"]], rtol=1e-12
    )


def test_everything_is_labelled_and_fits(numbers: pd.DataFrame, shares: pd.DataFrame) -> None:
    figure = draw_log_d_null(numbers, shares, *log_d_null_captions("Wei et al. 2024"))
    check_bars_apart(figure)
    assert legend_of(figure)[-3:] == [
        "null: one effective rank",
        "share of log $d$",
        "share of raw $H$",
    ]
    text = words(figure)
    for wanted in ("Tables 1, 8 and 9", "no model was run", "from 410M", "R² 0.929", "121", "−41"):
        assert wanted in text


def check_bars_apart(figure: Figure) -> None:
    """Values at the bars stand apart and inside their panels; without them the layout holds."""
    figure.canvas.draw()
    for axis in figure.axes[6:]:
        boxes = [note.get_window_extent() for note in axis.texts]
        assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
        assert all(axis.bbox.y0 < box.y0 and box.y1 < axis.bbox.y1 for box in boxes)
    bars = [note for axis in figure.axes[6:] for note in axis.texts]
    for note in bars:
        note.set_visible(False)
    check_layout(figure)
    for note in bars:
        note.set_visible(True)


def test_a_rebuild_is_the_same_bytes(
    numbers: pd.DataFrame, shares: pd.DataFrame, tmp_path: Path
) -> None:
    check_same_bytes(lambda: draw_log_d_null(numbers, shares, "A", "B"), numbers, tmp_path)
