"""Gaps at equal covariates: explicit matrices, scipy, every relabelling one by one, simulations."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from matrix_entropy.maths import covariates
from matrix_entropy.maths.covariates import adjusted_groups, adjusted_pairs, explained
from matrix_entropy.maths.group_tests import Floats, paired, welch


def drawn(first: int, second: int, columns: int = 3, seed: int = 0) -> tuple[Floats, Floats]:
    """Two groups of unlike spread; columns of a text go together, as blocks do."""
    random = np.random.default_rng(seed)
    shared = random.normal(size=(first + second, 1))
    values = 0.03 * (shared + random.normal(size=(first + second, columns)))
    return 0.52 + values[:first], 0.5 + 1.5 * values[first:]


def lengths(number: int, seed: int, powers: int = 2) -> Floats:
    """Log lengths of texts and their squares."""
    logs = np.log(np.random.default_rng(seed).uniform(30, 160, number))
    return np.column_stack([logs**power for power in range(1, powers + 1)])


def by_matrices(design: Floats, values: Floats) -> tuple[Floats, float, float]:
    """Coefficients, HC2 standard error of the last, its Bell-McCaffrey degrees of freedom."""
    inverse = np.linalg.inv(design.T @ design)
    coefficients = inverse @ design.T @ values
    maker = np.eye(len(values)) - design @ inverse @ design.T
    squares = np.diag((maker @ values) ** 2 / np.diag(maker))
    error = math.sqrt((inverse @ design.T @ squares @ design @ inverse)[-1, -1])
    weights = (inverse @ design.T)[-1]
    product = maker @ np.diag(weights**2 / np.diag(maker))
    return coefficients, error, float(np.trace(product) ** 2 / np.trace(product @ product))


def of_groups(first: Floats, second: Floats) -> Floats:
    """Covariates, a constant and which texts are of the first group."""
    inside = np.repeat([1.0, 0.0], [len(first), len(second)])
    return np.column_stack([np.concatenate([first, second]), np.ones(len(inside)), inside])


@pytest.mark.parametrize("powers", [1, 2])
@pytest.mark.parametrize("sizes", [(10, 10), (4, 7), (3, 3)])
def test_the_gap_of_groups_is_that_of_a_regression(sizes: tuple[int, int], powers: int) -> None:
    first, second = drawn(*sizes, seed=2)
    long, short = lengths(sizes[0], 1, powers), lengths(sizes[1], 2, powers)
    found = adjusted_groups(first, second, long, short)
    for column, values in enumerate(np.concatenate([first, second]).T):
        expected, error, degrees = by_matrices(of_groups(long, short), values)
        assert found.gap.mean[column] == pytest.approx(expected[-1], rel=1e-7)
        assert found.gap.standard_error[column] == pytest.approx(error, rel=1e-7)
        assert found.gap.degrees[column] == pytest.approx(degrees, rel=1e-7)
        assert found.slopes[:, column] == pytest.approx(expected[:powers], rel=1e-7)


def test_that_of_pairs_has_a_level_for_every_pair() -> None:
    """The coefficients are those of a regression with one constant a pair."""
    first, second = drawn(8, 8, seed=4)
    long, short = lengths(8, 3), lengths(8, 4)
    found = adjusted_pairs(first - second, long - short)
    levels = np.tile(np.eye(8), (2, 1))
    whole = np.column_stack([levels, np.concatenate([long, short]), np.repeat([1.0, 0.0], 8)])
    for column, values in enumerate(np.concatenate([first, second]).T):
        expected = np.linalg.lstsq(whole, values)[0]
        assert found.gap.mean[column] == pytest.approx(expected[-1], rel=1e-7)
        assert found.slopes[:, column] == pytest.approx(expected[-3:-1], rel=1e-6)
        of_pairs = np.column_stack([long - short, np.ones(8)])
        _, error, degrees = by_matrices(of_pairs, (first - second)[:, column])
        assert found.gap.standard_error[column] == pytest.approx(error, rel=1e-7)
        assert found.gap.degrees[column] == pytest.approx(degrees, rel=1e-7)


def test_without_covariates_it_is_welchs_and_the_paired_t() -> None:
    first, second = drawn(6, 6)
    nothing = np.empty((6, 0))
    of_groups_, of_pairs = (
        adjusted_groups(first, second, nothing, nothing),
        adjusted_pairs(first - second, nothing),
    )
    for found, expected in (
        (of_groups_.gap, welch(first, second)),
        (of_pairs.gap, paired(first - second)),
    ):
        np.testing.assert_allclose(found.mean, expected.mean, rtol=1e-9)
        np.testing.assert_allclose(found.standard_error, expected.standard_error, rtol=1e-9)
    assert of_groups_.gap.degrees == pytest.approx([10] * 3)
    assert of_pairs.gap.degrees == pytest.approx([5] * 3)


# Freedman and Lane


def t_of(design: Floats, values: Floats) -> float:
    coefficients, error, _ = by_matrices(design, values)
    return float(coefficients[-1] / error)


def shares(found: list[Floats]) -> tuple[Floats, Floats]:
    """p of every column and p of the family, from ``|t|`` of all relabellings, the actual first."""
    sizes = np.abs(found)
    reached = sizes[0] * (1 - 1e-9)
    return (sizes >= reached).mean(axis=0), (sizes.max(axis=1)[:, None] >= reached).mean(axis=0)


def test_signs_of_residuals_are_turned_one_by_one() -> None:
    first, second = drawn(6, 6, columns=2, seed=5)
    differences, apart = first - second, lengths(6, 7) - lengths(6, 8)
    found = adjusted_pairs(differences, apart).test
    fitted = apart @ np.linalg.lstsq(apart, differences)[0]
    design = np.column_stack([apart, np.ones(6)])
    every = []
    for signs in itertools.product([1, -1], repeat=6):
        made = fitted + np.array(signs)[:, None] * (differences - fitted)
        every.append(np.array([t_of(design, column) for column in made.T]))
    assert (found.count, found.exact) == (2**6, True)
    for ours, expected in zip((found.p, found.p_family), shares(every), strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-12)


def test_residuals_of_groups_change_places(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same orders, each with a regression of its own on what the covariates gave and it."""
    monkeypatch.setattr(covariates, "ORDERS", 150)
    first, second = drawn(6, 5, columns=2, seed=6)
    long, short = lengths(6, 9), lengths(5, 10)
    found = adjusted_groups(first, second, long, short, seed=3).test
    design, values = of_groups(long, short), np.concatenate([first, second])
    fitted = design[:, :-1] @ np.linalg.lstsq(design[:, :-1], values)[0]
    random, every = np.random.default_rng(3), [np.arange(11)]
    every += list(random.permuted(np.tile(np.arange(11), (150, 1)), axis=1))
    t = [
        np.array([t_of(design, column) for column in (fitted + (values - fitted)[order]).T])
        for order in every
    ]
    assert (found.count, found.exact) == (151, False)
    for ours, expected in zip((found.p, found.p_family), shares(t), strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-12)


