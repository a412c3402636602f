"""Proofs of errata to Wei et al. 2024 and Tan et al. 2024 about size, width and entropy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import f as fisher
from scipy.stats import linregress, spearmanr
from scipy.stats import t as student

from matrix_entropy.maths.entropy import effective_rank, matrix_entropy
from matrix_entropy.maths.scaling import fit_power_law, share_of_log_d
from matrix_entropy.maths.spectra import spectrum
from matrix_entropy.published.tables import published_models, published_values

LANGUAGE = ("dolly-15k", "wikipedia", "openwebtext2", "hh-rlhf")
BENCHMARKS = ("openbookqa", "winogrande", "piqa")
SERIES = [
    *((8, dataset) for dataset in LANGUAGE),
    *((1, dataset) for dataset in BENCHMARKS),
    *((9, dataset) for dataset in LANGUAGE),
]
PYTHIA_SIZES = ("14M", "31M", "70M", "160M", "410M", "1B", "1.4B", "2.8B", "6.9B", "12B")
PYTHIA_BLOCKS = dict(zip(PYTHIA_SIZES, (6, 6, 6, 12, 24, 16, 24, 32, 32, 36), strict=True))


def printed(table: int, dataset: str, indicator: str = "matrix_entropy") -> pd.DataFrame:
    """An indicator with ``parameters`` and ``width``, a row per size, the smallest first."""
    values = published_values("wei2024", table).merge(
        published_models(), on=["model_family", "size"], validate="many_to_one"
    )
    chosen = (values["dataset"] == dataset) & (values["indicator"] == indicator)
    return values[chosen].set_index("size").sort_values("parameters", kind="stable")


def line(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.polyval(np.polyfit(x, y, 1), x)


def test_ranks_that_rise_with_size() -> None:
    """Slopes of log exp H on log size: six differ from zero, all of them upwards; alone at 5 %."""
    slopes = {}
    for series in SERIES:
        values = printed(*series)
        entropy = values["value"] * np.log(values["width"])
        slopes[series] = linregress(np.log(values["parameters"]), entropy)
    clear = {series: fit.slope for series, fit in slopes.items() if fit.pvalue < 0.05}
    assert list(clear) == [*SERIES[:3], *SERIES[7:10]]
    assert (min(clear.values()), max(clear.values())) == pytest.approx((0.037, 0.068), abs=6e-4)
    assert min(fit.pvalue for fit in slopes.values()) > 0.05 / len(SERIES)
    openbookqa = printed(1, "openbookqa")
    ranks = openbookqa["width"] ** openbookqa["value"]
    assert spearmanr(openbookqa["parameters"], ranks).pvalue == pytest.approx(0.12, abs=1e-3)


# Root mean square error of a size that is left out: of the law, and of the null.
LEFT_OUT = [
    *[(0.0057, 0.0119), (0.0089, 0.0182), (0.0102, 0.0201), (0.0065, 0.0101)],
    *[(0.0017, 0.0022), (0.0022, 0.0033), (0.0019, 0.0024)],
    *[(0.0203, 0.0267), (0.0192, 0.0345), (0.0145, 0.0446), (0.0191, 0.0218)],
]


@pytest.mark.parametrize(("series", "expected"), list(zip(SERIES, LEFT_OUT, strict=True)))
def test_the_law_predicts_a_left_out_size_better_than_the_null(
    series: tuple[int, str], expected: tuple[float, float]
) -> None:
    """Each size in turn from all others: a power law of size, and one constant over log d."""
    values = printed(*series)
    size, y = np.log(values["parameters"].to_numpy()), values["value"].to_numpy()
    inverse = 1 / np.log(values["width"].to_numpy())
    errors = []
    for left in range(len(y)):
        kept = np.arange(len(y)) != left
        law = np.exp(np.polyval(np.polyfit(size[kept], np.log(y[kept]), 1), size[left]))
        constant = inverse[kept] @ y[kept] / (inverse[kept] @ inverse[kept])
        errors.append([y[left] - law, y[left] - constant * inverse[left]])
    law_error, null_error = np.sqrt(np.mean(np.square(errors), axis=0))
    assert (law_error, null_error) == pytest.approx(expected, abs=6e-5)
    assert law_error < null_error


@pytest.mark.parametrize(("table", "correlation"), [(8, 0.999), (9, 0.989)])
def test_log_width_is_a_line_in_log_size(table: int, correlation: float) -> None:
    values = printed(table, "dolly-15k")
    both = np.log(values[["parameters", "width"]].to_numpy().T)
    assert np.corrcoef(both)[0, 1] == pytest.approx(correlation, abs=6e-4)


def test_share_of_log_d_up_to_the_largest_size_but_one() -> None:
    shares = []
    for series in SERIES:
        values = printed(*series).iloc[:-1]
        shares.append(100 * share_of_log_d(values["value"], values["width"]).log_width)
    assert (min(shares), max(shares)) == pytest.approx((99, 162), abs=0.5)


def externally_studentised(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Residuals of a line over their errors, without the point itself; and the line."""
    design = np.column_stack([np.ones(len(x)), x])
    hat = design @ np.linalg.pinv(design)
    left, share = y - hat @ y, np.diag(hat)
    without = (left @ left - left**2 / (1 - share)) / (len(x) - 3)
    return left / np.sqrt(without * (1 - share)), hat @ y


