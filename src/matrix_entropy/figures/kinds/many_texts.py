"""Ranks of one vector for each of many texts, and what two views of each say, layer by layer.

The bound of so many texts stands in every panel of a rank: a curve near it says how many texts
there are, not what the model makes of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from matrix_entropy.base.errors import InputError
from matrix_entropy.figures.drawing import Drawing, Runs
from matrix_entropy.figures.metric_panels import BOUND, metric_panels
from matrix_entropy.figures.size_axis import log_ordinate
from matrix_entropy.figures.style import GREY, looks, styled
from matrix_entropy.figures.text import frame_figure, head_panel, plain
from matrix_entropy.maths.many_texts import OF_TEXTS
from matrix_entropy.maths.units import NATS, RANK
from matrix_entropy.results.metrics import read_metrics
from matrix_entropy.results.model_values import described_model
from matrix_entropy.results.text_metrics import ALL, OF_VIEWS, read_text_table

SMALL = 2.2  # points of a marker
TITLES = {
    "matrix_entropy": "Matrix entropy (nats)",
    "effective_rank": "Effective rank",
    "entropy_attained": "Entropy / bound",
    "dataset_entropy": "Dataset entropy (nats)",
    "rankme": "RankMe",
    "rankme_centred": "RankMe, centred",
    "power_law": "Exponent α (αReQ)",
    "participation_ratio": "Participation ratio (PR)",
    "participation_ratio_corrected": "PR, corrected",
    "lidar": "LiDAR",
    "lidar_relative": "LiDAR, relative δ",
    "dime": "DiME (nats)",
    "info_nce": "InfoNCE (nats)",
}
# How a pooling is drawn, on the colour and the marker of its model.
POOLED: dict[str, dict[str, Any]] = {
    "mean": {"ls": "-", "lw": 1.2},
    "last": {"ls": (0, (4, 2)), "lw": 0.9, "mfc": "white"},
}


def make(figure: dict[str, Any], runs: Runs) -> Drawing:
    """The figure of models on one data set, of all its texts together."""
    numbers = pd.concat(
        [
            _of_run(texts, metrics, runs)
            for texts, metrics in zip(runs.inputs["texts"], runs.metrics, strict=True)
        ],
        ignore_index=True,
    )
    count, viewed = int(numbers["texts"].max()), int(numbers["viewed"].max())
    says = f"one vector for each of {count} texts"
    if viewed:
        says += f", two views of {viewed}"
    return Drawing(draw_many_texts(numbers, *runs.captions(figure, numbers, says)), numbers)


def _of_run(texts: str, metrics: str, runs: Runs) -> pd.DataFrame:
    """A row per pooling and layer of one model, of all texts."""
    table, dataset = read_text_table(texts), Path(metrics).stem
    whole = table[table["group"] == (ALL if ALL in set(table["group"]) else table["group"][0])]
    titles = {"dataset": dataset, "dataset_title": runs.datasets[dataset].get("title", dataset)}
    about = described_model(metrics, runs.models[Path(metrics).parent.name])
    leading = whole.drop(columns=["group", "model", "dataset"])
    of_texts = read_metrics(metrics)[0].drop_duplicates("id")
    truncated = int(of_texts["truncated"].sum())
    return leading.assign(undefined=0, truncated=truncated, **about, **titles)


def shown_metrics(numbers: pd.DataFrame) -> list[str]:
    """The metrics that have a value, in their order.

    Raises
    ------
    InputError
        If none has.
    """
    found = [name for name in TITLES if numbers[name].notna().any()]
    if not found:
        raise InputError(
            "no metric of many texts has a value to draw: there are fewer than two texts; use "
            "more, or raise `sample:`."
        )
    return found


def bounds(part: pd.DataFrame, metric: str) -> Any:
    """The most that a metric of so many texts can be: min(N − 1, d) directions, or their log.

    Vectors as they are have one more than centred ones. NaN where its unit has no such bound.
    """
    units = {each.name: each.unit for each in OF_TEXTS} | {e.name: e.unit for e in OF_VIEWS}
    matrices = {each.name: each.matrix for each in OF_TEXTS}
    of_views = metric not in matrices
    texts = part["viewed"] if of_views else part["texts"]
    centred = matrices.get(metric) != "as_they_are"
    directions = np.minimum(texts - centred, part["width"]).astype(float)
    if units[metric] is NATS:
        return np.log(directions)
    return directions if units[metric] is RANK else np.full(len(part), np.nan)


def draw_many_texts(numbers: pd.DataFrame, title: str, subtitle: str) -> Figure:
    """Draw a panel per metric: layers of every model, pooled in every way.

    ``numbers`` have a row per ``model_title``, ``pooling`` and ``depth``, with ``width``,
    ``texts``, ``viewed`` and a column per metric.
    """
    styled(numbers, title, subtitle)
    metrics, models = shown_metrics(numbers), looks(numbers["model_title"])
    figure, axes = metric_panels(len(metrics), "Layer (last: behind the norm)")
    for axis, metric in zip(axes, metrics, strict=True):
        for (name, pooling), curve in numbers.groupby(["model_title", "pooling"], sort=False):
            _draw(axis, curve, metric, pooling, models[name])
        head_panel(axis, TITLES[metric], [])
        drawn = numbers[metric].replace(np.inf, np.nan)
        if metric == "participation_ratio_corrected" and drawn.min() > 0:
            log_ordinate(axis)
    frame_figure(figure, title, subtitle, _handles(models, list(numbers["pooling"].unique())))
    return figure


def _draw(axis: Axes, curve: pd.DataFrame, metric: str, pooling: str, look: dict[str, Any]) -> None:
    axis.plot(curve["depth"], bounds(curve, metric), **BOUND)
    axis.plot(curve["depth"], curve[metric], ms=SMALL, **look, **POOLED[pooling])


def _handles(models: dict[str, dict[str, Any]], poolings: list[str]) -> list[Line2D]:
    words = {"mean": "mean of a text's rows", "last": "last row of a text"}
    grey: dict[str, Any] = {"ms": SMALL, "color": GREY, "marker": "o"}
    return [
        *(Line2D([], [], ms=SMALL, label=plain(name), **look) for name, look in models.items()),
        *(Line2D([], [], label=words[each], **grey, **POOLED[each]) for each in poolings),
        Line2D([], [], label="most that so many texts can have", **BOUND),
    ]
