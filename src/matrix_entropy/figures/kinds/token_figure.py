"""A sentence as strips of heat: the weight of every token for a target, by every method.

Cells are as wide as their words and wrap like text, so there are no axes: everything is placed
in points from the top of the page, whose height follows from the sentences.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Patch, Rectangle
from matplotlib.textpath import TextPath
from matplotlib.transforms import Affine2D, Transform
from numpy.typing import NDArray

from matrix_entropy.figures.kinds.token_selection import METHODS, PICKED, literal_alpha, shown_token
from matrix_entropy.figures.style import styled
from matrix_entropy.figures.text import NOTE_SIZE, frame_figure, left_out_in_front, plain
from matrix_entropy.results.model_words import described
from matrix_entropy.results.sentences_file import Sentences

Entry = dict[str, Any]

# Points.
WIDTH, MARGIN = 540.0, 10.0
BEGIN, END = MARGIN + 72.0, WIDTH - MARGIN  # of lines of cells; methods are named left of them
CELL, GAP, NARROWEST = 13.0, 1.5, 12.0
HEADING, BETWEEN_LINES, BETWEEN_TARGETS = 17.0, 5.0, 6.0
WORD = 7.0

HEAT = plt.get_cmap("Blues")
SWATCHES = (0.01, 0.05, 0.1, 0.5)  # weights in the legend, between 0 and 1
SCALE = (
    "Shades: the square root of the weight, the same for all strips. Uniform: a weight that is the "
    "same for the token explained and all before it."
)
BOLD = FontProperties(weight="bold")  # the target's letters, the widest
DARK, PALE = "#333333", "#8A8A8A"
FRAMES: dict[str, dict[str, Any]] = {
    "token": {"ec": "#D0D0D0", "lw": 0.5},
    "picked": {"ec": "#C1272D", "lw": 1.3},
    "target": {"ec": "#000000", "lw": 1.0, "ls": (0, (2.5, 1.5))},
}


class _Cell(NamedTuple):
    row: int
    left: float
    width: float


def token_captions(table: Entry, model_title: str, sentences: Sentences) -> tuple[str, str]:
    """Title and caption of figure and table: what they show, of which model, and how.

    ``table`` is the entry in the configuration with its name and the keys that
    `figures.kinds.token_selection.token_weights` takes.
    """
    record, width = sentences.provenance["model"], sentences.states.shape[2]
    title, block = table.get("title", table["name"]), table["attention_block"]
    last = f"{len(sentences.attention)} (the last)"
    settings = (
        f"Attention: mean over the heads of block {last if block == 'last' else block}. Lasso: on "
        f"states of layer {table['layer']} at unit norm, width {width}, alpha {table['alpha']:g}; "
        f"literal Lasso: λ {table['penalty']:g}, which is alpha "
        f"{literal_alpha(table['penalty'], width):.3g}. Picked: weights above "
        f"{table['threshold']:g}, but not a token's own. Of a token that occurs several times, the "
        "last is explained."
    )
    if sentences.provenance["options"]["bos"]:
        settings += " Read with a beginning-of-sequence token in front, which counts as a token."
    for words in left_out_in_front(sentences.provenance):
        settings += f" {words[0].upper()}{words[1:]}."
    called, words = described(model_title, record)
    return f"{title}: {called}", f"{words}. {settings}"


def draw_token_weights(weights: pd.DataFrame, title: str, subtitle: str) -> Figure:
    """Draw the weights of `figures.kinds.token_selection.token_weights`.

    Below each other for every target: the sentence once per method, line by line. A cell is white
    at zero and below and darkest from a weight of one; between them its shade is the square root,
    so that small weights can be seen. The scale is the same everywhere, so that nearly uniform
    attention looks even and pale. The largest weights stand beside the target, and there the
    uniform attention, one over the number of tokens up to the target.
    """
    styled(weights, title, subtitle)
    figure = plt.figure(figsize=(WIDTH / 72, 1.0))
    frame_figure(figure, title, f"{subtitle} {SCALE}", _handles())
    figure.draw_without_rendering()
    legend, caption = figure.legends[0], figure.texts[-1]
    above, below = (
        artist.get_window_extent().height / figure.dpi * 72 + 1.5 * MARGIN
        for artist in (legend, caption)
    )
    strips = [strip for _, strip in weights.groupby(["sentence", "target"], sort=False)]
    lines = [_lines(strip["token"]) for strip in strips]
    step = len(METHODS) * CELL + BETWEEN_LINES
    needed = [HEADING + len(of_strip) * step + BETWEEN_TARGETS for of_strip in lines]
    height = above + sum(needed) + below
    figure.set_figheight(height / 72)
    caption.set_y(MARGIN / height)
    # Points from the left and from the top.
    page = Affine2D().scale(1, -1).translate(0, height).scale(1 / 72) + figure.dpi_scale_trans
    several = weights["sentence"].nunique() > 1
    tops = above + np.cumsum([0.0, *needed[:-1]])
    for strip, of_strip, top in zip(strips, lines, tops, strict=True):
        _head(figure, strip, several, top, page)
        for number, line in enumerate(of_strip):
            _draw_line(figure, strip, line, top + HEADING + number * step, page)
    return figure


def _lines(tokens: pd.Series) -> list[list[_Cell]]:
    """The cells of a sentence, line by line."""
    lines: list[list[_Cell]] = [[]]
    left = BEGIN
    for row, token in enumerate(tokens):
        path = TextPath((0, 0), plain(shown_token(token)), size=WORD, prop=BOLD)
        width = max(float(path.get_extents().width) + 5.0, NARROWEST)
        if lines[-1] and left + width > END:
            lines.append([])
            left = BEGIN
        lines[-1].append(_Cell(row, left, width))
        left += width + GAP
    return lines


def _head(figure: Figure, strip: pd.DataFrame, several: bool, top: float, page: Transform) -> None:
    """The target, which occurrence of it this is, and the largest weights."""
    first = strip.iloc[0]
    called = f"[{shown_token(first['target'])}]"
    if several:
        called = f"Sentence {first['sentence']}, {called}"
    if first["occurrence"] != "1 of 1":
        called = f"{called}, {first['occurrence']}"
    base = top + HEADING - 6.0
    figure.text(MARGIN, base, plain(called), transform=page, fontsize=8, fontweight="bold")
    largest = {name: f"{name} {strip[column].max():.3g}" for column, name in METHODS.items()}
    largest[METHODS["attention"]] += f" (uniform {1 / (first['target_position'] + 1):.3g})"
    words = f"largest weight: {', '.join(largest.values())}".replace("-", "−")
    figure.text(END, base, words, transform=page, fontsize=NOTE_SIZE, ha="right", color=DARK)


def _draw_line(
    figure: Figure, strip: pd.DataFrame, line: list[_Cell], top: float, page: Transform
) -> None:
    """One line of the sentence, once for every method."""
    for number, (column, name) in enumerate(METHODS.items()):
        base = top + number * CELL + 0.7 * CELL
        figure.text(
            BEGIN - 6.0, base, name, transform=page, fontsize=NOTE_SIZE, ha="right", color=DARK
        )
        shades = _shades(strip[column].to_numpy())
        for cell in line:
            token, shade = strip.iloc[cell.row], shades[cell.row]
            is_target = token["position"] == token["target_position"]
            before = token["position"] < token["target_position"]
            if is_target or before:
                frame = FRAMES["token"]
                if is_target or token[PICKED[column]]:
                    frame = FRAMES["target" if is_target else "picked"]
                corner = (cell.left, top + number * CELL)
                box = Rectangle(corner, cell.width, CELL - GAP, fc=HEAT(shade), **frame)
                figure.add_artist(box).set_transform(page)
            colour = ("white" if shade > 0.6 else DARK) if is_target or before else PALE
            figure.text(
                cell.left + cell.width / 2,
                base,
                plain(shown_token(token["token"])),
                transform=page,
                fontsize=WORD,
                fontweight="bold" if is_target else "normal",
                ha="center",
                color=colour,
            )


def _shades(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shares of the colour map, from 0 to 1, for weights; zero where there is none.

    Examples
    --------
    >>> _shades(np.array([2.0, 1.0, 0.25, 0.01, 0.0, -1.0, np.nan])).tolist()
    [1.0, 1.0, 0.5, 0.1, 0.0, 0.0, 0.0]
    """
    return np.sqrt(np.nan_to_num(weights).clip(0.0, 1.0))


def _handles() -> list[Patch]:
    return [
        Patch(fc=HEAT(0.0), label="weight of 0 or less", **FRAMES["token"]),
        *(
            Patch(fc=HEAT(shade), label=f"{weight:g}", **FRAMES["token"])
            for weight, shade in zip(SWATCHES, _shades(np.array(SWATCHES)), strict=True)
        ),
        Patch(fc=HEAT(1.0), label="1 or more", **FRAMES["token"]),
        Patch(fc="white", label="picked", **FRAMES["picked"]),
        Patch(fc="white", label="the token explained", **FRAMES["target"]),
    ]
