"""Directions: against another implementation, and against what is known of the papers' numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr, ttest_1samp

from matrix_entropy.maths.rank_correlation import rank_correlation_chance
from matrix_entropy.published.curves import published_family, published_layers
from matrix_entropy.published.directions import (
    CANNOT_TELL,
    CHANGED,
    half_interval,
    layer_directions,
    pair_directions,
    size_directions,
    stretched,
    trend,
    word,
)
from matrix_entropy.published.tables import published_values

UP_DOWN = ("rises", "falls", "flat")


def sized(table: str) -> pd.DataFrame:
    """A table of Wei et al. 2024 on both sides."""
    values = published_family(table).rename(
        columns={"value": "published", "parameters": "published_parameters"}
    )
    return values.assign(
        rebuilt=values["published"], rebuilt_parameters=values["published_parameters"]
    )


def paired(table: str) -> pd.DataFrame:
    values = published_values("wei2024", table).rename(columns={"value": "published"})
    model = values["model_family"] + "-" + values["size"]
    return values.assign(rebuilt=values["published"], model=model)


def drawn(model: str, dataset: str) -> dict[str, np.ndarray]:
    curves = published_layers("liang2024", model, dataset)
    return {group: part["mean"].to_numpy() for group, part in curves.groupby("group")}


def reading_errors(model: str, dataset: str) -> dict[str, np.ndarray]:
    curves = published_layers("liang2024", model, dataset)
    return {group: part["mean_err"].to_numpy() for group, part in curves.groupby("group")}


def test_the_interval_is_that_of_a_t_test() -> None:
    values = np.random.default_rng(1).normal(0.3, 1, 12)
    interval = ttest_1samp(values, 0).confidence_interval(0.95)
    error = values.std(ddof=1) / np.sqrt(len(values))
    half = half_interval(error, len(values))
    assert values.mean() - half == pytest.approx(interval.low, rel=1e-12)
    assert values.mean() + half == pytest.approx(interval.high, rel=1e-12)


@pytest.mark.parametrize(
    ("table", "known"),
    [
        ("8", {"dolly-15k": 0.82, "wikipedia": 0.82, "openwebtext2": 0.82, "hh-rlhf": 0.54}),
        ("1", {"openbookqa": -0.64, "winogrande": -0.29, "piqa": -0.07}),
        ("9", {"dolly-15k": 0.53, "wikipedia": 0.70, "openwebtext2": 0.67, "hh-rlhf": -0.07}),
    ],
)
def test_the_effective_rank_goes_with_size_as_known(table: str, known: dict[str, float]) -> None:
    rows = pd.DataFrame(size_directions(sized(table)))
    ranks = rows[rows["quantity"] == "effective_rank with size"].set_index("dataset")
    for dataset, rho in known.items():
        assert ranks.loc[dataset, "published"] == pytest.approx(rho, abs=0.0051)
        sizes = {"8": 7, "1": 7, "9": 10}[table]
        # Of seven sizes a rank correlation of .786 is the first that is told, of ten .648.
        expected = "rises" if rho > {7: 0.78, 10: 0.645}[sizes] else CANNOT_TELL
        assert ranks.loc[dataset, "published_direction"] == expected
        assert f"{sizes} sizes" in ranks.loc[dataset, "reason"]
    entropies = rows[rows["quantity"] == "matrix_entropy with size"]
    assert set(entropies["published_direction"]) == {"falls"}
    assert entropies["published_p"].max() < 1e-3
    assert entropies["rebuilt_p"].equals(entropies["published_p"])


@pytest.mark.parametrize(("sizes", "told"), [(3, CANNOT_TELL), (4, CANNOT_TELL), (5, "rises")])
def test_fewer_than_five_sizes_tell_nothing(sizes: int, told: str) -> None:
    numbers = sized("8")
    smallest = sorted(numbers["published_parameters"].unique())[:sizes]
    numbers = numbers[numbers["published_parameters"].isin(smallest)]
    (row,) = size_directions(
        numbers.assign(published=numbers["published_parameters"])[
            (numbers["dataset"] == "dolly-15k") & (numbers["indicator"] == "loss")
        ]
    )
    assert row["published"] == 1
    assert row["published_direction"] == told
    assert row["published_p"] == rank_correlation_chance(range(sizes), range(sizes))


def test_a_trend_begins_where_chance_has_one_in_twenty() -> None:
    assert [trend(rho, p) for rho, p in ((0.8, 0.05), (-0.8, 0.05), (0.8, 0.051))] == [
        *("rises", "falls"),
        CANNOT_TELL,
    ]


def test_accuracies_rise_where_entropies_fall() -> None:
    rows = pd.DataFrame(size_directions(sized("1")))
    assert rows[rows["quantity"] == "accuracy with size"]["published"].min() > 0.9


def test_a_size_that_is_missing_here_is_left_out_there() -> None:
    numbers = sized("8")
    numbers.loc[numbers["size"].isin(["1.3B", "6.7B"]), "rebuilt"] = np.nan
    rows = pd.DataFrame(size_directions(numbers))
    rank = rows[(rows["dataset"] == "dolly-15k") & rows["quantity"].str.startswith("effective")]
    left = numbers.dropna(subset="rebuilt")
    left = left[(left["dataset"] == "dolly-15k") & (left["indicator"] == "effective_rank")]
    rho = spearmanr(left["published_parameters"], left["published"]).statistic
    assert rank["published"].item() == rank["rebuilt"].item() == pytest.approx(rho)


def test_too_few_sizes_are_no_direction_here() -> None:
    numbers = sized("8")
    numbers["rebuilt"] = numbers["rebuilt"].where(numbers["size"].isin(["111M", "13B"]))
    rows = pd.DataFrame(size_directions(numbers))
    assert set(rows["rebuilt_direction"]) == {""}
    assert "" not in set(rows["published_direction"])


def test_lora_raises_entropy_and_lowers_the_loss() -> None:
    rows = pd.DataFrame(pair_directions(paired("2"), "2"))
    told = rows.groupby("quantity")["published_direction"].unique().map(list).to_dict()
    assert told == {"loss: base to lora": ["falls"], "matrix_entropy: base to lora": ["rises"]}
    assert len(rows) == 2 * 3 * 3


def test_prompts_lower_entropy() -> None:
    rows = pd.DataFrame(pair_directions(paired("3"), "3"))
    assert set(rows["published_direction"]) == {"falls"}
    assert len(rows) == 3 * 4


def test_rotation_raises_and_reversal_lowers_what_sees_the_image() -> None:
    rows = pd.DataFrame(pair_directions(paired("6"), "6"))
    told = rows.set_index("quantity")["published_direction"]
    rotated = told[told.index.str.endswith("rotate_image_clockwise")].tolist()
    assert rotated == ["rises", "rises", "rises", "unchanged", "rises"]
    turned = told[told.index.str.endswith("reverse_after_connector")].tolist()
    assert turned == ["unchanged", "unchanged", "falls", "unchanged", "falls"]


def test_the_connector_lowers_entropy_in_all_four_runs() -> None:
    rows = pd.DataFrame(pair_directions(paired("5"), "5"))
    reduced = rows[rows["quantity"] == "h1_vision_encoder to h2_connector"]
    values = published_values("wei2024", 5)
    reduction = values[values["indicator"] == "image_reduction"]["value"]
    np.testing.assert_allclose(-reduced["published"], reduction, atol=1e-9)


@pytest.mark.parametrize(
    ("error", "told"),
    [(0.0, "rises"), (0.001, "rises"), (0.003, CANNOT_TELL), (np.inf, CANNOT_TELL)],
)
def test_a_change_has_its_sampling_error_where_it_is_known(error: float, told: str) -> None:
    """In Table 6 rotation raises H3 by 0.0024."""
    named, variant = "h3_llm_image", "rotate_image_clockwise"
    numbers = paired("6")
    model, dataset = numbers[["model", "dataset"]].iloc[0]
    rows = pair_directions(numbers, "6", {(model, dataset, named, variant): error})
    quantity = f"{named}: base to {variant}"
    (row,) = [row for row in rows if row["quantity"] == quantity]
    assert (row["published_direction"], row["rebuilt_direction"]) == ("rises", told)
    assert ("95 %" in row["reason"]) == (error > 0)


# Blocks in which blue is not above red, as the published text does not say.
@pytest.mark.parametrize(
    ("model", "dataset", "groups", "blocks", "below"),
    [
        ("tinystories_3m", "child", "good long, bad long", 8, 1),
        ("gpt2_small", "child", "good long, bad long", 12, 2),
        ("gpt2_medium", "child", "good long, bad long", 24, 3),
        ("gpt2_large", "child", "good long, bad long", 36, 4),
        ("gpt2_large", "child", "good condensed, bad condensed", 36, 0),
        ("tinystories_3m", "world", "utopian, dystopian", 8, 1),
        ("gpt2_medium", "world", "utopian, dystopian", 24, 1),
    ],
)
def test_good_lies_above_bad_in_so_many_blocks(
    model: str, dataset: str, groups: str, blocks: int, below: int
) -> None:
    rows = layer_directions(drawn(model, dataset), reading_errors(model, dataset), {})
    (row,) = [row for row in rows if row.get("group") == groups]
    assert row["published"] + 0.5 == pytest.approx(1 - below / blocks)
    assert (row["published_direction"], row["rebuilt_direction"]) == ("above", "")


def test_a_curve_is_like_itself_at_any_depth_and_unlike_its_mirror() -> None:
    published = drawn("gpt2_small", "world")
    curve = published["utopian"]
    mirrored = {
        "utopian": -stretched(curve, 40),
        "dystopian": stretched(published["dystopian"], 40),
    }
    rows = layer_directions(published, reading_errors("gpt2_small", "world"), mirrored)
    shapes = {row["group"]: row for row in rows if row["quantity"].startswith("shape")}
    assert shapes["utopian"]["rebuilt"] == pytest.approx(-1)
    assert all(np.isnan(row["published"]) for row in shapes.values()), "nobody published a likeness"
    assert {row["published_direction"] for row in shapes.values()} == {""}
    assert all("convention" in row["reason"] for row in shapes.values())
    assert shapes["utopian"]["rebuilt_direction"] == "opposite"
    assert shapes["dystopian"]["rebuilt_direction"] == "alike"
    changes = {row["group"]: row for row in rows if row["quantity"].startswith("change")}
    assert changes["utopian"]["published"] == pytest.approx(curve[-1] - curve[0])
    assert changes["utopian"]["rebuilt"] == -changes["utopian"]["published"]


@pytest.mark.parametrize(("change", "direction"), [(0.0029, "unchanged"), (0.0031, "rises")])
def test_a_curve_changes_by_more_than_its_two_reading_errors(change: float, direction: str) -> None:
    ends = np.array([0.5, 0.9, 0.5 + change])
    errors = {"utopian": np.array([0.001, 0.7, 0.002])}
    curves = {"utopian": ends, "dystopian": ends}
    errors["dystopian"] = errors["utopian"]
    rows = layer_directions(curves, errors, {"utopian": 1 - ends})
    (row,) = [r for r in rows if r["quantity"].startswith("change") and r["group"] == "utopian"]
    assert row["published_direction"] == direction
    assert row["rebuilt_direction"] == direction.replace("rises", "falls")
    assert "0.003" in row["reason"]


@pytest.mark.parametrize(("second", "told"), [(0.5979, "unchanged"), (0.5980, "rises")])
def test_one_in_the_last_printed_digit_is_no_change(second: float, told: str) -> None:
    assert second - 0.5978 > 0.99 * CHANGED
    assert word(second - 0.5978, CHANGED, ("rises", "falls", "unchanged")) == told


def test_where_directions_begin_is_called_a_convention() -> None:
    rows = pair_directions(paired("2"), "2")
    assert all("by convention" in row["reason"] for row in rows)


def test_words_have_an_open_middle() -> None:
    assert [word(number, 0.5, UP_DOWN) for number in (0.6, -0.6, 0.5, -0.5, np.nan)] == [
        *("rises", "falls", "flat", "flat"),
        "",
    ]
