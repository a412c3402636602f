"""Entropy, effective rank, loss and perplexity against model size: Wei et al. 2024, Figures 1, 6.

The rank is the control: it is the same entropy without the division by ``log d``. Beside the power
laws stands the null of one constant effective rank, which has a model's width in it and nothing
that it learned.
"""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from matrix_entropy.figures.drawing import Drawing, Runs
from matrix_entropy.figures.numbers import LEAST_MODELS, null_of, require_entropy, with_null
from matrix_entropy.figures.size_axis import label_sizes, log_ordinate
from matrix_entropy.figures.style import GREY, MARKERS, looks, styled
from matrix_entropy.figures.text import frame_figure, head_panel, plain, say, signed
from matrix_entropy.maths.scaling import FLATTEST, STEEPEST, Null, fit_power_law
from matrix_entropy.published.curves import published_sizes

NULL = "constant effective rank"
LAW, LAW_WITH_OFFSET = "power law", "power law with offset"
FITTED = ("entropy_a", "effective_rank_geometric", "loss")
ROWS = {
    "entropy_a": "Matrix entropy / log $d$",
    "effective_rank_geometric": "Effective rank\nexp(mean entropy)",
    "loss": "Loss (nats per token)",
    "ppl_token": "Perplexity",
}
PERPLEXITIES = {
    "ppl_token": "perplexity: each text alone",
    "ppl_windows": "perplexity: texts one after another, in windows",
}
MARKS: dict[str, Any] = {"ls": "", "ms": 4}
# Wider than the full marks, as the two perplexities of a model nearly agree.
HOLLOW: dict[str, Any] = {"ls": "", "ms": 6.5, "mfc": "none", "mew": 0.9}
MARKS_OF = {"ppl_windows": HOLLOW}
PUBLISHED: dict[str, Any] = {"color": GREY, "lw": 0.9, "ms": 3, "zorder": 1.5, "alpha": 0.8}
NULL_OF_ROW = {"entropy_a": "null_entropy_a", "effective_rank_geometric": "null_effective_rank"}
DRAWN = (
    "model",
    "family",
    "size",
    "parameters",
    "width",
    "stand_in",
    "weights",
    "shown",
    "dataset",
    "dataset_title",
    "texts",
    "undefined",
    "tokens_mean",
    "entropy_a",
    "effective_rank_geometric",
    "effective_rank",
    "loss",
    "ppl_token",
    "ppl_windows",
)


def make(figure: dict[str, Any], runs: Runs) -> Drawing:
    """Entropy, rank, loss and perplexity against size, with published points behind if asked."""
    values = runs.values()
    values["shown"] = ~values["model"].isin(figure.get("leave_out", []))
    numbers = scaling_numbers(values)
    fits = scaling_fits(numbers)
    names = dict(zip(values["dataset"], values["published_dataset"], strict=True))
    behind = published_sizes(numbers, names) if figure["overlay"] else None
    drawn = draw_scaling(numbers, fits, *runs.captions(figure, values), published=behind)
    return Drawing(drawn, numbers, {"fits": fits})


def scaling_numbers(values: pd.DataFrame) -> pd.DataFrame:
    """The numbers that the figure draws: one row per model and data set, in order of size.

    ``null_entropy_a`` and ``null_effective_rank`` are what one constant effective rank for all
    models of the family predicts: ``c / log d`` and ``exp(c)``; NaN where it has no fit.
    A model whose ``shown`` is false is neither drawn nor fitted.

    Raises
    ------
    InputError
        If there is no entropy to draw.
    """
    values = values.assign(shown=values.get("shown", True))
    require_entropy(values[values["shown"]])
    parts = []
    for _, part in values[list(DRAWN)].groupby(["dataset", "family"], sort=False):
        part = with_null(part, part[part["shown"]])
        parts.append(part.sort_values("parameters", kind="stable"))
    return pd.concat(parts, ignore_index=True)


