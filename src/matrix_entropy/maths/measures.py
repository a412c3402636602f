"""Measures of the hidden states of one text at one layer, which no spectrum gives.

A spectrum knows neither the order of the rows, nor their lengths, nor their mean. A measure sees
all rows in their order, as the model gives them: nothing is subtracted or scaled, and no row is
left out. A new one is a function, an entry in `MEASURES` and a test.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from matrix_entropy.maths.intrinsic_dimension import gride, two_nn
from matrix_entropy.maths.long_rows import long_rows, relative, row_norms
from matrix_entropy.maths.spectra import tolerance
from matrix_entropy.maths.units import (
    COSINE,
    COUNT,
    DIMENSION,
    POSITION,
    RADIANS,
    RATIO,
    SHARE,
    Unit,
)

Float64 = NDArray[np.float64]

ROWS, DISTANCES = "rows", "distances"


def curvature(rows: Float64) -> float:
    """Mean angle between successive steps from row to row: 0 on a straight line.

    With ``v_k = x_{k+1} − x_k``, the mean over k of ``arccos(v_k · v_{k+1} / (‖v_k‖ ‖v_{k+1}‖))``
    (Hosseini and Fedorenko 2023, after Hénaff et al. 2019; theirs is of a sentence, here it is of a
    text).

    Parameters
    ----------
    rows : ndarray of shape (tokens, width)

    Returns
    -------
    float
        In radians, from 0 to π. An angle beside two equal rows is left out, as it has no direction;
        NaN if there is none, as with fewer than three rows.

    Examples
    --------
    >>> corner = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 2.0]])
    >>> round(curvature(corner) / np.pi, 12)
    0.5
    """
    steps = np.diff(rows, axis=0)
    lengths = row_norms(steps)
    moves = lengths > 0
    turns = moves[:-1] & moves[1:]
    if not turns.any():
        return float("nan")
    products = np.einsum("ij,ij->i", steps[:-1], steps[1:])[turns]
    cosines = products / (lengths[:-1] * lengths[1:])[turns]
    # Rounding makes one of 1 + 2e-16, and moves an angle near 0 or π by up to 2e-8.
    return float(np.arccos(np.clip(cosines, -1.0, 1.0)).mean())


def anisotropy(rows: Float64) -> float:
    """Mean cosine of the angles between all pairs of different rows.

    With ``u_i = x_i / ‖x_i‖`` of N rows, ``Σ_{i≠j} u_i · u_j / (N (N − 1))``, which is
    ``(‖Σ u_i‖² − N) / (N (N − 1))``. What Ethayarajh 2019 calls the anisotropy of a layer is the
    mean over pairs of words from different contexts; here the pairs are those of one text.

    Parameters
    ----------
    rows : ndarray of shape (tokens, width)

    Returns
    -------
    float
        From ``−1 / (N − 1)`` to 1. Rows of zeros are left out; NaN if fewer than two are left.

    Examples
    --------
    >>> anisotropy(np.eye(3)), round(anisotropy(np.ones((3, 2))), 12)
    (0.0, 1.0)
    """
    lengths = row_norms(rows)
    directed = lengths > 0
    count = int(directed.sum())
    if count < 2:
        return float("nan")
    total = np.divide(1.0, lengths, out=np.zeros_like(lengths), where=directed) @ rows
    return float((total @ total - count) / (count * (count - 1)))


def matrix_nuclear_norm(rows: Float64) -> float:
    """Sum of the largest norms of columns of Z, over the number of its rows: Matrix Nuclear-Norm.

    ``Z`` holds the N rows less their mean and then scaled to norm one, as for the entropy. Of the
    norms ``‖Z e_j‖`` of its d columns, the largest ``min(N, d)`` are summed, and the sum divided by
    N (Li et al. 2024, as their released code computes it).

    It stands for ``‖Z‖_* / N``, which is `maths.ranks.nuclear_norm` over √N, without an eigenvalue
    problem. If N ≥ d, it is never below that (proven: ``Z = Σ_j (Z e_j) e_jᵀ``, and the norm of a
    sum is at most the sum of the norms). With fewer rows it may lie on either side. It depends on
    the axes of the features: turn all rows together, and it changes, as no spectrum does.

    Parameters
    ----------
    rows : ndarray of shape (tokens, width)

    Returns
    -------
    float
        Above 0 and at most ``√(min(N, d) / N)``. Rows that equal the mean but for the rounding of
        float64 are left out; NaN if fewer than two are left.

    Examples
    --------
    >>> round(matrix_nuclear_norm(np.array([[1.0, 1.0], [-1.0, -1.0]])), 12)
    1.0
    """
    if len(rows) < 2:
        return float("nan")
    mean = rows.mean(axis=0)
    centred = rows - mean
    lengths = row_norms(centred)
    rounding = tolerance(float(np.finfo(np.float64).eps))
    directed = lengths > rounding * (row_norms(rows) + np.sqrt(mean @ mean))
    count = int(directed.sum())
    if count < 2:
        return float("nan")
    unit = centred[directed] / lengths[directed, None]
    columns = np.sort(np.sqrt(np.einsum("ij,ij->j", unit, unit)))
    return float(columns[-min(count, rows.shape[1]) :].sum() / count)


def norm_ratio(rows: Float64) -> float:
    """Largest norm of a row over the median norm: above `maths.long_rows.LONG` there is a long row.

    Parameters
    ----------
    rows : ndarray of shape (tokens, width)

    Returns
    -------
    float
        At least 1; NaN if there is no row, or if the median is zero.

    Examples
    --------
    >>> norm_ratio(np.diag([1.0, 2.0, 50.0]))
    25.0
    """
    return float(relative(row_norms(rows)).max()) if len(rows) else float("nan")


def number_of_long_rows(rows: Float64) -> float:
    """How many rows are longer than `maths.long_rows.LONG` times the median norm.

    Those that the control ``without_long_rows`` leaves out.

    Parameters
    ----------
    rows : ndarray of shape (tokens, width)

    Returns
    -------
    float
        NaN if there is no row; 0 if the median is zero, as no row is long then.

    Examples
    --------
    >>> number_of_long_rows(np.diag([1.0, 2.0, 50.0]))
    1.0
    """
    return float(long_rows(rows).sum()) if len(rows) else float("nan")


def longest_row(rows: Float64) -> float:
    """Where the row with the largest norm stands, from 0; of equal ones the first.

    A beginning-of-sequence row is row 0 where there is one.

    Parameters
    ----------
    rows : ndarray of shape (tokens, width)

    Returns
    -------
    float
        NaN if there is no row.

    Examples
    --------
    >>> longest_row(np.diag([1.0, 2.0, 50.0]))
    2.0
    """
    return float(row_norms(rows).argmax()) if len(rows) else float("nan")


class Measure(NamedTuple):
    """A number of the hidden states of every text at every layer.

    Attributes
    ----------
    name : str
        As `measures:` of a data set asks for it, and its column.
    of : callable
        From rows (tokens, width) in float64 and in their order to a number; NaN if it has none.
    unit : Unit
        With limits that a value is never outside of.
    says, source : str
        What it is, and where it is defined.
    called : str
        At an axis; by default what its name says.
    looks_at : str
        What its cost goes with: `ROWS`, or `DISTANCES` of all pairs of them.
    """

    name: str
    of: Callable[[Float64], float]
    unit: Unit
    says: str
    source: str
    called: str = ""
    looks_at: str = ROWS


MEASURES = [
    Measure(
        "curvature", curvature, RADIANS, "mean angle between successive steps from row to row",
        "Hosseini and Fedorenko 2023",
    ),
    Measure(
        "anisotropy", anisotropy, COSINE, "mean cosine of all pairs of rows",
        "Ethayarajh 2019 (there of words of different contexts)",
    ),
    Measure(
        "matrix_nuclear_norm", matrix_nuclear_norm, SHARE,
        "sum of the largest `min(N, d)` norms of columns of `Z`, over N",
        "Li et al. 2024 (Matrix Nuclear-Norm)", "Matrix Nuclear-Norm",
    ),
    Measure(
        "norm_ratio", norm_ratio, RATIO, "largest norm of a row over the median norm",
        "this project (`maths/long_rows.py`)", "Largest norm / median norm",
    ),
    Measure(
        "long_rows", number_of_long_rows, COUNT,
        "number of rows of more than 10 times the median norm",
        "this project (`maths/long_rows.py`)", "Long rows",
    ),
    Measure(
        "longest_row", longest_row, POSITION, "position of the longest row, from 0",
        "this project", "Longest row",
    ),
    Measure(
        "intrinsic_dimension", two_nn, DIMENSION,
        "intrinsic dimension by TwoNN, from the two nearest rows of each", "Facco et al. 2017",
        "Intrinsic dimension (TwoNN)", DISTANCES,
    ),
    Measure(
        "intrinsic_dimension_gride", gride, DIMENSION,
        "intrinsic dimension by GRIDE, from the rows 4th and 8th nearest to each",
        "Denti et al. 2022; Valeriani et al. 2023", "Intrinsic dimension (GRIDE)", DISTANCES,
    ),
]  # fmt: skip
