"""Information gain of every prefix of a text: one Cholesky factor against a determinant for each.

One thread, one process, both from the same hidden states, ratio of medians. Of the determinants
every 16th is measured, in the middle of the sixteen prefixes for which it counts; as their cost
grows faster than the length, that is rather too little than too much. Run by `make benchmark`;
exits with 1 if the ratio is below its target.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy: two threads of a busy machine spin

import sys
import time
from collections.abc import Callable
from statistics import median

import numpy as np

from matrix_entropy.maths.information_gain import (
    cholesky_diagonal,
    information_gains,
    kernel_matrix,
)

TOKENS, WIDTH, NOISE = 1024, 1024, 0.01
STEP = 16
TARGET, ROUNDS = 100, 5


def milliseconds(function: Callable[[], object]) -> float:
    started = time.perf_counter()
    function()
    return 1e3 * (time.perf_counter() - started)


def main() -> int:
    random = np.random.default_rng(0)
    states = random.standard_normal((TOKENS, WIDTH)) * np.arange(1, WIDTH + 1) ** -0.7
    states = states.astype(np.float32)
    prefixes = np.arange(STEP // 2, TOKENS, STEP)

    def ours() -> np.ndarray:
        return information_gains(cholesky_diagonal(kernel_matrix(states), NOISE))

    def covariance() -> np.ndarray:
        return np.eye(TOKENS) + kernel_matrix(states) / NOISE**2

    matrix = covariance()

    def one_by_one() -> np.ndarray:
        return np.array([0.5 * np.linalg.slogdet(matrix[:t, :t])[1] for t in prefixes])

    error = float(np.abs(ours()[prefixes - 1] - one_by_one()).max())
    mine, theirs = [], []
    for _ in range(ROUNDS):
        theirs.append(milliseconds(covariance) + STEP * milliseconds(one_by_one))
        mine += [milliseconds(ours) for _ in range(5)]
    ratio = median(theirs) / median(mine)
    print(
        "| tokens, width | prefix by prefix (ms) | ours (ms) | ratio | target | difference (nats) |"
    )
    print("|---|---|---|---|---|---|")
    print(
        f"| {TOKENS}, {WIDTH} | {median(theirs):.0f} | {median(mine):.1f} "
        f"| {ratio:.0f}x | {TARGET}x | {error:.0e} |"
    )
    return 0 if ratio >= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
