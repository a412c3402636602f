"""Labels of many points: none covers another or a point, and all stay in the panel."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.text import Annotation
from numpy.typing import NDArray

from matrix_entropy.figures.label_placement import GAP, NoRoomError, label_points, place_labels
from matrix_entropy.figures.style import COLOURS, styled

Float64 = NDArray[np.float64]

COUNTRIES = [
    *("Australia", "Austria", "Brazil", "Cuba", "Denmark", "Egypt", "France", "Germany"),
    *("Hungary", "Iceland", "India", "Japan", "Norway", "Poland", "Spain"),
]
TEXTS = COUNTRIES * 3
SIDE = 237.0  # a panel of 3.3 inches, in points
BOUNDS = (0.0, 0.0, SIDE, SIDE)
SIZES = np.array([(3.6 * len(text), 7.5) for text in TEXTS])


def groups(radius: float) -> Float64:
    random = np.random.default_rng(0)
    middles = np.array([(60.0, 70.0), (180.0, 90.0), (100.0, 190.0)])
    return np.repeat(middles, 15, axis=0) + radius * random.standard_normal((45, 2))


CLOUDS = {
    "random": np.random.default_rng(0).uniform(10, SIDE - 10, (45, 2)),
    "three groups": groups(8.0),
    "three tight groups": groups(0.5),
    "all equal": np.full((45, 2), SIDE / 2),
    "all equal in a corner": np.full((45, 2), 1.0),
    "on the frame": np.column_stack([np.linspace(0, SIDE, 45), np.tile([0.0, SIDE, 5.0], 15)]),
    "in a row": np.column_stack([np.linspace(20, SIDE - 20, 45), np.full(45, 100.0)]),
}


def check_free(centres: Float64, sizes: Float64, points: Float64, gap: float) -> None:
    """No box overlaps another or is nearer than ``gap`` to a point; written out pair by pair."""
    for one, other in itertools.combinations(range(len(centres)), 2):
        apart = np.abs(centres[one] - centres[other]) - (sizes[one] + sizes[other]) / 2
        assert apart.max() >= -1e-6, (one, other)
    for label, point in itertools.product(range(len(centres)), points):
        assert (np.abs(centres[label] - point) - sizes[label] / 2).max() >= gap - 1e-6


def check_inside(centres: Float64, sizes: Float64, bounds: tuple[float, ...]) -> None:
    assert (centres - sizes / 2 >= np.array(bounds[:2]) - 1e-6).all()
    assert (centres + sizes / 2 <= np.array(bounds[2:]) + 1e-6).all()


@pytest.mark.parametrize("cloud", CLOUDS)
def test_labels_of_forty_five_points_are_free_and_inside(cloud: str) -> None:
    centres = place_labels(CLOUDS[cloud], SIZES, BOUNDS)
    assert centres.shape == (45, 2)
    check_free(centres, SIZES, CLOUDS[cloud], GAP)
    check_inside(centres, SIZES, BOUNDS)


@pytest.mark.parametrize("cloud", ["random", "all equal"])
def test_places_are_the_same_every_time(cloud: str) -> None:
    first, second = (place_labels(CLOUDS[cloud], SIZES, BOUNDS) for _ in range(2))
    assert (first == second).all()


def test_a_lonely_point_has_its_label_right_beside_it_and_level() -> None:
    centre = place_labels([(50.0, 60.0)], [(30.0, 8.0)], BOUNDS, gap=3.0)
    np.testing.assert_allclose(centre, [(68.0, 60.0)])


def test_a_label_is_not_far_from_its_point_where_there_is_room() -> None:
    points = CLOUDS["random"]
    centres = place_labels(points, SIZES, BOUNDS)
    away = np.linalg.norm(np.maximum(np.abs(centres - points) - SIZES / 2, 0), axis=1)
    assert np.median(away) < 2 * GAP
    assert away.max() < 30


def test_labels_of_a_group_lie_around_it() -> None:
    """Of two points side by side each has its label on its own side."""
    centres = place_labels([(100.0, 100.0), (112.0, 100.0)], [(30.0, 8.0)] * 2, BOUNDS)
    assert centres[0, 0] < 100
    assert centres[1, 0] > 112


def test_further_points_are_kept_free() -> None:
    obstacles = np.array([(70.0, 60.0), (30.0, 60.0), (50.0, 66.0)])
    centres = place_labels([(50.0, 60.0)], [(30.0, 8.0)], BOUNDS, obstacles, gap=4.0)
    check_free(centres, np.array([(30.0, 8.0)]), np.array([(50.0, 60.0), *obstacles]), 4.0)


def test_bounds_need_not_begin_at_zero() -> None:
    bounds = (-100.0, 50.0, -20.0, 90.0)
    centres = place_labels([(-21.0, 51.0)], [(30.0, 8.0)], bounds)
    check_inside(centres, np.array([(30.0, 8.0)]), bounds)


def test_a_line_goes_round_a_label_where_it_can() -> None:
    """Points on top of each other: lines run out like rays, few of them through labels."""
    points = np.full((9, 2), 100.0)
    sizes = np.full((9, 2), (30.0, 8.0))
    centres = place_labels(points, sizes, BOUNDS)
    crossed = 0
    for one, other in itertools.permutations(range(9), 2):
        end = np.clip(points[one], centres[one] - sizes[one] / 2, centres[one] + sizes[one] / 2)
        line = points[one] + np.linspace(0, 1, 200)[:, None] * (end - points[one])
        crossed += bool((np.abs(line - centres[other]) < sizes[other] / 2 - 1e-6).all(1).any())
    assert crossed <= 1


def test_no_points_have_no_labels() -> None:
    assert place_labels(np.empty((0, 2)), np.empty((0, 2)), BOUNDS).shape == (0, 2)


@pytest.mark.parametrize(
    ("number", "size"), [(1, (SIDE + 1, 8.0)), (45, (60.0, 30.0)), (2, (SIDE, SIDE / 2))]
)
def test_labels_without_room_are_said(number: int, size: tuple[float, float]) -> None:
    points = np.full((number, 2), 100.0)
    with pytest.raises(NoRoomError, match="no free place; make the panel larger"):
        place_labels(points, [size] * number, BOUNDS)


# In a figure


@pytest.fixture
def panel() -> Iterator[Axes]:
    styled()
    figure, axis = plt.subplots(figsize=(3.6, 3.6), layout="constrained")
    axis.set_title("Riemannian distance")
    yield axis
    plt.close(figure)


def labels_of(axis: Axes) -> list[Annotation]:
    found = [child for child in axis.texts if isinstance(child, Annotation)]
    return [label for label in found if label.get_text()]


def lines_of(axis: Axes) -> list[Annotation]:
    return [label for label in axis.texts if not label.get_text()]


@pytest.mark.parametrize("cloud", ["random", "three tight groups", "all equal"])
@pytest.mark.parametrize("dpi", [100, 200])
def test_texts_drawn_do_not_overlap(panel: Axes, cloud: str, dpi: int) -> None:
    """Placed at the figure's resolution, and still free at that of the file."""
    x, y = CLOUDS[cloud].T
    panel.scatter(x, y, s=12)
    panel.margins(0.1)
    label_points(panel, x, y, TEXTS, 6.0, np.repeat(COLOURS[:3], 15))
    panel.figure.set_dpi(dpi)
    panel.figure.canvas.draw()
    scale = 72 / dpi
    boxes = [label.get_window_extent() for label in labels_of(panel)]
    points = panel.transData.transform(np.column_stack((x, y))) * scale
    sizes = np.array([box.size for box in boxes]) * scale
    centres = np.array([(box.p0 + box.p1) / 2 for box in boxes]) * scale
    check_free(centres, sizes, points, gap=2.0)
    check_inside(centres, sizes, tuple(np.array(panel.bbox.extents) * scale))
    assert [label.get_text() for label in labels_of(panel)] == TEXTS
    assert [label.get_color() for label in labels_of(panel)] == [*np.repeat(COLOURS[:3], 15)]


