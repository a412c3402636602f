"""Where the entropies of a vision-language model are measured: Wei et al. 2024, Figure 4.

Drawn here, not copied. Beside every place stand the rows and the width of the hidden states whose
entropy is measured there, as the configuration has them.
"""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, FancyBboxPatch, Polygon, Rectangle

from matrix_entropy.figures.drawing import Drawing, Runs
from matrix_entropy.figures.style import COLOURS, looks, styled
from matrix_entropy.figures.text import frame_figure, plain
from matrix_entropy.results.multimodal_metrics import POSITIONS

Entry = dict[str, Any]

COUNTED = {
    "h1_vision_encoder": "patches of the image, as the connector reads them",
    "h2_connector": "image tokens that the connector makes of them",
    "h3_llm_image": "image tokens alone, after the language model's last normalisation",
    "h4_llm_text": "tokens of the text alone, after the language model's last normalisation",
    "h5_llm_image_text": "image tokens and then those of the text, both counted, after the same",
}
READ = ("image alone", "text alone", "image, then text")  # what H3, H4 and H5 are of
TEXT = "T"  # tokens of a text: each has its own number

# All lengths are in points of the page.
WIDTH = 252.0  # one column of a page with two
HEADING = 88.0  # for title, legend and caption
LEFT, RIGHT = 62.0, 190.0  # middles of the ways of image and text
OUTPUTS = (WIDTH / 6, WIDTH / 2, 5 * WIDTH / 6)
SIDE = 40.0  # of the picture
BOX, BOX_WIDTH = 22.0, 100.0
GAP = 16.0
RADIUS = 8.0
LINE = 10.0  # from one line of numbers to the next
DARK = "#222222"


def make(figure: dict[str, Any], runs: Runs) -> Drawing:
    """Where the entropies of vision-language models are measured."""
    numbers = schematic_numbers(runs.models)
    captions = schematic_captions(figure, runs.models)
    return Drawing(draw_schematic(numbers, *captions), numbers)


def schematic_captions(figure: dict[str, Any], models: dict[str, Entry]) -> tuple[str, str]:
    """Title and caption of the figure that an entry of the configuration describes."""
    stand_ins = [_title(name, entry) for name, entry in models.items() if "train" in entry]
    warning = (
        f"Not {' and '.join(stand_ins)} but stand-ins, trained in seconds on generated pictures. "
        if stand_ins
        else ""
    )
    begun = [_title(name, entry) for name, entry in models.items() if entry.get("bos")]
    classed = [
        _title(name, entry)
        for name, entry in models.items()
        if entry["vision"]["image_tokens"] > _patches(entry)
    ]
    special = [
        f"A row of all but H4 is a class token's for {' and '.join(classed)}."
        if classed
        else "No row is a class token's.",
        f"H3 to H5 have one more, of the token that begins a sequence, for {' and '.join(begun)}."
        if begun
        else "A token that begins a sequence has none.",
    ]
    return figure.get("title", figure["name"]), (
        f"{warning}Rows × width of the hidden states whose entropy is measured at each place; "
        f"{TEXT}: tokens of the text. H1 is what the connector reads, H3 to H5 follow the last "
        f"normalisation. {' '.join(special)}"
    )


def schematic_numbers(models: dict[str, Entry]) -> pd.DataFrame:
    """What is written at every place: one row per model and place, in the order of the paper.

    Columns: ``model``, ``model_title``, ``stand_in``, ``position`` (of `POSITIONS`), ``rows`` (as
    written: "576", "T" or "576 + T", where T is the number of the text's tokens), ``width`` and
    ``counted`` (what the rows are). The caption says whether a class token is among them, or with
    ``bos: true`` one that begins a sequence, which is not in these numbers.

    Parameters
    ----------
    models : dict
        Entries of the configuration by name: ``title``, ``vision`` (``width``, ``image_size``,
        ``patch``, ``image_tokens``) and the language model's ``width``.
    """
    rows = []
    for name, entry in models.items():
        vision, language = entry["vision"], entry["width"]
        tokens = str(vision["image_tokens"])
        # More tokens than patches: the connector reads the class token as well.
        seen = max(_patches(entry), vision["image_tokens"])
        shapes = (
            (str(seen), vision["width"]),
            (tokens, language),
            (tokens, language),
            (TEXT, language),
            (f"{tokens} + {TEXT}", language),
        )
        for position, (number, width) in zip(POSITIONS, shapes, strict=True):
            rows.append(
                {
                    "model": name,
                    "model_title": _title(name, entry),
                    "stand_in": "train" in entry,
                    "position": position,
                    "rows": number,
                    "width": width,
                    "counted": COUNTED[position],
                }
            )
    return pd.DataFrame(rows)


