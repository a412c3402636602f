"""Our columns against the definitions in public code, as docs/who-means-what-by-rank.md tells them.

Every definition is written here as a formula of its own, on the matrix that it is published for.
Where it is ours, the two agree; where it is not, a test says by what they differ.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from matrix_entropy.maths import entropy, ranks
from matrix_entropy.maths.measures import anisotropy, curvature, matrix_nuclear_norm
from matrix_entropy.maths.spectra import spectrum

Float64 = NDArray[np.float64]

RANDOM = np.random.default_rng(11)
# More rows than features, and fewer.
TALL = 2 + RANDOM.standard_normal((60, 12)) * np.arange(1, 13) ** -0.7
WIDE = 2 + RANDOM.standard_normal((14, 40)) * np.arange(1, 41) ** -0.7


def centred(states: Float64) -> Float64:
    return states - states.mean(axis=0)


def unit(rows: Float64) -> Float64:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def shares(matrix: Float64) -> Float64:
    """λ of ``matrixᵀ matrix``, ascending, with sum one: of any matrix, centred or not."""
    squares = np.linalg.svd(matrix, compute_uv=False)[::-1] ** 2
    return squares / squares.sum()


def exp_entropy(p: Float64) -> float:
    """``exp(−Σ p log p)`` of what is not zero, whatever its sum."""
    return float(np.exp(-(p[p > 0] * np.log(p[p > 0])).sum()))


def same(value: float, rel: float = 1e-10) -> object:
    return pytest.approx(value, rel=rel)


@pytest.mark.parametrize("states", [TALL, WIDE])
def test_diff_erank_is_ours(states: Float64) -> None:
    """Wei et al.: singular values of the d x d covariance of centred rows of unit norm."""
    z = unit(centred(states))
    values = np.linalg.svd(z.T @ z / len(z), compute_uv=False)
    assert entropy.effective_rank(spectrum(states)[0]) == same(exp_entropy(values[values > 1e-14]))


def test_a_number_added_to_every_share_counts_directions_that_are_not_there() -> None:
    """RankMe adds c to p and does not divide again: with n − r shares of zero, to all n of them.

    Of one direction among 4,096, the 1e-7 of the paper makes 1.007 and the 1e-5 of
    stable-pretraining 1.60. Ours adds nothing.
    """
    singular = np.zeros(4096)
    singular[0] = 3.0
    assert ranks.rankme(np.array([1.0])) == 1
    for added, expected in ((1e-7, 1.0066), (1e-5, 1.603)):
        theirs = exp_entropy(singular / singular.sum() + added)
        in_words = -(1 + added) * np.log1p(added) - 4095 * added * np.log(added)
        assert theirs == same(np.exp(in_words))
        assert theirs == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("states", [TALL, WIDE])
def test_rankme_of_eigenvalues_is_the_effective_rank(states: Float64) -> None:
    """reptrix, ssrlib and arXiv 2509.23024 call ``exp H(λ)`` RankMe, which is less than RankMe."""
    values = shares(centred(states))
    theirs = exp_entropy(ranks.positive(values))
    assert theirs == same(entropy.effective_rank(ranks.positive(values)))
    assert theirs < 0.9 * ranks.rankme(values)


@pytest.mark.parametrize("states", [TALL, WIDE])
def test_verl_takes_one_number_of_singular_values_and_one_of_eigenvalues(states: Float64) -> None:
    """Its effective rank is our RankMe, its entropy of order 1.0001 our entropy to first order.

    Of centred rows that are not scaled. ``d H_α / d α = −Var(log λ) / 2`` at order 1, the variance
    with the weights λ.
    """
    values = ranks.positive(shares(centred(states)))
    root = np.sqrt(values)
    assert exp_entropy(root / root.sum()) == same(ranks.rankme(values[::-1]))
    order = 1.0001
    theirs = np.log((values**order).sum()) / (1 - order)
    ours = entropy.matrix_entropy(values)
    spread = values @ np.log(values) ** 2 - ours**2
    assert ours - theirs == pytest.approx((order - 1) / 2 * spread, rel=1e-2)


@pytest.mark.parametrize("states", [TALL, WIDE])
def test_monai_is_rankme_over_what_centred_rows_can_have(states: Float64) -> None:
    """``1 − exp H(σ) / min(N − 1, d)`` now; before, ``Σ σ / σ_1``, which is no effective rank.

    With the bound ``min(N, d)`` as before, two points that are as far apart as can be score ½.
    """
    rows, width = states.shape
    singular = np.linalg.svd(centred(states), compute_uv=False)[: min(rows - 1, width)]
    values = shares(centred(states))
    score = 1 - exp_entropy(singular / singular.sum()) / min(rows - 1, width)
    assert score == same(1 - ranks.rankme(values) / min(rows - 1, width))
    ratio = ranks.nuclear_norm(values) * np.sqrt(entropy.stable_rank(values))
    assert singular.sum() / singular[0] == same(ratio)
    two = shares(np.array([[1.0, 0, 0], [-1, 0, 0]]))
    assert [1 - ranks.rankme(two) / bound for bound in (2, 1)] == [0.5, 0]


def test_isoscore_is_the_participation_ratio_from_0_to_1() -> None:
    """``(PR − 1) / (d − 1)`` of centred rows that are not scaled (proven: written out below).

    IsoScore scales the variances along the d principal components to the norm √d, and maps their
    distance δ from all ones to a share of the dimensions.
    """
    width = TALL.shape[1]
    variances = np.linalg.svd(centred(TALL), compute_uv=False) ** 2 / (len(TALL) - 1)
    scaled = variances * np.sqrt(width) / np.linalg.norm(variances)
    defect = np.linalg.norm(scaled - 1) / np.sqrt(2 * (width - np.sqrt(width)))
    share = (width - defect**2 * (width - np.sqrt(width))) ** 2
    theirs = (share - width) / (width * (width - 1))
    ratio = ranks.participation_ratio(shares(centred(TALL)))
    assert theirs == same((ratio - 1) / (width - 1))


def test_anisotropy_has_three_meanings() -> None:
    """Mean cosine (ours), the largest share of variance, and the spread of eigenvalues.

    LLM-Microscope's is 1 / stable rank, and that of layerwise-checkpoint-search is √(d / PR − 1),
    both of centred rows. So the common direction of all rows makes ours large and is in neither.
    """
    values = shares(centred(TALL))
    singular = np.linalg.svd(centred(TALL), compute_uv=False)
    largest = singular[0] ** 2 / (singular**2).sum()
    assert largest == same(1 / entropy.stable_rank(values))
    covariance = np.linalg.eigvalsh(np.cov(TALL.T))
    spread = np.std(covariance) / np.mean(covariance)
    assert spread == same(np.sqrt(12 / ranks.participation_ratio(values) - 1))
    assert anisotropy(TALL + 50) > 0.99
    moved = shares(centred(TALL + 50))
    np.testing.assert_allclose(moved, values, rtol=1e-9)


def test_ethayarajh_draws_pairs_with_replacement() -> None:
    """Over all N² pairs, N of them of a row with itself, the mean is ``A + (1 − A) / N``."""
    u = unit(TALL)
    ours = anisotropy(TALL)
    assert (u @ u.T).mean() == same(ours + (1 - ours) / len(TALL))


@pytest.mark.parametrize("states", [TALL, WIDE])
def test_vendi_score_is_the_effective_rank_of_rows_that_are_not_centred(states: Float64) -> None:
    """Eigenvalues of the cosines of all pairs over N; of order 2, by the mean squared cosine.

    The mean cosine A bounds it from below at order ∞: ``N / (1 + (N − 1) A)`` is not less than the
    stable rank (proven: a Rayleigh quotient of the vector of ones).
    """
    rows = len(states)
    cosines = unit(states) @ unit(states).T
    values = shares(unit(states))
    kernel = np.linalg.eigvalsh(cosines / rows)
    assert exp_entropy(kernel[kernel > 1e-14]) == same(
        entropy.effective_rank(ranks.positive(values))
    )
    assert 1 / (cosines**2).mean() == same(ranks.participation_ratio(values))
    common = rows / (1 + (rows - 1) * anisotropy(states))
    assert 0.9 * common < entropy.stable_rank(values) < common


def test_layer_by_layer_clamps_products_of_rows() -> None:
    """Negative products become zero, so two opposite rows have the largest entropy, not the least.

    Where no product is negative, as of rows of positive numbers, it is ours of such rows.
    """

    def clamped(rows: Float64) -> float:
        gram = np.maximum(rows @ rows.T, 0)
        values = np.linalg.eigvalsh(gram / np.trace(gram))
        return float(np.log(exp_entropy(values[values > 1e-14])))

    opposite = np.array([[1.0, 0, 0], [-1, 0, 0]])
    assert entropy.matrix_entropy(spectrum(opposite)[0]) == pytest.approx(0, abs=1e-14)
    assert clamped(unit(centred(opposite))) == same(np.log(2))
    rows = unit(np.abs(WIDE))
    assert clamped(rows) == same(entropy.matrix_entropy(ranks.positive(shares(rows))))
    # Its bound is log min(N, d); centred rows have one direction fewer.
    values, found = spectrum(WIDE)
    share = entropy.matrix_entropy(values) / np.log(found)
    attained = ranks.entropy_attained(values, 40, found)
    assert share == same(attained * np.log(found - 1) / np.log(found))


def angles(steps: Float64) -> list[float]:
    """Between successive steps, which have a length."""
    moves = unit(steps)
    return [
        float(np.arccos(np.clip(one @ other, -1, 1))) for one, other in itertools.pairwise(moves)
    ]


def test_curvature_of_turns_beyond_a_right_angle() -> None:
    """Layer by Layer takes the absolute cosine, so that a turn of θ counts as π − θ from π/2 on."""
    turns = np.array(angles(np.diff(TALL, axis=0)))
    assert curvature(TALL) == same(turns.mean())
    moves = unit(np.diff(TALL, axis=0))
    folded = np.arccos(np.abs(np.einsum("ij,ij->i", moves[1:], moves[:-1])))
    assert folded.mean() == same(np.minimum(turns, np.pi - turns).mean())
    assert folded.mean() < curvature(TALL) - 0.5


def test_curvature_beside_a_stop() -> None:
    """Four ways with two equal rows: ours leaves out the angles beside them.

    modular_transformers, after Hosseini and Fedorenko, counts a right angle for each, Layer by
    Layer no turn, and VERL joins the steps before and after.
    """
    path = np.array([[0.0, 0], [1, 0], [1, 0], [1, 2], [2, 3]])
    steps = np.diff(path, axis=0)
    lengths = np.linalg.norm(steps, axis=1)
    moving = lengths > 0
    assert curvature(path) == same(np.pi / 4)
    assert np.mean(angles(steps[moving])) == same(3 * np.pi / 8)
    moves = steps / np.where(moving, lengths, 1)[:, None]
    cosines = np.einsum("ij,ij->i", moves[1:], moves[:-1])
    assert np.arccos(cosines).mean() == same(5 * np.pi / 12)
    both = moving[1:] & moving[:-1]
    assert np.where(both, np.arccos(cosines), 0).mean() == same(np.pi / 12)


def test_stable_rank_is_nesum_and_weightwatchers() -> None:
    """``Σ λ / λ_1``; WeightWatcher's participation ratio of a vector v is ours of v², to the ¼."""
    values = shares(centred(WIDE))
    assert entropy.stable_rank(values) == same(values.sum() / values.max())
    vector = np.linalg.svd(WIDE)[2][3]
    theirs = np.linalg.norm(vector, 2) / np.linalg.norm(vector, 4)
    assert theirs**4 == same(ranks.participation_ratio(vector**2))


