"""Measures that a data set asks for: of rows of any type, and from their entry to the tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from test_intermediates import PROVENANCE

from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import write_json
from matrix_entropy.maths import measures
from matrix_entropy.maths.long_rows import long_rows
from matrix_entropy.maths.measures import Measure
from matrix_entropy.maths.units import SHARE
from matrix_entropy.results.measuring import measuring
from matrix_entropy.results.metrics import (
    metrics_table,
    read_metrics,
    read_summary,
    summary_table,
    write_metrics,
    write_summary,
)
from matrix_entropy.results.spectra_file import Spectra, compute_spectra

RANDOM = np.random.default_rng(3)
NAMES = [measure.name for measure in measures.MEASURES]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_rows_of_any_type_are_measured_in_float64(dtype: str) -> None:
    rows = (30 + RANDOM.standard_normal((20, 6))).astype(dtype)
    rows[3] *= 1000  # whose square is beyond float16
    expected = [each.of(rows.astype(np.float64)) for each in measures.MEASURES]
    assert measuring(NAMES)(rows) == expected
    assert np.isfinite(expected).all()
    assert measuring([])(rows) == []


def test_a_measure_is_its_entry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """From states on disk to columns, their checks and the list."""

    def long_part(rows: np.ndarray) -> float:
        return float(long_rows(rows).mean())

    entry = Measure("long_part", long_part, SHARE, "share of rows that are long", "this project")
    monkeypatch.setattr(measures, "MEASURES", [*measures.MEASURES, entry])
    lengths, folder = [4, 10], tmp_path / "states"
    folder.mkdir()
    states = RANDOM.standard_normal((14, 8))
    states[[0, 5]] *= 1000
    np.save(folder / "layer_1.npy", states.astype(np.float32))
    np.savez(
        folder / "tokens.npz",
        ids=np.array(["a", "b"]),
        groups=np.array(["all", "all"]),
        offsets=np.cumsum([0, *lengths]),
        truncated=np.zeros(2, dtype=bool),
        token_losses=np.full(14, np.nan, dtype=np.float32),
        window_groups=np.array([], dtype=str),
        window_losses=np.array([], dtype=np.float32),
        window_tokens=np.array([], dtype=np.int64),
    )
    write_json(folder / "provenance.json", PROVENANCE)
    compute_spectra(folder, [1], [], None, measures=["long_part"]).save(tmp_path / "a.npz")
    spectra = Spectra.load(tmp_path / "a.npz").with_measures(["long_part"])
    texts, summary = metrics_table(spectra), summary_table(spectra)
    assert texts["long_part"].tolist() == [0.25, 0.1]
    np.testing.assert_allclose(summary[["long_part", "long_part_std"]], [[0.175, 0.075]])
    for table, write, read, path in (
        (texts, write_metrics, read_metrics, tmp_path / "a.parquet"),
        (summary, write_summary, read_summary, tmp_path / "a.summary.csv"),
    ):
        write(path, table, PROVENANCE)
        read(path)
        write(path, table.assign(long_part=1.1), PROVENANCE)
        with pytest.raises(InputError, match=r"is damaged \(long_part is 1\.1, not from 0 to 1\)"):
            read(path)
