"""What the function of a kind of tables gives: the table, and how it is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from matrix_entropy.base.files import write_csv
from matrix_entropy.figures.drawing import Drawing, titled
from matrix_entropy.published.tables import with_published
from matrix_entropy.tables.writing import Layout, write_table, write_text_table

Entry = dict[str, Any]


@dataclass(frozen=True)
class Table:
    """A table: its numbers (NAME.csv), its caption, and what Markdown and LaTeX show of it.

    Attributes
    ----------
    numbers : DataFrame
        One row per value, or a table of words.
    layout : Layout, optional
        Rows and columns that the values are laid out in; a table of words has none.
    shown : DataFrame, optional
        Words in place of the numbers.
    drawing : Drawing, optional
        The figure of the same name.
    """

    numbers: pd.DataFrame
    caption: str
    layout: Layout | None = None
    shown: pd.DataFrame | None = None
    drawing: Drawing | None = None

    def write(self, paths: Sequence[str], tables: Sequence[str]) -> None:
        """Write CSV, Markdown and LaTeX, then the figure with its further ``tables``."""
        words = self.numbers if self.shown is None else self.shown
        if self.layout:
            write_table(self.numbers, self.layout, paths[:3], self.caption)
        else:
            write_csv(paths[0], self.numbers)
            write_text_table(words, paths[1:3], self.caption)
        if self.drawing:
            self.drawing.write(paths[3:], tables)


def compared(values: pd.DataFrame, entry: Entry) -> pd.DataFrame:
    """Our values with the published ones beside them, if the entry names a published table."""
    if "table" not in entry:
        return values
    return with_published(values, entry["paper"], entry["table"])


def values_table(entry: Entry, values: pd.DataFrame, layout: Layout, *more: str) -> Table:
    """A table of values, compared with the published ones; ``more`` ends its caption."""
    return Table(compared(values, entry), " ".join([f"{titled(entry)}.", *more]), layout)
