"""Spectra against closed forms and against independent routes in float64."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from matrix_entropy.maths import spectra
from matrix_entropy.maths.entropy import entropy_bound, entropy_of, matrix_entropy
from matrix_entropy.maths.spectra import spectrum
from released import released_entropy


def cloud(tokens: int, width: int, seed: int = 0, kind: str = "power") -> np.ndarray:
    """Float32 states: iid, with a power-law spectrum, or with one row far larger than the rest."""
    states = np.random.default_rng(seed).standard_normal((tokens, width))
    if kind != "iid":
        states *= np.arange(1, width + 1) ** -0.7
    if kind == "sink":
        states[0] *= 60
    return states.astype(np.float32)


def hostile(tokens: int, width: int, kind: str) -> np.ndarray:
    """States whose spectrum float32 is worst at: directions of equal weight, few of them, or one
    that holds nearly everything (but a millionth)."""
    random = np.random.default_rng(6)
    if kind == "equal":
        return np.linalg.qr(random.standard_normal((width, tokens)))[0].T
    if kind == "few":
        return random.standard_normal((tokens, 8)) @ random.standard_normal((8, width))
    sides = np.sign(random.standard_normal((tokens, 1)))
    return sides * random.standard_normal((1, width)) + 1e-3 * cloud(tokens, width, kind="iid")


def entropy_by_svd(states: np.ndarray) -> float:
    """Independent route: singular values of the centred unit rows, float64."""
    rows = states.astype(np.float64)
    rows = rows - rows.mean(axis=0)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    weights = np.linalg.svd(rows, compute_uv=False) ** 2 / len(rows)
    weights = weights[weights > 0]
    return float(-(weights * np.log(weights)).sum())


SHAPES = [(2, 8), (16, 768), (128, 768), (100, 100), (300, 64), (513, 512)]


@pytest.mark.parametrize("kind", ["iid", "power", "sink"])
@pytest.mark.parametrize(("tokens", "width"), SHAPES)
def test_equals_singular_values_in_float64(tokens: int, width: int, kind: str) -> None:
    states = cloud(tokens, width, kind=kind)
    assert entropy_of(states) == pytest.approx(entropy_by_svd(states), abs=1e-9)


@pytest.mark.parametrize("kind", ["iid", "power", "sink"])
@pytest.mark.parametrize(("tokens", "width"), [(16, 96), (96, 96), (200, 96), (128, 512)])
def test_equals_released_algorithm_within_its_float32_bias(
    tokens: int, width: int, kind: str
) -> None:
    states = cloud(tokens, width, kind=kind)
    ours = entropy_of(states) / np.log(width)
    assert released_entropy(torch.from_numpy(states)) == pytest.approx(ours, abs=2e-4)


@pytest.mark.parametrize("tokens", [2, 3, 10, 64])
@pytest.mark.parametrize("width", [64, 256])
def test_orthonormal_rows_have_entropy_log_n_minus_1(tokens: int, width: int) -> None:
    basis, _ = np.linalg.qr(np.random.default_rng(1).standard_normal((width, tokens)))
    assert entropy_of(basis.T) == pytest.approx(np.log(tokens - 1), abs=1e-12)


def test_two_tokens_have_entropy_zero() -> None:
    eigenvalues, rows = spectrum(cloud(2, 50))
    assert rows == 2
    assert eigenvalues == pytest.approx([0, 1], abs=1e-15)
    assert entropy_of(cloud(2, 50)) == pytest.approx(0, abs=1e-13)


def test_random_rows_match_the_marchenko_pastur_entropy() -> None:
    tokens, width = 128, 768
    m, n = min(tokens - 1, width), max(tokens - 1, width)
    assert entropy_of(cloud(tokens, width, kind="iid")) == pytest.approx(
        np.log(m) - m / (2 * n), abs=2e-3
    )


@pytest.mark.parametrize(("tokens", "width"), [(30, 64), (90, 64)])
class TestInvariances:
    def test_duplication(self, tokens: int, width: int) -> None:
        states = cloud(tokens, width)
        assert entropy_of(np.vstack([states, states])) == pytest.approx(entropy_of(states), 1e-10)

    def test_rotation(self, tokens: int, width: int) -> None:
        states = cloud(tokens, width).astype(np.float64)
        turn, _ = np.linalg.qr(np.random.default_rng(2).standard_normal((width, width)))
        assert entropy_of(states @ turn) == pytest.approx(entropy_of(states), abs=1e-10)

    def test_translation(self, tokens: int, width: int) -> None:
        states = cloud(tokens, width).astype(np.float64)
        assert entropy_of(states + 3.0) == pytest.approx(entropy_of(states), abs=1e-10)

    def test_scale(self, tokens: int, width: int) -> None:
        states = cloud(tokens, width).astype(np.float64)
        assert entropy_of(states * 1e3) == pytest.approx(entropy_of(states), abs=1e-12)

    def test_order_of_tokens(self, tokens: int, width: int) -> None:
        states = cloud(tokens, width)
        assert entropy_of(states[::-1]) == pytest.approx(entropy_of(states), abs=1e-10)


def test_gram_and_covariance_sides_agree() -> None:
    """Zero features change the side that is decomposed and nothing else."""
    states = cloud(80, 60)
    wide = np.hstack([states, np.zeros((80, 40), dtype=np.float32)])
    gram, covariance = spectrum(wide)[0], spectrum(states)[0]
    assert (len(gram), len(covariance)) == (80, 60)
    assert gram[-60:] == pytest.approx(covariance, abs=1e-12)


@pytest.mark.parametrize(("tokens", "width"), [(0, 4), (1, 4), (5, 4), (4, 20)])
def test_rows_without_direction_leave_nothing(tokens: int, width: int) -> None:
    row = np.random.default_rng(3).standard_normal(width).astype(np.float32)
    eigenvalues, rows = spectrum(np.tile(row, (tokens, 1)))
    assert (len(eigenvalues), rows) == (0, 0)
    assert np.isnan(matrix_entropy(eigenvalues))


@pytest.mark.parametrize("tokens", [0, 1])
def test_too_few_rows_are_silent(tokens: int, capfd: pytest.CaptureFixture[str]) -> None:
    spectrum(np.ones((tokens, 8), dtype=np.float32))
    assert capfd.readouterr() == ("", ""), "linear algebra libraries print on empty matrices"


@pytest.mark.parametrize("width", [24, 200])
def test_a_row_that_is_the_mean_but_for_rounding_is_dropped(width: int) -> None:
    states = cloud(60, width) + np.float32(5)
    with_mean = np.vstack([states, states.astype(np.float64).mean(axis=0).astype(np.float32)])
    eigenvalues, rows = spectrum(with_mean)
    assert rows == 60
    assert matrix_entropy(eigenvalues) == pytest.approx(entropy_of(states), abs=1e-6)


def test_coarser_precision_drops_more() -> None:
    """bfloat16 states that are stored as float32 keep bfloat16's rounding error."""
    states = cloud(20, 40).astype(np.float64) + 10
    states[0] = states[1:].mean(axis=0) + 0.05
    stored = states.astype(np.float32)
    assert spectrum(stored)[1] == 20
    assert spectrum(stored, precision=2.0**-7)[1] < 20


