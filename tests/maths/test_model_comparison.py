"""Models of a series against closed forms, general optimisers, likelihoods and made-up series."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.optimize import least_squares
from scipy.stats import norm
from scipy.stats import t as student

from matrix_entropy.maths.model_comparison import (
    MODELS,
    collinearity_of_size_and_width,
    compare_models,
    slope_of_rank,
)

WIDTH = np.array([128, 512, 768, 1024, 2048, 2048, 4096, 5120], dtype=float)
SIZE = np.array([14e6, 70e6, 160e6, 410e6, 1e9, 1.4e9, 6.9e9, 12e9])
NOISE = 0.01 * np.random.default_rng(3).standard_normal(len(SIZE))
FALLING = 0.35 + 0.4 * (SIZE / SIZE[0]) ** -0.4 + NOISE


def general(x: np.ndarray, y: np.ndarray, offset: bool) -> Callable[[np.ndarray], np.ndarray]:
    """Least squares by a general optimiser, from several starts, the coefficient as a logarithm."""

    def law(found: np.ndarray, at: np.ndarray) -> np.ndarray:
        return found[2] * offset + np.exp(found[0] + found[1] * np.log(at / x[0]))

    starts = ([np.log(np.ptp(y)), slope, y.min()] for slope in (-0.05, -0.3, -1))
    found = min(
        (
            least_squares(lambda b: law(b, x) - y, start, xtol=1e-15, ftol=1e-15, gtol=1e-15)
            for start in starts
        ),
        key=lambda one: one.cost,
    ).x
    return lambda at: law(found, at)


def through_the_origin(x: np.ndarray, y: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    slope = np.linalg.lstsq(x[:, None], y, rcond=None)[0]
    return lambda at: at * slope


ROUTES = {
    "null": (1 / np.log(WIDTH), through_the_origin),
    "law": (SIZE, lambda x, y: general(x, y, offset=False)),
    "offset_law": (SIZE, lambda x, y: general(x, y, offset=True)),
    "width_law": (WIDTH, lambda x, y: general(x, y, offset=False)),
}


@pytest.mark.parametrize("name", ROUTES)
def test_errors_at_left_out_points_are_those_of_another_route(name: str) -> None:
    x, fit = ROUTES[name]
    errors = []
    for place in range(len(x)):
        kept = np.arange(len(x)) != place
        errors.append(FALLING[place] - fit(x[kept], FALLING[kept])(x[~kept]).item())
    found = compare_models(SIZE, WIDTH, FALLING)[name].left_out_error
    assert found == pytest.approx(np.sqrt(np.mean(np.square(errors))), rel=1e-4)


def test_a_left_out_error_of_the_null_is_a_residual_over_what_it_leaves_free() -> None:
    """Of linear fits: e / (1 − h), without any refit."""
    x = 1 / np.log(WIDTH)
    residual = FALLING - x * (x @ FALLING) / (x @ x)
    errors = residual / (1 - x**2 / (x @ x))
    found = compare_models(SIZE, WIDTH, FALLING)["null"].left_out_error
    assert found == pytest.approx(np.sqrt(np.mean(errors**2)), rel=1e-10)


def test_criteria_differ_as_likelihoods_do() -> None:
    fits = compare_models(SIZE, WIDTH, FALLING)
    points, criteria = len(SIZE), {}
    for name, (x, fit) in ROUTES.items():
        residual = FALLING - fit(x, FALLING)(x)
        spread = np.sqrt(np.mean(residual**2))
        likelihood = norm.logpdf(residual, scale=spread).sum()
        counted = fits[name].parameters + 1
        small = 2 * counted * (counted + 1) / (points - counted - 1)
        criteria[name] = 2 * counted - 2 * likelihood + small
    for name, fit in fits.items():
        expected = criteria[name] - criteria["null"]
        assert fit.aicc - fits["null"].aicc == pytest.approx(expected, abs=1e-4)


def test_degrees_of_freedom() -> None:
    found = {name: fit.degrees for name, fit in compare_models(SIZE, WIDTH, FALLING).items()}
    assert found == {"null": 7, "law": 6, "offset_law": 5, "width_law": 6}
    assert set(found) == set(MODELS)


@pytest.mark.parametrize(
    ("name", "truth"),
    [
        ("null", 4 / np.log(WIDTH)),
        ("law", 3 * SIZE**-0.1),
        ("offset_law", 0.4 + 0.5 * (SIZE / SIZE[0]) ** -0.8),
        ("width_law", 3 * WIDTH**-0.3),
    ],
)
def test_the_model_that_made_a_series_is_the_best(name: str, truth: np.ndarray) -> None:
    """Of 10 series with little noise: by AICc and by left-out points, nearly always."""
    random = np.random.default_rng(0)
    won = {"aicc": 0, "left_out_error": 0}
    for _ in range(10):
        fits = compare_models(SIZE, WIDTH, truth + 0.002 * random.standard_normal(len(SIZE)))
        for criterion in won:
            won[criterion] += name == min(fits, key=lambda one: getattr(fits[one], criterion))
    assert won["aicc"] >= 9
    assert won["left_out_error"] >= 6


def test_size_and_width_in_step_cannot_be_told_apart() -> None:
    size = 12 * WIDTH**2
    found = collinearity_of_size_and_width(size[1:], WIDTH[1:] * (1 + 0.01 * NOISE[1:]))
    assert found.correlation == pytest.approx(1, abs=1e-4)
    fits = compare_models(np.delete(size, 5), np.delete(WIDTH, 5), np.delete(FALLING, 5))
    assert fits["law"].aicc == pytest.approx(fits["width_law"].aicc, abs=1e-6)


def test_variance_inflation_is_the_diagonal_of_the_inverse_correlations() -> None:
    found = collinearity_of_size_and_width(SIZE, WIDTH)
    correlations = np.corrcoef(np.log(SIZE), np.log(WIDTH))
    assert found.correlation == pytest.approx(correlations[0, 1])
    assert found.variance_inflation == pytest.approx(np.linalg.inv(correlations)[0, 0])


def test_the_slope_of_the_rank_is_that_of_the_normal_equations() -> None:
    found = slope_of_rank(SIZE, WIDTH, FALLING)
    design = np.column_stack([np.ones(len(SIZE)), np.log(SIZE)])
    inverse, entropy = np.linalg.inv(design.T @ design), FALLING * np.log(WIDTH)
    best = inverse @ design.T @ entropy
    left = entropy - design @ best
    t = best[1] / np.sqrt(left @ left / 6 * inverse[1, 1])
    expected = (best[1], t, 2 * student.sf(abs(t), 6), 6)
    assert (found.slope, found.t, found.p, found.degrees) == pytest.approx(expected, rel=1e-8)


def test_a_constant_rank_is_rejected_as_often_as_it_should_be() -> None:
    random, draws = np.random.default_rng(5), 1000
    entropies = 4 + 0.1 * random.standard_normal((draws, len(SIZE)))
    found = np.array([slope_of_rank(SIZE, WIDTH, row / np.log(WIDTH)).p for row in entropies])
    assert np.mean(found < 0.05) == pytest.approx(0.05, abs=4 * np.sqrt(0.05 * 0.95 / draws))


def test_missing_entropies_are_left_out() -> None:
    entropy = FALLING.copy()
    entropy[2] = np.nan
    kept = np.delete(np.arange(len(SIZE)), 2)
    alone = SIZE[kept], WIDTH[kept], FALLING[kept]
    assert compare_models(SIZE, WIDTH, entropy) == compare_models(*alone)
    assert slope_of_rank(SIZE, WIDTH, entropy) == slope_of_rank(*alone)


def test_too_few_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 6 different sizes that have an entropy, not 5"):
        compare_models(SIZE[:5], WIDTH[:5], FALLING[:5])
    with pytest.raises(ValueError, match="at least three models"):
        slope_of_rank(SIZE[:2], WIDTH[:2], FALLING[:2])
    with pytest.raises(ValueError, match="of two sizes"):
        slope_of_rank([1e9] * 4, WIDTH[:4], FALLING[:4])
