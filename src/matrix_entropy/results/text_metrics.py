"""Metrics of one vector for each of many texts, and of two views of each: a table.

Its columns are `maths.many_texts.OF_TEXTS` and `OF_VIEWS`. How many texts there are, and the most
directions that so many have, stand in every row: with few texts, most of these numbers say how
many there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import read_csv
from matrix_entropy.maths.many_texts import OF_TEXTS, vector_spectra
from matrix_entropy.maths.two_views import MOST_VIEWED, dime, info_nce, lidar
from matrix_entropy.maths.units import RANK, Unit
from matrix_entropy.results.intermediates import check_place
from matrix_entropy.results.pooled_file import HALVES, WHOLE, PooledTexts

ALL = "all texts"
SIGNED_NATS = Unit("nats", lambda width: (-np.inf, np.inf))


class OfViews(NamedTuple):
    """A number of two views (2, texts, width) of every text: a column."""

    name: str
    of: Callable[[NDArray[np.float64]], float]
    unit: Unit
    says: str
    source: str


OF_VIEWS = [
    OfViews(
        "lidar", lidar, RANK,
        "LiDAR: effective rank of `Σ_w^{-1/2} Σ_b Σ_w^{-1/2}`, δ = 1e-4 added to `Σ_w`",
        "Thilak et al. 2023",
    ),
    OfViews(
        "lidar_relative", lambda views: lidar(views, relative=True), RANK,
        "the same with δ = 1e-4 times the mean of the diagonal of `Σ_w`", "this project",
    ),
    OfViews(
        "dime", lambda views: dime(*views), SIGNED_NATS,
        "DiME: mean of `H(K ∘ P L Pᵀ)` over 10 random pairings, minus `H(K ∘ L)`",
        "Skean et al. 2023",
    ),
    OfViews(
        "info_nce", lambda views: info_nce(*views), SIGNED_NATS,
        "`log N` minus the loss of InfoNCE by cosines, temperature 0.1",
        "van den Oord et al. 2018",
    ),
]  # fmt: skip


class Chosen(NamedTuple):
    """Some texts: their places, and those of both texts of every pair if these are two views."""

    texts: NDArray[np.int64]
    pairs: NDArray[np.int64]  # (2, pairs); none: (2, 0)


def chosen_texts(pooled: PooledTexts, panels: dict[str, list[str]]) -> dict[str, Chosen]:
    """The texts of each group, of all groups together, and of each panel if texts are pairs.

    ``panels`` are those whose texts are pairs, groups of as many texts in one order; without any,
    there are no pairs.

    Raises
    ------
    InputError
        If the groups of a panel differ in their number of texts.
    """
    none = np.empty((2, 0), dtype=np.int64)
    groups = {
        group: np.flatnonzero(pooled.groups == group)
        for group in dict.fromkeys(map(str, pooled.groups))
    }
    found = {group: Chosen(texts, none) for group, texts in groups.items()}
    for panel, members in panels.items():
        counts = [len(groups.get(member, ())) for member in members]
        if len(set(counts)) != 1 or not counts[0]:
            raise InputError(
                f"the groups of the panel '{panel}' have {' and '.join(map(str, counts))} texts, "
                "which are no pairs; give each as many, or remove `two_views: pairs`."
            )
        pairs = np.array([groups[member] for member in members])
        found[panel] = Chosen(np.sort(pairs.ravel()), pairs)
    if len(groups) > 1:
        every = [found[panel].pairs for panel in panels]
        found[ALL] = Chosen(np.arange(len(pooled.ids)), np.concatenate([none, *every], axis=1))
    return found


def text_table(pooled: PooledTexts, panels: dict[str, list[str]] | None = None) -> pd.DataFrame:
    """One row for every pooling, group (panel, all texts) and layer.

    Columns: ``pooling``, ``group``, ``layer``, ``depth`` (its position), ``width``, ``texts``,
    ``bound`` (``min(N − 1, d)``, the most directions of centred vectors), the metrics of
    `maths.many_texts.OF_TEXTS`, ``viewed`` (texts with two views, or pairs; at most
    `MOST_VIEWED`, the first ones) and those of `OF_VIEWS`, NaN without two views.

    Parameters
    ----------
    panels : dict, optional
        See `chosen_texts`. Where there are halves, these are the two views.
    """
    rows = []
    for name, chosen in chosen_texts(pooled, panels or {}).items():
        for at, pooling in enumerate(pooled.poolings):
            for depth, layer in enumerate(pooled.layers):
                of_layer = pooled.vectors[:, at, depth]
                rows.append(
                    {
                        "pooling": pooling,
                        "group": name,
                        "layer": layer,
                        "depth": depth,
                        **_of_texts(of_layer[pooled.parts.index(WHOLE), chosen.texts]),
                        **_of_views(_two_views(pooled.parts, of_layer, chosen)),
                    }
                )
    return pd.DataFrame(rows)


def read_text_table(path: str) -> pd.DataFrame:
    """A table that `text_table` made; `InputError` if it is damaged, or another's."""
    table: pd.DataFrame = read_csv(path, "layer", "pooling")
    needed = {"pooling", "group", "layer", "depth", "width", "texts", "bound", "viewed"}
    needed |= {each.name for each in OF_TEXTS} | {each.name for each in OF_VIEWS}
    needed |= {"model", "dataset"}
    if missing := sorted(needed - {*table}):
        raise InputError(
            f"{path} is damaged (it lacks {', '.join(missing)}); delete it and run again."
        )
    for model, dataset in table[["model", "dataset"]].drop_duplicates().to_numpy():
        check_place(path, {"model": {"model": model}, "dataset": {"name": dataset}})
    return table


def _of_texts(vectors: NDArray[np.float32]) -> dict[str, Any]:
    spectra, (texts, width) = vector_spectra(vectors), vectors.shape
    bound = min(texts - 1, width)
    found = {"width": width, "texts": texts, "bound": bound}
    return found | {each.name: each.of(spectra) for each in OF_TEXTS}


def _two_views(
    parts: tuple[str, ...], of_layer: NDArray[np.float32], chosen: Chosen
) -> NDArray[np.float64]:
    """(2, texts, width): both texts of every pair, or both halves of every text."""
    if chosen.pairs.shape[1]:
        views = of_layer[parts.index(WHOLE)][chosen.pairs[:, :MOST_VIEWED]]
    elif HALVES[0] in parts:
        views = of_layer[[parts.index(half) for half in HALVES]][:, chosen.texts[:MOST_VIEWED]]
    else:
        views = of_layer[:1, :0].repeat(2, axis=0)
    return views.astype(np.float64)


def _of_views(views: NDArray[np.float64]) -> dict[str, Any]:
    found: dict[str, Any] = {"viewed": views.shape[1]}
    return found | {each.name: each.of(views) for each in OF_VIEWS}


def described() -> Iterator[str]:
    """The lists of columns as lines of Markdown."""
    yield "| column | what | of which matrix | unit | source |"
    yield "|---|---|---|---|---|"
    names = {
        "unit": "centred, norm one",
        "centred": "centred",
        "as_they_are": "as they are",
    }
    for each in OF_TEXTS:
        matrix = names[each.matrix]
        yield f"| `{each.name}` | {each.says} | {matrix} | {each.unit.name} | {each.source} |"
    for views in OF_VIEWS:
        yield f"| `{views.name}` | {views.says} | two views | {views.unit.name} | {views.source} |"
