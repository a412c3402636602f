"""Power laws of a quantity against model size, and what the division by ``log d`` alone explains.

A law is ``y = L₀ + k xᵅ`` (Wei et al. 2024, eq. 3). Beside every fit belongs the null model of one
constant effective rank, ``H / log d = c / log d``: it has no trained weights in it at all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.stats import f, linregress, t

from matrix_entropy.maths.entropy import rank_of_entropy

Float64 = NDArray[np.float64]

# Where an exponent is looked for if there is an offset. It is negative, since an offset is what
# remains as x grows. Beyond the ends the curve is hardly told from its limits, a line in log x and
# a step after the smallest x, and the offset and the coefficient mean nothing.
STEEPEST, FLATTEST = -3.0, -0.01
GRID = 300
DEGENERATE = {
    FLATTEST: "no limit: of the falling curves searched the nearest to a line in log x is the best",
    STEEPEST: "no decay: only the smallest x differs, and the exponent tends to minus infinity",
}
LEVEL = 0.95  # of intervals


@dataclass(frozen=True)
class PowerLaw:
    """A fitted law ``y = offset + coefficient · x ** exponent``, for x in the units of the fit.

    ``interval`` is the 95 % interval of the exponent (`fit_power_law` says how).
    ``r_squared`` is measured where the fit was made: in log y without an offset, else in y.
    ``points`` were used and ``left_out`` had no value. ``degenerate`` is empty, or says why the
    exponent is only the end of the range searched and no result; then nothing should quote it.
    """

    exponent: float
    coefficient: float
    offset: float
    r_squared: float
    interval: tuple[float, float]
    points: int
    left_out: int = 0
    degenerate: str = ""

    def __call__(self, x: ArrayLike) -> Float64:
        """The law's value at every x."""
        return self.offset + self.coefficient * np.asarray(x, dtype=np.float64) ** self.exponent


def fit_power_law(x: ArrayLike, y: ArrayLike, offset: bool = False) -> PowerLaw:
    """Least-squares power law of y against x (Wei et al. 2024, eq. 3).

    Without an offset it is the line of log y on log x. With one, the best ``L₀`` and ``k`` of any
    exponent are a line of y on ``xᵅ``; so only the exponent is searched, over all of −3 to −0.01,
    and there are no start values. A best exponent at either end is reported in ``degenerate``.

    Intervals suppose independent normal errors of one variance where the fit is made. Without an
    offset the interval is that of the slope, its standard error times Student's t with ``n − 2``
    degrees of freedom; of any number of points it covers the true exponent in 95 % of cases. With
    one it is a profile: from the first to the last exponent whose sum of squares is at most
    ``1 + F / (n − 3)`` times the least, F being the 95 % quantile of 1 and ``n − 3`` degrees of
    freedom. Of made-up laws with 5 to 10 points it covers 94 to 96 %, and up to 98 % where noise
    hides the curve. An interval that ends where the range does is open there.

    Parameters
    ----------
    x : array of shape (points,)
        Positive, such as numbers of parameters.
    y : array of shape (points,)
        Positive unless there is an offset. NaN is left out and counted.

    Raises
    ------
    ValueError
        If the lengths differ, a value is not positive or infinite, fewer than three different x
        (four with an offset) have a value, or there is an offset and all y are equal.

    Examples
    --------
    >>> law = fit_power_law([1, 4, 16], [8, 4, 2])
    >>> round(law.exponent, 6), round(law.coefficient, 6)
    (-0.5, 8.0)
    """
    sizes, values = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if sizes.shape != values.shape or sizes.ndim != 1:
        raise ValueError(
            f"x and y must be one-dimensional and equally long, not {sizes.shape} and "
            f"{values.shape}"
        )
    defined = ~np.isnan(values)
    left_out = int((~defined).sum())
    sizes, values = sizes[defined], values[defined]
    parameters, kind = (3, "with") if offset else (2, "without")
    if len(np.unique(sizes)) <= parameters:
        raise ValueError(
            f"a power law {kind} an offset needs at least {parameters + 1} different x that have "
            f"a value, not {len(np.unique(sizes))}"
        )
    if not (np.isfinite(sizes).all() and np.isfinite(values).all()):
        raise ValueError("x must be finite, and so must y where it is not NaN")
    if sizes.min() <= 0 or (not offset and values.min() <= 0):
        raise ValueError("x, and y unless the law has an offset, must be positive")
    return (_fit_with_offset if offset else _fit_in_logs)(sizes, values, left_out)


def _fit_in_logs(x: Float64, y: Float64, left_out: int) -> PowerLaw:
    position, level = np.log(x), np.log(y)
    line = linregress(position, level)
    residuals = level - line.intercept - line.slope * position
    centred = position - position.mean()
    degrees = len(x) - 2
    error = np.sqrt(residuals @ residuals / degrees / (centred @ centred))
    margin = t.ppf((1 + LEVEL) / 2, degrees) * error
    return PowerLaw(
        exponent=float(line.slope),
        coefficient=float(np.exp(line.intercept)),
        offset=0.0,
        r_squared=float(line.rvalue**2),
        interval=(float(line.slope - margin), float(line.slope + margin)),
        points=len(x),
        left_out=left_out,
    )


