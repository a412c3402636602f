"""The metrics: the numbers of every text, and what is made of them over texts.

From here follow the columns of the tables (`results.metrics`), what is refused as damaged, and the
lists in docs/metrics.md. A new metric of a spectrum is a function in `maths`, an entry in `METRICS`
and a test. Columns only where a data set asks for them are the further metrics of a spectrum in
`maths.ranks`, and those of the hidden states themselves in `maths.measures` and
`maths.model_measures`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from matrix_entropy.maths import measures, ranks
from matrix_entropy.maths.entropy import (
    dataset_normalisations,
    entropy_bound,
    normalised,
    rank_of_entropy,
)
from matrix_entropy.maths.model_measures import OF_MODEL, ModelMeasure
from matrix_entropy.maths.units import NATS, RANK, SHARE, Unit, spread_of
from matrix_entropy.results.asked_views import ALL_ROWS
from matrix_entropy.results.spectra_file import Spectra

Float64 = NDArray[np.float64]


class Metric(NamedTuple):
    """A number of every text at every layer, NaN where it has none.

    One of a spectrum has none exactly where there is no spectrum.

    Attributes
    ----------
    name : str
        Its column.
    of : callable
        From spectra and their matrix entropies in nats to an array of shape (views, layers, texts);
        `of_each` makes it from a function of one text's eigenvalues.
    unit : Unit
        With limits that a value is never outside of.
    says, source : str
        What it is, and where it is defined.
    of_views : bool
        Whether the table of texts has columns of it for the controls and cuts too.
    called : str
        At an axis; by default what its name says.
    """

    name: str
    of: Callable[[Spectra, Float64], Float64]
    unit: Unit
    says: str
    source: str
    of_views: bool = True
    called: str = ""

    @property
    def label(self) -> str:
        """What stands at its axis, with the unit if it has one."""
        unit = "" if self.unit.name == "1" else f" ({self.unit.name})"
        return self.heading + unit

    @property
    def heading(self) -> str:
        """What it is called where there is no room for the unit."""
        return self.called or self.name.replace("_", " ").capitalize()


class Mean(NamedTuple):
    """A number of a group's texts at a layer: a column of summaries.

    ``over`` gets values of the metric ``of``, a text each, and the width.
    """

    name: str
    of: str
    over: Callable[[Float64, int], float]
    unit: Unit
    says: str


def of_each(function: Callable[[Float64], float]) -> Callable[[Spectra, Float64], Float64]:
    """A metric's values from a function of the eigenvalues of one text, which has some."""

    def values(spectra: Spectra, entropies: Float64) -> Float64:
        parts = np.split(spectra.eigenvalues, np.cumsum(spectra.counts)[:-1])
        found = [function(part) if len(part) else np.nan for part in parts]
        return np.array(found, dtype=np.float64).reshape(spectra.counts.shape)

    return values


