"""The page of the comparison: what is on it, under which names, and what it says is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from conftest import configured
from matrix_entropy.configuration.kinds import (
    COMPUTED,
    CONTROL,
    DRAWN,
    IN_TABLES,
    KINDS,
    NO_CURVE,
    WORDS,
)
from matrix_entropy.pages.comparison_page import OTHERWISE, comparison_markdown, shown_names
from matrix_entropy.published.comparison import COLUMNS, NUMERIC, summary
from matrix_entropy.published.counterparts import counterparts

ENTRIES = {"one": {"title": "Figure 1"}, "two": {}}
NAMES = {"gpt2_small": "GPT-2 Small", "child": "child stories"}


def row(**given: Any) -> dict[str, Any]:
    empty: dict[str, Any] = {name: float("nan") if name in NUMERIC else "" for name in COLUMNS}
    return empty | {"paper": "p", "item": "one", "model": "gpt2_small", "dataset": "child"} | given


def page(rows: list[dict[str, Any]], others: dict[str, Any] | None = None) -> str:
    compared = pd.DataFrame(rows)
    return comparison_markdown(compared, summary(compared), ENTRIES, others or {}, NAMES)


def direction(verdict: str, **given: Any) -> dict[str, Any]:
    told = {"published_direction": "rises", "rebuilt_direction": "falls", "quantity": "H"}
    return row(kind="direction", verdict=verdict, **told, **given)


def test_the_verdict_of_a_direction_comes_first() -> None:
    told = page([direction("same direction"), direction("other direction", item="two")])
    assert "| same | Figure 1 | H, GPT-2 Small, child stories | rises | falls |" in told
    assert "| **other** | two | H, GPT-2 Small, child stories | rises | falls |" in told


def test_what_agrees_stands_beside_what_would_by_chance() -> None:
    agreeing = [direction("same direction", chance=0.5) for _ in range(3)]
    told = page([*agreeing, direction("other direction", chance=0.5), direction("cannot tell")])
    assert "Of 4 directions that both sides tell, 3 agree (75%); by chance 2 would" in told
    assert "| 4 | 3 | 2 |" in told
    assert "both sides tell" not in page([direction("cannot tell")])


def test_claims_in_words_have_a_section_where_their_numbers_are() -> None:
    assert "Claims in words" not in page([direction("same direction")])
    rows = [
        row(
            paper="wei2024",
            item="wei_table6_image_operations",
            kind="number",
            verdict="not built",
            quantity=place,
            group=variant,
            published=0.5 + 0.01 * changed,
        )
        for place in ("h1_vision_encoder", "h2_connector", "h3_llm_image", "h5_llm_image_text")
        for changed, variant in enumerate(("base", "rotate_image_clockwise"))
    ]
    compared = pd.DataFrame(rows)
    entries = {"wei_table6_image_operations": {}}
    told = comparison_markdown(compared, summary(compared), entries, {}, NAMES)
    claims = told.partition("## Claims in words")[2]
    assert "holds in 4 of 4, contrary in 0 (+0.0100 to +0.0100) | not built" in claims
    assert claims.count("| Wei et al. 2024") == 1


def test_a_direction_that_is_not_built_is_not_shown() -> None:
    assert "| same |" not in page([direction("not built")])


def test_a_failure_is_shown_with_titles_and_its_block() -> None:
    number = {"published": 0.5, "rebuilt": 0.6, "difference": 0.1, "tolerance": 0.01, "layer": 3.0}
    told = page([row(kind="number", verdict="fail", quantity="a|b", reason="why", **number)])
    cells = "Figure 1 | a\\|b, GPT-2 Small, child stories, block 3 | 0.5 | 0.6 | +0.1 | 0.01 | why"
    assert f"| {cells} |" in told


def test_what_is_not_compared_is_said_with_the_reason() -> None:
    others = {
        "map": {"kind": "sentence_map", "title": "Figure 4"},
        "lengths": {"kind": "context_length", "title": "Figure 2"},
        "parts": {"kind": "architecture"},
        "mine": {"kind": "indicators"},
    }
    told = page([direction("same direction")], others).partition("## Not compared\n")[2]
    assert told.strip().splitlines() == [
        f"- Not compared ({DRAWN}): Figure 4; Figure 2.",
        f"- Not compared ({WORDS}): parts.",
        f"- Not compared ({OTHERWISE}): mine.",
    ]
    assert "Not compared" not in page([direction("same direction")])


def test_what_waits_is_said_with_what_it_waits_for() -> None:
    compared = pd.DataFrame([direction("not built")])
    others = {"list": {"kind": "sources", "title": "Data"}}
    waiting = {"one": "model 'a' needs b_c", "list": "data set 'd' needs e"}
    told = comparison_markdown(compared, summary(compared), ENTRIES, others, NAMES, waiting)
    assert "- Figure 1: model 'a' needs b\\_c.\n- Data: data set 'd' needs e.\n" in told
    assert "Not built yet" not in page([direction("not built")], others)


@pytest.fixture(scope="module")
def configuration(root: Path) -> dict[str, Any]:
    return configured()


def test_every_kind_of_the_configuration_has_its_reason(configuration: dict[str, Any]) -> None:
    entries = configuration["figures"] | configuration["tables"]
    found = {
        name: KINDS[entry.get("kind", "layers")].not_compared
        for name, entry in entries.items()
        if "paper" in entry and name not in counterparts(entries)
    }
    assert set(found.values()) == {DRAWN, WORDS, CONTROL, COMPUTED, IN_TABLES}
    controls = {name for name, reason in found.items() if reason == CONTROL}
    assert {name for name in found if name.startswith("control_")} <= controls
    assert KINDS["layers"].not_compared == NO_CURVE


def test_names_of_the_configuration_and_of_the_papers_have_titles() -> None:
    models = {
        "pythia_70m": {"title": "Pythia-70M", "family": "Pythia", "size": "70M"},
        "llava_1_5_7b": {"title": "LLaVA", "family": "LLaVA-1.5", "size": "7B"},
        "mine": {},
    }
    datasets = {
        "hh_rlhf": {"title": "HH"},
        "dolly_instruct": {"title": "Dolly", "published": "dolly-15k"},
    }
    assert shown_names(models, datasets) == {
        "pythia": "Pythia",
        "pythia-70M": "Pythia-70M",
        "pythia_70m": "Pythia-70M",
        "llava-1.5": "LLaVA-1.5",
        "llava-1.5-7B": "LLaVA-1.5-7B",
        "llava_1_5_7b": "LLaVA",
        "mine": "mine",
        "hh_rlhf": "HH",
        "hh-rlhf": "HH",
        "dolly_instruct": "Dolly",
        "dolly-15k": "Dolly",
    }
