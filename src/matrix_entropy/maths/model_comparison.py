"""What a few sizes can say for and against models of the normalised entropy ``H / log d``.

Four models, each with errors of one variance in ``H / log d`` itself, so that their criteria are
on one scale: the null of a constant effective rank, ``c / log d``; a power law of the number of
parameters, ``k Pᵅ``; one with an offset, ``L₀ + k Pᵅ`` (Wei et al. 2024, eq. 3); and a power law of
the width alone, ``k dᵝ``, which knows nothing of size and has as many parameters as that of size.
Beside them stand the test of a rank that does not change with size, and how far size and width can
be told apart at all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import curve_fit
from scipy.stats import linregress

from matrix_entropy.maths.scaling import constant_rank_null, fit_power_law

Float64 = NDArray[np.float64]
Law = Callable[[Float64, Float64], Float64]

LEAST_SIZES = 6  # with fewer the AICc of the largest model is not defined


@dataclass(frozen=True)
class ModelFit:
    """How a model fits a series, and how it predicts what it was not fitted to.

    ``parameters`` counts those of the curve, ``degrees`` is the points less these. ``aicc`` is
    Akaike's criterion corrected for few points (Hurvich and Tsai 1989),
    ``n log(RSS / n) + 2 K + 2 K (K + 1) / (n − K − 1)``, where K also counts the variance; only
    differences of it between models of one series mean anything, and the smallest is the best.
    ``left_out_error`` is the root mean square of the errors at the points, each predicted by the
    fit to all others.
    """

    parameters: int
    degrees: int
    aicc: float
    left_out_error: float


def compare_models(
    size: ArrayLike, width: ArrayLike, normalised_entropy: ArrayLike
) -> dict[str, ModelFit]:
    """Fits of the models ``null``, ``law``, ``offset_law`` and ``width_law`` to one series.

    The exponent of the law with an offset is looked for where `fit_power_law` looks for it.

    Parameters
    ----------
    size, width, normalised_entropy : array of shape (models,)
        Numbers of parameters, ``d`` and ``H / log d``; NaN entropies are left out.

    Raises
    ------
    ValueError
        If fewer than six different sizes have an entropy, or these are all equal.

    Examples
    --------
    >>> width = np.array([512, 768, 1024, 2048, 2560, 4096, 5120])
    >>> size = 100 * width**2.0
    >>> noise = 0.001 * np.array([1, -1, 1, 1, -1, -1, 1])
    >>> fits = compare_models(size, width, 4 / np.log(width) + noise)
    >>> min(fits, key=lambda name: fits[name].aicc), fits["null"].degrees
    ('null', 6)
    """
    entropies = np.asarray(normalised_entropy, dtype=np.float64)
    known = ~np.isnan(entropies)
    entropies = entropies[known]
    sizes, widths = (np.asarray(values, dtype=np.float64)[known] for values in (size, width))
    if len(np.unique(sizes)) < LEAST_SIZES:
        raise ValueError(
            f"a comparison of models needs at least {LEAST_SIZES} different sizes that have an "
            f"entropy, not {len(np.unique(sizes))}"
        )
    return {
        name: _model_fit(fit, parameters, sizes, widths, entropies)
        for name, (fit, parameters) in MODELS.items()
    }


def _null(size: Float64, width: Float64, entropy: Float64) -> Law:
    constant = constant_rank_null(entropy, width).entropy
    return lambda size, width: constant / np.log(width)


def _law(size: Float64, width: Float64, entropy: Float64) -> Law:
    law = _power_law(size, entropy)
    return lambda size, width: law(size)


def _width_law(size: Float64, width: Float64, entropy: Float64) -> Law:
    law = _power_law(width, entropy)
    return lambda size, width: law(width)


def _power_law(x: Float64, entropy: Float64) -> Callable[[Float64], Float64]:
    """Least squares in the entropy, where `fit_power_law` has them in its logarithm."""
    unit = np.exp(np.log(x).mean())

    def power(x: Float64, coefficient: float, exponent: float) -> Float64:
        return coefficient * (x / unit) ** exponent

    line = linregress(np.log(x / unit), np.log(entropy))
    best, _ = curve_fit(power, x, entropy, p0=(np.exp(line.intercept), line.slope))
    return lambda x: power(x, *best)


def _offset_law(size: Float64, width: Float64, entropy: Float64) -> Law:
    law = fit_power_law(size, entropy, offset=True)
    return lambda size, width: law(size)


MODELS = {
    "null": (_null, 1),
    "law": (_law, 2),
    "offset_law": (_offset_law, 3),
    "width_law": (_width_law, 2),
}


def _model_fit(
    fit: Callable[[Float64, Float64, Float64], Law],
    parameters: int,
    size: Float64,
    width: Float64,
    entropy: Float64,
) -> ModelFit:
    points = len(entropy)
    left = entropy - fit(size, width, entropy)(size, width)
    errors = []
    for place in range(points):
        kept = np.arange(points) != place
        predicted = fit(size[kept], width[kept], entropy[kept])(size[~kept], width[~kept])
        errors.append(entropy[place] - predicted.item())
    counted = parameters + 1  # and the variance
    with np.errstate(divide="ignore"):  # a fit without a residual has the criterion −∞
        likelihood = points * np.log(left @ left / points)
    return ModelFit(
        parameters=parameters,
        degrees=points - parameters,
        aicc=float(likelihood + 2 * counted * points / (points - counted - 1)),
        left_out_error=float(np.sqrt(np.mean(np.square(errors)))),
    )


@dataclass(frozen=True)
class Slope:
    """Slope of a line with its t and its two-sided p against zero, of ``degrees`` of freedom."""

    slope: float
    t: float
    p: float
    degrees: int


def slope_of_rank(size: ArrayLike, width: ArrayLike, normalised_entropy: ArrayLike) -> Slope:
    """Line of the log effective rank, ``H``, on the log number of parameters; zero is the null.

    The t test supposes independent normal errors of one variance. NaN entropies are left out.

    Raises
    ------
    ValueError
        If fewer than three models have an entropy, or these have one size.

    Examples
    --------
    >>> found = slope_of_rank([1e8, 1e9, 1e10, 1e11], [100] * 4, np.array([2, 3, 3, 2]) / 10)
    >>> abs(round(found.slope, 6)), found.degrees
    (0.0, 2)
    """
    entropies = np.asarray(normalised_entropy, dtype=np.float64)
    known = ~np.isnan(entropies)
    sizes, widths = (np.asarray(values, dtype=np.float64)[known] for values in (size, width))
    if known.sum() < 3 or np.ptp(sizes) == 0:
        raise ValueError("a slope needs at least three models that have an entropy, of two sizes")
    line = linregress(np.log(sizes), entropies[known] * np.log(widths))
    return Slope(
        slope=float(line.slope),
        t=float(line.slope / line.stderr),
        p=float(line.pvalue),
        degrees=int(known.sum()) - 2,
    )


@dataclass(frozen=True)
class Collinearity:
    """Correlation of two regressors and their variance inflation factor ``1 / (1 − r²)``.

    In a line on both, the variance of either slope is that factor times what it would be if they
    were uncorrelated.
    """

    correlation: float
    variance_inflation: float


def collinearity_of_size_and_width(size: ArrayLike, width: ArrayLike) -> Collinearity:
    """Correlation of log number of parameters and log width, and its variance inflation factor.

    Examples
    --------
    >>> found = collinearity_of_size_and_width([1, 10, 100, 1000], [1, 10, 10, 1])
    >>> abs(round(found.correlation, 6)), round(found.variance_inflation, 6)
    (0.0, 1.0)
    """
    r = float(np.corrcoef(np.log(np.asarray(size, float)), np.log(np.asarray(width, float)))[0, 1])
    return Collinearity(correlation=r, variance_inflation=1 / (1 - r**2))