def test_parts_of_the_relabellings_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = drawn(6, 5)
    whole = adjusted_groups(first, second, lengths(6, 1), lengths(5, 2)).test
    monkeypatch.setattr(covariates, "MOST_VALUES", 33 * 100)
    in_parts = adjusted_groups(first, second, lengths(6, 1), lengths(5, 2)).test
    np.testing.assert_array_equal(in_parts.p_family, whole.p_family)


# Ends


def test_what_is_of_length_alone_leaves_no_gap() -> None:
    long, short = lengths(5, 5) + 1, lengths(6, 6)
    found = adjusted_groups(long[:, :1] / 4, short[:, :1] / 4, long[:, :1], short[:, :1])
    assert found.slopes == pytest.approx(np.array([[0.25]]))
    assert found.gap.mean == pytest.approx([0], abs=1e-12)
    assert found.test.p == [1.0]
    of_pairs = adjusted_pairs(long[:, :1] / 4, long[:, :1])
    assert of_pairs.gap.mean == pytest.approx([0], abs=1e-12)
    assert of_pairs.test.p == [1.0]


def test_where_nothing_can_be_said_all_is_missing() -> None:
    """Of covariates that do not vary, or follow from one another, and of too few texts."""
    first, second = drawn(4, 4)
    same, logs = np.full((4, 1), np.log(100)), lengths(4, 1)
    two = np.log([[100.0], [50.0], [100.0], [50.0]]) ** [1, 2]
    for found in (
        adjusted_groups(first, second, same, same),
        adjusted_groups(first, second, same, same + 1),
        adjusted_groups(first, second, two, two),
        adjusted_groups(first[:2], second[:2], logs[:2], logs[2:]),
        adjusted_pairs(first - second, 0 * same),
        adjusted_pairs((first - second)[:3], logs[:3]),
    ):
        for part in (found.gap.mean, found.gap.standard_error, found.slopes, found.test.p):
            assert np.isnan(part).all()


