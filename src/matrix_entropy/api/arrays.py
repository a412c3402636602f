"""Numbers of arrays: the spectrum of one text's hidden states, and what follows from spectra.

Everything takes what NumPy makes an array of, tensors of torch included (they are copied to the
host). What cannot be used is refused with a `ValueError` of one sentence. Entropies are in nats.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matrix_entropy.api.wording import plain_errors
from matrix_entropy.maths import distances, spectra
from matrix_entropy.maths import entropy as entropies
from matrix_entropy.maths import information_gain as gains

Float64 = NDArray[np.float64]

PAIR = ("first", "second")
BFLOAT16 = 2.0**-7  # its machine epsilon; NumPy has no such type
# What a sum of eigenvalues may be away from one, and an eigenvalue below zero: rounding in float32.
SUM_SLACK, SIGN_SLACK = 1e-5, 1e-6


class Spectrum(NamedTuple):
    """Eigenvalues of a text's normalised covariance, ascending, and how many rows were counted."""

    eigenvalues: Float64
    rows: int


def spectrum(
    states: ArrayLike, *, precision: float | None = None, without_long_rows: bool = False
) -> Spectrum:
    """Eigenvalues of the normalised covariance of one text's hidden states.

    Subtract the token mean, scale every row to norm one, and take the eigenvalues of
    ``K = ZᵀZ / N``, in float64 (Wei et al. 2024, Algorithm 1; Liang 2024, Algorithm 1).

    Parameters
    ----------
    states : array of shape (tokens, width)
        One row per token.
    precision : float, optional
        Machine epsilon of the type in which the states were computed, by default that of the
        array's type. A row that is no further from the mean than rounding is not counted.
    without_long_rows : bool
        Leave out rows more than ten times as long as the median row.

    Returns
    -------
    Spectrum
        ``eigenvalues`` (ascending, not negative, with sum one; empty if fewer than two rows are
        counted) and ``rows``, the number of rows that were counted.

    Raises
    ------
    ValueError
        If ``states`` is no matrix of finite real numbers.

    Examples
    --------
    >>> spectrum([[1, 0, 0], [0, 1, 0], [0, 0, 1]]).eigenvalues.round(12).tolist()
    [0.0, 0.5, 0.5]
    """
    matrix, epsilon = _states(states, "states")
    matrix = _within_reach(matrix)
    return Spectrum(*spectra.spectrum(matrix, precision or epsilon, without_long_rows))


def entropy(eigenvalues: ArrayLike | Spectrum) -> float:
    """Matrix entropy ``H = −Σ λ log λ`` in nats (Wei et al. 2024, eq. 2); NaN of no eigenvalue.

    Divide it by the logarithm of the width for the value that the papers plot.

    Parameters
    ----------
    eigenvalues : array of shape (rank,) or Spectrum
        Not negative, with sum one, as `spectrum` gives them.

    Raises
    ------
    ValueError
        If they are not such numbers.

    Examples
    --------
    >>> round(entropy([0.5, 0.5]), 6)
    0.693147
    """
    return entropies.matrix_entropy(_shares(eigenvalues))


def effective_rank(eigenvalues: ArrayLike | Spectrum) -> float:
    """Effective rank ``exp(H)`` (Roy and Vetterli 2007): so many equal eigenvalues have that ``H``.

    Parameters and errors are those of `entropy`.

    Examples
    --------
    >>> round(effective_rank([0.25, 0.25, 0.25, 0.25]), 6)
    4.0
    """
    return entropies.effective_rank(_shares(eigenvalues))


def stable_rank(eigenvalues: ArrayLike | Spectrum) -> float:
    """Stable rank ``Σ λ / max λ`` (Tan et al. 2024, definition 4.2).

    Parameters and errors are those of `entropy`.

    Examples
    --------
    >>> round(stable_rank([0.25, 0.75]), 6)
    1.333333
    """
    return entropies.stable_rank(_shares(eigenvalues))


@overload
def information_gain(
    states: ArrayLike, *, noise: float = ..., kernel: str = ..., every_prefix: Literal[False] = ...
) -> float: ...
@overload
def information_gain(
    states: ArrayLike, *, noise: float = ..., kernel: str = ..., every_prefix: Literal[True]
) -> Float64: ...
def information_gain(
    states: ArrayLike, *, noise: float = 0.01, kernel: str = "cosine", every_prefix: bool = False
) -> float | Float64:
    """Information gain ``½ log det(I + K / σ²)`` of a text in nats (Tan et al. 2024, section 4.1).

    What values of a random function with kernel ``K``, seen at the states with noise of standard
    deviation σ, tell about it.

    Parameters
    ----------
    states : array of shape (tokens, width)
        Two tokens at least.
    noise : float
        σ, positive.
    kernel : str
        ``cosine`` (rows of norm one, as in the paper), ``linear`` (as they are) or
        ``centred_cosine``.
    every_prefix : bool
        Give an array, at index ``t − 1`` the gain of the first t tokens.

    Raises
    ------
    ValueError
        If ``states`` is no matrix of finite real numbers with two rows, a row has no direction, or
        ``noise`` or ``kernel`` cannot be used.

    Examples
    --------
    >>> round(information_gain([[1, 0], [0, 1]], noise=1.0) / float(np.log(2)), 12)
    1.0
    """
    matrix, _ = _states(states, "states")
    if len(matrix) < 2:
        raise ValueError(f"an information gain needs two rows of states, not {len(matrix)}.")
    matrix = matrix if kernel == gains.LINEAR else _within_reach(matrix)
    with plain_errors():
        diagonal = gains.cholesky_diagonal(gains.kernel_matrix(matrix, kernel), noise)
    found = gains.information_gains(diagonal)
    return found if every_prefix else float(found[-1])


