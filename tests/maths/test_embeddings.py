"""Principal coordinates against principal components, and UMAP that is the same every time."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from conftest import ROOT
from matrix_entropy.base.errors import InputError
from matrix_entropy.maths.distances import euclidean_distances
from matrix_entropy.maths.embeddings import principal_coordinates, umap_coordinates

Float64 = NDArray[np.float64]


def groups_on_a_line() -> Float64:
    """Three tight groups of 15 points at 0, 300 and 100 of an axis."""
    random = np.random.default_rng(0)
    points = random.normal(size=(45, 8))
    points[:, 0] += np.repeat([0, 300, 100], 15)
    return points


def test_of_euclidean_distances_they_are_principal_components() -> None:
    points = np.random.default_rng(1).normal(size=(45, 20)) @ np.diag(np.arange(20.0))
    found = principal_coordinates(euclidean_distances(points), dimensions=3)
    pca = PCA(3).fit(points)
    np.testing.assert_allclose(abs(found.coordinates), abs(pca.transform(points)), atol=1e-8)
    np.testing.assert_allclose(found.shares, pca.explained_variance_ratio_)
    assert found.negative == 0


def test_all_of_them_give_the_distances_back() -> None:
    points = np.random.default_rng(2).normal(size=(9, 4))
    distances = euclidean_distances(points)
    found = principal_coordinates(distances, dimensions=9)
    np.testing.assert_allclose(euclidean_distances(found.coordinates), distances, atol=1e-12)
    np.testing.assert_array_equal(found.coordinates[:, 4:], 0)
    assert found.shares.sum() == pytest.approx(1)


def test_every_axis_points_where_its_largest_coordinate_is_positive() -> None:
    for seed in range(20):
        points = np.random.default_rng(seed).normal(size=(7, 3))
        coordinates = principal_coordinates(euclidean_distances(points)).coordinates
        assert (coordinates.max(axis=0) > -coordinates.min(axis=0)).all()


def test_what_no_map_can_show_of_other_distances_is_known() -> None:
    """Three ends at 1 from a middle and at 2 from each other: eigenvalues 2, 2, 0 and −1/4."""
    distances = np.full((4, 4), 2.0)
    distances[0] = distances[:, 0] = 1
    np.fill_diagonal(distances, 0)
    found = principal_coordinates(distances, dimensions=3)
    np.testing.assert_allclose(found.shares, [0.5, 0.5, 0], atol=1e-15)
    assert found.negative == pytest.approx(1 / 16)


SCRIPT = """
import hashlib
from matrix_entropy.maths.distances import euclidean_distances
from matrix_entropy.maths.embeddings import umap_coordinates
from test_embeddings import groups_on_a_line
print(hashlib.sha256(umap_coordinates(euclidean_distances(groups_on_a_line()))).hexdigest())
"""


def test_umap_is_the_same_in_another_process() -> None:
    distances = euclidean_distances(groups_on_a_line())
    first, again = umap_coordinates(distances), umap_coordinates(distances)
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != umap_coordinates(distances, seed=2).tobytes()
    assert first.tobytes() != umap_coordinates(distances, min_dist=0.5).tobytes()
    paths = [str(Path(__file__).parent), str(ROOT / "tests"), str(ROOT / "src")]
    other = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", SCRIPT],
        stdout=subprocess.PIPE,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )
    assert other.stdout.decode().strip() == hashlib.sha256(first).hexdigest()


def test_umap_keeps_groups_together() -> None:
    """With 15 neighbours, itself among them, no group of 15 knows of another.

    So how far groups lie from each other says nothing, and differs from processor to processor.
    """
    places = umap_coordinates(euclidean_distances(groups_on_a_line()))
    centres = places.reshape(3, 15, 2).mean(axis=1)
    between = euclidean_distances(centres)
    within = np.linalg.norm(places.reshape(3, 15, 2) - centres[:, None], axis=2).max()
    assert between[np.triu_indices(3, 1)].min() > 2 * within


def test_umap_of_points_that_coincide_or_lie_on_a_line_is_finite() -> None:
    line = np.repeat([[0.0], [1.0], [2.0], [5.0]], 3, axis=0)
    assert np.isfinite(umap_coordinates(euclidean_distances(line), neighbours=4)).all()


def test_too_many_neighbours_are_said() -> None:
    with pytest.raises(InputError, match="`neighbours: 15` under `umap:` needs more than 15"):
        umap_coordinates(np.ones((15, 15)))
