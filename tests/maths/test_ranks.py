"""Ranks and what else is read off a spectrum, against closed forms and the rows themselves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import scipy.stats
from test_spectra import hostile

from matrix_entropy.maths import ranks
from matrix_entropy.maths.entropy import effective_rank, matrix_entropy
from matrix_entropy.maths.ranks import RANKS
from matrix_entropy.maths.spectra import normalised_matrix, spectrum, spectrum_of

Float64 = np.ndarray

OF = {rank.name: rank.of for rank in RANKS}
# Tokens and width: fewer rows than features, more, and as many.
SHAPES = [(7, 5), (60, 24), (40, 200), (33, 33), (150, 400)]


def states_of(shape: tuple[int, int]) -> Float64:
    """Rows around a mean, along directions of falling importance."""
    tokens, width = shape
    random = np.random.default_rng(tokens)
    return 3 + random.standard_normal(shape) * np.arange(1, width + 1) ** -0.8


def unit_rows(states: Float64) -> Float64:
    """Z / √N, row by row."""
    mean = [sum(column) / len(states) for column in states.T.tolist()]
    rows = np.array([np.subtract(row, mean) for row in states.tolist()])
    return np.array([row / np.sqrt((row**2).sum()) for row in rows]) / np.sqrt(len(rows))


def least_squares(matrix: Float64) -> float:
    """Exponent by a weighted fit of polynomials, places from 4 to 100 or to the rank."""
    values = np.linalg.svd(matrix, compute_uv=False)[: np.linalg.matrix_rank(matrix)] ** 2
    places = np.arange(1, len(values) + 1)[3:100]
    if len(places) < 10:
        return float("nan")
    fit = np.polyfit(np.log(places), np.log(values[3:100]), 1, w=places**-0.5)
    return -float(fit[0])


def rate(matrix: Float64) -> float:
    width = matrix.shape[1]
    return float(np.linalg.slogdet(np.eye(width) + width / 0.5 * matrix.T @ matrix)[1]) / 2


def condition(matrix: Float64) -> float:
    singular = np.linalg.svd(matrix, compute_uv=False)
    return float(singular[0] / singular[np.linalg.matrix_rank(matrix) - 1])


def mean_log(matrix: Float64) -> float:
    """By a determinant, in the coordinates of an orthonormal basis of the row space."""
    rank = np.linalg.matrix_rank(matrix)
    basis = np.linalg.svd(matrix)[2][:rank]
    inside = matrix @ basis.T
    return float(np.linalg.slogdet(inside.T @ inside)[1]) / rank


# From the rows, by norms, determinants and singular values, without a spectrum.
ROUTES: dict[str, Callable[[Float64], float]] = {
    "rankme": lambda z: np.exp(scipy.stats.entropy(np.linalg.svd(z, compute_uv=False))),
    "participation_ratio": lambda z: np.trace(z @ z.T) ** 2 / np.linalg.norm(z @ z.T) ** 2,
    "stable_rank": lambda z: (np.linalg.norm(z) / np.linalg.norm(z, 2)) ** 2,
    "epsilon_rank": lambda z: np.linalg.matrix_rank(z, rtol=0.01),
    "renyi_entropy_half": lambda z: 2 * np.log(np.linalg.norm(z, "nuc")),
    "renyi_entropy_two": lambda z: -np.log(np.trace(z @ z.T @ z @ z.T)),
    "renyi_entropy_infinity": lambda z: -2 * np.log(np.linalg.norm(z, 2)),
    "nuclear_norm": lambda z: np.linalg.norm(z, "nuc"),
    "coding_rate": rate,
    "power_law": least_squares,
    "condition_number": condition,
    "log_determinant": mean_log,
}


def test_every_entry_has_a_route() -> None:
    assert list(ROUTES) == list(OF)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", OF)
def test_it_is_that_of_the_rows(name: str, shape: tuple[int, int]) -> None:
    states = states_of(shape)
    found = OF[name](spectrum(states)[0], shape[1])
    np.testing.assert_allclose(found, ROUTES[name](unit_rows(states)), rtol=1e-9)
    assert np.isnan(found) == (name == "power_law" and shape == (7, 5))


def test_an_epsilon_rank_is_lower_than_the_rank() -> None:
    states = np.random.default_rng(0).standard_normal((60, 24)) * np.logspace(0, -4, 24)
    found = OF["epsilon_rank"](spectrum(states)[0], 24)
    assert found == np.linalg.matrix_rank(unit_rows(states), rtol=0.01)
    assert 1 < found < 24


@pytest.mark.parametrize("rank", [1, 2, 7, 400])
def test_equal_eigenvalues(rank: int) -> None:
    """All ranks are their number, all entropies its log; 400 of 500 directions are used."""
    flat = np.concatenate([np.zeros(3), np.full(rank, 1 / rank)])
    expected = {
        **dict.fromkeys(("rankme", "participation_ratio", "stable_rank", "epsilon_rank"), rank),
        **{f"renyi_entropy_{order}": np.log(rank) for order in ("half", "two", "infinity")},
        "nuclear_norm": np.sqrt(rank),
        "coding_rate": rank / 2 * np.log(1 + 500 / rank / 0.5),
        "power_law": 0.0 if rank >= 13 else np.nan,
        "condition_number": 1.0,
        "log_determinant": -np.log(rank),
    }
    assert list(expected) == list(OF)
    found = {name: of(flat, 500) for name, of in OF.items()}
    np.testing.assert_allclose(
        list(found.values()), list(expected.values()), rtol=1e-12, atol=1e-14
    )


def test_two_eigenvalues() -> None:
    """λ = 0.2 and 0.8, whose square roots are as 1 to 2: all by hand."""
    pair = np.array([0.2, 0.8])
    expected = {
        "rankme": np.exp(np.log(3) - 2 / 3 * np.log(2)),
        "participation_ratio": 1 / 0.68,
        "stable_rank": 1.25,
        "epsilon_rank": 2,
        "renyi_entropy_half": np.log(1.8),
        "renyi_entropy_two": -np.log(0.68),
        "renyi_entropy_infinity": np.log(1.25),
        "nuclear_norm": 3 / np.sqrt(5),
        "coding_rate": np.log(2.2 * 5.8) / 2,
        "power_law": np.nan,
        "condition_number": 2,
        "log_determinant": np.log(0.4),
    }
    found = {name: of(pair, 3) for name, of in OF.items()}
    np.testing.assert_allclose(list(found.values()), list(expected.values()), rtol=1e-12)


def test_a_power_law_has_its_exponent_whatever_lies_outside_of_the_fit() -> None:
    for rank in (13, 40, 250):
        law = np.arange(1, rank + 1) ** -0.75
        law[:3] *= [90, 7, 2]
        law[100:] /= 5
        assert ranks.power_law(law[::-1] / law.sum()) == pytest.approx(0.75, rel=1e-12)
    assert np.isnan(ranks.power_law(np.arange(1.0, 13.0) / 78))


def test_entropies_fall_with_their_order_and_ranks_with_them() -> None:
    """Rényi entropies do not rise with the order (proven); between ½ and 2 lies Shannon's."""
    values = spectrum(states_of((60, 24)))[0]
    half, two, infinity = (
        OF[f"renyi_entropy_{order}"](values, 24) for order in ("half", "two", "infinity")
    )
    assert half > matrix_entropy(values) > two > infinity
    assert OF["rankme"](values, 24) > effective_rank(values)
    assert np.exp(two) == pytest.approx(OF["participation_ratio"](values, 24), rel=1e-12)
    assert np.exp(infinity) == pytest.approx(OF["stable_rank"](values, 24), rel=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(12, 2048), (400, 64)])
