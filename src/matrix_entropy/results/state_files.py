"""The files of hidden states: one ``.npy`` per layer, of its final size from the beginning."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matrix_entropy.base.errors import NO_ZIP, InputError
from matrix_entropy.base.files import naming_a_full_disk, read_json
from matrix_entropy.results.intermediates import check_place

Layer = int | str

# What reading a file says that broke off or was overwritten.
DAMAGED = (*NO_ZIP, OSError, ValueError)


class StateFiles:
    """Preallocated ``layer_{layer}.npy`` files, one row per token of all texts.

    Rows are written with ``pwrite`` and not through a memory map: the process keeps no page of
    them, and a full disk is an error that can be reported instead of a signal.
    """

    def __init__(self, folder: Path, layers: Sequence[Layer], width: int, dtype: str) -> None:
        self.paths = {layer: folder / f"layer_{layer}.npy" for layer in layers}
        self.width = width
        # NumPy has no bfloat16; float32 holds its values exactly.
        self.dtype = np.dtype("float32" if dtype == "bfloat16" else dtype)
        self.files: dict[Layer, Any] = {}
        self.header = 0

    def create(self, rows: int) -> None:
        """Make every file at its final size; a disk that is too small is noticed here."""
        for path in self.paths.values():
            with open(path, "wb") as stream:
                np.lib.format.write_array_header_1_0(
                    stream,
                    {
                        "descr": np.lib.format.dtype_to_descr(self.dtype),
                        "fortran_order": False,
                        "shape": (rows, self.width),
                    },
                )
                stream.flush()
                size = rows * self.width * self.dtype.itemsize
                with naming_a_full_disk(path):
                    _allocate(stream.fileno(), stream.tell(), size)

    def open(self) -> None:
        for layer, path in self.paths.items():
            self.files[layer] = stream = open(path, "r+b", buffering=0)  # noqa: SIM115 (closed by close)
            np.lib.format.read_magic(stream)
            np.lib.format.read_array_header_1_0(stream)
            self.header = stream.tell()

    def write(self, layer: Layer, first_row: int, rows: NDArray[np.floating]) -> None:
        data = np.ascontiguousarray(rows, dtype=self.dtype).data.cast("B")
        position = self.header + first_row * self.width * self.dtype.itemsize
        write_at(self.files[layer].fileno(), data, position, self.paths[layer])

    def close(self) -> None:
        for stream in self.files.values():
            stream.close()
        self.files = {}


def write_at(file: int, data: bytes | memoryview, position: int, path: Path) -> None:
    """Write bytes at a place of an open file; a full disk is an error that names ``path``."""
    with naming_a_full_disk(path):
        while data:
            written = os.pwrite(file, data, position)
            data, position = data[written:], position + written


def _allocate(file: int, start: int, size: int) -> None:
    """Give a file its final size, with the blocks for it where the system can reserve them."""
    if hasattr(os, "posix_fallocate"):
        try:
            return os.posix_fallocate(file, start, size)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                raise
    os.truncate(file, start + size)  # macOS, and file systems that reserve nothing


def open_folder(folder: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Provenance and tokens of a folder of hidden states, as they were written beside the states.

    Raises
    ------
    InputError
        If either is missing or damaged.
    """
    try:
        provenance = read_json(folder / "provenance.json")
        check_place(folder, provenance)
        # Opened here, since NumPy leaves a file open that is none of its own.
        with (
            open(folder / "tokens.npz", "rb") as file,
            np.load(file, allow_pickle=False) as stored,
        ):
            return provenance, {name: stored[name] for name in stored.files}
    except DAMAGED as error:
        raise InputError(f"{folder} is damaged ({error}); delete it and run again.") from None


def open_states(folder: Path, layer: Layer, rows: int | None = None) -> NDArray[np.floating]:
    """Memory map of one layer's hidden states, shape (tokens, width), read-only.

    Raises
    ------
    InputError
        If the file is missing, cut short or not an array, or has not so many ``rows``.
    """
    path = folder / f"layer_{layer}.npy"
    try:
        states: NDArray[np.floating] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} is missing or damaged ({error}); delete {folder} and run again."
        ) from None
    if rows is not None and len(states) != rows:
        raise InputError(
            f"{path} has {len(states)} rows, but tokens.npz lists {rows} tokens; delete {folder} "
            "and run again."
        )
    return states


@contextmanager
def reading_states(
    folder: Path, layer: Layer, rows: int
) -> Iterator[tuple[int, Callable[[int, int], NDArray[np.floating]]]]:
    """The width of one layer's hidden states, and a function that reads rows from one to another.

    What is read does not stay with the process, as the pages of a memory map do. Any number of
    threads may read.

    Raises
    ------
    InputError
        As `open_states` does; also later, if the file became shorter.
    """
    states = open_states(folder, layer, rows)
    (_, width), dtype, header = states.shape, states.dtype, int(states.offset)  # type: ignore[attr-defined]
    path = folder / f"layer_{layer}.npy"
    with open(path, "rb", buffering=0) as file:

        def read(first: int, last: int) -> NDArray[np.floating]:
            size = (last - first) * width * dtype.itemsize
            data = bytearray()
            while len(data) < size:
                at = header + first * width * dtype.itemsize + len(data)
                piece = os.pread(file.fileno(), size - len(data), at)
                if not piece:
                    raise InputError(f"{path} was cut short; delete {folder} and run again.")
                data += piece
            return np.frombuffer(data, dtype=dtype).reshape(last - first, width)

        yield width, read
