"""Theorems 3.7 and 3.8 of Tan et al. 2024 measured: entropy against parameters and flops.

The theorems say that H(X|Y) falls as ``N^−α`` and ``S^−(α/(α+2))``. Drawn is ``H − C``, exact
against the parameters and of a simulated training against the flops; the same with the term added
back that it lacks as the number of skills M is finite; and the fitted exponents by those predicted.
"""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from matrix_entropy.base.errors import InputError
from matrix_entropy.figures.drawing import Drawing, Runs
from matrix_entropy.figures.style import GREY, looks, styled
from matrix_entropy.figures.text import frame_figure, head_panel, signed
from matrix_entropy.maths.skills import (
    FIRST_FITTED,
    LAST_FITTED,
    conditional_entropy,
    expected_flops,
    finite_skills_term,
    fitted_numbers,
    flop_exponent,
    measured_exponents,
    normalisation,
    parameter_exponent,
    simulated_flops,
)

DASHED = (0, (4, 2))
CURVE_POINTS = 60
DRAWN_POINTS = 3  # every third, as their marks would touch
# What is fitted, how it is marked, and what the legend calls it.
MARKS: dict[str, dict[str, Any]] = {
    "excess": {"ls": "", "ms": 3, "mew": 0},
    "corrected": {"ls": "", "ms": 5, "mfc": "none", "mew": 0.8},
    "entropy": {"ls": "", "ms": 4.5, "marker": "x"},
}
AGAINST = {
    "parameters": ("parameters", "law_parameters", "Parameters $N$"),
    "flops": ("simulated_flops", "law_flops", "Flops $S$"),
}


def make(figure: dict[str, Any], runs: Runs) -> Drawing:
    """Scaling in the graph of skills and texts."""
    numbers, fits = skill_scaling_numbers(figure)
    drawn = draw_skill_scaling(numbers, fits, *skill_scaling_captions(figure))
    return Drawing(drawn, numbers, {"fits": fits})


def skill_scaling_captions(figure: dict[str, Any]) -> tuple[str, str]:
    """Title and caption of the figure that an entry of the configuration describes."""
    return figure.get("title", figure["name"]), (
        "Simulated, no language model: M skills with probabilities ∝ k^−(α+1), learned in this "
        f"order; entropy of a skill C\u00a0=\u00a0{figure['entropy_low']:g} nats once "
        f"comprehended, B\u00a0=\u00a0{figure['entropy_high']:g} before; "
        f"r\u00a0=\u00a0{figure['neurons_per_skill']:g} parameters a skill, so n skills take "
        f"N\u00a0=\u00a0r\u00a0n; a flop that contributes takes "
        f"Δ\u00a0=\u00a0{figure['flop_step']:g} nats; seed {figure['seed']}. Lines: "
        "n\u00a0=\u00a01 to M/2; laws: with their constants, not fitted; points: every third of "
        f"the fits (c), which go from n\u00a0=\u00a0{FIRST_FITTED} to M/{LAST_FITTED}."
    )


