"""Matrix entropy across blocks with and without the first row of every text.

Trained transformers of the GPT-2 kind give their first token a norm many times that of the others,
whatever it is. Less the mean over tokens, all others then share one direction, which lowers the
entropy, the more the shorter the text is. So a gap between groups of unlike length can be the first
token's. Here the same forward pass is measured once more without that row: N − 1 rows are left,
centred anew.
"""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from matrix_entropy.base.errors import InputError
from matrix_entropy.figures.drawing import Drawing, Runs, titled
from matrix_entropy.figures.kinds.run_curves import (
    IDENTITY,
    gap_colours,
    group_gaps,
    run_captions,
    run_curves,
)
from matrix_entropy.figures.style import COLOURS, GREY, styled
from matrix_entropy.figures.text import (
    frame_figure,
    head_panel,
    label_ordinate,
    plain,
    say,
    signed,
)

WITH, WITHOUT = "normalised_mean", "normalised_without_first_row_mean"
DASHED = (0, (4, 1.5))
COLUMNS = [
    *IDENTITY,
    *("panel", "group", "block", "texts", "undefined", "tokens_mean"),
    *(WITH, "normalised_std", WITHOUT, "normalised_without_first_row_std"),
]


def make(figure: dict[str, Any], runs: Runs) -> Drawing:
    """Curves across blocks with and without the first row."""
    numbers = first_token_numbers(run_curves(*runs.files))
    gaps = first_token_gaps(numbers)
    heading, words = first_token_captions(titled(figure), numbers)
    drawn = draw_first_token(numbers, gaps, heading, runs.with_left_out(words))
    return Drawing(drawn, numbers, {"gaps": gaps})


def first_token_numbers(curves: pd.DataFrame) -> pd.DataFrame:
    """The numbers that the curves draw: one row per model, panel, group and block.

    Means and standard deviations (ddof 0) over texts of ``H / log d``, of all rows and of all but
    the first. ``curves`` are those of `figures.kinds.run_curves.run_curves`.

    Raises
    ------
    InputError
        If a data set was measured with its first rows only.
    """
    for name, part in curves.groupby("dataset", sort=False):
        if WITHOUT not in part or part[WITHOUT].isna().all():
            raise InputError(
                f"data set '{name}' was not measured without its first rows; add "
                "`without_first_row` to its `controls:`."
            )
    return curves[COLUMNS]


def first_token_gaps(numbers: pd.DataFrame) -> pd.DataFrame:
    """Of every panel the first group's mean less the second's, with and without the first row."""
    return group_gaps(numbers, ["model", "model_title", "block"], [WITH, WITHOUT])


def first_token_captions(title: str, numbers: pd.DataFrame) -> tuple[str, str]:
    """Title and caption: which models, and what is left out."""
    title, words = run_captions(f"{title}, with and without the first row", numbers)
    return (
        title,
        f"{words}. Means over texts. Without the first row: the states of the first token (the "
        "beginning-of-sequence token, where the model is given one) are left out of every text "
        "after the forward pass; the others are centred and scaled anew.",
    )


def draw_first_token(
    numbers: pd.DataFrame, gaps: pd.DataFrame, title: str, subtitle: str
) -> Figure:
    """Draw the numbers of `first_token_numbers` and `first_token_gaps`: a row per model.

    A column per panel of groups, and a last one for the gaps of all of them. Every panel's note
    says what the first row moves most.
    """
    styled(numbers, gaps, title, subtitle)
    models = list(dict.fromkeys(numbers["model"]))
    panels = list(dict.fromkeys(numbers["panel"]))
    pairs = gap_colours(gaps["gap"])
    figure, axes = plt.subplots(
        len(models),
        len(panels) + 1,
        figsize=(0.6 + 2.4 * (len(panels) + 1), 1.4 + 1.95 * len(models)),
        sharex="row",
        squeeze=False,
        layout="constrained",
    )
    for model, row in zip(models, axes, strict=True):
        part, of_model = numbers[numbers["model"] == model], gaps[gaps["model"] == model]
        for panel, axis in zip(panels, row[:-1], strict=True):
            axis.sharey(row[0])
            _draw_curves(axis, part[part["panel"] == panel], panel)
        row[-1].axhline(0, color=GREY, lw=0.6)
        for pair, colour in pairs.items():
            _draw_both(row[-1], of_model[of_model["gap"] == pair], colour)
        head_panel(row[-1], "Gaps", [_largest(of_model[WITH], of_model[WITHOUT])])
        label_ordinate(row[0], part["model_title"].iloc[0], "$H$ / log $d$")
        row[0].xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    for axis in axes[-1]:
        axis.set_xlabel("Block (0 is the first)")
    figure.align_ylabels(axes[:, 0])
    frame_figure(figure, title, subtitle, _handles(pairs), 2)
    return figure


def _draw_curves(axis: Axes, part: pd.DataFrame, panel: str) -> None:
    if part.empty:
        head_panel(axis, panel, [("", GREY)])
        say(axis, "not measured")
        return
    groups = list(dict.fromkeys(part["group"]))
    for place, group in enumerate(groups):
        _draw_both(axis, part[part["group"] == group], COLOURS[place % len(COLOURS)])
    head_panel(axis, panel or "All texts", [_largest(part[WITH], part[WITHOUT])])


def _draw_both(axis: Axes, part: pd.DataFrame, colour: Any) -> None:
    single = "o" if len(part) == 1 else None  # a single block has no line to see
    axis.plot(part["block"], part[WITH], color=colour, marker=single, ms=3)
    axis.plot(part["block"], part[WITHOUT], color=colour, ls=DASHED, marker=single, ms=3, mfc="w")


def _largest(with_row: pd.Series, without: pd.Series) -> tuple[str, str]:
    """The change by leaving out the first row that is largest in size, as a note."""
    changes = without - with_row
    change = changes[changes.abs().idxmax()]
    moved = f"{'+' if change > 0 else ''}{signed(change)}" if abs(change) >= 5e-4 else "±0.000"
    return f"without first row: up to {moved}", "#6A6A6A"


def _handles(pairs: dict[str, Any]) -> list[Line2D]:
    return [
        Line2D([], [], color=GREY, label="all rows"),
        Line2D([], [], color=GREY, ls=DASHED, label="first row left out"),
        Line2D([], [], color=COLOURS[0], label="curves: first group of a panel"),
        Line2D([], [], color=COLOURS[1], label="curves: second group"),
        *(
            Line2D([], [], color=colour, label=plain(f"gaps: {pair}"))
            for pair, colour in pairs.items()
        ),
    ]
