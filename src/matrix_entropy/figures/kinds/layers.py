"""Matrix entropy across layers: Liang 2024, Figures 1 to 10, and the same for any model and text.

Main panels: mean ± standard deviation (ddof 0) of ``H / log d`` over the texts of a group, per
block, as published, with the largest value that texts of these lengths can have. Beside or below:
the same means under the controls that were measured, since length and long rows move them most.

Another metric that the data set asks for (`results.columns.if_asked`) is drawn in the same way,
alone.
"""

from __future__ import annotations

from itertools import cycle
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from matrix_entropy.base.errors import InputError
from matrix_entropy.configuration.entries import panels_of
from matrix_entropy.configuration.stand_ins import STAND_INS
from matrix_entropy.figures.drawing import Drawing, Runs, titled
from matrix_entropy.figures.style import GREY, colours, styled
from matrix_entropy.figures.text import (
    BOLD,
    HANDLE,
    fitted,
    grow,
    left_out_in_front,
    room_of,
    wrapped,
)
from matrix_entropy.published.curves import published_layers
from matrix_entropy.results.columns import Metric, if_asked
from matrix_entropy.results.metrics import read_metrics
from matrix_entropy.results.model_words import in_title, origin_of

VALUE = "matrix_entropy_normalised"
BOUND = "entropy_bound_normalised"
CONTROLS = {
    f"{VALUE}_without_first_row": ("first row left out", (0, (4, 1.5)), "x"),
    f"{VALUE}_equal_length": ("texts cut to equal length", (0, (1, 1.2)), "+"),
    f"{VALUE}_without_long_rows": ("long rows left out", (0, (5, 1.2, 1, 1.2)), "1"),
    f"{VALUE}_equal_length_without_long_rows": (
        "equal length, long rows left out",
        (0, (3, 1, 1, 1, 1, 1)),
        "2",
    ),
}
LETTERS = 7.0  # points, of legends
PUBLISHED_DASHES = ("-", (0, (4, 1.5)))  # of the first and the second group of a panel


def make(figure: dict[str, Any], runs: Runs) -> Drawing:
    """The figure of one model and data set, with the published curve behind it if asked for."""
    metrics, provenance = read_metrics(runs.metrics[0])
    model, dataset = provenance["model"]["model"], provenance["dataset"]["name"]
    panels = panels_of(runs.datasets[dataset], list(dict.fromkeys(metrics["group"])))
    # Without one, the entropy is drawn.
    chosen = next((each for each in if_asked() if each.name == figure.get("metric")), None)
    curves = layer_curves(metrics, panels, chosen)
    title, subtitle = captions(
        titled(figure), runs.models[model], runs.datasets[dataset], provenance
    )
    published = None
    if figure["overlay"]:
        paper = figure.get("paper", "liang2024")
        published = published_layers(paper, model, dataset, provenance["options"]["layers"])
    drawn = draw_layers(curves, title, subtitle, published, chosen)
    # Whose they are, for those that read them.
    curves.insert(0, "model", model)
    curves.insert(1, "dataset", dataset)
    return Drawing(drawn, curves)


def layer_curves(
    metrics: pd.DataFrame, panels: dict[str, list[str]], chosen: Metric | None = None
) -> pd.DataFrame:
    """The numbers that the figure draws: one row per panel, group and block.

    ``block`` counts from 0 as in the paper: block ``b`` is layer ``b + 1`` of the files. Means and
    standard deviations (ddof 0) leave out texts without an entropy, which ``undefined`` counts; or,
    with a ``chosen`` one of `results.columns.if_asked`, those without this one.
    """
    drawn = VALUE if chosen is None else chosen.name
    blocks = metrics[~metrics["layer"].isin(["0", "final"])]
    if blocks.empty:
        raise InputError("no block was extracted; put some into `extract:` of the model.")
    if blocks[drawn].isna().all():
        value, few = (
            ("an entropy", "fewer than two")
            if chosen is None
            else (f"a value of `{chosen.name}`", "too few")
        )
        raise InputError(
            f"none of the {blocks['id'].nunique()} texts has {value} to draw: all have {few} "
            "distinct rows; use longer texts, or raise `max_tokens:`."
        )
    entropies = (VALUE, BOUND, *CONTROLS)
    values = [name for name in entropies if name in metrics] if chosen is None else [drawn]
    rows = []
    for panel, groups in panels.items():
        for group in groups:
            part = blocks[blocks["group"] == group]
            if part.empty:
                known = ", ".join(dict.fromkeys(metrics["group"]))
                raise InputError(
                    f"panel '{panel}' wants a group '{group}', but there are: {known}; correct "
                    "`panels:` of the data set."
                )
            for layer, texts in part.groupby(part["layer"].astype(int)):
                row: dict[str, Any] = {
                    "panel": panel,
                    "group": group,
                    "block": layer - 1,
                    "texts": len(texts),
                    "undefined": int(texts[drawn].isna().sum()),
                    "tokens_mean": texts["tokens"].mean(),
                }
                for name in values:
                    short = name.removeprefix("matrix_entropy_").removesuffix("_normalised")
                    row[f"{short}_mean"] = texts[name].mean()
                    row[f"{short}_std"] = texts[name].std(ddof=0)
                rows.append(row)
    return pd.DataFrame(rows)


