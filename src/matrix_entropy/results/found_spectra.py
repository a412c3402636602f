"""Spectra on disk while they are found, in whatever order, until all are there.

A text has as many places for the eigenvalues of a view as rows, since it has no more of them. So
every process and every thread writes its own, and none holds more than what it works on. Places
that stay empty are holes in the files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from matrix_entropy.maths.spectra import distribution, spectrum_of
from matrix_entropy.results.counted_rows import View
from matrix_entropy.results.in_pieces import AT_A_TIME, InPieces, blocks
from matrix_entropy.results.state_files import write_at

FLOAT64, INT64 = np.dtype(np.float64), np.dtype(np.int64)


class Found(NamedTuple):
    """Of one text at one layer: eigenvalues and counted rows, view by view, the measures, and the
    size of the largest matrix: of a covariance of few rows, more than it has eigenvalues. Of the
    matrices, how many were given to a GPU in batches, and how many of these had to be solved again
    (`states.device_batches`)."""

    spectra: list[tuple[NDArray[np.float64], int]]
    measures: list[float]
    largest: int
    batched: int = 0
    again: int = 0


def found_of(
    matrices: Iterable[tuple[NDArray[np.float64], int]],
    measure: Callable[[], list[float]],
    single: bool,
) -> Found:
    """The spectra of what `maths.spectra.normalised_matrix` made of every view, one at a time, and
    then the measures, since rows that are not finite are known by their matrix. In the place of a
    matrix may stand its eigenvalues."""
    spectra, largest = [], 0
    for matrix, rows in matrices:
        if matrix.ndim == 1 and rows >= 2:
            spectra.append((distribution(matrix)[-rows:], rows))
        else:
            spectra.append(spectrum_of(matrix, rows, single))
        largest = max(largest, len(matrix))
    return Found(spectra, measure(), largest)


class FoundSpectra:
    """Files in ``folder`` for spectra of V views, L layers and T texts, and M measures."""

    def __init__(self, folder: Path, views: Sequence[View], layers: int, measures: int) -> None:
        # (V, T + 1): where the places of each text begin among those of a view and layer.
        self.starts = np.array([np.cumsum(np.append(0, view.most)) for view in views])
        self.layers, self.measures = layers, measures
        self.number = np.dtype(
            [
                ("counts", INT64, (len(views),)),
                ("rows", INT64, (len(views),)),
                ("measured", FLOAT64, (measures,)),
                ("largest", INT64),
                ("batched", INT64),
                ("again", INT64),
            ]
        )
        self.places = [folder / f"eigenvalues_{view}.bin" for view in range(len(views))]
        self.numbers_path = folder / "numbers.bin"
        self.files: dict[Path, BinaryIO] = {}

    @property
    def shape(self) -> tuple[int, int, int]:
        """(V, L, T)."""
        return len(self.starts), self.layers, self.starts.shape[1] - 1

    def create(self) -> None:
        """Make the files, by one process, before any opens them."""
        for path, starts in zip(self.places, self.starts, strict=True):
            self._make(path, FLOAT64.itemsize * self.layers * int(starts[-1]))
        self._make(self.numbers_path, self.number.itemsize * self.layers * self.shape[2])

    def open(self) -> None:
        for path in (*self.places, self.numbers_path):
            self.files[path] = open(path, "r+b", buffering=0)  # noqa: SIM115 (closed by close)

    def close(self) -> None:
        for file in self.files.values():
            file.close()
        self.files = {}

    def write(self, layer: int, text: int, found: Found) -> None:
        """What was found of one text at one layer, in its places."""
        number = np.empty((), dtype=self.number)
        number["counts"] = [len(values) for values, _ in found.spectra]
        number["rows"] = [rows for _, rows in found.spectra]
        number["measured"] = found.measures
        for name in ("largest", "batched", "again"):
            number[name] = getattr(found, name)
        at = (layer * self.shape[2] + text) * self.number.itemsize
        self._write(self.numbers_path, number, at)
        for (values, _), path, starts in zip(found.spectra, self.places, self.starts, strict=True):
            at = (layer * int(starts[-1]) + int(starts[text])) * FLOAT64.itemsize
            self._write(path, values, at)

    def numbers(self, layer: int) -> NDArray[Any]:
        """(T,): counts and rows, each (V,), measures (M,), and the other numbers of `Found`, of
        every text at one layer."""
        texts = self.shape[2]
        at = layer * texts * self.number.itemsize
        return np.fromfile(self.numbers_path, dtype=self.number, count=texts, offset=at)

    @property
    def largest(self) -> int:
        """Size of the largest matrix of all."""
        numbers = (self.numbers(layer)["largest"] for layer in range(self.layers))
        return max((int(sizes.max(initial=0)) for sizes in numbers), default=0)

    @property
    def batches(self) -> dict[str, int]:
        """What a result says of matrices that were solved in batches, if any were."""
        names = {"batched": "batched_matrices", "again": "solved_again"}
        layers = [self.numbers(layer) for layer in range(self.layers)]
        found = {said: sum(int(of[name].sum()) for of in layers) for name, said in names.items()}
        return found if found["batched_matrices"] else {}

    def arrays(self) -> dict[str, InPieces]:
        """What was found, by the names that `results.spectra_file.Spectra` has for it."""
        _, layers, texts = self.shape
        total = sum(int(self.numbers(layer)["counts"].sum()) for layer in range(layers))

        def of_views(name: str) -> InPieces:
            def pieces() -> Iterator[NDArray[Any]]:
                for at in range(self.number[name].shape[0]):
                    yield from (self.numbers(layer)[name][:, at] for layer in range(layers))

            count = self.number[name].shape[0]
            return InPieces((count, layers, texts), self.number[name].base, pieces)

        found = {
            "eigenvalues": InPieces((total,), FLOAT64, self._eigenvalues),
            "counts": of_views("counts"),
            "rows": of_views("rows"),
        }
        return found | ({"measured": of_views("measured")} if self.measures else {})

    def _eigenvalues(self) -> Iterator[NDArray[np.float64]]:
        """Those of all views, layers and texts, without the places that stayed empty."""
        for at, (path, starts) in enumerate(zip(self.places, self.starts, strict=True)):
            sizes = np.diff(starts)
            for layer in range(self.layers):
                counts = self.numbers(layer)["counts"][:, at]
                for some in blocks(sizes, AT_A_TIME):
                    first, last = int(starts[some.start]), int(starts[some.stop])
                    offset = FLOAT64.itemsize * (layer * int(starts[-1]) + first)
                    values = np.fromfile(path, FLOAT64, count=last - first, offset=offset)
                    yield values[_filled(sizes[some], counts[some])]

    @staticmethod
    def _make(path: Path, size: int) -> None:
        with open(path, "wb") as file:
            file.truncate(size)

    def _write(self, path: Path, values: NDArray[Any], at: int) -> None:
        write_at(self.files[path].fileno(), values.tobytes(), at, path)


def _filled(sizes: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Of so many places for each text, the first so many."""
    ends = np.cumsum(sizes)
    within = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - sizes, sizes)
    return within < np.repeat(counts, sizes)
