"""The matrix whose eigenvalues are a text's spectrum, computed on the device that has the states.

What `matrix_entropy.spectra.spectrum` does up to the eigenvalues, in torch and without waiting for
the device: only a small square matrix then leaves it. The eigenvalues are left to the processor,
which is idle beside a GPU.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from matrix_entropy.spectra import eigenvalues_of, tolerance


def normalised_matrix(states: torch.Tensor, precision: float) -> tuple[torch.Tensor, torch.Tensor]:
    """The smaller of Gram matrix and covariance of the centred rows of unit norm, in float64.

    Parameters
    ----------
    states : tensor of shape (tokens, width)
        On any device that computes in float64.
    precision : float
        Machine epsilon of the type in which the model computed them.

    Returns
    -------
    matrix : tensor of shape (n, n), n = min(tokens, width)
        Not divided by the number of rows. Rows without a direction are zero in it.
    valid : tensor of shape (tokens,)
        Which rows have a direction (see `matrix_entropy.spectra.spectrum`).
    """
    centred = states.double()
    mean = centred.mean(dim=0)
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
    inverse_norms = torch.where(valid, squared_norms.rsqrt(), 0.0)
    if gram_side:
        return matrix * inverse_norms[:, None] * inverse_norms, valid
    unit = centred * inverse_norms[:, None]
    return unit.T @ unit, valid


def spectrum_of(
    matrix: NDArray[np.float64], valid: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], int]:
    """Eigenvalues and number of counted rows, as `matrix_entropy.spectra.spectrum` gives them.

    Parameters
    ----------
    matrix, valid
        What `normalised_matrix` gave, on the host.

    Raises
    ------
    ValueError
        If the states held a value that is not finite.
    """
    if not np.isfinite(matrix).all():
        raise ValueError("states hold a value that is not finite")
    rows = int(valid.sum())
    if rows < 2:
        return np.empty(0), rows
    if len(matrix) == len(valid) and rows < len(valid):
        matrix = matrix[np.ix_(valid, valid)]
    return eigenvalues_of(matrix), rows
