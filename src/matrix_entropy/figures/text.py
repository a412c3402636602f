"""The words of figures: titles and captions that fit, and numbers as people write them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from matrix_entropy.figures.fonts import width_of
from matrix_entropy.results.model_words import not_the_models, quantised, together

NOTE_SIZE = 6.5  # points, the smallest letters of a figure
LEGEND_SIZE = 7.5
BOLD = 1.12  # times as wide
# Points: what stands left of a legend's label, beside a panel; and the least room for an ordinate.
HANDLE, SIDE, LOWEST = 40.0, 24.0, 80.0


def wrapped(text: str, figure: Figure, points: float) -> str:
    """The text in lines that fit the figure's width, at so many points a letter."""

    def width(line: str) -> float:
        return points * sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)

    return plain("\n".join(_broken(text, figure.get_figwidth() * 72, width)))


def fitted(name: str, room: float, size: float) -> str:
    """A name in lines of at most ``room`` points, in letters of a size: none is cut, however long.

    Examples
    --------
    >>> fitted("a very long name of something", 60, 8).splitlines()
    ['a very long', 'name of', 'something']
    """
    return plain("\n".join(in_lines(name, room, size)))


def in_lines(text: str, room: float, size: float) -> list[str]:
    """The words of a text in lines of at most so many points, in letters of a size."""
    return _broken(text, room, lambda line: width_of(line, size))


def plain(text: str) -> str:
    """The text with every character shown.

    matplotlib would take what stands between dollar signs for a formula; other control characters
    than white space are shown as escapes.

    Examples
    --------
    >>> plain("$5") == chr(92) + "$5", plain(chr(7)) == chr(92) + "x07"
    (True, True)
    """
    shown = (
        f"\\x{ord(c):02x}" if unicodedata.category(c) == "Cc" and c != "\n" else c
        for c in re.sub("[\t\r\f\v]", " ", text)
    )
    return "".join(shown).replace("$", r"\$")


def _broken(text: str, room: float, width: Callable[[str], float]) -> list[str]:
    """The words of a text in lines that are no wider than ``room``; wider words are broken."""
    lines, line = [], ""
    # Not at every white space: what a space without a break holds together stays together.
    for word in re.split("[ \t\n\r\f\v]+", text.strip(" \t\n\r\f\v")):
        longer = f"{line} {word}" if line else word
        if width(longer) <= room:
            line = longer
            continue
        if line:
            lines.append(line)
        line = ""
        for character in word:
            together = not line or unicodedata.category(character).startswith("M")
            if not together and width(line + character) > room:
                lines.append(line)
                line = ""
            line += character
    return [*lines, line]


