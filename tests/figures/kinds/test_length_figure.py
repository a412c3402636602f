"""The figure against the length of the context."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from figure_values import check_layout, check_same_bytes, legend_of, made_values, size_ticks, words
from matrix_entropy.base.errors import InputError
from matrix_entropy.figures.kinds.context_length import draw_lengths, length_numbers

LENGTHS = [16, 32, 64, 128, 256, 512]


def values_of(families: list[str], lengths: list[int]) -> pd.DataFrame:
    parts = []
    for place, family in enumerate(families):
        for length in lengths:
            entropy = np.log(60 + place) * (1 - np.exp(-length / 40))
            bound = np.log(min(length - 1, 2048)) / np.log(2048)
            parts.append(
                made_values(family, {"1.3B": (1.3e9, 2048)}).assign(
                    variant=str(length),
                    entropy_a=entropy / np.log(2048),
                    effective_rank_geometric=np.exp(entropy),
                    entropy_bound=bound,
                )
            )
    return pd.concat(parts, ignore_index=True)


def draw(values: pd.DataFrame) -> Figure:
    return draw_lengths(length_numbers(values), "A title", "A subtitle")


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    plt.close("all")


def test_lengths_are_in_order_of_number_and_models_of_appearance() -> None:
    numbers = length_numbers(values_of(["Pythia", "OPT"], [128, 16, 64]))
    assert numbers["tokens_kept"].tolist() == [16, 64, 128] * 2
    assert numbers["family"].tolist() == ["Pythia"] * 3 + ["OPT"] * 3


def test_ranks_are_exponentials_of_entropies() -> None:
    numbers = length_numbers(values_of(["Pythia"], LENGTHS))
    np.testing.assert_allclose(numbers["rank_bound"], np.array(LENGTHS) - 1)
    np.testing.assert_allclose(numbers["rank_high"] / numbers["rank"], np.exp(0.3))
    np.testing.assert_allclose(numbers["rank"] / numbers["rank_low"], np.exp(0.3))


def test_lines_and_bands_are_the_numbers_of_the_table() -> None:
    values = values_of(["Pythia", "OPT"], LENGTHS)
    numbers = length_numbers(values)
    left, right = draw(values).axes
    part = numbers[numbers["family"] == "OPT"]
    np.testing.assert_array_equal(left.lines[2].get_ydata(), part["entropy_a"])
    np.testing.assert_array_equal(left.lines[3].get_ydata(), part["entropy_bound"])
    np.testing.assert_array_equal(right.lines[2].get_ydata(), part["rank"])
    band = left.collections[1].get_paths()[0].get_extents()
    assert band.y1 == pytest.approx((part["entropy_a"] + part["entropy_a_std"]).max())


def test_everything_is_labelled_and_fits() -> None:
    figure = draw(values_of(["Cerebras-GPT", "Pythia", "OPT"], [*LENGTHS, 1024, 2048]))
    check_layout(figure)
    assert legend_of(figure)[:3] == ["Cerebras-GPT-1.3B", "Pythia-1.3B", "OPT-1.3B"]
    text = words(figure)
    for wanted in ("A title", "A subtitle", "Dolly contexts", "Tokens kept", "bound", "limit"):
        assert wanted in text
    assert size_ticks(figure)[-1] == "2048"
    assert figure.axes[0].get_xscale() == "log"


def test_labels_of_near_lengths_are_left_out() -> None:
    figure = draw(values_of(["Pythia"], [*range(100, 130, 2), 512]))
    check_layout(figure)
    assert {"100", "512"} <= set(size_ticks(figure))


@pytest.mark.parametrize(
    ("lengths", "labelled"),
    [
        ([8, 16, 32, 64, 96, 128, 160, 192], [8, 16, 32, 64, 128, 192]),
        ([16, 32, 64, 128, 192, 256, 320, 384, 448, 512], [16, 32, 64, 128, 256, 512]),
        ([10, 25, 60, 150], [10, 25, 60, 150]),
    ],
)
def test_where_labels_do_not_fit_only_doublings_have_one(
    lengths: list[int], labelled: list[int]
) -> None:
    figure = draw(values_of(["Pythia"], lengths))
    check_layout(figure)
    assert size_ticks(figure) == list(map(str, labelled))
    assert figure.axes[0].get_xticks().tolist() == lengths


def test_a_single_length_shows_its_spread_and_bound() -> None:
    values = values_of(["Pythia"], [64])
    left, right = draw(values).axes
    bars = [line.get_segments() for line in left.collections if hasattr(line, "get_segments")]
    low, high = bars[0][0][:, 1]
    assert high - low == pytest.approx(2 * values["entropy_a_std"].item())
    assert any(line.get_marker() == "_" for line in right.lines)


def test_no_entropy_at_all_is_said() -> None:
    with pytest.raises(InputError, match="no model has an entropy to draw"):
        length_numbers(values_of(["Pythia"], LENGTHS).assign(entropy_a=np.nan))


def test_a_rebuild_is_the_same_bytes(tmp_path: Path) -> None:
    values = values_of(["Pythia"], LENGTHS)
    check_same_bytes(lambda: draw(values), length_numbers(values), tmp_path)