@pytest.mark.parametrize(("units", "rows"), [(6, 2), (10, 4)])
def test_a_row_counts_from_eight_units_of_rounding(units: float, rows: int) -> None:
    """Two rows so far from the mean, and two that are far from it."""
    precision = 2.0**-20
    mean, far, near = np.diag([4.0, 1.0, units * precision * 8.0])
    states = np.array([mean + far, mean - far, mean + near, mean - near])
    assert spectrum(states, precision=precision)[1] == rows


def test_a_row_opposite_to_a_long_mean_is_far_from_it() -> None:
    """‖z‖ is 0.1 there; without the cross term of ‖(z − m) + m‖² it would be taken for 1.5."""
    states = np.array([[-0.1, 0.0], *[[13.1 / 12, 0.0]] * 12])
    assert states.mean(axis=0) == pytest.approx([1, 0])
    assert spectrum(states, precision=1.0)[1] == 1


@pytest.mark.parametrize("bits", [7, 10])
def test_rows_near_each_other_count_in_half_precision(bits: int) -> None:
    """As patches of one image are: rounded to 7 (bfloat16) or 10 bits, none is lost."""
    states = cloud(40, 64).astype(np.float64) * 0.05 + np.linspace(-1, 1, 64)
    unit = 2.0 ** (np.floor(np.log2(np.abs(states))) - bits)
    stored = (np.round(states / unit) * unit).astype(np.float32)
    eigenvalues, rows = spectrum(stored, precision=2.0**-bits)
    assert rows == 40
    assert matrix_entropy(eigenvalues) == pytest.approx(entropy_of(states), abs=0.02)
    within = np.random.default_rng(4).uniform(-0.25, 0.25, (5, 64)) * 2.0**-bits
    assert spectrum(stored[0] * (1 + within), precision=2.0**-bits)[1] == 0


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_types_are_computed_in_float64(dtype: type) -> None:
    states = cloud(40, 64).astype(dtype)
    assert entropy_of(states) == pytest.approx(entropy_by_svd(states), abs=1e-9)


def test_the_input_is_not_changed() -> None:
    states = cloud(20, 30).astype(np.float64)
    before = states.copy()
    spectrum(states)
    assert (states == before).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("tokens", [5, 50])
def test_not_finite_is_refused(bad: float, tokens: int) -> None:
    states = cloud(tokens, 20)
    states[3, 4] = bad
    with pytest.raises(ValueError, match="not finite"):
        spectrum(states)


