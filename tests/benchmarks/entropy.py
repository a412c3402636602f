"""Matrix entropy of one text at one layer: ours against the released algorithm.

One thread, one process, rounds of both in turn, ratio of medians. States have a power-law spectrum
like trained models'. Run by `make benchmark`; exits with 1 if a ratio is below its target.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy and torch: two threads of a busy machine spin

import sys
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import torch

from matrix_entropy.maths.entropy import entropy_of
from released import released_entropy

# (tokens, width): the least ratio that is promised, and rounds that end in reasonable time
SHAPES = {(128, 768): (20, 9), (128, 2048): (200, 5), (512, 768): (2, 9), (512, 2048): (10, 5)}


def milliseconds(function: Callable[[], object]) -> float:
    started = time.perf_counter()
    function()
    return 1e3 * (time.perf_counter() - started)


def main() -> int:
    torch.set_num_threads(1)
    random = np.random.default_rng(0)
    good = True
    print("| tokens, width | released (ms) | ours (ms) | ratio | target |\n|---|---|---|---|---|")
    for (tokens, width), (target, rounds) in SHAPES.items():
        states = random.standard_normal((tokens, width)) * np.arange(1, width + 1) ** -0.7
        states = states.astype(np.float32)
        tensor = torch.from_numpy(states)
        entropy_of(states), released_entropy(tensor)
        ours, theirs = [], []
        for _ in range(rounds):
            theirs.append(milliseconds(lambda tensor=tensor: released_entropy(tensor)))
            ours += [milliseconds(lambda states=states: entropy_of(states)) for _ in range(5)]
        ratio = median(theirs) / median(ours)
        good &= ratio >= target
        print(
            f"| {tokens}, {width} | {median(theirs):.0f} | {median(ours):.2f} "
            f"| {ratio:.0f}x | {target}x |"
        )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
