"""Power laws against laws made up, closed forms and the published numbers; the null models."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import curve_fit
from scipy.stats import f as fisher
from scipy.stats import linregress

from matrix_entropy.maths.scaling import (
    PowerLaw,
    constant_rank_null,
    fit_power_law,
    share_of_log_d,
)
from matrix_entropy.published.tables import published_values

CEREBRAS = {
    "111M": 768,
    "256M": 1088,
    "590M": 1536,
    "1.3B": 2048,
    "2.7B": 2560,
    "6.7B": 4096,
    "13B": 5120,
}
PYTHIA = {
    "14M": 128,
    "31M": 256,
    "70M": 512,
    "160M": 768,
    "410M": 1024,
    "1B": 2048,
    "1.4B": 2048,
    "2.8B": 2560,
    "6.9B": 4096,
    "12B": 5120,
}
PRETRAINING = ["dolly-15k", "wikipedia", "openwebtext2", "hh-rlhf"]
BENCHMARKS = ["openbookqa", "winogrande", "piqa"]
SERIES = [
    *((8, dataset) for dataset in PRETRAINING),
    *((1, dataset) for dataset in BENCHMARKS),
    *((9, dataset) for dataset in PRETRAINING),
]
SIZES = np.array([1e8, 3e8, 1e9, 3e9, 1e10, 3e10, 1e11, 3e11])


def parameters(sizes: pd.Series) -> np.ndarray:
    return np.array([float(size[:-1]) * {"M": 1e6, "B": 1e9}[size[-1]] for size in sizes])


def series(table: int, dataset: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Parameters, widths and published normalised entropies of a family on a data set."""
    values = published_values("wei2024", table)
    values = values[(values["dataset"] == dataset) & (values["indicator"] == "matrix_entropy")]
    width = values["size"].map(PYTHIA if table == 9 else CEREBRAS)
    return parameters(values["size"]), width.to_numpy(), values["value"].to_numpy()


def tan_entropy(normalised_entropy: np.ndarray, width: np.ndarray) -> np.ndarray:
    """Tan 2024, eq. (1) with ε = 0.1, for r / d = effective rank / d."""
    ratio = width ** (normalised_entropy - 1)
    return ratio * np.log(1 + 100 / ratio) / np.log(101)


# Laws that are known


@pytest.mark.parametrize("exponent", [-1.5, -0.3, -0.02, 0.0, 0.4, 2.0])
@pytest.mark.parametrize("unit", [1.0, 1e-9])
def test_a_law_is_found_again(exponent: float, unit: float) -> None:
    sizes = SIZES * unit
    law = fit_power_law(sizes, 3.5 * sizes**exponent)
    assert law.exponent == pytest.approx(exponent, abs=1e-10)
    assert law.coefficient == pytest.approx(3.5, rel=1e-9)
    assert (law.offset, law.points, law.left_out, law.degenerate) == (0, 8, 0, "")
    assert law.interval == pytest.approx((exponent, exponent), abs=1e-9)


@pytest.mark.parametrize("exponent", [-2.9, -2.5, -1.0, -0.3, -0.05])
@pytest.mark.parametrize(("offset", "at_first"), [(0.0, 2.0), (1.7, 0.8), (-0.3, 0.5), (5.0, -4.0)])
def test_a_law_with_an_offset_is_found_again(
    exponent: float, offset: float, at_first: float
) -> None:
    """Falling and rising, with a positive, zero or negative limit; no start value is given."""
    y = offset + at_first * (SIZES / SIZES[0]) ** exponent
    law = fit_power_law(SIZES, y, offset=True)
    assert law.exponent == pytest.approx(exponent, abs=1e-6)
    assert law.offset == pytest.approx(offset, abs=1e-4)
    assert law.r_squared == pytest.approx(1, abs=1e-12)
    assert law.degenerate == ""
    np.testing.assert_allclose(law(SIZES), y, atol=1e-9)


