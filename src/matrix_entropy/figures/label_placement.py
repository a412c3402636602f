"""Labels of many points that cover neither each other nor any point, with lines to their points.

Points of a projection come in tight groups, where labels beside all of them would lie on each
other. So every label takes the nearest free place, away from the points around its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from numpy.typing import ArrayLike, NDArray

from matrix_entropy.figures.style import GREY
from matrix_entropy.figures.text import plain

Float64 = NDArray[np.float64]

SWEEPS = 2  # over all labels: the second finds better places once all others stand
STEP = 2.0  # points between the places that are tried
NEIGHBOURHOOD = 30.0  # points: how far around a point the others count as its company
OUTWARD = 4.0  # points that a label goes farther to be on the side away from the company
CROSSING = 30.0  # points that it goes farther to save a label from being crossed by a line
TRIED = 200  # of the cheapest free places, for such lines
GAP = 3.2  # points between the centre of a marker and any label
LINE_FROM = GAP + 3.0  # points between a text and its point from which a line joins them
LINE: Any = {"arrowstyle": "-", "color": GREY, "lw": 0.4, "shrinkA": 0, "shrinkB": 0}
MARGIN = (1.5, 0.3)  # points beside and above a text: neighbours must not read as one word
HALO = [withStroke(linewidth=1.2, foreground="white")]  # where lines cross a text


class NoRoomError(ValueError):
    """A label finds no free place."""


def place_labels(
    points: ArrayLike,
    sizes: ArrayLike,
    bounds: tuple[float, float, float, float],
    obstacles: ArrayLike = (),
    gap: float = GAP,
) -> Float64:
    """Centres of label boxes that overlap neither each other nor any point and stay in bounds.

    All lengths are in one unit, points of the page. One label after another, those with fewest
    points around them first, takes the cheapest of its free places, on a grid around its point.
    A place costs its distance from the point, less on the side away from the points around, more
    if the line from label to point crosses a label. Equal input gives equal places.

    Parameters
    ----------
    points : array of shape (n, 2)
        What is labelled. They may coincide.
    sizes : array of shape (n, 2)
        Width and height of every label.
    bounds : (x0, y0, x1, y1)
        What no label leaves.
    obstacles : array of shape (m, 2)
        Further points that no label covers.
    gap : float
        Least distance, in x or in y, between a label and any point.

    Raises
    ------
    NoRoomError
        If there is no free place for a label.

    Examples
    --------
    >>> place_labels([(5.0, 5.0)], [(4.0, 2.0)], (0, 0, 20, 10), gap=1)
    array([[8., 5.]])
    """
    at = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    halves = np.asarray(sizes, dtype=np.float64).reshape(-1, 2) / 2
    markers = np.concatenate([at, np.asarray(obstacles, dtype=np.float64).reshape(-1, 2)])
    crowds, outwards = _company(at)
    centres = np.full_like(at, np.nan)
    for label in np.tile(np.argsort(crowds, kind="stable"), SWEEPS):
        centres[label] = np.nan
        others = ~np.isnan(centres[:, 0])
        taken = np.concatenate([centres[others], markers])
        room = halves[label] + np.concatenate([halves[others], np.full_like(markers, gap)])
        x, y = (
            _positions(at[label, axis], halves[label, axis], bounds[axis], bounds[axis + 2], gap)
            for axis in (0, 1)
        )
        # A place is taken if any box or point is near in x and in y: of all places, a product.
        near = [
            (np.abs(position[:, None] - taken[:, axis]) < room[:, axis] - 1e-9).astype(np.float32)
            for axis, position in enumerate((x, y))
        ]
        free = near[0] @ near[1].T == 0
        if not free.any():
            raise NoRoomError(
                f"label {label} of {len(at)} finds no free place; make the panel larger or the "
                "letters smaller"
            )
        places = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1)[free]
        costs = _costs(places - at[label], halves[label], outwards[label])
        best = np.argsort(costs, kind="stable")[:TRIED]
        crossings = _crossings(
            at[label], places[best], halves[label], at[others], centres[others], halves[others]
        )
        centres[label] = places[best][np.argmin(costs[best] + CROSSING * crossings)]
    return centres


def _company(points: Float64) -> tuple[Float64, Float64]:
    """How many others are near every point, the nearer the more, and the way out of them."""
    differences = points[:, None] - points
    distances = np.linalg.norm(differences, axis=2)
    weights = np.exp(-distances / NEIGHBOURHOOD)
    ways = (weights[:, :, None] * differences / np.maximum(distances, 1e-9)[:, :, None]).sum(axis=1)
    lengths = np.linalg.norm(ways, axis=1, keepdims=True)
    return weights.sum(axis=1), ways / np.maximum(lengths, 1)


def _positions(point: float, half: float, low: float, high: float, gap: float) -> Float64:
    """Coordinates to try: exactly beside and level with the point, and steps from there."""
    beside = half + gap
    outside = np.arange(beside, max(high - low, beside) + STEP, STEP)
    inside = np.linspace(-beside, beside, 2 * int(np.ceil(beside / STEP)) + 1)[1:-1]
    positions = point + np.concatenate([-outside[::-1], inside, outside])
    return positions[(positions >= low + half) & (positions <= high - half)]


def _costs(offsets: Float64, half: Float64, outward: Float64) -> Float64:
    """Cost of every place (places, 2), relative to the point, but for crossings."""
    to_box = np.linalg.norm(np.maximum(np.abs(offsets) - half, 0), axis=1)
    # Ties: level with the point, then to its right, then above it.
    uneven = np.abs(offsets / half).min(axis=1) - 0.1 * np.sign(offsets) @ [1.0, 0.5]
    towards = offsets / np.linalg.norm(offsets, axis=1, keepdims=True)
    return to_box - OUTWARD * towards @ outward + 0.1 * uneven


def _crossings(
    point: Float64,
    places: Float64,
    half: Float64,
    points: Float64,
    centres: Float64,
    halves: Float64,
) -> NDArray[np.int64]:
    """How many labels the line to every place would cross, and how many lines a label there."""
    places = places[:, None]
    own = _crosses(point, _nearest(point, places, half), centres, halves)
    others = _crosses(points, _nearest(points, centres, halves), places, half)
    return own.sum(axis=1) + others.sum(axis=1)


def _nearest(point: Float64, centre: Float64, half: Float64) -> Float64:
    """The place of a box that is nearest to a point."""
    return np.clip(point, centre - half, centre + half)


def _crosses(start: Float64, end: Float64, centre: Float64, half: Float64) -> NDArray[np.bool_]:
    """Whether lines meet the inside of boxes; x and y are the last axis, others broadcast."""
    middle, reach = (start + end) / 2 - centre, (end - start) / 2
    # Neither the box's axes nor the normal of the line part them.
    meet = (np.abs(middle) < half + np.abs(reach) - 1e-9).all(axis=-1)
    normal = np.abs(middle[..., 0] * reach[..., 1] - middle[..., 1] * reach[..., 0])
    return meet & (normal < (half * np.abs(reach[..., ::-1])).sum(axis=-1))


def label_points(
    axis: Axes,
    x: ArrayLike,
    y: ArrayLike,
    texts: Sequence[str],
    size: float,
    colours: Sequence[Any],
) -> None:
    """Write a text beside every point of a panel, with a thin grey line if it is not next to it.

    Call it last: places are those of the panel as it is now laid out, and limits, titles, legends
    or another size of the figure would move points and panel, but not the labels.

    Parameters
    ----------
    axis : Axes
        A panel with markers of up to five points across.
    x, y : array of shape (n,)
        In data coordinates.
    texts, colours : sequence
        Of every point.
    size : float
        Of letters, in points.

    Raises
    ------
    NoRoomError
        If the texts do not fit into the panel.
    """
    figure = axis.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    to_points = 72 / figure.dpi
    data = np.column_stack((x, y))
    labels = [
        axis.annotate(
            plain(text),
            point,
            xytext=(0, 0),
            textcoords="offset points",
            ha="center",
            va="center",
            size=size,
            color=colour,
            path_effects=HALO,
        )
        for text, point, colour in zip(texts, data, colours, strict=True)
    ]
    points = axis.transData.transform(data) * to_points
    extents = [label.get_window_extent() for label in labels]
    sizes = np.array([extent.size for extent in extents]) * to_points + 2 * np.array(MARGIN)
    x0, y0, x1, y1 = np.asarray(axis.bbox.extents) * to_points
    centres = place_labels(points, sizes, (x0, y0, x1, y1))
    ends = _nearest(points, centres, sizes / 2 - MARGIN)
    for label, own, point, centre, end in zip(labels, data, points, centres, ends, strict=True):
        label.set_position(centre - point)
        if np.linalg.norm(end - point) > LINE_FROM:
            axis.annotate(
                "", own, xytext=end - point, textcoords="offset points", arrowprops=LINE, zorder=0.9
            )