def scaling_fits(numbers: pd.DataFrame) -> pd.DataFrame:
    """Fits of the numbers of `scaling_numbers`: a row per data set, family, indicator and kind.

    Power laws ``y = offset + coefficient · parameters ^ exponent`` have ``low`` and ``high``, the
    95 % interval of the exponent; the null of a constant effective rank has it in
    ``effective_rank``. Where a fit means nothing its numbers are NaN and ``note`` says why;
    it also says where an interval is open, at an end of the exponents that were searched.
    """
    rows = []
    for (dataset, family), part in numbers.groupby(["dataset", "family"], sort=False):
        where = {"dataset": dataset, "family": family}
        for indicator in FITTED:
            for kind in (LAW, LAW_WITH_OFFSET):
                rows.append(
                    {**where, "indicator": indicator, "kind": kind, **_law(part, indicator, kind)}
                )
        null = _null(part)
        found: dict[str, Any] = {
            "note": f"fewer than {LEAST_MODELS} models with different entropies"
        }
        if null is not None:
            found = {"effective_rank": null.effective_rank, "r_squared": null.r_squared, "note": ""}
        points = int(part.loc[part["shown"], "entropy_a"].notna().sum())
        rows.append({**where, "indicator": "entropy_a", "kind": NULL, "points": points, **found})
    columns = ["exponent", "low", "high", "coefficient", "offset", "effective_rank", "r_squared"]
    order = ["dataset", "family", "indicator", "kind", "points", *columns, "note"]
    return pd.DataFrame(rows).reindex(columns=order)


def _law(part: pd.DataFrame, indicator: str, kind: str) -> dict[str, Any]:
    shown = part[part["shown"]]
    points = int(shown[indicator].notna().sum())
    try:
        law = fit_power_law(shown["parameters"], shown[indicator], offset=kind == LAW_WITH_OFFSET)
    except ValueError as error:  # too few sizes, or no logarithm: the reason belongs in the table
        return {"points": points, "note": str(error)}
    if law.degenerate:
        return {"points": points, "note": law.degenerate}
    low, high = law.interval
    return {
        "points": points,
        "exponent": law.exponent,
        "low": low,
        "high": high,
        "coefficient": law.coefficient,
        "offset": law.offset,
        "r_squared": law.r_squared,
        "note": _open_ends(low, high) if kind == LAW_WITH_OFFSET else "",
    }


def _open_ends(low: float, high: float) -> str:
    """What to say of an interval that ends where the search for exponents did."""
    ends = ((low, STEEPEST), (high, FLATTEST))
    reached = [f"{limit:g}" for end, limit in ends if np.isclose(end, limit, 1e-3)]
    return f"interval open at {' and '.join(reached)}" if reached else ""


def _null(part: pd.DataFrame) -> Null | None:
    shown = part[part["shown"]]
    return null_of(shown["entropy_a"], shown["width"])


def draw_scaling(
    numbers: pd.DataFrame,
    fits: pd.DataFrame,
    title: str,
    subtitle: str,
    published: pd.DataFrame | None = None,
) -> Figure:
    """Draw the numbers of `scaling_numbers` and the fits of `scaling_fits`.

    A column per data set and a row per indicator that was measured, each with one ordinate; one
    logarithmic abscissa for all. Both perplexities, where measured, share a row. ``published``,
    from `published.curves.published_sizes`, stands in grey behind them.
    """
    styled(numbers, title, subtitle)
    shown = numbers[numbers["shown"]]
    datasets = list(dict.fromkeys(shown["dataset"]))
    rows = [name for name in ROWS if shown[_columns(name)].notna().any(axis=None)]
    families = looks(shown["family"])
    notes = 2 * len(families)
    figure, axes = plt.subplots(
        len(rows),
        len(datasets),
        figsize=(max(5.2, 0.6 + 2.55 * len(datasets)), 1.3 + (1.5 + 0.1 * notes) * len(rows)),
        sharex=True,
        sharey="row",
        squeeze=False,
        layout="constrained",
    )
    for column, dataset in enumerate(datasets):
        part = shown[shown["dataset"] == dataset]
        for line, (row, axis) in enumerate(zip(rows, axes[:, column], strict=True)):
            panel_fits = fits[(fits["dataset"] == dataset) & (fits["indicator"] == row)]
            if part[_columns(row)].isna().all(axis=None):
                say(axis, "not measured")
            for family, look in families.items():
                if published is not None:
                    theirs = published[published["dataset"] == dataset]
                    _draw_published(axis, theirs[theirs["family"] == family], row, look)
                _draw(axis, part[part["family"] == family], row, look)
                measured = part[(part["family"] == family) & part[row].notna()]
                _draw_law(axis, measured, panel_fits, family, look)
            words = [
                (note, look["color"])
                for family, look in families.items()
                for note in _notes(panel_fits[panel_fits["family"] == family])
            ]
            head_panel(axis, part["dataset_title"].iloc[0] if line == 0 else "", words)
    for row, line_of_axes in zip(rows, axes, strict=True):
        line_of_axes[0].set_ylabel(ROWS[row])
        if row == "ppl_token":
            log_ordinate(line_of_axes[0])
    figure.align_ylabels(axes[:, 0])
    measures = [name for name in PERPLEXITIES if shown[name].notna().any()]
    handles = _handles(families, measures)
    if published is not None and len(published):
        # At the places of the models of these names, also where those are stand-ins.
        label = "published, by name" if numbers["stand_in"].any() else "published"
        handles.append(Line2D([], [], label=label, **PUBLISHED, marker=MARKERS[0]))
    frame_figure(figure, title, subtitle, handles)
    label_sizes(figure, list(axes[-1]), shown)
    return figure