def distance(
    first: ArrayLike,
    second: ArrayLike,
    kind: str = "log_det_js",
    *,
    gamma: float = 100.0,
    ridge: float = 0.0,
    center: bool = False,
    unit_rows: bool = True,
) -> float:
    """Distance of two texts by the covariances ``ZᵀZ / N`` of their tokens (Tan et al. 2024, 4.3).

    Parameters
    ----------
    first, second : array of shape (tokens, width)
        States of two texts at one layer of one model; the numbers of tokens may differ.
    kind : str
        ``log_det_js`` (with ``gamma``), ``log_det``, ``riemannian``, ``log_euclidean`` (with
        ``ridge``, which a text of fewer tokens than dimensions needs) or ``frobenius``.
    center, unit_rows : bool
        Subtract the token mean; scale every row to norm one. The paper does the second alone.

    Raises
    ------
    ValueError
        If an array is no matrix of finite real numbers, the widths differ, there is no such
        ``kind``, or a covariance is singular where its inverse or logarithm is needed.

    Examples
    --------
    >>> round(distance([[1, 0]], [[0, 1]], "frobenius"), 6)
    1.414214
    """
    rows = [_states(states, name)[0] for name, states in zip(PAIR, (first, second), strict=True)]
    if kind not in distances.DISTANCES:
        raise ValueError(
            f"there is no distance {kind!r}; choose one of {', '.join(distances.DISTANCES)}."
        )
    if unit_rows:
        rows = [_within_reach(matrix) for matrix in rows]
    with plain_errors():
        ready = [
            distances.prepared(matrix, center, unit_rows, name)
            for name, matrix in zip(PAIR, rows, strict=True)
        ]
        found = distances.pairwise_distances(ready, kind, gamma, ridge, PAIR)
    return float(found[0, 1])


def _states(states: Any, name: str) -> tuple[NDArray[np.floating], float]:
    """States as a matrix, and the machine epsilon of the type that they were given in."""
    given, epsilon = _array(states, name)
    if given.ndim != 2 or not given.shape[1]:
        hint = (
            f"; of a batch take one text, `{name}[0]`"
            if given.ndim == 3
            else "; a single token's state is `states[None, :]`, and has no entropy"
            if given.ndim == 1
            else ""
        )
        raise ValueError(
            f"{name} must be a matrix of shape (tokens, width), one row per token, but has the "
            f"shape {given.shape}{hint}."
        )
    if not np.isfinite(given).all():
        row, column = np.argwhere(~np.isfinite(given))[0]
        raise ValueError(
            f"{name} holds a value that is not finite ({given[row, column]} at row {row}, column "
            f"{column}); compute the states in a wider type, or leave the text out."
        )
    return _within_reach(given), epsilon


def _within_reach(matrix: NDArray[np.floating]) -> NDArray[np.floating]:
    """The matrix times a power of two if its squares would not fit into float64.

    Exact, and for what depends on the directions of rows alone.
    """
    largest = float(np.abs(matrix).max()) if matrix.size else 0.0
    if largest == 0.0 or 1e-100 < largest < 1e100:
        return matrix
    scaled: NDArray[np.floating] = np.ldexp(matrix, -int(np.frexp(largest)[1]))
    return scaled


def _shares(eigenvalues: Any) -> Float64:
    """Eigenvalues that sum to one."""
    values = eigenvalues.eigenvalues if isinstance(eigenvalues, Spectrum) else eigenvalues
    found, _ = _array(values, "eigenvalues")
    if found.ndim != 1:
        raise ValueError(
            f"eigenvalues must be a list of numbers, but have the shape {found.shape}; of states "
            "take `spectrum(states).eigenvalues` first."
        )
    if not np.isfinite(found).all():
        raise ValueError("eigenvalues hold a value that is not finite; leave the text out.")
    if not len(found):  # of fewer than two rows
        return np.empty(0)
    if found.min() < -SIGN_SLACK:
        raise ValueError(
            f"eigenvalues hold {found.min():g}, but those of a covariance are not negative; of "
            "states take `spectrum(states).eigenvalues`."
        )
    if abs(found.sum() - 1) > SUM_SLACK:
        raise ValueError(
            f"eigenvalues sum to {found.sum():g}, not to one; divide them by their sum."
        )
    shares: Float64 = np.maximum(found, 0.0, dtype=np.float64)
    return shares


def _array(values: Any, name: str) -> tuple[NDArray[np.floating], float]:
    """Values as an array of real numbers, and the machine epsilon of the type they came in."""
    half = str(getattr(values, "dtype", "")) == "torch.bfloat16"
    if hasattr(values, "detach"):  # a tensor of torch, perhaps on a GPU
        values = values.detach().cpu()
        values = (values.float() if half else values).numpy()
    try:
        found = np.asarray(values)
    except ValueError:  # rows of several lengths
        raise ValueError(f"{name} must be a matrix, but its rows have several lengths.") from None
    if np.ma.isMaskedArray(values):
        raise ValueError(f"{name} is a masked array; take the rows that count first.")
    if found.dtype.kind == "c":
        raise ValueError(f"{name} holds complex numbers; take the real numbers that you mean.")
    if found.dtype.kind in "iub":
        found = found.astype(np.float64)
    if found.dtype.kind != "f":
        raise ValueError(f"{name} must hold numbers, but holds {found.dtype}.")
    return found, BFLOAT16 if half else float(np.finfo(found.dtype).eps)
