"""Intrinsic dimension: the formulas by another route, data of known dimension, what is ignored."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.spatial.distance import pdist, squareform
from scipy.special import betaln

from matrix_entropy.maths.intrinsic_dimension import FITTED, NEIGHBOUR, gride, most_likely, two_nn

WIDTH = 64
BOTH = [(two_nn, 3), (gride, 2 * NEIGHBOUR + 1)]  # and the fewest rows of each


def turned(points: np.ndarray) -> np.ndarray:
    """The same points, among more dimensions and in a rotated space."""
    rotation, _ = np.linalg.qr(np.random.default_rng(9).standard_normal((WIDTH, WIDTH)))
    return points @ rotation[: points.shape[1]]


def sorted_distances(rows: np.ndarray) -> np.ndarray:
    """Of every row (first axis), to itself and to its neighbours in turn."""
    return np.sort(squareform(pdist(rows)), axis=1)


@pytest.mark.parametrize(("rows", "dimension"), [(9, 3), (60, 2), (200, 20)])
def test_two_nn_is_the_line_through_the_ratios(rows: int, dimension: int) -> None:
    points = np.random.default_rng(rows).standard_normal((rows, dimension)) ** 3 + 5
    distances = sorted_distances(points)
    ratios = sorted(distances[:, 2] / distances[:, 1])
    kept = ratios[: int(FITTED * rows)]
    heights = [-math.log(1 - place / rows) for place in range(1, len(kept) + 1)]
    expected = np.linalg.lstsq(np.log(kept)[:, None], np.array(heights))[0][0]
    assert two_nn(points) == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize(("rows", "dimension"), [(9, 3), (60, 2), (200, 20)])
def test_gride_makes_the_ratios_most_likely(rows: int, dimension: int) -> None:
    points = np.random.default_rng(rows).standard_normal((rows, dimension)) ** 3 + 5
    distances = sorted_distances(points)
    near = NEIGHBOUR
    ratios = distances[:, 2 * near] / distances[:, near]

    def unlikely(d: float) -> float:
        """Minus the logarithm of the density, ratio by ratio."""
        return -sum(
            math.log(d)
            + (near - 1) * math.log(ratio**d - 1)
            - ((2 * near - 1) * d + 1) * math.log(ratio)
            - betaln(near, near)
            for ratio in ratios
        )

    expected = minimize_scalar(unlikely, bounds=(0.1, 100), options={"xatol": 1e-9}).x
    # The least of a function is found to the root of its rounding only.
    assert gride(points) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("dimension", [0.7, 7.3, 400.0])
@pytest.mark.parametrize("near", [1, 2, NEIGHBOUR, 32])
def test_ratios_of_a_known_law_give_its_dimension(near: int, dimension: float) -> None:
    """``μ^−d`` is then of the beta distribution (n, n)."""
    draws = np.random.default_rng(near).beta(near, near, 20_000)
    found = most_likely(-np.log(draws) / dimension, near)
    assert found == pytest.approx(dimension, rel=0.03), "four standard errors of one neighbour"
    if near == 1:
        assert found == pytest.approx(-dimension / np.log(draws).mean(), rel=1e-12)


@pytest.mark.parametrize("dimension", [2, 5])
def test_data_of_known_dimension(dimension: int) -> None:
    """Single draws of 1,000; a cube of five dimensions is nearly all edge, which takes a tenth."""
    random = np.random.default_rng(4)
    for points in (
        random.random((1000, dimension)),
        random.standard_normal((1000, dimension)),
    ):
        for function, _ in BOTH:
            assert function(turned(points)) == pytest.approx(dimension, rel=0.15)


@pytest.mark.parametrize(("function", "fewest"), BOTH)
def test_what_an_intrinsic_dimension_ignores(
    function: Callable[[np.ndarray], float], fewest: int
) -> None:
    points = np.random.default_rng(2).standard_normal((80, 6))
    rows = turned(points)
    expected = function(rows)
    assert function(points) == pytest.approx(expected, rel=1e-10)
    assert function(1e-3 * rows) == pytest.approx(expected, rel=1e-10)
    assert function(rows + 1e4) == pytest.approx(expected, rel=1e-7)
    assert function(rows[::-1]) == pytest.approx(expected, rel=1e-10)
    # Equal rows count once, those with another sign of zero among them.
    points[3, 0] = 0.0
    again = points[[3]]
    again[0, 0] = -0.0
    doubled = np.concatenate([points, points[::2], again])
    assert function(doubled) == pytest.approx(function(points), rel=1e-10)
    # One row far away moves all squares, and of the ratios none but its own.
    far = rows.copy()
    far[0] *= 1e5
    assert function(far) == pytest.approx(function(rows[1:]), rel=0.05)
    for count in range(fewest + 2):
        assert math.isnan(function(rows[:count])) == (count < fewest)
    assert math.isnan(function(np.ones((40, 3))))
    assert math.isnan(function(np.eye(20))), "all rows are equally far from each other"
