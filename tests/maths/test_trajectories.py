"""Checkpoints that do not lie on the curve of the others."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from matrix_entropy.maths.trajectories import FEWEST, THRESHOLD, off_curve


def curves(checkpoints: int, layers: int, noise: float, seed: int) -> NDArray[np.float64]:
    """Layers that fall and rise again, as in training, each at its own place and with noise."""
    random = np.random.default_rng(seed)
    places = np.linspace(0, 1, checkpoints)[:, None]
    lowest = random.uniform(0.3, 0.6, size=layers)
    return 0.8 + (places - lowest) ** 2 + noise * random.normal(size=(checkpoints, layers))


@pytest.mark.parametrize("at", range(1, 11))
def test_a_replaced_checkpoint_is_found_wherever_it_stands(at: int) -> None:
    values = curves(12, 6, 0.002, seed=at)
    values[at] += 0.5
    _, flagged = off_curve(values)
    assert np.flatnonzero(flagged).tolist() == [at]


def test_two_that_are_apart_are_found_and_their_neighbours_are_not() -> None:
    values = curves(14, 6, 0.002, seed=1)
    values[[4, 6]] += [[0.5], [-0.5]]
    assert np.flatnonzero(off_curve(values)[1]).tolist() == [4, 6]


def test_steep_or_bent_curves_and_uneven_steps_are_no_fault() -> None:
    steps = np.array([0, 1, 2, 4, 8, 16, 512, 1000, 143000.0])
    for values in (steps, np.log1p(steps), np.sqrt(steps), np.maximum(steps, 500), -steps):
        scores, flagged = off_curve(values[:, None])
        assert not flagged.any()
        assert (scores[1:-1] == 0).all()


@pytest.mark.parametrize(("checkpoints", "layers", "most"), [(12, 1, 0.1), (12, 6, 0.02)])
def test_size_where_all_is_noise(checkpoints: int, layers: int, most: float) -> None:
    """Of trajectories without any curve, how many have one checkpoint flagged or more."""
    random = np.random.default_rng(0)
    tries = 200
    found = sum(off_curve(random.normal(size=(checkpoints, layers)))[1].any() for _ in range(tries))
    assert found / tries <= most


def test_the_score_is_the_excess_over_the_usual_change() -> None:
    """By the definition, in another way: of six values, one layer."""
    values = [0.0, 1.0, 3.0, 2.5, 4.0, 5.0]
    scores, flagged = off_curve(np.array(values)[:, None])
    without = [0.0, 1.0, 2.5, 4.0, 5.0]
    usual = sorted(abs(b - a) for a, b in itertools.pairwise(without))
    assert scores[2] == pytest.approx((3.0 - 2.5) / ((usual[1] + usual[2]) / 2))
    assert not flagged.any()
    assert scores[2] < THRESHOLD


def test_what_cannot_be_judged_has_no_score() -> None:
    scores, flagged = off_curve(np.arange(FEWEST - 1.0)[:, None])
    assert np.isnan(scores).all()
    assert not flagged.any()
    values = curves(8, 2, 0.0, seed=0)
    values[3, 1] = np.nan
    scores, flagged = off_curve(values)
    assert np.flatnonzero(np.isnan(scores)).tolist() == [0, 3, 7]
    assert not flagged.any()