def _draw_published(axis: Axes, part: pd.DataFrame, row: str, look: dict[str, Any]) -> None:
    # The paper's perplexity is held against that of windows.
    column = "ppl_windows" if row in PERPLEXITIES else row
    axis.plot(part["parameters"], part[column], **PUBLISHED, marker=look["marker"])


def _columns(row: str) -> list[str]:
    """What a row of panels draws."""
    return list(PERPLEXITIES) if row in PERPLEXITIES else [row]


def _draw(axis: Axes, part: pd.DataFrame, row: str, look: dict[str, Any]) -> None:
    for column in _columns(row):
        axis.plot(part["parameters"], part[column], **MARKS_OF.get(column, MARKS), **look)
    if row in NULL_OF_ROW:
        null = part[NULL_OF_ROW[row]]
        axis.plot(part["parameters"], null, color=look["color"], lw=0.9, ls=(0, (4, 2)))


def _draw_law(
    axis: Axes, part: pd.DataFrame, fits: pd.DataFrame, family: str, look: dict[str, Any]
) -> None:
    laws = fits[(fits["family"] == family) & (fits["kind"] == LAW) & fits["exponent"].notna()]
    for law in laws.itertuples():
        sizes = np.geomspace(part["parameters"].min(), part["parameters"].max(), 100)
        axis.plot(sizes, law.coefficient * sizes**law.exponent, color=look["color"], lw=0.8)


def _notes(fits: pd.DataFrame) -> list[str]:
    """What a panel says about one family's fits, a line for each."""
    notes = []
    for fit in fits[fits["kind"].isin([LAW, NULL]) & (fits["points"] > 0)].itertuples():
        if np.isnan(fit.r_squared):
            notes.append(f"no {'power law' if fit.kind == LAW else 'null'} (n = {fit.points})")
        elif fit.kind == NULL:
            notes.append(f"null: rank {fit.effective_rank:.1f}, R² {signed(fit.r_squared)}")
        else:
            interval = ""
            if not np.isnan(fit.low):
                interval = f" ({signed(fit.low)} to {signed(fit.high)})"
            notes.append(f"exponent {signed(fit.exponent)}{interval}, R² {signed(fit.r_squared)}")
    return notes


def _handles(families: dict[str, dict[str, Any]], perplexities: list[str]) -> list[Line2D]:
    only = next(iter(families.values()))["color"] if len(families) == 1 else GREY
    mark: dict[str, Any] = {"color": only, "marker": MARKERS[0]}
    return [
        *(Line2D([], [], label=plain(name), **MARKS, **look) for name, look in families.items()),
        Line2D(
            [],
            [],
            color=only,
            lw=0.8,
            label="power law: exponent with 95 % interval, R² of logarithms",
        ),
        Line2D(
            [], [], color=only, lw=0.9, ls=(0, (4, 2)), label="null: one constant effective rank"
        ),
        *(
            Line2D([], [], label=PERPLEXITIES[name], **MARKS_OF.get(name, MARKS), **mark)
            for name in perplexities
        ),
    ]
