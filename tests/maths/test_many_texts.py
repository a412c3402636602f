"""Ranks of the vectors of many texts, each of the matrix that its paper takes it of."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from matrix_entropy.maths import ranks
from matrix_entropy.maths.many_texts import (
    OF_TEXTS,
    participation_ratio_corrected,
    vector_spectra,
)

Float64 = np.ndarray


def published(name: str, vectors: Float64) -> float:
    """From the vectors, by singular values and traces."""
    centred = vectors - vectors.mean(axis=0)
    unit = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    rows, width = vectors.shape

    def shares(matrix: Float64, power: int) -> Float64:
        singular = np.linalg.svd(matrix, compute_uv=False)
        kept = singular[: np.linalg.matrix_rank(matrix)] ** power
        return kept / kept.sum()

    gram = centred @ centred.T
    off = ~np.eye(rows, dtype=bool)
    norms = np.diagonal(gram)
    places = np.arange(4, 1 + min(100, len(shares(centred, 2))))
    return {
        "matrix_entropy": lambda: scipy.stats.entropy(shares(unit, 2)),
        "effective_rank": lambda: np.exp(scipy.stats.entropy(shares(unit, 2))),
        "entropy_attained": lambda: (
            scipy.stats.entropy(shares(unit, 2)) / np.log(min(rows - 1, width))
        ),
        "dataset_entropy": lambda: scipy.stats.entropy(shares(vectors, 2)),
        "rankme": lambda: np.exp(scipy.stats.entropy(shares(vectors, 1))),
        "rankme_centred": lambda: np.exp(scipy.stats.entropy(shares(centred, 1))),
        "power_law": lambda: (
            -np.polyfit(np.log(places), np.log(shares(centred, 2)[3:100]), 1, w=places**-0.5)[0]
        ),
        "participation_ratio": lambda: np.trace(gram) ** 2 / np.trace(gram @ gram),
        "participation_ratio_corrected": lambda: (
            np.outer(norms, norms)[off].sum() / (gram[off] ** 2).sum()
        ),
    }[name]()


@pytest.mark.parametrize("shape", [(20, 50), (80, 24), (150, 200)])
def test_each_is_of_its_matrix(shape: tuple[int, int]) -> None:
    random = np.random.default_rng(shape[0])
    vectors = 2 + random.standard_normal(shape) * np.arange(1, shape[1] + 1) ** -0.6
    spectra = vector_spectra(vectors)
    for each in OF_TEXTS:
        expected = published(each.name, vectors)
        assert each.of(spectra) == pytest.approx(expected, rel=1e-12), each.name
    # What all texts have in common is the largest direction of vectors as they are.
    found = {each.name: each.of(spectra) for each in OF_TEXTS}
    assert found["rankme"] < 0.9 * found["rankme_centred"]


def test_the_corrected_ratio_is_that_of_the_distribution() -> None:
    """Of vectors whose covariance is known, few texts as many: the plain ratio is far too small."""
    width, texts = 60, 25
    spread = np.linspace(0.2, 1, width)
    true = (spread**2).sum() ** 2 / (spread**4).sum()
    random = np.random.default_rng(0)
    samples = [vector_spectra(random.standard_normal((texts, width)) * spread) for _ in range(60)]
    corrected = np.array([participation_ratio_corrected(each) for each in samples])
    plain = np.array([ranks.participation_ratio(each.centred) for each in samples])
    error = 10 * corrected.std() / np.sqrt(len(corrected))
    assert abs(corrected.mean() - true) < error + 2 * true / texts
    assert plain.mean() < 0.6 * true


def test_of_vectors_of_norm_one_it_is_the_one_of_spectra() -> None:
    random = np.random.default_rng(3)
    half = random.standard_normal((8, 12))
    vectors = np.concatenate([half, -half]) / np.tile(np.linalg.norm(half, axis=1), 2)[:, None]
    spectra = vector_spectra(vectors)
    expected = ranks.participation_ratio_corrected(spectra.unit, 12, 16)
    assert participation_ratio_corrected(spectra) == pytest.approx(expected, rel=1e-9)


def test_few_or_equal_vectors_have_no_number() -> None:
    for vectors in (np.ones((1, 4)), np.empty((0, 4)), np.zeros((5, 4))):
        spectra = vector_spectra(vectors)
        assert all(np.isnan(each.of(spectra)) for each in OF_TEXTS)
    # Equal vectors have one direction, and none that is not common to all.
    found = {each.name: each.of(vector_spectra(np.ones((5, 4)))) for each in OF_TEXTS}
    assert found.pop("rankme") == pytest.approx(1)
    assert found.pop("dataset_entropy") < 1e-12
    assert np.isnan(list(found.values())).all()
