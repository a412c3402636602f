"""LiDAR, DiME and InfoNCE, against closed forms and as their papers and public code define them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from matrix_entropy.maths.two_views import cosines, dime, info_nce, lidar

Float64 = np.ndarray


def made_views(
    count: int, texts: int, width: int, scale: float = 1.0, falling: float = 0.5
) -> Float64:
    """Texts along directions of falling importance, seen with noise."""
    random = np.random.default_rng(texts + width)
    weights = np.arange(1, width + 1) ** -falling
    said = random.standard_normal((texts, width))
    noise = random.standard_normal((count, texts, width))
    return scale * (3 + (said + 0.5 * noise) * weights)


def definition(views: Float64, delta: float, of_samples: bool = False, added: float = 0) -> float:
    """Text by text and view by view, as the paper has it, or as public code does.

    ``of_samples``: unbiased covariances; ``added``: to every eigenvalue, which then sum to one.
    """
    count, texts, width = views.shape
    means = sum(views) / count
    between, within = np.zeros((2, width, width))
    for text in range(texts):
        off = means[text] - means.mean(axis=0)
        between += np.outer(off, off)
        for view in views:
            within += np.outer(view[text] - means[text], view[text] - means[text])
    between /= texts - of_samples
    within /= texts * (count - of_samples)
    values, vectors = np.linalg.eigh(within + delta * np.eye(width))
    root = vectors @ np.diag(values**-0.5) @ vectors.T
    found = np.maximum(np.linalg.eigvalsh(root @ between @ root), 0) + added
    shares = found[found > 1e-14 * found.max()] / found.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


@pytest.mark.parametrize("shape", [(2, 12, 30), (2, 60, 9), (5, 20, 20)])
def test_lidar_is_as_defined(shape: tuple[int, int, int]) -> None:
    views = made_views(*shape)
    found = lidar(views)
    assert found == pytest.approx(definition(views, 1e-4), rel=1e-13)
    assert 1 < found < min(shape[1] - 1, shape[2])
    # Unbiased covariances are the same with another δ, and what is added to λ hardly shows.
    public = definition(views, 1e-4, of_samples=True, added=1e-8)
    assert lidar(views, 1e-4 * (shape[0] - 1) / shape[0]) == pytest.approx(public, rel=5e-8)


def test_lidar_of_known_directions() -> None:
    """In a rotated basis: texts differ alike along six axes, and views along two of these."""
    random = np.random.default_rng(0)
    texts = np.kron([[1.0], [-1.0]], np.eye(9)[:6])
    noise = np.zeros_like(texts)
    noise[:, :2] = np.array([[0.5, 2.0]]) * np.array([1, -1] * 6)[:, None] * (texts[:, :2] != 0)
    rotation = np.linalg.qr(random.standard_normal((9, 9)))[0]
    views = np.array([texts + noise, texts - noise])
    spread = np.diag((noise**2).mean(axis=0))
    crossing = noise.T @ noise / 12 - spread
    np.testing.assert_allclose(crossing, 0)
    # Also where δ is far below what rounding does to a covariance.
    for delta in (1e-4, 1e-18):
        values = (1 / 6) / (np.diag(spread)[:6] + delta)
        shares = values / values.sum()
        expected = np.exp(-(shares * np.log(shares)).sum())
        assert lidar(views @ rotation, delta) == pytest.approx(expected, rel=1e-9)


def test_the_scale_of_states_is_in_lidar_unless_delta_is_relative() -> None:
    views, larger = made_views(2, 15, 40, 0.01), made_views(2, 15, 40)
    assert lidar(larger, 1.0) == pytest.approx(lidar(views, 1e-4), rel=1e-9)
    assert lidar(larger) != pytest.approx(lidar(views), rel=0.01)
    assert lidar(larger, relative=True) == pytest.approx(lidar(views, relative=True), rel=1e-9)


def published_dime(
    first: Float64, second: Float64, orders: list[Float64], alpha: float = 1.01
) -> float:
    """Of the code of Skean et al. 2025: linear kernels of vectors as they are, and of features
    where there are fewer of them."""
    transposed = len(first) > first.shape[1]
    one, other = ((x.T @ x if transposed else x @ x.T) for x in (first, second))

    def entropy(kernel: Float64) -> float:
        values = np.linalg.eigvalsh(kernel)
        shares = values[values > 0] / values[values > 0].sum()
        return float(np.log((shares**alpha).sum()) / (1 - alpha))

    shuffled = [entropy(one * other[order][:, order]) for order in orders]
    return float(np.mean(shuffled)) - entropy(one * other)


def test_dime_is_that_of_public_code_on_centred_unit_vectors() -> None:
    views = made_views(2, 30, 40, falling=2.0)
    random = np.random.default_rng(7)
    orders = [random.permutation(30) for _ in range(4)]
    units = [view - view.mean(axis=0) for view in views]
    units = [view / np.linalg.norm(view, axis=1, keepdims=True) for view in units]
    found = dime(*views, seed=7, pairings=4)
    assert found == pytest.approx(published_dime(*units, orders, 1 + 1e-5), rel=3e-4)
    assert found == pytest.approx(published_dime(*units, orders), rel=0.26)
    assert found > 0.02


def test_public_dime_of_more_texts_than_features_knows_no_pairing() -> None:
    views = made_views(2, 60, 8, falling=2.0)
    shuffled = np.random.default_rng(1).permutation(views[1])
    orders = [np.random.default_rng(seed).permutation(8) for seed in range(3)]
    same = published_dime(views[0], shuffled, orders)
    assert same == pytest.approx(published_dime(*views, orders), rel=2e-11)
    assert abs(dime(views[0], shuffled)) < 0.2 * dime(*views)


def test_dime_in_closed_form() -> None:
    """Two pairs of opposite vectors: a random pairing keeps them in one case of three."""
    corners = np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]])
    # 10 standard errors of so many random pairings.
    error = 10 * np.log(2) * np.sqrt(2 / 9 / 2000)
    assert dime(corners, 5 + 3 * corners, pairings=2000) == pytest.approx(
        2 / 3 * np.log(2), abs=error
    )
    assert dime(corners, corners, seed=3) == dime(corners, corners, seed=3)
    # All pairings of the corners of a simplex are alike.
    assert dime(np.eye(6), np.eye(6)) == pytest.approx(0, abs=1e-12)


def test_info_nce_is_the_cross_entropy_of_cosines() -> None:
    first, second = made_views(2, 25, 12)
    logits = torch.nn.functional.cosine_similarity(
        torch.from_numpy(first)[:, None], torch.from_numpy(second)[None], dim=-1
    )
    losses = [
        torch.nn.functional.cross_entropy(each / 0.1, torch.arange(25)).item()
        for each in (logits, logits.T)
    ]
    assert info_nce(first, second) == pytest.approx(np.log(25) - np.mean(losses), rel=1e-9)
    loss = np.log(np.exp(10) + 8) - 10
    assert info_nce(np.eye(9), 4 * np.eye(9)) == pytest.approx(np.log(9) - loss, rel=1e-12)


def test_what_is_not_there_has_no_number() -> None:
    one, same = np.ones((2, 1, 3)), np.ones((2, 5, 3))
    for views in (one, one[:, :0], same):
        assert np.isnan(lidar(views))
        assert np.isnan(dime(*views))
    assert np.isnan(info_nce(*one))
    assert np.isnan(lidar(np.array([np.eye(3)] * 2), relative=True))
    np.testing.assert_array_equal(cosines(np.zeros((1, 2)), np.eye(2)), [[0, 0]])
