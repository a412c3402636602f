"""Normalised entropy against model size from published numbers alone: Tan et al. 2024, Figure 1.

Equation (1) turns a share ``r/d`` of the dimensions into a normalised entropy. The paper takes the
share from the matrix entropies ``H / log d`` that Wei et al. 2024 print, and says no more than
that; so both readings are drawn: effective rank over width, ``exp(H) / d = d^(H/log d − 1)``, and
``H / log d`` itself. Beside them stands the null of one effective rank for models of any size: it
has a model's width in it and nothing that the model learned. No model runs here.
"""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from matrix_entropy.figures.drawing import Drawing, Runs, titled
from matrix_entropy.figures.numbers import in_order
from matrix_entropy.figures.size_axis import label_columns, log_ordinate
from matrix_entropy.figures.style import GREY, looks, styled
from matrix_entropy.figures.text import frame_figure, head_panel, signed
from matrix_entropy.maths.entropy import nats, normalised, rank_of_entropy
from matrix_entropy.maths.information_gain import normalised_coding_rate
from matrix_entropy.maths.scaling import fit_power_law
from matrix_entropy.published.tables import WEI, published_models, published_values

TABLES = (8, 9)  # of Wei et al. 2024: Cerebras-GPT and Pythia
FAMILIES = {"cerebras-gpt": "Cerebras-GPT", "pythia": "Pythia"}
EPSILON = 0.1  # the paper's
NULL_RANK = 55.0  # about what the published entropies on dolly-15k and hh-rlhf come to
RANK, ENTROPY = "effective rank / d", "H / log d"
READINGS = {
    RANK: "Normalised entropy\nof r/d = effective rank / $d$",
    ENTROPY: "Normalised entropy\nof r/d = $H$ / log $d$",
}
NULL = "constant effective rank"
LAW, LAW_WITH_OFFSET = "power law", "power law with offset"
DASHED = (0, (4, 2))
COLUMNS = (
    *("reading", "family", "model", "size", "parameters", "width", "dataset"),
    *("matrix_entropy", "effective_rank", "rank_share", "normalised_entropy"),
    *("null_effective_rank", "null"),
)


def make(figure: dict[str, Any], runs: Runs) -> Drawing:
    """Normalised entropy of published numbers against size."""
    epsilon = figure["epsilon"]
    numbers = published_entropy_numbers(epsilon)
    fits = published_entropy_fits(numbers)
    captions = published_entropy_captions(titled(figure), epsilon)
    return Drawing(draw_published_entropy(numbers, fits, *captions), numbers, {"fits": fits})


def published_entropy_numbers(
    epsilon: float = EPSILON, null_rank: float = NULL_RANK
) -> pd.DataFrame:
    """The numbers that the figure draws: one row per reading, family, data set and size.

    ``matrix_entropy`` is the published ``H / log d``, ``effective_rank`` is ``exp H``,
    ``rank_share`` what the reading takes for ``r/d`` and ``normalised_entropy`` eq. (1) of it.
    ``null`` is eq. (1) of the share that ``null_effective_rank`` has at the model's width.
    """
    values = pd.concat([published_values(WEI, table) for table in TABLES], ignore_index=True)
    values = values[values["indicator"] == "matrix_entropy"]
    numbers = values.rename(columns={"value": "matrix_entropy"}).merge(
        published_models(), on=["model_family", "size"], how="left", validate="many_to_one"
    )
    family = numbers["model_family"].map(FAMILIES)
    numbers = numbers.assign(
        family=family,
        model=family + "-" + numbers["size"],
        effective_rank=rank_of_entropy(nats(numbers["matrix_entropy"], numbers["width"])),
        null_effective_rank=null_rank,
    )
    numbers = pd.concat([numbers.assign(reading=reading) for reading in READINGS])
    for rank, share, entropy in (
        ("effective_rank", "rank_share", "normalised_entropy"),
        ("null_effective_rank", "null_share", "null"),
    ):
        logarithm = normalised(np.log(numbers[rank]), numbers["width"])
        ratio = numbers[rank] / numbers["width"]
        numbers[share] = ratio.where(numbers["reading"] == RANK, logarithm)
        numbers[entropy] = normalised_coding_rate(numbers[share].to_numpy(), epsilon)
    numbers = in_order(numbers, ["reading", "family", "dataset", "parameters"])
    return numbers[list(COLUMNS)]