def skill_scaling_numbers(figure: dict[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The curves that the figure draws and the exponents fitted to them.

    Curves have a row per ``alpha``, number of ``skills`` M and number of ``comprehended`` skills n:
    ``parameters`` N = r n; ``flops``, expected, and ``simulated_flops``, NaN where nothing is
    fitted; in nats ``entropy`` H, ``excess`` H − C, ``corrected``, that plus the finite-M term, and
    ``law_parameters`` and ``law_flops``, the theorems' laws with their constants, ``(B − C) n^−α /
    (α Z_α)``, at this N and these expected flops. ``fitted`` is true for the points of the fits.

    Fits have a row per alpha, M, ``quantity`` (excess, corrected, entropy) and what it is fitted
    ``against``: the ``predicted`` exponent, the measured ``exponent``, their ``ratio``,
    ``r_squared`` of logarithms, the number of ``points`` and the ``first`` and ``last`` n.

    Parameters
    ----------
    figure : dict
        An entry of the configuration: ``name``; ``alphas``; ``skills``, M or a list of such;
        ``entropy_low`` and ``entropy_high``, C and B in nats; ``neurons_per_skill``, r;
        ``flop_step``, Δ in nats; ``seed``.

    Raises
    ------
    InputError
        If there are no such skills or nothing to fit.
    """
    sizes = figure["skills"] if isinstance(figure["skills"], list) else [figure["skills"]]
    cases = [(alpha, skills) for alpha in figure["alphas"] for skills in sizes]
    try:
        curves = [_curve(figure, alpha, skills) for alpha, skills in cases]
        fits = [row for alpha, skills in cases for row in _fits(figure, alpha, skills)]
    except ValueError as error:
        raise InputError(f"figure '{figure['name']}': {error}.") from None
    return pd.concat(curves, ignore_index=True), pd.DataFrame(fits)


def _curve(figure: dict[str, Any], alpha: float, skills: int) -> pd.DataFrame:
    low, high, step = figure["entropy_low"], figure["entropy_high"], figure["flop_step"]
    law = (alpha, skills, low, high)
    fitted = fitted_numbers(skills)
    grid = np.geomspace(1, skills // 2, CURVE_POINTS).round().astype(np.int64)
    number = np.union1d(grid, fitted)
    in_fit = np.isin(number, fitted)
    entropy = conditional_entropy(number, *law)
    flops = expected_flops(number, *law, step)
    simulated = np.full(len(number), np.nan)
    simulated[in_fit] = simulated_flops(fitted, *law, step, figure["seed"])
    term = finite_skills_term(*law)
    # The sum that the flops are, as an integral, solved for n.
    constant = (high - low) * normalisation(alpha, skills) / step / (alpha + 2)
    number_of_flops = (flops / constant) ** (1 / (alpha + 2))
    return pd.DataFrame(
        {
            "alpha": alpha,
            "skills": skills,
            "comprehended": number,
            "fitted": in_fit,
            "parameters": figure["neurons_per_skill"] * number,
            "flops": flops,
            "simulated_flops": simulated,
            "entropy": entropy,
            "excess": entropy - low,
            "corrected": entropy - low + term,
            "law_parameters": term * (number / skills) ** -alpha,
            "law_flops": term * (number_of_flops / skills) ** -alpha,
        }
    )


def _fits(figure: dict[str, Any], alpha: float, skills: int) -> list[dict[str, Any]]:
    numbers = fitted_numbers(skills)
    laws = measured_exponents(
        alpha,
        skills,
        figure["entropy_low"],
        figure["entropy_high"],
        figure["flop_step"],
        figure["seed"],
    )
    rows = []
    for (quantity, abscissa), law in laws.items():
        of_skills = abscissa == "skills"
        predicted = parameter_exponent(alpha) if of_skills else flop_exponent(alpha)
        rows.append(
            {
                "alpha": alpha,
                "skills": skills,
                "quantity": quantity,
                "against": "parameters" if of_skills else abscissa,
                "predicted": predicted,
                "exponent": law.exponent,
                "ratio": law.exponent / predicted,
                "r_squared": law.r_squared,
                "points": law.points,
                "first": numbers[0],
                "last": numbers[-1],
            }
        )
    return rows


def draw_skill_scaling(
    curves: pd.DataFrame, fits: pd.DataFrame, title: str, subtitle: str
) -> Figure:
    """Draw what `skill_scaling_numbers` returns: a column per α.

    From the top: entropy against parameters, against flops, and the exponents fitted to both.
    """
    styled(curves, title, subtitle)
    alphas = list(dict.fromkeys(curves["alpha"]))
    numbers = list(dict.fromkeys(curves["skills"]))
    sizes = dict(zip(numbers, looks(map(str, numbers)).values(), strict=True))
    figure, axes = plt.subplots(
        3,
        len(alphas),
        figsize=(max(5.2, 0.6 + 2.3 * len(alphas)), 7.6),
        squeeze=False,
        layout="constrained",
    )
    for column, alpha in enumerate(alphas):
        part = curves[curves["alpha"] == alpha]
        for axis, against in zip(axes[:2, column], AGAINST, strict=True):
            for skills, look in sizes.items():
                _draw_curve(axis, part[part["skills"] == skills], against, look)
            axis.set_xscale("log")
            axis.set_yscale("log")
            axis.set_xlabel(AGAINST[against][2])
        _draw_exponents(axes[2, column], fits[fits["alpha"] == alpha], sizes)
        axes[2, column].set_ylim(-0.1, 1.1 * max(1, fits["ratio"].max()))
    for letter, line, ordinate in zip(
        "abc", axes, ("$H(X|Y) − C$ (nats)",) * 2 + ("Exponent / predicted",), strict=True
    ):
        line[0].set_ylabel(ordinate)
        for column, alpha in enumerate(alphas):
            head_panel(line[column], f"({letter}) α = {alpha:g}", [])
    figure.align_ylabels(axes[:, 0])
    frame_figure(figure, title, subtitle, _handles(sizes))
    return figure


def _draw_curve(axis: Axes, curve: pd.DataFrame, against: str, look: dict[str, Any]) -> None:
    points, law, _ = AGAINST[against]
    line = {"color": look["color"], "lw": 0.9}
    axis.plot(curve[against], curve["excess"], **line)
    axis.plot(curve[against], curve[law], ls=DASHED, **line)
    fitted = curve[curve["fitted"]]
    for quantity in ("corrected", "excess"):
        mark = {**look, **MARKS[quantity]}
        axis.plot(fitted[points], fitted[quantity], markevery=DRAWN_POINTS, zorder=3, **mark)


def _draw_exponents(axis: Axes, fits: pd.DataFrame, sizes: dict[int, dict[str, Any]]) -> None:
    axis.axhline(1, color=GREY, lw=0.9, ls=DASHED)
    shifts = np.linspace(-0.15, 0.15, len(sizes)) if len(sizes) > 1 else [0.0]
    names = []
    for place, (points, _, name) in enumerate(AGAINST.values()):
        part = fits[fits["against"] == points]
        for shift, (skills, look) in zip(shifts, sizes.items(), strict=True):
            for fit in part[part["skills"] == skills].itertuples():
                mark = {**look, **MARKS[fit.quantity]}
                axis.plot(place + shift, fit.ratio, **mark)
        names.append(f"{name}\n({signed(part['predicted'].iloc[0])})")
    axis.set_xlim(-0.5, 1.5)
    axis.set_xticks([0, 1], names)
    axis.set_xlabel("Fitted against (exponent predicted)")
    axis.grid(axis="x", visible=False)


def _handles(sizes: dict[int, dict[str, Any]]) -> list[Line2D]:
    grey = {"color": GREY, "marker": next(iter(sizes.values()))["marker"]}
    return [
        *(
            Line2D([], [], lw=0.9, ms=3, label=f"M = {skills:,} skills", **look)
            for skills, look in sizes.items()
        ),
        Line2D([], [], color=GREY, lw=0.9, label="$H − C$: exact, expected flops"),
        Line2D([], [], label="$H − C$: exact, simulated flops", **{**grey, **MARKS["excess"]}),
        Line2D([], [], label="plus the finite-M term", **{**grey, **MARKS["corrected"]}),
        Line2D([], [], label="$H$ itself (c)", **{**grey, **MARKS["entropy"]}),
        Line2D([], [], color=GREY, lw=0.9, ls=DASHED, label="law of the theorem"),
    ]
