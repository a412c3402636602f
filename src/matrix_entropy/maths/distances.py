"""Distances between sentences, from the covariances of their tokens (Tan et al. 2024).

A sentence of N tokens is ``Z`` of shape ``(N, width)``, its covariance ``A = ZᵀZ / N`` (definition
3.1: not centred). Covariances are ``width × width``, but outside the span of the tokens of both
sentences they are zero, or the ridge, on both sides, and add nothing to any distance. So rows are
first turned into coordinates in that span, and no matrix is larger than all tokens of a pair.

Three of the distances are functions of the same numbers: with ``M = (P + Q) / 2`` and
``D = (P − Q) / 2`` for ``P = A + ridge·I`` and ``Q = B + ridge·I``, of the eigenvalues ν of
``M⁻¹D``, here called contrasts, all between −1 and 1. Every term is then positive, and nothing
large cancels when two sentences are nearly equal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh, svdvals
from scipy.spatial.distance import pdist, squareform

from matrix_entropy.base.errors import InputError
from matrix_entropy.maths.spectra import ROUNDING_UNITS

Float64 = NDArray[np.float64]
Rows = NDArray[np.floating]

# A smallest eigenvalue below this share of the largest is mostly rounding, and its logarithm too.
SINGULAR = 1e-12
PAIR = ("the first sentence", "the second sentence")


def prepared(
    states: Rows, center: bool = False, unit_rows: bool = True, name: str = "the sentence"
) -> Float64:
    """The rows ``Z`` whose covariance ``ZᵀZ / N`` stands for a sentence.

    Unit rows give every covariance trace one, and a ridge or γ the same meaning for all models.

    Parameters
    ----------
    states : ndarray of shape (tokens, width)
        Any floating type; computed in float64.
    center : bool
        Subtract the token mean first. The paper does not.
    unit_rows : bool
        Scale every row to norm one, as the paper does. A row whose norm is only rounding error
        (``‖z − m‖ ≤ 8 ε (‖z‖ + ‖m‖)``) has no direction and is dropped.
    name : str
        What an error calls the sentence.

    Raises
    ------
    InputError
        If no row is there or left, or a value is not finite.

    Examples
    --------
    >>> prepared(np.array([[3.0, 4.0], [0.0, 0.0]]))
    array([[0.6, 0.8]])
    """
    rows = _checked(states, name)
    mean = rows.mean(axis=0) if center else np.zeros(rows.shape[1])
    moved = rows - mean
    if not unit_rows:
        return moved
    norms = np.linalg.norm(moved, axis=1)
    scale = np.linalg.norm(rows, axis=1) + np.linalg.norm(mean)
    directed = norms > ROUNDING_UNITS * np.finfo(states.dtype).eps * scale
    if not directed.any():
        raise InputError(
            f"no token of {name} has a direction, since all its states are zero or equal to their "
            "mean; leave the sentence out, or do not centre."
        )
    return moved[directed] / norms[directed, None]


def log_det_js_distance(first: Rows, second: Rows, gamma: float = 100.0) -> float:
    """Log-det Jensen–Shannon distance of two covariances (Tan et al. 2024, section 4.3).

    ``d² = log det(I + γ(A + B)/2) − (log det(I + γA) + log det(I + γB)) / 2``

    It is `log_det_distance` with ridge ``1/γ``, exactly, since the powers of γ cancel. For small γ,
    ``d²`` is ``γ²/8 ‖A − B‖²`` up to O(γ³) (theorem A.1), but ``d`` is ``γ/√8 ‖A − B‖`` only up to
    O(γ²), not O(γ³) as printed: the next term of ``d²`` is ``−γ³ tr((A + B)(A − B)²) / 8``.

    The absolute error of ``d`` is about ``ε (1 + γλ)``, with λ the largest eigenvalue of A and B
    and ε = 2.2e-16; so sentences that differ by 1e-6 keep about seven digits or more, and equal
    ones have the distance 0 exactly. The difference of log-determinants as printed has that error
    in ``d²``: of equal sentences it would leave 1e-8 to 1e-7, or the root of a negative number.

    Parameters
    ----------
    first, second : ndarray of shape (tokens, width)
        Rows as `prepared` gives them; they are not scaled here.
    gamma : float
        Positive.

    Raises
    ------
    InputError
        If γ is not positive or so large that rounding hides the ``I``, a sentence has no rows or a
        value that is not finite, or the widths differ.

    Examples
    --------
    >>> rows = np.eye(2)
    >>> d = log_det_js_distance(rows[:1], rows[1:], gamma=2.0)  # log det: log 4 − (log 3 + log 3)/2
    >>> round(d**2, 12) == round(float(np.log(4 / 3)), 12)
    True
    """
    return _of_pair(first, second, "log_det_js", gamma=gamma)


def log_det_distance(first: Rows, second: Rows, ridge: float = 0.0) -> float:
    """Log-det distance of two covariances (Tan et al. 2024, section 4.3; Sra 2016).

    ``d² = log det((P + Q)/2) − (log det P + log det Q) / 2`` with ``P = A + ridge·I`` and
    ``Q = B + ridge·I``; in contrasts ``d² = −½ Σ log(1 − ν²)``. A metric.

    The paper names no ridge, but fewer tokens than dimensions have a singular covariance. Beware
    that a ridge e gives the very numbers of `log_det_js_distance` with ``γ = 1/e``.

    Parameters
    ----------
    first, second : ndarray of shape (tokens, width)
        Rows as `prepared` gives them.
    ridge : float
        Not negative. Zero needs at least as many independent tokens as dimensions.

    Raises
    ------
    InputError
        If a covariance plus ridge is numerically singular (the sentence names it and a ridge to
        set), the ridge is negative, a sentence has no rows or a value that is not finite, or the
        widths differ.
    """
    return _of_pair(first, second, "log_det", ridge=ridge)


def riemannian_distance(first: Rows, second: Rows, ridge: float = 0.0) -> float:
    """Affine-invariant Riemannian distance of two covariances (Tan et al. 2024, appendix A).

    ``d = ‖log(Q^−½ P Q^−½)‖_F`` with ``P = A + ridge·I`` and ``Q = B + ridge·I``; in contrasts
    ``d² = Σ (2 artanh ν)²``, since the eigenvalues of ``Q⁻¹P`` are ``(1 + ν) / (1 − ν)``.
    Parameters and errors are those of `log_det_distance`.

    Examples
    --------
    >>> round(riemannian_distance(np.diag([2.0, 2.0]), np.eye(2)), 6)  # √2 log 4
    1.960516
    """
    return _of_pair(first, second, "riemannian", ridge=ridge)


def log_euclidean_distance(first: Rows, second: Rows, ridge: float = 0.0) -> float:
    """Log-Euclidean distance of two covariances (Tan et al. 2024, appendix A).

    ``d = ‖log(A + ridge·I) − log(B + ridge·I)‖_F``. Parameters and errors are those of
    `log_det_distance`.
    """
    return _of_pair(first, second, "log_euclidean", ridge=ridge)


def frobenius_distance(first: Rows, second: Rows) -> float:
    """Frobenius distance ``‖A − B‖_F`` of two covariances: the limit of theorem A.1.

    Parameters are rows as `prepared` gives them, of shape (tokens, width).

    Raises
    ------
    InputError
        If a sentence has no rows or a value that is not finite, or the widths differ.
    """
    return _of_pair(first, second, "frobenius")


def euclidean_distances(vectors: Rows) -> Float64:
    """Euclidean distance of every pair of rows: (n, width) gives (n, n).

    Examples
    --------
    >>> euclidean_distances(np.array([[0.0, 0.0], [3.0, 4.0]]))
    array([[0., 5.],
           [5., 0.]])
    """
    return squareform(pdist(np.asarray(vectors, dtype=np.float64)))


def pairwise_distances(
    sentences: Sequence[Rows],
    name: str,
    gamma: float = 100.0,
    ridge: float = 0.0,
    names: Sequence[str] | None = None,
) -> Float64:
    """One distance of all pairs of n sentences: (n, n), symmetric, with a diagonal of zeros.

    Parameters
    ----------
    sentences : sequence of ndarray of shape (tokens, width)
        Rows as `prepared` gives them; numbers of tokens may differ.
    name : str
        A key of `DISTANCES`.
    gamma, ridge : float
        Used by the distances that need them (`DISTANCES`).
    names : sequence of str, optional
        What errors call the sentences; default "sentence 1" and so on.

    Raises
    ------
    InputError
        If there is no distance of this name, or as the single distances raise.

    Examples
    --------
    >>> pairwise_distances([np.eye(2)[:1], np.eye(2)[1:]], "frobenius").round(6)
    array([[0.      , 1.414214],
           [1.414214, 0.      ]])
    """
    if name not in DISTANCES:
        raise InputError(f"there is no distance '{name}'; choose one of {', '.join(DISTANCES)}.")
    distance = DISTANCES[name]
    if names is None:
        names = [f"sentence {number}" for number in range(1, len(sentences) + 1)]
    rows = [_checked(sentence, of) for sentence, of in zip(sentences, names, strict=True)]
    for sentence, of in zip(rows, names, strict=True):
        if sentence.shape[1] != rows[0].shape[1]:
            raise InputError(
                f"{of} has states of width {sentence.shape[1]} and {names[0]} of width "
                f"{rows[0].shape[1]}; compare sentences at one layer of one model."
            )
    shift = _shift(distance.needs, gamma, ridge)
    if distance.needs:
        for sentence, of in zip(rows, names, strict=True):
            _require_definite(sentence, of, shift, distance.needs)
    distances = np.zeros((len(rows), len(rows)))
    rows = _in_span(rows)  # once of all sentences, so that pairs begin with short rows
    for at, one in enumerate(rows):
        for to in range(at + 1, len(rows)):
            pair = [_covariance(sentence) for sentence in _in_span([one, rows[to]])]
            distances[at, to] = distances[to, at] = distance.between(pair[0], pair[1], shift)
    return distances


def _of_pair(
    first: Rows, second: Rows, name: str, gamma: float = 100.0, ridge: float = 0.0
) -> float:
    return float(pairwise_distances((first, second), name, gamma, ridge, PAIR)[0, 1])


def _checked(states: Rows, name: str) -> Float64:
    rows = np.asarray(states, dtype=np.float64)
    if rows.ndim != 2 or not rows.size:
        raise InputError(
            f"{name} has states of shape {rows.shape}, not (tokens, width) with one token at "
            "least; leave it out or correct its text."
        )
    if not np.isfinite(rows).all():
        raise InputError(
            f"the states of {name} hold a value that is not finite; run the model with "
            "`dtype: float32`."
        )
    return rows


def _shift(needs: str, gamma: float, ridge: float) -> float:
    """What is added to the eigenvalues of covariances: γ is a ridge of ``1/γ``."""
    if needs == "gamma":
        if not 0 < gamma < np.inf:
            raise InputError(f"γ is {gamma:g}, but must be finite and positive; set `gamma: 100`.")
        return 1 / gamma
    if needs == "ridge":
        if not 0 <= ridge < np.inf:
            raise InputError(
                f"the ridge is {ridge:g}, but must be finite and not negative; set `ridge: 1.0e-3`."
            )
        return ridge
    return 0.0


def _require_definite(rows: Float64, name: str, shift: float, needs: str) -> None:
    eigenvalues = svdvals(rows) ** 2 / len(rows)
    smallest = shift + (eigenvalues[-1] if len(rows) >= rows.shape[1] else 0.0)
    largest = shift + eigenvalues[0]
    if smallest > SINGULAR * largest:
        return
    trace = eigenvalues.sum() or 1.0  # one, of unit rows
    if needs == "gamma":
        raise InputError(
            f"γ is so large that rounding hides the identity beside γ times the covariance of "
            f"{name}; set `gamma: {100 / trace:.1e}`."
        )
    raise InputError(
        f"the covariance of {name} ({len(rows)} tokens, width {rows.shape[1]}) with a ridge of "
        f"{shift:g} is singular, so this distance is not finite; set `ridge: {trace / 1e3:.1e}`."
    )


def _in_span(sentences: Sequence[Float64]) -> list[Float64]:
    """Coordinates of all rows in an orthonormal basis of a space that holds them all.

    Its dimension is the number of all rows, or the width if that is not larger. The rows may be
    dependent, as those of equal tokens are.
    """
    if sum(map(len, sentences)) >= sentences[0].shape[1]:
        return list(sentences)
    basis = np.linalg.qr(np.concatenate(sentences).T)[0]
    return [sentence @ basis for sentence in sentences]


def _covariance(rows: Float64) -> Float64:
    return rows.T @ rows / len(rows)


def _contrasts(first: Float64, second: Float64, shift: float) -> Float64:
    """Eigenvalues of ``M⁻¹D`` as the module defines them, between −1 and 1."""
    mean = (first + second) / 2
    mean.flat[:: len(mean) + 1] += shift
    return eigh((first - second) / 2, mean, eigvals_only=True, check_finite=False)


def _log_det(first: Float64, second: Float64, shift: float) -> float:
    terms = -np.log1p(-(_contrasts(first, second, shift) ** 2))
    return float(np.sqrt(terms.sum() / 2))


def _riemannian(first: Float64, second: Float64, shift: float) -> float:
    return float(np.linalg.norm(2 * np.arctanh(_contrasts(first, second, shift))))


def _log_euclidean(first: Float64, second: Float64, shift: float) -> float:
    return float(np.linalg.norm(_logarithm(first, shift) - _logarithm(second, shift)))


def _logarithm(covariance: Float64, shift: float) -> Float64:
    eigenvalues, vectors = np.linalg.eigh(covariance)
    return vectors * np.log(eigenvalues + shift) @ vectors.T


def _frobenius(first: Float64, second: Float64, shift: float) -> float:
    return float(np.linalg.norm(first - second))


@dataclass(frozen=True)
class Distance:
    """A distance of two covariances, and the parameter that it needs: gamma, ridge or ""."""

    between: Callable[[Float64, Float64, float], float]
    needs: str


DISTANCES = {
    "log_det_js": Distance(_log_det, "gamma"),
    "log_det": Distance(_log_det, "ridge"),
    "riemannian": Distance(_riemannian, "ridge"),
    "log_euclidean": Distance(_log_euclidean, "ridge"),
    "frobenius": Distance(_frobenius, ""),
}