def test_the_law_is_evaluated_by_its_formula() -> None:
    law = PowerLaw(-0.5, 6.0, 1.0, 1.0, (np.nan, np.nan), 4)
    np.testing.assert_allclose(law([1, 4, 9]), [7, 4, 3])


@pytest.mark.parametrize("seed", range(4))
def test_an_offset_fit_is_the_least_squares_of_a_general_optimiser(seed: int) -> None:
    random = np.random.default_rng(seed)
    x = np.geomspace(0.1, 13, 7)
    y = 0.4 + 0.2 * x**-0.3 + 0.004 * random.standard_normal(7)
    law = fit_power_law(x, y, offset=True)

    def general(x: np.ndarray, offset: float, coefficient: float, exponent: float) -> np.ndarray:
        return offset + coefficient * x**exponent

    best, _ = curve_fit(general, x, y, p0=[0.4, 0.2, -0.3], maxfev=20000)
    assert (law.offset, law.coefficient, law.exponent) == pytest.approx(tuple(best), rel=1e-4)
    left = ((y - law(x)) ** 2).sum()
    assert law.r_squared == pytest.approx(1 - left / ((y - y.mean()) ** 2).sum())


def test_r_squared_without_an_offset_is_that_in_logs() -> None:
    y = np.array([5.0, 4.2, 3.1, 2.9, 2.0, 1.9, 1.4, 1.2])
    law = fit_power_law(SIZES, y)
    left = ((np.log(y) - np.log(law(SIZES))) ** 2).sum()
    assert law.r_squared == pytest.approx(1 - left / ((np.log(y) - np.log(y).mean()) ** 2).sum())


# Where there is no law with an offset


def test_a_logarithm_is_reported() -> None:
    law = fit_power_law(SIZES, 30 - np.log(SIZES), offset=True)
    assert law.exponent == pytest.approx(-0.01)
    assert "line in log x" in law.degenerate


def test_a_step_is_reported() -> None:
    law = fit_power_law(SIZES, [2.0, 1, 1, 1, 1, 1, 1, 1], offset=True)
    assert law.exponent == pytest.approx(-3)
    assert "only the smallest x differs" in law.degenerate


# Intervals


def test_interval_is_that_of_the_normal_theory() -> None:
    y = 2 * SIZES**-0.3 * np.exp(0.1 * np.random.default_rng(0).standard_normal(8))
    law = fit_power_law(SIZES, y)
    line = linregress(np.log(SIZES), np.log(y))
    margin = 2.446912 * line.stderr  # Student's t, 6 degrees of freedom, from a printed table
    expected = line.slope - margin, line.slope + margin
    assert law.interval == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("noise", [0.004, 0.03])
def test_interval_with_an_offset_holds_what_an_f_test_leaves(noise: float) -> None:
    """Every exponent in turn held, against the best one of a general optimiser."""
    x = np.geomspace(0.1, 13, 7)
    y = 0.4 + 0.2 * x**-0.5 + noise * np.random.default_rng(2).standard_normal(7)
    law = fit_power_law(x, y, offset=True)

    def left(exponent: float) -> float:
        return float(np.linalg.lstsq(np.column_stack([np.ones(7), x**exponent]), y)[1][0])

    least = left(law.exponent)
    exponents = np.linspace(-2.9999, -0.0101, 6000)
    p = [fisher.sf(4 * (left(at) / least - 1), 1, 4) for at in exponents]
    kept = exponents[np.array(p) >= 0.05]
    assert law.interval == pytest.approx((kept.min(), kept.max()), abs=1e-3)


# With 1000 laws a share of 0.95 has the standard deviation 0.007, and 0.02 is nearly three of it.
LAWS = 1000