def published_entropy_fits(numbers: pd.DataFrame) -> pd.DataFrame:
    """Power laws of `published_entropy_numbers`: a row per reading, family, data set and kind.

    ``y = offset + coefficient · parameters ^ exponent``, where ``low`` and ``high`` are the 95 %
    interval of the exponent (`maths.scaling.fit_power_law` says how, and where it is
    open). The null of a family has its name in ``dataset``. Where a fit means nothing, its numbers
    are NaN and ``note`` says why.
    """
    rows = []
    for (reading, family), part in numbers.groupby(["reading", "family"], sort=False):
        curves = {
            dataset: (curve["parameters"], curve["normalised_entropy"])
            for dataset, curve in part.groupby("dataset", sort=False)
        }
        null = part.drop_duplicates("model")
        curves[NULL] = (null["parameters"], null["null"])
        for dataset, (sizes, entropies) in curves.items():
            where = {"reading": reading, "family": family, "dataset": dataset}
            for kind in (LAW, LAW_WITH_OFFSET):
                rows.append({**where, "kind": kind, **_law(sizes, entropies, kind)})
    return pd.DataFrame(rows)


def _law(sizes: pd.Series, entropies: pd.Series, kind: str) -> dict[str, Any]:
    law = fit_power_law(sizes, entropies, offset=kind == LAW_WITH_OFFSET)
    found = {
        "exponent": law.exponent,
        "low": law.interval[0],
        "high": law.interval[1],
        "coefficient": law.coefficient,
        "offset": law.offset,
        "r_squared": law.r_squared,
    }
    if law.degenerate:
        found = dict.fromkeys(found, np.nan)
    return {"points": law.points, **found, "note": law.degenerate}


def published_entropy_captions(title: str, epsilon: float = EPSILON) -> tuple[str, str]:
    """Title and caption: whose numbers these are, and that nothing was measured for them."""
    return (
        f"{title}: {' and '.join(FAMILIES.values())}",
        f"Eq. (1) with ε = {epsilon:g} of the matrix entropies that Wei et al. 2024 print in "
        f"Tables {' and '.join(map(str, TABLES))}; no model was run. Each note: exponent with its "
        "95 % interval, and R² of logarithms.",
    )


def draw_published_entropy(
    numbers: pd.DataFrame, fits: pd.DataFrame, title: str, subtitle: str
) -> Figure:
    """Draw the numbers of `published_entropy_numbers` and the fits of `published_entropy_fits`.

    A row per reading of r/d, a column per family, a curve per data set; both axes are logarithmic.
    """
    styled(numbers, title, subtitle)
    families = list(dict.fromkeys(numbers["family"]))
    datasets = looks(numbers["dataset"])
    figure, axes = plt.subplots(
        len(READINGS),
        len(families),
        figsize=(0.6 + 3.4 * len(families), 1.2 + 3.1 * len(READINGS)),
        sharex="col",
        sharey="row",
        squeeze=False,
        layout="constrained",
    )
    for reading, row in zip(READINGS, axes, strict=True):
        for family, axis in zip(families, row, strict=True):
            part = numbers[(numbers["reading"] == reading) & (numbers["family"] == family)]
            panel_fits = fits[(fits["reading"] == reading) & (fits["family"] == family)]
            laws = panel_fits[panel_fits["kind"] == LAW].set_index("dataset")
            for dataset, look in datasets.items():
                _draw_curve(axis, part[part["dataset"] == dataset], laws.loc[dataset], look)
            null = part.drop_duplicates("model")
            axis.plot(null["parameters"], null["null"], color=GREY, lw=1.0, ls=DASHED)
            words = [(_note(name, laws), look["color"]) for name, look in datasets.items()]
            words.append((_note(NULL, laws), "#6A6A6A"))
            head_panel(axis, family if reading == RANK else "", words)
        row[0].set_ylabel(READINGS[reading])
        log_ordinate(row[0])
    figure.align_ylabels(axes[:, 0])
    frame_figure(figure, title, subtitle, _handles(datasets, numbers))
    columns = [numbers[numbers["family"] == family].assign(stand_in=False) for family in families]
    label_columns(figure, [([axis], part) for axis, part in zip(axes[-1], columns, strict=True)])
    return figure


def _draw_curve(axis: Axes, curve: pd.DataFrame, law: pd.Series, look: dict[str, Any]) -> None:
    axis.plot(curve["parameters"], curve["normalised_entropy"], ls="", ms=4, **look)
    ends = curve["parameters"].iloc[[0, -1]]  # on logarithmic axes a power law is straight
    axis.plot(ends, law["coefficient"] * ends ** law["exponent"], color=look["color"], lw=0.8)


def _note(name: str, laws: pd.DataFrame) -> str:
    law = laws.loc[name]
    interval = f"({signed(law['low'])} to {signed(law['high'])})"
    called = "null" if name == NULL else name
    return f"{called}: {signed(law['exponent'])} {interval}, R² {signed(law['r_squared'])}"


def _handles(datasets: dict[str, dict[str, Any]], numbers: pd.DataFrame) -> list[Line2D]:
    rank = numbers["null_effective_rank"].iloc[0]
    return [
        *(Line2D([], [], ls="", ms=4, label=name, **look) for name, look in datasets.items()),
        Line2D([], [], color=GREY, lw=0.8, label="power law"),
        Line2D([], [], color=GREY, lw=1.0, ls=DASHED, label=f"null: effective rank {rank:g}"),
    ]
