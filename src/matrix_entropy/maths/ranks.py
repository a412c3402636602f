"""What else papers read off a spectrum: ranks, Rényi entropies, norms and the decay of eigenvalues.

All are functions of the eigenvalues λ of ``K = ZᵀZ / N`` for N centred rows ``Z`` of unit norm, as
`maths.spectra.spectrum` gives them: ascending, not negative, with sum one. The singular values of
``Z / √N`` are ``√λ``. Papers take them of other matrices too; docs/who-means-what-by-rank.md says
who takes which of what, and what is lost here. A new one is a function, an entry in `RANKS` and a
test.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from matrix_entropy.maths.entropy import matrix_entropy, rank_of_entropy, stable_rank
from matrix_entropy.maths.units import (
    GAIN,
    LOG_SHARE,
    NATS,
    NUCLEAR,
    POSITIVE,
    RANK,
    RATIO,
    SHARE,
    Unit,
)

Float64 = NDArray[np.float64]

# Eigenvalues below this share of the largest are rounding of states in float32: its square is
# 1.4e-14, times some tens of rows. So singular values count from a millionth of the largest.
NEGLIGIBLE = 1e-12
EPSILON_OF_RANK = 0.01
EPSILON_SQUARED_OF_CODE = 0.5
# Of the power law: places of eigenvalues from the largest, which is 1, and the fewest of them.
FIRST_FITTED, LAST_FITTED, FEWEST_FITTED = 4, 100, 10


def positive(eigenvalues: Float64) -> Float64:
    """Eigenvalues that are more than rounding (`NEGLIGIBLE`), the largest first.

    Examples
    --------
    >>> positive(np.array([1e-17, 0.25, 0.75])).tolist()
    [0.75, 0.25]
    """
    largest_first = eigenvalues[::-1]
    return largest_first[largest_first > NEGLIGIBLE * largest_first[:1]]


def nuclear_norm(eigenvalues: Float64) -> float:
    """Nuclear norm ``‖Z‖_* / √N = Σ √λ``, the sum of the singular values of ``Z / √N``.

    Li et al. 2024 approximate ``‖Z‖_* / N``, see `maths.measures.matrix_nuclear_norm`.

    Returns
    -------
    float
        From 1 to √d; NaN if there is no eigenvalue.

    Examples
    --------
    >>> nuclear_norm(np.full(4, 0.25))
    2.0
    """
    return float(np.sqrt(positive(eigenvalues)).sum()) if len(eigenvalues) else float("nan")


def renyi_entropy_half(eigenvalues: Float64) -> float:
    """Rényi entropy of order ½, ``H_½ = 2 log Σ √λ``, in nats (Sánchez Giraldo et al. 2015).

    It is ``2 log`` of `nuclear_norm`. NaN if there is no eigenvalue.

    Examples
    --------
    >>> round(renyi_entropy_half(np.full(4, 0.25)) / float(np.log(4)), 12)
    1.0
    """
    return 2 * float(np.log(nuclear_norm(eigenvalues)))


def renyi_entropy_two(eigenvalues: Float64) -> float:
    """Rényi entropy of order 2, ``H_2 = −log Σ λ²``, in nats: the log of `participation_ratio`.

    Examples
    --------
    >>> round(renyi_entropy_two(np.full(4, 0.25)) / float(np.log(4)), 12)
    1.0
    """
    return float(np.log(participation_ratio(eigenvalues)))


def renyi_entropy_infinity(eigenvalues: Float64) -> float:
    """Rényi entropy of order ∞, ``H_∞ = −log max λ``, in nats: the log of the stable rank.

    Examples
    --------
    >>> round(renyi_entropy_infinity(np.array([0.25, 0.75])) / float(np.log(4 / 3)), 12)
    1.0
    """
    return float(np.log(stable_rank(eigenvalues)))


def participation_ratio(eigenvalues: Float64) -> float:
    """Participation ratio ``(Σ λ)² / Σ λ²`` (Gao et al. 2017): so many equal λ have that ``Σ λ²``.

    Returns
    -------
    float
        From 1 to d; NaN if there is no eigenvalue.

    Examples
    --------
    >>> participation_ratio(np.array([0.5, 0.5, 0.0]))
    2.0
    """
    if len(eigenvalues) == 0:
        return float("nan")
    return float(eigenvalues.sum() ** 2 / (eigenvalues @ eigenvalues))


def rankme(eigenvalues: Float64) -> float:
    """RankMe, ``exp(−Σ p log p)`` with ``p = √λ / Σ √λ``: the effective rank of Z, not of K.

    Roy and Vetterli 2007, who define it for the singular values of any matrix; Garrido et al. 2023
    take it of embeddings as they are, and add 1e-7 to every p, which is left out here.

    Returns
    -------
    float
        From 1 to d; NaN if there is no eigenvalue. Never below ``exp(H)`` of the same λ.

    Examples
    --------
    >>> round(rankme(np.full(4, 0.25)), 12), round(rankme(np.array([0.1, 0.9])), 6)
    (4.0, 1.754765)
    """
    singular = np.sqrt(positive(eigenvalues))
    return float(rank_of_entropy(matrix_entropy(singular / singular.sum())))


def epsilon_rank(eigenvalues: Float64) -> float:
    """Numerical rank: how many singular values of Z are above 0.01 times the largest.

    ``#{i : √λ_i > ε √λ_1}`` with ε = 0.01, so of λ, those above 1e-4 times the largest. Feng et al.
    2022 call such a count numerical rank; their released code counts eigenvalues of a covariance of
    n rows down to n times the machine epsilon of float32 times the largest.

    Returns
    -------
    float
        A whole number from 1 to d; NaN if there is no eigenvalue.

    Examples
    --------
    >>> epsilon_rank(np.array([1e-5, 0.25, 0.75]))
    2.0
    """
    if len(eigenvalues) == 0:
        return float("nan")
    return float((eigenvalues > EPSILON_OF_RANK**2 * eigenvalues[-1]).sum())


def coding_rate(eigenvalues: Float64, width: int) -> float:
    """Coding rate ``½ log det(I + d / (N ε²) ZᵀZ) = ½ Σ log(1 + d λ / ε²)`` in nats, for ε² = ½.

    Yu et al. 2020, of unit rows that are not centred. The ε² is that of their released code.

    Parameters
    ----------
    eigenvalues : ndarray of shape (rank,)
    width : int
        d, the number of features.

    Returns
    -------
    float
        From ``½ log(1 + d / ε²)`` to ``½ d log(1 + 1 / ε²)``; NaN if there is no eigenvalue.

    Examples
    --------
    >>> round(coding_rate(np.full(4, 0.25), 4) / float(2 * np.log(3)), 12)
    1.0
    """
    if len(eigenvalues) == 0:
        return float("nan")
    return float(np.log1p(width / EPSILON_SQUARED_OF_CODE * eigenvalues).sum() / 2)


def power_law(eigenvalues: Float64) -> float:
    """Exponent α of ``λ_j ∝ j^(−α)``: minus the slope of log λ against log j, the largest first.

    Agrawal et al. 2022. The range and the weights are those of the training code of the first
    author: j from 4 to 100, each with the weight 1 / j; of a lower rank, the places that it has.

    Returns
    -------
    float
        Not negative; NaN if fewer than ten places are fitted, as of a rank below 13.

    Examples
    --------
    >>> law = np.arange(1, 201) ** -1.5
    >>> round(power_law(law[::-1] / law.sum()), 12)
    1.5
    """
    fitted = positive(eigenvalues)[FIRST_FITTED - 1 : LAST_FITTED]
    if len(fitted) < FEWEST_FITTED:
        return float("nan")
    places = np.arange(FIRST_FITTED, FIRST_FITTED + len(fitted), dtype=np.float64)
    weights = 1 / (places * (1 / places).sum())
    logs, values = np.log(places), np.log(fitted)
    logs -= weights @ logs
    # Eigenvalues that are equal but for rounding have a slope of zero, of either sign.
    return max(0.0, -float((weights * logs) @ values / ((weights * logs) @ logs)))


def condition_number(eigenvalues: Float64) -> float:
    """Condition number ``√(λ_1 / λ_r)`` of Z on its row space: λ_r is the least above rounding.

    Centred rows and rows fewer than features are singular matrices, of which the plain condition
    number is infinite; see `NEGLIGIBLE`. That of K is the square.

    Returns
    -------
    float
        From 1 to 1e6; NaN if there is no eigenvalue.

    Examples
    --------
    >>> condition_number(np.array([1e-17, 0.2, 0.8]))
    2.0
    """
    if len(eigenvalues) == 0:
        return float("nan")
    counted = positive(eigenvalues)
    return float(np.sqrt(counted[0] / counted[-1]))


def log_determinant(eigenvalues: Float64) -> float:
    """Log-determinant of K per direction of its row space, ``Σ log λ_i / r``: the mean log λ.

    Over the r eigenvalues above rounding (`NEGLIGIBLE`), as the determinant of a singular matrix is
    zero. Sriramanan et al. 2024 take the mean log eigenvalue of the Gram matrix of a text's tokens,
    with 0.001 on its diagonal, as a score of hallucination (LLM-Check); `coding_rate` is a
    log-determinant with ``ε² / d`` on the diagonal. The smallest eigenvalues weigh most.

    Returns
    -------
    float
        At most ``−log r``, as of r equal eigenvalues; NaN if there is none.

    Examples
    --------
    >>> round(log_determinant(np.array([1e-17, 0.25, 0.75])) / float(np.log(3 / 16) / 2), 12)
    1.0
    """
    return float(np.log(positive(eigenvalues)).mean()) if len(eigenvalues) else float("nan")


def participation_ratio_corrected(eigenvalues: Float64, width: int, rows: int) -> float:
    """Participation ratio of the distribution of rows: ``(N − 1) / (N / PR − 1)`` for N rows.

    ``1 / PR = Σ_ij (z_i · z_j)² / N²`` counts every row with itself, which adds ``1 / N`` whatever
    the rows are. Without the diagonal, ``Σ_{i≠j} (z_i · z_j)² / (N (N − 1))`` has the expectation
    ``tr C²``, ``C = E z zᵀ``, for independent rows of unit norm (proven: every term has). Its
    inverse is given. The correction of arXiv 2509.26560 subtracts about ``1 / N`` from ``1 / PR``
    too, and another term where features are a sample as well, which those of hidden states are not.
    Here the mean is subtracted and the rows of a text depend on each other; what bias is left then
    is not known.

    Returns
    -------
    float
        From 1 to ``(N − 1)²``, so that it may exceed d; NaN if there is no eigenvalue.

    Examples
    --------
    >>> participation_ratio_corrected(np.full(4, 0.25), 100, 5)
    16.0
    """
    if len(eigenvalues) == 0:
        return float("nan")
    naive = min(participation_ratio(eigenvalues), rows - 1.0)
    return float((rows - 1) / (rows / naive - 1))


def entropy_attained(eigenvalues: Float64, width: int, rows: int) -> float:
    """Share of what N rows can have at most: ``H / log min(N − 1, d)``.

    Returns
    -------
    float
        From 0 to 1; NaN for one direction or none.

    Examples
    --------
    >>> round(entropy_attained(np.array([0.25, 0.25, 0.5]), 100, 4), 6)
    0.946395
    """
    if len(eigenvalues) == 0 or min(rows - 1, width) < 2:
        return float("nan")
    return float(matrix_entropy(eigenvalues) / np.log(min(rows - 1, width)))


def _narrow(function: Callable[[Float64], float]) -> Callable[[Float64, int], float]:
    """Of eigenvalues alone, whatever the width."""
    return lambda eigenvalues, width: function(eigenvalues)


class Rank(NamedTuple):
    """A number of every spectrum.

    Attributes
    ----------
    name : str
        As `metrics:` of a data set asks for it, and its column.
    of : callable
        From eigenvalues and the width to a number; NaN if it has none.
    unit : Unit
        With limits that a value is never outside of.
    says, source : str
        What it is, and where it is defined.
    called : str
        At an axis; by default what its name says.
    single : bool
        Whether eigenvalues in float32 will do (`maths.spectra.eigenvalues_of`): on no spectrum that
        was tried do they move it by more than 1e-4 (of itself where it is more than one).
    """

    name: str
    of: Callable[[Float64, int], float]
    unit: Unit
    says: str
    source: str
    called: str = ""
    single: bool = False


class OfRows(NamedTuple):
    """The same of a number that also depends on how many rows were counted, its last argument."""

    name: str
    of: Callable[[Float64, int, int], float]
    unit: Unit
    says: str
    source: str
    single: bool = False


RANKS = [
    Rank(
        "rankme", _narrow(rankme), RANK,
        "effective rank by singular values `exp(−Σ p log p)`, `p = √λ / Σ √λ`",
        "Garrido et al. 2023; Roy and Vetterli 2007", "RankMe",
    ),
    Rank(
        "participation_ratio", _narrow(participation_ratio), RANK,
        "participation ratio `(Σ λ)² / Σ λ²`", "Gao et al. 2017", single=True,
    ),
    Rank(
        "stable_rank", _narrow(stable_rank), RANK, "stable rank `Σ λ / max λ`",
        "Tan et al. 2024, definition 4.2", single=True,
    ),
    Rank(
        "epsilon_rank", _narrow(epsilon_rank), RANK,
        "numerical rank: singular values `√λ` above 0.01 times the largest", "Feng et al. 2022",
        "Numerical rank", single=True,
    ),
    Rank(
        "renyi_entropy_half", _narrow(renyi_entropy_half), NATS,
        "Rényi entropy of order ½, `2 log Σ √λ`", "Sánchez Giraldo et al. 2015",
        "Rényi entropy of order ½",
    ),
    Rank(
        "renyi_entropy_two", _narrow(renyi_entropy_two), NATS,
        "Rényi entropy of order 2, `−log Σ λ²`", "Sánchez Giraldo et al. 2015",
        "Rényi entropy of order 2", single=True,
    ),
    Rank(
        "renyi_entropy_infinity", _narrow(renyi_entropy_infinity), NATS,
        "Rényi entropy of order ∞, `−log max λ`", "Sánchez Giraldo et al. 2015",
        "Rényi entropy of order ∞", single=True,
    ),
    Rank(
        "nuclear_norm", _narrow(nuclear_norm), NUCLEAR, "nuclear norm of `Z / √N`, `Σ √λ`",
        "textbooks; `matrix_nuclear_norm` stands for it",
    ),
    Rank(
        "coding_rate", coding_rate, GAIN, "coding rate `½ Σ log(1 + d λ / ε²)`, ε² = ½",
        "Yu et al. 2020",
    ),
    Rank(
        "power_law", _narrow(power_law), POSITIVE,
        "exponent α of `λ_j ∝ j^(−α)`, fitted for j from 4 to 100 (αReQ)", "Agrawal et al. 2022",
        "Exponent α of the spectrum",
    ),
    Rank(
        "condition_number", _narrow(condition_number), RATIO,
        "condition number of `Z` on its row space, `√(λ_1 / λ_r)`",
        "textbooks; on the row space: this project",
    ),
    Rank(
        "log_determinant", _narrow(log_determinant), LOG_SHARE,
        "log-determinant per direction of the row space, mean of `log λ`",
        "Sriramanan et al. 2024; on the row space: this project", "Log-determinant per direction",
    ),
]  # fmt: skip

CORRECTED = [
    OfRows(
        "participation_ratio_corrected", participation_ratio_corrected, RATIO,
        "participation ratio without the share of N rows, `(N − 1) / (N / PR − 1)`",
        "this project, after arXiv 2509.26560", single=True,
    ),
    OfRows(
        "entropy_attained", entropy_attained, SHARE, "`H / log min(N − 1, d)`", "this project",
        single=True,
    ),
]  # fmt: skip


def in_single() -> dict[str, bool]:
    """Of every number here, by its name, whether eigenvalues in float32 will do."""
    of_rows = {each.name: each.single for each in CORRECTED}
    return {each.name: each.single for each in RANKS} | of_rows
