"""Distances between sentences against their definitions in full matrices, and as metrics."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.linalg import inv, logm, sqrtm

from matrix_entropy.base.errors import InputError
from matrix_entropy.maths.distances import (
    DISTANCES,
    euclidean_distances,
    frobenius_distance,
    log_det_distance,
    log_det_js_distance,
    log_euclidean_distance,
    pairwise_distances,
    prepared,
    riemannian_distance,
)

Rows = NDArray[np.float64]

WIDTH = 6
GAMMA, RIDGE = 100.0, 1e-3
SINGLE: dict[str, Callable[[Rows, Rows], float]] = {
    "log_det_js": log_det_js_distance,
    "log_det": lambda first, second: log_det_distance(first, second, RIDGE),
    "riemannian": lambda first, second: riemannian_distance(first, second, RIDGE),
    "log_euclidean": lambda first, second: log_euclidean_distance(first, second, RIDGE),
    "frobenius": frobenius_distance,
}
WITHOUT_RIDGE = {
    "log_det": log_det_distance,
    "riemannian": riemannian_distance,
    "log_euclidean": log_euclidean_distance,
}
NAMES = list(SINGLE)


def sentence(seed: int, tokens: int, width: int = WIDTH) -> Rows:
    random = np.random.default_rng(seed)
    # Wide and narrow directions, in an order of the sentence's own.
    scales = random.permutation(np.arange(1, width + 1) ** -0.7)
    return prepared(random.standard_normal((tokens, width)) * scales)


def covariance(rows: Rows) -> Rows:
    return rows.T @ rows / len(rows)


def rows_of(matrix: Rows) -> Rows:
    """Rows whose covariance is the matrix."""
    return np.sqrt(len(matrix)) * np.linalg.cholesky(matrix).T


def rotation(seed: int, width: int = WIDTH) -> Rows:
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((width, width)))[0]


def log_det(matrix: Rows) -> float:
    sign, value = np.linalg.slogdet(matrix)
    assert sign == 1
    return value


def defined(name: str, a: Rows, b: Rows, ridge: float) -> float:
    """The distance as the paper prints it, in width × width matrices."""
    identity = np.eye(len(a))
    if name == "frobenius":
        return float(np.linalg.norm(a - b))
    if name == "log_det_js":
        p, q = identity + GAMMA * a, identity + GAMMA * b
    else:
        p, q = a + ridge * identity, b + ridge * identity
    if name in ("log_det_js", "log_det"):
        return float(np.sqrt(log_det((p + q) / 2) - (log_det(p) + log_det(q)) / 2))
    if name == "log_euclidean":
        return float(np.linalg.norm(logm(p) - logm(q)))
    # Those of the whitened covariance, of which logm would warn that it loses a few digits.
    eigenvalues = np.linalg.eigvals(inv(sqrtm(q)) @ p @ inv(sqrtm(q)))
    return float(np.linalg.norm(np.log(eigenvalues)))


# The definitions


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("tokens", [(1, 1), (2, 3), (3, 3), (5, 4), (2, 9), (8, 7)])
def test_a_distance_is_that_of_full_matrices(name: str, tokens: tuple[int, int]) -> None:
    """Spans smaller than the width, as large, and larger; also sentences of different length."""
    first, second = sentence(1, tokens[0]), sentence(2, tokens[1])
    expected = defined(name, covariance(first), covariance(second), RIDGE)
    assert SINGLE[name](first, second) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_shared_tokens_make_dependent_rows(name: str) -> None:
    """Sentences that begin alike, as all of one context do, span less than their tokens."""
    shared = sentence(3, 3, width=20)
    first = np.concatenate([shared, sentence(4, 1, width=20)])
    second = np.concatenate([shared, sentence(5, 2, width=20)])
    expected = defined(name, covariance(first), covariance(second), RIDGE)
    assert SINGLE[name](first, second) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", WITHOUT_RIDGE)
@pytest.mark.parametrize("tokens", [(WIDTH, 40), (15, 9)])
def test_enough_tokens_need_no_ridge(name: str, tokens: tuple[int, int]) -> None:
    first, second = sentence(1, tokens[0]), sentence(2, tokens[1])
    expected = defined(name, covariance(first), covariance(second), 0.0)
    assert WITHOUT_RIDGE[name](first, second) == pytest.approx(expected, rel=1e-8)


def test_closed_forms_of_scaled_identities() -> None:
    """A = s·I and B = t·I: every distance is √width times that of two numbers."""
    first, second = rows_of(np.diag(np.full(WIDTH, 3.0))), rows_of(np.diag(np.full(WIDTH, 0.5)))
    root, ratio = np.sqrt(WIDTH), np.log(6)
    assert riemannian_distance(first, second) == pytest.approx(root * ratio)
    assert log_euclidean_distance(first, second) == pytest.approx(root * ratio)
    assert frobenius_distance(first, second) == pytest.approx(root * 2.5)
    expected = root * np.sqrt(np.log(1.75) - np.log(1.5) / 2)
    assert log_det_distance(first, second) == pytest.approx(expected)
    expected = root * np.sqrt(np.log(2.75) - (np.log(4) + np.log(1.5)) / 2)
    assert log_det_js_distance(first, second, gamma=1) == pytest.approx(expected)


@pytest.mark.parametrize("gamma", [1e-4, 0.3, 100, 1e7])
@pytest.mark.parametrize("tokens", [3, 9])
def test_log_det_with_a_ridge_is_js_with_its_inverse(gamma: float, tokens: int) -> None:
    """Against the printed formulas on both sides: the distance of one is the matrices of other."""
    first, second = sentence(1, tokens), sentence(2, tokens)
    js = log_det_js_distance(first, second, gamma)
    assert log_det_distance(first, second, 1 / gamma) == js
    identity, a, b = np.eye(WIDTH), covariance(first), covariance(second)
    squared = log_det(identity + gamma * (a + b) / 2) - 0.5 * (
        log_det(identity + gamma * a) + log_det(identity + gamma * b)
    )
    assert js**2 == pytest.approx(squared, rel=1e-7, abs=1e-14)
    assert js == pytest.approx(defined("log_det", a, b, 1 / gamma), rel=1e-7, abs=1e-7)


@pytest.mark.parametrize("name", WITHOUT_RIDGE)
def test_a_falling_ridge_leads_to_no_ridge(name: str) -> None:
    first, second = sentence(1, 9), sentence(2, 12)
    limit = WITHOUT_RIDGE[name](first, second)
    errors = [
        abs(WITHOUT_RIDGE[name](first, second, ridge) - limit) for ridge in (1e-5, 1e-6, 1e-7)
    ]
    assert errors[0] / errors[1] == pytest.approx(10, rel=0.05)
    assert errors[1] / errors[2] == pytest.approx(10, rel=0.05)


@pytest.mark.parametrize("name", WITHOUT_RIDGE)
def test_without_a_ridge_singular_covariances_are_infinitely_far(name: str) -> None:
    """Why there is an error: distances grow without end as the ridge falls."""
    first, second = sentence(1, 2), sentence(2, 2)
    steps = [WITHOUT_RIDGE[name](first, second, ridge) for ridge in (1e-3, 1e-6, 1e-9)]
    assert steps[1] > 1.2 * steps[0]
    assert steps[2] > 1.2 * steps[1]


# Many digits


def exact(first: Rows, second: Rows, ridge: float) -> dict[str, mpmath.mpf]:
    """Log-det and Riemannian distance with 60 digits, from the same rows."""
    with mpmath.workdps(60):
        a, b = (mpmath.matrix(rows.tolist()) for rows in (first, second))
        shift = mpmath.mpf(ridge) * mpmath.eye(first.shape[1])
        p, q = a.T * a / a.rows + shift, b.T * b / b.rows + shift
        middle, one, other = (mpmath.log(mpmath.det(m)) for m in ((p + q) / 2, p, q))
        root = mpmath.cholesky(q) ** -1
        logs = [mpmath.log(e) for e in mpmath.eigsy(root * p * root.T, eigvals_only=True)]
        return {
            "log_det": mpmath.sqrt(middle - (one + other) / 2),
            "riemannian": mpmath.sqrt(sum(e * e for e in logs)),
        }


@pytest.mark.parametrize("size", [1.0, 1e-3, 1e-6, 1e-9])
@pytest.mark.parametrize(("ridge", "error"), [(1e-2, 1e-14), (1e-5, 1e-11), (1e-8, 1e-7)])
def test_nearly_equal_sentences_keep_their_digits(size: float, ridge: float, error: float) -> None:
    first = sentence(1, 4)
    second = prepared(first + size * np.random.default_rng(2).standard_normal(first.shape))
    expected = exact(first, second, ridge)
    assert abs(log_det_distance(first, second, ridge) - expected["log_det"]) < error
    assert abs(riemannian_distance(first, second, ridge) - expected["riemannian"]) < 10 * error


def test_a_copy_with_noise_of_a_millionth_keeps_seven_digits_at_the_papers_gamma() -> None:
    first = sentence(1, 8, width=20)
    second = prepared(first + 1e-6 * np.random.default_rng(2).standard_normal(first.shape))
    expected = float(exact(first, second, 1e-2)["log_det"])
    assert 1e-6 < expected < 1e-4
    assert log_det_js_distance(first, second) == pytest.approx(expected, rel=1e-7)
    naive = defined("log_det_js", covariance(first), covariance(second), 0.0)
    assert naive != pytest.approx(expected, rel=1e-7), "the printed formula does not keep them"


# Metrics


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("tokens", [1, 5, 12])
def test_equal_sentences_are_at_distance_zero_exactly(name: str, tokens: int) -> None:
    rows = sentence(1, tokens)
    assert SINGLE[name](rows, rows.copy()) == 0
    wide = sentence(1, tokens, width=300)
    assert SINGLE[name](wide, wide.copy()) == 0


@pytest.mark.parametrize("name", NAMES)
def test_different_sentences_are_apart(name: str) -> None:
    first = sentence(1, 4)
    second = prepared(first + 1e-5 * np.random.default_rng(2).standard_normal(first.shape))
    assert SINGLE[name](first, second) > 1e-7


@given(
    seed=st.integers(0, 10**6),
    tokens=st.tuples(*[st.integers(1, 9)] * 3),
    near=st.sampled_from([1.0, 1e-2, 1e-5]),
)
@settings(max_examples=60, deadline=None)
def test_distances_are_symmetric_and_no_detour_is_shorter(
    seed: int, tokens: tuple[int, int, int], near: float
) -> None:
    first, second, third = (sentence(seed + at, number) for at, number in enumerate(tokens))
    third = prepared(near * third + (1 - near) * first[np.arange(len(third)) % len(first)])
    for distance in SINGLE.values():
        one, two, three = distance(first, second), distance(second, third), distance(first, third)
        assert distance(second, first) == pytest.approx(one, rel=1e-9, abs=1e-11)
        for short, *way in itertools.permutations((one, two, three)):
            assert short <= sum(way) * (1 + 1e-9) + 1e-11


def test_squared_log_det_is_no_metric() -> None:
    """The test of detours can fail: without the square root there are shorter ones."""
    rows = [rows_of(np.eye(2) * scale) for scale in (1.0, 2.0, 4.0)]
    squared = pairwise_distances(rows, "log_det") ** 2
    assert squared[0, 2] > squared[0, 1] + squared[1, 2]


# Invariances


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("tokens", [3, 9])
def test_rotations_order_and_repetition_change_nothing(name: str, tokens: int) -> None:
    first, second = sentence(1, tokens), sentence(2, tokens + 1)
    turn, distance = rotation(5), SINGLE[name](first, second)
    assert SINGLE[name](first @ turn, second @ turn) == pytest.approx(distance, rel=1e-9)
    order = np.random.default_rng(6).permutation(tokens)
    assert SINGLE[name](first[order], second) == pytest.approx(distance, rel=1e-9)
    assert SINGLE[name](np.repeat(first, 3, axis=0), second) == pytest.approx(distance, rel=1e-9)
    assert SINGLE[name](first @ turn, second) != pytest.approx(distance, rel=1e-3)


def test_a_change_of_coordinates_changes_riemannian_and_log_det_distance_not() -> None:
    """A → X A Xᵀ for any regular X, as all rows times Xᵀ."""
    first, second = sentence(1, 9), sentence(2, 12)
    change = np.random.default_rng(7).standard_normal((WIDTH, WIDTH))
    for distance in (riemannian_distance, log_det_distance):
        expected = pytest.approx(distance(first, second), rel=1e-7)
        assert distance(first @ change.T, second @ change.T) == expected
    for other in (log_euclidean_distance, frobenius_distance):
        moved = other(first @ change.T, second @ change.T)
        assert moved != pytest.approx(other(first, second), rel=1e-3)


def test_inverse_covariances_are_as_far_apart() -> None:
    first, second = sentence(1, 9), sentence(2, 12)
    inverses = [rows_of(inv(covariance(rows))) for rows in (first, second)]
    for distance in WITHOUT_RIDGE.values():
        assert distance(*inverses) == pytest.approx(distance(first, second), rel=1e-7)
    apart = frobenius_distance(first, second)
    assert frobenius_distance(*inverses) != pytest.approx(apart, rel=1e-3)


# Theorem A.1


def test_theorem_a1_and_the_order_of_its_remainders() -> None:
    """Squared, the remainder is O(γ³); of the distance itself it is O(γ²), not O(γ³) as printed."""
    first, second = sentence(1, 3), sentence(2, 4)
    a, b = covariance(first), covariance(second)
    frobenius = frobenius_distance(first, second)
    third = -np.trace((a + b) @ (a - b) @ (a - b)) / 8
    gammas = np.array([1e-2, 1e-3, 1e-4])
    distances = np.array([log_det_js_distance(first, second, gamma) for gamma in gammas])
    linear = gammas / np.sqrt(8) * frobenius
    np.testing.assert_allclose((distances / linear) ** 2, 1, atol=2 * gammas[0])
    assert (distances[-1] / linear[-1]) ** 2 == pytest.approx(1, abs=1e-4)

    of_square = (distances**2 - linear**2) / gammas**3
    np.testing.assert_allclose(of_square, third, rtol=2e-2)
    assert of_square[-1] == pytest.approx(third, rel=1e-3)
    of_distance = (distances - linear) / gammas**2
    expected = third / (2 * frobenius / np.sqrt(8))
    assert expected < -1e-2, "not zero: the printed O(γ³) would be"
    np.testing.assert_allclose(of_distance, expected, rtol=2e-2)
    assert of_distance[-1] == pytest.approx(expected, rel=1e-3)


def test_at_the_papers_gamma_the_theorem_says_nothing() -> None:
    first, second = sentence(1, 8, width=64), sentence(2, 8, width=64)
    linear = GAMMA / np.sqrt(8) * frobenius_distance(first, second)
    assert linear > 5 * log_det_js_distance(first, second)


# Many sentences


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", [12, 200])
def test_pairs_are_as_one_by_one(name: str, width: int) -> None:
    sentences = [sentence(number, 2 + number % 4, width) for number in range(7)]
    sentences[4] = np.concatenate([sentences[0], sentences[4]])
    distances = pairwise_distances(sentences, name, gamma=GAMMA, ridge=RIDGE)
    assert (np.diagonal(distances) == 0).all()
    assert (distances == distances.T).all()
    for one, other in itertools.combinations(range(7), 2):
        expected = SINGLE[name](sentences[one], sentences[other])
        assert distances[one, other] == pytest.approx(expected, rel=1e-9)


def test_gamma_and_ridge_reach_the_distances() -> None:
    sentences = [sentence(1, 3), sentence(2, 4)]
    for name, parameter in (("log_det_js", "gamma"), ("riemannian", "ridge")):
        assert DISTANCES[name].needs == parameter
        low, high = (pairwise_distances(sentences, name, **{parameter: v}) for v in (0.01, 0.1))
        assert low[0, 1] != pytest.approx(high[0, 1], rel=0.05)


@pytest.mark.parametrize("name", NAMES)
def test_forty_five_sentences_of_a_wide_model(name: str) -> None:
    """Three contexts of 15 words each: those of one context are nearer than those of two."""
    random = np.random.default_rng(0)
    contexts = random.standard_normal((3, 6, 2048))
    sentences = [
        prepared(np.concatenate([context, random.standard_normal((2, 2048))]).astype(np.float32))
        for context in contexts
        for _ in range(15)
    ]
    distances = pairwise_distances(sentences, name, ridge=RIDGE)
    assert distances.shape == (45, 45)
    assert np.isfinite(distances).all()
    within, across = distances[:15, :15][np.triu_indices(15, 1)], distances[:15, 15:]
    assert 0 < within.min() <= within.max() < across.min()


def test_a_pair_of_a_wide_model_is_that_of_its_gram_matrices() -> None:
    """``det(I + γ ZᵀZ / N) = det(I + γ ZZᵀ / N)``, and the mean's rows are those of both."""
    first, second = sentence(1, 8, width=2048), sentence(2, 5, width=2048)

    def coding(rows: Rows) -> float:
        return log_det(np.eye(len(rows)) + GAMMA * rows @ rows.T)

    one, other = first / np.sqrt(8), second / np.sqrt(5)
    both = np.concatenate([one, other]) / np.sqrt(2)
    expected = np.sqrt(coding(both) - (coding(one) + coding(other)) / 2)
    assert log_det_js_distance(first, second) == pytest.approx(expected, rel=1e-12)


