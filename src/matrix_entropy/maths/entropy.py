"""Numbers that are cheap functions of a spectrum: entropies, ranks and their bounds, in nats."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from matrix_entropy.maths.spectra import spectrum

Float64 = NDArray[np.float64]
Values = Any  # a number, an array or a column of a table: what goes in comes out


def entropy_terms(eigenvalues: Float64) -> Float64:
    """What each eigenvalue adds to the matrix entropy: ``−λ log λ`` in nats, with ``0 log 0 = 0``.

    For many spectra one after another, whose terms are then added up apart.
    """
    logarithms = np.log(eigenvalues, out=np.zeros_like(eigenvalues), where=eigenvalues > 0)
    return -eigenvalues * logarithms


def matrix_entropy(eigenvalues: Float64) -> float:
    """Matrix entropy ``H = −Σ λ log λ`` in nats, with ``0 log 0 = 0``.

    Wei et al. 2024, eq. (2) and Liang 2024, section 3.2.1, before any division by ``log d``.

    Parameters
    ----------
    eigenvalues : ndarray of shape (rank,)
        Not negative, with sum one, as `maths.spectra.spectrum` returns them.

    Returns
    -------
    float
        NaN if there is no eigenvalue: the entropy of fewer than two rows is not defined.

    Examples
    --------
    >>> round(matrix_entropy(np.array([0.5, 0.5])), 6)
    0.693147
    """
    if len(eigenvalues) == 0:
        return float("nan")
    # A single eigenvalue of one gives −0.0; adding zero makes it 0.0.
    return float(entropy_terms(eigenvalues).sum()) + 0.0


def effective_rank(eigenvalues: Float64) -> float:
    """Effective rank ``exp(H)``: the number of equal eigenvalues with the same entropy.

    Roy and Vetterli 2007, on eigenvalues as in Wei et al. 2024 (RankMe uses singular values).

    Examples
    --------
    >>> round(effective_rank(np.full(4, 0.25)), 6)
    4.0
    """
    return float(rank_of_entropy(matrix_entropy(eigenvalues)))


def rank_of_entropy(entropy: Values) -> Values:
    """Effective rank ``exp(H)`` of entropies in nats, one or many.

    Examples
    --------
    >>> round(float(rank_of_entropy(nats(0.5, 64))), 6)
    8.0
    """
    return np.exp(entropy)


def stable_rank(eigenvalues: Float64) -> float:
    """Stable rank ``‖A‖_F² / ‖A‖₂² = Σ λ / max λ`` of a matrix A, from the eigenvalues of ``AAᵀ``.

    Tan et al. 2024, definition 4.2. NaN if there is no eigenvalue.

    Examples
    --------
    >>> stable_rank(np.array([0.5, 0.5]))
    2.0
    """
    return float(eigenvalues.sum() / eigenvalues.max()) if len(eigenvalues) else float("nan")


def entropy_bound(rows: int | NDArray[np.integer], width: int) -> NDArray[np.float64]:
    """Largest matrix entropy that ``rows`` tokens can have: ``log min(N − 1, d)`` in nats.

    Centring costs one dimension, so a text of N tokens has at most N − 1 non-zero eigenvalues.
    NaN below two rows, where there is no entropy to bound.

    Examples
    --------
    >>> float(np.round(entropy_bound(5, 768), 6)) == float(np.round(np.log(4), 6))
    True
    """
    rank = np.minimum(np.asarray(rows, dtype=np.float64) - 1.0, width)
    return np.log(rank, out=np.full(np.shape(rank), np.nan), where=rank >= 1.0)


def normalised(entropy: Values, width: Values | int) -> Values:
    """Entropy divided by ``log d``: the value that both papers plot (Wei et al. 2024, eq. 3).

    Raises
    ------
    ValueError
        If a ``width`` is one, where ``log d`` is zero.
    """
    if (np.asarray(width) < 2).any():
        raise ValueError(
            f"entropy cannot be normalised by log {np.min(width)}: width must be at least 2"
        )
    return np.divide(entropy, np.log(width))


def nats(normalised: Values, width: Values | int) -> Values:
    """The entropy in nats of which a value is ``H / log d``."""
    return np.multiply(normalised, np.log(width))


def dataset_normalisations(entropies: NDArray[np.floating], width: int) -> dict[str, float]:
    """The three ways of Wei et al. 2024 (section 5.3, Figure 5) to make one number of many texts.

    ``a`` = mean of ``H / log d`` (the headline), ``b`` = ``exp(mean H) / d``,
    ``c`` = ``mean(exp H) / d``. Texts without an entropy (NaN) are left out; all NaN gives NaN.

    Examples
    --------
    >>> values = dataset_normalisations(np.log([2.0, 8.0]), width=16)
    >>> {key: round(value, 6) for key, value in values.items()}
    {'a': 0.5, 'b': 0.25, 'c': 0.3125}
    """
    defined = np.asarray(entropies, dtype=np.float64)
    defined = defined[~np.isnan(defined)]
    if len(defined) == 0:
        return dict.fromkeys("abc", float("nan"))
    return {
        "a": float(normalised(defined, width).mean()),
        "b": float(rank_of_entropy(defined.mean()) / width),
        "c": float(rank_of_entropy(defined).mean() / width),
    }


def entropy_of(states: NDArray[np.floating]) -> float:
    """Matrix entropy in nats of the hidden states of one text, shape (tokens, width).

    Examples
    --------
    >>> round(entropy_of(np.eye(5)), 6) == round(float(np.log(4)), 6)
    True
    """
    return matrix_entropy(spectrum(states)[0])
