"""The figure of texts whose sentences are put into another order."""

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
    size_ticks,
    words,
)
from matrix_entropy.errors import InputError
from matrix_entropy.operations_figure import draw_operations, operations_numbers

VARIANTS = ["as is", "shuffled", "reversed"]


def draw(values: pd.DataFrame) -> Figure:
    return draw_operations(operations_numbers(values), "A title", "A subtitle")


@pytest.fixture
def values() -> pd.DataFrame:
    return made_variants(made_values(), VARIANTS, 1e-3)


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    plt.close("all")


def test_rows_are_in_the_order_of_the_variants(values: pd.DataFrame) -> None:
    numbers = operations_numbers(values.sample(frac=1, random_state=0))
    assert list(dict.fromkeys(numbers["variant"])) == VARIANTS
    assert numbers["parameters"][:7].is_monotonic_increasing


def test_lines_are_the_numbers_and_differences_in_thousandths(values: pd.DataFrame) -> None:
    left, right = draw(values).axes
    for number, variant in enumerate(VARIANTS):
        part = values[values["variant"] == variant]
        np.testing.assert_array_equal(left.lines[number].get_ydata(), part["entropy_a"])
        np.testing.assert_array_equal(left.lines[number].get_xdata(), part["parameters"])
    bars = right.containers
    assert len(bars) == 2, "no bars for the variant that the others are compared with"
    reversed_ = values[values["variant"] == "reversed"]
    line, _, (errors,) = bars[1].lines
    np.testing.assert_allclose(line.get_ydata().astype(float), 1e3 * reversed_["difference"])
    heights = [segment[1, 1] - segment[0, 1] for segment in errors.get_segments()]
    np.testing.assert_allclose(heights, 2e3 * reversed_["difference_sem"])
    moved = line.get_xdata().astype(float) / reversed_["parameters"]
    assert ((moved != 1) & (abs(np.log(moved)) < 0.1)).all(), "bars stand side by side"


def test_everything_is_labelled_and_fits(values: pd.DataFrame) -> None:
    figure = draw(values)
    check_layout(figure)
    assert legend_of(figure) == VARIANTS
    text = words(figure)
    for wanted in ("A title", "A subtitle", "Dolly contexts", "Difference to “as is”", "error"):
        assert wanted in text
    assert size_ticks(figure) == ["111M", "256M", "590M", "1.3B", "2.7B", "6.7B", "13B"]


def test_two_families_and_two_data_sets_fit(values: pd.DataFrame) -> None:
    names = ("dolly", "wiki")
    both = [made_values(datasets=names), made_values("Pythia", PYTHIA, names, stand_in=True)]
    figure = draw(made_variants(pd.concat(both), VARIANTS, 1e-3))
    check_layout(figure)
    assert legend_of(figure) == [*VARIANTS, "Cerebras-GPT", "Pythia"]
    assert len(figure.axes) == 4


def test_a_single_model_without_an_error_is_drawn(values: pd.DataFrame) -> None:
    one = values[values["size"] == "111M"].assign(difference_sem=np.nan)
    figure = draw(one)
    check_layout(figure)
    assert len(figure.axes[1].containers) == 2


def test_a_single_variant_is_said(values: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="nothing to compare 'as is' with"):
        operations_numbers(values[values["variant"] == "as is"])


def test_a_rebuild_is_the_same_bytes(values: pd.DataFrame, tmp_path: Path) -> None:
    check_same_bytes(lambda: draw(values), operations_numbers(values), tmp_path)