def frame_figure(
    figure: Figure, title: str, subtitle: str, handles: list[Any], first: int = 1
) -> None:
    """Put the title and one legend above all panels and the caption below them.

    The ``first`` entries stand in one column of the legend. Labels that are wider than the figure
    are wrapped, and the figure grows by their lines.
    """
    width = figure.get_figwidth() * 72
    labels = [
        "\n".join(in_lines(str(handle.get_label()), width - HANDLE, LEGEND_SIZE))
        for handle in handles
    ]
    # As many columns as leave every entry about four points a letter.
    letters = max(len(line) for label in labels for line in label.split("\n")) + 9
    fit = max(1, int(width / (3.9 * letters)))
    rows = max(first, -(-len(handles) // fit))
    columns = -(-len(handles) // rows)
    # The title is the legend's: a layout would put it and the legend at one place.
    legend = figure.legend(
        handles=handles,
        labels=labels,
        title=wrapped(title, figure, 6.0),
        title_fontproperties={"size": 9.5, "weight": "bold"},
        loc="outside upper center",
        ncols=columns,
        columnspacing=1.4,
        handlelength=2.2,
    )
    legend.get_title().set_multialignment("center")
    breaks = np.array_split([label.count("\n") for label in labels], columns)
    grow(figure, max(int(column.sum()) for column in breaks))
    figure.supxlabel(wrapped(subtitle, figure, 4.0), fontsize=7, color="#444444")


def grow(figure: Figure, lines: int) -> None:
    """Make a figure higher by so many lines, which would else take the room of its curves."""
    figure.set_figheight(figure.get_figheight() + lines * LEGEND_SIZE * 1.3 / 72)


def head_panel(axis: Axes, title: str, notes: list[tuple[str, str]]) -> None:
    """A panel's title and, between it and the frame, lines of notes, each with its colour.

    Above the frame they cover no data, whatever the data are.
    """
    height = NOTE_SIZE * 1.3
    for line, (note, colour) in enumerate(reversed(notes)):
        axis.annotate(
            plain(note),
            (0, 1),
            xycoords="axes fraction",
            xytext=(0, 3 + line * height),
            textcoords="offset points",
            fontsize=NOTE_SIZE,
            color=colour,
        )
    axis.set_title(
        fitted(title, room_of(axis), BOLD * 8.5),
        loc="left",
        fontweight="bold",
        pad=4 + len(notes) * height,
    )


def room_of(axis: Axes) -> float:
    """Points from the left of a panel to where the next one begins, about."""
    figure, place = axis.get_figure(root=True), axis.get_subplotspec()
    assert figure is not None
    share = 1.0
    if place is not None:
        ratios = np.array(place.get_gridspec().get_width_ratios(), dtype=float)
        share = ratios[place.colspan.start : place.colspan.stop].sum() / ratios.sum()
    return float(figure.get_figwidth() * 72 * share - SIDE)


def label_ordinate(axis: Axes, name: str, quantity: str) -> None:
    """Say at a row of panels what it is of, as a rule a model, and below that the quantity."""
    figure, place = axis.get_figure(root=True), axis.get_subplotspec()
    assert figure is not None
    rows = 1 if place is None else place.get_gridspec().nrows
    room = max(LOWEST, figure.get_figheight() * 72 / rows - 2 * SIDE)
    axis.set_ylabel(f"{fitted(name, room, 8)}\n{quantity}")


def say(axis: Axes, words: str) -> None:
    """Words in the middle of a panel that has nothing to draw."""
    axis.text(
        0.5,
        0.5,
        words,
        transform=axis.transAxes,
        ha="center",
        va="center",
        fontsize=NOTE_SIZE + 0.5,
        color="#444444",
    )


def signed(number: float) -> str:
    """Three decimals with a true minus sign.

    Examples
    --------
    >>> signed(-0.0521), signed(0.5)
    ('−0.052', '0.500')
    """
    return f"{number:.3f}".replace("-", "−")


def probability(p: float) -> str:
    """A p in three decimals, never as zero.

    Examples
    --------
    >>> probability(0.0102), probability(0.00001), probability(float("nan"))
    ('0.010', '<0.001', '–')
    """
    if np.isnan(p):
        return "–"
    return f"{p:.3f}" if p >= 0.0005 else "<0.001"


def model_captions(title: str, values: pd.DataFrame) -> tuple[str, str]:
    """Title and caption of a figure across models: which, on which texts.

    Stand-ins are named so, and quantised weights. Models whose ``shown`` is false are said to be
    left out. ``values`` has one row per model and data set, as `results.model_values` gives
    them.
    """
    shown = values["shown"] if "shown" in values else pd.Series(True, index=values.index)
    families = list(dict.fromkeys(values["family"]))
    models = values[shown].drop_duplicates("model")
    datasets = values.drop_duplicates("dataset")
    on = datasets["dataset_title"].iloc[0] if len(datasets) == 1 else f"{len(datasets)} data sets"
    called, parts = _listed(families), []
    stand_ins = models[models["stand_in"]]
    if len(stand_ins):
        called = f"{called} stand-ins"
        names = _listed(list(dict.fromkeys(stand_ins["family"])))
        parts.append(not_the_models(names, stand_ins["parameters"]))
    else:
        called = together(called, values[shown])
    for family in families:
        sizes = list(dict.fromkeys(models.loc[models["family"] == family, "size"]))
        # A model without a size of its own is called by its title, which is its family then.
        parts.append(family if sizes == [family] else f"{family} {', '.join(sizes)}")
    if values["weights"].any():
        parts.append(quantised(values[shown]))
    left_out = values[~shown].drop_duplicates("model")
    if len(left_out):
        parts.append(f"left out: {_listed(list(left_out['model_title']))}")
    texts = {str(name): _texts(part) for name, part in values.groupby("dataset_title", sort=False)}
    if len(set(texts.values())) == 1:
        each = "each " if len(texts) > 1 else ""
        parts.append(f"{_listed(list(texts))}: {each}{texts.popitem()[1]}")
    else:
        parts.append(", ".join(f"{name}: {number}" for name, number in texts.items()))
    return f"{title}: {called}, {on}", "; ".join(parts)


def left_out_in_front(*provenances: dict[str, Any]) -> list[str]:
    """What a caption says where a tokenizer's own first token was left out; nothing elsewhere.

    Examples
    --------
    >>> left_out_in_front({"left_out_in_front": "<bos>"})
    ['read without the <bos> that the tokenizer puts in front (bos: true counts it)']
    >>> left_out_in_front({"left_out_in_front": None}, {})
    []
    """
    found = [provenance.get("left_out_in_front") for provenance in provenances]
    tokens = list(dict.fromkeys(token for token in found if token))
    if not tokens:
        return []
    whose = "the tokenizer puts" if all(found) else "some tokenizers put"
    return [f"read without the {_listed(tokens)} that {whose} in front (bos: true counts it)"]


def drawn_with(starts: Mapping[str, float | None]) -> str:
    """How fresh weights were drawn, from `results.model_values.fresh_starts`.

    Examples
    --------
    >>> drawn_with({"SmolLM2": 0.0416666})
    'drawn with initializer_range 0.0417'
    >>> drawn_with({"Pythia-70M": None, "Pythia-1B": None})
    'drawn with initializer_range of config.json'
    >>> drawn_with({"SmolLM2": 0.08, "Pythia-1B": None})
    'drawn with initializer_range 0.08 (SmolLM2) and of config.json (Pythia-1B)'
    """
    models: dict[str, list[str]] = {}
    for model, start in starts.items():
        words = "of config.json" if start is None else f"{start:.3g}"
        models.setdefault(words, []).append(model)
    several = len(models) > 1
    parts = [f"{words} ({_listed(of)})" if several else words for words, of in models.items()]
    return f"drawn with initializer_range {_listed(parts)}"


def _texts(part: pd.DataFrame) -> str:
    """How many texts, and how many of them have no entropy or were cut, at most in one run."""
    words = f"{int(part['texts'].max()):,} texts"
    kinds = {"undefined": "without an entropy", "truncated": "truncated"}
    most = {kind: int(part[key].max()) for key, kind in kinds.items()}
    counts = [f"{number:,} {kind}" for kind, number in most.items() if number]
    return f"{words} ({', '.join(counts)})" if counts else words


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
