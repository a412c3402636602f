"""Fréchet distances and the Modality Integration Rate, by closed forms and matrix square roots."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.linalg
import torch

from matrix_entropy.maths import modality_integration
from matrix_entropy.maths.frechet import blocks_of, distance, moments
from matrix_entropy.maths.modality_integration import integration_rate, modality_distance

Float64 = np.ndarray


def directions(rows: int, width: int, seed: int) -> Float64:
    """Orthonormal columns with sums of zero."""
    drawn = np.random.default_rng(seed).standard_normal((rows, width))
    return np.linalg.qr(drawn - drawn.mean(axis=0))[0]


@pytest.mark.parametrize("size", [7, 1000])
def test_commuting_gaussians_in_closed_form(size: int) -> None:
    """Of covariances with the same axes: squared distance of means, and of deviations."""
    width, random = 12, np.random.default_rng(0)
    basis = np.linalg.qr(random.standard_normal((width, width)))[0]
    one, other = np.logspace(0, -6, width), random.uniform(0, 2, width)
    apart = random.standard_normal(width)
    first = directions(40, width, 1) * one * np.sqrt(39) @ basis
    second = directions(55, width, 2) * other * np.sqrt(54) @ basis + apart
    found = distance(moments(blocks_of(first, size)), moments(blocks_of(second, size)))
    assert found.frechet == pytest.approx(apart @ apart + ((one - other) ** 2).sum(), rel=1e-12)
    without = apart @ apart + (one**2 + other**2).sum() - 2 * (one**2 * other**2).sum()
    assert found.without_root == pytest.approx(without, rel=1e-12)
    itself = moments(blocks_of(second, size))
    assert distance(itself, itself).frechet < 1e-13 * itself.trace


@pytest.mark.parametrize(("rows", "width"), [((90, 70), 20), ((15, 60), 24), ((9, 8), 30)])
def test_it_is_that_of_a_matrix_square_root(rows: tuple[int, int], width: int) -> None:
    random = np.random.default_rng(width)
    first, second = (
        random.standard_normal((count, width)) * random.uniform(0.1, 2, width) + random.normal()
        for count in rows
    )
    root = scipy.linalg.sqrtm(np.cov(first.T) @ np.cov(second.T))
    expected = ((first.mean(axis=0) - second.mean(axis=0)) ** 2).sum()
    expected += np.trace(np.cov(first.T) + np.cov(second.T)) - 2 * np.trace(root).real
    found = distance(moments(blocks_of(first)), moments(blocks_of(second))).frechet
    # Of a singular product the root is known to the square root of rounding only.
    assert found == pytest.approx(expected, rel=1e-7)


def released(images: Float64, texts: Float64) -> tuple[float, float, float]:
    """Step by step in torch, as the authors' code does: by a root, by what its default computes
    in the place of one, and by the product alone."""
    tensors = [torch.from_numpy(each.copy()) for each in (images, texts)]
    scale = 1 / tensors[1].norm(dim=-1).mean()
    covariances, means = [], []
    for rows in tensors:
        scaled = rows * scale
        norms = scaled.norm(dim=-1)
        far = (norms - norms.median()).abs() > 3 * norms.std()
        scaled[far] = scaled.median(dim=0).values
        covariances.append(torch.cov(scaled.T))
        means.append(scaled.mean(dim=0))
    rest = ((means[0] - means[1]) ** 2).sum() + sum(each.trace() for each in covariances)
    product = covariances[0] @ covariances[1]
    iterated, inverse = product, torch.eye(len(product), dtype=product.dtype)
    for _ in range(5):
        iterated = 0.5 * (iterated + torch.linalg.inv(inverse) @ product)
        inverse = 0.5 * (inverse + torch.linalg.inv(iterated) @ product)
    root = scipy.linalg.sqrtm(product.numpy()).real
    return tuple(float(rest - 2 * np.trace(each)) for each in (root, iterated, product))


@pytest.mark.parametrize("block", [16, 4096])
def test_the_distance_is_the_papers(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With outliers among both kinds; the released default is the product, without a root."""
    monkeypatch.setattr(modality_integration, "BLOCK", block)
    monkeypatch.setattr(modality_integration, "COLUMNS", 5)
    random = np.random.default_rng(5)
    images = 4 + random.standard_normal((150, 16)) * 3
    texts = random.standard_normal((81, 16))
    images[[3, 77]] *= 20
    texts[40] *= 30
    found = modality_distance(images, texts)
    by_root, by_default, by_product = released(images, texts)
    assert found.frechet == pytest.approx(by_root, rel=1e-13)
    assert found.without_root == pytest.approx(by_product, rel=1e-13)
    assert by_default == pytest.approx(by_product, rel=1e-12)
    assert found.frechet < 0.95 * found.without_root
    assert (found.image_outliers, found.text_outliers) == (2, 1)
    ratio = np.linalg.norm(images, axis=1).mean() / np.linalg.norm(texts, axis=1).mean()
    assert found.norm_ratio == pytest.approx(ratio)
    # The scale of both is none of it, nor is that they are stored in halves.
    assert modality_distance(1024 * images, 1024 * texts) == pytest.approx(found)
    halved = modality_distance(images.astype(np.float16), texts.astype(np.float16))
    assert halved.frechet == pytest.approx(found.frechet, rel=2e-4)


def test_the_rate_is_the_logarithm_of_a_sum() -> None:
    assert integration_rate(np.array([90.0, 910.0])) == pytest.approx(3)
    assert math.isnan(integration_rate(np.zeros(2)))


def test_too_few_rows_are_refused() -> None:
    for images, texts in ((np.ones((1, 3)), np.eye(3)), (np.eye(3), np.eye(3)[:1])):
        with pytest.raises(ValueError, match="two each are needed"):
            modality_distance(images, texts)
    with pytest.raises(ValueError, match="all text rows are zero"):
        modality_distance(np.eye(3), np.zeros((4, 3)))
    with pytest.raises(ValueError, match="needs two rows, not 1"):
        moments(blocks_of(np.eye(1)))
