"""Files of weights that are read through a mapping, also where they are larger than memory."""

from __future__ import annotations

import mmap
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch

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
