"""Coding rate and information gain: closed forms, explicit regressions, the paper's slips."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from matrix_entropy.base.errors import InputError
from matrix_entropy.maths.entropy import stable_rank
from matrix_entropy.maths.information_gain import (
    KERNELS,
    cholesky_diagonal,
    coding_rate,
    gain_increments,
    information_gains,
    kernel_matrix,
    largest_gain,
    largest_increment,
    normalised_coding_rate,
    posterior_variances,
)

Float64 = NDArray[np.float64]

NOISES = [0.01, 0.3, 1.0, 2.0]
SHAPES = [(12, 40), (40, 12), (9, 9)]


def made(tokens: int, width: int, seed: int = 0) -> Float64:
    """States with a large common part and a few strong directions, as models' have."""
    random = np.random.default_rng(seed)
    return 0.5 + random.standard_normal((tokens, width)) * np.arange(1, width + 1) ** -0.7


def basis(count: int, width: int, seed: int = 0) -> Float64:
    """Orthonormal rows, not along the axes."""
    random = np.random.default_rng(seed)
    return np.linalg.qr(random.standard_normal((width, width)))[0][:count]


def gain_of(kernel: Float64, noise: float) -> float:
    """``½ log det(I + K / σ²)`` as the paper writes it."""
    return 0.5 * np.linalg.slogdet(np.eye(len(kernel)) + kernel / noise**2).logabsdet


def residuals(states: Float64, noise: float) -> Float64:
    """``⟨z, z − ẑ⟩`` of every state and its ridge regression on those before, row by row."""
    found = [states[0] @ states[0]]
    for number in range(1, len(states)):
        before, z = states[:number].T, states[number]
        weights = np.linalg.solve(before.T @ before + noise**2 * np.eye(number), before.T @ z)
        found.append(z @ (z - before @ weights))
    return np.array(found)


# The coding rate


@pytest.mark.parametrize("shape", SHAPES)
def test_the_coding_rate_is_that_of_both_sides(shape: tuple[int, int]) -> None:
    states, epsilon = made(*shape), 0.2
    tokens, width = shape
    scale = width / (tokens * epsilon**2)
    for gram in (states.T @ states, states @ states.T):
        expected = (width + tokens) / 2 * np.linalg.slogdet(np.eye(len(gram)) + scale * gram)[1]
        assert coding_rate(states, epsilon) == pytest.approx(expected, rel=1e-12)
    single = states.astype(np.float32)
    as_double = coding_rate(single.astype(np.float64), epsilon)
    assert coding_rate(single, epsilon) == as_double


