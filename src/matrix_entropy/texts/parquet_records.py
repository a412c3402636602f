"""Records of Parquet files: only what is asked for is read, and nothing is copied."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from typing import Any

import pyarrow.parquet as pq

from matrix_entropy.base.errors import InputError, first_line
from matrix_entropy.texts.records import Record


class ParquetRecords(Sequence[Record]):
    """The rows of some files, one file after another, as dictionaries of some columns.

    One row group is held at a time: rows in their order are read once, and a sample in its order
    reads the groups that hold one of its rows.

    Parameters
    ----------
    paths : sequence of str
    wanted : sequence of str
        Columns; all are read if there are none, or the first file lacks one of them.

    Raises
    ------
    InputError
        If a file turns out to be damaged, also while records are read.
    """

    def __init__(self, paths: Sequence[str], wanted: Sequence[str]) -> None:
        files = [_opened(path) for path in paths]
        known = files[0].schema_arrow.names
        self._columns = list(wanted) if wanted and set(wanted) <= {*known} else None
        self._groups = [
            (file, path, number)
            for file, path in zip(files, paths, strict=True)
            for number in range(file.num_row_groups)
        ]
        sizes = (file.metadata.row_group(number).num_rows for file, _, number in self._groups)
        self._ends = list(accumulate(sizes))
        self._held: tuple[int, Any] = (-1, None)

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, number: Any) -> Any:
        if not 0 <= number < len(self):
            raise IndexError(number)
        group = bisect_right(self._ends, number)
        if self._held[0] != group:
            self._held = group, self._table(group)
        first = self._ends[group - 1] if group else 0
        return self._held[1].slice(number - first, 1).to_pylist()[0]

    def __iter__(self) -> Iterator[Record]:
        for group in range(len(self._groups)):
            yield from self._table(group).to_pylist()

    def _table(self, group: int) -> Any:
        file, path, number = self._groups[group]
        with _named(path):
            return file.read_row_group(number, columns=self._columns)


def _opened(path: str) -> pq.ParquetFile:
    with _named(path):
        return pq.ParquetFile(path, memory_map=True)


@contextmanager
def _named(path: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:  # Arrow's are of these
        raise InputError(
            f"{path} cannot be read as Parquet ({first_line(error)}); delete it and run again, "
            "which fetches it anew."
        ) from None
