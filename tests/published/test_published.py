"""The published numbers: as printed, consistent among themselves, and beside ours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from matrix_entropy.base.errors import InputError
from matrix_entropy.base.shipped import published
from matrix_entropy.published.tables import published_values, with_published


def values_of(table: int, **chosen: str) -> np.ndarray:
    values = published_values("wei2024", table)
    for column, value in chosen.items():
        values = values[values[column] == value]
    return values["value"].to_numpy()


# As printed


@pytest.mark.parametrize(
    ("table", "rows"), [(1, 84), (2, 36), (3, 15), (5, 28), (6, 15), (7, 6), (8, 84), (9, 80)]
)
def test_every_value_of_a_table_is_there_once(table: int, rows: int) -> None:
    values = published_values("wei2024", table)
    assert len(values) == rows
    assert not values.drop(columns="value").duplicated().any()
    assert published_values("wei2024", str(table)).equals(values)


def test_one_value_is_missing() -> None:
    tables = [published_values("wei2024", table) for table in (1, 2, 3, 5, 6, 7, 8, 9)]
    missing = pd.concat(tables)[lambda values: values["value"].isna()]
    assert missing[["model_family", "size", "dataset", "indicator"]].to_numpy().tolist() == [
        ["pythia", "14M", "wikipedia", "loss"]
    ]


def test_an_unknown_table_is_said_with_those_known() -> None:
    with pytest.raises(InputError, match=r"table '4' .* choose one of 1, 2, 3, 5, 6, 7, 8, 9\."):
        published_values("wei2024", 4)


def test_the_readme_counts_what_the_file_holds(root: Path) -> None:
    readme = (root / "paper" / "published.md").read_text(encoding="utf-8")
    values = pd.read_csv(published("wei2024", "tables"))
    assert f"There are {len(values)} rows and {values['value'].count()} values." in readme
    for column in values.columns:
        assert f"| `{column}` |" in readme


def test_the_first_paragraph_counts_what_is_to_be_judged(root: Path) -> None:
    first = (root / "README.md").read_text(encoding="utf-8").split("\n\n")[1]
    printed = pd.read_csv(published("wei2024", "tables"))["value"].count()
    assert f"none of the {printed} numbers that the papers' tables print" in first
    assert f"none of the {len(pd.read_csv(published('liang2024', 'figures')))} points" in first


# What one printed number says about others; a slip in typing would break these.


@pytest.mark.parametrize("family", ["llava-1.5", "minigpt-v2"])
@pytest.mark.parametrize("dataset", ["detail_23k", "cc_sbu_align"])
def test_table_5_follows_from_its_entropies(family: str, dataset: str) -> None:
    h1, h2, h3, h4, h5, reduction, alignment = values_of(5, model_family=family, dataset=dataset)
    assert reduction == pytest.approx(h1 - h2, abs=1e-9)
    language = (h3, h4, h5)
    assert alignment == pytest.approx(min(language) / max(language), abs=5.1e-5)


def test_table_6_starts_from_table_5() -> None:
    base = values_of(5, model_family="llava-1.5", dataset="detail_23k")[:5]
    np.testing.assert_array_equal(values_of(6, variant="base"), base)


@pytest.mark.parametrize("size", ["1.3B", "2.7B", "6.7B"])
def test_table_3_has_the_mean_of_its_prompts(size: str) -> None:
    _, *prompts, mean = values_of(3, size=size)
    assert mean == pytest.approx(np.mean(prompts), abs=5.1e-5)


def test_table_7_has_the_sample_deviation() -> None:
    *entropies, deviation = values_of(7)
    assert deviation == pytest.approx(np.std(entropies, ddof=1), abs=1e-6)
    assert deviation != pytest.approx(np.std(entropies), abs=1e-5)


@pytest.mark.parametrize(
    ("table", "dataset", "smallest", "largest"),
    [
        (8, "dolly-15k", -0.016, -0.022),
        (8, "wikipedia", -0.156, -0.200),
        (8, "openwebtext2", 0.146, 0.116),
        (8, "hh-rlhf", 0.365, 0.360),
        (1, "openbookqa", 0.620, 0.994),
        (1, "winogrande", 1.103, 1.197),
        (1, "piqa", 0.597, 0.901),
    ],
)
def test_perplexity_is_not_that_of_the_loss(
    table: int, dataset: str, smallest: float, largest: float
) -> None:
    loss = values_of(table, dataset=dataset, indicator="loss")
    gap = loss - np.log(values_of(table, dataset=dataset, indicator="ppl"))
    assert (gap[0], gap[-1]) == pytest.approx((smallest, largest), abs=1.1e-3)


# Beside ours


def ours(**changes: object) -> pd.DataFrame:
    row = {
        "family": "Cerebras-GPT",
        "size": "1.3B",
        "published_dataset": "dolly-15k",
        "indicator": "matrix_entropy",
        "value": 0.5,
        "stand_in": False,
    }
    return pd.DataFrame([{**row, **changes}])


def one(values: pd.DataFrame, table: int) -> tuple[float, float, str]:
    row = with_published(values, "wei2024", table).iloc[0]
    return row["published"], row["difference"], row["comparable"]


def test_difference_is_ours_minus_published() -> None:
    assert one(ours(), 8) == pytest.approx((0.5477, 0.5 - 0.5477, "yes"))


def test_a_stand_in_has_no_difference() -> None:
    published, difference, comparable = one(ours(stand_in=True), 8)
    assert (published, comparable) == (0.5477, "stand-in, not comparable")
    assert np.isnan(difference)


@pytest.mark.parametrize("stand_in", [True, False])
@pytest.mark.parametrize(
    ("table", "changes"),
    [
        (8, {"indicator": "effective_rank"}),
        (8, {"indicator": "ppl_token"}),
        (8, {"size": "410M"}),
        (8, {"published_dataset": "alpaca"}),
        (8, {"family": "Pythia"}),
        (8, {"variant": "lora"}),
        (2, {"variant": "none"}),
        (
            9,
            {
                "family": "Pythia",
                "size": "14M",
                "published_dataset": "wikipedia",
                "indicator": "loss",
            },
        ),
    ],
)
def test_what_is_not_published_is_said(table: int, changes: dict, stand_in: bool) -> None:
    published, difference, comparable = one(ours(stand_in=stand_in, **changes), table)
    assert np.isnan([published, difference]).all()
    assert comparable == "no published value"


def test_perplexity_is_compared_in_windows() -> None:
    assert one(ours(indicator="ppl_windows", value=16.0), 8) == pytest.approx((16.15, -0.15, "yes"))


@pytest.mark.parametrize(("variant", "published"), [("base", 0.4942), ("lora", 0.5026)])
def test_variants_are_told_apart(variant: str, published: float) -> None:
    assert one(ours(variant=variant), 2)[0] == published


def test_no_variant_may_be_missing_or_empty() -> None:
    for variant in ("", None):
        assert one(ours(variant=variant), 8)[0] == 0.5477


def test_rows_stay_as_and_where_they_were() -> None:
    sizes = ["13B", "111M", "9B", "2.7B"]
    frame = pd.concat([ours(size=size, texts=7) for size in sizes]).set_index([[5, 2, 9, 2]])
    result = with_published(frame, "wei2024", 8)
    pd.testing.assert_frame_equal(result[frame.columns], frame)
    np.testing.assert_array_equal(result["published"], [0.4859, 0.5976, np.nan, 0.5240])


@pytest.mark.parametrize("table", [1, 2, 3, 5, 6, 7, 8, 9])
def test_published_values_differ_from_themselves_by_nothing(table: int) -> None:
    names = {"model_family": "family", "dataset": "published_dataset"}
    frame = published_values("wei2024", table).rename(columns=names).assign(stand_in=False)
    frame["indicator"] = frame["indicator"].replace({"ppl": "ppl_windows"})
    result = with_published(frame, "wei2024", table).dropna(subset="value")
    assert set(result["comparable"]) == {"yes"}
    assert (result["difference"] == 0).all()