def test_one_sentence_has_no_pairs() -> None:
    assert pairwise_distances([sentence(1, 3)], "frobenius").tolist() == [[0.0]]


def test_euclidean_distances_are_norms_of_differences() -> None:
    vectors = np.random.default_rng(0).standard_normal((5, 40)).astype(np.float32)
    distances = euclidean_distances(vectors)
    for one, other in itertools.product(range(5), repeat=2):
        difference = vectors[one].astype(float) - vectors[other]
        assert distances[one, other] == pytest.approx(np.linalg.norm(difference), abs=1e-12)


# Rows


def test_rows_are_as_the_paper_has_them() -> None:
    states = np.array([[3.0, 4.0], [0.0, 2.0], [0.0, 0.0]], dtype=np.float32)
    rows = prepared(states)
    assert rows.dtype == np.float64
    np.testing.assert_allclose(rows, [[0.6, 0.8], [0, 1]])
    assert np.trace(covariance(rows)) == pytest.approx(1)
    np.testing.assert_array_equal(prepared(states, unit_rows=False), states)
    centred = prepared(states, center=True, unit_rows=False)
    np.testing.assert_allclose(covariance(centred), np.cov(states.T, bias=True), rtol=1e-6)
    both = prepared(states, center=True)
    np.testing.assert_allclose(np.linalg.norm(both, axis=1), 1)