@pytest.mark.parametrize("states", [TALL, WIDE])
def test_coding_rate_is_that_of_mcr2_on_the_same_rows(states: Float64) -> None:
    """Of unit rows, not centred, with ε² = ½; the loss that is trained lacks the ½ in front."""
    features = unit(states).T  # one column per sample
    width, samples = features.shape
    matrix = np.eye(width) + width / (samples * 0.5) * features @ features.T
    loss = np.linalg.slogdet(matrix)[1]
    assert loss / 2 == same(ranks.coding_rate(shares(unit(states)), width))


@pytest.mark.parametrize("states", [TALL, WIDE])
def test_matrix_nuclear_norm_is_ours(states: Float64) -> None:
    """Li et al.: of centred rows of unit norm, the largest min(N, d) norms of columns, over N."""
    rows, width = states.shape
    columns = sorted(np.linalg.norm(unit(centred(states)), axis=0), reverse=True)
    theirs = sum(columns[: min(rows, width)]) / rows
    assert matrix_nuclear_norm(states) == same(theirs)
    assert theirs < np.sqrt(min(rows, width) / rows)
    nuclear = ranks.nuclear_norm(spectrum(states)[0]) / np.sqrt(rows)
    assert (theirs >= nuclear) == (rows >= width), "an upper bound only with all columns"


