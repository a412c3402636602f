"""Training: the optimiser against one written out by hand, what is held out, the loss curve."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from matrix_entropy.models.training import (
    EVALUATIONS,
    HELD_OUT_EVERY,
    fit,
    rate,
    split,
    write_curve,
)

TRAIN = {"steps": 25, "learning_rate": 0.1, "seed": 5}


class Centre(nn.Module):
    """A point that learns to lie amid drawn ones: its loss is half the squared distance."""

    def __init__(self) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64))

    def loss(self, random: np.random.Generator) -> Tensor:
        return ((self.place - torch.from_numpy(random.normal(size=3))) ** 2).sum() / 2


def by_hand(train: dict[str, Any]) -> tuple[NDArray[np.float64], list[float]]:
    """Where AdamW leads the point, with NumPy alone, and the loss of every step."""
    random = np.random.default_rng(train["seed"])
    place = np.array([1.0, -2.0, 0.5])
    first, second, losses = np.zeros(3), np.zeros(3), []
    for step in range(1, train["steps"] + 1):
        gradient = place - random.normal(size=3)
        length = math.hypot(*gradient)
        losses.append(length**2 / 2)
        gradient /= max(1.0, length)
        first = 0.9 * first + 0.1 * gradient
        second = 0.98 * second + 0.02 * gradient**2
        now = train["learning_rate"] * rate(step - 1, train["steps"])
        place = place * (1 - 0.01 * now)
        place -= now * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.98**step)) + 1e-8)
    return place, losses


@pytest.mark.parametrize("steps", [1, 25, 100])
def test_weights_go_where_adamw_leads_them(steps: int) -> None:
    train = TRAIN | {"steps": steps}
    model = Centre()
    found = list(fit("small", model, train, model.loss))
    place, losses = by_hand(train)
    # Torch adds 1e-6 to the norm that it clips by.
    np.testing.assert_allclose(model.place.detach().numpy(), place, rtol=1e-4)
    means, before = [], 0
    for step, _ in found:
        means.append(np.mean(losses[before:step]))
        before = step
    np.testing.assert_allclose([loss for _, loss in found], means, rtol=1e-3)


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        (1, [1]),
        (4, [2, 4]),
        (25, [13, 25]),
        (160, [80 * i for i in range(1, EVALUATIONS + 1)]),
    ],
)
def test_it_is_told_halfway_and_at_the_end(steps: int, told: list[int]) -> None:
    model = Centre()
    assert [step for step, _ in fit("small", model, TRAIN | {"steps": steps}, model.loss)] == told


def test_weights_rest_until_the_next_steps_are_asked_for() -> None:
    model = Centre()
    running = fit("small", model, TRAIN, model.loss)
    assert model.place.tolist() == [1.0, -2.0, 0.5]
    assert next(running)[0] == 13
    other = Centre()
    optimiser = torch.optim.AdamW(other.parameters(), 0.1, (0.9, 0.98), weight_decay=0.01)
    random = np.random.default_rng(5)
    for step in range(13):
        optimiser.param_groups[0]["lr"] = 0.1 * rate(step, 25)
        optimiser.zero_grad()
        other.loss(random).backward()
        nn.utils.clip_grad_norm_(other.parameters(), 1.0)
        optimiser.step()
    torch.testing.assert_close(model.place, other.place)


def test_another_seed_draws_other_batches() -> None:
    first, same, other = (
        [loss for _, loss in fit("small", model, TRAIN | {"seed": seed}, model.loss)]
        for model, seed in ((Centre(), 5), (Centre(), 5), (Centre(), 6))
    )
    assert first == same != other


def test_the_rate_rises_in_a_line_and_falls_along_a_cosine() -> None:
    rates = [rate(step, 400) for step in range(400)]
    assert rates[:19] == pytest.approx([(step + 1) / 20 for step in range(19)])
    # The cosine by its values where they are known: 1/2 of sixty degrees, 0, and -1/2.
    assert rates[400 // 3 + 1] == pytest.approx(0.05 + 0.95 * 0.75, abs=0.003)
    assert rates[200] == pytest.approx(0.05 + 0.95 * 0.5)
    assert rates[267] == pytest.approx(0.05 + 0.95 * 0.25, abs=0.003)
    assert rates[399] == pytest.approx(0.05, abs=1e-4)
    assert rates[20:] == sorted(rates[20:], reverse=True)


def test_the_shortest_training_has_its_full_rate() -> None:
    assert rate(0, 1) == 1


@pytest.mark.parametrize("count", [1, 19, 20, 21, 61])
def test_one_in_twenty_is_held_out_and_none_is_lost(count: int) -> None:
    learnt, held_out = split([f"text {i}" for i in range(count)])
    assert len(held_out) == math.ceil(count / HELD_OUT_EVERY)
    assert held_out[0] == "text 0"
    assert not set(learnt) & set(held_out)
    assert len({*learnt, *held_out}) == count
    assert learnt == sorted(learnt, key=lambda text: int(text.split()[1]))


def test_the_curve_is_written_with_the_columns_of_its_last_row(tmp_path: Path) -> None:
    rows = [{"step": 0, "held_out_loss": 6.5}, {"step": 4, "loss": 1.25, "held_out_loss": 2.0}]
    write_curve(tmp_path / "new" / "loss.csv", rows)
    text = (tmp_path / "new" / "loss.csv").read_bytes().decode()
    assert text.splitlines() == ["step,loss,held_out_loss", "0,,6.5", "4,1.25,2.0"]
