"""Fréchet distance between the Gaussians of two sets of rows, without a root of a matrix.

``‖m_A − m_B‖² + tr Σ_A + tr Σ_B − 2 tr (Σ_A Σ_B)^{1/2}`` (Dowson and Landau 1982). With
``Σ_A = Rᵀ R`` and ``Σ_B = Sᵀ S``, the last trace is the sum of the singular values of ``R Sᵀ``:
``Σ_A Σ_B`` and ``(R Sᵀ)(R Sᵀ)ᵀ`` have the same eigenvalues that are not zero (proven). ``R`` comes
from a QR decomposition of the centred rows, so that no covariance is formed, none has to be
invertible, and rows may be fewer than features.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]
Blocks = Callable[[], Iterator[Float64]]  # the rows, some at a time, as often as they are asked for

BLOCK = 4096


class Moments(NamedTuple):
    """Mean of N rows and a factor of their covariance, which is ``factorᵀ factor``.

    The covariance is that of a sample, divided by ``N − 1``; the factor has at most as many rows as
    columns.
    """

    mean: Float64
    factor: Float64

    @property
    def trace(self) -> float:
        """Of the covariance."""
        return float((self.factor**2).sum())


class Distance(NamedTuple):
    """Fréchet distance (squared, as it is used), and the same with ``tr Σ_A Σ_B`` for its root."""

    frechet: float
    without_root: float


def blocks_of(rows: NDArray[np.floating], size: int = BLOCK) -> Blocks:
    """Rows as float64, so many at a time."""
    return lambda: (
        rows[start : start + size].astype(np.float64) for start in range(0, len(rows), size)
    )


def moments(blocks: Blocks) -> Moments:
    """Mean and factor of rows that are read twice and never held all at once.

    Memory is that of a block and of two matrices width × width.

    Raises
    ------
    ValueError
        If there are fewer than two rows.
    """
    count, total = 0, np.zeros(0)
    for block in blocks():
        total = block.sum(axis=0) + (total if count else 0)
        count += len(block)
    if count < 2:
        raise ValueError(f"a covariance needs two rows, not {count}")
    mean = total / count
    factor = np.empty((0, len(mean)))
    for block in blocks():
        stacked = np.concatenate([factor, block - mean])
        if len(stacked) > len(mean):
            stacked = np.asarray(np.linalg.qr(stacked, mode="r"))
        factor = stacked
    return Moments(mean, factor / np.sqrt(count - 1))


def distance(one: Moments, other: Moments) -> Distance:
    """Fréchet distance between two Gaussians.

    Examples
    --------
    >>> rows = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    >>> found = distance(moments(blocks_of(rows)), moments(blocks_of(3 * rows + [0, 5])))
    >>> round(float(found.frechet) - 25, 9), round(16 / 3, 9)
    (5.333333333, 5.333333333)
    """
    apart = one.mean - other.mean
    crossed = one.factor @ other.factor.T
    root = float(np.linalg.svd(crossed, compute_uv=False).sum())
    rest = float(apart @ apart) + one.trace + other.trace
    return Distance(max(0.0, rest - 2 * root), rest - 2 * float((crossed**2).sum()))
