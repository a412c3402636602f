"""What the first page says of figures and tables: their own numbers."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from conftest import configured
from matrix_entropy.configuration.kinds import KINDS
from matrix_entropy.pages.findings import FINDINGS, READ_FROM, finding
from matrix_entropy.pages.notebook import Built


@pytest.fixture
def built(tmp_path: Path) -> Built:
    (tmp_path / "figures").mkdir()
    return Built(tmp_path / "results", tmp_path / "figures")


def write(built: Built, **columns: list) -> None:
    pd.DataFrame(columns).to_csv(Path(built.figures, "it.csv"), index=False)


def test_kinds_have_findings_and_no_finding_is_without_a_kind() -> None:
    assert set(FINDINGS) <= set(KINDS)
    assert set(READ_FROM) <= set(FINDINGS)


def test_sizes_are_told_from_the_smallest_to_the_largest_that_is_shown(built: Built) -> None:
    write(
        built, family=["A"] * 3, size=["9M", "1M", "99M"], parameters=[9e6, 1e6, 99e6],
        dataset=["d"] * 3, dataset_title=["Texts"] * 3, entropy_a=[0.5, 0.75, 0.1],
        shown=[True, True, False],
    )  # fmt: skip
    told = finding("scaling", "it", built)
    assert "goes from 0.750 to 0.500 (Texts, A 1M, 9M); it falls in 1 of 1 series." in told


def test_variants_are_told_by_the_first_indicator(built: Built) -> None:
    write(
        built, indicator=["entropy_a", "entropy_a", "loss"], variant=["before", "after", "before"],
        value=[0.5, 0.625, 3.0], model=["m"] * 3,
    )  # fmt: skip
    assert finding("lora", "it", built) == "Entropy a: before 0.500, after 0.625."


def test_a_kind_without_a_finding_is_told_in_its_words(built: Built) -> None:
    write(built, model=["m"])
    assert finding("schematic", "it", built) == (
        "Where the entropies of vision-language models are measured."
    )


def test_the_first_page_shows_every_figure_and_says_what_came_out(miniature: Path) -> None:
    page = (miniature / "paper/build/index.html").read_text(encoding="utf-8")
    config = configured("miniature")
    items = {
        re.search(r"\(<code>(\w+)</code>\)", item)[1]: item
        for item in re.findall(r"<li>((?:(?!<li>).)*?Files:.*?)</li>", page, flags=re.DOTALL)
    }
    for section in ("figures", "tables"):
        for name, entry in config[section].items():
            kind = entry.get("kind", "layers")
            if "paper" in entry:
                drawn = section == "figures" or KINDS[kind].with_figure
                assert ("<img class=small" in items[name]) == drawn
                if kind in FINDINGS:
                    said = items[name].partition("</code>).")[2].partition("Files:")[0]
                    assert re.search(r"\d", said), name
            else:
                assert "<img" not in items[name]
