"""Coding rate, and what every next token tells about a function of the states, in nats.

Tan et al. 2024, definition 3.1 and section 4.1. A random function f with the prior GP(0, k) is seen
at the hidden states ``z_1, …, z_T`` of a text, each time with noise of variance σ²:
``y_t = f(z_t) + ε_t``. What the values tell about f is the information gain

    I(y_T; f) = ½ log det(I + K_T / σ²),   K_T = [k(z_i, z_j)].

With ``I + K / σ² = L Lᵀ`` (Cholesky) the leading blocks of L are the factors of all shorter texts,
so the diagonal of the one L has everything: ``I(y_t; f)`` is the sum of its first t logarithms, and
``σ² (L_tt² − 1)`` is the variance that f(z_t) still has when the values before are known.

Erratum to theorem 4.1, whose block matrix lacks a factor 1/σ² beside ``k_T(z_{T+1})``. Right is

    I(y_{T+1}; f) − I(y_T; f) = ½ log(1 + σ_T²(z_{T+1}) / σ²);

the printed ``½ log(1 + 1/σ² − σ² + σ² σ_T²)`` agrees with it where σ = 1 or σ_T² = 1 (the first
token, or one orthogonal to all before it), and at the paper's σ = 0.01 hardly depends on the token.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import cholesky

from matrix_entropy.base.errors import InputError
from matrix_entropy.maths.spectra import ROUNDING_UNITS

Float64 = NDArray[np.float64]

COSINE, LINEAR, CENTRED_COSINE = "cosine", "linear", "centred_cosine"
KERNELS = (COSINE, LINEAR, CENTRED_COSINE)
# Of the one that is added to the diagonal of K / σ²: what rounding may take from it.
WORST_ROUNDING = 1e-3


def coding_rate(states: NDArray[np.floating], epsilon: float) -> float:
    """Coding rate ``(d + n)/2 · log det(I + d/(n ε²) ZᵀZ)`` in nats, computed in float64.

    Tan et al. 2024, definition 3.1, for ``Z`` of n tokens and width d. ``ZᵀZ`` and ``ZZᵀ`` have
    the same non-zero eigenvalues, so the smaller of the two is taken.

    Parameters
    ----------
    states : ndarray of shape (tokens, width)
        As they are: the paper assumes rows of unit norm.
    epsilon : float
        Distortion allowed, positive.

    Raises
    ------
    InputError
        If ``epsilon`` is not positive, there is no token, or a value is not finite.

    Examples
    --------
    >>> rate = coding_rate(np.eye(4), epsilon=1.0)
    >>> round(rate / float(16 * np.log(2)), 12)
    1.0
    """
    _require_positive("epsilon", epsilon)
    z = _finite(states)
    tokens, width = z.shape
    gram = z @ z.T if tokens <= width else z.T @ z
    matrix = np.eye(len(gram)) + gram * (width / (tokens * epsilon**2))
    return (width + tokens) / 2 * float(np.linalg.slogdet(matrix).logabsdet)


def normalised_coding_rate(rank_share: ArrayLike, epsilon: float) -> Float64:
    """Coding rate over its maximum, ``x log(1 + 1/(ε² x)) / log(1 + 1/ε²)`` at ``x = r/d``.

    Tan et al. 2024, eq. (1): of unit rows with r equal singular values in d dimensions. That many
    rows reach the maximum, at r = d, only if there are at least d.

    Parameters
    ----------
    rank_share : array
        ``r/d``, from 0 to 1.
    epsilon : float
        As in `coding_rate`.

    Raises
    ------
    InputError
        If ``epsilon`` is not positive.
    ValueError
        If a share is not from 0 to 1.

    Examples
    --------
    >>> np.round(normalised_coding_rate([0.0, 0.5, 1.0], epsilon=1.0), 6).tolist()
    [0.0, 0.792481, 1.0]
    """
    _require_positive("epsilon", epsilon)
    share = np.asarray(rank_share, dtype=np.float64)
    if not ((share >= 0) & (share <= 1)).all():
        raise ValueError("a rank is from 0 to 1 of the width")
    # The limit at zero is zero.
    inverse = np.divide(epsilon**-2.0, share, out=np.zeros_like(share), where=share > 0)
    return np.asarray(share * np.log1p(inverse) / np.log1p(epsilon**-2.0))


def kernel_matrix(states: NDArray[np.floating], kernel: str = COSINE) -> Float64:
    """Kernel matrix ``K = XXᵀ`` of one text, in float64.

    The rows of X are the states: scaled to unit norm (``cosine``, as in Tan et al. 2024), as they
    are (``linear``), or less their mean over the tokens and then scaled (``centred_cosine``, as for
    the matrix entropy; since the mean is over all rows, a prefix's value depends on what follows).

    Parameters
    ----------
    states : ndarray of shape (tokens, width)
        One row per token, any floating type.
    kernel : str
        One of `KERNELS`.

    Returns
    -------
    ndarray of shape (tokens, tokens)

    Raises
    ------
    InputError
        If there is no such kernel, no token, a value that is not finite, or a row that must be
        scaled is zero or, after centring, only rounding error.

    Examples
    --------
    >>> kernel_matrix(np.array([[3.0, 4.0], [0.0, 2.0]])).round(12).tolist()
    [[1.0, 0.8], [0.8, 1.0]]
    """
    if kernel not in KERNELS:
        raise InputError(f"`kernel: {kernel}` is none of {', '.join(KERNELS)}.")
    rows = _finite(states)
    smallest: Float64 | float = 0.0
    if kernel == CENTRED_COSINE:
        mean = rows.mean(axis=0)
        scale = np.linalg.norm(rows, axis=1) + np.linalg.norm(mean)
        smallest = ROUNDING_UNITS * np.finfo(states.dtype).eps * scale
        rows -= mean
    if kernel != LINEAR:
        norms = np.linalg.norm(rows, axis=1)
        if (norms <= smallest).any():
            what = "equals the mean of all tokens" if kernel == CENTRED_COSINE else "is zero"
            token = int(np.argmax(norms <= smallest)) + 1
            raise InputError(
                f"the state of token {token} {what} and has no direction, which `kernel: {kernel}` "
                f"needs; set `kernel: {LINEAR}` or leave the text out."
            )
        rows /= norms[:, None]
    return rows @ rows.T


def cholesky_diagonal(kernel: NDArray[np.floating], noise: float) -> Float64:
    """Diagonal of the Cholesky factor L of ``I + K / σ²``: the one computation for all prefixes.

    In float64, since float32 loses up to whole nats.

    Parameters
    ----------
    kernel : ndarray of shape (tokens, tokens)
        ``K``, symmetric and positive semidefinite.
    noise : float
        σ, the standard deviation of the noise, positive.

    Returns
    -------
    ndarray of shape (tokens,)
        None below one, but for rounding.

    Raises
    ------
    InputError
        If there are fewer than two tokens, ``noise`` is not positive or so small that the
        kernel's rounding error hides it, or ``I + K / σ²`` is not positive definite.

    Examples
    --------
    >>> cholesky_diagonal(np.eye(2), noise=0.5).round(12).tolist() == [round(5**0.5, 12)] * 2
    True
    """
    tokens = len(kernel)
    if tokens < 2:
        raise InputError(f"an information gain needs two tokens, not {tokens}; raise `tokens:`.")
    _require_positive("noise", noise)
    matrix = kernel.astype(np.float64) / noise**2
    if np.finfo(np.float64).eps * matrix.diagonal().max() > WORST_ROUNDING:
        raise InputError(
            f"`noise: {noise:g}` is lost in the rounding error of a kernel as large as "
            f"{float(kernel.diagonal().max()):.3g}; raise it."
        )
    matrix.flat[:: tokens + 1] += 1.0
    try:
        # Transposed, which it equals, it has the order in memory that LAPACK works in.
        factor = cholesky(matrix.T, lower=True, overwrite_a=True)
    except (np.linalg.LinAlgError, ValueError):  # ValueError: not finite
        raise InputError(
            f"the matrix I + K / σ² with `noise: {noise:g}` is not positive definite: the kernel "
            "matrix K is no kernel's, or its rounding error is larger than σ²; add a ridge to its "
            "diagonal, which is to raise `noise:`."
        ) from None
    return factor.diagonal().copy()


def gain_increments(diagonal: Float64) -> Float64:
    """What each token adds: ``I(y_t; f) − I(y_{t−1}; f) = log L_tt = ½ log(1 + σ_{t−1}²/σ²)``.

    Theorem 4.1 of Tan et al. 2024, corrected (see above). The first is ``I(y_1; f)``.

    Parameters
    ----------
    diagonal : ndarray of shape (..., tokens)
        As `cholesky_diagonal` returns it.
    """
    return np.log(diagonal)


def information_gains(diagonal: Float64) -> Float64:
    """Information gains ``I(y_t; f) = ½ log det(I + K_t / σ²)`` of all prefixes, in nats.

    Parameters
    ----------
    diagonal : ndarray of shape (..., tokens)
        As `cholesky_diagonal` returns it.

    Returns
    -------
    ndarray of the same shape
        At index t − 1 that of the first t tokens.

    Examples
    --------
    >>> diagonal = cholesky_diagonal(np.eye(3), noise=1.0)
    >>> (information_gains(diagonal) / np.log(2)).round(12).tolist()
    [0.5, 1.0, 1.5]
    """
    return np.cumsum(gain_increments(diagonal), axis=-1)


def posterior_variances(diagonal: Float64, noise: float) -> Float64:
    """Variance ``σ_{t−1}²(z_t) = σ² (L_tt² − 1)`` of f at each token when those before are known.

    Tan et al. 2024, eq. (2). For an inner product it is ``⟨z_t, z_t − ẑ_t⟩`` with ``ẑ_t`` the ridge
    regression of ``z_t`` on the states before it, of penalty σ².

    Parameters
    ----------
    diagonal : ndarray of shape (..., tokens)
        As `cholesky_diagonal` returns it for this ``noise``.

    Examples
    --------
    >>> posterior_variances(cholesky_diagonal(np.eye(2), 0.1), 0.1).round(12).tolist()
    [1.0, 1.0]
    """
    return noise**2 * (diagonal**2 - 1.0)


def largest_increment(noise: float) -> float:
    """Most that a token of ``k(z, z) = 1`` can add: ``½ log(1 + 1/σ²)``, in nats.

    A token whose state is orthogonal to all before it adds that much.

    Examples
    --------
    >>> round(largest_increment(0.01), 6)
    4.60522
    """
    return 0.5 * float(np.log1p(noise**-2.0))


def largest_gain(tokens: ArrayLike, width: int, noise: float) -> Float64:
    """Largest information gain ``(r/2) log(1 + T/(r σ²))``, ``r = min(T, d)``, if ``k(z, z) = 1``.

    The eigenvalues of K have the sum T and at most r are not zero; the logarithm is concave, so
    equal ones have the largest gain. The chain of bounds below definition 4.2 of Tan et al. 2024
    drops the ½ and puts the stable rank (`maths.entropy.stable_rank` of the eigenvalues
    of K) for the rank, which is no bound: the gain can be several times as large.

    Parameters
    ----------
    tokens : array of int
        T, any number of values.

    Examples
    --------
    >>> (largest_gain([1, 4], width=2, noise=1.0) / np.log([2.0, 3.0])).round(12).tolist()
    [0.5, 1.0]
    """
    length = np.asarray(tokens, dtype=np.float64)
    rank = np.minimum(length, width)
    return np.asarray(rank / 2 * np.log1p(length / (rank * noise**2)))


def _finite(states: NDArray[np.floating]) -> Float64:
    """A copy in float64, if it is a matrix of numbers with a row at least."""
    if states.ndim != 2 or not states.size:
        raise InputError(
            f"states have the shape {states.shape}, not (tokens, width) with one token at least."
        )
    if not np.isfinite(states).all():
        raise InputError(
            "the states hold a value that is not finite; run the model with `dtype: float32`."
        )
    return states.astype(np.float64)


def _require_positive(name: str, value: float) -> None:
    if not 0 < value < np.inf:
        raise InputError(f"`{name}:` must be a positive number, not {value}.")
