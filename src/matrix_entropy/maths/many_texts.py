"""One vector for each of many texts: how a text is pooled, and the spectra of the vectors.

Papers on embeddings take ranks of such a matrix, texts × width, of the vectors as they are, or
centred, or centred and of unit norm; `VectorSpectra` has all three. With few texts they say little,
whatever the model: no rank is above the number of texts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from matrix_entropy.maths.entropy import effective_rank, matrix_entropy
from matrix_entropy.maths.ranks import entropy_attained, participation_ratio, power_law, rankme
from matrix_entropy.maths.spectra import eigenvalues_of, spectrum
from matrix_entropy.maths.two_views import smaller_gram
from matrix_entropy.maths.units import NATS, POSITIVE, RANK, RATIO, SHARE, Unit

Float64 = NDArray[np.float64]
Rows = Any  # of NumPy or torch

# How the rows (tokens, width) of a text become one vector.
POOLINGS: dict[str, Callable[[Rows], Rows]] = {
    "mean": lambda rows: rows.mean(0),
    "last": lambda rows: rows[-1],
}


class VectorSpectra(NamedTuple):
    """Spectra of the vectors of N texts, each ascending and with sum one; empty below two texts.

    Attributes
    ----------
    as_they_are : ndarray
        Eigenvalues of ``X Xᵀ``.
    centred : ndarray
        The same of the covariance: the mean vector is subtracted.
    unit : ndarray
        The same where the centred vectors are scaled to norm one, as for rows of a text.
    squared_norms : ndarray of shape (texts,)
        Of the centred vectors.
    width : int
    """

    as_they_are: Float64
    centred: Float64
    unit: Float64
    squared_norms: Float64
    width: int


def vector_spectra(vectors: NDArray[np.floating]) -> VectorSpectra:
    """The spectra of vectors, shape (texts, width) of any floating type, computed in float64.

    Raises
    ------
    NotFinite
        If a vector is not finite.
    """
    unit, _ = spectrum(vectors)
    whole = vectors.astype(np.float64)
    if len(whole) < 2:
        none = np.empty(0)
        return VectorSpectra(none, none, none, none, vectors.shape[1])
    as_they_are = _eigenvalues(whole)
    whole -= whole.mean(axis=0)
    squared = np.einsum("ij,ij->i", whole, whole)
    return VectorSpectra(as_they_are, _eigenvalues(whole), unit, squared, vectors.shape[1])


def _eigenvalues(rows: Float64) -> Float64:
    """Empty where all rows are zero, which has no direction."""
    return eigenvalues_of(smaller_gram(rows)) if rows.any() else np.empty(0)


def participation_ratio_corrected(spectra: VectorSpectra) -> float:
    """Participation ratio of the distribution that N vectors are drawn from.

    ``Σ_{i≠j} ‖x_i‖² ‖x_j‖² / Σ_{i≠j} (x_i · x_j)²`` of centred vectors. For independent vectors
    around zero, numerator and denominator are unbiased for ``N (N − 1)`` times ``(tr C)²`` and
    ``tr C²`` (proven: every term is). The products of vectors with themselves, by which the plain
    ratio is too small, are left out. For vectors of unit norm it is that of `maths.ranks`.
    Subtracting the mean of the sample leaves a bias of order ``1 / N``.

    Returns
    -------
    float
        At least 1, and infinite where no two vectors have a product; NaN below three texts.

    Examples
    --------
    >>> round(participation_ratio_corrected(vector_spectra(np.eye(4))), 6)
    9.0
    """
    norms = spectra.squared_norms
    if len(norms) < 3 or not norms.any():
        return float("nan")
    trace, own = norms.sum(), float(norms @ norms)
    products = trace**2 * float(spectra.centred @ spectra.centred) - own
    if products <= 0:
        return float("inf")
    return max(1.0, float((trace**2 - own) / products))


class OfTexts(NamedTuple):
    """A number of the vectors of many texts: a column.

    Attributes
    ----------
    name : str
        Its column.
    of : callable
        From the spectra of the vectors to a number, NaN if there is none.
    unit : Unit
        With limits that a value is never outside of.
    matrix : str
        Of which matrix it is: the name in `VectorSpectra`.
    says, source : str
        What it is, and where it is defined.
    """

    name: str
    of: Callable[[VectorSpectra], float]
    unit: Unit
    matrix: str
    says: str
    source: str


# In the order of the columns.
OF_TEXTS = [
    OfTexts(
        "matrix_entropy", lambda spectra: matrix_entropy(spectra.unit), NATS, "unit",
        "matrix entropy `H = −Σ λ log λ`", "Wei et al. 2024, there of tokens",
    ),
    OfTexts(
        "effective_rank", lambda spectra: effective_rank(spectra.unit), RANK, "unit",
        "effective rank `exp H`", "Roy and Vetterli 2007",
    ),
    OfTexts(
        "entropy_attained",
        lambda spectra: entropy_attained(spectra.unit, spectra.width, len(spectra.squared_norms)),
        SHARE, "unit", "`H / log min(N − 1, d)`", "this project",
    ),
    OfTexts(
        "dataset_entropy", lambda spectra: matrix_entropy(spectra.as_they_are), NATS, "as_they_are",
        "dataset entropy `−Σ λ log λ`", "Skean et al. 2025",
    ),
    OfTexts(
        "rankme", lambda spectra: _rank(rankme, spectra.as_they_are), RANK, "as_they_are",
        "RankMe `exp(−Σ p log p)`, `p = √λ / Σ √λ`", "Garrido et al. 2023",
    ),
    OfTexts(
        "rankme_centred", lambda spectra: _rank(rankme, spectra.centred), RANK, "centred",
        "RankMe of centred vectors", "this project",
    ),
    OfTexts(
        "power_law", lambda spectra: _rank(power_law, spectra.centred), POSITIVE, "centred",
        "exponent α of `λ_j ∝ j^(−α)`, fitted for j from 4 to 100 (αReQ)", "Agrawal et al. 2022",
    ),
    OfTexts(
        "participation_ratio", lambda spectra: participation_ratio(spectra.centred), RANK,
        "centred", "participation ratio `(Σ λ)² / Σ λ²`", "Gao et al. 2017",
    ),
    OfTexts(
        "participation_ratio_corrected", participation_ratio_corrected, RATIO, "centred",
        "the same without the share of N texts, "
        "`Σ_{i≠j} ‖x_i‖² ‖x_j‖² / Σ_{i≠j} (x_i · x_j)²`", "this project, after arXiv 2509.26560",
    ),
]  # fmt: skip


def _rank(function: Callable[[Float64], float], eigenvalues: Float64) -> float:
    return function(eigenvalues) if len(eigenvalues) else float("nan")
