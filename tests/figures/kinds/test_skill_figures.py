"""The figures of the skill graph and of the theorems about skills."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from figure_values import check_layout, check_same_bytes, legend_of, words
from matrix_entropy.base.errors import InputError
from matrix_entropy.figures.kinds.skill_graph import draw_skill_graph, graph_captions, graph_numbers
from matrix_entropy.figures.kinds.skill_scaling import (
    draw_skill_scaling,
    skill_scaling_captions,
    skill_scaling_numbers,
)
from matrix_entropy.maths.skills import conditional_entropy, expected_flops, sample_skill_graph

GRAPH = {"name": "graph", "alpha": 0.5, "skills": 300, "texts": 2000, "seed": 0}
SCALING = {
    "name": "theorems",
    "alphas": [0.1, 1.0],
    "skills": [20_000, 100_000],
    "entropy_low": 1,
    "entropy_high": 2,
    "neurons_per_skill": 100,
    "flop_step": 0.1,
    "seed": 0,
}


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    plt.close("all")


def graph(**changed: Any) -> Figure:
    entry = GRAPH | changed
    return draw_skill_graph(graph_numbers(entry), *graph_captions(entry))


def scaling(**changed: Any) -> Figure:
    entry = SCALING | changed
    return draw_skill_scaling(*skill_scaling_numbers(entry), *skill_scaling_captions(entry))


# The skill graph


def test_degrees_are_those_of_the_sampled_graph() -> None:
    edges = sample_skill_graph(300, 2000, 0.5, 0)
    numbers = graph_numbers(GRAPH)
    skills = numbers[numbers["part"] == "skill"].set_index("skill")
    assert len(skills) == 300
    for skill in (1, 2, 40, 300):
        assert skills.loc[skill, "degree"] == (edges[:, 1] == skill).sum()
        assert skills.loc[skill, "expected_degree"] == pytest.approx(2000 * skill**-1.5)
    drawn = numbers[numbers["part"] == "edge"]
    corner = edges[(edges[:, 0] < 16) & (edges[:, 1] <= 8)]
    np.testing.assert_array_equal(drawn[["text", "skill"]].astype(int) - [1, 0], corner)


def test_bins_are_means_of_all_skills_with_or_without_a_text() -> None:
    numbers = graph_numbers(GRAPH | {"texts": 20})
    skills, bins = (numbers[numbers["part"] == part] for part in ("skill", "bin"))
    assert (len(bins), bins["skills"].sum()) == (12, 300)
    assert bins["degree"] @ bins["skills"] == pytest.approx(skills["degree"].sum())
    last = skills[skills["skill"] >= 300 ** (11 / 12)]  # log₁₀ 300 = 2.48: twelve bins
    assert (last["degree"] == 0).any()
    assert bins["degree"].iloc[-1] == pytest.approx(last["degree"].mean())
    assert bins["skill"].iloc[-1] == pytest.approx(np.exp(np.log(last["skill"]).mean()))


def test_edges_join_the_nodes_of_their_text_and_skill() -> None:
    numbers = graph_numbers(GRAPH)
    edges = numbers[numbers["part"] == "edge"]
    left, _, right = graph().axes
    texts = {int(tick.get_text()): tick.get_position()[1] for tick in left.get_yticklabels()}
    skills = {int(tick.get_text()): tick.get_position()[1] for tick in right.get_yticklabels()}
    assert (len(texts), len(skills)) == (16, 8)
    lines = [line for line in left.lines if list(line.get_xdata()) == [0, 1]]
    assert len(lines) == len(edges)
    for line, edge in zip(lines, edges.itertuples(), strict=True):
        np.testing.assert_allclose(line.get_ydata(), [texts[edge.text], skills[edge.skill]])


def test_the_area_of_a_node_is_its_degree() -> None:
    numbers = graph_numbers(GRAPH)
    needed = numbers[numbers["part"] == "edge"]["skill"].value_counts()
    left = graph().axes[0]
    nodes = [line for line in left.lines if line.get_marker() == "o"]
    assert len(nodes) == 8
    assert len({line.get_markeredgecolor() for line in nodes}) == 8
    for skill, node in enumerate(nodes, start=1):
        hollow = to_hex(node.get_markerfacecolor()) == "#ffffff"
        assert hollow == (skill not in needed)
        if not hollow:
            assert node.get_markersize() ** 2 == pytest.approx(144 * needed[skill] / 16)


def test_degrees_are_drawn_against_rank_with_the_law() -> None:
    numbers = graph_numbers(GRAPH)
    points, law, means = graph().axes[1].lines
    skills = numbers[numbers["part"] == "skill"]
    np.testing.assert_array_equal(law.get_ydata(), skills["expected_degree"])
    met = skills[skills["degree"] > 0]
    np.testing.assert_array_equal(points.get_xydata(), met[["skill", "degree"]])
    bins = numbers[(numbers["part"] == "bin") & (numbers["degree"] > 0)]
    np.testing.assert_array_equal(means.get_xydata(), bins[["skill", "degree"]])


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"title": "Tan 2024, Figure 2: a skill graph sampled from the stated power law"},
        {"alpha": 0.1, "skills": 20_000, "texts": 5000},
        {"alpha": 3, "skills": 15, "texts": 40},
        {"skills": 1, "texts": 1},
    ],
)
def test_any_graph_fits(changed: dict[str, Any]) -> None:
    figure = graph(**changed)
    check_layout(figure)
    assert "mean degree of a bin of ranks" in legend_of(figure)
    text = words(figure)
    assert changed.get("title", "graph") in text
    for wanted in ("Rank $k$ of the skill", "Degree: texts", "not taken from a corpus", "seed 0"):
        assert wanted in " ".join(text.split("\n"))


def test_a_graph_is_the_same_bytes_again(tmp_path: Path) -> None:
    check_same_bytes(graph, graph_numbers(GRAPH), tmp_path)


def test_bad_graphs_name_the_figure() -> None:
    with pytest.raises(InputError, match="figure 'graph': alpha must be positive, not 0"):
        graph_numbers(GRAPH | {"alpha": 0})


# The theorems


def test_curves_are_the_exact_sums() -> None:
    curves, _ = skill_scaling_numbers(SCALING)
    assert len(curves.groupby(["alpha", "skills"])) == 4
    part = curves[(curves["alpha"] == 0.1) & (curves["skills"] == 20_000)]
    number = part["comprehended"]
    assert (number.iloc[0], number.iloc[-1]) == (1, 10_000)
    assert number.is_monotonic_increasing
    np.testing.assert_array_equal(part["parameters"], 100 * number)
    entropy = conditional_entropy(number, 0.1, 20_000, 1, 2)
    np.testing.assert_array_equal(part["entropy"], entropy)
    np.testing.assert_array_equal(part["excess"], entropy - 1)
    np.testing.assert_array_equal(part["flops"], expected_flops(number, 0.1, 20_000, 1, 2, 0.1))
    assert list(part["fitted"]) == list(part["simulated_flops"].notna())
    assert list(number[part["fitted"]])[:: part["fitted"].sum() - 1] == [10, 200]


@pytest.mark.parametrize("alpha", [0.1, 1.0])
def test_laws_are_where_the_corrected_entropy_is(alpha: float) -> None:
    curves, _ = skill_scaling_numbers(SCALING)
    part = curves[(curves["alpha"] == alpha) & (curves["comprehended"] >= 100)]
    for law in ("law_parameters", "law_flops"):
        np.testing.assert_allclose(part[law], part["corrected"], rtol=0.01)
    ends = part[part["skills"] == 20_000].iloc[[0, -1]]
    for x, law, exponent in (
        ("parameters", "law_parameters", -alpha),
        ("flops", "law_flops", -alpha / (alpha + 2)),
    ):
        slope = np.diff(np.log(ends[law])).item() / np.diff(np.log(ends[x])).item()
        assert slope == pytest.approx(exponent)


def test_fits_say_what_the_theorems_miss() -> None:
    _, fits = skill_scaling_numbers(SCALING)
    assert len(fits) == 2 * 2 * 3 * 3
    row = fits.set_index(["alpha", "skills", "quantity", "against"])
    excess = row.loc[(0.1, 100_000, "excess", "parameters")]
    assert excess["exponent"] == pytest.approx(-0.203, abs=5e-4)
    assert (excess["predicted"], excess["points"]) == (-0.1, 25)
    assert (excess["first"], excess["last"]) == (10, 1000)
    flops = row.loc[(0.1, 100_000, "excess", "flops")]
    assert flops["predicted"] == pytest.approx(-0.1 / 2.1)
    np.testing.assert_allclose(fits["ratio"], fits["exponent"] / fits["predicted"])


def test_fits_are_those_of_the_points_drawn() -> None:
    curves, fits = skill_scaling_numbers(SCALING)
    fitted = curves[curves["fitted"]]
    for case, points in fitted.groupby(["alpha", "skills"]):
        chosen = (fits["alpha"] == case[0]) & (fits["skills"] == case[1])
        for fit in fits[chosen].itertuples():
            line = np.polyfit(np.log(points[fit.against]), np.log(points[fit.quantity]), 1)
            assert fit.exponent == pytest.approx(line[0])


def test_lines_and_marks_are_the_numbers_of_the_tables() -> None:
    curves, fits = skill_scaling_numbers(SCALING)
    axes = np.reshape(scaling().axes, (3, 2))
    for column, alpha in enumerate((0.1, 1.0)):
        for panel, x, points, law in (
            (axes[0, column], "parameters", "parameters", "law_parameters"),
            (axes[1, column], "flops", "simulated_flops", "law_flops"),
        ):
            for place, skills in enumerate((20_000, 100_000)):
                part = curves[(curves["alpha"] == alpha) & (curves["skills"] == skills)]
                fitted = part[part["fitted"]]
                lines = [
                    (part, x, "excess"),
                    (part, x, law),
                    (fitted, points, "corrected"),
                    (fitted, points, "excess"),
                ]
                drawn = panel.lines[4 * place : 4 * place + 4]
                for line, (table, abscissa, ordinate) in zip(drawn, lines, strict=True):
                    np.testing.assert_array_equal(line.get_xydata(), table[[abscissa, ordinate]])
        chosen = (fits["alpha"] == alpha) & (fits["against"] != "flops")
        drawn = [line.get_ydata()[0] for line in axes[2, column].lines[1:]]
        np.testing.assert_allclose(sorted(drawn), sorted(fits.loc[chosen, "ratio"]))


@pytest.mark.parametrize(
    "changed",
    [
        {"alphas": [0.1, 0.5, 1.0], "skills": [100_000, 10_000_000]},
        {"alphas": [0.5], "skills": 10_000},
        {"alphas": [0.05, 2.0], "skills": [10_000, 100_000, 1_000_000]},
    ],
)
def test_any_theorems_fit(changed: dict[str, Any]) -> None:
    figure = scaling(**changed)
    check_layout(figure)
    assert legend_of(figure)[-1] == "law of the theorem"
    text = " ".join(words(figure).split("\n"))
    for alpha in changed["alphas"]:
        assert f"(c) α = {alpha:g}" in text
    for wanted in ("(nats)", "Parameters $N$", "Flops $S$", "no language model", "seed 0"):
        assert wanted in text


def test_theorems_are_the_same_bytes_again(tmp_path: Path) -> None:
    one = {"alphas": [0.5], "skills": 10_000}
    curves, _ = skill_scaling_numbers(SCALING | one)
    check_same_bytes(lambda: scaling(**one), curves, tmp_path)


def test_another_seed_is_another_training() -> None:
    first, second = (skill_scaling_numbers(SCALING | {"seed": seed})[0] for seed in (0, 1))
    pd.testing.assert_frame_equal(
        first.drop(columns="simulated_flops"), second.drop(columns="simulated_flops")
    )
    fitted = first["fitted"]
    assert (first["simulated_flops"] != second["simulated_flops"])[fitted].all()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"skills": 500}, "figure 'theorems': exponents need at least 10,000 skills, not 500"),
        ({"entropy_high": 1}, "figure 'theorems': the entropy before a skill is comprehended, 1"),
        ({"alphas": [0.5, 0]}, "figure 'theorems': alpha must be positive, not 0"),
        ({"flop_step": 0.3}, "figure 'theorems': the step of a flop must divide"),
    ],
)
def test_bad_theorems_name_the_figure(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        skill_scaling_numbers(SCALING | changed)