def mean(values: Float64, width: int = 0) -> float:
    """Mean of the values that are defined; NaN if none is."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")


def std(values: Float64, width: int = 0) -> float:
    """Standard deviation (ddof 0) of the values that are defined; NaN if none is."""
    defined = values[~np.isnan(values)]
    return float(defined.std()) if len(defined) else float("nan")


def sem(values: Float64) -> float:
    """Standard error of the mean of the values that are defined; NaN of fewer than two."""
    defined = values[~np.isnan(values)]
    return float(defined.std(ddof=1) / np.sqrt(len(defined))) if len(defined) > 1 else float("nan")


def _way(key: str) -> Callable[[Float64, int], float]:
    """One of the three ways of making one number of many entropies."""
    return lambda entropies, width: dataset_normalisations(entropies, width)[key]


# In the order of the columns.
METRICS = [
    Metric(
        "matrix_entropy", lambda spectra, entropies: entropies, NATS,
        "matrix entropy `H = −Σ λ log λ`", "Wei et al. 2024, eq. 2",
    ),
    Metric(
        "matrix_entropy_normalised",
        lambda spectra, entropies: normalised(entropies, spectra.width), SHARE,
        "`H / log d`", "Wei et al. 2024, eq. 3; Liang 2024, section 3.2.1",
    ),
    Metric(
        "effective_rank", lambda spectra, entropies: rank_of_entropy(entropies), RANK,
        "effective rank `exp H`", "Wei et al. 2024, after Roy and Vetterli 2007",
        of_views=False,
    ),
    Metric(
        "entropy_bound_normalised",
        lambda spectra, _: normalised(entropy_bound(spectra.rows, spectra.width), spectra.width),
        SHARE, "what N rows can have at most: `log min(N − 1, d) / log d`", "this project",
        of_views=False,
    ),
]  # fmt: skip

MEANS = [
    Mean("matrix_entropy", "matrix_entropy", mean, NATS, "mean of `H`"),
    Mean(
        "entropy_a", "matrix_entropy", _way("a"), SHARE,
        "mean of `H / log d`, (a) of Wei et al. 2024, section 5.3",
    ),
    Mean("entropy_b", "matrix_entropy", _way("b"), SHARE, "`exp(mean H) / d`, (b) there"),
    Mean("entropy_c", "matrix_entropy", _way("c"), SHARE, "mean of `exp H / d`, (c) there"),
    Mean(
        "entropy_a_std", "matrix_entropy_normalised", std, spread_of(SHARE),
        "standard deviation of `H / log d` over texts (ddof 0)",
    ),
    Mean("effective_rank", "effective_rank", mean, RANK, "mean of `exp H`"),
    Mean(
        "effective_rank_std", "effective_rank", std, spread_of(RANK),
        "standard deviation of `exp H` over texts (ddof 0)",
    ),
    Mean(
        "effective_rank_geometric", "matrix_entropy",
        lambda entropies, _: float(rank_of_entropy(mean(entropies))), RANK, "`exp(mean H)`",
    ),
    Mean("entropy_bound", "entropy_bound_normalised", mean, SHARE, "mean of the texts' bounds"),
]  # fmt: skip


def means() -> list[Mean]:
    """The columns of all summaries: `MEANS`, and those of the metrics that it does not name."""
    named = {each.of for each in MEANS}
    return [*MEANS, *means_of(metric for metric in METRICS if metric.name not in named)]


def means_of(metrics: Iterable[Metric]) -> list[Mean]:
    """Mean and deviation of every metric."""
    return [
        found
        for metric in metrics
        for found in (
            Mean(metric.name, metric.name, mean, metric.unit, f"mean of the {metric.says}"),
            Mean(
                f"{metric.name}_std", metric.name, std, spread_of(metric.unit),
                f"standard deviation of the {metric.says} over texts (ddof 0)",
            ),
        )
    ]  # fmt: skip


def of_spectra() -> list[Metric]:
    """The metrics of a spectrum that a data set may ask for, as metrics."""
    return [
        Metric(each.name, _of_width(each), each.unit, each.says, each.source, False, each.called)
        for each in ranks.RANKS
    ] + [
        Metric(each.name, _of_rows(each), each.unit, each.says, each.source, of_views=False)
        for each in ranks.CORRECTED
    ]


def _of_rows(rank: ranks.OfRows) -> Callable[[Spectra, Float64], Float64]:
    """Values of every spectrum, of as many rows as it counts."""

    def values(spectra: Spectra, entropies: Float64) -> Float64:
        parts = np.split(spectra.eigenvalues, np.cumsum(spectra.counts)[:-1])
        rows = spectra.rows.ravel().tolist()
        found = [rank.of(part, spectra.width, n) for part, n in zip(parts, rows, strict=True)]
        return np.array(found, dtype=np.float64).reshape(spectra.counts.shape)

    return values


def _of_width(rank: ranks.Rank) -> Callable[[Spectra, Float64], Float64]:
    """Values of every spectrum, whose width is that of all."""

    def values(spectra: Spectra, entropies: Float64) -> Float64:
        return of_each(lambda eigenvalues: rank.of(eigenvalues, spectra.width))(spectra, entropies)

    return values


def measured() -> list[Metric]:
    """The measures of hidden states, as metrics of what is kept of them beside spectra."""
    return [*map(_as_metric, measures.MEASURES), *map(_as_metric, OF_MODEL)]


def _as_metric(each: measures.Measure | ModelMeasure) -> Metric:
    of = _of_all_rows(each.name)
    return Metric(each.name, of, each.unit, each.says, each.source, False, each.called)


def _of_all_rows(name: str) -> Callable[[Spectra, Float64], Float64]:
    """A measure's values, NaN in every view but that of all rows."""

    def values(spectra: Spectra, entropies: Float64) -> Float64:
        found = np.full(spectra.counts.shape, np.nan)
        if ALL_ROWS in spectra.views:
            kept = spectra.measured[spectra.measures.index(name)]
            found[spectra.views.index(ALL_ROWS)] = kept
        return found

    return values


def if_asked() -> list[Metric]:
    """All that is a column only where a data set asks for it."""
    return [*of_spectra(), *measured()]


def described(metrics: Iterable[Metric]) -> str:
    """Metrics as a table of Markdown."""
    lines = [f"| `{m.name}` | {m.says} | {m.unit.name} | {m.source} |" for m in metrics]
    return "\n".join(["| column | what | unit | source |", "|---|---|---|---|", *lines])


def of_summary_described() -> str:
    """What is made of them over texts as a table of Markdown."""
    lines = [f"| `{m.name}` | {m.says} | {m.unit.name} |" for m in means()]
    return "\n".join(["| column | what | unit |", "|---|---|---|", *lines])
