"""Which rows are long, and that nothing else is ever left out."""

from __future__ import annotations

import numpy as np
import pytest

from matrix_entropy.long_rows import LONG, long_rows, relative_norms
from matrix_entropy.spectra import spectrum


def with_norms(norms: list[float], width: int = 6) -> np.ndarray:
    """Random directions of some norms."""
    states = np.random.default_rng(len(norms)).standard_normal((len(norms), width))
    states *= np.array(norms)[:, None] / np.linalg.norm(states, axis=1, keepdims=True)
    return states


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_norms_are_those_of_float64(dtype: type) -> None:
    states = with_norms([2.0, 1.0, 4.0, 30.0]).astype(dtype)
    norms = np.linalg.norm(states.astype(np.float64), axis=1)
    np.testing.assert_allclose(relative_norms(states), norms / np.median(norms), rtol=1e-14)


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