def _fit_with_offset(x: Float64, y: Float64, left_out: int) -> PowerLaw:
    if np.ptp(y) == 0:
        raise ValueError("all y are equal, which leaves the exponent of a law with an offset open")
    unit = np.exp(np.log(x).mean())  # else powers of parameter counts are far from 1
    exponent, interval = _profile(x / unit, y)
    line = linregress((x / unit) ** exponent, y)
    degenerate = [reason for end, reason in DEGENERATE.items() if np.isclose(exponent, end, 1e-3)]
    return PowerLaw(
        exponent=exponent,
        coefficient=float(line.slope * unit**-exponent),
        offset=float(line.intercept),
        r_squared=float(line.rvalue**2),
        interval=interval,
        points=len(x),
        left_out=left_out,
        degenerate="".join(degenerate),
    )


def _profile(x: Float64, y: Float64) -> tuple[float, tuple[float, float]]:
    """The exponent of the least-squares law with an offset, and its interval.

    A grid over the whole range finds the best stretch, thirds of it then the best point; and where
    the sum of squares passes its limit, which is then searched between two points of the grid.
    """
    grid = -np.geomspace(-STEEPEST, -FLATTEST, GRID)
    best = int(_squared_error(grid, x, y).argmin())

    def error(exponent: float) -> float:
        return float(_squared_error(np.array([exponent]), x, y)[0])

    low, high = grid[max(best - 1, 0)], grid[min(best + 1, GRID - 1)]
    for _ in range(50):
        third = (high - low) / 3
        left, right = _squared_error(np.array([low + third, high - third]), x, y)
        low, high = (low, high - third) if left < right else (low + third, high)
    exponent, degrees = float(low + high) / 2, len(x) - 3
    limit = error(exponent) * (1 + f.ppf(LEVEL, 1, degrees) / degrees)
    grid = np.sort(np.append(grid, exponent))  # the one that is inside for certain
    inside = np.flatnonzero((_squared_error(grid, x, y) <= limit) | (grid == exponent))
    ends = []
    for place, outside in ((inside[0], inside[0] - 1), (inside[-1], inside[-1] + 1)):
        end = grid[place]
        if 0 <= outside < len(grid):
            end = brentq(lambda at: error(at) - limit, end, grid[outside])
        ends.append(float(end))
    return exponent, (ends[0], ends[1])


def _squared_error(exponents: Float64, x: Float64, y: Float64) -> Float64:
    """Sum of squares that the line of y on x to each exponent leaves."""
    basis = x ** exponents[:, None]
    basis -= basis.mean(axis=1, keepdims=True)
    centred = y - y.mean()
    slopes = basis @ centred / (basis**2).sum(axis=1)
    return ((centred - slopes[:, None] * basis) ** 2).sum(axis=1)


@dataclass(frozen=True)
class Null:
    """The best constant effective rank: ``entropy`` in nats, ``effective_rank = exp(entropy)``.

    ``predicted`` is ``entropy / log d`` of every model, ``r_squared`` its share of the variance of
    the normalised entropy; it can be negative, as the null has no intercept.
    """

    entropy: float
    effective_rank: float
    predicted: Float64
    r_squared: float


def constant_rank_null(normalised_entropy: ArrayLike, width: ArrayLike) -> Null:
    """Least-squares fit of ``H / log d = c / log d`` with one constant c for all models.

    It says what the normalised entropy would be if no model had a higher rank than another.

    Parameters
    ----------
    normalised_entropy, width : array of shape (models,)
        ``H / log d`` and ``d``. NaN entropies are not fitted, but predicted.

    Examples
    --------
    >>> null = constant_rank_null(np.log(50) / np.log([512, 1024, 2048]), [512, 1024, 2048])
    >>> round(null.effective_rank, 6), round(null.r_squared, 6)
    (50.0, 1.0)
    """
    entropy = np.asarray(normalised_entropy, dtype=np.float64)
    inverse = 1 / np.log(np.asarray(width, dtype=np.float64))
    defined = ~np.isnan(entropy)
    constant = entropy[defined] @ inverse[defined] / (inverse[defined] @ inverse[defined])
    left = ((entropy - constant * inverse)[defined] ** 2).sum()
    total = ((entropy[defined] - entropy[defined].mean()) ** 2).sum()
    return Null(
        entropy=float(constant),
        effective_rank=float(rank_of_entropy(constant)),
        predicted=constant * inverse,
        r_squared=float(1 - left / total),
    )


@dataclass(frozen=True)
class Shares:
    """Shares of a change, with sum one; the one against the change is negative."""

    log_width: float
    raw_entropy: float


def share_of_log_d(normalised_entropy: ArrayLike, width: ArrayLike) -> Shares:
    """Parts of the change of ``log(H / log d)`` from the narrowest to the widest model.

    ``log(H / log d) = log H − log log d``: one part is the entropy's, the other the divisor's.

    Parameters
    ----------
    normalised_entropy, width : array of shape (models,)
        ``H / log d`` and ``d``, in any order. NaN entropies are left out.

    Raises
    ------
    ValueError
        If these two models have the same normalised entropy: there is no change to share.

    Examples
    --------
    >>> shares = share_of_log_d([0.6, 0.5], [1024, 4096])  # log d grows from 10 to 12 log 2
    >>> round(shares.log_width, 6), round(abs(shares.raw_entropy), 6)
    (1.0, 0.0)
    """
    entropy = np.asarray(normalised_entropy, dtype=np.float64)
    defined = ~np.isnan(entropy)
    entropy, widths = entropy[defined], np.asarray(width, dtype=np.float64)[defined]
    ends = [widths.argmin(), widths.argmax()]
    change = np.diff(np.log(entropy[ends])).item()
    if change == 0:
        raise ValueError("the narrowest and the widest model have the same normalised entropy")
    log_width = -np.diff(np.log(np.log(widths[ends]))).item() / change
    return Shares(log_width=log_width, raw_entropy=1 - log_width)
