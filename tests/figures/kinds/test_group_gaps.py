"""Gaps between groups of texts: their numbers, the table in words, and the figure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from figure_values import check_layout, check_same_bytes, legend_of, whole_metrics, words
from matrix_entropy.base.errors import InputError
from matrix_entropy.configuration.figure_checks import GAP_CONTROLS
from matrix_entropy.figures.kinds.group_gaps import (
    TREATMENTS,
    VALUE,
    gap_caption,
    gap_rows,
    group_gaps,
)
from matrix_entropy.figures.kinds.group_gaps_figure import draw_group_gaps, group_gap_captions
from matrix_entropy.results.metrics import write_metrics
from matrix_entropy.tables.writing import write_text_table

BLOCKS = 3
CHILD = {"Long stories": ["good long", "bad long"], "Condensed stories": ["good", "bad"]}
WORLD = {"World stories": ["utopian", "dystopian"]}
MODELS = {"small": {"title": "GPT-2 Small"}, "large": {"title": "GPT-2 Large"}}
DATASETS: dict[str, dict[str, Any]] = {
    "child": {"title": "child stories", "panels": CHILD},
    "world": {"title": "world stories", "panels": WORLD, "paired": True},
}
SIZES = {"good long": 5, "bad long": 4, "good": 5, "bad": 5, "utopian": 5, "dystopian": 5}


def made_metrics(panels: dict[str, list[str]], seed: int) -> pd.DataFrame:
    """Texts of which those of a panel's first group are longer, and higher by their length."""
    random, rows, number = np.random.default_rng(seed), [], 0
    for place, groups in enumerate(panels.values()):
        for group in groups:
            tokens = (
                random.integers(80, 110, SIZES[group])
                * (1 + (group == groups[0]))
                // (1 + 2 * place)
            )
            for length in tokens:
                level = 0.1 * np.log(length) + 0.005 * random.normal()
                for block in range(BLOCKS + 2):
                    layer = "final" if block > BLOCKS else str(block)
                    values = level + 0.01 * block + 0.003 * random.normal(size=len(TREATMENTS))
                    rows.append((str(number), group, layer, block, length, *values))
                number += 1
    names = ["id", "group", "layer", "depth", "tokens", *TREATMENTS.values()]
    table = pd.DataFrame(rows, columns=names)
    # As `results.metrics` has them: all texts of one layer after those of another.
    return table.sort_values(["depth", "id"], key=lambda column: column.astype(int))


def written(
    folder: Path, metrics: pd.DataFrame, dataset: str, model: str = "small", stand_in: bool = True
) -> str:
    path = folder / model / f"{dataset}.parquet"
    record = {"model": model, "stand_in": stand_in, "parameters": 5_000}
    write_metrics(path, whole_metrics(metrics), {"model": record, "dataset": {"name": dataset}})
    return str(path)


@pytest.fixture(scope="module")
def child() -> pd.DataFrame:
    return made_metrics(CHILD, 1)


@pytest.fixture(scope="module")
def world() -> pd.DataFrame:
    return made_metrics(WORLD, 2)


