"""Tests of differences between groups: closed forms, scipy, least squares, and simulations."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from scipy import stats

from matrix_entropy.maths import group_tests
from matrix_entropy.maths.group_tests import (
    Floats,
    _subsets,
    paired,
    permuted_groups,
    permuted_signs,
    signs_of,
    welch,
)

SIZES = [(4, 5), (3, 6), (5, 5), (2, 2)]


def drawn(first: int, second: int, columns: int = 3, seed: int = 0) -> tuple[Floats, Floats]:
    """Two groups of unlike spread; columns of a text go together, as blocks do."""
    random = np.random.default_rng(seed)
    shared = random.normal(size=(first + second, 1))
    values = 0.03 * (shared + random.normal(size=(first + second, columns)))
    return 0.52 + values[:first], 0.5 + 1.5 * values[first:]


def t_of(first: Floats, second: Floats, axis: int = 0) -> Floats:
    return np.asarray(stats.ttest_ind(first, second, axis=axis, equal_var=False).statistic)


# Differences and their errors


@pytest.mark.parametrize("sizes", SIZES)
def test_welch_is_scipys(sizes: tuple[int, int]) -> None:
    first, second = drawn(*sizes)
    found, expected = welch(first, second), stats.ttest_ind(first, second, equal_var=False)
    interval = expected.confidence_interval(0.95)
    np.testing.assert_allclose(found.mean / found.standard_error, expected.statistic, rtol=1e-12)
    np.testing.assert_allclose(found.degrees, expected.df, rtol=1e-12)
    np.testing.assert_allclose(found.p, expected.pvalue, rtol=1e-10)
    np.testing.assert_allclose(found.mean - found.margin, interval.low, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.mean + found.margin, interval.high, rtol=1e-9, atol=1e-12)


def test_pairs_are_scipys_too() -> None:
    first, second = drawn(6, 6)
    found, expected = paired(first - second), stats.ttest_rel(first, second)
    np.testing.assert_allclose(found.mean / found.standard_error, expected.statistic, rtol=1e-12)
    np.testing.assert_allclose(found.p, expected.pvalue, rtol=1e-10)
    interval = expected.confidence_interval(0.95)
    np.testing.assert_allclose(found.mean + found.margin, interval.high, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("shift", [0.0, 0.01, -0.04])
def test_the_margin_of_equivalence_is_that_of_two_one_sided_tests(shift: float) -> None:
    """At the margin the larger of scipy's two p is 5 %; outside of it, it is smaller."""
    differences = drawn(6, 6)[0] - 0.5 + shift
    for column, margin in enumerate(paired(differences).equal_within):
        for wider, expected in ((1.0, 0.05), (1.2, 0.02)):
            larger = max(
                stats.ttest_1samp(differences[:, column], end, alternative=side).pvalue
                for end, side in ((-wider * margin, "greater"), (wider * margin, "less"))
            )
            assert larger == pytest.approx(expected, rel=1e-9 if wider == 1 else 1)


# Permutations


@pytest.mark.parametrize("sizes", SIZES)
def test_exact_p_is_scipys(sizes: tuple[int, int]) -> None:
    first, second = drawn(*sizes)
    found = permuted_groups(first, second)
    expected = stats.permutation_test(
        (first, second),
        lambda one, other, axis: np.abs(t_of(one, other, axis)),  # as far out on either side
        alternative="greater",
        n_resamples=np.inf,
        vectorized=True,
    )
    np.testing.assert_allclose(found.p, expected.pvalue, atol=1e-12)
    assert found.exact
    assert found.count == math.comb(sum(sizes), sizes[0])


def test_exact_p_of_pairs_is_scipys() -> None:
    first, second = drawn(6, 6)
    found = permuted_signs(first - second)
    expected = stats.permutation_test(
        (first - second,),
        lambda values, axis: stats.ttest_1samp(values, 0, axis=axis).statistic,
        permutation_type="samples",
        n_resamples=np.inf,
        vectorized=True,
    )
    np.testing.assert_allclose(found.p, expected.pvalue, atol=1e-12)
    assert (found.count, found.exact) == (2**6, True)


