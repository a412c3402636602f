"""The header of a GGUF file: what the model is, and where its tensors lie; no tensor is read.

A GGUF file begins with ``GGUF``, a version (2 or 3), the number of its tensors and of its values;
then come the values (a key, a type, the value), a table of the tensors, and the tensors. Numbers
are little-endian. The reader of the `gguf` package takes seconds for a vocabulary, and loops for
ever over one that is damaged, so it is not for planning; this one needs neither NumPy nor torch.
"""

from __future__ import annotations

import math
import mmap
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from matrix_entropy.base.errors import InputError

VERSIONS = (2, 3)
# struct's letters for the types of values but strings and arrays.
SCALARS = dict(zip((0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12), "BbHhIif?Qqd", strict=True))
STRING, ARRAY = 8, 9
# Where the next tensor begins, unless the file says otherwise.
ALIGNMENT = 32


class Tensor(NamedTuple):
    """A tensor of the table: its type is a number of ggml, its offset one from the table's end."""

    name: str
    shape: tuple[int, ...]
    type: int
    offset: int

    @property
    def values(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)


class Header(NamedTuple):
    """Values by key (arrays of strings left out), the tensors, and where their data begin."""

    values: dict[str, Any]
    tensors: list[Tensor]
    start: int


def is_gguf(model: dict[str, Any]) -> bool:
    """Whether a model's entry in the configuration names a GGUF file."""
    return "package" in model or "gguf" in model or names_gguf(model.get("path", ""))


def names_gguf(path: str) -> bool:
    """Whether a path is one of a GGUF file, by its ending."""
    return path.lower().endswith(".gguf")


def local_gguf(model: dict[str, Any]) -> Path:
    """The file that an entry with `path:` names, directly or in a folder by `gguf:`."""
    return Path(model["path"], model.get("gguf", ""))


def sizes(path: Path) -> tuple[int, int]:
    """Blocks and width of the model in a GGUF file.

    Raises
    ------
    InputError
        If it is no whole GGUF file, or does not say them.
    """
    values: dict[str, Any] = {}
    with _opened(path) as data:
        for key, value in _values(data):
            values[key] = value
            if key.startswith("tokenizer."):  # the vocabulary comes last, and is long
                break
    return sizes_in(values, path)


def sizes_in(values: dict[str, Any], path: Path) -> tuple[int, int]:
    """Blocks and width by the values of a header; ``path`` is for the message.

    Blocks that only predict tokens further ahead are counted in the file and not by transformers.

    Raises
    ------
    InputError
        If they are not among them.
    """
    kind = values.get("general.architecture")
    blocks, width = (values.get(f"{kind}.{key}") for key in ("block_count", "embedding_length"))
    if not isinstance(blocks, int) or not isinstance(width, int):
        raise InputError(f"{path} does not say how many blocks the model has and how wide it is.")
    return blocks - values.get(f"{kind}.nextn_predict_layers", 0), width


def read_header(path: Path) -> Header:
    """Everything that a GGUF file says but its vocabulary.

    Raises
    ------
    InputError
        If it is no whole GGUF file.
    """
    with _opened(path) as data:
        values = dict(_values(data))
        tensors = [data.tensor() for _ in range(data.tensors)]
        alignment = values.get("general.alignment", ALIGNMENT)
        if not isinstance(alignment, int) or alignment < 1:
            raise ValueError(f"its alignment is {alignment}")
        return Header(values, tensors, -(-data.place // alignment) * alignment)


class _Data:
    """The bytes of a file, and how far they have been read."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data, self.place = data, 4
        (version,) = self.numbers("I")
        if version not in VERSIONS:
            raise ValueError(f"its version is {version}, known are 2 and 3, little-endian")
        self.tensors, self.count = self.numbers("QQ")

    def numbers(self, letters: str) -> tuple[Any, ...]:
        self.skip(size := struct.calcsize(f"<{letters}"))
        return struct.unpack_from(f"<{letters}", self.data, self.place - size)

    def skip(self, size: int) -> None:
        if size > len(self.data) - self.place:
            raise ValueError("it ends in the middle of its header")
        self.place += size

    def string(self) -> str:
        (length,) = self.numbers("Q")
        self.skip(length)
        return self.data[self.place - length : self.place].decode()

    def tensor(self) -> Tensor:
        name = self.string()
        (dimensions,) = self.numbers("I")
        shape = tuple(self.numbers("Q")[0] for _ in range(dimensions))
        return Tensor(name, shape, *self.numbers("IQ"))


@contextmanager
def _opened(path: Path) -> Iterator[_Data]:
    try:
        with open(path, "rb") as stream:
            if stream.read(4) != b"GGUF":
                raise InputError(f"{path} is no GGUF file: it does not begin with GGUF.")
            with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
                yield _Data(data)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}).") from None
    except (ValueError, struct.error) as error:
        raise InputError(
            f"{path} is no whole GGUF file ({error}); fetch it again, or save it anew."
        ) from None


def _values(data: _Data) -> Iterator[tuple[str, Any]]:
    for _ in range(data.count):
        key = data.string()
        (kind,) = data.numbers("I")
        yield key, _value(data, kind)


def _value(data: _Data, kind: int) -> Any:
    if kind == STRING:
        return data.string()
    if kind in SCALARS:
        return data.numbers(SCALARS[kind])[0]
    if kind != ARRAY:
        raise ValueError(f"it has a value of the unknown type {kind}")
    of, length = data.numbers("IQ")
    if of in SCALARS:
        begun, size = data.place, struct.calcsize(f"<{SCALARS[of]}")
        data.skip(length * size)  # more than the file has is refused before it is read
        return list(struct.unpack_from(f"<{length}{SCALARS[of]}", data.data, begun))
    if of != STRING:
        raise ValueError(f"it has an array of the type {of}")
    for _ in range(length):
        data.skip(data.numbers("Q")[0])
    return None
