"""What a rebuilt number may differ by: sums of argued parts, held against the printed numbers."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest

from matrix_entropy.published.tables import published_values
from matrix_entropy.published.tolerances import (
    ALLOWANCES,
    ENTROPY,
    NOISE_OF_A_DIMENSION,
    Tolerance,
    tolerance_of_curve,
    tolerance_of_table,
)


def amount(**changed: Any) -> float:
    return tolerance(**changed).amount


def tolerance(**changed: Any) -> Tolerance:
    number = {
        "table": "8",
        "indicator": "matrix_entropy",
        "dataset": "dolly-15k",
        "variant": "",
        "published": 0.5,
        "texts": 10_000,
        "change": np.nan,
        "width": 750,
    }
    return tolerance_of_table(**(number | changed))


def test_the_same_texts_leave_rounding_and_float32() -> None:
    """The noise of the released decomposition grows with the width."""
    assert amount() == pytest.approx(2e-4)
    assert amount(width=5120) == pytest.approx(5e-5 + 5120 * NOISE_OF_A_DIMENSION)
    assert amount(width=5120) > 5.84e-4, "what 12 rows of that width were measured to add"
    assert amount(width=2048) > 2.63e-4
    assert amount(indicator="loss") == pytest.approx(1.5e-4)


def test_samples_of_table_7_lie_within_each_others_tolerance() -> None:
    *samples, deviation = published_values("wei2024", 7)["value"]
    allowed = amount(dataset="wikipedia")
    assert all(abs(a - b) <= allowed for a, b in combinations(samples, 2))
    assert allowed == pytest.approx(2e-4 + 3 * np.sqrt(2) * deviation, rel=0.01)
    assert amount(dataset="wikipedia", texts=2_500) - 2e-4 == pytest.approx(2 * (allowed - 2e-4))


def test_no_data_set_passes_for_another() -> None:
    """The largest tolerance of Table 8 is far below what tells its data sets apart."""
    values = published_values("wei2024", 8)
    entropy = values[values["indicator"] == "matrix_entropy"]
    gaps = [
        abs(a - b) for _, part in entropy.groupby("size") for a, b in combinations(part["value"], 2)
    ]
    assert amount(dataset="wikipedia") < min(gaps) / 2


def test_a_row_more_or_less_moves_the_bound_by_what_is_allowed() -> None:
    """Entropies follow log(N − 1) where rows are unlike; two rows of a hundred, one of sixteen."""
    long = np.log(102 / 100) / np.log(2048)
    short = np.log(17 / 16) / np.log(768)
    assert amount(table="2", variant="base") - 2e-4 == pytest.approx(long, rel=0.2)
    assert amount(table="1") - 2e-4 == pytest.approx(short, rel=0.2)


def test_an_unknown_recipe_may_miss_half_of_the_effect() -> None:
    base = amount(table="2", variant="base")
    assert amount(table="2", variant="lora", change=0.02) - base == pytest.approx(0.01)
    assert amount(table="2", variant="lora", change=-0.02) - base == pytest.approx(0.01)


def test_an_accuracy_has_the_error_of_a_share() -> None:
    draws = np.random.default_rng(0).binomial(500, 0.2, size=40_000) / 500
    allowed = amount(table="1", indicator="accuracy", published=0.2, texts=500)
    assert allowed - 5e-4 == pytest.approx(draws.std(), rel=0.02)


def test_a_deviation_of_five_values_is_known_to_a_third() -> None:
    samples = np.random.default_rng(0).normal(0, 3.49e-4, size=(40_000, 5))
    spread = samples.std(axis=1, ddof=1).std()
    allowed = amount(table="7", dataset="wikipedia", variant="standard_deviation")
    assert allowed == pytest.approx(3 * np.sqrt(2) * spread, rel=0.05)


def test_what_is_made_of_two_entropies_has_both_errors() -> None:
    one = amount(table="5", indicator="h1_vision_encoder", dataset="detail_23k")
    assert amount(table="5", indicator="image_reduction", dataset="detail_23k") == 2 * one
    alignment = amount(table="5", indicator="image_text_alignment", dataset="detail_23k")
    for low, high in ((0.4593, 0.5212), (0.4767, 0.5563)):
        assert abs((low - one) / (high + one) - low / high) < alignment


def test_a_perplexity_is_not_judged_and_that_is_said() -> None:
    found = tolerance_of_table("8", "ppl", "dolly-15k", "", 10.0, 100, np.nan)
    assert np.isnan(found.amount)
    assert "does not define" in found.reason


def test_a_point_has_its_own_reading_error() -> None:
    found = tolerance_of_curve(0.00058)
    assert found.amount == pytest.approx(0.00058 + 1280 * NOISE_OF_A_DIMENSION)
    assert "reading error" in found.reason


@pytest.mark.parametrize(
    ("number", "assumed"),
    [
        ({}, 0),
        ({"dataset": "wikipedia"}, 0),
        ({"table": "2", "variant": "lora", "change": 0.02}, 1),
        ({"table": "1", "indicator": "accuracy"}, 1),
        ({"indicator": "loss"}, 1),
        ({"indicator": "loss", "dataset": "wikipedia"}, 2),
        ({"table": "2", "indicator": "loss", "variant": "base"}, 2),
    ],
)
def test_what_is_assumed_is_called_assumed(number: dict[str, Any], assumed: int) -> None:
    assert tolerance(**number).reason.count("assumed") == assumed


def test_every_allowance_says_why() -> None:
    assert all(why for _, why in ALLOWANCES.values())
    found = tolerance_of_table("3", "matrix_entropy", "openorca", "base", 0.5, 250, np.nan)
    assert found.reason.count(";") == 3, "rounding, float32, joined and sampling"


def test_one_row_of_256_is_what_its_share_tells() -> None:
    """The entropy of a share of 1 / 256, of the log d of widths from 1024 on."""
    share = 1 / 256
    nats = -share * np.log(share) - (1 - share) * np.log1p(-share)
    assert nats / np.log(1024) <= ALLOWANCES["rows"][0][ENTROPY] <= 1.1 * nats / np.log(1024)