@pytest.mark.parametrize("points", [3, 5, 7, 10])
@pytest.mark.parametrize("exponent", [-0.3, 0.07])
def test_interval_covers_the_truth_as_often_as_it_says(exponent: float, points: int) -> None:
    random = np.random.default_rng(points)
    x = np.geomspace(0.1, 13, points)
    covered = 0
    for _ in range(LAWS):
        y = x**exponent * np.exp(0.02 * random.standard_normal(points))
        low, high = fit_power_law(x, y).interval
        covered += low <= exponent <= high
    assert covered / LAWS == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize("points", [5, 7, 10])
def test_interval_with_an_offset_covers_the_truth_as_often_as_it_says(points: int) -> None:
    random = np.random.default_rng(points)
    x = np.geomspace(0.1, 13, points)
    covered = 0
    for _ in range(LAWS):
        y = 1 + x**-0.6 + 0.05 * random.standard_normal(points)
        low, high = fit_power_law(x, y, offset=True).interval
        covered += low <= -0.6 <= high
    assert covered / LAWS == pytest.approx(0.95, abs=0.02)


def test_an_interval_is_open_where_noise_hides_the_curve() -> None:
    """Then it holds the truth more often than it says, and ends where the range does."""
    random = np.random.default_rng(0)
    x = np.geomspace(0.1, 13, 7)
    ends = []
    for _ in range(100):
        y = 1 + x**-0.3 + 0.5 * random.standard_normal(7)
        ends.append(fit_power_law(x, y, offset=True).interval)
    low, high = np.array(ends).T
    assert np.mean((low <= -0.3) & (high >= -0.3)) >= 0.93
    assert np.mean(np.isclose(low, -3) | np.isclose(high, -0.01)) > 0.8


@pytest.mark.parametrize(("offset", "points"), [(False, 3), (True, 4)])
def test_one_point_to_spare_gives_an_interval_and_a_wide_one(offset: bool, points: int) -> None:
    y = [5.0, 3.0, 2.2, 1.9]
    law = fit_power_law(SIZES[:points], y[:points], offset)
    more = fit_power_law(SIZES, [*y, 1.6, 1.5, 1.45, 1.4], offset)
    assert np.ptp(law.interval) > 2 * np.ptp(more.interval) > 0


# Input


def test_missing_values_are_left_out_and_counted() -> None:
    y = 2 * SIZES**-0.3
    y[[0, 4]] = np.nan
    law = fit_power_law(SIZES, y)
    assert (law.points, law.left_out) == (6, 2)
    assert law.exponent == pytest.approx(-0.3)


