"""What the division by ``log d`` alone makes of Wei et al. 2024's matrix entropies.

The published indicator is ``H / log d``, and ``d`` grows with the size of the model. So the tables
can be taken apart without any model: ``H`` is the indicator times ``log d``, the effective rank is
``exp H``, and the change of ``log(H / log d)`` from the smallest to the largest model is that of
``log H`` less that of ``log log d``. Beside every curve stands the null of one constant effective
rank, ``c / log d``, in which the weights play no part. The published ``H / log d`` are means over
texts, so effective ranks are ``exp(mean H)``. How that null fares against laws of size is a table
of its own (`figures.model_comparison`).
"""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from scipy.stats import linregress, spearmanr

from matrix_entropy.figures.drawing import Drawing, Runs, titled
from matrix_entropy.figures.kinds.published_entropy import FAMILIES
from matrix_entropy.figures.model_comparison import model_comparison
from matrix_entropy.figures.numbers import in_order
from matrix_entropy.figures.size_axis import label_columns, log_ordinate
from matrix_entropy.figures.style import GREY, looks, styled
from matrix_entropy.figures.text import NOTE_SIZE, frame_figure, head_panel, signed
from matrix_entropy.maths.entropy import nats, rank_of_entropy
from matrix_entropy.maths.scaling import constant_rank_null, share_of_log_d
from matrix_entropy.published.tables import WEI, published_models, published_values

# Tables of Wei et al. 2024 in the order of the panels, each with the name of its panel.
TABLES = {
    8: "Table 8: Cerebras-GPT",
    1: "Table 1: Cerebras-GPT, benchmarks",
    9: "Table 9: Pythia",
}
# Pythia's effective rank rises to 160M and falls to 410M before it grows with size: a change that
# begins at 14M mixes both. So shares are also taken from here on.
LATER_STARTS = {"Pythia": "410M"}
LOG_WIDTH, RAW_ENTROPY = "#444444", "#BDBDBD"  # no colour of a data set
DASHED = (0, (4, 2))
COLUMNS = (
    *("table", "panel", "family", "model", "size", "parameters", "layers", "width"),
    *("dataset", "entropy_normalised", "entropy", "effective_rank", "null"),
)


def make(figure: dict[str, Any], runs: Runs) -> Drawing:
    """What log d alone explains of the published tables."""
    numbers = log_d_null_numbers()
    shares = log_d_null_shares(numbers)
    drawn = draw_log_d_null(numbers, shares, *log_d_null_captions(titled(figure)))
    tables = {"shares": shares, "comparison": model_comparison(numbers)}
    return Drawing(drawn, numbers, tables)


def log_d_null_numbers() -> pd.DataFrame:
    """The numbers that the curves draw: one row per table, data set and model, rising in size.

    ``entropy_normalised`` is the published ``H / log d``, ``entropy`` is ``H`` in nats,
    ``effective_rank`` is ``exp H``, and ``null`` is ``c / log d`` with the one ``c`` that fits all
    models of the data set best (`maths.scaling.constant_rank_null`).
    """
    values = pd.concat(
        [
            published_values(WEI, table).assign(table=table, panel=panel)
            for table, panel in TABLES.items()
        ],
        ignore_index=True,
    )
    values = values[values["indicator"] == "matrix_entropy"]
    numbers = values.rename(columns={"value": "entropy_normalised"}).merge(
        published_models(), on=["model_family", "size"], how="left", validate="many_to_one"
    )
    family = numbers["model_family"].map(FAMILIES)
    entropy = nats(numbers["entropy_normalised"], numbers["width"])
    numbers = numbers.assign(
        family=family,
        model=family + "-" + numbers["size"],
        entropy=entropy,
        effective_rank=rank_of_entropy(entropy),
    )
    numbers["null"] = np.concatenate(
        [
            constant_rank_null(part["entropy_normalised"], part["width"]).predicted
            for _, part in numbers.groupby(["panel", "dataset"], sort=False)
        ]
    )
    return in_order(numbers, ["panel", "dataset", "parameters"])[list(COLUMNS)]


def log_d_null_shares(numbers: pd.DataFrame) -> pd.DataFrame:
    """The numbers that the bars draw: one row per table, data set and span of sizes.

    ``share_log_d`` and ``share_raw_entropy`` sum to one: the parts of the change of
    ``log(H / log d)`` from the ``smallest`` to the ``largest`` model of the span. A share above
    one means that the other part worked against the change. The rest is of the models of the span:
    ``null_effective_rank`` and ``r_squared`` of the null ``c / log d``, ``r_squared_intercept`` of
    ``b + c / log d``, ``entropy_against_size`` the rank correlation (Spearman) of raw ``H`` with
    the number of parameters.
    """
    rows = []
    for (panel, dataset), whole in numbers.groupby(["panel", "dataset"], sort=False):
        family = whole["family"].iloc[0]
        spans = [whole]
        if family in LATER_STARTS:
            start = whole.loc[whole["size"] == LATER_STARTS[family], "parameters"].item()
            spans.append(whole[whole["parameters"] >= start])
        for part in spans:
            normalised, width = part["entropy_normalised"], part["width"]
            shares, null = share_of_log_d(normalised, width), constant_rank_null(normalised, width)
            rows.append(
                {
                    "table": part["table"].iloc[0],
                    "panel": panel,
                    "family": family,
                    "dataset": dataset,
                    "smallest": part["size"].iloc[0],
                    "largest": part["size"].iloc[-1],
                    "models": len(part),
                    "share_log_d": shares.log_width,
                    "share_raw_entropy": shares.raw_entropy,
                    "null_effective_rank": null.effective_rank,
                    "r_squared": null.r_squared,
                    "r_squared_intercept": linregress(1 / np.log(width), normalised).rvalue ** 2,
                    "entropy_against_size": spearmanr(part["entropy"], part["parameters"])[0],
                }
            )
    return pd.DataFrame(rows)


