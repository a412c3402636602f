"""The public functions of arrays: against other routes, and what they refuse in which words."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import svdvals

import matrix_entropy as me
from conftest import ROOT

STATES = np.random.default_rng(0).normal(size=(7, 12))
# A key and its value in YAML.
YAML = re.compile(r"`\w+: ?[^`]*`|\.yaml|configuration")


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 12), st.integers(1, 12), st.integers(0, 1000))
def test_spectrum_entropy_and_ranks_by_singular_values(tokens: int, width: int, seed: int) -> None:
    states = np.random.default_rng(seed).normal(size=(tokens, width))
    centred = states - states.mean(axis=0)
    unit = centred / np.linalg.norm(centred, axis=1)[:, None]
    expected = svdvals(unit)[::-1] ** 2 / tokens
    found = me.spectrum(states)
    assert found.rows == tokens
    np.testing.assert_allclose(found.eigenvalues, expected[-len(found.eigenvalues) :], atol=1e-14)
    positive = expected[expected > 0]
    entropy = -(positive * np.log(positive)).sum()
    assert me.entropy(found.eigenvalues) == pytest.approx(entropy, rel=1e-12, abs=1e-13)
    assert me.entropy(found) == me.entropy(found.eigenvalues)
    assert me.effective_rank(found) == pytest.approx(np.exp(entropy), rel=1e-12)
    assert me.stable_rank(found) == pytest.approx(1 / expected.max(), rel=1e-12)


@pytest.mark.parametrize(
    ("states", "tolerance"),
    [
        (STATES.tolist(), 1e-15),
        (torch.tensor(STATES, requires_grad=True), 1e-15),
        (np.ldexp(STATES, 700), 1e-15),  # whose squares are infinite
        (np.ldexp(STATES, -700), 1e-15),  # whose squares are zero
        (STATES.astype(np.float32), 1e-6),
        (torch.tensor(STATES, dtype=torch.bfloat16), 2e-2),
    ],
    ids=["lists", "tensor", "huge", "tiny", "float32", "bfloat16"],
)
def test_what_states_may_be(states: Any, tolerance: float) -> None:
    found, expected = me.spectrum(states), me.spectrum(STATES)
    assert found.rows == expected.rows
    np.testing.assert_allclose(found.eigenvalues, expected.eigenvalues, atol=tolerance)


def test_whole_numbers() -> None:
    states = np.array([[3, 0, 1], [0, 2, 5], [7, 1, 1]])
    of_floats = me.spectrum(states.astype(float))
    np.testing.assert_array_equal(me.spectrum(states).eigenvalues, of_floats.eigenvalues)


def test_a_tensor_of_bfloat16_has_its_own_precision() -> None:
    """A row that is off the mean by rounding in bfloat16 is not counted."""
    states = torch.tensor([[256.0, 0.0], [256.0, 0.5], [252.0, 0.25], [260.0, 0.25]])
    assert me.spectrum(states).rows == 4
    assert me.spectrum(states.bfloat16()).rows == me.spectrum(states, precision=2.0**-7).rows == 2


def test_fewer_than_two_rows_have_no_entropy() -> None:
    found = me.spectrum(STATES[:1])
    assert (len(found.eigenvalues), found.rows) == (0, 0)
    for number in (me.entropy, me.effective_rank, me.stable_rank):
        assert np.isnan(number(found))


def test_long_rows_can_be_left_out() -> None:
    states = STATES.copy()
    states[0] *= 1000
    found = me.spectrum(states, without_long_rows=True)
    np.testing.assert_allclose(found.eigenvalues, me.spectrum(states[1:]).eigenvalues, atol=1e-14)


def test_information_gain_is_half_a_log_determinant() -> None:
    unit = STATES / np.linalg.norm(STATES, axis=1)[:, None]
    for tokens in (2, 7):
        matrix = np.eye(tokens) + unit[:tokens] @ unit[:tokens].T / 0.25
        expected = np.linalg.slogdet(matrix).logabsdet / 2
        assert me.information_gain(STATES[:tokens], noise=0.5) == pytest.approx(expected, rel=1e-12)
    prefixes = me.information_gain(STATES, noise=0.5, every_prefix=True)
    assert prefixes[1] == pytest.approx(me.information_gain(STATES[:2], noise=0.5), rel=1e-12)
    scaled = me.information_gain(np.ldexp(STATES, 700), noise=0.5)
    assert scaled == pytest.approx(prefixes[-1], rel=1e-12)


def log_det(matrix: np.ndarray) -> float:
    return float(np.linalg.slogdet(matrix).logabsdet)


def logarithm(matrix: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray(vectors * np.log(values) @ vectors.T)


# Of two covariances with 0.01 on their diagonals, which for log_det_js is 1 / γ.
WHOLE: dict[str, Callable[[np.ndarray, np.ndarray], Any]] = {
    "log_det_js": lambda p, q: np.sqrt(log_det((p + q) / 2) - (log_det(p) + log_det(q)) / 2),
    "log_det": lambda p, q: np.sqrt(log_det((p + q) / 2) - (log_det(p) + log_det(q)) / 2),
    "riemannian": lambda p, q: np.linalg.norm(
        np.log(np.linalg.eigvals(np.linalg.solve(q, p)).real)
    ),
    "log_euclidean": lambda p, q: np.linalg.norm(logarithm(p) - logarithm(q)),
    "frobenius": lambda p, q: np.linalg.norm(p - q),
}


@pytest.mark.parametrize("kind", WHOLE)
def test_distances_by_whole_covariances(kind: str) -> None:
    other = STATES[:4] ** 2
    covariances = []
    for states in (STATES, other):
        unit = states / np.linalg.norm(states, axis=1)[:, None]
        covariances.append(unit.T @ unit / len(unit) + 0.01 * np.eye(12))
    found = me.distance(STATES, other, kind, gamma=100, ridge=0.01)
    assert found == pytest.approx(WHOLE[kind](*covariances), rel=1e-10)
    assert me.distance(other, STATES, kind, ridge=0.01) == pytest.approx(found, rel=1e-10)
    assert me.distance(STATES, np.ldexp(STATES, 700), kind, ridge=0.01) < 1e-7


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "a vector": (lambda: me.spectrum(STATES[0]), r"one row per token.*shape \(12,\)"),
    "a batch": (lambda: me.spectrum(STATES[None]), r"shape \(1, 7, 12\); of a batch take one text"),
    "no width": (lambda: me.spectrum(np.empty((3, 0))), r"shape \(3, 0\)"),
    "complex": (lambda: me.spectrum(STATES * 1j), "holds complex numbers"),
    "words": (lambda: me.spectrum([["a", "b"]]), "must hold numbers"),  # type: ignore[list-item]
    "nothing": (lambda: me.spectrum(None), "must hold numbers"),  # type: ignore[arg-type]
    "ragged": (lambda: me.spectrum([[1, 2], [3]]), "several lengths"),
    "masked": (lambda: me.spectrum(np.ma.masked_less(STATES, 0)), "masked array"),
    "NaN": (
        lambda: me.spectrum(np.where(np.eye(7, 12), np.nan, STATES)),
        r"not finite \(nan at row 0, column 0\)",
    ),
    "infinite": (lambda: me.information_gain(np.full((2, 2), np.inf)), "not finite"),
    "states for eigenvalues": (lambda: me.entropy(STATES), r"take `spectrum\(states\)"),
    "eigenvalues of sum 2": (lambda: me.effective_rank([1.0, 1.0]), "sum to 2, not to one"),
    "negative eigenvalues": (lambda: me.stable_rank([1.5, -0.5]), "hold -0.5"),
    "eigenvalues with NaN": (lambda: me.entropy([np.nan, 1.0]), "not finite"),
    "no such distance": (lambda: me.distance(STATES, STATES, "cosine"), "choose one of log_det_js"),
    "other widths": (lambda: me.distance(STATES, STATES[:, :5]), "width 5 and .* width 12"),
    "singular": (lambda: me.distance(STATES, STATES, "log_det"), r"set `ridge=1\.0e-03`"),
    "gamma": (lambda: me.distance(STATES, STATES, gamma=-1), "set `gamma=100`"),
    "noise": (lambda: me.information_gain(STATES, noise=0), "`noise=` must be a positive"),
    "one token": (lambda: me.information_gain(STATES[:1]), "needs two rows of states, not 1"),
    "no such kernel": (lambda: me.information_gain(STATES, kernel="rbf"), '`kernel="rbf"` is none'),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_used_is_refused_in_plain_words(name: str) -> None:
    call, words = REFUSED[name]
    with pytest.raises(ValueError, match=words) as refused:
        call()
    assert not YAML.search(str(refused.value)), "no YAML to somebody who writes Python"
    assert "\n" not in str(refused.value)


def test_every_public_name_is_there_and_says_what_it_is() -> None:
    assert {*me.__all__} <= {*dir(me)}
    for name in me.__all__:
        assert getattr(me, name).__doc__
    with pytest.raises(AttributeError, match="has no attribute 'entropies'"):
        me.entropies  # type: ignore[attr-defined]  # noqa: B018


def test_type_checkers_read_the_same_names() -> None:
    stub = (ROOT / "src/matrix_entropy/__init__.pyi").read_text(encoding="utf-8")
    places = re.findall(r"^from matrix_entropy\.api\.(\w+) import (\w+) as (\w+)$", stub, re.M)
    assert {name: module for module, name, _ in places} == me._MODULE_OF  # type: ignore[attr-defined]
    assert all(name == again for _, name, again in places)


SCRIPT = """
import sys
import matrix_entropy as me
me.entropy(me.spectrum([[1, 2], [3, 5], [1, 0]])), me.information_gain([[1, 2], [3, 5]])
me.distance([[1, 2]], [[2, 1]]), me.measure.__doc__, me.summarise.__doc__
print("imported:", *{"torch", "transformers", "pandas", "pyarrow", "tqdm", "yaml"} & {*sys.modules})
sys.modules["torch"] = None  # as if it were not installed
try:
    me.measure("model", ["text"])
except ImportError as error:
    print(error)
"""


def test_the_numerical_part_imports_nothing_large(tmp_path: Path) -> None:
    """Nor does a look at `measure`, which says what it lacks when it is called."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT / "src")},
    )
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first == "imported:"
    assert second.startswith("torch is not installed")
    assert 'pip install "matrix-entropy[models]"' in second
