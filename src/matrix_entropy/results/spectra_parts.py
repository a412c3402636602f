"""A file of spectra read piece by piece: of one layer and some texts at a time.

In the file the spectra stand by views, then layers, then texts. So each view is read from a place
of its own on, and what follows in it is the next piece.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

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
    """What a file of spectra holds.

    Attributes
    ----------
    head : Spectra
        Of all texts and views, but of no layer.
    layers : tuple of str
        Those of the file.
    firsts : list of int
        Where the eigenvalues of each view begin, and at last how many there are.

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
                broken = archive.testzip()
            self.layers = tuple(map(str, values["layers"]))
            views, texts = len(values["views"]), len(values["ids"])
            measures = len(values.get("measures", ()))
        except (*DAMAGED, TypeError) as error:
            raise damaged(path, error) from None
        if broken:
            raise damaged(path, f"{broken} is not as it was written")
        none = np.zeros((views, 0, texts), dtype=np.int64)
        values |= {"layers": [], "eigenvalues": np.empty(0), "counts": none, "rows": none}
        if measures:
            values["measured"] = np.empty((measures, 0, texts))
        self.head = made_of(Spectra, path, values)
        self.firsts = self._firsts()

    def __iter__(self) -> Iterator[Part]:
        """All parts, by layer and then by text."""
        views, measures = range(len(self.head.views)), range(len(self.head.measures))
        texts = len(self.head.ids)
        places = {"counts": views, "rows": views, "measured": measures}
        with ExitStack() as opened:
            eigenvalues = [self.values("eigenvalues", view, opened) for view in views]
            others = {
                name: [self.values(name, at, opened) for at in of_array]
                for name, of_array in places.items()
                if of_array
            }
            for layer, name in enumerate(self.layers):
                found = {
                    array: np.array([values.take(texts) for values in of_array])
                    for array, of_array in others.items()
                }
                for some in blocks(found["counts"].sum(axis=0), AT_A_TIME):
                    sizes = found["counts"][:, some].sum(axis=1).tolist()
                    arrays: dict[str, Any] = {
                        array: of_layer[:, None, some] for array, of_layer in found.items()
                    }
                    part = replace(
                        _texts(self.head, some),
                        layers=(name,),
                        eigenvalues=np.concatenate(
                            [values.take(n) for values, n in zip(eigenvalues, sizes, strict=True)]
                        ),
                        **arrays,
                    )
                    if fault := part.fault():
                        raise damaged(self.path, fault)
                    yield Part(layer, part)

    def values(self, name: str, at: int, opened: ExitStack) -> Values:
        """One of the `LARGE` arrays, from a view, or a measure, on; open as long as ``opened``."""
        values = Values(self.path, name, opened)
        of_each = len(self.layers) * len(self.head.ids)
        values.skip(self.firsts[at] if name == "eigenvalues" else at * of_each)
        return values

    def _firsts(self) -> list[int]:
        views, layers, texts = len(self.head.views), len(self.layers), len(self.head.ids)
        measures = len(self.head.measures)
        with ExitStack() as opened:
            shapes = {"counts": views, "rows": views} | ({"measured": measures} if measures else {})
            for name, number in shapes.items():
                if Values(self.path, name, opened).shape != (number, layers, texts):
                    fault = f"its {name} are not those of {number}, {layers} layers, {texts} texts"
                    raise damaged(self.path, fault)
            counts, firsts, negative = Values(self.path, "counts", opened), [0], False
            for _ in range(views):
                of_view = 0
                for _ in range(layers):
                    of_texts = counts.take(texts)
                    of_view += int(of_texts.sum())
                    negative |= bool((of_texts < 0).any())
                firsts.append(firsts[-1] + of_view)
            if negative or Values(self.path, "eigenvalues", opened).shape != (firsts[-1],):
                raise damaged(self.path, "it has not as many eigenvalues as it says")
        return firsts


class Values:
    """The values of an array in a file, one after another; `InputError` if it is damaged."""

    def __init__(self, path: str | Path, name: str, opened: ExitStack) -> None:
        self.path = path
        try:
            archive = opened.enter_context(zipfile.ZipFile(path))
            self.file = opened.enter_context(archive.open(f"{name}.npy"))
            np.lib.format.read_magic(self.file)
            self.shape, _, self.dtype = np.lib.format.read_array_header_1_0(self.file)
        except (*DAMAGED, KeyError, TypeError) as error:
            raise damaged(path, error) from None

    def skip(self, count: int) -> None:
        try:
            self.file.seek(count * self.dtype.itemsize, os.SEEK_CUR)
        except DAMAGED as error:
            raise damaged(self.path, error) from None

    def take(self, count: int) -> NDArray[Any]:
        """The next so many."""
        try:
            data = self.file.read(count * self.dtype.itemsize)
            return np.frombuffer(data, dtype=self.dtype, count=count)
        except DAMAGED as error:
            raise damaged(self.path, error) from None


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
