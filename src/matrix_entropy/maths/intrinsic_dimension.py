"""Intrinsic dimension of the rows of one text: how many numbers it takes to say where a row is.

Both estimates look at ratios of distances alone. If rows lie on a manifold of dimension d on which
their density hardly changes within reach of a few neighbours, then the ratio μ of the distances of
the neighbours ``2 n`` and n of a row has the density

    p(μ) = d (μ^d − 1)^(n − 1) μ^(−(2n − 1) d − 1) / B(n, n),

whatever the density and the manifold (Denti et al. 2022; n = 1: Facco et al. 2017). Nothing depends
on the mean of the rows, on their common scale, or on their order.

Equal rows count once: their distance is zero and says nothing of a dimension. In a model that turns
positions into angles there are many at layer 0, one for each time that a token comes again.

Rows of a text are no independent draws, and few. The fewer they are for their dimension, the lower
both estimates come out: of 200 independent draws from a cube of 10 dimensions, 8.7 and 7.5 (means
of six draws). So compare layers on the same texts, and texts of one length.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matrix_entropy.maths.long_rows import row_norms

Float64 = NDArray[np.float64]

# Of the ratios, those that the fit of TwoNN looks at: the largest ones, of rows that lie alone,
# follow no law (Facco et al. 2017).
FITTED = 0.9
# The nearer of the two neighbours of GRIDE, whose other one is twice as far in rank.
NEIGHBOUR = 4


def two_nn(rows: Float64) -> float:
    """Intrinsic dimension by TwoNN (Facco et al. 2017): from the two nearest neighbours of a row.

    With the ratios ``μ_1 ≤ … ≤ μ_N``, the slope of the line through the origin that fits
    ``−log(1 − i / N)`` to ``log μ_i`` by least squares, for the i of the smallest `FITTED` N ratios
    (rounded down).

    Parameters
    ----------
    rows : ndarray of shape (tokens, width)

    Returns
    -------
    float
        Above 0; NaN of fewer than three different rows, or if every row has its two neighbours at
        the same distance.

    Examples
    --------
    >>> line = np.random.default_rng(0).random((1000, 1)) * np.ones(8)
    >>> abs(two_nn(line) - 1) < 0.1
    True
    """
    logs = np.sort(_log_ratios(rows, 1))
    count = len(logs)
    logs = logs[: int(FITTED * count)]
    squares = logs @ logs
    if not squares:
        return float("nan")
    return float(-np.log1p(-np.arange(1, len(logs) + 1) / count) @ logs / squares)


def gride(rows: Float64) -> float:
    """Intrinsic dimension by GRIDE (Denti et al. 2022): from the neighbours 4 and 8 of a row.

    The d at which the ratios of all rows are most likely by the density above, with n =
    `NEIGHBOUR`. It looks a little further than TwoNN, is moved less by noise that blurs the nearest
    rows, and varies less. Valeriani et al. 2023 take it of one vector for each of many texts; here
    rows are the tokens of one.

    Parameters
    ----------
    rows : ndarray of shape (tokens, width)

    Returns
    -------
    float
        Above 0; NaN of fewer than nine different rows, or if every row has both neighbours at the
        same distance.
    """
    return most_likely(_log_ratios(rows, NEIGHBOUR), NEIGHBOUR)


def most_likely(logs: Float64, near: int) -> float:
    """The dimension d that makes ratios of neighbours ``2 near`` and ``near`` most likely.

    Where ``N + (n − 1) Σ h(d l) = (2n − 1) Σ d l``, with ``l`` the logarithms of the ratios, n for
    ``near`` and ``h(x) = x / (1 − e^−x)``. The left side less the right one falls with d and is
    convex, so that Newton's method goes up to the only root from below. As ``1 + x/2 ≤ h``, it lies
    above ``N n / ((3n − 1) / 2 · Σ l)``.

    Examples
    --------
    >>> most_likely(np.array([0.5, 1.5]), 1)
    1.0
    """
    total = logs.sum()
    if not total:
        return float("nan")
    found = len(logs) * near / ((3 * near - 1) / 2 * total)
    for _ in range(100):
        scaled = found * logs
        gap = -np.expm1(-scaled)
        known = gap > 0
        values = np.divide(scaled, gap, out=np.ones_like(scaled), where=known)
        # The slope of h is (1 − h(x) e^−x) / (1 − e^−x): a half at zero, where rounding spoils it.
        slopes = np.divide(
            1 - values * np.exp(-scaled), gap, out=np.full_like(gap, 0.5), where=scaled > 1e-4
        )
        miss = len(logs) + (near - 1) * values.sum() - (2 * near - 1) * scaled.sum()
        slope = (near - 1) * (logs @ slopes) - (2 * near - 1) * total
        step = miss / slope
        found -= step
        if abs(step) <= 1e-15 * found:
            break
    return float(found)


def _log_ratios(rows: Float64, near: int) -> Float64:
    """``log(r_2n / r_n)`` of every different row, with ``r_n`` the distance of neighbour n."""
    rows = rows + 0.0  # of the two zeros one
    rows = rows[[*{row.tobytes(): place for place, row in enumerate(rows)}.values()]]
    if len(rows) <= 2 * near:
        return np.empty(0)
    rows = rows - rows.mean(axis=0)
    squares = np.einsum("ij,ij->i", rows, rows)
    # All but the squared norm of the row that looks, which its neighbours have in common.
    apart = squares - 2 * (rows @ rows.T)
    np.fill_diagonal(apart, np.inf)
    order = np.argpartition(apart, (near - 1, 2 * near - 1), axis=1)
    # Rounding spoils differences of large squares, and here finds the neighbours alone.
    nearer, further = (
        row_norms(rows - rows[order[:, place]]) for place in (near - 1, 2 * near - 1)
    )
    return np.abs(np.log(further / nearer))
