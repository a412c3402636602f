"""What a kind of figure is made from, and what it makes: the two ends of its function ``make``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from matrix_entropy.base.files import write_csv
from matrix_entropy.figures.style import save_figure
from matrix_entropy.figures.text import left_out_in_front, model_captions
from matrix_entropy.results.metrics import read_provenance
from matrix_entropy.results.model_values import FINAL, fresh_starts, model_values

Entry = dict[str, Any]


@dataclass(frozen=True)
class Drawing:
    """A figure, the numbers it shows (NAME.csv) and further tables (NAME.gaps.csv)."""

    figure: Figure
    numbers: pd.DataFrame
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)

    def write(self, paths: Sequence[str], tables: Sequence[str]) -> None:
        """Write PDF, PNG and CSV, then the further ``tables`` in the order of their names."""
        for path, name in zip(paths[3:], tables, strict=True):
            write_csv(path, self.tables[name])
        save_figure(self.figure, self.numbers, paths[:3])


@dataclass(frozen=True)
class Runs:
    """What a figure is made from: files of its runs, and what labels need of models and texts.

    ``inputs`` has the files by what they are, as the kind's ``reads`` says: ``metrics`` with
    ``summaries``, ``accuracies``, ``rows``, ``texts``, ``gains``, ``sentences``, ``origins``.
    """

    inputs: Mapping[str, Sequence[str]]
    models: dict[str, Entry]
    datasets: dict[str, Entry]

    @property
    def metrics(self) -> Sequence[str]:
        return self.inputs.get("metrics", ())

    @property
    def files(self) -> tuple[Sequence[str], dict[str, Entry], dict[str, Entry]]:
        return self.metrics, self.models, self.datasets

    def values(self, view: str | None = "all_rows", layer: str | None = FINAL) -> pd.DataFrame:
        """Means over texts, a row per model, data set and variant (`results.model_values`)."""
        return model_values(
            self.metrics, self.inputs["summaries"], self.models, self.datasets, view, layer
        )

    def captions(self, figure: Entry, values: pd.DataFrame, *more: str) -> tuple[str, str]:
        """Heading and words of a figure that compares models, with ``more`` at the end."""
        heading, words = model_captions(titled(figure), values)
        return heading, self.with_left_out(words, *more)

    def with_left_out(self, words: str, *more: str) -> str:
        """Words of a figure with what was left out in front of texts."""
        provenances = [read_provenance(path) for path in self.metrics]
        return "; ".join([words, *left_out_in_front(*provenances), *more])

    def fresh_starts(self) -> Any:
        """With which standard deviations the fresh weights among these runs were drawn."""
        found = (read_provenance(path)["model"] for path in self.metrics)
        return fresh_starts(found, self.models)


def titled(figure: Entry) -> str:
    """The title of a figure or table, its name where it has none."""
    return str(figure.get("title", figure["name"]))