def _patches(entry: Entry) -> int:
    return int((entry["vision"]["image_size"] // entry["vision"]["patch"]) ** 2)


def _title(name: str, entry: Entry) -> str:
    return str(entry.get("title", name))


def draw_schematic(numbers: pd.DataFrame, title: str, subtitle: str) -> Figure:
    """Draw the ways of image and text, from below, and the numbers of `schematic_numbers`."""
    styled(numbers, title, subtitle)
    lines = LINE * numbers["model"].nunique()
    # Heights from below: an arrow with a place on it has room for a line of numbers per model.
    arrow = max(lines, 2 * RADIUS) + 2 * GAP
    vision = SIDE + GAP
    connector = vision + BOX + arrow
    language = connector + BOX + arrow
    outputs = language + BOX + GAP + RADIUS
    height = outputs + RADIUS + 1.5 * LINE + lines
    figure = plt.figure(figsize=(WIDTH / 72, (height + HEADING) / 72), layout="constrained")
    axis = figure.add_subplot()
    axis.set_axis_off()
    axis.set_xlim(0, WIDTH)
    axis.set_ylim(-1, height)  # with the lower edges of boxes

    _picture(axis, LEFT, 0)
    _box(axis, RIGHT, 0, "Text: instruction\nand response", SIDE)
    _box(axis, LEFT, vision, "Vision encoder")
    _box(axis, LEFT, connector, "Connector")
    _box(axis, RIGHT, connector, "Token embedding")
    _box(axis, WIDTH / 2, language, "Language model", width=WIDTH - 4)
    for x, start, end in (
        (LEFT, SIDE, vision),
        (LEFT, vision + BOX, connector),
        (LEFT, connector + BOX, language),
        (RIGHT, SIDE, connector),
        (RIGHT, connector + BOX, language),
        *((x, language + BOX, outputs - RADIUS) for x in OUTPUTS),
    ):
        arrows = {"arrowstyle": "-|>", "color": DARK, "lw": 0.9, "shrinkA": 0, "shrinkB": 0}
        axis.annotate("", (x, end), (x, start), arrowprops=arrows)

    for position, start in zip(POSITIONS[:2], (vision + BOX, connector + BOX), strict=True):
        middle = start + arrow / 2
        _place(axis, LEFT, middle, position)
        beside = LEFT + RADIUS + 6
        _shapes(axis, beside, middle + (lines - LINE) / 2, "left", numbers, position)
    for position, x, read in zip(POSITIONS[2:], OUTPUTS, READ, strict=True):
        _place(axis, x, outputs, position)
        top = height - LINE / 2
        axis.text(x, top, read, ha="center", va="center", size=7, weight="bold", color=DARK)
        _shapes(axis, x, top - LINE, "center", numbers, position)
    frame_figure(figure, title, subtitle, _handles(numbers))
    return figure


def _picture(axis: Axes, x: float, bottom: float) -> None:
    """A picture as a vision encoder sees it: a hill and the sun, cut into patches."""
    left, grid = x - SIDE / 2, SIDE / 4
    axis.add_patch(Rectangle((left, bottom), SIDE, SIDE, fc="#DCEBF5", ec="none"))
    hill = [(left, bottom), (left + 0.45 * SIDE, bottom + 0.6 * SIDE), (left + SIDE, bottom)]
    axis.add_patch(Polygon(hill, fc=COLOURS[2], ec="none"))
    sun = (left + 0.75 * SIDE, bottom + 0.75 * SIDE)
    axis.add_patch(Circle(sun, 0.12 * SIDE, fc=COLOURS[4], ec="none"))
    for row in range(4):
        for column in range(4):
            corner = (left + column * grid, bottom + row * grid)
            axis.add_patch(Rectangle(corner, grid, grid, fc="none", ec="white", lw=1.2))
    axis.text(left - 5, bottom + SIDE / 2, "Image", ha="right", va="center", color=DARK)


def _box(
    axis: Axes, x: float, bottom: float, words: str, height: float = BOX, width: float = BOX_WIDTH
) -> None:
    corner = (x - width / 2, bottom)
    style = "round,pad=0,rounding_size=4"
    axis.add_patch(
        FancyBboxPatch(corner, width, height, boxstyle=style, fc="#F0F0F0", ec=DARK, lw=0.9)
    )
    axis.text(x, bottom + height / 2, words, ha="center", va="center", color=DARK)


def _place(axis: Axes, x: float, y: float, position: str) -> None:
    """The sign of a place where entropy is measured."""
    axis.add_patch(Circle((x, y), RADIUS, fc=DARK, ec="none", zorder=3))
    name = f"$H_{POSITIONS.index(position) + 1}$"
    axis.text(x, y, name, ha="center", va="center", color="white", zorder=4)


def _shapes(
    axis: Axes, x: float, top: float, side: str, numbers: pd.DataFrame, position: str
) -> None:
    """Rows × width at a place, a line for each model, the first with its middle at ``top``."""
    colours = looks(numbers["model"])
    for line, row in enumerate(numbers[numbers["position"] == position].itertuples()):
        rows = f"({row.rows})" if "+" in row.rows else row.rows
        axis.text(
            x,
            top - line * LINE,
            f"{rows} × {row.width}",
            ha=side,
            va="center",
            size=7,
            color=colours[row.model]["color"],
        )


def _handles(numbers: pd.DataFrame) -> list[Line2D]:
    colours = looks(numbers["model"])
    models = numbers.drop_duplicates("model")
    return [
        Line2D(
            [],
            [],
            lw=4,
            color=colours[row.model]["color"],
            label=plain(f"{row.model_title} (stand-in)" if row.stand_in else row.model_title),
        )
        for row in models.itertuples()
    ]
