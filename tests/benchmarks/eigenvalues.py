"""Spectra of large matrices: by MKL, which torch brings along, against NumPy's library.

Processor time of one thread in one process, both in turn, ratio of medians, so that other work on
the machine moves it little. Run by `make benchmark`; exits with 1 if a ratio is above its target.
What it is on another processor: OPENBLAS_CORETYPE and ATEN_CPU_CAPABILITY before the command.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import sys
import time
from statistics import median
from unittest.mock import patch

import numpy as np

from matrix_entropy.maths import spectra
from matrix_entropy.maths.entropy import matrix_entropy

# (tokens, width): the largest ratio that is promised, and rounds that end in reasonable time
SHAPES = {(1000, 1024): (1.1, 5), (1536, 2048): (0.8, 3), (2048, 2048): (0.65, 3)}
LARGEST = {(3072, 4096): (0.6, 2)}


def main() -> int:
    if spectra._threads_of_mkl() is None:
        print("torch has no MKL here: every spectrum is NumPy's")
        return 0
    random = np.random.default_rng(0)
    good = True
    print("| tokens, width | NumPy (s) | by size (s) | ratio | target | apart (nats) |")
    print("|---|---|---|---|---|---|")
    for (tokens, width), (target, rounds) in (SHAPES | LARGEST).items():
        states = random.standard_normal((tokens, width)) * np.arange(1, width + 1) ** -0.7
        states = states.astype(np.float32)
        times: dict[bool, list[float]] = {False: [], True: []}
        entropies = {}
        for _ in range(rounds):
            for mkl, taken in times.items():
                size = spectra.TWO_STAGE if mkl else sys.maxsize
                with patch.object(spectra, "TWO_STAGE", size):
                    started = time.process_time()
                    found = spectra.spectrum(states)[0]
                    taken.append(time.process_time() - started)
                entropies[mkl] = matrix_entropy(found)
        ratio = median(times[True]) / median(times[False])
        apart = abs(entropies[True] - entropies[False])
        good &= ratio <= target and apart <= 1e-12
        print(
            f"| {tokens}, {width} | {median(times[False]):.2f} | {median(times[True]):.2f} "
            f"| {ratio:.2f} | {target} | {apart:.0e} |",
            flush=True,
        )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