def test_the_direction_that_centring_takes_is_not_counted(
    shape: tuple[int, int], dtype: str
) -> None:
    """Its eigenvalue is rounding: it moves no condition number, and no exponent of a power law."""
    states = np.random.default_rng(3).standard_normal(shape)
    states[:, 0] += 5
    values = spectrum(states.astype(dtype))[0]
    assert len(ranks.positive(values)) == min(shape[0] - 1, shape[1])
    assert -np.log(shape[1]) - 2 < OF["log_determinant"](values, shape[1]) < 0
    assert OF["condition_number"](values, shape[1]) < 10


def test_only_what_single_precision_moves_little_is_permitted_in_it() -> None:
    """By 1e-4 at most on spectra that float32 is worst at; every other is moved by more."""
    width, moved = 500, dict.fromkeys(ranks.in_single(), 0.0)
    for kind in ("equal", "few", "one"):
        for tokens in (60, 400):
            matrix, rows = normalised_matrix(hostile(tokens, width, kind))
            both = [spectrum_of(matrix.copy(), rows, single)[0] for single in (False, True)]
            of = {rank.name: [rank.of(values, width) for values in both] for rank in RANKS}
            of |= {each.name: [each.of(v, width, rows) for v in both] for each in ranks.CORRECTED}
            for name, (expected, found) in of.items():
                apart = abs(found - expected) / max(1.0, abs(expected))
                moved[name] = np.fmax(moved[name], apart)
    permitted = {name for name, permitted in ranks.in_single().items() if permitted}
    assert {name for name, apart in moved.items() if apart <= 1e-4} == permitted


def test_nothing_has_no_value() -> None:
    assert np.isnan([of(np.empty(0), 8) for of in OF.values()]).all()


def test_limits_hold_what_can_be() -> None:
    """Of one direction alone, and of as many as there are."""
    for values in (np.array([1.0]), np.full(64, 1 / 64), spectrum(states_of((90, 64)))[0]):
        for rank in RANKS:
            low, high = rank.unit.limits(64)
            found = rank.of(values, 64)
            slack = 1e-12 * max(1, abs(found))
            assert np.isnan(found) or low - slack <= found <= high + slack, rank.name
