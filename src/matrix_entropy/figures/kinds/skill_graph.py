"""A sampled skill graph and the degrees of its skills: Tan et al. 2024, Figure 2.

The paper's figure is a sketch. This one draws the corner of a graph that is sampled from the stated
law, degree ∝ k^−(α+1), and beside it whether the degrees of the whole graph follow the law.
"""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from matrix_entropy.base.errors import InputError
from matrix_entropy.figures.drawing import Drawing, Runs
from matrix_entropy.figures.style import COLOURS, GREY, colours, styled
from matrix_entropy.figures.text import frame_figure, head_panel
from matrix_entropy.maths.skills import sample_skill_graph

# What of the graph is drawn: more texts or skills would leave no edge to follow with the eye.
SHOWN_TEXTS, SHOWN_SKILLS = 16, 8
BINS_PER_DECADE = 5
EDGE, SKILL, BIN = "edge", "skill", "bin"
LARGEST_NODE, SMALLEST_NODE = 12.0, 3.0  # points


def make(figure: dict[str, Any], runs: Runs) -> Drawing:
    """A graph of skills and texts."""
    numbers = graph_numbers(figure)
    return Drawing(draw_skill_graph(numbers, *graph_captions(figure)), numbers)


def graph_captions(figure: dict[str, Any]) -> tuple[str, str]:
    """Title and caption of the figure that an entry of the configuration describes."""
    shown_texts = min(SHOWN_TEXTS, figure["texts"])
    shown_skills = min(SHOWN_SKILLS, figure["skills"])
    return figure.get("title", figure["name"]), (
        f"Sampled, not taken from a corpus: {figure['skills']:,} skills and {figure['texts']:,} "
        f"texts; a text and skill k are linked with probability k^−(α+1), "
        f"α\u00a0=\u00a0{figure['alpha']:g}, independently of all others; seed {figure['seed']}. "
        f"(a) Its first {shown_texts} texts and {shown_skills} likeliest skills; the area of a "
        "skill is that of its degree here, and hollow ones are in none of these texts. (b) Skills "
        "that no text needs count in the means but have no point."
    )


def graph_numbers(figure: dict[str, Any]) -> pd.DataFrame:
    """The numbers that the figure draws, by ``part``.

    "edge": one row per ``text`` and ``skill`` (its rank k) that are linked and drawn. "skill": one
    row per skill of the whole graph, with its ``degree`` and ``expected_degree``,
    ``texts · k^−(α+1)``. "bin": their means over about five bins of ranks to a decade, with the
    geometric mean of the ranks in ``skill`` and their number in ``skills``.

    Parameters
    ----------
    figure : dict
        An entry of the configuration: ``name``, ``alpha``, ``skills``, ``texts``, ``seed``.

    Raises
    ------
    InputError
        If there is no such graph.
    """
    alpha, skills, texts = figure["alpha"], figure["skills"], figure["texts"]
    try:
        edges = sample_skill_graph(skills, texts, alpha, figure["seed"])
    except ValueError as error:
        raise InputError(f"figure '{figure['name']}': {error}.") from None
    ranks = np.arange(1, skills + 1)
    degrees = pd.DataFrame(
        {
            "skill": ranks.astype(np.float64),
            "degree": np.bincount(edges[:, 1], minlength=skills + 1)[1:].astype(np.float64),
            "expected_degree": texts * ranks ** -(alpha + 1.0),
        }
    )
    shown = edges[(edges[:, 0] < SHOWN_TEXTS) & (edges[:, 1] <= SHOWN_SKILLS)]
    drawn = pd.DataFrame({"text": shown[:, 0] + 1, "skill": shown[:, 1].astype(np.float64)})
    parts = {EDGE: drawn, SKILL: degrees, BIN: _binned(degrees)}
    numbers = pd.concat([part.assign(part=name) for name, part in parts.items()], ignore_index=True)
    numbers = numbers[["part", "text", "skill", "skills", "degree", "expected_degree"]]
    return numbers.astype({"text": "Int64", "skills": "Int64"})


def _binned(degrees: pd.DataFrame) -> pd.DataFrame:
    skills = len(degrees)
    # Bins of one width up to the last skill: a rest of few skills would have a mean of chance.
    number = max(1, round(BINS_PER_DECADE * np.log10(skills)))
    bins = np.digitize(degrees["skill"], np.geomspace(1, skills, number + 1)[1:-1])
    groups = degrees.assign(log_skill=np.log(degrees["skill"]), skills=1).groupby(bins)
    means = groups[["log_skill", "degree", "expected_degree"]].mean()
    return means.assign(skill=np.exp(means["log_skill"]), skills=groups["skills"].sum()).drop(
        columns="log_skill"
    )