@pytest.fixture(scope="module")
def gaps(
    child: pd.DataFrame, world: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> tuple[pd.DataFrame, pd.DataFrame]:
    folder = tmp_path_factory.mktemp("metrics")
    paths = [written(folder, child, "child"), written(folder, world, "world")]
    return group_gaps(paths, MODELS, DATASETS)


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    plt.close("all")


def texts_of(metrics: pd.DataFrame, group: str, column: str = VALUE) -> pd.DataFrame:
    """A row per text, a column per block, by another route: one layer after the other."""
    layers = [
        metrics[(metrics["layer"] == str(block + 1)) & (metrics["group"] == group)]
        for block in range(BLOCKS)
    ]
    return pd.DataFrame([layer[column].to_numpy() for layer in layers]).T


# The numbers


def test_gaps_are_those_of_the_texts_means_over_blocks(
    gaps: tuple[pd.DataFrame, pd.DataFrame], child: pd.DataFrame
) -> None:
    means, _ = gaps
    for treatment, column in TREATMENTS.items():
        for panel, groups in CHILD.items():
            row = means[(means["panel"] == panel) & (means["treatment"] == treatment)].iloc[0]
            first, second = (texts_of(child, group, column).mean(axis=1) for group in groups)
            expected = stats.ttest_ind(first, second, equal_var=False)
            interval = expected.confidence_interval()
            assert row["gap"] == " − ".join(groups)
            assert row["difference"] == pytest.approx(first.mean() - second.mean(), rel=1e-9)
            assert row["difference"] / row["standard_error"] == pytest.approx(expected.statistic)
            assert [row["low"], row["high"]] == pytest.approx(list(interval))
            assert (row["texts_first"], row["texts_second"]) == (len(first), len(second))
            assert (row["left_out"], row["exact"]) == (0, True)
            assert row["relabellings"] == (126 if len(second) == 4 else 252)


def test_blocks_are_tested_one_by_one_and_together(
    gaps: tuple[pd.DataFrame, pd.DataFrame], child: pd.DataFrame
) -> None:
    means, blocks = gaps
    part = blocks[(blocks["panel"] == "Long stories") & (blocks["treatment"] == "both")]
    assert part["block"].tolist() == [0, 1, 2]
    first, second = (texts_of(child, group, TREATMENTS["both"]) for group in CHILD["Long stories"])
    np.testing.assert_allclose(part["difference"], first.mean() - second.mean(), rtol=1e-9)
    assert (part["p_blocks"] >= part["p"]).all()
    # The band is as wide, in standard errors, at every block.
    reach = (part["high"] - part["difference"]) / part["standard_error"]
    np.testing.assert_allclose(reach, reach.iloc[0], rtol=1e-9)
    row = means[(means["panel"] == "Long stories") & (means["treatment"] == "both")].iloc[0]
    assert row["p_blocks"] == part["p_blocks"].min()


def test_pairs_are_texts_of_the_same_place(
    gaps: tuple[pd.DataFrame, pd.DataFrame], world: pd.DataFrame
) -> None:
    means, _ = gaps
    row = means[(means["dataset"] == "world") & (means["treatment"] == "all rows")].iloc[0]
    first, second = (texts_of(world, group).mean(axis=1) for group in WORLD["World stories"])
    expected = stats.ttest_rel(first, second)
    assert row["difference"] / row["standard_error"] == pytest.approx(expected.statistic)
    assert row["relabellings"] == 2**5
    tokens = [
        np.log(world[(world["layer"] == "1") & (world["group"] == group)]["tokens"].to_numpy())
        for group in WORLD["World stories"]
    ]
    line = stats.linregress(tokens[0] - tokens[1], first - second)
    assert row["adjusted_difference"] == pytest.approx(line.intercept)
    assert row["slope"] == pytest.approx(line.slope)


def test_length_explains_what_was_made_of_it(gaps: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    """Values of 0.1 log N give a gap, none at equal length, and a slope near 0.1."""
    means, _ = gaps
    whole = means[means["treatment"] == "all rows"].set_index("panel")
    assert (whole["difference"] > 2 * whole["standard_error"]).all()
    adjusted = whole["adjusted_difference"].abs() / whole["adjusted_standard_error"]
    assert (adjusted < 2.5).all()
    assert (whole["adjusted_p"] > 0.03).all()
    np.testing.assert_array_equal(whole["adjusted_p_blocks"] >= 0.03, [True] * 3)
    assert whole["slope"].to_numpy() == pytest.approx(0.1, abs=0.06)
    assert whole["r_squared_all"]["Long stories"] > whole["r_squared_panel"]["Long stories"] > 0.3
    assert whole["r_squared_all"].iloc[0] == whole["r_squared_all"].iloc[1] > 0.95
    cut = means[means["treatment"].isin(["equal length", "both"])]
    assert (
        cut[["slope", "adjusted_difference", "curved_p", "r_squared_within"]].isna().all(axis=None)
    )


def test_the_gap_with_a_bend_is_that_of_a_regression(
    gaps: tuple[pd.DataFrame, pd.DataFrame], child: pd.DataFrame
) -> None:
    means, _ = gaps
    row = means[(means["panel"] == "Long stories") & (means["treatment"] == "all rows")].iloc[0]
    parts = [texts_of(child, group).mean(axis=1) for group in CHILD["Long stories"]]
    blocks = child[child["layer"] == "1"]
    logs = np.log(
        np.concatenate(
            [blocks[blocks["group"] == group]["tokens"] for group in CHILD["Long stories"]]
        )
    )
    inside = np.repeat([1.0, 0.0], [len(part) for part in parts])
    design = np.column_stack([np.ones(len(logs)), logs, logs**2, inside])
    coefficients = np.linalg.lstsq(design, np.concatenate(parts))[0]
    assert row["curved_difference"] == pytest.approx(coefficients[-1], rel=1e-6)
    assert row["curved_equal_within"] > abs(row["curved_difference"])


def test_the_share_that_length_explains_is_a_median_over_blocks(
    gaps: tuple[pd.DataFrame, pd.DataFrame], child: pd.DataFrame
) -> None:
    means, _ = gaps
    row = means[(means["panel"] == "Condensed stories") & (means["treatment"] == "all rows")].iloc[
        0
    ]
    found: dict[str, list[float]] = {"all": [], "panel": [], "within": []}
    for block in range(BLOCKS):
        texts = child[child["layer"] == str(block + 1)].assign(
            length=lambda part: np.log(part["tokens"])
        )
        panel = texts[texts["group"].isin(CHILD["Condensed stories"])]
        found["all"].append(texts["length"].corr(texts[VALUE]) ** 2)
        found["panel"].append(panel["length"].corr(panel[VALUE]) ** 2)
        means_of = panel.groupby("group")[["length", VALUE]].transform("mean")
        apart = panel[["length", VALUE]] - means_of
        found["within"].append(apart["length"].corr(apart[VALUE]) ** 2)
    for name, shares in found.items():
        assert row[f"r_squared_{name}"] == pytest.approx(np.median(shares))


def test_texts_without_an_entropy_are_left_out_and_counted(
    child: pd.DataFrame, world: pd.DataFrame, tmp_path: Path
) -> None:
    """At a single block too: a text's mean is over all blocks or none. Of a pair, both go."""
    column = TREATMENTS["equal length"]

    def without(metrics: pd.DataFrame, group: str, layer: str) -> pd.DataFrame:
        first = metrics[metrics["group"] == group]["id"].iloc[0]
        lost = (metrics["id"] == first) & (metrics["layer"] == layer)
        return metrics.assign(**{column: metrics[column].mask(lost)})

    paths = [
        written(tmp_path, without(child, "good long", "2"), "child"),
        written(tmp_path, without(world, "dystopian", "1"), "world"),
    ]
    means, blocks = group_gaps(paths, MODELS, DATASETS)
    cut = means[means["treatment"] == "equal length"].set_index("panel")
    assert cut["left_out"].to_dict() == {
        "Long stories": 1,
        "Condensed stories": 0,
        "World stories": 2,
    }
    assert cut["texts_first"].to_dict() == {
        "Long stories": 4,
        "Condensed stories": 5,
        "World stories": 4,
    }
    kept = texts_of(child, "good long", column)[1:]
    expected = kept.mean().mean() - texts_of(child, "bad long", column).mean().mean()
    assert cut["difference"]["Long stories"] == pytest.approx(expected)
    assert blocks.notna().all(axis=None)
    assert means[means["treatment"] != "equal length"]["left_out"].eq(0).all()
    told = gap_rows(means)
    assert "4 and 4, 1 left out" in told["equal length"].tolist()


def test_final_and_embeddings_are_no_blocks(
    gaps: tuple[pd.DataFrame, pd.DataFrame], child: pd.DataFrame, tmp_path: Path
) -> None:
    others = child["layer"].isin(["0", "final"])
    moved = child.assign(**{VALUE: child[VALUE].where(~others, 0.9)})
    means, _ = group_gaps([written(tmp_path, moved, "child")], MODELS, DATASETS)
    expected = gaps[0][gaps[0]["dataset"] == "child"].reset_index(drop=True)
    pd.testing.assert_frame_equal(means, expected)


# What stops it


def test_a_treatment_that_was_not_measured_is_named(child: pd.DataFrame, tmp_path: Path) -> None:
    missing = child.drop(columns=[TREATMENTS["long rows left out"], TREATMENTS["both"]])
    message = r"'child' was not .*; add `without_long_rows`, `equal_length_without_long_rows` to"
    with pytest.raises(InputError, match=message):
        group_gaps([written(tmp_path, missing, "child")], MODELS, DATASETS)
    names = [column.removeprefix(f"{VALUE}_") for column in TREATMENTS.values()]
    assert names[1:] == ["without_long_rows", "equal_length", "equal_length_without_long_rows"]
    assert set(names[1:]) == set(GAP_CONTROLS)  # what the configuration is asked for beforehand


def test_groups_of_pairs_have_as_many_texts(child: pd.DataFrame, tmp_path: Path) -> None:
    paths = [written(tmp_path, child, "child")]
    datasets = {"child": DATASETS["child"] | {"paired": True}}
    with pytest.raises(InputError, match="'child' has `paired:`, but 5 texts in 'good long'"):
        group_gaps(paths, MODELS, datasets)


def test_a_panel_of_two_groups_is_needed(child: pd.DataFrame, tmp_path: Path) -> None:
    paths = [written(tmp_path, child, "child")]
    with pytest.raises(InputError, match="no two groups to compare"):
        group_gaps(paths, MODELS, {"child": {"panels": {"": ["good", "bad", "good long"]}}})


def test_a_single_text_is_no_group(child: pd.DataFrame, tmp_path: Path) -> None:
    lost = (child["group"] == "bad") & (child["id"].astype(int) > 14)
    one = child.assign(**{VALUE: child[VALUE].mask(lost)})
    with pytest.raises(InputError, match=r"fewer than two texts .* 'Condensed stories' \(all rows"):
        group_gaps([written(tmp_path, one, "child")], MODELS, DATASETS)


# The table


def test_the_table_says_the_numbers(gaps: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    means, _ = gaps
    table = gap_rows(means)
    assert list(table) == ["texts", "", *TREATMENTS]
    assert table["texts"].tolist()[::8] == [
        "Long stories: good long − bad long",
        "Condensed stories: good − bad",
        "World stories: utopian − dystopian",
    ]
    row = means.iloc[1]
    gap, interval, p, adjusted, curved, equal, r_squared, texts = table["long rows left out"][:8]
    sign = "+" if row["difference"] > 0 else "−"
    assert gap == f"{sign}{1000 * abs(row['difference']):.1f} ± {1000 * row['standard_error']:.1f}"
    assert interval.count(" to ") == 1
    assert p == f"{row['p']:.3f} ({row['p_blocks']:.3f})"
    for cell, name in ((adjusted, "adjusted"), (curved, "curved")):
        assert cell.endswith(f", {row[f'{name}_p']:.3f} ({row[f'{name}_p_blocks']:.3f})")
    names = ("equal_within", "adjusted_equal_within", "curved_equal_within")
    assert equal == ", ".join(f"{1000 * row[name]:.1f}" for name in names)
    assert r_squared.split(", ")[2] == f"{row['r_squared_within']:.3f}"
    assert texts == "5 and 4"
    assert table["both"][3] == table["both"][4] == table["both"][6] == "–"
    assert table["both"][5] == f"{1000 * means.iloc[3]['equal_within']:.1f}"


def test_the_caption_says_how_the_gaps_were_tested(
    gaps: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    means, _ = gaps
    caption = gap_caption("Is a good story higher?", means)
    for wanted in (
        "Is a good story higher? GPT-2 Small stand-in, child stories, world stories. Not GPT-2",
        "in thousandths, the first group less the second",
        "child stories: standard error over texts Welch's, all 126 ways to mix the groups or all "
        "252 ways",
        "world stories: standard error over texts of the differences of pairs, all 32 ways",
        "max-t",
    ):
        assert wanted in caption
    drawn = means.assign(exact=False, relabellings=100_000)
    assert "99,999 of them, drawn with seed 1" in gap_caption("T", drawn)


def test_models_have_a_column_where_there_are_several(child: pd.DataFrame, tmp_path: Path) -> None:
    paths = [written(tmp_path, child, "child", model) for model in MODELS]
    means, blocks = group_gaps(paths, MODELS, DATASETS)
    table = gap_rows(means)
    assert table["model"].tolist()[:1] + table["model"].tolist()[16:17] == [
        "GPT-2 Small",
        "GPT-2 Large",
    ]
    figure = draw_group_gaps(means, blocks, *group_gap_captions("Gaps", means))
    check_layout(figure)
    assert "GPT-2 Large, Condensed stories" in words(figure)
    # Of two models of one title each has its own numbers.
    twins = means.assign(model_title="GPT-2")
    assert gap_rows(twins).drop(columns="model").equals(table.drop(columns="model"))


def test_the_table_survives_markdown_and_latex(
    gaps: tuple[pd.DataFrame, pd.DataFrame], tmp_path: Path
) -> None:
    means, _ = gaps
    paths = [tmp_path / f"gaps.{ending}" for ending in ("md", "tex")]
    write_text_table(gap_rows(means), paths, gap_caption("Gaps", means))
    assert len(paths[0].read_text().splitlines()) == 2 + 2 + len(gap_rows(means))
    assert paths[1].read_text().count(r"\\") == 1 + len(gap_rows(means))


# The figure


def test_intervals_and_bands_are_the_numbers(gaps: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    means, blocks = gaps
    axes = draw_group_gaps(means, blocks, "A title", "A subtitle").axes
    part = means[means["panel"] == "Condensed stories"]
    points, squares, diamonds = (
        np.array(container.lines[0].get_xdata(), dtype=float) for container in axes[5].containers
    )
    np.testing.assert_allclose(points, 1000 * part["difference"])
    np.testing.assert_allclose(squares, 1000 * part["adjusted_difference"])
    np.testing.assert_allclose(diamonds, 1000 * part["curved_difference"])
    (bars,) = axes[5].containers[0].lines[2]
    ends = np.array([segment[:, 0] for segment in bars.get_segments()])
    np.testing.assert_allclose(ends, 1000 * part[["low", "high"]])
    assert [label.get_text() for label in axes[5].get_yticklabels()] == list(TREATMENTS)
    curve = blocks[(blocks["panel"] == "Condensed stories") & (blocks["treatment"] == "both")]
    np.testing.assert_allclose(axes[9].lines[1].get_ydata(), 1000 * curve["difference"])
    corners = axes[9].collections[0].get_paths()[0].vertices
    assert corners[:, 1].max() == pytest.approx(1000 * curve["high"].max())


def test_everything_is_labelled_and_fits(gaps: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    means, blocks = gaps
    figure = draw_group_gaps(means, blocks, *group_gap_captions("Gaps", means))
    check_layout(figure)
    assert legend_of(figure)[0] == "gap of means over blocks, 95 % interval"
    text = words(figure)
    for wanted in (
        "Gaps: GPT-2 Small stand-in, child stories, world stories",
        "Not GPT-2 Small but a stand-in",
        "good long − bad long, 5 and 4 texts",
        "utopian − dystopian, 5 pairs",
        "max-t over blocks: p",
    ):
        assert wanted in " ".join(text.split())


def test_a_single_block_is_seen(child: pd.DataFrame, tmp_path: Path) -> None:
    one = child[child["layer"].isin(["0", "1", "final"])]
    means, blocks = group_gaps([written(tmp_path, one, "child")], MODELS, DATASETS)
    figure = draw_group_gaps(means, blocks, "A title", "A subtitle")
    check_layout(figure)
    assert figure.axes[1].containers
    assert means["p_blocks"].to_numpy() == pytest.approx(means["p"].to_numpy())


def test_a_rebuild_is_the_same_bytes(
    gaps: tuple[pd.DataFrame, pd.DataFrame], tmp_path: Path
) -> None:
    means, blocks = gaps
    check_same_bytes(lambda: draw_group_gaps(means, blocks, "A", "B"), means, tmp_path)