def test_exponents_depend_on_the_places_that_are_fitted() -> None:
    """fastssl, the training code of αReQ, fits places 4 to 100, as ours; others begin at 11 or 12.

    They agree on a power law, and on no other spectrum.
    """

    def fitted(values: Float64, first: int) -> float:
        places = np.arange(first, 101.0)
        design = np.column_stack([-np.log(places), np.ones(len(places))])
        weighted = design.T / places
        logs = np.log(values[first - 1 : 100])
        return float(np.linalg.solve(weighted @ design, weighted @ logs)[0])

    law = np.arange(1, 200) ** -1.2
    kinked = np.where(np.arange(1, 200) < 12, law, law * 0.5)
    for values in (law, kinked):
        assert fitted(values, 4) == same(ranks.power_law(values[::-1] / values.sum()))
    assert fitted(law, 4) == same(fitted(law, 12))
    assert fitted(kinked, 4) - fitted(kinked, 12) > 0.2


def test_numerical_ranks_depend_on_the_threshold() -> None:
    """Feng et al. count λ down to n times the machine epsilon; ours is that for n = 839 rows.

    A third count, the directions that hold 95 % of the variance (called ε-rank in
    effective-rank-audit), is less even where all λ are equal.
    """
    values = np.sort(np.geomspace(1, 1e-9, 50))
    for rows in (100, 839, 5000):
        counted = (values >= rows * np.finfo(np.float32).eps * values.max()).sum()
        assert np.sign(counted - ranks.epsilon_rank(values)) == np.sign(839 - rows)
    flat = np.full(30, 1 / 30)
    held = int(np.searchsorted(np.cumsum(flat), 0.95)) + 1
    assert (ranks.epsilon_rank(flat), held) == (30, 29)


