"""Eigenvalues of many matrices in one call, on the device that made them.

One matrix of some hundred rows keeps few of a GPU's processors busy; many at a time keep all.
Matrices of about the same size are solved together: rows and columns of zeros make them equal,
which add as many eigenvalues of zero and change no other (proven: the padded matrix is block
diagonal). Every matrix is then checked by the sums of its eigenvalues and of their squares, and
what fails is left to the processors, as is what does not pay here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

# Rows of the matrices that are solved on a GPU. Others measured, in float32 with eigenvectors on a
# B200, 0.27 ms a matrix of 512 rows, 1.8 ms of 1,024 and 23.5 ms of 2,048: six, seven and two times
# as fast as eight processors, three to five times slower on a second machine of that kind, where
# the last does not pay. Below 512 nothing was measured: from 256 rows on it is inferred that it
# pays, below that it is not tried.
LEAST, MOST = 256, 1024
# Fewer matrices of a size do not keep a GPU busy: a single one of 512 rows takes longer there than
# on a processor (inferred: some eleven at a time make up for eight processors).
FEWEST = 16
# Of matrices that wait on the device for others; a call takes about four times as much.
WAITING_BYTES = 2**28
# What cuSOLVER can number: entries of all matrices of a call.
MOST_ENTRIES = 2**31 - 1
# How far the two sums may be off, of themselves, and an eigenvalue below zero, of the trace: more
# than ten times what a processor's were at worst, 2e-15 and 2e-6. A GPU's are not known.
OFF = {torch.float64: 1e-12, torch.float32: 1e-4}
# First versions of torch and CUDA that solve a batch in one call.
TORCH, CUDA = (2, 12), (12, 6)
# GPUs that compute in float64 at half the rate of float32; others do at a 32nd or less.
FULL_FLOAT64 = ((6, 0), (7, 0), (8, 0), (9, 0), (10, 0))


def pays(device: torch.device, single: bool) -> bool:
    """Whether batches are faster on a device than on the processors beside it (not measured here,
    see `LEAST`): on a GPU of NVIDIA whose library solves them in one call, in float64 only if it is
    made for it."""
    if device.type != "cuda" or torch.version.cuda is None:
        return False
    if _version(torch.__version__) < TORCH or _version(torch.version.cuda) < CUDA:
        return False
    return single or torch.cuda.get_device_capability(device) in FULL_FLOAT64


def _version(said: str) -> tuple[int, ...]:
    return tuple(int(number) for number in said.split("+")[0].split(".")[:2])


def fits(size: int) -> bool:
    """Whether a matrix of so many rows is one to solve in a batch."""
    return size >= LEAST and padded(size) <= MOST


def padded(size: int) -> int:
    """The size that a matrix is given: the next of eight steps from one power of two to the next,
    at most an eighth more.

    Examples
    --------
    >>> [padded(size) for size in (7, 256, 257, 300, 1000)]
    [7, 256, 288, 320, 1024]
    """
    step = max(1, 2 ** (size.bit_length() - 1) // 8)
    return -(-size // step) * step


@torch.inference_mode()
def eigenvalues_of(
    matrices: Sequence[torch.Tensor], single: bool = False
) -> list[NDArray[np.float64] | None]:
    """Eigenvalues of symmetric matrices without negative eigenvalues, all on one device.

    Parameters
    ----------
    matrices : sequence of tensors of shape (n, n)
        In float64, of sizes that `padded` makes equal; only the lower halves are read.
    single : bool
        Find them in float32.

    Returns
    -------
    list of ndarray of shape (n,), or None
        Of every matrix its eigenvalues, ascending. None where they are not to be trusted: sum or
        sum of squares are not those of the matrix (its trace, its squared norm), one is clearly
        negative, the device could not find them, or the matrix holds a value that is not finite.
    """
    most = MOST_ENTRIES // padded(max(len(matrix) for matrix in matrices)) ** 2
    if len(matrices) > most:
        return _in_two(matrices, single)
    try:
        return _solved(matrices, single)
    except torch.OutOfMemoryError:
        pass
    except RuntimeError:  # of the library's own, LinAlgError among them
        return [None] * len(matrices)
    # Behind the exception, whose frames hold what is to be freed.
    return _in_two(matrices, single) if len(matrices) > 1 else [None]


def _in_two(matrices: Sequence[torch.Tensor], single: bool) -> list[NDArray[np.float64] | None]:
    half = len(matrices) // 2
    return [*eigenvalues_of(matrices[:half], single), *eigenvalues_of(matrices[half:], single)]


def _solved(matrices: Sequence[torch.Tensor], single: bool) -> list[NDArray[np.float64] | None]:
    size = padded(max(len(matrix) for matrix in matrices))
    batch = matrices[0].new_zeros((len(matrices), size, size))
    for place, matrix in zip(batch, matrices, strict=True):
        place[: len(matrix), : len(matrix)] = matrix
    # One that is not finite would fail the call for all.
    finite = batch.isfinite().flatten(1).all(1)
    batch = torch.where(finite[:, None, None], batch, 0.0)
    trace = batch.diagonal(dim1=-2, dim2=-1).sum(-1)
    squared_norm = torch.linalg.vector_norm(batch, dim=(-2, -1)).square()
    kind = torch.float32 if single else torch.float64
    values = torch.linalg.eigvalsh(batch.to(kind), UPLO="L").double()
    good = finite & ((values.sum(-1) - trace).abs() <= OFF[kind] * trace)
    good &= (values.square().sum(-1) - squared_norm).abs() <= OFF[kind] * squared_norm
    good &= values.amin(-1) >= -OFF[kind] * trace
    return [
        found[size - len(matrix) :] if whole else None
        for matrix, found, whole in zip(matrices, values.cpu().numpy(), good.tolist(), strict=True)
    ]
