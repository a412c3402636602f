"""Tables of metrics: every count and mean is of its own group, text and layer.

Run as a script, with ``src`` and ``tests`` on PYTHONPATH, it writes the lists of docs/metrics.md.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from test_intermediates import PROVENANCE, spectra

from conftest import ROOT
from matrix_entropy.base.errors import InputError
from matrix_entropy.maths.entropy import stable_rank
from matrix_entropy.maths.ranks import in_single
from matrix_entropy.results import columns
from matrix_entropy.results.metrics import (
    metrics_table,
    read_metrics,
    read_summary,
    summary_table,
    write_metrics,
    write_summary,
)
from matrix_entropy.results.spectra_file import Spectra

PAGE = ROOT / "docs/metrics.md"
GROUPS = ["short", "long", "long"]


def made_spectra() -> Spectra:
    """Texts of 3, 5 and 9 tokens, of which one row of the second has no direction."""
    lengths, rows = np.array([3, 5, 9]), np.array([3, 4, 9])
    return spectra(
        eigenvalues=np.concatenate([np.full(count, 1 / count) for count in rows]),
        counts=rows[None, None],
        rows=rows[None, None],
        ids=np.array(["0", "1", "2"]),
        groups=np.array(GROUPS),
        offsets=np.cumsum([0, *lengths]),
        truncated=np.array([True, False, False]),
        width=16,
        token_losses=np.full(lengths.sum(), np.nan, dtype=np.float32),
    )


@pytest.fixture
def tables():
    found = made_spectra()
    return metrics_table(found), summary_table(found).set_index("group")


def test_tokens_and_rows_are_counted_apart(tables) -> None:
    metrics, _ = tables
    assert metrics["tokens"].tolist() == [3, 5, 9]
    assert metrics["rows"].tolist() == [3, 4, 9]
    bounds = np.log([2, 3, 8]) / np.log(16)
    np.testing.assert_allclose(metrics["entropy_bound_normalised"], bounds)


def test_groups_are_summarised_apart(tables) -> None:
    _, summary = tables
    assert summary.loc["short", ["texts", "truncated", "tokens_mean"]].tolist() == [1, 1, 3]
    assert summary.loc["long", ["texts", "truncated", "tokens_mean"]].tolist() == [2, 0, 7]
    assert summary.loc["long", "matrix_entropy"] == pytest.approx(np.log([4, 9]).mean())
    assert summary.loc["long", "effective_rank"] == pytest.approx(6.5)


def test_a_metric_is_its_entry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Columns of both tables, their order and their checks follow from it."""
    rank = columns.Metric(
        "stable_rank", columns.of_each(stable_rank), columns.RANK, "stable rank", "Tan et al. 2024"
    )
    before = list(metrics_table(made_spectra())), list(summary_table(made_spectra()))
    monkeypatch.setattr(columns, "METRICS", [*columns.METRICS, rank])
    texts, summary = metrics_table(made_spectra()), summary_table(made_spectra())
    np.testing.assert_allclose(texts["stable_rank"], [3, 4, 9])
    np.testing.assert_allclose(summary[["stable_rank", "stable_rank_std"]], [[3, 0], [6.5, 2.5]])
    for table, old, new in zip((texts, summary), before, (1, 2), strict=True):
        assert [name for name in table if "stable" not in name] == old
        assert list(table).index("loss") == old.index("loss") + new
    write_metrics(tmp_path / "texts.parquet", texts, PROVENANCE)
    write_metrics(tmp_path / "wrong.parquet", texts.assign(stable_rank=0.5), PROVENANCE)
    write_summary(tmp_path / "texts.csv", summary, PROVENANCE)
    write_summary(tmp_path / "wrong.csv", summary.assign(stable_rank=17.0), PROVENANCE)
    for read, kind, said in (
        (read_metrics, "parquet", "is 0.5, not from 1 to inf"),
        (read_summary, "csv", "is 17, not from 1 to 16"),
    ):
        read(tmp_path / f"texts.{kind}")
        with pytest.raises(InputError, match=f"wrong.{kind} is damaged .stable_rank {said}"):
            read(tmp_path / f"wrong.{kind}")
    assert "| `stable_rank` | stable rank | directions | Tan" in columns.described(columns.METRICS)
    assert "| `stable_rank_std` | " in columns.of_summary_described()


def test_metrics_that_are_asked_for_are_columns(tmp_path: Path) -> None:
    """In the order of their list, with mean and deviation in summaries; of all else, nothing."""
    spectra = made_spectra()
    asked = ["power_law", "coding_rate", "rankme"]
    texts, summary = metrics_table(spectra, asked), summary_table(spectra, asked)
    plain = metrics_table(spectra)
    assert list(texts)[list(texts).index("loss") - 3 :][:3] == asked[::-1]
    assert list(texts.drop(columns=asked)) == list(plain)
    np.testing.assert_allclose(texts["rankme"], [3, 4, 9])
    rates = [n / 2 * np.log(1 + 16 / n / 0.5) for n in (3, 4, 9)]
    np.testing.assert_allclose(texts["coding_rate"], rates)
    assert texts["power_law"].isna().all(), "too few eigenvalues, which is no fault"
    np.testing.assert_allclose(summary[["rankme", "rankme_std"]], [[3, 0], [6.5, 2.5]])
    assert summary[["power_law", "power_law_std"]].isna().all(axis=None)
    for table, write, read, path in (
        (texts, write_metrics, read_metrics, tmp_path / "a.parquet"),
        (summary, write_summary, read_summary, tmp_path / "a.csv"),
    ):
        write(path, table, PROVENANCE)
        assert set(asked) < set(read(path)[0] if path.suffix == ".parquet" else read(path))
        write(path, table.assign(rankme=0.9), PROVENANCE)
        with pytest.raises(InputError, match=r"damaged \(rankme is 0\.9, not from 1 to"):
            read(path)


def page_with_lists() -> str:
    """docs/metrics.md with the lists that it should have."""
    page = PAGE.read_text(encoding="utf-8")
    fit = [f"`{name}`" for name, permitted in in_single().items() if permitted]
    lists = {
        "texts": columns.described(columns.METRICS),
        "ranks": columns.described(columns.of_spectra()),
        "summary": columns.of_summary_described(),
        "measures": columns.described(columns.measured()),
        "single": ", ".join(fit) + ".",
    }
    for name, found in lists.items():
        between = rf"(<!-- {name} -->\n\n).*?(\n<!-- end -->)"
        page = re.sub(
            between, lambda at, new=found: f"{at[1]}{new}\n{at[2]}", page, flags=re.DOTALL
        )
    return page


def test_the_page_lists_the_metrics() -> None:
    assert PAGE.read_text(encoding="utf-8") == page_with_lists()


if __name__ == "__main__":
    PAGE.write_text(page_with_lists(), encoding="utf-8")
