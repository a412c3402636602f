"""Results in one file: what goes in comes out, and what is damaged or old is named."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matrix_entropy.base.errors import InputError
from matrix_entropy.results.npz_files import load_npz, save_npz

VALUES = {
    "rows": np.arange(6.0).reshape(2, 3),
    "names": np.array(["a", "é"]),
    "count": 7,
    "noise": 0.1,
    "group": "",
    "provenance": {"model": {"stand_in": False}, "shard": [1, 1]},
}


@dataclass
class Found:
    rows: np.ndarray
    names: tuple[str, ...]
    count: int
    noise: float
    group: str
    provenance: dict[str, Any]

    def fault(self) -> str | None:
        return "its count is negative" if self.count < 0 else None


@dataclass
class Newer(Found):
    spans: np.ndarray


def test_values_come_back_as_they_were(tmp_path: Path) -> None:
    save_npz(tmp_path / "a.npz", VALUES)
    found = asdict(load_npz(Found, tmp_path / "a.npz"))
    assert found.keys() == VALUES.keys()
    for name, value in VALUES.items():
        np.testing.assert_array_equal(found[name], value)
        assert type(found[name]) is (tuple if name == "names" else type(value)), name


def test_what_cannot_be_is_named(tmp_path: Path) -> None:
    save_npz(tmp_path / "a.npz", VALUES | {"count": -1})
    with pytest.raises(InputError, match=r"a\.npz is damaged \(its count is negative\); delete"):
        load_npz(Found, tmp_path / "a.npz")


def test_the_same_values_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_npz(tmp_path / f"{name}.npz", VALUES)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    save_npz(tmp_path / "a.npz", VALUES)
    (tmp_path / "a.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:300])
    with pytest.raises(InputError, match=r"a\.npz is damaged \(.*\); delete it and run again\."):
        load_npz(Found, tmp_path / "a.npz")


def test_a_file_of_an_older_version_is_named(tmp_path: Path) -> None:
    save_npz(tmp_path / "a.npz", VALUES)
    with pytest.raises(InputError, match=r"a\.npz lacks spans \(an older version wrote it\)"):
        load_npz(Newer, tmp_path / "a.npz")


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", rows=np.array([{}], dtype=object), provenance=np.array("{}"))
    with pytest.raises(InputError, match="is damaged"):
        load_npz(Found, tmp_path / "a.npz")