def test_the_share_explained_is_that_of_correlations() -> None:
    first, second = drawn(6, 5, seed=7)
    values, covariate = np.concatenate([first, second]), lengths(11, 8)[:, 0]
    for column, share in enumerate(explained(covariate, values)):
        assert share == pytest.approx(np.corrcoef(covariate, values[:, column])[0, 1] ** 2)
    within = np.concatenate([part - part.mean(axis=0) for part in (first, second)])
    apart = np.concatenate([part - part.mean() for part in np.split(covariate, [6])])
    for column, share in enumerate(explained(covariate, values, (6, 5))):
        assert share == pytest.approx(np.corrcoef(apart, within[:, column])[0, 1] ** 2)
    assert explained(covariate, covariate[:, None]) == 1
    assert np.isnan(explained(np.full(11, np.log(100)), values)).all()
    assert np.isnan(explained(covariate, np.full((11, 1), 0.1))).all()


# Size and coverage, by simulation

RUNS = 1000
ERROR = math.sqrt(0.05 * 0.95 / RUNS)


@pytest.mark.parametrize(
    ("pairs", "unlike", "of_family"), [(False, 1, 0.05), (False, 3, 0.08), (True, 1, 0.05)]
)
def test_intervals_cover_and_tests_have_their_size(
    monkeypatch: pytest.MonkeyPatch, pairs: bool, unlike: float, of_family: float
) -> None:
    """Texts whose value bends with log length, of which one group has the longer ones.

    Where one group spreads three times as much as the other, the test of all columns together errs
    in 8 % instead of 5 %, as the docs say; the interval and the test of one column do not.
    """
    monkeypatch.setattr(covariates, "ORDERS", 99)
    random, texts = np.random.default_rng(20), 8 if pairs else 10
    covered = small = family = 0
    for _ in range(RUNS):
        logs = [random.normal(mean, 0.4, texts) for mean in (5.0, 4.7)]
        powers = [np.column_stack([log, log**2]) for log in logs]
        noise = random.normal(size=(2, texts, 1)) + random.normal(size=(2, texts, 4))
        noise[0] *= unlike
        first, second = (
            power @ [[1.2], [-0.1]] + errors for power, errors in zip(powers, noise, strict=True)
        )
        if pairs:
            found = adjusted_pairs(first - second, powers[0] - powers[1])
        else:
            found = adjusted_groups(first, second, *powers)
        covered += abs(found.gap.mean[0]) <= found.gap.margin[0]
        small += found.test.p[0] <= 0.05
        family += found.test.p_family.min() <= 0.05
    assert covered / RUNS == pytest.approx(0.95, abs=3.5 * ERROR)
    assert small / RUNS == pytest.approx(0.05, abs=3.5 * ERROR)
    assert family / RUNS == pytest.approx(of_family, abs=3.5 * ERROR)
