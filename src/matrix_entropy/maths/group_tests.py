"""Tests of the difference between two groups of texts that suit ten texts against ten.

Every text has a number of each of several columns (one per block, or their mean alone). A
difference of means ``m₁ − m₂`` has Welch's standard error ``√(s₁²/n₁ + s₂²/n₂)``. Its p is that of
a permutation test: of all ways to say which texts are the first group, the share with a
``t = difference / standard error`` at least as large in size. Texts keep their columns when they
change groups, so that the largest ``|t|`` over columns has a distribution as well, from which a p
follows that holds for all columns together (Westfall and Young 1993, the max-t method).

Where texts are pairs, the same is done with the differences of pairs: their standard error is
``s / √n``, and every pair can be turned round. `maths.covariates` has both at equal covariates.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]

LEVEL = 0.95  # of intervals and bands
EXACT = 200_000  # relabellings up to which all are looked at; ten against ten are 184,756
SAMPLED = 99_999  # relabellings that are drawn where there are more
SEED = 1
AT_A_TIME = 20_000
MOST_VALUES = 2**22  # 32 MiB of them at a time, however many texts there are
# Differences of this share of the size are rounding: sums of squares lose half of the digits.
ROUNDING = 1e-12
TIE = 1e-9  # values of t that differ by this share are the same one


@dataclass(frozen=True)
class Difference:
    """Differences of means with standard errors and their degrees of freedom, one per column."""

    mean: Floats
    standard_error: Floats
    degrees: Floats

    @property
    def margin(self) -> Floats:
        """What reaches from the mean to the ends of its 95 % t interval."""
        quantile = stats.t.ppf((1 + LEVEL) / 2, self.degrees)
        return np.asarray(quantile * self.standard_error)

    @property
    def p(self) -> Floats:
        """Two-sided p of Student's t."""
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.abs(self.mean) / self.standard_error
        return np.asarray(2 * stats.t.sf(t, self.degrees))

    @property
    def equal_within(self) -> Floats:
        """The margin from which on the two groups count as equal.

        Two one-sided t tests of 5 % each (TOST, Schuirmann 1987) find the difference inside of
        ``±margin`` where its 90 % interval lies inside: from ``|mean| + t₀.₉₅ · SE`` on.
        """
        return np.asarray(
            np.abs(self.mean) + stats.t.ppf(LEVEL, self.degrees) * self.standard_error
        )


@dataclass(frozen=True)
class Permutations:
    """What a permutation test finds.

    ``p`` is two-sided, one per column; ``p_family`` is the share of relabellings whose largest
    ``|t|`` over columns reaches that column's (single-step max-t), so that the smallest of them is
    the p of "no column differs". A column's ``|t|`` is above ``critical`` where ``p_family`` is at
    most 5 %. ``count`` relabellings were looked at, the actual one among them: all that there are
    if ``exact``, else drawn ones, so that p is ``(b + 1) / (m + 1)``.
    """

    p: Floats
    p_family: Floats
    critical: float
    count: int
    exact: bool


