"""Numbers that take into account of how many rows a spectrum is."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from matrix_entropy.maths.entropy import matrix_entropy
from matrix_entropy.maths.ranks import (
    entropy_attained,
    participation_ratio,
    participation_ratio_corrected,
)
from matrix_entropy.maths.spectra import spectrum

WIDTH = 48
SCALES = np.arange(1, WIDTH + 1) ** -0.5


def draw(rows: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Independent rows along directions of falling importance."""
    return random.standard_normal((rows, WIDTH)) * SCALES


@pytest.mark.parametrize("rows", [3, 9, 40])
def test_it_is_the_sum_over_pairs_of_different_rows(rows: int) -> None:
    states = draw(rows, np.random.default_rng(rows))
    centred = states - states.mean(axis=0)
    unit = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    pairs = [(unit[i] @ unit[j]) ** 2 for i in range(rows) for j in range(rows) if i != j]
    found = participation_ratio_corrected(spectrum(states)[0], WIDTH, rows)
    assert found == pytest.approx(1 / np.mean(pairs), rel=1e-10)


@pytest.mark.parametrize("rows", [12, 24, 96])
def test_few_rows_bias_the_plain_one_and_hardly_the_corrected_one(rows: int) -> None:
    """Against 20,000 rows; means of inverses, which are what is unbiased."""
    random = np.random.default_rng(0)
    many = 1 / participation_ratio(spectrum(draw(20_000, random))[0])
    drawn = [spectrum(draw(rows, random))[0] for _ in range(200)]
    plain = np.mean([1 / participation_ratio(values) for values in drawn])
    corrected = [1 / participation_ratio_corrected(values, WIDTH, rows) for values in drawn]
    error = np.std(corrected) / np.sqrt(len(drawn))
    assert plain - many == pytest.approx(1 / rows, rel=0.15)
    # What centring leaves is smaller by the number of rows again.
    assert abs(np.mean(corrected) - many) < 4 * error + 1 / rows**2


def test_equal_eigenvalues_of_as_many_rows_as_there_can_be() -> None:
    flat = np.full(4, 0.25)
    assert participation_ratio_corrected(flat, 100, 5) == pytest.approx(16, rel=1e-12)
    assert entropy_attained(flat, 100, 5) == pytest.approx(1, rel=1e-12)
    assert entropy_attained(flat, 4, 50) == pytest.approx(1, rel=1e-12)
    # With more rows the same eigenvalues are hardly corrected.
    assert participation_ratio_corrected(flat, 100, 10**6) == pytest.approx(4, rel=1e-5)


def test_one_direction_and_none() -> None:
    assert participation_ratio_corrected(np.array([1.0]), 9, 2) == 1
    for values, rows in ((np.array([1.0]), 2), (np.array([]), 0)):
        assert np.isnan(entropy_attained(values, 9, rows))
    assert np.isnan(participation_ratio_corrected(np.array([]), 9, 0))


def test_the_share_attained_is_the_entropy_over_the_bound() -> None:
    values = spectrum(draw(20, np.random.default_rng(1)))[0]
    assert entropy_attained(values, WIDTH, 20) == pytest.approx(
        matrix_entropy(values) / np.log(19), rel=1e-12
    )