def test_not_a_matrix_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(tokens, width\)"):
        spectrum(np.zeros(5))


@settings(max_examples=60, deadline=None)
@given(
    tokens=st.integers(2, 40),
    width=st.integers(2, 40),
    seed=st.integers(0, 10**6),
    kind=st.sampled_from(["iid", "power", "sink"]),
)
def test_spectrum_is_a_distribution_within_its_bound(
    tokens: int, width: int, seed: int, kind: str
) -> None:
    eigenvalues, rows = spectrum(cloud(tokens, width, seed, kind))
    assert rows == tokens
    assert len(eigenvalues) == min(tokens, width)
    assert (eigenvalues >= 0).all()
    assert (np.diff(eigenvalues) >= 0).all()
    assert eigenvalues.sum() == pytest.approx(1)
    assert -1e-12 <= matrix_entropy(eigenvalues) <= entropy_bound(rows, width) + 1e-9


@pytest.mark.parametrize("size", [spectra.TWO_STAGE - 1, spectra.TWO_STAGE, 1300])
def test_both_solvers_find_the_same(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Entropies within 1e-12, eigenvalues within rounding, in jobs of any number of threads."""
    states = cloud(size, size + 50, kind="sink")
    by_size, rows = spectrum(states)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    np.testing.assert_array_equal(spectrum(states)[0], by_size)
    with ThreadPoolExecutor(1) as pool:
        np.testing.assert_array_equal(pool.submit(spectrum, states).result()[0], by_size)
    assert torch.get_num_threads() == 2, "the model keeps its threads"
    torch.set_num_threads(before)
    large = {"large_matrices": "MKL"} if size >= spectra.TWO_STAGE else {}
    if spectra._threads_of_mkl() is not None:
        assert spectra.solver(size) == large
    # As where torch has no MKL.
    monkeypatch.setattr(spectra, "_threads_of_mkl", lambda: None)
    by_numpy, same_rows = spectrum(states)
    assert rows == same_rows
    np.testing.assert_allclose(by_size, by_numpy, rtol=0, atol=1e-14)
    assert matrix_entropy(by_size) == pytest.approx(matrix_entropy(by_numpy), abs=1e-12)
    if large:
        assert spectra.solver(size) == {"large_matrices": "NumPy"}
    else:
        np.testing.assert_array_equal(by_size, by_numpy)


@pytest.mark.parametrize("library", ["MKL", "SciPy"])
@pytest.mark.parametrize(
    ("kind", "seen"),
    [("iid", 1e-7), ("power", 3e-7), ("sink", 2e-7), ("equal", 3e-7), ("few", 2e-5), ("one", 2e-4)],
)
def test_single_precision_moves_an_entropy_little(
    kind: str, seen: float, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within ten times of what was seen up to 2,048 rows, on a Gram matrix and on a covariance."""
    if library == "SciPy":
        monkeypatch.setattr(spectra, "_threads_of_mkl", lambda: None)
    elif spectra._threads_of_mkl() is None:
        pytest.skip("torch has no MKL here")
    assert spectra.solver(9, single=True) == {"spectra_precision": "single", "solver": library}
    for tokens, width in ((60, 200), (90, 40), (400, 500)):
        if kind == "equal" and tokens > width:
            continue
        known = kind in ("iid", "power", "sink")
        states = cloud(tokens, width, kind=kind) if known else hostile(tokens, width, kind)
        matrix, rows = spectra.normalised_matrix(states)
        expected, found = (
            spectra.spectrum_of(matrix.copy(), rows, single)[0] for single in (False, True)
        )
        assert len(found) == len(expected)
        assert found.dtype == np.float64
        assert found.sum() == pytest.approx(1, abs=1e-12)
        assert (found >= 0).all()
        assert (np.diff(found) >= 0).all()
        assert not np.array_equal(found, expected)
        assert matrix_entropy(found) == pytest.approx(matrix_entropy(expected), abs=10 * seen)


def test_single_precision_reads_the_lower_half_on_any_number_of_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    matrix, rows = spectra.normalised_matrix(cloud(300, 400))
    lower = np.tril(matrix)
    for mkl in (True, False):
        if not mkl:
            monkeypatch.setattr(spectra, "_threads_of_mkl", lambda: None)
        whole = spectra.eigenvalues_of(matrix, single=True)
        np.testing.assert_array_equal(spectra.eigenvalues_of(lower, single=True), whole)
        with ThreadPoolExecutor(1) as pool:
            again = pool.submit(spectra.spectrum_of, matrix, rows, True).result()[0]
        np.testing.assert_array_equal(again, whole)


def test_without_torch_large_matrices_are_numpys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    spectra._threads_of_mkl.cache_clear()
    assert spectra.solver(5000) == {"large_matrices": "NumPy"}
    assert spectra.solver(1000) == {}
    spectra._threads_of_mkl.cache_clear()
