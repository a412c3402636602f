"""From the hidden states of one text to the eigenvalues of its covariance.

For ``Z`` of shape ``(tokens, width)`` the papers subtract the token mean, scale each row to unit
norm and decompose ``K = ZᵀZ / N`` (``width × width``; Wei et al. 2024, Algorithm 1; Liang 2024,
Algorithm 1). ``K`` has the same non-zero eigenvalues as the Gram matrix ``ZZᵀ / N``
(``tokens × tokens``), so the smaller of the two is decomposed, in float64 or, where that is
asked for, in float32.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matrix_entropy.maths.long_rows import long_rows

Float64 = NDArray[np.float64]

# Rounding leaves a row that equals the mean with a norm of a few units in the last place of what
# was subtracted; eight of them is a wide margin that no real row comes near. In half precision,
# eight units are a few percent of a row, and neighbouring patches of an image differ by less: there
# it is what storing a number alone does to it.
ROUNDING_UNITS, HALF_PRECISION_UNITS = 8, 0.5
HALF_PRECISION = 2.0**-11  # no type of 32 bits is as coarse

# From this size on MKL, which torch brings along, reduces a matrix in two stages, on the processors
# by Intel that were tried in half of the time of NumPy's library (docs/speed.md).
TWO_STAGE = 1100


class NotFinite(ValueError):
    """States hold an infinity or no number."""

    def __init__(self) -> None:
        super().__init__("states hold a value that is not finite")


def spectrum(
    states: NDArray[np.floating], precision: float | None = None, without_long: bool = False
) -> tuple[Float64, int]:
    """Eigenvalues of the normalised covariance of one text's hidden states.

    Rows whose distance from the token mean is only rounding error
    (``‖z − m‖ ≤ 8 ε (‖z‖ + ‖m‖)``; in half precision, ½ ε) carry no direction and are dropped.

    Parameters
    ----------
    states : ndarray of shape (tokens, width)
        One row per token, any floating type; computed in float64.
    precision : float, optional
        Machine epsilon of the type in which the model computed the states, where that is coarser
        than the array's own (bfloat16 states stored as float32). Default: the array's epsilon.
    without_long : bool
        Leave out rows that are long (`maths.long_rows`) before the mean is taken.

    Returns
    -------
    eigenvalues : ndarray of shape (min(rows, width),)
        Ascending, not negative, with sum one. Empty if fewer than two rows are left.
    rows : int
        Number of rows that were counted.

    Raises
    ------
    NotFinite
        If ``states`` holds a value that is not finite.
    ValueError
        If ``states`` is not a matrix.

    Examples
    --------
    >>> eigenvalues, rows = spectrum(np.eye(3))
    >>> rows, [float(value) for value in np.round(eigenvalues, 12)]
    (3, [0.0, 0.5, 0.5])
    """
    return spectrum_of(*normalised_matrix(states, precision, without_long))


def normalised_matrix(
    states: NDArray[np.floating], precision: float | None = None, without_long: bool = False
) -> tuple[Float64, int]:
    """The smaller of Gram matrix and covariance of the centred rows of unit norm, in float64.

    Takes and raises what `spectrum` does.

    Returns
    -------
    matrix : ndarray of shape (n, n)
        Not divided by the number of rows; its size is that of the eigenvalue problem. Without
        entries if fewer than two rows are counted.
    rows : int
        Number of rows that were counted.
    """
    if states.ndim != 2:
        raise ValueError(f"states must have shape (tokens, width), not {states.shape}")
    precision = float(np.finfo(states.dtype).eps) if precision is None else precision
    if without_long:
        states = states[~long_rows(states)]
    gram_side = states.shape[0] <= states.shape[1]

    centred = states.astype(np.float64, order="C")
    with np.errstate(invalid="ignore"):
        mean = centred.mean(axis=0) if len(centred) else np.zeros(states.shape[1])
    if not np.isfinite(mean).all():
        raise NotFinite()
    if len(centred) < 2:
        return np.empty((0, 0)), 0
    centred -= mean
    if gram_side:
        # Scaling the Gram matrix of the centred rows costs N², scaling the rows N·d.
        gram = centred @ centred.T  # computed by half, and other threads go on meanwhile
        squared_norms = np.diagonal(gram).copy()
    else:
        squared_norms = np.einsum("ij,ij->i", centred, centred)

    valid = _rows_with_direction(centred, mean, squared_norms, precision)
    rows = int(valid.sum())
    if rows < 2:
        return np.empty((0, 0)), rows
    inverse_norms = 1.0 / np.sqrt(squared_norms[valid])
    if gram_side:
        matrix = gram if rows == len(valid) else gram[np.ix_(valid, valid)]
        matrix *= inverse_norms[:, None]
        matrix *= inverse_norms[None, :]
    else:
        unit = centred if rows == len(valid) else centred[valid]
        unit *= inverse_norms[:, None]
        matrix = unit.T @ unit
    return matrix, rows


def spectrum_of(matrix: Float64, rows: int, single: bool = False) -> tuple[Float64, int]:
    """Eigenvalues and number of counted rows, as `spectrum` gives them, of what
    `normalised_matrix` made; ``single`` is for `eigenvalues_of`.
    """
    if rows < 2:
        return np.empty(0), rows
    # So many rows have no more; of a covariance, the rest is rounding.
    return eigenvalues_of(matrix, single)[-rows:], rows


def eigenvalues_of(matrix: Float64, single: bool = False) -> Float64:
    """Eigenvalues of a Gram or covariance matrix, ascending, with sum one; only the lower half is
    read.

    By MKL's ``dsyevd`` from `TWO_STAGE` on, if there is torch with MKL, else by NumPy's. Which one
    it is depends on the size and on what is installed, never on a clock or on threads.

    Parameters
    ----------
    matrix : ndarray of shape (n, n)
    single : bool
        Find them in float32: by MKL's ``ssyevd`` at any size, if there is torch with MKL, else by
        SciPy's. Each is then wrong by up to 1e-5 of the largest (measured to n = 2048), so that
        small ones are noise.
    """
    eigenvalues: Float64
    if single and np.isfinite(matrix).all():
        eigenvalues = _in_single(matrix)
    else:
        large = len(matrix) >= TWO_STAGE and np.isfinite(matrix).all()
        limit = _threads_of_mkl() if large else None
        if limit is None:
            eigenvalues = np.linalg.eigvalsh(matrix, UPLO="L").astype(np.float64, copy=False)
        else:
            eigenvalues = _by_mkl(matrix, limit)
    return distribution(eigenvalues)


def distribution(eigenvalues: Float64) -> Float64:
    """Eigenvalues as a share of their sum, of which rounding makes none negative."""
    positive = np.maximum(eigenvalues, 0.0)
    return positive / positive.sum()


def solver(largest: int, single: bool = False) -> dict[str, str]:
    """What a result says of the solver of its matrices: in float64, of those of `TWO_STAGE` rows
    or more, if any, and in float32, of all.

    ``largest`` is the size of the largest matrix, not the number of its eigenvalues above zero.
    """
    if single:
        library = "SciPy" if _threads_of_mkl() is None else "MKL"
        return {"spectra_precision": "single", "solver": library}
    if largest < TWO_STAGE:
        return {}
    return {"large_matrices": "NumPy" if _threads_of_mkl() is None else "MKL"}


def _in_single(matrix: Float64) -> Float64:
    """Eigenvalues in float32, ascending, perhaps negative by rounding."""
    narrow = matrix.astype(np.float32)
    limit = _threads_of_mkl()
    if limit is not None:
        return _by_mkl(narrow, limit).astype(np.float64)
    # The transpose in Fortran's order is the matrix as it lies there, and its lower half the upper.
    found, _, failed = _ssyevd()(narrow.T, compute_v=0, lower=0, overwrite_a=1)
    if failed:
        raise np.linalg.LinAlgError("Eigenvalues did not converge")
    eigenvalues: Float64 = found.astype(np.float64)
    return eigenvalues


def _by_mkl(matrix: NDArray[Any], limit: Callable[[int], int]) -> NDArray[Any]:
    """Eigenvalues in the type of the matrix, ascending."""
    import torch

    before = limit(1)  # two threads are no faster here and end in other last digits
    try:
        found: NDArray[Any] = torch.linalg.eigvalsh(torch.from_numpy(matrix), UPLO="L").numpy()
    finally:
        limit(before)
    return found


def load_libraries(single: bool) -> None:
    """Load what finds eigenvalues in float32, so that a limit set to threads afterwards holds for
    it too; for float64 it is there."""
    if single and _threads_of_mkl() is None:
        _ssyevd()


@functools.cache
def _ssyevd() -> Any:
    from scipy.linalg.lapack import ssyevd

    return ssyevd


@functools.cache
def _threads_of_mkl() -> Callable[[int], int] | None:
    """MKL's function that sets the threads which it takes for the thread that calls, and gives the
    number before; None without torch, or where torch has no MKL."""
    try:
        import torch

        library = ctypes.CDLL(str(Path(torch.__file__).parent / "lib/libtorch_cpu.so"))
        found: Callable[[int], int] = library.MKL_Set_Num_Threads_Local
    except (ImportError, OSError, AttributeError):
        return None
    return found if torch.backends.mkl.is_available() else None


def _rows_with_direction(
    centred: Float64, mean: Float64, squared_norms: Float64, precision: float
) -> NDArray[np.bool_]:
    """True where a centred row is more than the rounding error of the subtraction."""
    squared_mean = float(mean @ mean)
    # ‖z‖² from what is at hand: z = (z − m) + m.
    squared_rows = squared_norms + 2.0 * (centred @ mean) + squared_mean
    scale = np.sqrt(np.maximum(squared_rows, 0.0)) + np.sqrt(squared_mean)
    return np.sqrt(squared_norms) > tolerance(precision) * scale


def tolerance(precision: float) -> float:
    """Below this share of ``‖z‖ + ‖m‖`` a row's distance from the mean is only rounding error."""
    units = HALF_PRECISION_UNITS if precision > HALF_PRECISION else ROUNDING_UNITS
    return units * precision
