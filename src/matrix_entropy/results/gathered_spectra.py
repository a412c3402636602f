"""The spectra of a data set from the files of its shards, none of which is in memory as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matrix_entropy.results.in_pieces import InPieces
from matrix_entropy.results.spectra_file import Assembled, gathered
from matrix_entropy.results.spectra_parts import SpectraParts


def write_gathered(
    path: str | Path,
    shards: Sequence[SpectraParts],
    data_set: str,
    views: Sequence[str],
    measures: Sequence[str],
) -> None:
    """Write what `gathered` gives of shards, of which some views and measures are taken.

    Raises
    ------
    InputError
        As `gathered` does, and if a shard has not all of these.
    """
    heads = [shard.head.with_views(views).with_measures(measures) for shard in shards]
    whole, layers = gathered(heads, data_set), shards[0].layers

    def joined(name: str, of: Sequence[str], dtype: type) -> InPieces:
        def pieces() -> Iterator[NDArray[Any]]:
            for each in of:
                yield from _layer_by_layer(shards, name, each)

        return InPieces((len(of), len(layers), len(whole.ids)), np.dtype(dtype), pieces)

    def eigenvalues() -> Iterator[NDArray[Any]]:
        for view in views:
            yield from _layer_by_layer(shards, "eigenvalues", view)

    total = 0
    for shard in shards:
        places = [shard.head.views.index(view) for view in views]
        total += sum(shard.firsts[at + 1] - shard.firsts[at] for at in places)
    large = {
        "eigenvalues": InPieces((total,), np.dtype(np.float64), eigenvalues),
        "counts": joined("counts", views, np.int64),
        "rows": joined("rows", views, np.int64),
    } | ({"measured": joined("measured", measures, np.float64)} if measures else {})
    Assembled(vars(whole) | {"layers": layers} | large).save(path)


def _layer_by_layer(shards: Sequence[SpectraParts], name: str, of: str) -> Iterator[NDArray[Any]]:
    """What all shards have of a view, or of a measure, layer by layer."""
    with ExitStack() as opened:
        values, counts = [], []
        for shard in shards:
            known = shard.head.measures if name == "measured" else shard.head.views
            values.append(shard.values(name, known.index(of), opened))
            if name == "eigenvalues":
                counts.append(shard.values("counts", known.index(of), opened))
        for _ in shards[0].layers:
            for at, shard in enumerate(shards):
                texts = len(shard.head.ids)
                size = int(counts[at].take(texts).sum()) if counts else texts
                yield values[at].take(size)
