"""Distances of all pairs of 45 sentences: ours, and one pair by the definition in full matrices.

One thread, one process. Fifteen sentences of eight tokens in each of three contexts, of which they
share six tokens; width 2048. The definition decomposes 2048 × 2048 matrices, so one pair of it is
measured once, and the ratio is of its time to a 990th of ours. Run by hand:

    PYTHONPATH=src:tests python tests/benchmarks/distances.py

exits with 1 if a ratio is below its target.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy: two threads of a busy machine spin

import sys
import time
from collections.abc import Callable
from statistics import median

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from matrix_entropy.maths.distances import DISTANCES, pairwise_distances, prepared

CONTEXTS, WORDS, SHARED, OWN, WIDTH = 3, 15, 6, 2, 2048
GAMMA, RIDGE = 100.0, 1e-3
# The least ratio that is promised; a Frobenius norm needs no decomposition.
TARGETS = {
    **dict.fromkeys(("log_det_js", "log_det"), 500),
    **dict.fromkeys(("riemannian", "log_euclidean"), 2000),
    "frobenius": 30,
}
ROUNDS = 5

Float64 = NDArray[np.float64]


def seconds(function: Callable[[], object]) -> float:
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def log_det(matrix: Float64) -> float:
    return float(np.linalg.slogdet(matrix)[1])


def logarithm(matrix: Float64) -> Float64:
    eigenvalues, vectors = np.linalg.eigh(matrix)
    return vectors * np.log(eigenvalues) @ vectors.T


def defined(name: str, first: Float64, second: Float64) -> float:
    """The distance in matrices of width × width."""
    a, b = first.T @ first / len(first), second.T @ second / len(second)
    if name == "frobenius":
        return float(np.linalg.norm(a - b))
    shift = (1 / GAMMA if name == "log_det_js" else RIDGE) * np.eye(WIDTH)
    p, q = a + shift, b + shift
    if name == "riemannian":
        return float(np.linalg.norm(np.log(eigh(p, q, eigvals_only=True))))
    if name == "log_euclidean":
        return float(np.linalg.norm(logarithm(p) - logarithm(q)))
    return float(np.sqrt(log_det((p + q) / 2) - (log_det(p) + log_det(q)) / 2))


def main() -> int:
    random = np.random.default_rng(0)
    scales = np.arange(1, WIDTH + 1) ** -0.7

    def states(tokens: int) -> Float64:
        return random.standard_normal((tokens, WIDTH)) * scales

    contexts = [states(SHARED) for _ in range(CONTEXTS)]
    sentences = [
        prepared(np.concatenate([context, states(OWN)]))
        for context in contexts
        for _ in range(WORDS)
    ]
    pairs = len(sentences) * (len(sentences) - 1) // 2
    good = True
    print(
        "| distance | all pairs (s) | one pair, full matrices (s) | ratio | target | difference |"
    )
    print("|---|---|---|---|---|---|")
    for name in DISTANCES:

        def ours(name: str = name) -> Float64:
            return pairwise_distances(sentences, name, gamma=GAMMA, ridge=RIDGE)

        distance = ours()[0, -1]
        mine = median(seconds(ours) for _ in range(ROUNDS))
        started = time.perf_counter()
        difference = abs(distance - defined(name, sentences[0], sentences[-1]))
        theirs = time.perf_counter() - started
        ratio = pairs * theirs / mine
        good &= ratio >= TARGETS[name]
        print(
            f"| {name} | {mine:.2f} | {theirs:.2f} | {ratio:.0f}x | {TARGETS[name]}x "
            f"| {difference:.0e} |"
        )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
