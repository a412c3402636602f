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
from matrix_entropy.base.errors import InputError
from matrix_entropy.figures.kinds.operations import draw_operations, operations_numbers

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
    left, middle, right = draw(values).axes
    for number, variant in enumerate(VARIANTS):
        part = values[values["variant"] == variant]
        np.testing.assert_array_equal(left.lines[number].get_ydata(), part["entropy_a"])
        np.testing.assert_array_equal(left.lines[number].get_xdata(), part["parameters"])
        ranks = middle.lines[number].get_ydata()
        np.testing.assert_allclose(ranks, part["effective_rank_geometric"])
    bars = right.containers
    assert len(bars) == 2, "no bars for the variant that the others are compared with"
    reversed_ = values[values["variant"] == "reversed"]
    line, _, (errors,) = bars[1].lines
    np.testing.assert_allclose(line.get_ydata().astype(float), 1e3 * reversed_["difference"])
    heights = [segment[1, 1] - segment[0, 1] for segment in errors.get_segments()]
    np.testing.assert_allclose(heights, 2e3 * reversed_["difference_sem"])
    moved = line.get_xdata().astype(float) / reversed_["parameters"]
    assert ((moved != 1) & (abs(np.log(moved)) < 0.1)).all(), "bars stand side by side"


def test_the_null_is_one_rank_fitted_to_the_first_variant(values: pd.DataFrame) -> None:
    rank = 60.0
    first = values["variant"] == "as is"
    values.loc[first, "entropy_a"] = np.log(rank) / np.log(values.loc[first, "width"])
    numbers = operations_numbers(values.sample(frac=1, random_state=0))
    np.testing.assert_allclose(numbers["null_effective_rank"], rank)
    np.testing.assert_allclose(numbers["null_entropy_a"] * np.log(numbers["width"]), np.log(rank))
    left, middle, _ = draw(values).axes
    assert len(left.lines) == len(middle.lines) == len(VARIANTS) + 1
    np.testing.assert_allclose(left.lines[-1].get_ydata(), values.loc[first, "entropy_a"])
    np.testing.assert_allclose(middle.lines[-1].get_ydata(), rank)


def test_each_family_and_data_set_has_its_null() -> None:
    names = ("dolly", "wiki")
    both = [made_values(datasets=names), made_values("Pythia", PYTHIA, names)]
    numbers = operations_numbers(made_variants(pd.concat(both), VARIANTS, 1e-3))
    for (dataset, family), part in numbers.groupby(["dataset", "family"]):
        base = part[part["variant"] == "as is"]
        inverse = 1 / np.log(base["width"])
        (slope,), *_ = np.linalg.lstsq(inverse.to_numpy()[:, None], base["entropy_a"])
        np.testing.assert_allclose(part["null_effective_rank"], np.exp(slope), err_msg=dataset)
        assert len(part) == 3 * len(base), family


def test_everything_is_labelled_and_fits(values: pd.DataFrame) -> None:
    figure = draw(values)
    check_layout(figure)
    null = "null: one constant effective rank, fitted to “as is”"
    assert legend_of(figure) == [*VARIANTS, null]
    text = words(figure)
    for wanted in ("A title", "A subtitle", "Dolly contexts", "Difference to “as is”", "error"):
        assert wanted in text
    assert figure.axes[1].get_ylabel() == "Effective rank\nexp(mean entropy)"
    assert size_ticks(figure) == ["111M", "256M", "590M", "1.3B", "2.7B", "6.7B", "13B"]


def test_two_families_and_two_data_sets_fit(values: pd.DataFrame) -> None:
    names = ("dolly", "wiki")
    both = [made_values(datasets=names), made_values("Pythia", PYTHIA, names, stand_in=True)]
    figure = draw(made_variants(pd.concat(both), VARIANTS, 1e-3))
    check_layout(figure)
    assert legend_of(figure)[:-1] == [*VARIANTS, "Cerebras-GPT", "Pythia"]
    assert len(figure.axes) == 6


def test_a_single_model_without_an_error_or_a_null_is_drawn(values: pd.DataFrame) -> None:
    one = values[values["size"] == "111M"].assign(difference_sem=np.nan)
    figure = draw(one)
    check_layout(figure)
    left, _, right = figure.axes
    assert [label.get_text() for label in left.get_yticklabels()] == VARIANTS
    assert list(right.containers[0].lines[0].get_ydata()) == [-1, -2]


def test_a_single_variant_is_said(values: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="nothing to compare 'as is' with"):
        operations_numbers(values[values["variant"] == "as is"])


def test_a_rebuild_is_the_same_bytes(values: pd.DataFrame, tmp_path: Path) -> None:
    check_same_bytes(lambda: draw(values), operations_numbers(values), tmp_path)
