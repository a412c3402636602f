"""Claims in words: what the printed numbers say of them, and of numbers that are made up."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pandas as pd
import pytest

from conftest import configured
from matrix_entropy.base.shipped import published
from matrix_entropy.published.comparison import compare
from matrix_entropy.published.text_claims import (
    CLAIMS,
    READ,
    counted,
    of_one_model,
    text_claims,
)


@pytest.fixture(scope="module")
def compared() -> pd.DataFrame:
    """All that is published, nothing of it built."""
    small = configured()
    entries: dict[str, Any] = {**small["figures"], **small["tables"]}
    return compare(entries, small["models"], small["datasets"], [])


def said(claims: pd.DataFrame, words: str, side: str = "published") -> str:
    (row,) = claims[claims["said"].str.contains(words)].to_dict("records")
    return str(row[side])


def test_what_the_papers_own_numbers_say(compared: pd.DataFrame) -> None:
    claims = text_claims(compared)
    assert len(claims) == len(CLAIMS)
    assert set(claims["rebuilt"]) == {"not built"}
    for words, told in (
        ("28M model", "holds in 2 of 4, contrary in 0"),
        ("utopian", "holds in 0 of 2, contrary in 1"),
        ("more consistent", "holds in 6 of 8, contrary in 2"),
        ("greatest diversity", "holds in 34 of 34, contrary in 0"),
        ("average reduction", "holds in 2 of 2, contrary in 0 (+0.0002 to +0.0002)"),
        ("rotation", "holds in 4 of 4, contrary in 0 (+0.0021 to +0.0105)"),
        ("reversal", "holds in 2 of 2, contrary in 0 (+0.0026 to +0.0052)"),
    ):
        assert said(claims, words).startswith(told)


def test_alignment_is_no_higher_than_of_entropies_that_do_not_belong_together(
    compared: pd.DataFrame,
) -> None:
    """Column by column of the printed table, against the same from the file."""
    table = pd.read_csv(published("wei2024", "tables"), dtype={"table": str})
    table = table[table["table"] == "5"]
    printed = table[table["indicator"] == "image_text_alignment"]["value"].to_numpy()
    places = table.pivot(
        index=["model_family", "dataset"], columns="indicator", values="value"
    ).filter(regex="^h[345]_")
    null = np.mean(
        [
            min(a, b, c) / max(a, b, c)
            for first, second, third in permutations(places.to_numpy(), 3)
            for a, b, c in [(first[0], second[1], third[2])]
        ]
    )
    told = said(text_claims(compared), "align well")
    ends = [float(end.replace("−", "-")) for end in told.partition("(")[2][:-1].split(" to ")]
    # The printed scores are rounded, as are those of the entropies.
    assert ends == pytest.approx([(printed - null).min(), (printed - null).max()], abs=2e-4)


def test_the_same_numbers_say_the_same_here(compared: pd.DataFrame) -> None:
    rebuilt = compared.assign(rebuilt=compared["published"], verdict="pass")
    claims = text_claims(rebuilt)
    assert claims["rebuilt"].tolist() == claims["published"].tolist()
    mirrored = text_claims(rebuilt.assign(rebuilt=-rebuilt["published"]))
    assert said(mirrored, "rotation", "rebuilt").startswith("holds in 0 of 4, contrary in 4")


def test_a_stand_in_says_nothing(compared: pd.DataFrame) -> None:
    stand_in = compared.assign(rebuilt=compared["published"], verdict="stand-in, not comparable")
    assert set(text_claims(stand_in)["rebuilt"]) == {"stand-in, not comparable"}
    part = stand_in.assign(
        verdict=stand_in["verdict"].where(stand_in["item"] != "wei_table6_image_operations", "pass")
    )
    assert said(text_claims(part), "rotation", "rebuilt").startswith("holds in 4 of 4")


def test_a_missing_block_makes_no_spread(compared: pd.DataFrame) -> None:
    rebuilt = compared.assign(rebuilt=compared["published"], verdict="pass")
    of = (rebuilt["model"] == "tinystories_3m") & (rebuilt["layer"] == 3)
    claims = text_claims(rebuilt.assign(rebuilt=rebuilt["rebuilt"].where(~of)))
    assert said(claims, "28M model", "rebuilt") == "not built"
    assert said(claims, "more consistent", "rebuilt").startswith("holds")


def test_claims_of_what_is_not_compared_are_left_out(compared: pd.DataFrame) -> None:
    of_wei = compared[compared["paper"] == "wei2024"]
    assert set(text_claims(of_wei)["where"].str.split().str[0]) == {"Wei"}
    assert text_claims(compared.iloc[:0]).empty


def test_a_reading_error_is_no_evidence() -> None:
    errors = pd.read_csv(published("liang2024", "figures"))["mean_err"]
    assert 2 * errors.max() <= READ
    assert counted([0.5, READ, -READ, -0.5], READ).startswith("holds in 1 of 4, contrary in 1")


def test_one_model_answers_from_its_curves() -> None:
    """Spreads of made-up curves that are known: √(2/3) times the step of a line of three blocks."""

    def curves(**steps: float) -> pd.DataFrame:
        lines = [
            {"group": group, "block": block, "normalised_mean": 0.5 + step * block}
            for group, step in steps.items()
            for block in range(3)
        ]
        found = pd.DataFrame(lines)
        return found.assign(normalised_without_long_rows_mean=1 - 2 * found["normalised_mean"])

    lengths = pd.DataFrame({"tokens_kept": [64, 8], "entropy_a": [0.5, 0.3]})
    child, world = curves(good=0.01, bad=0.03), curves(utopian=0.04, dystopian=0.02)
    found = of_one_model(child, world, lengths).set_index(["where", "rows"])["here"]
    assert list(found) == [
        "contrary (−0.0163)",
        "holds (+0.0082)",
        "contrary (−0.0327)",
        "holds (+0.0163)",
        found["Wei et al. 2024, 5.2.1", "all rows"],
    ]
    assert found.iloc[-1].startswith("cannot tell")
    assert "to 8 and to 64 tokens differ by +0.200" in found.iloc[-1]
    alike = of_one_model(child, curves(utopian=0.02, dystopian=0.021), lengths)
    assert alike["here"].iloc[0] == "neither (+0.0008)"
    assert of_one_model(child, world, lengths)["said"].isin([claim.said for claim in CLAIMS]).all()