def log_d_null_captions(title: str) -> tuple[str, str]:
    """Title and caption: whose numbers these are, and that nothing was measured for them."""
    first, second, third = sorted(TABLES)
    return (
        f"{title}: what log d alone explains",
        f"From the matrix entropies that Wei et al. 2024 print in Tables {first}, {second} "
        f"and {third}; no model was run. Dashed: one effective rank for all models of a data set, "
        "and its R². Bars: parts of the change of log(H / log d) from the smallest to the largest "
        "model; they sum to 100 %, and a negative part worked against the change.",
    )


def draw_log_d_null(
    numbers: pd.DataFrame, shares: pd.DataFrame, title: str, subtitle: str
) -> Figure:
    """Draw the numbers of `log_d_null_numbers` and `log_d_null_shares`: a column per table.

    From above: ``H / log d`` with its null, the effective rank, and the shares of the change.
    """
    styled(numbers, title, subtitle)
    panels = list(dict.fromkeys(numbers["panel"]))
    datasets = looks(numbers["dataset"])
    figure, axes = plt.subplots(
        3,
        len(panels),
        figsize=(0.9 + 3.2 * len(panels), 8.6),
        sharey="row",
        squeeze=False,
        layout="constrained",
        height_ratios=(1.15, 1, 1),
    )
    for panel, (top, middle, bottom) in zip(panels, axes.T, strict=True):
        top.sharex(middle)
        top.tick_params(axis="x", labelbottom=False)
        part, bars = numbers[numbers["panel"] == panel], shares[shares["panel"] == panel]
        notes = []
        for dataset, curve in part.groupby("dataset", sort=False):
            look = datasets[dataset]
            top.plot(curve["parameters"], curve["entropy_normalised"], ms=3.6, lw=1.0, **look)
            top.plot(curve["parameters"], curve["null"], color=look["color"], lw=0.8, ls=DASHED)
            middle.plot(curve["parameters"], curve["effective_rank"], ms=3.6, lw=1.0, **look)
            whole = bars[bars["dataset"] == dataset].iloc[0]
            rank, explained = whole["null_effective_rank"], signed(whole["r_squared"])
            notes.append((f"{dataset}: null of rank {rank:.1f}, R² {explained}", look["color"]))
        head_panel(top, panel, notes)
        _draw_shares(bottom, bars)
    for row, name in zip(
        axes,
        ("Published $H$ / log $d$", "Effective rank exp($H$)", "Share of the change"),
        strict=True,
    ):
        row[0].set_ylabel(name)
    log_ordinate(axes[1][0])
    # Room above and below the bars for their values.
    low, high = 100 * shares["share_raw_entropy"].min(), 100 * shares["share_log_d"].max()
    axes[2][0].set_ylim(low - 0.14 * (high - low), high + 0.14 * (high - low))
    axes[2][0].yaxis.set_major_formatter("{x:g} %")
    figure.align_ylabels(axes[:, 0])
    frame_figure(figure, title, subtitle, _handles(datasets))
    columns = [numbers[numbers["panel"] == panel].assign(stand_in=False) for panel in panels]
    label_columns(
        figure, [([axis], of_panel) for axis, of_panel in zip(axes[1], columns, strict=True)]
    )
    return figure


def _draw_shares(axis: Axes, bars: pd.DataFrame) -> None:
    """Two bars per data set and span, with their values at the ends."""
    places = np.arange(len(bars))
    for shift, column, colour in (
        (-0.2, "share_log_d", LOG_WIDTH),
        (0.2, "share_raw_entropy", RAW_ENTROPY),
    ):
        percent = 100 * bars[column].to_numpy()
        axis.bar(places + shift, percent, 0.38, color=colour)
        for place, value in zip(places + shift, percent, strict=True):
            axis.annotate(
                f"{round(value)}".replace("-", "−"),
                (place, value),
                xytext=(0, 2 if value >= 0 else -2),
                textcoords="offset points",
                ha="center",
                va="bottom" if value >= 0 else "top",
                fontsize=NOTE_SIZE,
            )
    axis.axhline(0, color=GREY, lw=0.6)
    axis.axhline(100, color=GREY, lw=0.6, ls=DASHED)
    smallest, largest = bars["smallest"].iloc[0], bars["largest"].iloc[0]
    names = [
        dataset if start == smallest else f"from {start}"
        for dataset, start in zip(bars["dataset"], bars["smallest"], strict=True)
    ]
    axis.set_xticks(places, names, rotation=90)
    axis.set_xlabel(f"{smallest} to {largest}")
    axis.tick_params(axis="x", labelsize=NOTE_SIZE + 0.5)
    axis.grid(axis="x", visible=False)


def _handles(datasets: dict[str, dict[str, Any]]) -> list[Any]:
    return [
        *(Line2D([], [], ms=3.6, label=name, **look) for name, look in datasets.items()),
        Line2D([], [], color=GREY, lw=0.8, ls=DASHED, label="null: one effective rank"),
        Patch(color=LOG_WIDTH, label="share of log $d$"),
        Patch(color=RAW_ENTROPY, label="share of raw $H$"),
    ]
