"""The matrix whose eigenvalues are a text's spectrum, computed on the device that has the states.

What `maths.spectra.normalised_matrix` does, in torch and without waiting for
the device: only a small square matrix then leaves it. The eigenvalues are left to the processor,
which is idle beside a GPU.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from matrix_entropy.maths.long_rows import LONG
from matrix_entropy.maths.spectra import NotFinite, tolerance


def normalised_matrix(
    states: torch.Tensor, precision: float, without_long: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    """The smaller of Gram matrix and covariance of the centred rows of unit norm, in float64.

    Parameters
    ----------
    states : tensor of shape (tokens, width)
        On any device that computes in float64.
    precision, without_long
        As `maths.spectra.spectrum` has them.

    Returns
    -------
    matrix : tensor of shape (n, n), n = min(tokens, width)
        Not divided by the number of rows. Rows that are not counted are zero in it.
    valid : tensor of shape (tokens,)
        Which rows are counted: those that have a direction and are not left out.
    """
    centred = states.double()
    # Long rows are weighed with zero: to take them away, one had to wait for their number.
    kept = _long_rows(centred).logical_not() if without_long else None
    mean = centred.mean(dim=0) if kept is None else kept.double() @ centred / kept.sum()
    centred = centred - mean
    gram_side = centred.shape[0] <= centred.shape[1]
    if gram_side:
        matrix = centred @ centred.T
        squared_norms = matrix.diagonal()
    else:
        squared_norms = centred.square().sum(dim=1)
    squared_mean = mean @ mean
    squared_rows = squared_norms + 2.0 * (centred @ mean) + squared_mean
    scale = squared_rows.clamp(min=0).sqrt() + squared_mean.sqrt()
    valid = squared_norms.sqrt() > tolerance(precision) * scale
    if kept is not None:
        valid &= kept
    inverse_norms = torch.where(valid, squared_norms.rsqrt(), 0.0)
    if gram_side:
        return matrix * inverse_norms[:, None] * inverse_norms, valid
    unit = centred * inverse_norms[:, None]
    return unit.T @ unit, valid


def _long_rows(states: torch.Tensor) -> torch.Tensor:
    """As `maths.long_rows.long_rows`, of states in float64."""
    norms = states.square().sum(dim=1).sqrt()
    if not len(norms):
        return norms > 0
    in_order = norms.sort().values
    median = (in_order[(len(norms) - 1) // 2] + in_order[len(norms) // 2]) / 2
    return (norms > LONG * median) & (median > 0)


def on_host(
    matrix: NDArray[np.float64], valid: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], int]:
    """Matrix and number of counted rows, as `maths.spectra.normalised_matrix` gives them.

    Parameters
    ----------
    matrix, valid
        What `normalised_matrix` gave, on the host.

    Raises
    ------
    NotFinite
        If the states held a value that is not finite.
    """
    if not np.isfinite(matrix).all():
        raise NotFinite()
    rows = int(valid.sum())
    if rows < 2:
        return np.empty((0, 0)), rows
    if len(matrix) == len(valid) and rows < len(valid):
        matrix = matrix[np.ix_(valid, valid)]
    return matrix, rows
