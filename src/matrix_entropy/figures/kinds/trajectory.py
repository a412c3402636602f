"""Models while they learnt: a number of every layer against the steps of training.

The width of a model is the same at every step, so that nothing here is changed by log d: what rises
or falls was learned. Checkpoints that do not lie on the curve of the others are marked.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from matrix_entropy.base.errors import InputError
from matrix_entropy.figures.drawing import Drawing, Runs
from matrix_entropy.figures.numbers import in_order
from matrix_entropy.figures.size_axis import LABEL_SIZE, LETTER, places_of, spread
from matrix_entropy.figures.style import COLOURS, styled
from matrix_entropy.figures.text import frame_figure, head_panel
from matrix_entropy.maths.trajectories import off_curve
from matrix_entropy.results.columns import METRICS, if_asked
from matrix_entropy.results.metrics import read_metrics
from matrix_entropy.results.model_values import described_model
from matrix_entropy.results.model_words import count

ENTROPY = "matrix_entropy_normalised"
SHADES = "cividis"
OFF: dict[str, Any] = {"color": COLOURS[1], "lw": 0.9, "ls": (0, (2, 2))}


def make(figure: dict[str, Any], runs: Runs) -> Drawing:
    """The figure of one or several models on one data set."""
    metric = figure.get("metric", ENTROPY)
    parts = [_checkpoint(path, metric, runs) for path in runs.metrics]
    numbers = with_scores(pd.concat(parts, ignore_index=True))
    if numbers["mean"].isna().all():
        raise InputError(
            f"no checkpoint has a value of `{metric}` to draw: all texts have too few distinct "
            "rows; use longer texts, or raise `max_tokens:`."
        )
    about = next(each for each in [*METRICS, *if_asked()] if each.name == metric)
    says = f"{about.says.replace('`', '')} ({about.source}), means over texts"
    same = "the width d is the same at every step"
    found = numbers.loc[numbers["off_curve"], ["model_title", "step"]].drop_duplicates()
    off = [f"{each.model_title} at step {each.step}" for each in found.itertuples()]
    more = [f"not on the curve of the others: {', '.join(off)}"] if off else []
    heading, words = runs.captions(figure, numbers, says, same, *more)
    return Drawing(draw_trajectories(numbers, heading, words), numbers)


def _checkpoint(path: str, metric: str, runs: Runs) -> pd.DataFrame:
    """A row per layer of one checkpoint."""
    metrics, provenance = read_metrics(path)
    entry = runs.models[Path(path).parent.name]
    checkpoint, dataset = entry["checkpoint"], provenance["dataset"]["name"]
    layers = metrics.groupby(["depth", "layer"], sort=True)
    found = layers.agg(
        texts=(metric, "size"),
        undefined=(metric, lambda values: values.isna().sum()),
        truncated=("truncated", "sum"),
        mean=(metric, "mean"),
        std=(metric, lambda values: values.std(ddof=0)),
        loss=("loss", "mean"),
    ).reset_index()
    described = described_model(path, entry | {"title": checkpoint["title"]})
    described |= {"model": checkpoint["model"]}
    titles = {"dataset_title": runs.datasets[dataset].get("title", dataset)}
    more = {"width": provenance["options"]["width"], "dataset": dataset, **titles}
    where = {"step": checkpoint["step"], "metric": metric}
    return found.assign(**(described | more | where))


def with_scores(numbers: pd.DataFrame) -> pd.DataFrame:
    """The numbers in their order, with ``score`` and ``off_curve`` of `maths.trajectories`.

    ``numbers`` has a row per ``model``, ``step`` and ``layer`` (at its ``depth``), with a ``mean``.
    """
    numbers = in_order(numbers, ["model", "step", "depth"])
    found = []
    for model, part in numbers.groupby("model", sort=False):
        curves = part.pivot(index="step", columns="depth", values="mean").dropna(axis=1, how="all")
        scores, flagged = off_curve(curves)
        found.append(
            pd.DataFrame(
                {"model": model, "step": curves.index, "score": scores, "off_curve": flagged}
            )
        )
    leading = ["model", "model_title", "dataset", "step", "layer", "metric", "mean", "std"]
    scored = numbers.merge(pd.concat(found), on=["model", "step"], how="left")
    return scored[[*leading, *(name for name in scored if name not in leading)]]


def draw_trajectories(numbers: pd.DataFrame, title: str, subtitle: str) -> Figure:
    """Draw the numbers of `with_scores`: a column per model, lines above a heat map of layers."""
    styled(numbers, title, subtitle)
    models = list(dict.fromkeys(numbers["model"]))
    figure, axes = plt.subplots(
        2,
        len(models),
        figsize=(max(4.6, 1.4 + 2.2 * len(models)), 4.6),
        sharex=True,
        squeeze=False,
        layout="constrained",
    )
    low, high = numbers["mean"].min(), numbers["mean"].max()
    norm = Normalize(low, high)
    ticks: list[tuple[Axes, list[int]]] = []
    for number, (model, (above, below)) in enumerate(zip(models, axes.T, strict=True)):
        part = numbers[numbers["model"] == model]
        table = part.pivot(index="depth", columns="step", values="mean")
        names = part.drop_duplicates("depth").sort_values("depth")["layer"].tolist()
        _lines(above, table)
        _heat_map(below, table, norm)
        wrong = table.columns.isin(part.loc[part["off_curve"], "step"])
        for step in table.columns[wrong]:
            above.axvline(_place(step), **OFF)
            edges = _edges(table.columns)[table.columns.get_loc(step) :][:2]
            below.axvspan(*edges, fill=False, edgecolor=OFF["color"], lw=1.2)
        head_panel(above, part["model_title"].iloc[0], [])
        above.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))
        shown = sorted(spread([10.0 * at for at in range(len(names))], 140 / len(models) + 10))
        shown = shown if len(names) > 8 else list(range(len(names)))
        below.set_yticks(shown, [names[at] for at in shown])
        below.grid(False)
        below.set_xlabel("Steps of training")
        if number == 0:
            above.set_ylabel(_label(numbers["metric"].iloc[0]))
            below.set_ylabel("Layer")
        else:
            above.tick_params(labelleft=False)
        ticks.append((below, list(table.columns)))
    figure.colorbar(ScalarMappable(norm, SHADES), ax=list(axes[1]), aspect=12, pad=0.02)
    frame_figure(figure, title, subtitle, _handles(bool(numbers["off_curve"].any())))
    for below, steps in ticks:
        places = places_of(figure, below, _place(steps))
        gap = max(len(_short(step)) for step in steps) * LETTER + 3
        kept = spread(places, gap)
        labels = [_short(step) if at in kept else "" for at, step in enumerate(steps)]
        below.set_xticks(_place(steps), labels, fontsize=LABEL_SIZE)
    return figure


def _lines(axis: Axes, table: pd.DataFrame) -> None:
    """A line per layer: thin and from light to dark, the last one full."""
    shades = plt.get_cmap("viridis_r")(np.linspace(0.1, 1, len(table)))
    places = _place(table.columns)
    for shade, (depth, values) in zip(shades, table.iterrows(), strict=True):
        last = depth == table.index[-1]
        axis.plot(places, values, color=shade, lw=1.8 if last else 0.9, marker="o", ms=1.8)


def _heat_map(axis: Axes, table: pd.DataFrame, norm: Normalize) -> None:
    depths = np.arange(len(table) + 1) - 0.5
    axis.pcolormesh(_edges(table.columns), depths, table, norm=norm, cmap=SHADES)


def _place(steps: ArrayLike) -> NDArray[np.float64]:
    """Where steps stand: logarithmic, with the first weights, which no step has changed, at 0."""
    place: NDArray[np.float64] = np.log10(1 + np.asarray(steps, dtype=np.float64))
    return place


def _edges(steps: ArrayLike) -> NDArray[np.float64]:
    """Ends of the cells of a heat map: between the steps, and as far beyond them."""
    places = _place(steps)
    between = (places[1:] + places[:-1]) / 2
    return np.concatenate([[2 * places[0] - between[0]], between, [2 * places[-1] - between[-1]]])


def _handles(off: bool) -> list[Line2D]:
    shade = plt.get_cmap("viridis_r")
    found = [
        Line2D([], [], color=shade(0.1), lw=0.9, marker="o", ms=1.8, label="first layer"),
        Line2D([], [], color=shade(1.0), lw=1.8, marker="o", ms=1.8, label="last layer"),
    ]
    return [*found, *([Line2D([], [], label="not on the curve", **OFF)] if off else [])]


def _label(metric: str) -> str:
    """What stands at the ordinate."""
    if metric == ENTROPY:
        return "Matrix entropy / log $d$"
    return next(each.label for each in [*METRICS, *if_asked()] if each.name == metric)


def _short(step: int) -> str:
    """A step as a tick says it: the number itself, or in thousands.

    Examples
    --------
    >>> _short(512), _short(143000)
    ('512', '143k')
    """
    return str(step) if step < 1000 else count(step)
