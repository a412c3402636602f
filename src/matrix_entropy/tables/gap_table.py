"""Gaps between groups of texts with errors and tests, as a table and as a figure."""

from __future__ import annotations

from typing import Any

from matrix_entropy.figures.drawing import Drawing, Runs, titled
from matrix_entropy.figures.kinds.group_gaps import gap_caption, gap_rows, group_gaps
from matrix_entropy.figures.kinds.group_gaps_figure import draw_group_gaps, group_gap_captions
from matrix_entropy.tables.making import Table


def make(entry: dict[str, Any], runs: Runs) -> Table:
    """Means over blocks in the table, block by block in NAME.blocks.csv of the figure."""
    means, blocks = group_gaps(*runs.files)
    captions = group_gap_captions(titled(entry), means)
    drawing = Drawing(draw_group_gaps(means, blocks, *captions), means, {"blocks": blocks})
    return Table(means, gap_caption(titled(entry), means), shown=gap_rows(means), drawing=drawing)