def test_labels_away_from_their_points_have_lines(panel: Axes) -> None:
    panel.scatter([0, 0, 0, 0, 0, 0, 9], [0, 0, 0, 0, 0, 0, 9])
    places = [0.0, 0, 0, 0, 0, 0, 9]
    label_points(panel, places, places, TEXTS[:7], 6.0, ["black"] * 7)
    lines = lines_of(panel)
    assert 1 <= len(lines) <= 6
    assert {tuple(line.xy) for line in lines} == {(0.0, 0.0)}, "not the lonely point"
    ends = [np.array(line.xyann) for line in lines]
    for end in ends:
        reach = [
            np.abs(end - np.array(label.xyann)) <= np.array(label.get_window_extent().size) * 0.37
            for label in labels_of(panel)
        ]
        assert any(near.all() for near in reach), "a line ends at a label"


def test_labels_leave_the_layout_and_the_limits_as_they_are(panel: Axes) -> None:
    x, y = CLOUDS["three groups"].T
    panel.scatter(x, y)
    panel.figure.canvas.draw()
    place, limits = panel.get_position().bounds, (panel.get_xlim(), panel.get_ylim())
    label_points(panel, x, y, TEXTS, 6.0, ["black"] * 45)
    panel.figure.canvas.draw()
    assert (panel.get_xlim(), panel.get_ylim()) == limits
    # A second layout of an unchanged figure differs by as much.
    assert panel.get_position().bounds == pytest.approx(place, abs=1e-4)


def test_dollars_are_no_formulas(panel: Axes) -> None:
    panel.scatter([0], [0])
    label_points(panel, [0], [0], ["$5 or $6"], 6.0, ["black"])
    assert labels_of(panel)[0].get_text() == r"\$5 or \$6"