def test_groups_that_lie_apart_have_the_smallest_p_there_is() -> None:
    first, second = np.arange(10.0)[:, None] + 100, np.arange(10.0)[:, None]
    found = permuted_groups(first, second)
    assert found.count == 184_756 == math.comb(20, 10)
    assert found.p == pytest.approx([2 / 184_756])
    assert permuted_signs(first - second + second / 10).p == pytest.approx([2 / 2**10])


@pytest.mark.parametrize("pairs", [False, True])
def test_max_t_looks_at_all_columns_at_once(pairs: bool) -> None:
    """Relabelling by relabelling, with scipy's t."""
    first, second = drawn(5, 5, columns=4, seed=3)
    largest = []
    if pairs:
        found = permuted_signs(first - second)
        for signs in itertools.product([1, -1], repeat=5):
            turned = (first - second) * np.array(signs)[:, None]
            largest.append(np.abs(stats.ttest_1samp(turned, 0).statistic).max())
        observed = np.abs(stats.ttest_1samp(first - second, 0).statistic)
    else:
        found, values = permuted_groups(first, second), np.concatenate([first, second])
        for chosen in itertools.combinations(range(10), 5):
            inside = np.isin(np.arange(10), chosen)
            largest.append(np.abs(t_of(values[inside], values[~inside])).max())
        observed = np.abs(t_of(first, second))
    expected = [np.mean(np.array(largest) >= t * (1 - 1e-9)) for t in observed]
    np.testing.assert_allclose(found.p_family, expected, atol=1e-12)
    allowed = int(0.05 * len(largest))
    assert found.critical == pytest.approx(sorted(largest, reverse=True)[allowed])
    assert (found.p_family >= found.p).all()


def test_one_column_is_a_family_of_its_own_and_a_copy_adds_nothing() -> None:
    first, second = drawn(5, 4, columns=1)
    alone = permuted_groups(first, second)
    twice = permuted_groups(first[:, [0, 0]], second[:, [0, 0]])
    assert alone.p_family == pytest.approx(alone.p)
    assert twice.p_family == pytest.approx(alone.p.repeat(2))


def test_what_is_above_the_critical_t_is_what_has_a_small_p() -> None:
    seen = set()
    for seed in range(60):
        first, second = drawn(5, 5, seed=seed)
        found = permuted_groups(first, second)
        above = np.abs(t_of(first, second)) > found.critical * (1 + 1e-9)
        np.testing.assert_array_equal(above, found.p_family <= 0.05)
        seen |= set(above.tolist())
    assert seen == {True, False}


def test_no_p_depends_on_unit_or_origin() -> None:
    first, second = drawn(5, 4)
    found, other = (
        permuted_groups(first, second),
        permuted_groups(3e3 * first + 1e6, 3e3 * second + 1e6),
    )
    np.testing.assert_array_equal(other.p, found.p)
    np.testing.assert_array_equal(other.p_family, found.p_family)
    scaled = permuted_signs(1e-5 * (first[:4] - second))
    np.testing.assert_array_equal(scaled.p, permuted_signs(first[:4] - second).p)


@pytest.mark.parametrize("pairs", [False, True])
def test_drawn_relabellings_count_the_actual_one(
    monkeypatch: pytest.MonkeyPatch, pairs: bool
) -> None:
    """(b + 1) / (m + 1): near the exact p, the same for a seed, and never zero."""
    first, second = drawn(7, 7, seed=1)

    def test(seed: int = 1) -> group_tests.Permutations:
        if pairs:
            return permuted_signs(first - second, seed)
        return permuted_groups(first, second, seed)

    exact = test()
    monkeypatch.setattr(group_tests, "EXACT", 10)
    sampled = test()
    assert exact.exact
    assert not sampled.exact
    assert sampled.count == group_tests.SAMPLED + 1
    error = np.sqrt(exact.p * (1 - exact.p) / sampled.count)
    assert (np.abs(sampled.p - exact.p) < 5 * error + 2 / sampled.count).all()
    assert sampled.critical == pytest.approx(exact.critical, rel=0.1)
    np.testing.assert_array_equal(test().p, sampled.p)
    assert (test(seed=2).p != sampled.p).any()
    first = first + 100 * np.arange(1, 8)[:, None]
    monkeypatch.setattr(group_tests, "SAMPLED", 9)
    assert (test().p >= 1 / 10).all()


