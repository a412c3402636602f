"""Spectra of large matrices: by MKL, which torch brings along, against NumPy's library, and in
single precision against double.

Processor time of one thread in one process, all in turn, ratios of medians, so that other work on
the machine moves it little. Run by `make benchmark`; exits with 1 if a ratio is above its target
on a processor by Intel, or if entropies are further apart than promised on any. What it is on
another processor: OPENBLAS_CORETYPE and ATEN_CPU_CAPABILITY before the command.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import sys
import time
from pathlib import Path
from statistics import median
from unittest.mock import patch

import numpy as np

from matrix_entropy.maths import spectra
from matrix_entropy.maths.entropy import matrix_entropy

# (tokens, width): the largest ratio that is promised, and rounds that end in reasonable time
SHAPES = {
    (512, 768): (1.1, 9),
    (1000, 1024): (1.1, 5),
    (1536, 2048): (0.8, 3),
    (2048, 2048): (0.65, 3),
}
LARGEST = {(3072, 4096): (0.6, 2)}
# How far entropies may be apart (nats): of the two libraries, and of the two precisions.
LIBRARIES, PRECISIONS = 1e-12, 1e-5
# Every spectrum by NumPy, by size, and by size in single precision.
WAYS = {"NumPy": (sys.maxsize, False), "by size": (spectra.TWO_STAGE, False)}
WAYS["single"] = (spectra.TWO_STAGE, True)


def processor() -> str:
    """What Linux calls the processor, or nothing."""
    try:
        told = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    fields = dict(line.split(":", 1) for line in told if ":" in line)
    named = {key.strip(): value.strip() for key, value in fields.items()}
    return f"{named.get('vendor_id', '')} {named.get('model name', '')}".strip()


def main() -> int:
    if spectra._threads_of_mkl() is None:
        print("torch has no MKL here: every spectrum is NumPy's, or SciPy's in single precision")
    random = np.random.default_rng(0)
    good, promised = True, processor().startswith("GenuineIntel")
    print(processor())
    print("| tokens, width | NumPy (s) | by size (s) | ratio | target | apart (nats) |", end="")
    print(" single, of by size | apart (nats) |")
    print("|---|---|---|---|---|---|---|---|")
    for (tokens, width), (target, rounds) in (SHAPES | LARGEST).items():
        states = random.standard_normal((tokens, width)) * np.arange(1, width + 1) ** -0.7
        states = states.astype(np.float32)
        times: dict[str, list[float]] = {way: [] for way in WAYS}
        entropies = {}
        for _ in range(rounds):
            for way, (size, single) in WAYS.items():
                with patch.object(spectra, "TWO_STAGE", size):
                    started = time.process_time()
                    found = spectra.spectrum_of(*spectra.normalised_matrix(states), single)[0]
                    times[way].append(time.process_time() - started)
                entropies[way] = matrix_entropy(found)
        numpy, by_size, single_too = (median(taken) for taken in times.values())
        apart, moved = (abs(entropies[way] - entropies["by size"]) for way in ("NumPy", "single"))
        good &= apart <= LIBRARIES and moved <= PRECISIONS
        good &= by_size / numpy <= target or not promised
        print(
            f"| {tokens}, {width} | {numpy:.3f} | {by_size:.3f} | {by_size / numpy:.2f} | {target} "
            f"| {apart:.0e} | {single_too / by_size:.2f} | {moved:.0e} |",
            flush=True,
        )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
