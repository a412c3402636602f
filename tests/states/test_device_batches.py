"""Matrices solved many at a time, as on a GPU, are as solved one by one; what fails is noticed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_streamed_spectra import LAYERS, TEXTS, VIEWS, assert_same, from_disk, save, streamed

from matrix_entropy.maths.entropy import matrix_entropy
from matrix_entropy.maths.spectra import distribution, normalised_matrix, spectrum_of
from matrix_entropy.models.stand_ins import train_tokenizer
from matrix_entropy.states import device_batches, gathered_matrices
from matrix_entropy.states.device_batches import eigenvalues_of, fits, padded, pays

RANDOM = np.random.default_rng(8)
SOLVE = torch.linalg.eigvalsh


def matrices() -> list[torch.Tensor]:
    """Of sizes that are made equal: ordinary ones, few directions, equal ones, and one alone."""
    states = [RANDOM.standard_normal((rows, 90)) for rows in (66, 71, 72, 65)]
    states.append(RANDOM.standard_normal((70, 3)) @ RANDOM.standard_normal((3, 90)))
    states.append(np.linalg.qr(RANDOM.standard_normal((90, 68)))[0].T)
    states.append(RANDOM.standard_normal((69, 1)) * RANDOM.standard_normal((1, 90)))
    states[-1] += 1e-5 * RANDOM.standard_normal((69, 90))
    return [torch.from_numpy(normalised_matrix(each)[0]) for each in states]


def test_sizes_are_made_equal_by_an_eighth_at_most() -> None:
    for size in range(1, 3000):
        assert size <= padded(size) <= max(size, size * 9 / 8)
        assert padded(padded(size)) == padded(size)
    assert len({padded(size) for size in range(256, 1025)}) == 17
    assert [fits(size) for size in (255, 256, 1024, 1025)] == [False, True, True, False]


@pytest.mark.parametrize(("single", "apart"), [(False, 1e-12), (True, 1e-3)])
def test_a_batch_is_as_one_by_one(single: bool, apart: float) -> None:
    given = matrices()
    assert {padded(len(matrix)) for matrix in given} == {72}
    for matrix, found in zip(given, eigenvalues_of(given, single), strict=True):
        assert found is not None
        assert len(found) == len(matrix)
        rows = len(matrix)
        expected, _ = spectrum_of(matrix.numpy().copy(), rows, single)
        assert matrix_entropy(distribution(found)) == pytest.approx(
            matrix_entropy(expected), abs=apart
        )
        if not single:
            np.testing.assert_allclose(distribution(found), expected, rtol=0, atol=1e-14)


def test_the_lower_half_is_read_and_nothing_is_changed() -> None:
    given = [matrix.tril() for matrix in matrices()]
    diagonal = torch.eye(66, dtype=torch.float64)
    # The check is of the whole matrix, so that of half of one it fails unless it has no other half.
    found = eigenvalues_of([*given, diagonal])
    assert [values is None for values in found] == [True] * len(given) + [False]
    before = [matrix.clone() for matrix in given]
    eigenvalues_of(given)
    assert all(torch.equal(*pair) for pair in zip(before, given, strict=True))


def worse(at: int, change: Callable[[torch.Tensor], None]) -> Callable[..., torch.Tensor]:
    """A solver that spoils the eigenvalues of one matrix of a batch."""

    def solve(batch: torch.Tensor, UPLO: str = "L") -> torch.Tensor:
        found = SOLVE(batch, UPLO=UPLO).clone()
        if found.ndim == 2 and len(found) > at:
            change(found[at])
        return found

    return solve


def move(values: torch.Tensor) -> None:
    values[-1] += 0.1
    values[-2] -= 0.1


def negate(values: torch.Tensor) -> None:
    """Three of them mirrored at their mean, which keeps sum and sum of squares: a sign is wrong."""
    some = torch.tensor([0, 1, len(values) - 1])
    values[some] = 2 * values[some].mean() - values[some]
    assert values.min() < -0.1


@pytest.mark.parametrize(
    "change",
    [
        move,
        negate,
        lambda values: values.mul_(1 + 1e-9),
        lambda values: values.zero_(),
        lambda values: values.fill_(float("nan")),
    ],
    ids=["moved", "negative", "scaled", "zero", "no number"],
)
def test_what_is_wrong_is_noticed(
    change: Callable[[torch.Tensor], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = matrices()
    monkeypatch.setattr(torch.linalg, "eigvalsh", worse(2, change))
    assert [values is None for values in eigenvalues_of(given)] == [at == 2 for at in range(7)]


def test_what_is_not_finite_spoils_no_other() -> None:
    given = matrices()
    expected = eigenvalues_of(given)
    given[1][3, 4] = float("nan")
    given[4][0, 0] = float("inf")
    for at, (values, known) in enumerate(zip(eigenvalues_of(given), expected, strict=True)):
        assert (values is None) == (at in (1, 4))
        if values is not None:
            np.testing.assert_array_equal(values, known)


def test_when_memory_runs_out_batches_are_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    given, sizes = matrices(), []
    expected = eigenvalues_of(given)

    def solve(batch: torch.Tensor, UPLO: str) -> torch.Tensor:
        sizes.append(len(batch))
        if len(batch) > 2:
            raise torch.OutOfMemoryError
        return SOLVE(batch, UPLO=UPLO)

    monkeypatch.setattr(torch.linalg, "eigvalsh", solve)
    for values, known in zip(eigenvalues_of(given), expected, strict=True):
        np.testing.assert_array_equal(values, known)
    assert sizes == [7, 3, 1, 2, 4, 2, 2]
    sizes.clear()
    # As many entries as can be numbered: of three matrices.
    monkeypatch.setattr(device_batches, "MOST_ENTRIES", 3 * 72**2)
    assert all(values is not None for values in eigenvalues_of(given))
    assert max(sizes) == 3

    def never(batch: torch.Tensor, UPLO: str) -> torch.Tensor:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(torch.linalg, "eigvalsh", never)
    assert eigenvalues_of(given) == [None] * 7


def test_a_solver_that_fails_leaves_all_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(batch: torch.Tensor, UPLO: str) -> torch.Tensor:
        raise torch.linalg.LinAlgError("cusolver error")

    monkeypatch.setattr(torch.linalg, "eigvalsh", fails)
    assert eigenvalues_of(matrices()) == [None] * 7


def test_batches_pay_where_one_call_solves_them(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = torch.device("cuda")
    assert not pays(torch.device("cpu"), True)
    for version, cuda, capability, expected in (
        ("2.13.0+cu130", "13.0", (9, 0), (True, True)),
        ("2.12.1", "12.6", (8, 9), (False, True)),
        ("2.11.0", "13.0", (9, 0), (False, False)),
        ("2.13.0", "12.4", (9, 0), (False, False)),
        ("2.13.0+rocm", None, (9, 0), (False, False)),
    ):
        monkeypatch.setattr(torch, "__version__", version)
        monkeypatch.setattr(torch.version, "cuda", cuda)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _, of=capability: of)
        assert (pays(gpu, False), pays(gpu, True)) == expected


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of what a small model has: matrices of 9 to 48 rows, some two texts at a time."""
    monkeypatch.setattr(device_batches, "LEAST", 9)
    monkeypatch.setattr(device_batches, "FEWEST", 3)
    monkeypatch.setattr(device_batches, "WAITING_BYTES", 2 * 5 * 7 * 48 * 48 * 8)


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("threads", [1, 4])
def test_a_run_in_batches_finds_the_same(
    threads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = train_tokenizer([text["text"] for text in TEXTS], 300)
    record = save("gpt2", tmp_path / "model", tokenizer)
    expected = from_disk(record, tmp_path / "states")
    extra: dict[str, Any] = {"on_device": True, "batched": True, "threads": threads}
    calls: list[int] = []

    def solve(batch: torch.Tensor, UPLO: str) -> torch.Tensor:
        calls.append(len(batch))
        return worse(1, move)(batch, UPLO)

    monkeypatch.setattr(torch.linalg, "eigvalsh", solve)
    found = streamed(record, tmp_path / "spectra.npz", extra)
    said = {"batched_matrices": sum(calls), "solved_again": len(calls)}
    assert len(calls) > 2
    assert min(calls) >= 3
    assert sum(calls) > expected.counts.size / 4
    assert {name: found.provenance.pop(name) for name in said} == said
    assert_same(found, expected, tolerance=1e-12)
    terms = (expected.of(0, layer, -1) for layer in range(len(LAYERS)))
    for layer, values in enumerate(terms):
        by_batch = matrix_entropy(found.of(0, layer, len(TEXTS) - 1))
        assert by_batch == pytest.approx(matrix_entropy(values), abs=1e-12)
    assert found.measures == tuple(VIEWS["measures"])


@pytest.mark.usefixtures("small_batches")
def test_a_text_that_comes_again_counts_once() -> None:
    """As when memory ran out behind it."""
    gathered = gathered_matrices.Gathered()
    given = [(matrix, torch.ones(len(matrix), dtype=torch.bool)) for matrix in matrices()]
    small = [(torch.eye(20, dtype=torch.float64), torch.ones(20, dtype=torch.bool))] * 3
    for text in (0, 1, 0):
        unit = gathered_matrices.Unit("final", text, [*small, given[0]], torch.empty(0, 4))
        gathered.add(unit)
    first, second = gathered.solved(single=False)
    assert (first.text, second.text) == (1, 0)
    for unit in (first, second):
        of_unit = unit.found(lambda _: [], single=False)
        assert (of_unit.batched, of_unit.again) == (3, 0)
        np.testing.assert_allclose(of_unit.spectra[0][0], 1 / 20, rtol=1e-12)
        assert [rows for _, rows in of_unit.spectra] == [20, 20, 20, 66]
    assert not gathered.waits(1)
