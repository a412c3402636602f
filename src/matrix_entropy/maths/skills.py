"""Skills that are learned one after another: Tan et al. 2024, section 3, theorems 3.7 and 3.8.

Of ``M`` skills the k-th has probability ``p_k = k^−(α+1) / Z_α``, ``Z_α = Σ_{k≤M} k^−(α+1)``. A
model that comprehends a skill has the entropy ``C`` on it, else ``B > C``, in nats, and it learns
the likeliest skill first (assumption 3.5). After n skills (lemma 3.6, exactly):

    ``H(X|Y) − C = (B − C) Σ_{n<k≤M} p_k  ≈  (B − C) (n^−α − M^−α) / (α Z_α)``

The paper keeps ``n^−α``. That holds for ``H − C``, not for ``H``, and only where ``(n / M)^α`` is
small: the slope of ``n^−α − M^−α`` in logarithms is ``−α / (1 − (n / M)^α)``, so for α = 0.1 and
n = 1000 it comes within a tenth of −α only beyond M = 2.6 · 10¹³. Adding the finite-M term
``(B − C) M^−α / (α Z_α)`` back leaves ``n^−α`` at any M.

Sums to M are differences of Hurwitz zeta functions, exact to rounding without arrays of length M.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import zeta

from matrix_entropy.maths.scaling import PowerLaw, fit_power_law

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

FIRST_FITTED = 10  # skills, below which sums over them are no integrals yet
LAST_FITTED = 100  # times fewer than M
FITTED_POINTS = 25
FEWEST_SKILLS = 10 * FIRST_FITTED * LAST_FITTED  # a decade to fit


def normalisation(alpha: float, skills: int) -> float:
    """The normalising constant ``Z_α = Σ_{k≤M} k^−(α+1)`` of M skills.

    Raises
    ------
    ValueError
        If alpha is not positive or there is no skill.

    Examples
    --------
    >>> round(normalisation(1, 2), 6)
    1.25
    """
    _check_law(alpha, skills)
    return float(zeta(alpha + 1, 1) - zeta(alpha + 1, skills + 1))


def skill_probabilities(alpha: float, skills: int) -> Float64:
    """Probabilities ``p_k = k^−(α+1) / Z_α`` of all skills, the likeliest first; shape (skills,).

    Raises
    ------
    ValueError
        If alpha is not positive or there is no skill.

    Examples
    --------
    >>> skill_probabilities(1, 2).round(6).tolist()
    [0.8, 0.2]
    """
    constant = normalisation(alpha, skills)
    return _ranks(skills) ** -(alpha + 1) / constant


def conditional_entropy(
    comprehended: ArrayLike, alpha: float, skills: int, low: float, high: float
) -> Float64:
    """``H(X|Y) = C + (B − C) Σ_{k>n} p_k`` in nats after n skills: lemma 3.6 before any limit.

    Parameters
    ----------
    comprehended : array of any shape
        Numbers n of comprehended skills, from 0, where H = B, to ``skills``, where H = C.
    alpha, skills
        The law's α and M.
    low, high : float
        C, the entropy on a comprehended skill, and B, that on any other, in nats.

    Raises
    ------
    ValueError
        If alpha is not positive, n is not a whole number from 0 to M, or B does not exceed C.

    Examples
    --------
    >>> conditional_entropy([0, 1, 2], alpha=1, skills=2, low=1, high=2).round(6).tolist()
    [2.0, 1.2, 1.0]
    """
    _check_law(alpha, skills)
    _check_entropies(low, high)
    number = _whole(comprehended, skills)
    beyond = zeta(alpha + 1, skills + 1)
    missing = (zeta(alpha + 1, number + 1.0) - beyond) / (zeta(alpha + 1, 1) - beyond)
    return np.asarray(low + (high - low) * missing)


def finite_skills_term(alpha: float, skills: int, low: float, high: float) -> float:
    """``(B − C) M^−α / (α Z_α)`` in nats: what ``H − C`` lacks of a power law as M is finite.

    It is the upper end of the integral in lemma 3.6, which the paper drops.

    Raises
    ------
    ValueError
        If alpha is not positive, there is no skill or B does not exceed C.
    """
    _check_entropies(low, high)
    constant = normalisation(alpha, skills)
    return (high - low) * skills**-alpha / (alpha * constant)


def parameter_exponent(alpha: float) -> float:
    """Exponent ``−α`` of ``H − C`` against the parameters ``N = r n`` (theorem 3.7), for M → ∞.

    Raises
    ------
    ValueError
        If alpha is not positive.
    """
    _check_law(alpha, 1)
    return -alpha


def flop_exponent(alpha: float) -> float:
    """Exponent ``−α / (α + 2)`` of ``H − C`` against the flops S (theorem 3.8), for M → ∞.

    Raises
    ------
    ValueError
        If alpha is not positive.

    Examples
    --------
    >>> flop_exponent(0.5)
    -0.2
    """
    _check_law(alpha, 1)
    return -alpha / (alpha + 2)


def expected_flops(
    comprehended: ArrayLike, alpha: float, skills: int, low: float, high: float, step: float
) -> Float64:
    """Flops ``S = Σ_{k≤n} (B − C) / (Δ p_k)`` to comprehend n skills (theorem 3.8), exactly.

    The paper's ``S ~ n^(α+2)`` is the limit for large n.

    Parameters
    ----------
    comprehended, alpha, skills, low, high
        As in `conditional_entropy`.
    step : float
        Δ, by how many nats a flop lowers the entropy on the skill being learned if it contributes.

    Raises
    ------
    ValueError
        As `conditional_entropy`, and if the step is not positive.

    Examples
    --------
    >>> expected_flops([0, 1, 2], alpha=1, skills=2, low=1, high=2, step=0.5).round(6).tolist()
    [0.0, 2.5, 12.5]
    """
    _check_entropies(low, high)
    _check_step(step)
    constant = normalisation(alpha, skills)
    number = _whole(comprehended, skills)
    sums = np.cumsum(_ranks(number.max(initial=0)) ** (alpha + 1))
    return (high - low) / step * constant * np.concatenate(([0.0], sums))[number]


def simulated_flops(
    comprehended: ArrayLike,
    alpha: float,
    skills: int,
    low: float,
    high: float,
    step: float,
    seed: int,
) -> Float64:
    """Flops that one simulated training takes to comprehend n skills (theorem 3.8).

    Every flop contributes to the skill k being learned with probability ``p_k`` and then lowers its
    entropy by Δ. So skill k takes as many flops as there are trials up to the ``(B − C) / Δ``-th
    success, a negative binomial number; `expected_flops` is the mean. All n are of one training.

    Parameters
    ----------
    comprehended, alpha, skills, low, high, step
        As in `expected_flops`.
    seed : int
        Of the training.

    Raises
    ------
    ValueError
        As `expected_flops`, if the step does not divide ``B − C``, or if a skill is so improbable
        that its flops are no 64-bit number.
    """
    _check_entropies(low, high)
    _check_step(step)
    number = _whole(comprehended, skills)
    successes = round((high - low) / step)
    if not np.isclose(successes * step, high - low, rtol=1e-9):
        raise ValueError(
            f"the step of a flop must divide the entropy of a skill, {high:g} − {low:g}, which "
            f"{step:g} does not: choose such as {(high - low) / max(successes, 1):g}"
        )
    last = number.max(initial=0)
    chances = _ranks(last) ** -(alpha + 1) / normalisation(alpha, skills)
    try:
        failures = np.random.default_rng(seed).negative_binomial(successes, chances)
    except ValueError:
        raise ValueError(
            f"skill {last} of alpha {alpha:g} takes too many flops to simulate: choose a smaller "
            "alpha or fewer skills"
        ) from None
    return np.concatenate(([0.0], np.cumsum(failures.astype(np.float64) + successes)))[number]


def fitted_numbers(skills: int) -> Int64:
    """The numbers n of skills to which exponents are fitted: from 10 to M / 100, even in log n.

    Below, sums are not yet integrals; above, even α = 1 shows that M is finite.

    Raises
    ------
    ValueError
        If there are fewer than 10,000 skills, which leave less than a decade.

    Examples
    --------
    >>> fitted_numbers(100_000)[[0, 1, -1]].tolist()
    [10, 12, 1000]
    """
    if skills < FEWEST_SKILLS:
        raise ValueError(
            f"exponents need at least {FEWEST_SKILLS:,} skills, not {skills:,}: they are fitted "
            f"from {FIRST_FITTED} comprehended skills to a {LAST_FITTED}th of all"
        )
    numbers = np.geomspace(FIRST_FITTED, skills // LAST_FITTED, FITTED_POINTS)
    return np.unique(numbers.round().astype(np.int64))


def measured_exponents(
    alpha: float, skills: int, low: float, high: float, step: float, seed: int
) -> dict[tuple[str, str], PowerLaw]:
    """Power laws fitted at `fitted_numbers`, by quantity and by what it is fitted against.

    Quantities are ``excess``, ``H − C``; ``corrected``, that plus `finite_skills_term`; and
    ``entropy``, H itself. Each is fitted against ``skills``, the comprehended n (parameters
    ``N = r n`` have the same exponent); ``flops``, `expected_flops`; and ``simulated_flops``.
    The points are exact or nearly so and leave the lines by curvature, not by noise; so intervals
    of these laws mean nothing.

    Raises
    ------
    ValueError
        As `simulated_flops` and `fitted_numbers`.
    """
    number = fitted_numbers(skills)
    law = (alpha, skills, low, high)
    entropy = conditional_entropy(number, *law)
    quantities = {
        "excess": entropy - low,
        "corrected": entropy - low + finite_skills_term(*law),
        "entropy": entropy,
    }
    against = {
        "skills": number,
        "flops": expected_flops(number, *law, step),
        "simulated_flops": simulated_flops(number, *law, step, seed),
    }
    return {
        (quantity, abscissa): fit_power_law(x, y)
        for quantity, y in quantities.items()
        for abscissa, x in against.items()
    }


def sample_skill_graph(
    skills: int, texts: int, alpha: float, seed: int, density: float = 1.0
) -> Int64:
    """Edges of a random skill graph (Tan et al. 2024, Figure 2): which text needs which skill.

    Text and skill k are linked with probability ``density · k^−(α+1)``, independently of all
    others. The degree of skill k then has the mean ``texts · density · k^−(α+1)``, the paper's law
    without a limit, and no edge comes twice. At density 1, the largest that the law permits, skill
    1 is in every text.

    Returns
    -------
    ndarray of shape (edges, 2)
        Text, from 0, and skill, from 1; sorted by skill, then text.

    Raises
    ------
    ValueError
        If alpha is not positive, there is no skill or no text, or the density is not in (0, 1].

    Examples
    --------
    >>> sample_skill_graph(skills=1, texts=3, alpha=1, seed=0).tolist()
    [[0, 1], [1, 1], [2, 1]]
    """
    _check_law(alpha, skills)
    if texts < 1:
        raise ValueError(f"a skill graph needs at least one text, not {texts}")
    if not 0 < density <= 1:
        raise ValueError(f"the density of a skill graph must be in (0, 1], not {density:g}")
    random = np.random.default_rng(seed)
    degrees = random.binomial(texts, density * _ranks(skills) ** -(alpha + 1))
    linked = np.flatnonzero(degrees)
    # Given its degree, a skill's texts are a set of that size, all equally likely.
    chosen = [
        np.sort(random.choice(texts, degrees[skill], replace=False, shuffle=False))
        for skill in linked
    ]
    ranks = np.repeat(linked + 1, degrees[linked])
    return np.column_stack((np.concatenate([np.empty(0, np.int64), *chosen]), ranks))


def _ranks(number: int) -> Float64:
    return np.arange(1, number + 1, dtype=np.float64)


def _check_law(alpha: float, skills: int) -> None:
    if not 0 < alpha < np.inf:
        raise ValueError(f"alpha must be positive, not {alpha:g}: skills have no power law else")
    if skills < 1:
        raise ValueError(f"there must be at least one skill, not {skills}")


def _check_entropies(low: float, high: float) -> None:
    if not -np.inf < low < high < np.inf:
        raise ValueError(
            f"the entropy before a skill is comprehended, {high:g}, must exceed that after it, "
            f"{low:g}"
        )


def _check_step(step: float) -> None:
    if not 0 < step < np.inf:
        raise ValueError(f"the step of a flop must be positive, not {step:g}")


def _whole(comprehended: ArrayLike, skills: int) -> Int64:
    """Numbers of comprehended skills as integers."""
    number = np.asarray(comprehended)
    if ((number != np.floor(number)) | (number < 0) | (number > skills)).any():
        raise ValueError(
            f"the comprehended skills must be whole numbers from 0 to all {skills:,} skills"
        )
    return number.astype(np.int64)
