"""Functions of a spectrum, against closed forms."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from matrix_entropy.maths import entropy
from matrix_entropy.maths.entropy import (
    dataset_normalisations,
    effective_rank,
    entropy_bound,
    matrix_entropy,
    normalised,
    stable_rank,
)

LIBRARY = Path(entropy.__file__).parents[1]


@pytest.mark.parametrize("rank", [1, 2, 7, 500])
def test_equal_eigenvalues_have_their_number_as_rank(rank: int) -> None:
    flat = np.full(rank, 1 / rank)
    assert matrix_entropy(flat) == pytest.approx(np.log(rank))
    assert effective_rank(flat) == pytest.approx(rank)
    assert stable_rank(flat) == pytest.approx(rank)


def test_zeros_change_nothing() -> None:
    assert matrix_entropy(np.array([0, 0, 0.25, 0.75])) == matrix_entropy(np.array([0.25, 0.75]))


def test_geometric_spectrum() -> None:
    """λ_k = (1 − q) q^k has entropy −log(1 − q) − q log q / (1 − q)."""
    q = 0.5
    eigenvalues = (1 - q) * q ** np.arange(200)
    assert matrix_entropy(eigenvalues) == pytest.approx(2 * np.log(2), abs=1e-12)


def test_no_eigenvalue_is_undefined() -> None:
    nothing = np.empty(0)
    assert np.isnan([matrix_entropy(nothing), effective_rank(nothing), stable_rank(nothing)]).all()


def test_stable_rank_is_that_of_a_matrix_of_any_size() -> None:
    matrix = np.random.default_rng(0).standard_normal((5, 9))
    frobenius, spectral = (np.linalg.norm(matrix, order) for order in ("fro", 2))
    found = stable_rank(np.linalg.eigvalsh(matrix @ matrix.T))
    assert found == pytest.approx((frobenius / spectral) ** 2, rel=1e-12)


def test_bound() -> None:
    bounds = entropy_bound(np.array([0, 1, 2, 5, 2000]), 768)
    assert np.isnan(bounds[:2]).all()
    assert bounds[2:] == pytest.approx([0, np.log(4), np.log(768)])


def test_bound_of_the_published_upper_limit() -> None:
    """Wei et al. call the limit 1, which it is for more tokens than dimensions only."""
    assert float(normalised(entropy_bound(512, 2048), 2048)) == pytest.approx(0.818, abs=5e-4)
    assert float(normalised(entropy_bound(512, 768), 768)) == pytest.approx(0.939, abs=5e-4)
    assert float(normalised(entropy_bound(2049, 2048), 2048)) == 1


def test_width_one_cannot_be_normalised() -> None:
    with pytest.raises(ValueError, match="width must be at least 2"):
        normalised(0.5, 1)


def test_normalisations_leave_out_undefined_texts() -> None:
    values = dataset_normalisations(np.array([np.log(4), np.nan, np.log(16)]), 64)
    assert values["a"] == pytest.approx(0.5)
    assert values["b"] == pytest.approx(8 / 64)
    assert values["c"] == pytest.approx(10 / 64)
    assert np.isnan(list(dataset_normalisations(np.array([np.nan]), 64).values())).all()


def test_mathematics_needs_no_torch() -> None:
    """The mathematical part of the library is importable where only NumPy and SciPy are."""
    code = (
        "import sys; from matrix_entropy.maths import entropy; "
        "from matrix_entropy.results import metrics, spectra_file; "
        "from matrix_entropy.figures.kinds import layers; "
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=LIBRARY.parent)
