"""Numbers of one model's checkpoints in their order: which of them does not lie on the curve.

A checkpoint of other weights than its name says, such as a wrong upload, jumps away from its
neighbours and back. It is told by how far it lies outside of what the checkpoints before and behind
it span, so that a curve may be as steep and bent as it likes, and steps as uneven.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Float64 = NDArray[np.float64]

# Times the usual change between neighbours. Simulated where all is noise and nothing a curve: one
# or more are flagged in 7 % of trajectories of 6 values, 4 % of 12, 3 % of 19; where all layers
# move together in up to 10 %, where each has noise of its own in under 1 %.
THRESHOLD = 5.0
FEWEST = 5  # checkpoints, of which one can be judged
ROUNDING = 1e-9  # of the largest value: smaller changes are none


def off_curve(values: ArrayLike) -> tuple[Float64, NDArray[np.bool_]]:
    """How far each checkpoint lies off the curve of the others, and whether that is too far.

    The score of checkpoint i is the median over curves of ``e_i / s_i``: ``e_i`` is by how much
    ``v_i`` is above both of its neighbours or below both (0 between them), ``s_i`` the median of
    ``|v_j − v_k|`` over neighbours j, k when i is left out. The one with the largest score
    above `THRESHOLD` is flagged and left out, and the rest are judged anew, so that it spoils none
    of its neighbours.

    Parameters
    ----------
    values : array of shape (checkpoints, curves)
        In the order of training; a curve is a layer, for example.

    Returns
    -------
    scores : ndarray of shape (checkpoints,)
        NaN for the first and the last, which have one neighbour only, for values that are not
        finite, and where there are fewer than five checkpoints.
    flagged : ndarray of shape (checkpoints,)
        Two wrong checkpoints in a row are not found: each lies where its neighbour does.

    Examples
    --------
    >>> scores, flagged = off_curve([[0.0], [1.0], [2.0], [30.0], [4.0], [5.0]])
    >>> scores.tolist(), flagged.tolist()
    ([nan, 0.0, 0.0, 26.0, 0.0, nan], [False, False, False, True, False, False])
    """
    curves = np.asarray(values, dtype=np.float64)
    finite = np.isfinite(curves).all(axis=1)
    scores = np.full(len(curves), np.nan)
    flagged = np.zeros(len(curves), dtype=bool)
    while len(kept := np.flatnonzero(finite & ~flagged)) >= FEWEST:
        scores[kept] = _scores(curves[kept])
        worst = kept[np.nanargmax(scores[kept])]
        if scores[worst] <= THRESHOLD:
            break
        flagged[worst] = True
    return scores, flagged


def _scores(curves: Float64) -> Float64:
    """Scores of checkpoints that are all taken for right; NaN at both ends."""
    found = np.full(len(curves), np.nan)
    least = ROUNDING * np.abs(curves).max(axis=0) + np.finfo(np.float64).tiny
    for at in range(1, len(curves) - 1):
        before, here, behind = curves[at - 1 : at + 2]
        outside = np.maximum(here - np.maximum(before, behind), np.minimum(before, behind) - here)
        usual = np.median(np.abs(np.diff(np.delete(curves, at, axis=0), axis=0)), axis=0)
        found[at] = np.median(np.maximum(outside, 0) / np.maximum(usual, least))
    return found