def test_a_row_at_the_mean_has_no_direction() -> None:
    states = np.array([[0.1, 0.7], [0.3, 0.5], [0.5, 0.3]], dtype=np.float32)
    assert len(prepared(states, center=True)) == 2


# Errors


@pytest.mark.parametrize("name", WITHOUT_RIDGE)
def test_a_singular_covariance_is_named_with_the_ridge_to_set(name: str) -> None:
    rows = [sentence(1, 9), sentence(2, 3)]
    message = r"covariance of queen Cuba \(3 tokens, width 6\).*set `ridge: 1.0e-03`"
    with pytest.raises(InputError, match=message):
        pairwise_distances(rows, name, names=["king Cuba", "queen Cuba"])
    with pytest.raises(InputError, match="covariance of sentence 2 "):
        pairwise_distances(rows, name)
    with pytest.raises(InputError, match=r"covariance of the first sentence .* ridge of 1e-15"):
        WITHOUT_RIDGE[name](rows[1], rows[0], 1e-15)
    repeated = np.repeat(rows[1], 4, axis=0)  # enough tokens, too few different ones
    with pytest.raises(InputError, match=r"covariance of the second sentence .*12 tokens"):
        WITHOUT_RIDGE[name](rows[0], repeated)
    assert np.isfinite(pairwise_distances([*rows, repeated], name, ridge=1.0e-03)).all()