@pytest.mark.parametrize("states", [TALL, WIDE])
def test_participation_ratios_of_few_rows(states: Float64) -> None:
    """arXiv 2509.26560: sums over different rows only. Of unit rows and without a mean, it is ours.

    Centring is part of its sums, over three and four different rows, and comes first in ours.
    """
    rows, width = states.shape
    inner = centred(states) @ centred(states).T
    naive = np.trace(inner) ** 2 / (inner**2).sum()
    assert naive == same(ranks.participation_ratio(shares(centred(states))))
    products = unit(states) @ unit(states).T
    different = ~np.eye(rows, dtype=bool)
    lengths = np.outer(np.diag(products), np.diag(products))
    theirs = lengths[different].sum() / (products[different] ** 2).sum()
    assert theirs == same(ranks.participation_ratio_corrected(shares(unit(states)), width, rows))


def test_log_determinants_of_a_gram_matrix() -> None:
    """LLM-Check: mean log eigenvalue of the N x N matrix of products, 0.001 on its diagonal.

    There each row is less its own mean, and of any length. Of rows of unit norm and full rank,
    without the 0.001, it is ours and log N.
    """
    gram = unit(WIDE) @ unit(WIDE).T
    ours = ranks.log_determinant(shares(unit(WIDE)))
    rows = len(gram)
    assert np.linalg.slogdet(gram)[1] / rows == same(ours + np.log(rows))
    added = np.linalg.slogdet(gram + 0.001 * np.eye(rows))[1] / rows
    assert added == same(np.log(rows * shares(unit(WIDE)) + 0.001).mean())
    assert added > ours + np.log(rows)


def test_covariances_of_tokens_are_centred_over_features() -> None:
    """matrix-entropy-hallucinations: ``torch.cov`` of Z takes rows for variables, and centres them.

    So each row's own mean is subtracted from Z, which is ours only if it is zero already.
    """

    def theirs(states: Float64) -> float:
        values = np.linalg.eigvalsh(np.cov(unit(centred(states))))
        values = values[values > 1e-12 * values.max()]
        return float(np.log(exp_entropy(values / values.sum())))

    balanced = WIDE - WIDE.mean(axis=1, keepdims=True)
    assert theirs(balanced) == same(entropy.matrix_entropy(spectrum(balanced)[0]))
    tilted = WIDE * np.where(np.arange(14) % 2, 1.0, 1.5)[:, None]
    assert abs(theirs(tilted) - entropy.matrix_entropy(spectrum(tilted)[0])) > 0.01


def test_condition_numbers_of_covariances_are_squares() -> None:
    """ssrlib: ``λ_1 / λ_min`` of the covariance, which of few rows is the rounding of a zero."""

    def theirs(states: Float64) -> float:
        values = np.linalg.svd(centred(states), compute_uv=False) ** 2
        return float(values[0] / values[-1])

    assert theirs(TALL) == same(ranks.condition_number(shares(centred(TALL))) ** 2)
    assert theirs(WIDE) > 1e20 > ranks.condition_number(shares(centred(WIDE))) ** 2
