"""How much of the differences between groups of stories the length of the stories explains.

A longer text has more rows, and more rows a higher entropy. At every block the entropies ``H`` are
laid on a line in ``log N``, N being a text's tokens, which knows no group; what is left of a gap
between two groups is the gap of their residuals,

    gap after length = (H₁ − H₂) − slope · (mean log N₁ − mean log N₂).

Once from Liang 2024's own plots, in which only means of groups can be read, so that the line goes
through the means of a model's six groups; and once from rebuilt texts, where it goes through all
texts. Nothing says that a story's quality does not come with its length: what the line takes away
is what could be of length alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator
from scipy.stats import linregress

from matrix_entropy.base import shipped
from matrix_entropy.base.errors import InputError
from matrix_entropy.figures.drawing import Drawing, Runs, titled
from matrix_entropy.figures.kinds.run_curves import (
    IDENTITY,
    Entry,
    gap_colours,
    group_gaps,
    run_captions,
    run_metrics,
)
from matrix_entropy.figures.numbers import in_order
from matrix_entropy.figures.style import GREY, styled
from matrix_entropy.figures.text import (
    frame_figure,
    head_panel,
    label_ordinate,
    plain,
    say,
    signed,
)
from matrix_entropy.maths.entropy import nats
from matrix_entropy.published.curves import published_layers

LIANG = "liang2024"
LENGTHS = shipped.published(LIANG, "lengths")
# The models of Liang's figures: what they are called, and the width d of log d.
LIANG_MODELS = {
    "tinystories_3m": ("TinyStories-3M", 128),
    "tinystories_28m": ("TinyStories-28M", 512),
    "gpt2_small": ("GPT-2 Small", 768),
    "gpt2_medium": ("GPT-2 Medium", 1024),
    "gpt2_large": ("GPT-2 Large", 1280),
}
LIANG_PANELS = {
    "Long stories": ("good long", "bad long"),
    "Condensed stories": ("good condensed", "bad condensed"),
    "World stories": ("utopian", "dystopian"),
}
# Tokens of GPT-2's vocabulary for one piece of the pattern that cuts texts before it is looked up.
TOKENS_PER_PIECE = 1.06
PUBLISHED, REBUILT = "published", "rebuilt"
LEAST_GROUPS = 3  # a line through two means leaves nothing
DASHED = (0, (4, 1.5))
INK = "#6A6A6A"
COLUMNS = [
    *("source", "model", "model_title", "dataset", "panel", "group", "block", "texts"),
    *("log_tokens", "entropy", "fitted", "slope", "r_squared", "r_squared_texts"),
]


def make(figure: dict[str, Any], runs: Runs) -> Drawing:
    """Group means against the length of texts."""
    numbers = length_control_numbers(*runs.files)
    gaps = length_control_gaps(numbers)
    heading, words = length_control_captions(titled(figure), *runs.files)
    drawn = draw_length_control(numbers, gaps, heading, runs.with_left_out(words))
    return Drawing(drawn, numbers, {"gaps": gaps})


def length_control_numbers(
    metrics: Sequence[str], models: dict[str, Entry], datasets: dict[str, Entry]
) -> pd.DataFrame:
    """The numbers that the figure draws: one row per source, model, group and block.

    Columns: ``source`` ("published", of `published_groups`, or "rebuilt"), ``texts`` with an
    entropy, ``log_tokens`` (their mean ``log N``, the beginning-of-sequence token counted) and
    ``entropy`` (mean ``H``, nats), ``fitted`` (the block's line at ``log_tokens``) with the line's
    ``slope``, ``r_squared`` (share of the variance of the group means that a line in their
    ``log_tokens`` explains, NaN with fewer than three groups) and ``r_squared_texts`` (of all
    texts; NaN where only means are known).

    Parameters are those of `figures.kinds.run_curves.run_metrics`; all data sets of a model are
    laid on one line.

    Raises
    ------
    InputError
        If a model has no blocks, or all its texts the same length.
    """
    rebuilt = []
    runs = run_metrics(metrics, models, datasets)
    for model in dict.fromkeys(called["model"] for called, _, _ in runs):
        texts = pd.concat(
            [
                _texts_of(table, panels).assign(**{key: called[key] for key in IDENTITY})
                for called, table, panels in runs
                if called["model"] == model
            ],
            ignore_index=True,
        )
        if texts.empty:
            raise InputError(
                f"model '{model}' has no block with an entropy; put some into its `extract:`, or "
                "use longer texts."
            )
        if texts["log_tokens"].nunique() == 1:
            raise InputError(
                f"all texts that '{model}' read have the same length, so it explains nothing; "
                "give the figure data sets of texts that are not cut."
            )
        rebuilt.append(_rebuilt(texts))
    numbers = pd.concat([published_groups(), *rebuilt], ignore_index=True)
    return numbers[COLUMNS]


def published_groups() -> pd.DataFrame:
    """Liang 2024's group means, read off his plots, on the line of each model and block.

    The lengths are those of his stories, counted in pieces of GPT-2's pattern and estimated at
    1.06 tokens a piece and one in front. A factor common to all texts changes no residual.
    """
    lengths = pd.read_csv(LENGTHS)
    lengths["group"] = lengths["series"].str.replace("_", " ")
    lengths["log_tokens"] = np.log(1 + TOKENS_PER_PIECE * lengths["pieces"])
    means = lengths.groupby("group", sort=False)["log_tokens"].agg(["mean", "size"])
    means.columns = ["log_tokens", "texts"]
    panels = {name: panel for panel, names in LIANG_PANELS.items() for name in names}
    curves = []
    for model, (title, width) in LIANG_MODELS.items():
        for dataset in dict.fromkeys(lengths["dataset"]):
            curve = published_layers(LIANG, model, dataset)
            curve["entropy"] = nats(curve["mean"], width)
            curve["block"] = curve["block"].astype(int)
            curves.append(curve.assign(model=model, model_title=title, dataset=dataset))
    groups = pd.concat(curves, ignore_index=True).merge(means, left_on="group", right_index=True)
    groups = groups.assign(source=PUBLISHED, panel=groups["group"].map(panels))
    groups = in_order(groups, ["model", "block", "panel"])
    return pd.concat(
        [
            _on_line(part, linregress(part["log_tokens"], part["entropy"]))
            for _, part in groups.groupby(["model", "block"], sort=False)
        ],
        ignore_index=True,
    )


def _texts_of(metrics: pd.DataFrame, panels: dict[str, list[str]]) -> pd.DataFrame:
    """Texts with an entropy at every block, in every panel that has their group."""
    texts = metrics[~metrics["layer"].isin(["0", "final"])].dropna(subset="matrix_entropy")
    texts = texts.assign(
        block=texts["layer"].astype(int) - 1,
        log_tokens=np.log(texts["tokens"].astype(float)),
        entropy=texts["matrix_entropy"],
    )
    return pd.concat(
        [
            texts[texts["group"] == group].assign(panel=panel)
            for panel, groups in panels.items()
            for group in groups
        ]
    )


def _rebuilt(texts: pd.DataFrame) -> pd.DataFrame:
    """Group means of one model's texts, on the line of all its texts at every block."""
    keys = [key for key in IDENTITY if key != "parameters"] + ["panel", "group"]
    parts = []
    for block, part in texts.groupby("block"):
        once = part.drop_duplicates(["dataset", "group", "id"])  # a group can be in two panels
        line = linregress(once["log_tokens"], once["entropy"])
        groups = part.groupby(keys, sort=False).agg(
            texts=("entropy", "size"),
            log_tokens=("log_tokens", "mean"),
            entropy=("entropy", "mean"),
        )
        groups = groups.reset_index().assign(source=REBUILT, block=block)
        parts.append(_on_line(groups, line).assign(r_squared_texts=line.rvalue**2))
    return pd.concat(parts)


def _on_line(groups: pd.DataFrame, line: Any) -> pd.DataFrame:
    """Group means of one block with the line's values there, and what a line explains of them."""
    different = groups.drop_duplicates(["dataset", "group"])
    explained = np.nan
    if len(different) >= LEAST_GROUPS:
        explained = np.corrcoef(different["log_tokens"], different["entropy"])[0, 1] ** 2
    return groups.assign(
        fitted=line.intercept + line.slope * groups["log_tokens"],
        slope=line.slope,
        r_squared=explained,
        r_squared_texts=np.nan,
    )


def length_control_gaps(numbers: pd.DataFrame) -> pd.DataFrame:
    """Gaps between the two groups of every panel, in nats: as they are and after length.

    One row per source, model, panel and block: ``gap_raw`` and ``gap_after_length``, the first
    group's mean less the second's, of entropies and of residuals; ``r_squared`` and
    ``r_squared_texts`` of the block.
    """
    residuals = numbers.assign(
        gap_raw=numbers["entropy"], gap_after_length=numbers["entropy"] - numbers["fitted"]
    )
    keys = ["source", "model", "model_title", "block"]
    gaps = group_gaps(residuals, keys, ["gap_raw", "gap_after_length"])
    lines = numbers.drop_duplicates(keys)[[*keys, "slope", "r_squared", "r_squared_texts"]]
    return gaps.merge(lines, on=keys)


def length_control_captions(
    title: str,
    metrics: Sequence[str],
    models: dict[str, Entry],
    datasets: dict[str, Entry],
) -> tuple[str, str]:
    """Title and caption: whose numbers are on the left, and which models on the right."""
    called = pd.DataFrame([called for called, _, _ in run_metrics(metrics, models, datasets)])
    title, words = run_captions(f"{title}, length of the texts", called)
    return (
        title,
        "Left, published: means read off Liang 2024's plots against lengths counted in his "
        "stories, with a line through the six. Right, rebuilt: means of texts, with a line through "
        f"all texts. {words}. Dashed gaps are those of residuals from these lines, which know no "
        "groups.",
    )


def draw_length_control(
    numbers: pd.DataFrame, gaps: pd.DataFrame, title: str, subtitle: str
) -> Figure:
    """Draw `length_control_numbers` and `length_control_gaps`: a row per model.

    For published and for rebuilt: the group means of the middle block against their length with
    the line in log N, and the gaps across blocks before and after length.
    """
    styled(numbers, gaps, title, subtitle)
    models = dict(zip(numbers["model"], numbers["model_title"], strict=True))
    pairs = gap_colours(gaps["gap"])
    figure, axes = plt.subplots(
        len(models),
        4,
        figsize=(10.2, 1.5 + 1.95 * len(models)),
        squeeze=False,
        layout="constrained",
    )
    for model, row in zip(models, axes, strict=True):
        for source, means, across in ((PUBLISHED, *row[:2]), (REBUILT, *row[2:])):
            chosen = (numbers["source"] == source) & (numbers["model"] == model)
            of_model = gaps[(gaps["source"] == source) & (gaps["model"] == model)]
            _draw_means(means, numbers[chosen], of_model, pairs, source)
            _draw_gaps(across, of_model, pairs)
        label_ordinate(row[0], models[model], "$H$ (nats)")
        row[1].set_ylabel("Gap (nats)")
    for column, axis in enumerate(axes[-1]):
        if axis.has_data():
            axis.set_xlabel("Block (0 is the first)" if column % 2 else "Tokens (geometric mean)")
    figure.align_ylabels(axes[:, 0])
    figure.align_ylabels(axes[:, 1])
    frame_figure(figure, title, subtitle, _handles(pairs), 2)
    return figure


def _draw_means(
    axis: Axes, part: pd.DataFrame, gaps: pd.DataFrame, pairs: dict[str, Any], source: str
) -> None:
    head = source.capitalize()
    if part.empty:
        head_panel(axis, head, [("", GREY)])
        say(axis, f"not {source}")
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)  # not the axis, whose label names the model
        return
    blocks = sorted(set(part["block"]))
    block = blocks[len(blocks) // 2]
    middle = part[part["block"] == block].sort_values("log_tokens")
    tokens = np.exp(middle["log_tokens"])
    axis.plot(tokens, middle["fitted"], color=GREY, lw=1.0)
    named = dict(zip(gaps["panel"], gaps["gap"], strict=True))
    for panel, name in named.items():
        of_panel = part[(part["block"] == block) & (part["panel"] == panel)]
        groups = of_panel.set_index("group")
        for group, face in zip(groups.index, (pairs[name], "white"), strict=True):
            place = np.exp(groups.loc[group, "log_tokens"]), groups.loc[group, "entropy"]
            axis.plot(*place, color=pairs[name], ls="", marker="o", ms=4.5, mfc=face)
    axis.set_xscale("log")
    axis.set_xlim(tokens.min() / 1.15, tokens.max() * 1.15)
    axis.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.xaxis.set_minor_locator(NullLocator())
    head_panel(axis, head, [(_means_note(block, middle.iloc[0]), INK)])


def _means_note(block: int, line: pd.Series) -> str:
    """What the line of one block explains, of the means and of the texts where they are known."""
    parts = []
    if not np.isnan(line["r_squared"]):
        parts.append(f"R² of means {signed(line['r_squared'])}")
    if not np.isnan(line["r_squared_texts"]):
        parts.append(f"of texts {signed(line['r_squared_texts'])}")
    return f"block {block}: {', '.join(parts)}"


def _draw_gaps(axis: Axes, gaps: pd.DataFrame, pairs: dict[str, Any]) -> None:
    if gaps.empty:
        axis.set_axis_off()
        return
    axis.axhline(0, color=GREY, lw=0.6)
    single = "o" if gaps["block"].nunique() == 1 else None  # which has no line to see
    for pair, part in gaps.groupby("gap", sort=False):
        look = {"color": pairs[str(pair)], "marker": single, "ms": 3}
        axis.plot(part["block"], part["gap_raw"], **look)
        axis.plot(part["block"], part["gap_after_length"], ls=DASHED, mfc="white", **look)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    blocks = gaps.drop_duplicates("block")["r_squared"].dropna()
    note = ""
    if len(blocks):
        low, high = signed(blocks.min()), signed(blocks.max())
        note = f"R² of means {low} to {high}, median {signed(blocks.median())}"
    head_panel(axis, "", [(note, INK)])


def _handles(pairs: dict[str, Any]) -> list[Line2D]:
    dot: dict[str, Any] = {"color": GREY, "ls": "", "marker": "o", "ms": 4.5}
    return [
        Line2D([], [], label="first group of a gap", **dot),
        Line2D([], [], label="second group", mfc="white", **dot),
        Line2D([], [], color=GREY, label="gap, or the line in log N"),
        Line2D([], [], color=GREY, ls=DASHED, label="gap after length"),
        *(Line2D([], [], color=colour, label=plain(pair)) for pair, colour in pairs.items()),
    ]
