"""Numbers of many texts of each of which there are two vectors: two views of the same text.

What both views say is what the text says; how they differ is noise. `lidar` is a rank of the first
relative to the second, `dime` and `info_nce` say how well one view tells which text the other is
of. Rows are texts: row i of each view is of text i.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import helmert

from matrix_entropy.maths.entropy import effective_rank, matrix_entropy
from matrix_entropy.maths.spectra import eigenvalues_of

Float64 = NDArray[np.float64]

# Of Thilak et al. 2023, in the units of the states.
DELTA = 1e-4
PAIRINGS = 10
# For every random pairing a matrix texts × texts is decomposed: of more texts the first are taken.
MOST_VIEWED = 1000
TEMPERATURE = 0.1


def lidar(views: Float64, delta: float = DELTA, relative: bool = False) -> float:
    """LiDAR (Thilak et al. 2023): effective rank of ``Σ_w^{-1/2} Σ_b Σ_w^{-1/2}``.

    With ``m_i`` the mean of the q views of text i and ``m`` the mean of all, ``Σ_b`` is the mean of
    ``(m_i − m)(m_i − m)ᵀ`` over N texts and ``Σ_w`` that of ``(e_iq − m_i)(e_iq − m_i)ᵀ`` over
    texts and views, plus ``δ I``. Of the eigenvalues λ of the product, ``exp(−Σ p log p)`` with
    ``p = λ / Σ λ``. The paper adds a small number to every p, which then do not sum to one; here
    nothing is added.

    Nothing is inverted: singular values s and right vectors V of the differences between views give
    ``Σ_w^{-1/2} x = V (Vᵀ x / √(s² + δ)) + (x − V Vᵀ x) / √δ``, also where texts are fewer than
    features and δ is far below rounding of ``Σ_w``.

    Parameters
    ----------
    views : ndarray of shape (q, texts, width)
        At least two views.
    delta : float
        δ. It is in squared units of the states, so that states of another scale have another value.
    relative : bool
        δ times the mean of the diagonal of ``Σ_w``: the scale of the states changes nothing.

    Returns
    -------
    float
        From 1 to ``min(N − 1, d)``; NaN of fewer than two texts, where no text differs from
        another, and with ``relative`` where no view does.

    Examples
    --------
    >>> texts = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    >>> noise = np.array([[0.1, 0.1], [0.1, 0.1], [0.1, -0.1], [0.1, -0.1]])
    >>> round(lidar(np.array([texts + noise, texts - noise])), 9)
    2.0
    """
    count, texts, width = views.shape
    if texts < 2:
        return float("nan")
    means = views.mean(axis=0)
    between = (means - means.mean(axis=0)) / np.sqrt(texts)
    # Orthonormal contrasts of the views: q − 1 rows for each text with the scatter of its q views.
    within = np.tensordot(helmert(count), views, axes=1).reshape(-1, width)
    within /= np.sqrt(count * texts)
    added = delta * (float((within**2).sum()) / width if relative else 1.0)
    if not between.any() or added == 0:
        return float("nan")
    _, singular, right = np.linalg.svd(within, full_matrices=False)
    along = between @ right.T
    white = (between - along @ right) / np.sqrt(added)
    white += (along / np.sqrt(singular**2 + added)) @ right
    return effective_rank(eigenvalues_of(smaller_gram(white)))


def smaller_gram(matrix: Float64) -> Float64:
    """``A Aᵀ`` or ``Aᵀ A``, whichever is smaller: their eigenvalues that are not zero agree."""
    return matrix @ matrix.T if len(matrix) <= matrix.shape[1] else matrix.T @ matrix


def cosines(rows: Float64, others: Float64) -> Float64:
    """Cosines of the angles between rows, shape (rows, others); a row of zeros has zeros."""

    def unit(vectors: Float64) -> Float64:
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)

    return unit(rows) @ unit(others).T


def dime(first: Float64, second: Float64, seed: int = 0, pairings: int = PAIRINGS) -> float:
    """DiME (Skean et al. 2023): what the pairing of two views adds to their mutual information.

    Matrix-based mutual information is ``H(K) + H(L) − H(K ∘ L)`` with ``H`` the matrix entropy of a
    matrix divided by its trace. Subtracted is its mean over random pairings, in which the texts of
    the second view change places; ``H(K)`` and ``H(L)`` cancel, which leaves
    ``mean H(K ∘ P L Pᵀ) − H(K ∘ L)``. Kernels are cosines of the vectors after the mean of their
    view is subtracted, as everywhere in this project; the paper has Gaussian kernels, whose width
    would be one more choice, and α = 1.01 where this is the limit α → 1.

    Parameters
    ----------
    first, second : ndarray of shape (texts, width)
        Widths may differ.
    seed, pairings : int
        Of the random pairings, and how many.

    Returns
    -------
    float
        In nats, at most ``log N``; NaN of fewer than two texts, or if a view has one vector for
        all. About 0 if the views have nothing in common, by chance also below, and also where
        texts differ along many directions alike: their cosines are small then, and every pairing
        is near ``log N``.

    Examples
    --------
    >>> texts = np.random.default_rng(0).standard_normal((50, 3))
    >>> dime(texts, texts) > 0.3 > abs(dime(texts, np.random.default_rng(1).permutation(texts)))
    True
    """
    count = len(first)
    if count < 2:
        return float("nan")
    kernel, other = (cosines(view - view.mean(axis=0), view - view.mean(axis=0))
                     for view in (first, second))  # fmt: skip
    if not (kernel.any() and other.any()):
        return float("nan")
    random = np.random.default_rng(seed)
    at_random = []
    for _ in range(pairings):
        order = random.permutation(count)
        at_random.append(_entropy(kernel * other[np.ix_(order, order)]))
    return float(np.mean(at_random) - _entropy(kernel * other))


def _entropy(kernel: Float64) -> float:
    return matrix_entropy(eigenvalues_of(kernel))


def info_nce(first: Float64, second: Float64, temperature: float = TEMPERATURE) -> float:
    """What InfoNCE says of the mutual information of two views: ``log N`` minus its loss.

    The loss (van den Oord et al. 2018) is the cross entropy of telling, by ``cos / temperature``,
    which of N texts the other view is of, the mean over texts and over both directions.

    Returns
    -------
    float
        In nats, at most ``log N``; a lower bound of the mutual information for texts drawn
        independently, and below 0 where the wrong text is the likelier. NaN of fewer than two.

    Examples
    --------
    >>> round(info_nce(np.eye(4), np.eye(4)), 3), abs(info_nce(np.eye(2), np.ones((2, 2)))) < 1e-9
    (1.386, True)
    """
    if len(first) < 2:
        return float("nan")
    logits = cosines(first, second) / temperature
    right = np.diagonal(logits)
    losses = [_log_sum_exp(each) - right for each in (logits, logits.T)]
    return float(np.log(len(first)) - np.mean(losses))


def _log_sum_exp(rows: Float64) -> Float64:
    largest = rows.max(axis=1, keepdims=True)
    summed: Float64 = largest[:, 0] + np.log(np.exp(rows - largest).sum(axis=1))
    return summed
