"""Measures of hidden states: closed forms, sums written out pair by pair, and what they ignore."""

from __future__ import annotations

import itertools
import math
from statistics import median

import numpy as np
import pytest

from matrix_entropy.maths import measures
from matrix_entropy.maths.measures import (
    anisotropy,
    curvature,
    longest_row,
    matrix_nuclear_norm,
    norm_ratio,
    number_of_long_rows,
)

RANDOM = np.random.default_rng(3)
NAMES = [measure.name for measure in measures.MEASURES]


def turned(rows: np.ndarray, width: int = 40) -> np.ndarray:
    """The same rows in a rotated space of so many dimensions."""
    rotation, _ = np.linalg.qr(RANDOM.standard_normal((width, width)))
    return np.pad(rows, ((0, 0), (0, width - rows.shape[1]))) @ rotation


def walk(angle: float, steps: int) -> np.ndarray:
    """Positions of a walk in a plane that turns by the same angle after every step."""
    headings = angle * np.arange(steps)
    moves = np.column_stack([np.cos(headings), np.sin(headings)])
    return np.vstack([np.zeros(2), moves.cumsum(axis=0)])


@pytest.mark.parametrize("angle", [0.0, 1e-6, 0.3, math.pi / 2, 2.5, math.pi - 1e-6, math.pi])
def test_curvature_of_a_walk_is_its_angle(angle: float) -> None:
    straight = min(angle, math.pi - angle) < 0.1
    assert curvature(walk(angle, 12)) == pytest.approx(angle, abs=2e-7 if straight else 1e-14)
    elsewhere = curvature(turned(walk(angle, 12)) + 7)
    assert elsewhere == pytest.approx(angle, abs=2e-6 if straight else 1e-13)


def test_curvature_is_a_mean_over_angles() -> None:
    """A right angle between equal parts of a straight line; lengths of steps do not count."""
    corner = np.array([[0, 0], [1, 0], [2, 0], [9, 0], [9, 3], [9, 4]], dtype=float)
    assert curvature(corner) == pytest.approx(math.pi / 2 / 4, rel=1e-15)


def test_measures_against_sums_that_are_written_out() -> None:
    for rows in (
        RANDOM.standard_normal((17, 5)) + 0.5,
        RANDOM.standard_normal((9, 64)) * np.arange(1, 10)[:, None],
        RANDOM.standard_normal((40, 3)) ** 3,
    ):
        points = rows.tolist()

        def norm(vector: list[float]) -> float:
            return math.sqrt(math.fsum(value**2 for value in vector))

        def cosine(one: list[float], other: list[float]) -> float:
            product = math.fsum(a * b for a, b in zip(one, other, strict=True))
            return product / norm(one) / norm(other)

        steps = [
            [b - a for a, b in zip(one, other, strict=True)]
            for one, other in itertools.pairwise(points)
        ]
        angles = [math.acos(cosine(one, other)) for one, other in itertools.pairwise(steps)]
        assert curvature(rows) == pytest.approx(math.fsum(angles) / len(angles), rel=1e-12)
        pairs = [cosine(one, other) for one, other in itertools.permutations(points, 2)]
        assert anisotropy(rows) == pytest.approx(math.fsum(pairs) / len(pairs), abs=1e-13)
        norms = list(map(norm, points))
        assert norm_ratio(rows) == pytest.approx(max(norms) / median(norms), rel=1e-13)


def test_anisotropy_of_known_directions() -> None:
    lengths = np.array([1.0, 20.0, 300.0])[:, None]
    assert anisotropy(lengths * np.ones((3, 4))) == pytest.approx(1, rel=1e-14)
    assert anisotropy(lengths * np.eye(3)) == pytest.approx(0, abs=1e-15)
    assert anisotropy(np.array([[2.0, 0.0], [-5.0, 0.0]])) == -1
    # The corners of a simplex, seen from its middle, are as far apart as so many can be.
    for count in (3, 10):
        simplex = np.eye(count) - 1 / count
        assert anisotropy(turned(simplex)) == pytest.approx(-1 / (count - 1), rel=1e-12)
    # Half of the rows along one axis, half along another: pairs of the same kind are alike.
    halves = np.repeat(np.eye(2), 4, axis=0)
    assert anisotropy(halves) == pytest.approx(2 * 4 * 3 / (8 * 7), rel=1e-14)


def test_what_measures_ignore() -> None:
    rows = RANDOM.standard_normal((30, 12)) + 0.3
    rotated, mixed = turned(rows), RANDOM.permutation(rows)
    for measure in (curvature, anisotropy, norm_ratio):
        assert measure(rotated) == pytest.approx(measure(rows), rel=1e-12)
        assert measure(1000 * rows) == pytest.approx(measure(rows), rel=1e-12)
    assert curvature(rows + 5) == pytest.approx(curvature(rows), rel=1e-12)
    assert anisotropy(rows + 5) > anisotropy(rows) + 0.5
    assert anisotropy(mixed) == pytest.approx(anisotropy(rows), rel=1e-12)
    assert norm_ratio(mixed) == norm_ratio(rows)
    assert abs(curvature(mixed) - curvature(rows)) > 1e-3, "the order counts"
    # Of independent normal rows: differences of neighbours that share a row are at 120 degrees.
    wide = RANDOM.standard_normal((200, 4000))
    assert curvature(wide) == pytest.approx(2 * math.pi / 3, abs=0.01)


