"""Weights that the authors pickled, read without running code, and whether they are all there."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from matrix_entropy.base.errors import InputError, first_line
from matrix_entropy.models.loaded_weights import first_names
from matrix_entropy.models.mapped_files import larger_than_memory


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
