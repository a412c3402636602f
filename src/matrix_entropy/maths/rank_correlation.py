"""Spearman's rank correlation, and how often chance alone gives one as far from zero."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata, spearmanr

# Up to so many values all orders are counted; the work doubles with every value.
EXACT = 12


def rank_correlation(x: ArrayLike, y: ArrayLike) -> float:
    """Spearman's rank correlation; 0 where one of the two does not vary.

    Examples
    --------
    >>> rank_correlation([1, 2, 3], [0.5, 0.4, 0.1]), rank_correlation([1, 2], [7, 7])
    (-1.0, 0.0)
    """
    ranks = [rankdata(values) for values in (x, y)]
    if any(np.ptp(rank) == 0 for rank in ranks):
        return 0.0
    return float(np.round(np.corrcoef(*ranks)[0, 1], 12))


def rank_correlation_chance(x: ArrayLike, y: ArrayLike) -> float:
    """Probability of a rank correlation at least as far from zero if every order is as likely.

    Of all ``k!`` ways to give the values of ``y`` to those of ``x``, the share with
    ``|ρ| ≥ |ρ(x, y)|``: the two-sided permutation test of Spearman's ρ. Exact for up to `EXACT`
    values, ties included; for more it is Student's t approximation. 1 where one does not vary.

    Examples
    --------
    >>> rank_correlation_chance([1, 2, 3], [1, 2, 3]) * 6
    2.0
    >>> rank_correlation_chance([1, 2, 3, 4, 5, 6, 7], [1, 2, 3, 4, 5, 6, 7]) * 5040
    2.0
    """
    # Twice a rank is a whole number, also of ties.
    first, second = (np.rint(2 * rankdata(values)).astype(int) for values in (x, y))
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 1.0
    if len(first) > EXACT:
        return float(spearmanr(first, second).pvalue)
    counts = _orders_by_sum(first, second)
    # ρ is linear in Σ rank(x) rank(y), and zero at this sum.
    middle = first.sum() * second.sum() / len(first)
    far = abs(first @ second - middle)
    extreme = np.abs(np.arange(len(counts)) - middle) >= far - 1e-9
    return float(counts[extreme].sum() / counts.sum())


def _orders_by_sum(first: NDArray[np.int_], second: NDArray[np.int_]) -> NDArray[np.float64]:
    """How many orders of ``second`` have each value of ``Σ first·second``, from 0.

    Value by value of ``first``: what is known of the orders so far is which values of ``second``
    they have used, a set of bits, and their sums.
    """
    largest = int(np.sort(first) @ np.sort(second))
    known = {0: np.eye(1, largest + 1).ravel()}
    for left in first:
        longer: dict[int, NDArray[np.float64]] = {}
        for used, counts in known.items():
            for place, right in enumerate(second):
                if used >> place & 1:
                    continue
                step = int(left * right)
                sums = longer.setdefault(used | 1 << place, np.zeros(largest + 1))
                sums[step:] += counts[: largest + 1 - step]
        known = longer
    (counts,) = known.values()
    return counts
