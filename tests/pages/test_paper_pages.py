"""The pages of the miniature scale: all there, each one file that needs nothing from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from conftest import configured
from matrix_entropy.configuration.kinds import KINDS, rule_of
from matrix_entropy.pages.errata import read_errata
from matrix_entropy.pages.page_checks import check_page
from matrix_entropy.published.comparison import NOT_BUILT
from matrix_entropy.published.counterparts import counterparts

PAPERS = ("liang2024", "wei2024", "tan2024")
TAG = {"figure": "figure", "table": "section"}
PAGES = ("index", *PAPERS, "errata", "comparison")


@pytest.fixture(scope="module")
def pages(miniature: Path) -> dict[str, str]:
    folder = miniature / "paper" / "build"
    return {name: (folder / f"{name}.html").read_text(encoding="utf-8") for name in PAGES}


@pytest.fixture(scope="module")
def configuration(root: Path) -> dict:
    return configured("miniature")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_needs_nothing_from_elsewhere(pages: dict[str, str], name: str) -> None:
    check_page(name, pages[name])
    for other in PAGES:
        assert f'href="{other}.html"' in pages[name]


@pytest.mark.parametrize("paper", PAPERS)
def test_a_paper_s_page_has_all_its_figures_and_tables(
    pages: dict[str, str], configuration: dict, paper: str
) -> None:
    for section, kind in (("figures", "figure"), ("tables", "table")):
        for name, entry in configuration[section].items():
            if entry.get("paper") == paper:
                assert f'id="{kind}-{name}"' in pages[paper], name
                assert name in pages["index"]
                # Below it and on the first page: what made it, of links that lead somewhere.
                name_of_kind = entry.get("kind", "layers")
                rule, module = rule_of(name_of_kind), f"{KINDS[name_of_kind].module}.py"
                part = pages[paper].partition(f'id="{kind}-{name}"')[2].partition(f"</{TAG[kind]}>")
                for made_by in (rule, "make_kind.py", module):
                    assert f">{made_by}<" in part[0], (name, made_by)
                    assert f">{made_by}<" in pages["index"]


def test_links_between_pages_lead_somewhere(miniature: Path, pages: dict[str, str]) -> None:
    folder = miniature / "paper" / "build"
    for name, page in pages.items():
        for link in re.findall(r'href="([^"#]+)(?:#([^"]*))?"', page):
            path, anchor = link
            if path.startswith(("https://", "http://")):
                continue
            target = folder / path
            assert target.exists(), f"{name}: {path}"
            if anchor and target.suffix == ".html":
                assert f'id="{anchor}"' in target.read_text(encoding="utf-8"), f"{name}: {link}"


def test_everything_published_is_compared(miniature: Path, configuration: dict) -> None:
    compared = pd.read_csv(miniature / "results/comparison.csv", dtype=str)
    entries = configuration["figures"] | configuration["tables"]
    assert set(compared["item"]) == set(counterparts(entries))
    assert NOT_BUILT not in set(compared["verdict"])
    # All models are stand-ins, and what needs no model was computed from printed numbers.
    assert not compared["verdict"].isin(["pass", "fail"]).any()
    assert {"same direction", "stand-in, not comparable"} <= set(compared["verdict"])


def test_every_erratum_is_on_the_page(root: Path, pages: dict[str, str]) -> None:
    read = read_errata(*(root / "paper" / place / "errata.md" for place in ("", *PAPERS)))
    assert pages["errata"].count("<h3") == len(read.errata) + len(PAPERS)
    assert pages["errata"].count("<h4") == len(read.notes)
    assert not re.search(r"\{[^}]*;[^}]*\}", pages["errata"].partition("<body>")[2])


def test_pages_are_printed_or_it_is_said_why_not(miniature: Path) -> None:
    told = (miniature / "paper/build/printed.txt").read_text().splitlines()
    if told[0].endswith(".pdf"):
        assert [Path(line).stem for line in told] == list(PAGES)
        assert all((miniature / line).stat().st_size > 5_000 for line in told)
    else:
        assert "Chromium" in told[0]
