"""Records of Parquet files are those that `datasets` gives, and few bytes are read for few."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from matrix_entropy.base.errors import InputError
from matrix_entropy.texts.parquet_records import ParquetRecords

COLUMNS: dict[str, list[Any]] = {
    "text": ["a", None, "", "d\n", "\u4e2d", *(f"text {n}" for n in range(20))],
    "label": [*range(24), None],
    "share": [0.5] * 25,
    "choices": [{"text": ["x", "y"], "label": ["A", "B"]}] * 25,
    "turns": [[{"role": "user", "content": str(n)}] for n in range(25)],
    "none": [None] * 25,
}


@pytest.fixture(params=[(1, 25), (1, 4), (3, 4)], ids=["one group", "groups", "files"])
def paths(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    files, rows = request.param
    table, found = pa.table(COLUMNS), []
    for number in range(files):
        part = table.slice(number * 25 // files, (number + 1) * 25 // files - number * 25 // files)
        found.append(str(tmp_path / f"{number}.parquet"))
        pq.write_table(part, found[-1], row_group_size=rows)
    return found


def test_they_are_those_of_the_library(paths: list[str], tmp_path: Path) -> None:
    loaded = datasets.load_dataset("parquet", data_files=paths, cache_dir=str(tmp_path / "cache"))
    expected, found = list(loaded["train"]), ParquetRecords(paths, [])
    assert len(found) == len(expected) == 25
    assert list(found) == expected
    for number in random.Random(1).sample(range(25), 25):
        assert found[number] == expected[number]
    with pytest.raises(IndexError):
        found[25]


def test_only_the_columns_that_are_wanted_are_read(paths: list[str]) -> None:
    assert ParquetRecords(paths, ["label", "text"])[3] == {"label": 3, "text": "d\n"}
    # All where one is missing, so that a message can name those there are.
    assert set(ParquetRecords(paths, ["story"])[3]) == {*COLUMNS}


def test_only_the_groups_of_drawn_rows_are_read(
    paths: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []
    table = ParquetRecords._table
    monkeypatch.setattr(ParquetRecords, "_table", lambda s, g: (read.append(g), table(s, g))[1])
    records = ParquetRecords(paths, ["text"])
    assert [records[number]["text"] for number in (0, 1, 24)] == ["a", None, "text 19"]
    assert len(read) == len(set(read)) <= 2


def test_a_file_that_is_cut_off_or_overwritten_is_named(paths: list[str]) -> None:
    whole = Path(paths[-1]).read_bytes()
    overwritten = whole[:4] + bytes(400) + whole[404:]
    for content in (whole[: len(whole) // 2], b"", b"<html>", overwritten):
        Path(paths[-1]).write_bytes(content)
        with pytest.raises(InputError, match=r"\.parquet cannot be read as Parquet"):
            list(ParquetRecords(paths, ["text"]))
