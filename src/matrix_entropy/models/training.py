"""How stand-ins are trained: what is held out, the optimiser and its schedule, the loss curve."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from matrix_entropy.base.files import writing
from matrix_entropy.running.console import progress

HELD_OUT_EVERY = 20  # one item in twenty is never trained on
MOST_HELD_OUT = 64  # sequences are enough to measure a held-out loss on
EVALUATIONS = 2  # each costs the stand-ins of few steps as much as tens of them
LARGEST_GRADIENT = 1.0

Item = TypeVar("Item")


def split(items: Sequence[Item]) -> tuple[list[Item], list[Item]]:
    """Items to learn from, and one in twenty, the first among them, that is held out.

    Examples
    --------
    >>> learnt, held_out = split(range(50))
    >>> len(learnt), held_out
    (47, [0, 20, 40])
    """
    learnt = [item for i, item in enumerate(items) if i % HELD_OUT_EVERY]
    return learnt, list(items[::HELD_OUT_EVERY])


def rate(step: int, steps: int) -> float:
    """The share of the full learning rate in a step, counted from 0, of `steps`.

    ``min((step + 1) / w, 0.05 + 0.95 (1 + cos(pi step / steps)) / 2)``: a linear rise over the
    first ``w``, a twentieth of the steps but at least one, and a cosine from 1 down to 0.05.

    Examples
    --------
    >>> [round(rate(step, 100), 3) for step in (0, 1, 50, 99)]
    [0.2, 0.4, 0.525, 0.05]
    """
    warm_up = max(1, steps // 20)
    cosine = 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * step / steps))
    return min((step + 1) / warm_up, cosine)


def fit(
    name: str,
    model: nn.Module,
    train: dict[str, Any],
    batch_loss: Callable[[np.random.Generator], Tensor],
) -> Iterator[tuple[int, float]]:
    """Train all weights of a model; yield from time to time how far it is.

    AdamW with betas 0.9 and 0.98 and weight decay 0.01, its learning rate by `rate`, the
    gradient's norm held to at most 1. What is yielded, halfway, after the last step and after those
    that are kept, is the number of steps done and the mean loss, rounded to six digits, of those
    since it was yielded before. The training rests until the next one is asked for.

    Parameters
    ----------
    name : str
        The model's name, for the progress bar.
    train : dict
        ``steps``, ``learning_rate``, ``seed`` and perhaps ``checkpoints``.
    batch_loss : callable
        Draws a batch by the generator, seeded once, that it is given, and gives the loss.
    """
    steps = train["steps"]
    random = np.random.default_rng(train["seed"])
    optimiser = torch.optim.AdamW(
        model.parameters(),
        lr=train["learning_rate"],
        betas=(0.9, 0.98),
        weight_decay=0.01,
        fused=True,
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: rate(step, steps))
    recent: list[float] = []
    every = math.ceil(steps / EVALUATIONS)
    with progress(steps, "step", name) as bar:
        for step in range(1, steps + 1):
            loss = batch_loss(random)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), LARGEST_GRADIENT)
            optimiser.step()
            schedule.step()
            recent.append(loss.item())
            bar.update()
            if step % every == 0 or step in (steps, *train.get("checkpoints", [])):
                yield step, round(float(np.mean(recent)), 6)
                recent = []


def write_curve(path: Path, curve: Sequence[dict[str, float]]) -> None:
    """Write a loss curve as CSV, with the columns of its last row; what a row lacks stays empty."""
    with writing(path) as temporary, open(temporary, "w", newline="") as file:
        writer = csv.DictWriter(file, list(curve[-1]))
        writer.writeheader()
        writer.writerows(curve)