def draw_skill_graph(numbers: pd.DataFrame, title: str, subtitle: str) -> Figure:
    """Draw the numbers of `graph_numbers`: the corner of the graph, and degrees against rank."""
    styled(numbers, title, subtitle)
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(7.2, 4.6), width_ratios=(1, 1.15), layout="constrained"
    )
    parts = {str(name): part for name, part in numbers.groupby("part")}
    skills = int(min(SHOWN_SKILLS, parts[SKILL]["skill"].max()))
    # Skill 1 is in every text, so the edges name every text that is shown.
    _draw_graph(left, parts[EDGE], skills)
    _draw_degrees(right, parts[SKILL], parts[BIN])
    frame_figure(figure, title, subtitle, _handles())
    return figure


def _draw_graph(axis: Axes, edges: pd.DataFrame, skills: int) -> None:
    texts = int(edges["text"].max())
    # Both columns of nodes fill the height; the first of each is on top.
    of_text = dict(zip(range(1, texts + 1), _heights(texts), strict=True))
    of_skill = dict(zip(range(1, skills + 1), _heights(skills), strict=True))
    shades = dict(zip(of_skill, map(to_hex, colours(skills)), strict=True))
    needed = edges["skill"].value_counts()
    for edge in edges.itertuples():
        ends = [of_text[edge.text], of_skill[edge.skill]]
        axis.plot([0, 1], ends, color=shades[edge.skill], lw=0.8, alpha=0.75, zorder=1)
    axis.plot([0] * texts, list(of_text.values()), ls="", marker="s", ms=4.5, color="#444444")
    for skill, height in of_skill.items():
        share = needed.get(skill, 0) / texts
        filled = shades[skill] if share else "white"
        size = LARGEST_NODE * share**0.5 or SMALLEST_NODE
        axis.plot(1, height, marker="o", ms=size, mfc=filled, mec=shades[skill], zorder=3)
    # Names of nodes are labels of two ordinates: they stand beside the panel and cover no edge.
    names = axis.twinx()
    for side, places in ((axis, of_text), (names, of_skill)):
        side.set_ylim(0, 1)
        side.set_yticks(list(places.values()), [str(name) for name in places])
        side.tick_params(length=0)
        side.grid(False)
        side.spines[:].set_visible(False)
    axis.set_xlim(-0.06, 1.08)
    axis.set_xticks([0, 1], ["Texts", "Skills by rank $k$"], size=8)
    head_panel(axis, "(a) A corner of the graph", [])


def _heights(number: int) -> list[float]:
    """Heights of a column of nodes, from the top."""
    return [1 - (place + 0.5) / number for place in range(number)]


def _draw_degrees(axis: Axes, skills: pd.DataFrame, bins: pd.DataFrame) -> None:
    needed, met = skills[skills["degree"] > 0], bins[bins["degree"] > 0]
    axis.plot(needed["skill"], needed["degree"], ls="", marker=".", ms=3, color=GREY, alpha=0.6)
    axis.plot(skills["skill"], skills["expected_degree"], color=COLOURS[1], lw=1.1)
    axis.plot(met["skill"], met["degree"], ls="", marker="o", ms=4.5, mfc="none", color=COLOURS[0])
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlabel("Rank $k$ of the skill")
    axis.set_ylabel("Degree: texts that need the skill")
    head_panel(axis, "(b) Degrees of the whole graph", [])


def _handles() -> list[Line2D]:
    return [
        Line2D([], [], ls="", marker="s", ms=4.5, color="#444444", label="text"),
        Line2D([], [], ls="", marker="o", ms=8, color=COLOURS[0], label="skill"),
        Line2D([], [], ls="", marker=".", ms=3, color=GREY, label="degree of a skill"),
        Line2D(
            [],
            [],
            ls="",
            marker="o",
            ms=4.5,
            mfc="none",
            color=COLOURS[0],
            label="mean degree of a bin of ranks",
        ),
        Line2D([], [], color=COLOURS[1], lw=1.1, label="law: texts · $k^{−(α+1)}$"),
    ]