def test_ten_thousand_relabellings_at_a_time_are_all_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second = drawn(5, 5)
    found = permuted_groups(first, second)
    monkeypatch.setattr(group_tests, "AT_A_TIME", 100)
    in_parts = permuted_groups(first, second)
    assert in_parts.count == found.count == 252
    np.testing.assert_array_equal(in_parts.p, found.p)


@pytest.mark.parametrize("draw", [lambda: _subsets(50, 20, 1), lambda: signs_of(50, 1)])
def test_many_texts_are_drawn_in_small_parts_that_change_nothing(
    monkeypatch: pytest.MonkeyPatch, draw: Callable[[], Iterator[np.ndarray]]
) -> None:
    monkeypatch.setattr(group_tests, "SAMPLED", 200)
    _, whole = draw()
    monkeypatch.setattr(group_tests, "MOST_VALUES", 50 * 7 + 3)
    _, *parts = draw()
    assert {len(part) for part in parts} == {7, 200 % 7}
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_where_nothing_varies() -> None:
    """Equal values say nothing; values that are equal within the groups only are furthest apart."""
    same = np.full((4, 1), 0.1)
    assert permuted_groups(same, same).p == [1.0]
    assert permuted_groups(same, same + 0.2).p == pytest.approx([2 / math.comb(8, 4)])
    assert permuted_signs(same - same).p == [1.0]
    assert permuted_signs(same).p == pytest.approx([2 / 2**4])
    for found in (permuted_groups(same[:1], same), permuted_signs(same[:1])):
        assert np.isnan(found.p).all()
        assert np.isnan(found.p_family).all()
    assert np.isnan(welch(same[:1], same).standard_error).all()
    assert np.isnan(paired(same[:1]).standard_error).all()


# Size and coverage, by simulation

RUNS = 1000
ERROR = math.sqrt(0.05 * 0.95 / RUNS)


@pytest.mark.parametrize("pairs", [False, True])
def test_tests_have_their_size_and_the_band_holds_all_gaps(pairs: bool) -> None:
    """Without a difference 5 % have p ≤ 5 %, of any column and of all together, and no more."""
    random, columns = np.random.default_rng(11), 6
    small = family = outside = 0
    for _ in range(RUNS):
        texts = random.normal(size=(10, 1)) + 0.7 * random.normal(size=(10, columns))
        first, second = texts[:5] + 0.3, texts[5:] + 0.3
        if pairs:
            differences = np.concatenate([first, second]) - 0.3  # of ten pairs
            found, gap = permuted_signs(differences), paired(differences)
        else:
            found, gap = permuted_groups(first, second), welch(first, second)
        small += found.p[0] <= 0.05
        family += found.p_family.min() <= 0.05
        outside += (np.abs(gap.mean) > found.critical * gap.standard_error * (1 + 1e-9)).any()
    # Of 252 relabellings at most 12 are 5 %, of 1,024 at most 51.
    size = math.floor(0.05 * found.count) / found.count
    assert small / RUNS == pytest.approx(size, abs=3.5 * ERROR)
    assert family / RUNS == pytest.approx(size, abs=3.5 * ERROR)
    assert outside == family


def test_welchs_interval_covers_and_equivalence_errs_as_often_as_they_say() -> None:
    """Of unlike spread; a true difference as large as the margin is called equal in 5 %."""
    random, margin = np.random.default_rng(12), 0.1
    covered = equal = 0
    for _ in range(RUNS):
        noise = random.normal(size=18) * np.repeat([0.02, 0.04], [10, 8])
        found = welch((margin + noise[:10])[:, None], noise[10:, None])
        covered += abs(found.mean[0] - margin) <= found.margin[0]
        equal += found.equal_within[0] < margin
    assert covered / RUNS == pytest.approx(0.95, abs=3.5 * ERROR)
    assert equal / RUNS == pytest.approx(0.05, abs=3.5 * ERROR)