def welch(first: Floats, second: Floats) -> Difference:
    """Mean of the first group less that of the second, with Welch's standard error.

    Parameters
    ----------
    first, second : ndarray of shape (texts, columns)
        NaN where a group has a single text.

    Examples
    --------
    >>> found = welch(np.array([[1.0], [3.0]]), np.array([[0.0], [0.0]]))
    >>> found.mean.item(), found.standard_error.item(), found.degrees.item()
    (2.0, 1.0, 1.0)
    """
    shares = [_variance(group) / len(group) for group in (first, second)]
    variance = shares[0] + shares[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [
            share**2 / (len(group) - 1)
            for share, group in zip(shares, (first, second), strict=True)
            if len(group) > 1
        ]
        degrees = variance**2 / np.sum(parts, axis=0)
    return Difference(first.mean(axis=0) - second.mean(axis=0), np.sqrt(variance), degrees)


def paired(differences: Floats) -> Difference:
    """Mean of the differences of pairs, shape (pairs, columns), with its standard error.

    NaN without a pair, the error also of a single one.
    """
    pairs = len(differences)
    mean = differences.mean(axis=0) if pairs else np.full(differences.shape[1], np.nan)
    error = np.sqrt(_variance(differences) / pairs)
    return Difference(mean, error, np.full_like(mean, pairs - 1))


def _variance(values: Floats) -> Floats:
    """Variance with n − 1; NaN of a single value."""
    if len(values) < 2:
        return np.full(values.shape[1], np.nan)
    return np.asarray(values.var(axis=0, ddof=1))


def permuted_groups(first: Floats, second: Floats, seed: int = SEED) -> Permutations:
    """Permutation test of `welch`'s t: which texts are the first group.

    Parameters
    ----------
    first, second : ndarray of shape (texts, columns)
        Two texts or more in each; with fewer all p are NaN.
    seed : int
        Of the relabellings, where not all are looked at.
    """
    size, texts = len(first), len(first) + len(second)
    if min(size, texts - size) < 2:
        return nothing(first.shape[1])
    values = scaled(np.concatenate([first, second]))
    squares = values**2
    total, total_squares = values.sum(axis=0), squares.sum(axis=0)

    def statistic(inside: Floats) -> Floats:
        """t of relabellings, a row of ones and zeros each."""
        means, variances = [], []
        sums, sums_of_squares = inside @ values, inside @ squares
        for number, some, some_squares in (
            (size, sums, sums_of_squares),
            (texts - size, total - sums, total_squares - sums_of_squares),
        ):
            means.append(some / number)
            variances.append((some_squares - some**2 / number) / (number - 1) / number)
        return ratio(means[0] - means[1], variances[0] + variances[1])

    exact = math.comb(texts, size) <= EXACT
    return tested(statistic, _subsets(texts, size, None if exact else seed), exact)


def permuted_signs(differences: Floats, seed: int = SEED) -> Permutations:
    """Permutation test of `paired`'s t: which text of a pair is the first, shape (pairs, columns).

    ``seed`` is used where there are more than `EXACT` ways.
    """
    pairs = len(differences)
    if pairs < 2:
        return nothing(differences.shape[1])
    values = of_size_one(differences)
    squares = (values**2).sum(axis=0)

    def statistic(signs: Floats) -> Floats:
        mean = signs @ values / pairs
        return ratio(mean, (squares / pairs - mean**2) / (pairs - 1))

    exact = 2**pairs <= EXACT
    return tested(statistic, signs_of(pairs, None if exact else seed), exact)


def nothing(columns: int) -> Permutations:
    """What is found of too few texts."""
    unknown = np.full(columns, np.nan)
    return Permutations(unknown, unknown, float("nan"), 0, exact=True)


def scaled(values: Floats) -> Floats:
    """Columns of mean 0 and standard deviation 1, with the same t; zeros for constant ones."""
    size = np.abs(values).max(axis=0)
    centred, spread = values - values.mean(axis=0), values.std(axis=0)
    constant = spread <= ROUNDING * size
    return np.asarray(np.where(constant, 0, centred / np.where(constant, 1, spread)))


def of_size_one(differences: Floats) -> Floats:
    """Columns whose largest value is 1 in size; not centred, as a turn of signs changes means."""
    return np.asarray(
        differences / np.where(differences.any(axis=0), abs(differences).max(axis=0), 1)
    )


def ratio(mean: Floats, variance: Floats) -> Floats:
    """mean / √variance of columns of size 1: infinite without a variance, 0 without both."""
    variance = np.where(variance <= ROUNDING, 0, variance)
    mean = np.where((variance == 0) & (np.abs(mean) <= ROUNDING**0.5), 0, mean)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(mean == 0, 0, mean / np.sqrt(variance))


def _subsets(texts: int, size: int, seed: int | None) -> Iterator[Floats]:
    """Which texts are the first group, a row of ones and zeros each; the actual one comes first."""
    if seed is not None:
        actual = np.zeros(texts)
        actual[:size] = 1
        yield from drawn(actual, lambda random, rows: random.permuted(rows, axis=1), seed)
        return
    subsets = itertools.combinations(range(texts), size)
    while some := list(itertools.islice(subsets, AT_A_TIME)):
        inside = np.zeros((len(some), texts))
        np.put_along_axis(inside, np.array(some), 1, axis=1)
        yield inside


def signs_of(pairs: int, seed: int | None, number: int | None = None) -> Iterator[Floats]:
    """Signs of pairs, a row each; the actual ones, all +1, come first.

    All that there are, or with a ``seed`` so many drawn ones (`SAMPLED`).
    """
    if seed is not None:
        yield from drawn(
            np.ones(pairs),
            lambda random, rows: random.choice([1.0, -1.0], rows.shape),
            seed,
            number,
        )
        return
    for start in range(0, 2**pairs, AT_A_TIME):
        numbers = np.arange(start, min(start + AT_A_TIME, 2**pairs))
        yield np.where(numbers[:, None] >> np.arange(pairs) & 1, -1.0, 1.0)


def drawn(
    actual: NDArray[Any],
    mixed: Callable[[np.random.Generator, NDArray[Any]], NDArray[Any]],
    seed: int,
    number: int | None = None,
) -> Iterator[NDArray[Any]]:
    """The actual labels, then so many mixed ones (`SAMPLED`), a row each."""
    random = np.random.default_rng(seed)
    number = SAMPLED if number is None else number
    rows = max(1, min(AT_A_TIME, MOST_VALUES // len(actual)))
    yield actual[None]
    for start in range(0, number, rows):  # in parts of any size the same draws
        yield mixed(random, np.tile(actual, (min(rows, number - start), 1)))


def tested(
    statistic: Callable[[NDArray[Any]], Floats], relabellings: Iterable[NDArray[Any]], exact: bool
) -> Permutations:
    """What follows from the ``t`` of relabellings, of which the actual one comes first."""
    sizes = np.concatenate([np.abs(statistic(labels)) for labels in relabellings])
    reached = sizes[0] * (1 - TIE)
    largest = sizes.max(axis=1)
    allowed = math.floor((1 - LEVEL) * len(sizes) + TIE)
    return Permutations(
        p=(sizes >= reached).mean(axis=0),
        p_family=(largest[:, None] >= reached).mean(axis=0),
        critical=float(np.sort(largest)[::-1][allowed]),
        count=len(sizes),
        exact=exact,
    )
