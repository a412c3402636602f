"""Arrays and provenance of a result in one ``.npz``: nothing is pickled, damage is told."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Collection
from dataclasses import MISSING, fields
from pathlib import Path
from typing import IO, Any, Protocol, TypeVar

import numpy as np

from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import writing
from matrix_entropy.results.in_pieces import InPieces
from matrix_entropy.results.intermediates import check_place
from matrix_entropy.results.state_files import DAMAGED

# Shares that a model of bfloat16 gives are rounded by so much of one.
HALF = 2.0**-7


class Result(Protocol):
    """A dataclass of arrays, tuples of names, single values and ``provenance``."""

    def fault(self) -> str | None:
        """What cannot be in it, if there is anything."""


Some = TypeVar("Some", bound=Result)


def save_npz(path: str | Path, values: dict[str, Any]) -> None:
    """Write arrays, texts and numbers under their names, and ``provenance``, which is a dict.

    Arrays that are `InPieces` are written so. The bytes are those of ``numpy.savez``.
    """
    values = values | {"provenance": json.dumps(values["provenance"])}
    with writing(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, value in values.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                _write_array(member, value)


def _write_array(member: IO[bytes], value: Any) -> None:
    if not isinstance(value, InPieces):
        np.lib.format.write_array(member, np.asarray(value), allow_pickle=False)
        return
    header = {
        "descr": np.lib.format.dtype_to_descr(value.dtype),
        "fortran_order": False,
        "shape": value.shape,
    }
    np.lib.format.write_array_header_1_0(member, header)
    for piece in value.pieces():
        member.write(np.ascontiguousarray(piece, dtype=value.dtype).data.cast("B"))


def load_npz(kind: type[Some], path: str | Path) -> Some:
    """What `save_npz` wrote of an object of this kind; what was a single value is one again.

    A name that has a default need not be in the file.

    Raises
    ------
    InputError
        If the file is damaged or holds values that cannot be, or an older version wrote it without
        one of the names, or if it says that it is of another model or data set than its place.
    """
    return made_of(kind, path, read_npz(kind, path))


def read_npz(kind: type[Result], path: str | Path, left: Collection[str] = ()) -> dict[str, Any]:
    """What `save_npz` wrote of an object of this kind, by the names, without those that are left.

    Raises
    ------
    InputError
        As `load_npz` does, but for values that cannot be.
    """
    needed = {
        field.name
        for field in fields(kind)  # type: ignore[arg-type]
        if field.default is MISSING and field.default_factory is MISSING
    }
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
            there = set(stored.files)
            values: dict[str, Any] = {
                name: stored[name] for name in stored.files if name not in left
            }
        if "provenance" in values:
            values["provenance"] = json.loads(values["provenance"].item())
    except (*DAMAGED, TypeError) as error:
        raise damaged(path, error) from None
    if missing := needed - there:
        raise InputError(
            f"{path} lacks {', '.join(sorted(missing))} (an older version wrote it); delete it and "
            "run again."
        )
    singles = {name for name, value in values.items() if np.ndim(value) == 0} - {"provenance"}
    values |= {name: values[name].item() for name in singles}
    check_place(path, values["provenance"])
    return values


def made_of(kind: type[Some], path: str | Path, values: dict[str, Any]) -> Some:
    """An object out of what `read_npz` gave; `InputError` if it holds values that cannot be."""
    known: Any = {field.name: field.type for field in fields(kind)}  # type: ignore[arg-type]
    try:
        there = {name: values[name] for name in known if name in values}
        names = {
            name: tuple(map(str, there[name])) for name in there if known[name].startswith("tuple")
        }
        found = kind(**there | names)
        fault = found.fault()
    except (AttributeError, TypeError, ValueError, IndexError) as error:  # of another shape or type
        raise damaged(path, error) from None
    if fault:
        raise damaged(path, fault)
    return found


def damaged(path: str | Path, fault: object) -> InputError:
    """What to say of a file that is not as it was written."""
    return InputError(f"{path} is damaged ({fault}); delete it and run again.")


def offsets_fault(offsets: Any, count: int, of: str) -> str | None:
    """What is wrong with where each of ``count`` things begins among what there is of them."""
    if offsets.shape != (count + 1,) or offsets[0] != 0 or (np.diff(offsets) < 0).any():
        return f"its offsets are not those of {count} {of}"
    return None


def within(values: Any, least: float, most: float = float("inf")) -> bool:
    """Whether all values are numbers, finite and in these limits."""
    return bool(np.isfinite(values).all() and (values >= least).all() and (values <= most).all())
