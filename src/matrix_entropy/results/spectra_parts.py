"""A file of spectra read piece by piece: of one layer and some texts at a time.

In the file the spectra stand by views, then layers, then texts. So each view is read from a place
of its own on, and what follows in it is the next piece.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from matrix_entropy.results.in_pieces import AT_A_TIME, blocks
from matrix_entropy.results.npz_files import damaged, made_of, read_npz
from matrix_entropy.results.spectra_file import Spectra
from matrix_entropy.results.state_files import DAMAGED

# The arrays that grow with views, layers and texts.
LARGE = ("eigenvalues", "counts", "rows", "measured")


class Part(NamedTuple):
    """Spectra of one layer and some texts that follow each other."""

    layer: int  # position among the layers of the file
    spectra: Spectra


class SpectraParts:
    """What a file of spectra holds; damage is told where it is found.

    Attributes
    ----------
    head : Spectra
        Of all texts and views, but of no layer.
    layers : tuple of str
        Those of the file.

    Raises
    ------
    InputError
        As `Spectra.load` does; of single spectra, while they are read.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = path
        values = read_npz(Spectra, path, left=LARGE)
        try:
            with zipfile.ZipFile(path) as archive:
                if broken := archive.testzip():
                    raise damaged(path, f"{broken} is not as it was written")
            self.layers = tuple(map(str, values["layers"]))
            views, texts = len(values["views"]), len(values["ids"])
            measures = len(values.get("measures", ()))
        except (*DAMAGED, TypeError) as error:
            raise damaged(path, error) from None
        none = np.zeros((views, 0, texts), dtype=np.int64)
        values |= {"layers": [], "eigenvalues": np.empty(0), "counts": none, "rows": none}
        if measures:
            values["measured"] = np.empty((measures, 0, texts))
        self.head = made_of(Spectra, path, values)

    def __iter__(self) -> Iterator[Part]:
        """All parts, by layer and then by text."""
        try:
            with zipfile.ZipFile(self.path) as archive, ExitStack() as opened:
                yield from self._parts(archive, opened)
        except (*DAMAGED, TypeError) as error:
            raise damaged(self.path, error) from None

    def _parts(self, archive: zipfile.ZipFile, opened: ExitStack) -> Iterator[Part]:
        views, layers, texts = len(self.head.views), len(self.layers), len(self.head.ids)

        def members(name: str, firsts: Sequence[int]) -> list[Values]:
            """One array of the file, from each of some places on."""
            found = []
            for first in firsts:
                member = Values(opened.enter_context(archive.open(f"{name}.npy")))
                member.skip(first)
                found.append(member)
            return found

        (counts,) = members("counts", [0])
        if counts.shape != (views, layers, texts):
            raise ValueError(f"its counts are not those of {views} views and {layers} layers")
        of_views = [sum(_sum(counts.take(texts)) for _ in range(layers)) for _ in range(views)]
        firsts = np.cumsum([0, *of_views]).tolist()
        eigenvalues = members("eigenvalues", firsts[:-1])
        if any(member.shape != (firsts[-1],) for member in eigenvalues):
            raise ValueError("it has not as many eigenvalues as it says")
        strips = {
            name: members(name, range(0, number * layers * texts, layers * texts))
            for name, number in (
                *(("counts", views), ("rows", views)),
                ("measured", len(self.head.measures)),
            )
        }
        for layer, name in enumerate(self.layers):
            found = {
                array: np.array([member.take(texts) for member in of_array])
                for array, of_array in strips.items()
                if of_array
            }
            for some in blocks(found["counts"].sum(axis=0), AT_A_TIME):
                here = found["counts"][:, some].sum(axis=1).tolist()
                values = [
                    member.take(count) for member, count in zip(eigenvalues, here, strict=True)
                ]
                arrays: dict[str, Any] = {
                    array: of_layer[:, None, some] for array, of_layer in found.items()
                }
                part = replace(
                    _texts(self.head, some),
                    layers=(name,),
                    eigenvalues=np.concatenate(values),
                    **arrays,
                )
                if fault := part.fault():
                    raise ValueError(fault)
                yield Part(layer, part)


class Values:
    """The values of an array in a file, one after another."""

    def __init__(self, file: IO[bytes]) -> None:
        np.lib.format.read_magic(file)
        self.shape, _, self.dtype = np.lib.format.read_array_header_1_0(file)
        self.file = file

    def skip(self, count: int) -> None:
        self.file.seek(count * self.dtype.itemsize, os.SEEK_CUR)

    def take(self, count: int) -> NDArray[Any]:
        """The next so many; `ValueError` if there are fewer."""
        data = self.file.read(count * self.dtype.itemsize)
        return np.frombuffer(data, dtype=self.dtype, count=count)


def _sum(counts: NDArray[np.int64]) -> int:
    if (counts < 0).any():
        raise ValueError("it has not as many eigenvalues as it says")
    return int(counts.sum())


def _texts(head: Spectra, some: slice) -> Spectra:
    """What is known of some texts."""
    offsets = head.offsets[some.start : some.stop + 1]
    return replace(
        head,
        ids=head.ids[some],
        groups=head.groups[some],
        offsets=offsets - offsets[0],
        truncated=head.truncated[some],
        token_losses=head.token_losses[offsets[0] : offsets[-1]],
    )
