"""Which rows are long, that nothing else is ever left out, and what they do to the entropy."""

from __future__ import annotations

import numpy as np
import pytest

from matrix_entropy.maths.entropy import matrix_entropy
from matrix_entropy.maths.long_rows import (
    LONG,
    distances,
    entropy_with_long_rows,
    long_rows,
    relative,
    row_norms,
)
from matrix_entropy.maths.spectra import spectrum


def with_norms(norms: list[float], width: int = 6) -> np.ndarray:
    """Random directions of some norms."""
    states = np.random.default_rng(len(norms)).standard_normal((len(norms), width))
    states *= np.array(norms)[:, None] / np.linalg.norm(states, axis=1, keepdims=True)
    return states


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_norms_are_those_of_float64(dtype: type) -> None:
    states = with_norms([2.0, 1.0, 4.0, 30.0]).astype(dtype)
    norms = np.linalg.norm(states.astype(np.float64), axis=1)
    np.testing.assert_allclose(row_norms(states), norms, rtol=1e-14)
    np.testing.assert_allclose(relative(row_norms(states)), norms / np.median(norms), rtol=1e-14)


def test_long_is_more_than_ten_times_the_median_wherever_it_stands() -> None:
    states = np.diag([1.0, 2 * LONG, 2.0, 2 * LONG + 1e-6, 0.0, 3.0, 1.0])
    assert long_rows(states).tolist() == [False, False, False, True, False, False, False]


@pytest.mark.parametrize(
    "states",
    [
        np.empty((0, 4)),
        np.full((1, 4), 7.0),
        np.array([[1.0, 0.0], [0.0, 1e9]]),  # of two rows none is ten times their median
        np.full((5, 4), 3.0),
        np.diag([0.0, 0.0, 0.0, 5.0]),  # the median is zero
        np.zeros((3, 3)),
    ],
    ids=["none", "one", "two", "equal", "mostly zero", "zero"],
)
def test_where_no_row_can_be_long(states: np.ndarray) -> None:
    assert not long_rows(states).any()
    eigenvalues, rows = spectrum(states)
    without, counted = spectrum(states, without_long=True)
    np.testing.assert_array_equal(without, eigenvalues)
    assert counted == rows


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_row_that_is_not_finite_stays_an_error_beside_all_rows(value: float) -> None:
    states = with_norms([1.0] * 5)
    states[2, 3] = value
    with np.errstate(invalid="ignore"), pytest.raises(ValueError, match="not finite"):
        spectrum(states)


def test_what_is_left_is_centred_anew() -> None:
    states = with_norms([1.0] * 8 + [500.0], width=40)
    left, _ = spectrum(states, without_long=True)
    np.testing.assert_array_equal(left, spectrum(states[:8])[0])
    np.testing.assert_allclose(left[1:], spectrum(states[:8] + 3.0)[0][1:], atol=1e-12)


def direct(states: np.ndarray) -> tuple[float, float]:
    """Entropy of all rows by their spectrum, and by the formula from what is left without some."""
    long = long_rows(states)
    rest = matrix_entropy(spectrum(states, without_long=True)[0])
    told = entropy_with_long_rows(rest, distances(states), long)
    return matrix_entropy(spectrum(states)[0]), told


@pytest.mark.parametrize("length", [30.0, 60.0, 1e4])
@pytest.mark.parametrize("rows", [9, 60])
def test_the_formula_is_exact_for_equal_rows_and_a_long_one_apart(rows: int, length: float) -> None:
    states = np.eye(rows) + 0.3  # the rows have a part in common, which changes nothing
    states = np.hstack([states, np.zeros((rows, 1))])
    states[0] = states[1:].mean(axis=0)
    states[0, -1] = length
    assert long_rows(states).tolist() == [True] + [False] * (rows - 1)
    measured, told = direct(states)
    assert told == pytest.approx(measured, abs=1e-12)


@pytest.mark.parametrize("lengths", [[90.0, 40.0], [900.0, 300.0, 150.0]])
def test_the_formula_is_exact_for_several_long_rows_of_one_direction(lengths: list[float]) -> None:
    states = np.hstack([np.eye(30), np.zeros((30, 1))])
    states[: len(lengths)] = states[len(lengths) :].mean(axis=0)
    states[: len(lengths), -1] = lengths
    measured, told = direct(states)
    assert told == pytest.approx(measured, abs=1e-12)


@pytest.mark.parametrize("length", [30.0, 150.0])
def test_the_formula_tells_random_rows_of_unequal_length(length: float) -> None:
    """Where the assumptions hold on average only: within 3 %, of a change by a third and more."""
    random = np.random.default_rng(0)
    states = random.standard_normal((60, 2000)) * random.uniform(0.7, 1.4, (60, 1))
    states += 3 * random.standard_normal(2000)  # longer than what tells the rows apart
    states[[0, 7]] = length * random.standard_normal(2000) * np.array([[3.0], [2.0]])
    measured, told = direct(states)
    rest = matrix_entropy(spectrum(states, without_long=True)[0])
    assert told == pytest.approx(measured, rel=0.03)
    assert measured < 2 / 3 * rest
    by_norms = entropy_with_long_rows(rest, row_norms(states), long_rows(states))
    assert abs(by_norms - measured) > 5 * abs(told - measured), "distances, not norms"


def test_without_a_long_row_the_formula_changes_nothing() -> None:
    states = with_norms([1.0, 2.0, 3.0])
    assert entropy_with_long_rows(0.4, distances(states), long_rows(states)) == 0.4


def test_distances_are_from_the_mean_of_the_rows_that_are_not_long() -> None:
    states = with_norms([1.0, 2.0, 100.0, 1.5, 90.0]).astype(np.float32)
    mean = states[[0, 1, 3]].astype(np.float64).mean(axis=0)
    np.testing.assert_allclose(distances(states), np.linalg.norm(states - mean, axis=1), rtol=1e-14)
    assert not len(distances(states[:0]))
