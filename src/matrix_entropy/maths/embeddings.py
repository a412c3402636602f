"""Two coordinates for every text from the distances between all: principal coordinates and UMAP."""

from __future__ import annotations

import contextlib
import importlib
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matrix_entropy.base.errors import InputError

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class PrincipalCoordinates:
    """Coordinates (n, dimensions) of n texts, and how much of their distances these show.

    ``shares`` (dimensions,) are the eigenvalues of the axes, ``negative`` the size of all negative
    eigenvalues together, each divided by the sum of the positive ones. Euclidean distances have no
    negative eigenvalue; of others these are what no map in any number of dimensions can show.
    """

    coordinates: Float64
    shares: Float64
    negative: float


def principal_coordinates(distances: Float64, dimensions: int = 2) -> PrincipalCoordinates:
    """Classical scaling: the map whose inner products come nearest to those of the distances.

    With ``J = I − 1/n`` it takes the largest eigenvalues λ of ``−½ J D² J``, D² squared by entry;
    an axis is ``√λ`` times its eigenvector. Of Euclidean distances this is the principal component
    analysis of the points. An axis points where its largest coordinate is positive, and an axis
    without a positive eigenvalue is zero.

    Parameters
    ----------
    distances : array of shape (n, n)
        Symmetric with a zero diagonal; not all zero.
    dimensions : int
        At most n.

    Examples
    --------
    >>> found = principal_coordinates(np.array([[0.0, 3, 4], [3, 0, 5], [4, 5, 0]]))
    >>> [round(float(share), 3) for share in found.shares]
    [0.778, 0.222]
    """
    squares = np.asarray(distances, dtype=np.float64) ** 2
    means = squares.mean(axis=0)
    products = -(squares - means - means[:, None] + means.mean()) / 2
    eigenvalues, vectors = np.linalg.eigh((products + products.T) / 2)
    # What is only rounding error would count as negative, though the distances are Euclidean.
    noise = len(products) * np.finfo(np.float64).eps * np.abs(eigenvalues).max()
    eigenvalues[np.abs(eigenvalues) <= noise] = 0
    leading = np.maximum(eigenvalues[::-1][:dimensions], 0)
    axes = vectors[:, ::-1][:, :dimensions]
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=0)[None], axis=0)
    positive = eigenvalues[eigenvalues > 0].sum()
    return PrincipalCoordinates(
        coordinates=axes * np.sign(largest) * np.sqrt(leading),
        shares=leading / positive,
        negative=float(np.abs(eigenvalues[eigenvalues < 0]).sum() / positive),
    )


def umap_coordinates(
    distances: Float64, neighbours: int = 15, min_dist: float = 0.1, seed: int = 1
) -> Float64:
    """Coordinates (n, 2) that keep neighbours together (UMAP; McInnes et al. 2018).

    The same seed gives the same bytes on the same machine. It starts from the principal
    coordinates. The usual start, the eigenvectors of the graph of neighbours, puts groups that
    share no neighbour at places that have nothing to do with the distances between them; three
    contexts of 15 sentences often fall apart so with 15 neighbours.

    Parameters
    ----------
    distances : array of shape (n, n)
        Symmetric with a zero diagonal; not all zero.
    neighbours : int
        From 2 to n − 1; the text itself is counted as one of them.
    min_dist : float
        How near to each other points may come.

    Raises
    ------
    InputError
        If there are not more texts than neighbours.
    """
    if neighbours >= len(distances):
        raise InputError(
            f"`neighbours: {neighbours}` under `umap:` needs more than {neighbours} sentences, but "
            f"there are {len(distances)}; lower it."
        )
    start = principal_coordinates(distances).coordinates
    # Scaled and moved a little, as the library does with its own starts: none may coincide.
    noise = np.random.default_rng(seed).normal(scale=1e-4, size=start.shape)
    with warnings.catch_warnings():
        # What umap says that holds for every use like this one.
        warnings.filterwarnings("ignore", "Tensorflow not installed", ImportWarning)
        warnings.filterwarnings("ignore", "using precomputed metric; inverse_transform")
        # Compiles for seconds, so only where it is needed.
        _import_neighbours()
        from umap import UMAP

        _keep_what_is_compiled()
        mapper = UMAP(
            n_neighbors=neighbours,
            min_dist=min_dist,
            metric="precomputed",
            init=10 * start / np.abs(start).max() + noise,
            random_state=seed,
            n_jobs=1,
        )
        return np.asarray(mapper.fit_transform(distances), dtype=np.float64)


def _import_neighbours() -> None:
    """Import the library by which umap finds neighbours, without compiling it.

    Its import compiles for ten seconds what is never called where all distances are known. In this
    process it is slow from now on.
    """
    import numba

    config: Any = numba.config
    compiled, config.DISABLE_JIT = config.DISABLE_JIT, True
    try:
        importlib.import_module("pynndescent")
    finally:
        config.DISABLE_JIT = compiled


def _keep_what_is_compiled() -> None:
    """Have numba keep what it compiles of umap where it keeps other libraries' (NUMBA_CACHE_DIR).

    Eight seconds of every process otherwise; what is compiled, and so each number, is the same.
    """
    from numba.core.registry import CPUDispatcher
    from umap import layouts, umap_, utils

    for module in (layouts, umap_, utils):
        for function in vars(module).values():
            # Where no folder can be written, it is compiled anew.
            if isinstance(function, CPUDispatcher):
                with contextlib.suppress(RuntimeError):
                    function.enable_caching()
