"""Weights that the authors pickled, read without running code, and whether they are all there."""

from __future__ import annotations

import mmap
import sys
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from matrix_entropy.errors import InputError, first_line
from matrix_entropy.loaded_weights import first_names

# Linux's, which Python's own `mmap` names from 3.13 on: memory is set aside for what is written to.
MAP_NORESERVE = 0x4000


@contextmanager
def larger_than_memory() -> Iterator[None]:
    """Let torch map files that are larger than this machine's memory, such as 27 GB of weights.

    It maps a file so that weights may be written to without the file being changed, for which Linux
    sets as much memory aside as the file has bytes, or refuses, although nobody writes.
    """
    if sys.platform != "linux":
        yield
        return
    torch.UntypedStorage.from_file = staticmethod(_mapped)  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        del torch.UntypedStorage.from_file  # the one behind it is inherited


def _mapped(path: str, shared: bool, size: int) -> torch.UntypedStorage:
    """As torch's own, which is private too unless its options are changed."""
    assert not shared
    with open(path, "rb") as stream:
        kind = mmap.MAP_PRIVATE | MAP_NORESERVE
        content = mmap.mmap(stream.fileno(), size, kind, mmap.PROT_READ | mmap.PROT_WRITE)
    return torch.frombuffer(content, dtype=torch.uint8).untyped_storage()


def read_pickle(path: Path, part: str | None = None) -> dict[str, Tensor]:
    """Weights in a file of ``torch.save``, or in its ``part``; no code in it is run.

    Raises
    ------
    InputError
        If the file is missing, is damaged, would run code, or holds no weights there.
    """
    if not path.is_file():
        raise InputError(f"{path} is not there; download it, or correct the path.")
    try:
        # Only the newer of torch's two formats, a zip archive, can be mapped into memory.
        with larger_than_memory():
            stored: Any = torch.load(
                path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path)
            )
    except Exception as error:  # whatever the reader found, the weights are not usable
        raise InputError(
            f"{path} cannot be read without running code ({first_line(error)}); download it again, "
            "from where its authors put it."
        ) from None
    weights = stored if part is None or not isinstance(stored, dict) else stored.get(part)
    if not isinstance(weights, dict) or not all(isinstance(w, Tensor) for w in weights.values()):
        where = f" under '{part}'" if part else ""
        raise InputError(f"{path} has no weights{where}; is it the file that its name says?")
    return weights


def compare_keys(path: Path, found: Sequence[str], expected: Sequence[str]) -> None:
    """See that the names of the weights found in a file are those that are expected.

    Raises
    ------
    InputError
        If one is missing, or there is another one.
    """
    there, wanted = set(found), set(expected)
    missing = [key for key in expected if key not in there]
    unknown = [key for key in found if key not in wanted]
    if missing:
        raise InputError(
            f"{path} lacks {len(missing)} of the {len(expected)} weights that are read from it "
            f"({first_names(missing)}); is it the authors' file, and whole?"
        )
    if unknown:
        raise InputError(
            f"{path} has {len(unknown)} weights that this conversion does not know "
            f"({first_names(unknown)}), so the model would not be the authors'; is it their file?"
        )