def test_the_ridge_and_gamma_to_set_suit_rows_of_any_norm() -> None:
    rows = [1e8 * sentence(1, 2), 1e8 * sentence(2, 3)]
    for name, wrong in (("riemannian", {"ridge": 1e-3}), ("log_det_js", {"gamma": 100.0})):
        with pytest.raises(InputError) as caught:
            pairwise_distances(rows, name, **wrong)
        key, value = re.findall(r"set `(\w+): (\S+)`", str(caught.value))[0]
        assert np.isfinite(pairwise_distances(rows, name, **{key: float(value)})).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.empty((0, WIDTH)), r"second sentence has states of shape \(0, 6\)"),
        (np.ones(WIDTH), r"second sentence has states of shape \(6,\)"),
        (np.full((2, WIDTH), np.nan), "second sentence hold a value that is not finite"),
        (np.ones((8, WIDTH - 1)), "second sentence has states of width 5 and the first .* 6"),
    ],
)
def test_unusable_rows_are_said(name: str, rows: Rows, message: str) -> None:
    with pytest.raises(InputError, match=message):
        SINGLE[name](sentence(1, 8), rows)


@pytest.mark.parametrize("gamma", [0.0, -1.0, np.nan, np.inf])
def test_gamma_is_positive(gamma: float) -> None:
    with pytest.raises(InputError, match="positive; set `gamma: 100`"):
        log_det_js_distance(sentence(1, 3), sentence(2, 3), gamma)


@pytest.mark.parametrize("ridge", [-1e-9, np.nan, np.inf])
@pytest.mark.parametrize("name", WITHOUT_RIDGE)
def test_a_ridge_is_not_negative(name: str, ridge: float) -> None:
    with pytest.raises(InputError, match=r"not negative; set `ridge: 1\.0e-3`"):
        WITHOUT_RIDGE[name](sentence(1, 8), sentence(2, 8), ridge)


def test_an_unknown_distance_is_said_with_those_known() -> None:
    with pytest.raises(InputError, match=r"no distance 'cosine'; choose one of log_det_js, log"):
        pairwise_distances([sentence(1, 3)], "cosine")


@pytest.mark.parametrize("center", [False, True])
def test_a_sentence_without_directions_is_said(center: bool) -> None:
    states = np.ones((3, WIDTH)) if center else np.zeros((3, WIDTH))
    with pytest.raises(InputError, match="no token of king Cuba has a direction"):
        prepared(states, center=center, name="king Cuba")
    with pytest.raises(InputError, match=r"king Cuba has states of shape \(0, 6\)"):
        prepared(np.empty((0, WIDTH)), center=center, name="king Cuba")