@pytest.mark.parametrize(
    ("dataset", "nominal", "of_blocks", "seen"),
    [
        ("dolly-15k", (-0.068, -1.9, -0.0127), (-0.051, -3.5, -0.0113), -0.0019),
        ("wikipedia", (-0.065, -2.3, -0.0127), (-0.048, -3.4, -0.0113), 0.0003),
        ("openwebtext2", (-0.062, -2.6, -0.0128), (-0.046, -2.2, -0.0113), -0.0028),
        ("hh-rlhf", (-0.079, -2.2, -0.0140), (-0.059, -3.2, -0.0124), -0.0022),
    ],
)
def test_pythia_1b_lies_off_the_law_and_the_law_fails_there(
    dataset: str,
    nominal: tuple[float, float, float],
    of_blocks: tuple[float, float, float],
    seen: float,
) -> None:
    """Exponent, studentised residual of 1B, and the change from 1B to 1.4B that the law has."""
    values = printed(9, dataset)
    blocks = 12 * values.index.map(PYTHIA_BLOCKS).to_numpy() * values["width"].to_numpy() ** 2
    place = values.index.get_loc("1B")
    for size, expected in ((values["parameters"], nominal), (blocks, of_blocks)):
        x, y = np.log(np.asarray(size, dtype=float)), np.log(values["value"].to_numpy())
        residuals, fitted = externally_studentised(x, y)
        predicted = np.exp(fitted)[place + 1] - np.exp(fitted)[place]
        found = np.polyfit(x, y, 1)[0], residuals[place], predicted
        assert found[0] == pytest.approx(expected[0], abs=6e-4)
        assert found[1] == pytest.approx(expected[1], abs=0.06)
        assert found[2] == pytest.approx(expected[2], abs=6e-5)
        p = 2 * student.sf(abs(residuals[place]), len(x) - 3)
        assert p > 0.05 / len(x), "no outlier among ten models"
    assert values["value"]["1.4B"] - values["value"]["1B"] == pytest.approx(seen, abs=1e-9)


@pytest.mark.parametrize(
    ("dataset", "exponent", "share", "low", "high"),
    [
        ("dolly-15k", 0.05, 0.81, -0.10, 0.21),
        ("wikipedia", 0.15, 0.52, -0.06, 0.38),
        ("openwebtext2", 0.15, 0.58, -0.09, 0.41),
        ("hh-rlhf", 0.03, 0.96, -0.18, 0.25),
    ],
)
def test_either_sign_of_the_exponent_fits_cerebras(
    dataset: str, exponent: float, share: float, low: float, high: float
) -> None:
    """Least squares of y on (x^α − 1) / α for every α, and those that an F test leaves."""
    values = printed(8, dataset)
    x, y = values["parameters"].to_numpy() / 1e9, values["value"].to_numpy()

    def squares(alpha: float) -> float:
        power = np.log(x) if alpha == 0 else (x**alpha - 1) / alpha
        return float(((y - line(power, y)) ** 2).sum())

    exponents = np.arange(-300, 301) / 100
    errors = np.array([squares(alpha) for alpha in exponents])
    assert exponents[errors.argmin()] == pytest.approx(exponent, abs=1e-9)
    assert errors.min() / squares(0) == pytest.approx(share, abs=6e-3)
    spare = len(x) - 3
    kept = exponents[errors <= errors.min() * (1 + fisher.ppf(0.95, 1, spare) / spare)]
    assert (kept.min(), kept.max()) == pytest.approx((low, high), abs=0.0101)
    assert kept.min() < 0 < kept.max()
    assert fit_power_law(x, y, offset=True).degenerate, "of the falling ones none is the best"


@pytest.mark.parametrize("dataset", BENCHMARKS)
def test_accuracy_goes_with_the_width_as_it_does_with_the_entropy(dataset: str) -> None:
    entropy, accuracy = printed(1, dataset), printed(1, dataset, "accuracy")["value"]
    falling = -spearmanr(entropy["value"], accuracy).statistic
    assert falling == pytest.approx(spearmanr(np.log(entropy["width"]), accuracy).statistic)
    step = entropy["value"]["590M"] - entropy["value"]["256M"]
    if dataset == "openbookqa":
        assert step == pytest.approx(-0.018, abs=5e-4)
        assert accuracy["590M"] == accuracy["256M"] == 0.158
    if dataset == "winogrande":
        assert step == pytest.approx(-0.021, abs=5e-4)
        assert (accuracy["256M"], accuracy["590M"]) == (0.511, 0.498)
        assert np.sqrt(0.5 * 0.5 / 1267) == pytest.approx(0.014, abs=5e-4)


