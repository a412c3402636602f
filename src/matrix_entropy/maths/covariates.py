"""What is left of a gap between two groups of texts at equal covariates, such as their length.

The gap is a coefficient of a regression: on which group a text is in, beside a constant and the
covariates, with one slope on each for both groups; of pairs, it is the constant of a regression of
their differences on those of the covariates. Its standard error is one that groups of unlike
spread do not mislead (HC2), with the degrees of freedom of Bell and McCaffrey (2002): without
covariates it is Welch's, of pairs that of the paired t. Its p is that of Freedman and Lane (1983):
the residuals of the regression without the groups change places, or of pairs their signs, and the
share of these with a ``t`` at least as large in size is p. That supposes that residuals could as
well stand elsewhere, and that a gap does not itself depend on the covariate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matrix_entropy.maths.group_tests import (
    EXACT,
    MOST_VALUES,
    ROUNDING,
    SEED,
    Difference,
    Floats,
    Permutations,
    drawn,
    nothing,
    of_size_one,
    ratio,
    scaled,
    signs_of,
    tested,
)

ORDERS = 9_999  # orders of residuals that are drawn: each costs a regression
LEAST = 1e-9  # of a direction of the covariates, and of what the regression leaves free of a text


@dataclass(frozen=True)
class Adjusted:
    """A gap at equal covariates, one per column; ``slopes`` has a row for each covariate."""

    gap: Difference
    slopes: Floats
    test: Permutations


def adjusted_groups(
    first: Floats, second: Floats, of_first: Floats, of_second: Floats, seed: int = SEED
) -> Adjusted:
    """The gap between two groups where their texts have the same covariates.

    Parameters
    ----------
    first, second : ndarray of shape (texts, columns)
    of_first, of_second : ndarray of shape (texts, covariates)
        Such as the logarithm of a text's length, and its square. All is NaN where one is constant
        or follows from the others, and where texts are too few to leave each of them free.
    seed : int
        Of the `ORDERS` of residuals that are drawn.
    """
    values, covariates = np.concatenate([first, second]), np.concatenate([of_first, of_second])
    texts = len(values)
    orders = drawn(
        np.arange(texts), lambda random, rows: random.permuted(rows, axis=1), seed, ORDERS
    )
    return _adjusted(
        values,
        scaled(values),
        interest=np.repeat([1.0, 0.0], [len(first), len(second)]),
        rest=np.column_stack([covariates, np.ones(texts)]),
        test=lambda statistic: tested(statistic, orders, exact=False),
        relabelled=lambda residuals, order: residuals[order],
        covariates=covariates.shape[1],
    )


def adjusted_pairs(differences: Floats, apart: Floats, seed: int = SEED) -> Adjusted:
    """The same of pairs: their difference where those of the covariates are zero.

    ``differences`` has the shape (pairs, columns), ``apart``, the differences of the covariates,
    (pairs, covariates). All signs are looked at up to `EXACT` ways, else `ORDERS` are drawn.
    """
    pairs = len(differences)
    exact = 2**pairs <= EXACT
    signs = signs_of(pairs, None if exact else seed, ORDERS)
    return _adjusted(
        differences,
        of_size_one(differences),
        interest=np.ones(pairs),
        rest=apart,
        test=lambda statistic: tested(statistic, signs, exact),
        relabelled=lambda residuals, sign: residuals * sign[..., None],
        covariates=apart.shape[1],
    )


def _adjusted(
    values: Floats,
    of_size_one: Floats,
    interest: Floats,
    rest: Floats,
    test: Callable[[Callable[[NDArray[Any]], Floats]], Permutations],
    relabelled: Callable[[Floats, NDArray[Any]], Floats],
    covariates: int,
) -> Adjusted:
    """The coefficient of ``interest`` beside those of ``rest``, of which covariates come first.

    By the theorem of Frisch and Waugh it is that of what ``rest`` leaves of ``interest``, alone.
    """
    columns = values.shape[1]
    unknown = np.full(columns, np.nan)
    none = Adjusted(
        Difference(unknown, unknown, unknown),
        np.full((covariates, columns), np.nan),
        nothing(columns),
    )
    sizes = np.linalg.norm(rest, axis=0)
    design = np.column_stack([rest / np.where(sizes > 0, sizes, 1), interest])
    if np.linalg.matrix_rank(design, tol=LEAST) < design.shape[1]:
        return none
    basis, _ = np.linalg.qr(design[:, :-1])
    apart = interest - basis @ (basis.T @ interest)
    weights = apart / (apart @ apart)
    leverage = (basis**2).sum(axis=1) + apart * weights
    if (1 - leverage).min() < LEAST:
        return none
    shares = weights**2 / (1 - leverage)

    def effect(of: Floats) -> tuple[Floats, Floats]:
        """Coefficients and their HC2 variances, of values of shape (..., texts, columns)."""
        found = weights @ of
        left = of - basis @ (basis.T @ of) - apart[:, None] * found[..., None, :]
        return found, shares @ left**2

    def statistic(labels: NDArray[Any]) -> Floats:
        parts = range(0, len(labels), max(1, MOST_VALUES // values.size))
        return np.concatenate(
            [ratio(*effect(relabelled(residuals, labels[at : at + parts.step]))) for at in parts]
        )

    residuals = of_size_one - basis @ (basis.T @ of_size_one)
    gap, variance = effect(values)
    whole = np.column_stack([basis, apart / np.sqrt(apart @ apart)])
    # Of a quadratic form in normal residuals: (its mean)² over half its variance.
    spread = (shares**2 * (1 - 2 * leverage)).sum() + ((whole.T * shares @ whole) ** 2).sum()
    degrees = np.full(columns, (weights @ weights) ** 2 / spread)
    slopes = np.asarray(np.linalg.lstsq(np.column_stack([rest, interest]), values)[0])
    return Adjusted(
        Difference(gap, np.sqrt(variance), degrees), slopes[:covariates], test(statistic)
    )


def explained(covariate: Floats, values: Floats, groups: Sequence[int] = ()) -> Floats:
    """R² of the columns on a covariate; with ``groups``, sizes of them, of both within the groups.

    NaN where the covariate or a column is constant.

    Examples
    --------
    >>> explained(np.arange(4.0), np.array([[0.0], [1.0], [5.0], [6.0]]), groups=(2, 2)).item()
    1.0
    """
    parts = np.split(np.arange(len(covariate)), np.cumsum(groups)[:-1])
    covariate = np.concatenate([covariate[part] - covariate[part].mean() for part in parts])
    deviations = np.concatenate([values[part] - values[part].mean(axis=0) for part in parts])
    spread, total = (covariate**2).sum(), (deviations**2).sum(axis=0)
    constant = (spread <= ROUNDING) | (total <= ROUNDING**2 * (values**2).sum(axis=0))
    along = (covariate @ deviations) ** 2
    return np.asarray(np.where(constant, np.nan, along / np.where(constant, 1, spread * total)))