@pytest.mark.parametrize("shape", SHAPES)
def test_the_smaller_side_is_decomposed(
    shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    sides, slogdet = [], np.linalg.slogdet
    monkeypatch.setattr(np.linalg, "slogdet", lambda a: (sides.append(len(a)), slogdet(a))[1])
    coding_rate(made(*shape), 0.2)
    assert sides == [min(shape)]


@pytest.mark.parametrize("rank", [1, 3, 6, 12])
def test_equal_singular_values_have_the_rate_of_eq_1(rank: int) -> None:
    width, tokens, epsilon = 12, 36, 0.1
    states = np.repeat(basis(rank, width), tokens // rank, axis=0)
    most = (width + tokens) / 2 * width * np.log(1 + epsilon**-2)
    share = coding_rate(states, epsilon) / most
    assert share == pytest.approx(float(normalised_coding_rate(rank / width, epsilon)), rel=1e-10)


def test_the_maximum_of_eq_1_needs_as_many_tokens_as_dimensions() -> None:
    width, epsilon = 12, 0.1
    for tokens, reached in ((24, True), (6, False)):
        rows = np.resize(basis(min(tokens, width), width), (tokens, width))
        most = (width + tokens) / 2 * width * np.log(1 + epsilon**-2)
        assert (coding_rate(rows, epsilon) == pytest.approx(most, rel=1e-10)) == reached
        random = made(tokens, width)
        random /= np.linalg.norm(random, axis=1, keepdims=True)
        assert coding_rate(random, epsilon) < coding_rate(rows, epsilon) <= most * (1 + 1e-10)


def test_shares_of_eq_1_rise_from_zero_to_one() -> None:
    values = normalised_coding_rate(np.linspace(0, 1, 50), 0.1)
    assert values[0] == 0
    assert values[-1] == 1
    assert (np.diff(values) > 0).all()
    for share in (-0.1, 1.1, np.nan):
        with pytest.raises(ValueError, match="from 0 to 1"):
            normalised_coding_rate([0.5, share], 0.1)


# Kernels


def test_kernels_are_products_of_prepared_rows() -> None:
    states = made(7, 5)
    centred = states - states.mean(axis=0)
    for kernel, rows in (("linear", states), ("cosine", states), ("centred_cosine", centred)):
        expected = [[a @ b for b in rows] for a in rows]
        if kernel != "linear":
            expected = [[a @ b / np.sqrt(a @ a) / np.sqrt(b @ b) for b in rows] for a in rows]
        np.testing.assert_allclose(kernel_matrix(states, kernel), expected, atol=1e-14)


def test_a_row_without_a_direction_is_named() -> None:
    states = made(5, 4)
    states[2] = 0
    with pytest.raises(InputError, match="token 3 is zero and has no direction"):
        kernel_matrix(states, "cosine")
    assert (kernel_matrix(states, "linear")[2] == 0).all()
    equal = np.full((4, 3), 0.1, dtype=np.float32)
    with pytest.raises(InputError, match="token 1 equals the mean"):
        kernel_matrix(equal, "centred_cosine")
    with pytest.raises(InputError, match="`kernel: rbf` is none of cosine, linear"):
        kernel_matrix(states, "rbf")


def test_a_row_that_is_the_mean_but_for_rounding_is_named() -> None:
    """Adding up leaves it a distance that is not zero and no direction either."""
    rows = made(7, 40).astype(np.float64)
    rows[6] = rows[:6].mean(axis=0)
    states = (rows + 100).astype(np.float32)
    assert (states[6] - states.mean(axis=0)).any()
    with pytest.raises(InputError, match="token 7 equals the mean"):
        kernel_matrix(states, "centred_cosine")


# The information gain


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("shape", SHAPES)
def test_one_factor_has_the_gain_of_every_prefix(
    shape: tuple[int, int], noise: float, kernel: str
) -> None:
    matrix = kernel_matrix(made(*shape), kernel)
    expected = [gain_of(matrix[:length, :length], noise) for length in range(1, len(matrix) + 1)]
    found = information_gains(cholesky_diagonal(matrix, noise))
    np.testing.assert_allclose(found, expected, rtol=1e-10)


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("shape", SHAPES)
def test_posterior_variances_are_residuals_of_ridge_regressions(
    shape: tuple[int, int], noise: float
) -> None:
    states = made(*shape)
    unit = states / np.linalg.norm(states, axis=1, keepdims=True)
    for rows, kernel in ((unit, "cosine"), (states, "linear")):
        diagonal = cholesky_diagonal(kernel_matrix(states, kernel), noise)
        variances = posterior_variances(diagonal, noise)
        np.testing.assert_allclose(variances, residuals(rows, noise), rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("noise", NOISES)
def test_posterior_variances_are_those_of_eq_2(noise: float) -> None:
    kernel = kernel_matrix(made(20, 8))
    diagonal = cholesky_diagonal(kernel, noise)
    for t in range(1, 20):
        solved = np.linalg.solve(kernel[:t, :t] + noise**2 * np.eye(t), kernel[:t, t])
        expected = kernel[t, t] - kernel[:t, t] @ solved
        found = posterior_variances(diagonal, noise)[t]
        assert found == pytest.approx(expected, rel=1e-7, abs=1e-12)


@pytest.mark.parametrize("noise", NOISES)
def test_theorem_4_1_as_corrected_and_as_printed(noise: float) -> None:
    states = made(30, 20)
    unit = states / np.linalg.norm(states, axis=1, keepdims=True)
    kernel = unit @ unit.T
    gains = [gain_of(kernel[:length, :length], noise) for length in range(1, 31)]
    increments = np.diff([0.0, *gains])
    variances = residuals(unit, noise)
    np.testing.assert_allclose(0.5 * np.log(1 + variances / noise**2), increments, rtol=1e-8)
    diagonal = cholesky_diagonal(kernel_matrix(states), noise)
    np.testing.assert_allclose(gain_increments(diagonal), increments, rtol=1e-8)
    # What the printed logarithm is of; at σ = 2 that is negative for some tokens.
    printed = 1 + noise**-2 - noise**2 + noise**2 * variances
    if noise == 1.0:
        np.testing.assert_allclose(printed, np.exp(2 * increments), rtol=1e-8)
    else:
        assert np.abs(printed / np.exp(2 * increments) - 1).max() > 0.2
    # At the first token the variance is 1, and the two agree whatever σ is.
    assert printed[0] == pytest.approx(np.exp(2 * increments[0]), rel=1e-8)
    if noise == 0.01:
        assert np.ptp(0.5 * np.log(printed)) < 1e-8, "of every token the same"


@pytest.mark.parametrize("noise", NOISES)
def test_theorem_4_1_as_printed_holds_at_orthogonal_tokens(noise: float) -> None:
    """For any σ, and at none of them once a token repeats one before it, unless σ is 1."""
    for token, agrees in ((np.eye(4)[3], True), (np.eye(4)[0], noise == 1)):
        states = np.vstack([np.eye(4)[:3], token])
        gains = information_gains(cholesky_diagonal(kernel_matrix(states), noise))
        variance = residuals(states, noise)[-1]
        printed = 1 + noise**-2 - noise**2 + noise**2 * variance
        ratio = printed / np.exp(2 * (gains[-1] - gains[-2]))
        assert (ratio == pytest.approx(1, rel=1e-8)) == agrees


@pytest.mark.parametrize("noise", NOISES)
def test_no_gain_is_above_its_bound(noise: float) -> None:
    for shape in SHAPES:
        for kernel in ("cosine", "centred_cosine"):
            gains = information_gains(cholesky_diagonal(kernel_matrix(made(*shape), kernel), noise))
            bounds = largest_gain(np.arange(1, shape[0] + 1), shape[1], noise)
            assert (gains <= bounds * (1 + 1e-12)).all()


def test_orthonormal_states_reach_the_bounds() -> None:
    width, noise = 8, 0.1
    twice = np.concatenate([basis(width, width, 1), basis(width, width, 2)])
    diagonal = cholesky_diagonal(kernel_matrix(twice), noise)
    bounds = largest_gain(np.arange(1, 17), width, noise)
    np.testing.assert_allclose(information_gains(diagonal)[:width], bounds[:width], rtol=1e-12)
    assert information_gains(diagonal)[-1] == pytest.approx(bounds[-1], rel=1e-12)
    np.testing.assert_allclose(gain_increments(diagonal)[:width], largest_increment(noise))
    assert (gain_increments(diagonal)[width:] < largest_increment(noise) / 2).all()


def test_the_stable_rank_in_place_of_the_rank_is_no_bound() -> None:
    noise, tokens = 0.01, 64
    kernel = kernel_matrix(np.random.default_rng(0).standard_normal((tokens, 512)) + 1.0)
    rank = stable_rank(np.linalg.eigvalsh(kernel))
    gain = information_gains(cholesky_diagonal(kernel, noise))[-1]
    # The printed form has no ½ either, which would make it larger still.
    assert gain > 3 * rank * np.log(1 + tokens / (rank * noise**2))


def test_equal_tokens_have_one_nonzero_eigenvalue() -> None:
    """The T-th of them adds half the logarithm of ``(1 + T/σ²) / (1 + (T − 1)/σ²)``."""
    noise, count = 0.01, np.arange(1, 101)
    diagonal = cholesky_diagonal(kernel_matrix(np.tile(made(1, 16), (100, 1))), noise)
    gains = 0.5 * np.log1p(count / noise**2)
    np.testing.assert_allclose(information_gains(diagonal), gains, rtol=1e-10)


def test_single_precision_states_are_computed_in_double() -> None:
    states = np.tile(made(8, 64), (16, 1)).astype(np.float32)  # repeats: the hard case
    kernel = kernel_matrix(states)
    assert kernel.dtype == np.float64
    diagonal = cholesky_diagonal(kernel, 0.01)
    np.testing.assert_array_equal(diagonal, cholesky_diagonal(kernel_matrix(states * 1.0), 0.01))
    eigenvalues = np.linalg.svd(states.astype(np.float64) / _norms(states), compute_uv=False) ** 2
    expected = 0.5 * np.log1p(eigenvalues / 0.01**2).sum()
    assert information_gains(diagonal)[-1] == pytest.approx(expected, rel=1e-10)
    assert cholesky_diagonal(kernel.astype(np.float32), 0.5).dtype == np.float64


def _norms(states: NDArray[np.floating]) -> Float64:
    return np.linalg.norm(states.astype(np.float64), axis=1, keepdims=True)


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_order_of_tokens_and_a_rotation_leave_the_last_gain(kernel: str) -> None:
    states = made(20, 30)
    gains = information_gains(cholesky_diagonal(kernel_matrix(states, kernel), 0.05))
    turned = information_gains(
        cholesky_diagonal(kernel_matrix(states @ basis(30, 30), kernel), 0.05)
    )
    np.testing.assert_allclose(turned, gains, rtol=1e-10)
    shuffled = states[np.random.default_rng(1).permutation(20)]
    mixed = information_gains(cholesky_diagonal(kernel_matrix(shuffled, kernel), 0.05))
    assert mixed[-1] == pytest.approx(gains[-1], rel=1e-10)
    assert np.abs(mixed[:-1] - gains[:-1]).max() > 1e-3, "the way there is another"


def test_texts_are_stacked_along_the_first_axis() -> None:
    diagonals = np.array([cholesky_diagonal(kernel_matrix(made(6, 9, s)), 0.1) for s in (0, 1)])
    for row, gains in zip(diagonals, information_gains(diagonals), strict=True):
        np.testing.assert_array_equal(information_gains(row), gains)


def test_what_cannot_be_computed_is_said() -> None:
    kernel = kernel_matrix(made(4, 5))
    with pytest.raises(InputError, match=r"needs two tokens, not 1; raise `tokens:`"):
        cholesky_diagonal(kernel[:1, :1], 0.1)
    for noise in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match="`noise:` must be a positive number"):
            cholesky_diagonal(kernel, noise)
    with pytest.raises(InputError, match="`noise: 1e-07` is lost in the rounding error"):
        cholesky_diagonal(kernel, 1e-7)
    for rate in (lambda e: coding_rate(np.eye(2), e), lambda e: normalised_coding_rate(0.5, e)):
        with pytest.raises(InputError, match="`epsilon:` must be a positive number"):
            rate(0.0)


def test_a_matrix_that_is_no_kernel_is_named() -> None:
    with pytest.raises(
        InputError, match=r"I \+ K / σ² .* not positive definite: .* raise `noise:`"
    ):
        cholesky_diagonal(np.array([[1.0, 2.0], [2.0, 1.0]]), 0.1)
    with pytest.raises(InputError, match="is not positive definite"):
        cholesky_diagonal(np.array([[1.0, np.nan], [np.nan, 1.0]]), 0.1)


@pytest.mark.parametrize("function", [lambda z: kernel_matrix(z), lambda z: coding_rate(z, 0.1)])
def test_states_that_are_no_states_are_named(function: Callable[[np.ndarray], object]) -> None:
    with pytest.raises(InputError, match=r"shape \(0, 4\), not \(tokens, width\)"):
        function(np.empty((0, 4)))
    with pytest.raises(InputError, match="not finite; run the model with `dtype: float32`"):
        function(np.array([[1.0, np.inf], [0.0, 1.0]]))


def test_the_rate_of_unequal_values_is_not_that_of_their_effective_rank() -> None:
    """Eigenvalues that fall as 1 / i, at the paper's ε; definition 3.1 against eq. (1)."""
    ratios = []
    for width in (512, 2048, 5120):
        shares = 1 / np.arange(1, width + 1)
        shares /= shares.sum()
        rate = np.log1p(width * shares / 0.1**2).sum() / (width * np.log1p(0.1**-2))
        if width == 512:
            states = np.diag(np.sqrt(width * shares))
            largest = width * width * np.log1p(0.1**-2)
            assert coding_rate(states, 0.1) / largest == pytest.approx(rate, rel=1e-10)
        rank = np.exp(-(shares * np.log(shares)).sum())
        ratios.append(float(rate / normalised_coding_rate(rank / width, 0.1)))
    assert ratios == pytest.approx([2.7, 3.9, 5.1], abs=0.05)


@pytest.mark.parametrize("noise", NOISES)
def test_the_bound_rises_with_the_dimensions_and_with_the_tokens(noise: float) -> None:
    """``x log(1 + T / (x σ²))`` increases in x, so that d in the place of the rank is a bound."""
    by_width = [float(largest_gain(64, width, noise)) for width in range(1, 65)]
    assert (np.diff(by_width) > 0).all()
    assert (np.diff(largest_gain(np.arange(1, 200), 32, noise)) > 0).all()
    assert by_width[-1] <= 64 / 2 * np.log1p(64 / noise**2), "the paper's d log(1 + T / σ²), halved"
