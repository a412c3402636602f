"""An axis of model sizes, and the order of rows."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from matplotlib.axes import Axes

from figure_values import PYTHIA, check_layout, made_values, size_ticks
from matrix_entropy.figures.size_axis import (
    label_sizes,
    log_ordinate,
    places_of,
    size_labels,
    spread,
)
from matrix_entropy.figures.style import styled


@pytest.fixture
def panel() -> Iterator[Axes]:
    styled()
    figure, axis = plt.subplots(figsize=(2.6, 2), layout="constrained")
    yield axis
    plt.close(figure)


def test_places_that_are_too_near_are_left_out() -> None:
    places = [0.0, 1.0, 9.0, 10.0, 17.5, 20.0]
    kept = spread(places, 8)
    assert {0, 5} <= kept, "the ends stay"
    chosen = sorted(places[number] for number in kept)
    assert all(b - a >= 8 for a, b in itertools.pairwise(chosen))
    assert spread([0.0, 3.0], 8) == {1}
    assert spread([5.0], 8) == {0}


def test_ten_sizes_in_a_narrow_panel_do_not_overlap(panel: Axes) -> None:
    values = made_values("Pythia", PYTHIA)
    label_sizes(panel.figure, [panel], values)
    check_layout(panel.figure)
    labels = size_ticks(panel.figure)
    assert (labels[0], labels[-1]) == ("14M", "12B")
    assert "1.4B" not in labels, "too near to 1B"
    assert len(panel.get_xticks()) == 10, "the tick of a label left out stays"


def test_few_sizes_are_labelled_level(panel: Axes) -> None:
    values = made_values()
    label_sizes(panel.figure, [panel], values[values["size"].isin(["111M", "1.3B", "13B"])])
    assert {label.get_rotation() for label in panel.get_xticklabels()} == {0}
    assert size_ticks(panel.figure) == ["111M", "1.3B", "13B"]
    assert panel.get_xlabel() == "Parameters"


def test_stand_ins_are_labelled_by_their_own_size(panel: Axes) -> None:
    values = made_values(stand_in=True)
    assert list(size_labels(values).values())[:2] == ["11.1k", "25.6k"]
    label_sizes(panel.figure, [panel], values)
    assert panel.get_xlabel() == "Parameters of the stand-ins"


def test_a_single_model_stands_in_the_middle(panel: Axes) -> None:
    label_sizes(panel.figure, [panel], made_values()[:1])
    low, high = panel.get_xlim()
    assert low * high == pytest.approx(111e6**2)
    assert size_ticks(panel.figure) == ["111M"]


def test_places_are_in_points_of_the_page(panel: Axes) -> None:
    panel.set_xlim(0, 1)
    left, right = places_of(panel.figure, panel, [0, 1])
    assert right - left == pytest.approx(panel.get_position().width * 2.6 * 72)


@pytest.mark.parametrize("limits", [(41, 148), (900, 1000), (2, 40), (0.01, 0.6), (3, 3000)])
def test_a_logarithmic_ordinate_has_labels_in_any_range(
    panel: Axes, limits: tuple[float, float]
) -> None:
    panel.plot([1, 2], limits)
    log_ordinate(panel)
    check_layout(panel.figure)
    low, high = panel.get_ylim()
    assert sum(low <= tick <= high for tick in panel.get_yticks()) >= 2


def test_the_smallest_comes_first(panel: Axes) -> None:
    shuffled = pd.DataFrame(made_values()).sample(frac=1, random_state=1)
    assert next(iter(size_labels(shuffled).values())) == "111M"
