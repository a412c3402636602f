"""The numbers behind every figure and table of the miniature are those they were."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import golden

MADE_ON, KEPT = golden.read()


@pytest.fixture(scope="module")
def apart(miniature: Path) -> pd.Series:
    found = golden.digest(miniature)
    if golden.processor() not in MADE_ON:
        pytest.skip(f"the numbers kept are of other processors ({'; '.join(MADE_ON)})")
    return golden.moved(found, KEPT).set_index(golden.KEYS)["apart"]


@pytest.mark.parametrize("file", sorted(set(KEPT["file"])))
def test_no_number_moves(apart: pd.Series, file: str) -> None:
    """`python tests/golden.py miniature` keeps new ones, once it is known why they moved."""
    moved = apart[file]
    assert set(moved.index) == set(KEPT.loc[KEPT["file"] == file, "column"]), "columns differ"
    assert moved[moved > golden.LEAST].to_dict() == {}


def test_nothing_is_missing(apart: pd.Series) -> None:
    assert set(apart.index.get_level_values("file")) == set(KEPT["file"])


def test_what_moves_is_seen(tmp_path: Path) -> None:
    """A value, an order, a word, a row more, and a column that goes."""
    folder = tmp_path / "figures"
    folder.mkdir()
    table = pd.DataFrame({"value": [1.0, 2.0, 4.0], "name": ["a", "b", ""], "gap": [np.nan] * 3})

    def digest(table: pd.DataFrame) -> pd.DataFrame:
        table.to_csv(folder / "one.csv", index=False)
        return golden.digest(tmp_path)

    kept = digest(table)
    assert (golden.moved(digest(table), kept)["apart"] == 0).all()
    changes = {
        "value": table.assign(value=[1.0, 2.0, 4.001]),
        "order": table.assign(value=[2.0, 1.0, 4.0]),
        "word": table.assign(name=["a", "c", ""]),
        "row": pd.concat([table, table[:1]]),
        "gone": table.drop(columns="gap"),
        "new": table.assign(new=1.0),
    }
    found = {name: golden.moved(digest(one), kept)["apart"].max() for name, one in changes.items()}
    assert found.pop("value") == pytest.approx(1.0e-3 / 2 / 4.001, rel=0.01)
    assert found.pop("order") > 0.01
    assert set(found.values()) == {np.inf}