def test_matrix_nuclear_norm_of_known_columns() -> None:
    """At ± each axis, every column of 2 d rows has the norm √2; along a line there is one."""
    for width in (2, 5):
        rows = np.vstack([np.eye(width), -np.eye(width)])
        expected = width * math.sqrt(2) / (2 * width)
        assert matrix_nuclear_norm(3 * rows + 8) == pytest.approx(expected, rel=1e-14)
    line = np.outer([-3.0, 1.0, 1.0, 1.0], [1.0, 0, 0, 0, 0])
    assert matrix_nuclear_norm(line) == pytest.approx(math.sqrt(4) / 4, rel=1e-14)


def test_matrix_nuclear_norm_depends_on_the_axes_alone() -> None:
    """Not on where rows are, nor on their lengths from the mean; but no spectrum sees the axes."""
    ends = np.array([[1.0, 0], [-1, 0]])
    diagonal = np.array([[1.0, 1], [-1, -1]])
    assert matrix_nuclear_norm(ends) == pytest.approx(math.sqrt(0.5), rel=1e-14)
    assert matrix_nuclear_norm(diagonal) == pytest.approx(1, rel=1e-14), "the most there can be"
    rows = RANDOM.standard_normal((30, 12))
    for other in (rows[::-1], rows[:, ::-1], 7 * rows, rows + 5):
        assert matrix_nuclear_norm(other) == pytest.approx(matrix_nuclear_norm(rows), rel=1e-12)


def test_rows_at_the_mean_have_no_column_to_add_to() -> None:
    rows = RANDOM.standard_normal((9, 4)) + 0.1
    middle = np.vstack([rows, rows.mean(axis=0)])
    assert matrix_nuclear_norm(middle) == pytest.approx(matrix_nuclear_norm(rows), rel=1e-12)
    assert math.isnan(matrix_nuclear_norm(np.full((5, 3), 0.1)))


def test_too_few_rows_have_no_value() -> None:
    rows = RANDOM.standard_normal((3, 4))
    needed = ((curvature, 3), (anisotropy, 2), (matrix_nuclear_norm, 2), (norm_ratio, 1))
    for function, fewest in needed:
        for count in range(4):
            assert math.isnan(function(rows[:count])) == (count < fewest)
    assert norm_ratio(rows[:1]) == 1


def test_long_rows_are_counted_and_the_longest_is_found() -> None:
    rows = RANDOM.standard_normal((40, 9))
    assert number_of_long_rows(rows) == 0
    norms = [math.hypot(*row) for row in rows.tolist()]
    assert longest_row(rows) == norms.index(max(norms))
    rows[[7, 30]] *= 100
    rows[30] *= 2 * math.hypot(*rows[7]) / math.hypot(*rows[30])
    assert (number_of_long_rows(rows), longest_row(rows)) == (2, 30)
    at_the_limit = np.diag([1.0, 1.0, 10.0])
    assert number_of_long_rows(at_the_limit) == 0
    assert number_of_long_rows(at_the_limit * [1, 1, 1.001]) == 1
    assert longest_row(np.ones((4, 2))) == 0, "the first of equal ones"
    assert number_of_long_rows(np.eye(9)[:, :3]) == 0, "no median to compare with"
    for function in (number_of_long_rows, longest_row):
        assert math.isnan(function(rows[:0]))


def test_equal_rows_and_rows_of_zeros_have_no_direction() -> None:
    corner = np.array([[0.0, 0], [1, 0], [1, 2], [1, 3]])
    again = np.repeat(corner, [1, 1, 1, 2], axis=0)
    assert curvature(again) == curvature(corner) == pytest.approx(math.pi / 4)
    stops = np.repeat(corner, [1, 1, 2, 1], axis=0)
    assert curvature(stops) == pytest.approx(math.pi / 2), "none across the stop"
    assert math.isnan(curvature(np.ones((9, 4))))
    with_zero = np.array([[0.0, 0], [3, 0], [3, 3]])
    assert anisotropy(with_zero) == pytest.approx(math.sqrt(0.5))
    assert math.isnan(anisotropy(np.zeros((5, 2))))
    assert math.isnan(norm_ratio(np.eye(9)[:, :3])), "no median to compare with"


@pytest.mark.parametrize("name", NAMES)
def test_values_are_within_the_limits_of_the_unit(name: str) -> None:
    (measure,) = (each for each in measures.MEASURES if each.name == name)
    for rows, width in itertools.product((3, 8, 50), (1, 2, 30)):
        for states in (RANDOM.standard_normal((rows, width)), np.ones((rows, width))):
            low, high = measure.unit.limits(width)
            value = measure.of(states)
            assert math.isnan(value) or low - 1e-12 <= value <= high + 1e-12
