"""Formulas of what a job costs: floating-point operations, memory traffic, seconds and bytes.

Every transformer here counts as blocks of ``4 d²`` attention weights and an MLP of ``8 d²`` (GPT-2,
GPT-Neo, GPT-NeoX and OPT have exactly these; Llama's three matrices of 2.69 d rows come to the same
within one percent). Norms, biases and embeddings are left out of the operations; what they cost is
memory traffic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Rows: TypeAlias = float | NDArray[np.float64]  # of one text, or of each of several

# Numbers read or written by all that is no product of matrices: per token, block and unit of width
# (norms, activations, residual sums, what goes into the products and comes out of them), and per
# token and entry of the vocabulary where logits are made (written, normalised, reduced). With the
# bandwidth of `cpu_core`, forward passes of GPT-2's blocks at widths 48 to 1536 take what was
# measured within a factor of 1.6. The softmax of every head is left out; at width 16, with four
# heads, it makes them four times slower than that.
MOVED_PER_WIDTH, MOVED_PER_LOGIT = 30, 6
# Where attention weights are made as a matrix and looked at: per block, head and pair of tokens, of
# heads of so many features (assumed). On SmolLM2's shape, 256 to 1,024 tokens: measured here.
MOVED_PER_WEIGHT, HEAD_WIDTH = 12, 64
# A step backwards computes the gradients of activations and those of weights, each of them as much
# work as the step forwards.
TRAINING, ADAPTER_TRAINING = 3, 2

# One spectrum on one core of a CPU, in float64 (see `spectrum_seconds`): measured here.
GRAM_RATE, EIGENVALUE_RATE = 50e9, 20e9  # FLOP a second
ELEMENT_SECONDS, SPECTRUM_SECONDS = 8e-9, 1.5e-4
# One measure of hidden states, of an element of a text's rows: likewise, the mean of three that
# look at one row after another; and one of distances, for an element and for a pair of rows.
MEASURE_SECONDS = 2e-9
DISTANCE_ELEMENT_SECONDS, PAIR_SECONDS = 2.5e-8, 1.5e-8


class Work(NamedTuple):
    """Floating-point operations of matrix products, and numbers moved by everything else."""

    flops: float = 0.0
    moved: float = 0.0

    def times(self, factor: float) -> Work:
        return Work(self.flops * factor, self.moved * factor)

    def plus(self, other: Work) -> Work:
        return Work(self.flops + other.flops, self.moved + other.moved)


@dataclass(frozen=True)
class Transformer:
    """What the cost of a transformer depends on."""

    layers: int
    width: int
    vocabulary: int = 0  # of the output matrix; 0 for a vision encoder

    @property
    def block_parameters(self) -> int:
        """``12 · layers · width²``."""
        return 12 * self.layers * self.width**2

    def forward(self, tokens: float, squares: float, with_logits: bool) -> Work:
        """Work of a forward pass over texts.

        ``2 · 12 · layers · width² · tokens + 4 · layers · width · squares`` operations, and ``2 ·
        width · vocabulary · tokens`` for the output matrix. ``squares`` is the sum of squared
        lengths: a causal model needs half of the products of queries and keys, but kernels compute
        all of them.
        """
        blocks = Work(
            2 * self.block_parameters * tokens + 4 * self.layers * self.width * squares,
            MOVED_PER_WIDTH * self.layers * self.width * tokens,
        )
        return blocks.plus(self.read_off(tokens)) if with_logits else blocks

    def read_off(self, tokens: float) -> Work:
        """Work of the output matrix on the states of one layer, and of what follows it."""
        logits = self.vocabulary * tokens
        return Work(2 * self.width * logits, MOVED_PER_LOGIT * logits)

    def attended(self, squares: float) -> Work:
        """Work on top of a forward pass if the attention weights of every block are looked at."""
        heads = max(1, self.width // HEAD_WIDTH)
        return Work(moved=MOVED_PER_WEIGHT * self.layers * heads * squares)

    def written(self, tokens: float) -> Work:
        """Work of writing texts token by token: each one reads every weight once."""
        weights = self.block_parameters + self.width * self.vocabulary
        return Work(2 * weights * tokens, weights * tokens)


def spectrum_flops(rows: Rows, width: int) -> Rows:
    """``k² m + 4/3 k³`` with ``k`` the smaller and ``m`` the larger of rows and width.

    Half a Gram matrix (the other half mirrors it), then its reduction to a tridiagonal one.
    """
    small, large = np.minimum(rows, width), np.maximum(rows, width)
    return small**2 * large + 4 / 3 * small**3


def spectrum_seconds(rows: Rows, width: int) -> Rows:
    """Seconds for one spectrum on one core: what `eigenvalue_seconds` says, and its matrix.

    The latter is ``8e-9 rows · width + k² m / 50e9``: centring and normalising, and the product.
    """
    small, large = np.minimum(rows, width), np.maximum(rows, width)
    matrix = ELEMENT_SECONDS * rows * width + small**2 * large / GRAM_RATE
    return matrix + eigenvalue_seconds(rows, width)


def measure_seconds(rows: Rows, width: int) -> Rows:
    """``2e-9 rows · width`` on one core, for one measure of hidden states."""
    return MEASURE_SECONDS * rows * width


def distance_seconds(rows: Rows, width: int) -> Rows:
    """``2.5e-8 rows · width + 1.5e-8 rows² + rows² · width / 50e9`` on one core, for a measure of
    the distances between all rows.
    """
    pairs = PAIR_SECONDS + width / GRAM_RATE
    return DISTANCE_ELEMENT_SECONDS * rows * width + pairs * rows**2


def eigenvalue_seconds(rows: Rows, width: int) -> Rows:
    """``1.5e-4 + 4/3 k³ / 20e9`` on one core: the calls, and the eigenvalues of the matrix."""
    return SPECTRUM_SECONDS + 4 / 3 * np.minimum(rows, width) ** 3 / EIGENVALUE_RATE


def matrix_flops(rows: Rows, width: int) -> Rows:
    """``2 k² m``, all of a spectrum's matrix, as a GPU makes it."""
    small, large = np.minimum(rows, width), np.maximum(rows, width)
    return 2 * small**2 * large


def matrix_moved(rows: Rows, width: int) -> Rows:
    """The rows, read or written four times for their matrix."""
    return 4 * rows * width


def gain_flops(rows: Rows, width: int) -> Rows:
    """``2 n² d + n³ / 3``: a Gram matrix between n tokens and its Cholesky factor."""
    return 2 * rows**2 * width + rows**3 / 3


def state_bytes(tokens: float, width: int, layers: int, dtype: str) -> float:
    """``tokens · width · layers`` numbers of 4 bytes; 2 in float16, which NumPy has."""
    return tokens * width * layers * (2 if dtype == "float16" else 4)


def eigenvalue_bytes(count: float) -> float:
    """8 bytes an eigenvalue."""
    return 8 * count
