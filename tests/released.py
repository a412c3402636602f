"""Matrix entropy as the authors of Wei et al. 2024 released it: for comparison only.

Float32 throughout, the full ``width × width`` covariance and its singular value decomposition.
The decomposition returns the absolute value of rounding noise for the ``d − N + 1`` eigenvalues
that are zero, so the result is too large, after division by ``log d`` by up to 1.6e-7 times the
width in what was tried (5.8e-4 at width 5120, on a processor), and it costs up to several hundred
times more than `maths.spectra.spectrum`.
"""

from __future__ import annotations

import torch


def released_entropy(states: torch.Tensor) -> float:
    """Normalised matrix entropy ``H / log d`` by float32 SVD of the d × d covariance.

    Parameters
    ----------
    states : tensor of shape (tokens, width)
        Converted to float32. Fewer than two distinct rows raise ``torch.linalg.LinAlgError`` or
        give noise, as in the release.
    """
    rows = states.float()
    rows = rows - rows.mean(dim=0, keepdim=True)
    rows = rows / rows.norm(dim=1, keepdim=True)
    covariance = rows.T @ rows / len(rows)
    # With singular vectors, which are never used: this is what the release computes.
    _, singular_values, _ = torch.linalg.svd(covariance)
    weights = singular_values / covariance.trace()
    entropy = -torch.nansum(weights * torch.log(weights))
    return float(entropy / torch.log(torch.tensor(float(rows.shape[1]))))
