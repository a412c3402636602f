"""Rank correlations and their chance: against every order, other implementations, a table."""

from __future__ import annotations

from itertools import permutations
from math import factorial

import numpy as np
import pytest
from scipy.stats import spearmanr

from matrix_entropy.maths.rank_correlation import (
    EXACT,
    rank_correlation,
    rank_correlation_chance,
)


def counted(x: np.ndarray, y: np.ndarray) -> float:
    """The same by going through all orders."""
    found = abs(rank_correlation(x, y))
    orders = [abs(rank_correlation(x, order)) >= found - 1e-9 for order in permutations(y)]
    return float(np.mean(orders))


def test_rank_correlation_is_spearmans_also_with_ties() -> None:
    random = np.random.default_rng(0)
    for _ in range(20):
        x, y = random.integers(0, 6, size=(2, 9))
        assert rank_correlation(x, y) == pytest.approx(spearmanr(x, y).statistic, abs=1e-9)


@pytest.mark.parametrize("count", [2, 3, 4, 5])
@pytest.mark.parametrize("levels", [2, 3, 100])
def test_the_chance_is_that_of_all_orders_also_with_ties(count: int, levels: int) -> None:
    random = np.random.default_rng(count * levels)
    for _ in range(3):
        x, y = random.integers(0, levels, size=(2, count))
        expected = 1.0 if np.ptp(x) == 0 or np.ptp(y) == 0 else counted(x, y)
        assert rank_correlation_chance(x, y) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("count", range(3, 11))
def test_a_perfect_order_has_two_chances_of_all(count: int) -> None:
    x = np.arange(count)
    for y in (x, -x):
        assert rank_correlation_chance(x, y) == pytest.approx(2 / factorial(count), rel=1e-12)


# Critical values of the two-sided test at 5 %, as tables of Spearman's ρ have them.
@pytest.mark.parametrize(
    ("count", "critical"),
    [(5, 1.0), (6, 0.886), (7, 0.786), (8, 0.738), (9, 0.700), (10, 0.648)],
)
def test_the_critical_values_are_those_of_the_tables(count: int, critical: float) -> None:
    random = np.random.default_rng(count)
    x = np.arange(count)
    told = {
        rho: rank_correlation_chance(x, y)
        for y in (random.permutation(count) for _ in range(150))
        if (rho := abs(rank_correlation(x, y))) > 0.5
    }
    told[1.0] = rank_correlation_chance(x, x)
    assert all((p <= 0.05) == (round(rho, 3) >= critical) for rho, p in told.items())


def test_many_values_have_an_approximation() -> None:
    random = np.random.default_rng(3)
    x, y = random.normal(size=(2, EXACT + 1))
    assert rank_correlation_chance(x, y) == pytest.approx(spearmanr(x, y).pvalue, rel=1e-9)
    near = rank_correlation_chance(x[:EXACT], y[:EXACT])
    assert near == pytest.approx(spearmanr(x[:EXACT], y[:EXACT]).pvalue, rel=0.1)