def draw_layers(
    curves: pd.DataFrame,
    title: str,
    subtitle: str,
    published: pd.DataFrame | None = None,
    chosen: Metric | None = None,
) -> Figure:
    """Draw the curves of `layer_curves`, each panel with its controls on the same scale.

    Several panels stand side by side with their controls below, a single one has them beside it.
    The bound is drawn where it is near enough to the curves, and its value stands in the legend.
    ``published``, from `published.curves.published_layers`, stands in grey behind
    the curves of the groups that it has. With one ``chosen`` the curves are of this one, which has
    neither bound nor controls.
    """
    if chosen is not None:
        subtitle = f"{chosen.says.replace('`', '')} ({chosen.source}). {subtitle}"
        subtitle = subtitle[0].upper() + subtitle[1:]
    drawn = "normalised" if chosen is None else chosen.name
    styled(curves, title, subtitle)
    panels = list(dict.fromkeys(curves["panel"]))
    controls = {name: _short(name) for name in CONTROLS if f"{_short(name)}_mean" in curves}
    parts = 2 if controls else 1
    rows, columns = (1, parts) if len(panels) == 1 else (parts, len(panels))
    # A legend of many groups takes its own room, not that of the curves.
    most_groups = int(curves.groupby("panel")["group"].nunique().max())
    legend = 0.16 * max(0, most_groups - 2)
    if published is not None:
        published = published[published["group"].isin(curves["group"])]
        legend += 0.16 * most_groups * (len(published) > 0)
    figure, grid = plt.subplots(
        rows,
        columns,
        figsize=(max(5.0, 3.6 * columns), 2.55 * rows + 0.75 + legend),
        sharex=True,
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    axes = grid.reshape(parts, len(panels))
    low, high = _limits(curves, drawn, list(controls.values()), published)
    for column, panel in enumerate(panels):
        part = curves[curves["panel"] == panel]
        groups = list(dict.fromkeys(part["group"]))
        handles = _draw_groups(axes[0][column], part, groups, drawn, high)
        if published is not None:
            handles += _draw_published(axes[0][column], published, groups)
        _legend(axes[0][column], panel, handles)
        if controls:
            handles = _draw_controls(axes[1][column], part, groups, controls)
            _legend(axes[1][column], f"{panel}: controls" if panel else "Controls", handles)
    for axis in grid[-1]:
        axis.set_xlabel("Block (0 is the first)")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    first, last = curves["block"].min(), curves["block"].max()
    grid[0][0].set_xlim(first - 0.04 * (last - first) - 0.1, last + 0.04 * (last - first) + 0.1)
    for line in grid:
        line[0].set_ylabel("Matrix entropy / log $d$" if chosen is None else chosen.label)
    axes[0][0].set_ylim(low, high)
    # What long names take is given to the figure, not taken from its curves.
    grow(figure, sum(max(_breaks(axis.get_legend()) for axis in line) for line in grid))
    figure.suptitle(wrapped(title, figure, 6.3), fontsize=9.5, fontweight="bold")
    figure.supxlabel(wrapped(subtitle, figure, 4.0), fontsize=7, color="#444444")
    return figure


def _short(name: str) -> str:
    return name.removeprefix("matrix_entropy_")


def _limits(
    curves: pd.DataFrame, drawn: str, controls: list[str], published: pd.DataFrame | None
) -> tuple[float, float]:
    """Limits of the ordinate: all curves and bars, and the bound unless it is far above them."""
    mean, std = curves[f"{drawn}_mean"], curves[f"{drawn}_std"]
    means = [curves[f"{name}_mean"] for name in controls]
    if published is not None:
        means += [published["mean"] - published["std"], published["mean"] + published["std"]]
    low = float(pd.concat([mean - std, *means]).min())
    high = float(pd.concat([mean + std, *means]).max())
    span = max(high - low, 0.02)
    if "entropy_bound_mean" in curves:
        bound = float(curves["entropy_bound_mean"].max())
        if bound < high + span:
            high = max(high, bound)
    return low - 0.06 * span, high + 0.10 * span


def _draw_groups(
    axis: Axes, part: pd.DataFrame, groups: list[str], drawn: str, high: float
) -> list[Any]:
    """Means with a band of one standard deviation, and the bound; gives the legend's entries."""
    bounded = "entropy_bound_mean" in part
    bounds, handles, room = [], [], room_of(axis) - HANDLE
    for group, colour in zip(groups, colours(len(groups)), strict=True):
        curve = part[part["group"] == group]
        mean, std = curve[f"{drawn}_mean"], curve[f"{drawn}_std"]
        axis.fill_between(curve["block"], mean - std, mean + std, color=colour, alpha=0.18, lw=0)
        called = "all texts" if groups == ["all"] else group
        defined = curve["texts"].iloc[0] - curve["undefined"].iloc[0]
        label = fitted(f"{called}, mean ± std of {defined} texts", room, LETTERS)
        handles += axis.plot(curve["block"], mean, color=colour, marker="o", ms=2.6, label=label)
        if len(curve) == 1:  # where a band has no width
            axis.errorbar(curve["block"], mean, std, color=colour, lw=0.8, capsize=2)
        if bounded:
            bound = curve["entropy_bound_mean"]
            axis.plot(curve["block"], bound, color=colour, lw=0.8, alpha=0.8)
            bounds.append(float(bound.mean()))
    if not bounded:
        return handles
    shown = bounds if len(bounds) <= 2 else [min(bounds), max(bounds)]
    values = (" / " if len(bounds) <= 2 else " to ").join(f"{bound:.2f}" for bound in shown)
    beyond = ", off scale" if min(bounds) > high else ""
    name = f"bound log min(N−1, d) / log d: {values}{beyond}"
    return [*handles, Line2D([], [], color=GREY, lw=0.8, label=name)]


def _draw_published(axis: Axes, published: pd.DataFrame, groups: list[str]) -> list[Any]:
    """The paper's means with bars of one standard deviation; gives the legend's entries."""
    handles = []
    for group, dashes in zip(groups, cycle(PUBLISHED_DASHES), strict=False):
        curve = published[published["group"] == group]
        if curve.empty:
            continue
        axis.errorbar(
            curve["block"],
            curve["mean"],
            curve["std"],
            color=GREY,
            lw=1.1,
            ls=dashes,
            elinewidth=0.5,
            zorder=1.5,  # behind all that is rebuilt
        )
        blocks = curve["published_blocks"].iloc[0]
        stretched = "" if curve["block"].iloc[-1] == blocks - 1 else ", stretched"
        name = f"published: {group} ({blocks} blocks{stretched})"
        name = fitted(name, room_of(axis) - HANDLE, LETTERS)
        handles.append(Line2D([], [], color=GREY, lw=1.1, ls=dashes, label=name))
    return handles


def _draw_controls(
    axis: Axes, part: pd.DataFrame, groups: list[str], controls: dict[str, str]
) -> list[Any]:
    """Means under every control; gives the legend's entries."""
    single = part["block"].nunique() == 1  # which has no line to see

    def look(name: str) -> dict[str, Any]:
        _, dashes, marker = CONTROLS[name]
        return {"lw": 1.1, "ls": dashes, "marker": marker if single else None}

    for group, colour in zip(groups, colours(len(groups)), strict=True):
        curve = part[part["group"] == group]
        for name, short in controls.items():
            axis.plot(curve["block"], curve[f"{short}_mean"], color=colour, **look(name))
    return [Line2D([], [], color=GREY, label=CONTROLS[name][0], **look(name)) for name in controls]


def _breaks(legend: Legend | None) -> int:
    """How many line breaks the names in a legend have."""
    if legend is None:
        return 0
    return sum(text.get_text().count("\n") for text in [legend.get_title(), *legend.get_texts()])


def _legend(axis: Axes, title: str, handles: list[Any]) -> None:
    """Title and legend above the curves' frame, where they can cover none of them."""
    axis.legend(
        handles=handles,
        title=fitted(title, room_of(axis), 8 * BOLD) or None,
        alignment="left",
        title_fontproperties={"weight": "bold", "size": 8},
        loc="lower left",
        bbox_to_anchor=(-0.01, 1.0),
        borderaxespad=0.1,
        fontsize=LETTERS,
    )


def captions(
    title: str, model: dict[str, Any], dataset: dict[str, Any], provenance: dict[str, Any]
) -> tuple[str, str]:
    """Title and caption of a figure: what it shows, from which model."""
    record, options = provenance["model"], provenance["options"]
    called = model.get("title", record["model"])
    texts = dataset.get("title", provenance["dataset"]["name"])
    size = f"{options['layers']} blocks, width {options['width']}"
    front = ", one BOS row" if options["bos"] else ""
    front += "".join(f"; {words}" for words in left_out_in_front(provenance))
    heading = f"{title}: {in_title(called, record)}, {texts}"
    if record["stand_in"]:
        architecture = STAND_INS[record["training"]["architecture"]]
        return (
            heading,
            f"Not {called} but a stand-in for it: a {architecture} of {size}, trained in seconds "
            f"on generated stories{front}",
        )
    return heading, f"{origin_of(record)}: {size}{front}"