@pytest.mark.parametrize(
    ("x", "y", "offset", "message"),
    [
        ([1, 2], [2, 1], False, "at least 3 different x"),
        ([1, 2, 3], [2, 1, np.nan], False, "not 2"),
        ([1, 2, 2, 2], [2, 1, 1, 1], False, "not 2"),
        ([1, 2, 3], [3, 2, 1], True, "with an offset needs at least 4"),
        ([1, 2, 3], [3, 2], False, "equally long"),
        ([[1, 2, 3]], [[3, 2, 1]], False, "one-dimensional"),
        ([0, 1, 2], [3, 2, 1], False, "positive"),
        ([1, 2, 3], [3, 2, 0], False, "positive"),
        ([0, 1, 2, 3], [3, 2, 1, 1], True, "positive"),
        ([1, 2, 3], [3, 2, np.inf], False, "finite"),
        ([1, 2, np.nan], [3, 2, 1], False, "finite"),
        ([1, 2, 3, 4], [2, 2, 2, 2], True, "all y are equal"),
    ],
)
def test_bad_input_is_said(x: list, y: list, offset: bool, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit_power_law(x, y, offset)


def test_negative_values_have_laws_with_an_offset() -> None:
    law = fit_power_law(SIZES, 1e3 * SIZES**-0.5 - 2, offset=True)
    assert law.offset == pytest.approx(-2, abs=1e-5)


# The published numbers

# Per data set: exponent and R² of H / log d, the null's R², percent of the change due to log d.
ENTROPY = {
    (8, "dolly-15k"): (-0.043, 0.990, 0.929, 121),
    (8, "wikipedia"): (-0.039, 0.973, 0.812, 135),
    (8, "openwebtext2"): (-0.038, 0.971, 0.794, 141),
    (8, "hh-rlhf"): (-0.046, 0.986, 0.952, 117),
    (1, "openbookqa"): (-0.054, 0.998, 0.995, 98),
    (1, "winogrande"): (-0.054, 0.997, 0.991, 98),
    (1, "piqa"): (-0.053, 0.998, 0.996, 100),
    (9, "dolly-15k"): (-0.068, 0.969, 0.942, 123),
    (9, "wikipedia"): (-0.065, 0.968, 0.900, 130),
    (9, "openwebtext2"): (-0.062, 0.979, 0.830, 139),
    (9, "hh-rlhf"): (-0.079, 0.975, 0.967, 107),
}


@pytest.mark.parametrize(("table", "dataset"), SERIES)
def test_published_entropies_follow_a_law_and_so_does_the_null(table: int, dataset: str) -> None:
    size, width, entropy = series(table, dataset)
    exponent, r_squared, null_r_squared, share = ENTROPY[table, dataset]
    law = fit_power_law(size, entropy)
    assert law.exponent == pytest.approx(exponent, abs=5.1e-4)
    assert law.r_squared == pytest.approx(r_squared, abs=5.1e-4)
    assert law.interval[0] < law.exponent < law.interval[1] < 0
    assert constant_rank_null(entropy, width).r_squared == pytest.approx(null_r_squared, abs=5.1e-4)
    assert 100 * share_of_log_d(entropy, width).log_width == pytest.approx(share, abs=0.51)


@pytest.mark.parametrize(("table", "dataset"), SERIES)
def test_published_entropies_of_cerebras_on_pretraining_texts_show_no_limit(
    table: int, dataset: str
) -> None:
    size, _, entropy = series(table, dataset)
    law = fit_power_law(size, entropy, offset=True)
    assert bool(law.degenerate) == (table == 8)
    if table == 9:
        assert 0.9895 < law.r_squared < 0.9955


# Tan 2024, Figure 1: exponent and R² of eq. (1), then exponent, L₀ and R² with an offset.
TAN = {
    (8, "dolly-15k"): (-0.315, 0.995, -0.223, -0.021, 0.998),
    (8, "wikipedia"): (-0.295, 0.989, -0.158, -0.053, 0.998),
    (8, "openwebtext2"): (-0.289, 0.987, -0.126, -0.101, 0.995),
    (8, "hh-rlhf"): (-0.328, 0.995, -0.233, -0.018, 0.997),
    (9, "dolly-15k"): (-0.417, 0.989, -0.519, 0.014, 0.999),
    (9, "wikipedia"): (-0.402, 0.988, -0.467, 0.011, 0.999),
    (9, "openwebtext2"): (-0.387, 0.992, -0.390, -0.002, 0.998),
    (9, "hh-rlhf"): (-0.455, 0.990, -0.524, 0.007, 0.999),
}


@pytest.mark.parametrize(("table", "dataset"), TAN)
def test_laws_of_tan_figure_1(table: int, dataset: str) -> None:
    size, width, entropy = series(table, dataset)
    y = tan_entropy(entropy, width)
    law, limited = fit_power_law(size, y), fit_power_law(size, y, offset=True)
    found = law.exponent, law.r_squared, limited.exponent, limited.offset, limited.r_squared
    assert found == pytest.approx(TAN[table, dataset], abs=6e-4)


@pytest.mark.parametrize(
    ("table", "widths", "exponent", "r_squared"),
    [(8, CEREBRAS, -0.348, 0.997), (9, PYTHIA, -0.449, 0.981)],
)
def test_a_constant_rank_follows_a_power_law_as_well(
    table: int, widths: dict[str, int], exponent: float, r_squared: float
) -> None:
    size, width, _ = series(table, "dolly-15k")
    law = fit_power_law(size, tan_entropy(np.log(55) / np.log(width), width))
    assert (law.exponent, law.r_squared) == pytest.approx((exponent, r_squared), abs=6e-4)


RANKS = {
    (8, "dolly-15k"): [53.0, 59.3, 60.1, 65.1, 61.1, 67.5, 63.4],
    (8, "wikipedia"): [60.6, 70.0, 73.0, 82.4, 76.3, 86.9, 79.7],
    (8, "openwebtext2"): [76.4, 92.8, 94.9, 108.1, 99.0, 113.0, 106.3],
    (8, "hh-rlhf"): [45.7, 51.4, 50.7, 55.5, 49.5, 54.8, 52.6],
    (1, "openbookqa"): [10.8, 10.9, 10.8, 11.0, 10.5, 10.7, 10.6],
    (1, "winogrande"): [15.0, 15.4, 15.2, 15.6, 14.6, 15.2, 14.7],
    (1, "piqa"): [15.9, 16.3, 16.0, 16.5, 15.6, 16.1, 16.0],
    (9, "dolly-15k"): [42.6, 52.9, 65.6, 63.3, 54.2, 58.1, 57.3, 62.2, 64.2, 64.4],
    (9, "wikipedia"): [47.1, 62.0, 78.9, 79.2, 65.8, 70.6, 70.8, 78.1, 83.1, 80.6],
    (9, "openwebtext2"): [52.0, 73.5, 99.3, 103.3, 85.3, 93.0, 91.0, 101.5, 104.6, 102.2],
    (9, "hh-rlhf"): [41.4, 51.7, 61.7, 58.6, 46.9, 47.2, 46.4, 49.7, 49.8, 47.8],
}


@pytest.mark.parametrize(("table", "dataset"), SERIES)
def test_published_entropies_as_effective_ranks_do_not_fall(table: int, dataset: str) -> None:
    """From the smallest to the largest model the rank is flat or rises; log d makes the fall."""
    _, width, entropy = series(table, dataset)
    rank = np.exp(entropy * np.log(width))
    np.testing.assert_allclose(rank, RANKS[table, dataset], atol=0.051)
    assert rank.min() < constant_rank_null(entropy, width).effective_rank < rank.max()
    assert rank[-1] > 0.97 * rank[0]
    assert entropy[-1] < 0.85 * entropy[0]


# The null models


def test_null_is_the_line_through_the_origin() -> None:
    _, width, entropy = series(1, "piqa")
    null = constant_rank_null(entropy, width)
    slope = np.linalg.lstsq(1 / np.log(width)[:, None], entropy, rcond=None)[0].item()
    assert null.entropy == pytest.approx(slope)
    np.testing.assert_allclose(null.predicted, slope / np.log(width))


def test_null_leaves_out_missing_values_but_predicts_them() -> None:
    width = np.array([128, 512, 2048])
    entropy = np.log(30) / np.log(width) + [0.1, 0.0, -0.1]
    entropy[1] = np.nan
    null = constant_rank_null(entropy, width)
    kept = constant_rank_null(entropy[[0, 2]], width[[0, 2]])
    assert (null.entropy, null.r_squared) == (kept.entropy, kept.r_squared)
    assert np.isfinite(null.predicted).all()


def test_shares_of_a_constant_entropy_and_of_a_constant_width_ratio() -> None:
    width = np.array([256, 65536, 1024])  # log d doubles from the first to the second
    assert share_of_log_d(np.log(40) / np.log(width), width).log_width == pytest.approx(1)
    # If H / log d falls by a root of two only, raw entropy rose by as much.
    shares = share_of_log_d([0.8, 0.8 / np.sqrt(2), np.nan], width)
    assert (shares.log_width, shares.raw_entropy) == pytest.approx((2, -1))


def test_no_change_has_no_shares() -> None:
    with pytest.raises(ValueError, match="same normalised entropy"):
        share_of_log_d([0.5, 0.5], [256, 512])