def halving(rank: int, width: int) -> np.ndarray:
    """Rows ± √λ_k e_k, centred and of unit length only if all λ are equal."""
    scales = np.sqrt(2.0 ** -np.arange(1, rank + 1))
    rows = np.zeros((rank, width))
    rows[np.arange(rank), np.arange(rank)] = scales
    return np.concatenate([rows, -rows])


def test_the_effective_rank_is_at_most_the_rank_and_may_be_far_below() -> None:
    eigenvalues = 2.0 ** -np.arange(1, 21)
    assert effective_rank(eigenvalues / eigenvalues.sum()) == pytest.approx(4, abs=1e-3)
    assert effective_rank(np.full(20, 1 / 20)) == pytest.approx(20)
    random = np.random.default_rng(0)
    for power in (0.0, 1.0, 3.0):
        states = random.standard_normal((30, 50)) / np.arange(1, 51) ** power
        found, rows = spectrum(states)
        assert effective_rank(found) < np.linalg.matrix_rank(states - states.mean(axis=0)) == 29
        assert rows == 30


def test_eigenvalues_are_variances_of_scaled_rows() -> None:
    """Explained variances of the embeddings are others, unless all lie equally far out."""
    states = halving(8, 12)
    ours = matrix_entropy(spectrum(states)[0])
    assert ours == pytest.approx(np.log(8))  # scaled to unit length, all directions are alike
    variances = np.linalg.eigvalsh(states.T @ states)
    explained = variances[variances > 1e-12] / variances.sum()
    assert -(explained * np.log(explained)).sum() < ours - 0.5


def equation_1(ratio: np.ndarray) -> np.ndarray:
    """Tan et al. 2024, eq. (1) with ε = 0.1."""
    return ratio * np.log(1 + 100 / ratio) / np.log(101)


# Exponent of the data less that of the null of rank 55; p of the difference.
BESIDE_THE_NULL = {
    (8, "dolly-15k"): (0.033, 0.023),
    (8, "wikipedia"): (0.053, 0.013),
    (8, "openwebtext2"): (0.059, 0.011),
    (8, "hh-rlhf"): (0.021, 0.135),
    (9, "dolly-15k"): (0.032, 0.043),
    (9, "wikipedia"): (0.047, 0.017),
    (9, "openwebtext2"): (0.062, 0.013),
    (9, "hh-rlhf"): (-0.007, 0.674),
}


def test_the_null_of_figure_1_is_near_and_is_not_the_data() -> None:
    r_squared = {"null": [], "law": []}
    for (table, dataset), (difference, p) in BESIDE_THE_NULL.items():
        values = printed(table, dataset)
        size, width = np.log(values["parameters"].to_numpy()), values["width"].to_numpy()
        data = np.log(equation_1(width ** (values["value"].to_numpy() - 1)))
        null = np.log(equation_1(55 / width))
        beside = linregress(size, data - null)
        assert (beside.slope, beside.pvalue) == pytest.approx((difference, p), abs=6e-4)
        exponent = linregress(size, data).slope
        assert abs(beside.slope / exponent) < 0.21
        r_squared["null"].append(1 - (data - null).var() / data.var())
        r_squared["law"].append(1 - (data - line(size, data)).var() / data.var())
    found = {name: (min(values), max(values)) for name, values in r_squared.items()}
    assert found["null"] == pytest.approx((0.944, 0.991), abs=6e-4)
    assert found["law"] == pytest.approx((0.987, 0.995), abs=6e-4)
    better = sum(a > b for a, b in zip(r_squared["law"], r_squared["null"], strict=True))
    assert better == 7
    assert sum(p < 0.05 for _, p in BESIDE_THE_NULL.values()) == 6
    assert min(p for _, p in BESIDE_THE_NULL.values()) > 0.05 / 8


def test_the_order_of_rows_is_not_in_the_entropy() -> None:
    random = np.random.default_rng(5)
    rows = random.standard_normal((12, 7))
    one, other = (matrix_entropy(spectrum(part)[0]) for part in (rows, random.permutation(rows)))
    assert one == pytest.approx(other, rel=1e-12)


def test_a_constant_divisor_moves_no_exponent() -> None:
    """Of a law without an offset nor of one with it, whose offset is divided as well."""
    sizes = np.array([1e8, 3e8, 1e9, 4e9, 1e10])
    values = 2 * sizes**-0.1 + 0.3
    for offset in (False, True):
        law = fit_power_law(sizes, values, offset)
        divided = fit_power_law(sizes, values / np.log(50257), offset)
        assert divided.exponent == pytest.approx(law.exponent, rel=1e-4)
