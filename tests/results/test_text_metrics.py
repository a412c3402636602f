"""The table of metrics of many texts: every row is of its own texts, layer and views.

Run as a script, with ``src`` and ``tests`` on PYTHONPATH, it writes the list of docs/metrics.md.
"""

from __future__ import annotations

import re

import numpy as np
import pytest

from conftest import ROOT
from matrix_entropy.base.errors import InputError
from matrix_entropy.maths.many_texts import OF_TEXTS, vector_spectra
from matrix_entropy.maths.two_views import lidar
from matrix_entropy.results import text_metrics
from matrix_entropy.results.pooled_file import HALVES, WHOLE, PooledTexts
from matrix_entropy.results.text_metrics import ALL, OF_VIEWS, described, text_table

PAGE = ROOT / "docs/metrics.md"
LIST = re.compile(r"(?<=<!-- many -->\n\n).*?(?=\n<!-- end -->)", re.DOTALL)
GROUPS = ["good", "bad", "bad", "good", "good", "bad", "dull"]


def made(parts: tuple[str, ...] = (WHOLE,)) -> PooledTexts:
    shape = (len(parts), 2, 3, len(GROUPS), 5)
    vectors = 1 + np.random.default_rng(0).standard_normal(shape)
    return PooledTexts(
        ids=np.array([str(number) for number in range(len(GROUPS))]),
        groups=np.array(GROUPS),
        lengths=np.full(len(GROUPS), 9),
        parts=parts,
        poolings=("mean", "last"),
        layers=("0", "4", "final"),
        vectors=vectors.astype(np.float32),
        provenance={},
    )


def test_every_row_is_of_its_texts_and_layer() -> None:
    pooled = made()
    table = text_table(pooled)
    assert len(table) == 2 * 3 * 4
    for _, row in table.iterrows():
        at = pooled.poolings.index(row["pooling"]), pooled.layers.index(row["layer"])
        assert row["depth"] == at[1]
        assert row["width"] == 5
        inside = [row["group"] in (group, ALL) for group in GROUPS]
        assert (row["texts"], row["bound"]) == (sum(inside), min(sum(inside) - 1, 5))
        spectra = vector_spectra(pooled.vectors[0, at[0], at[1], inside])
        for each in OF_TEXTS:
            np.testing.assert_equal(row[each.name], each.of(spectra))
        assert row["viewed"] == 0
        assert np.isnan([row[each.name] for each in OF_VIEWS]).all()


def test_halves_are_two_views_of_their_text(monkeypatch: pytest.MonkeyPatch) -> None:
    pooled = made((WHOLE, *HALVES))
    table = text_table(pooled).set_index(["pooling", "group", "layer"])
    good = [group == "good" for group in GROUPS]
    views = pooled.vectors[1:, 1, 2][:, good].astype(np.float64)
    row = table.loc[("last", "good", "final")]
    assert (row["viewed"], row["lidar"]) == (3, lidar(views))
    assert table.loc[("mean", ALL, "0"), "viewed"] == len(GROUPS)
    monkeypatch.setattr(text_metrics, "MOST_VIEWED", 2)
    few = text_table(pooled).set_index(["pooling", "group", "layer"])
    assert few.loc[("last", "good", "final"), "lidar"] == lidar(views[:, :2])


def test_the_texts_of_a_pair_are_two_views() -> None:
    pooled = made()
    table = text_table(pooled, {"Pairs": ["good", "bad"]}).set_index(["pooling", "group", "layer"])
    vectors = pooled.vectors[0, 0, 1].astype(np.float64)
    row = table.loc[("mean", "Pairs", "4")]
    assert (row["texts"], row["viewed"]) == (6, 3)
    assert row["lidar"] == lidar(vectors[[[0, 3, 4], [1, 2, 5]]])
    assert table.loc[("mean", "good", "4"), "viewed"] == 0
    assert table.loc[("mean", ALL, "4"), "lidar"] == row["lidar"]
    with pytest.raises(InputError, match="'Pairs' have 3 and 1 texts, which are no pairs"):
        text_table(pooled, {"Pairs": ["good", "dull"]})


def test_the_page_lists_the_columns() -> None:
    found = LIST.search(PAGE.read_text("utf-8"))
    assert found
    assert found[0] == "".join(f"{line}\n" for line in described())


if __name__ == "__main__":
    text = PAGE.read_text("utf-8")
    PAGE.write_text(LIST.sub("".join(f"{line}\n" for line in described()), text), "utf-8")
