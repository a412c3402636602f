"""Maps of sentences, drawn: UMAP beside principal coordinates, a row for every distance."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from matrix_entropy.base.errors import InputError
from matrix_entropy.figures.drawing import Drawing, Runs, titled
from matrix_entropy.figures.kinds.prefix_null import DRAWS
from matrix_entropy.figures.kinds.sentence_map import (
    EUCLIDEAN,
    PRINCIPAL_COORDINATES,
    UMAP,
    agreement_by_chance,
    map_distances,
    map_numbers,
    pair_table,
)
from matrix_entropy.figures.label_placement import NoRoomError, label_points
from matrix_entropy.figures.style import looks, styled
from matrix_entropy.figures.text import (
    NOTE_SIZE,
    frame_figure,
    head_panel,
    left_out_in_front,
    plain,
    signed,
)
from matrix_entropy.maths.distances import DISTANCES
from matrix_entropy.results.model_words import described
from matrix_entropy.results.sentences_file import Sentences

MEASURES = {
    "last_token": "Last token",
    "token_mean": "Mean over tokens",
    "log_det_js": "Log-det Jensen–Shannon",
    "log_det": "Log-det",
    "riemannian": "Riemannian",
    "log_euclidean": "Log-Euclidean",
    "frobenius": "Frobenius",
}
NOTE_COLOUR = "#444444"
PANEL = (3.8, 3.3)  # inches, with everything around it
FRAME = 173 * 243  # square points within such a panel's frame
LETTER = 0.62 * NOTE_SIZE * 1.4 * NOTE_SIZE  # square points that a letter of a label takes
ROOM = (28.0, 20.0)  # points that points keep from a frame's sides
MOST_LETTERS = 0.3  # of a frame, or labels are far from their points or find no place
LONGEST = 24  # letters of a label
MOST_GROWTH = 1.8  # of panels for their labels: some 140 countries, or 45 of the longest labels


def make(figure: dict[str, Any], runs: Runs) -> Drawing:
    """Sentences as points of a map, by the distances between them."""
    groups = runs.datasets[figure["dataset"]]["source_groups"]
    sentences = Sentences.load(runs.inputs["sentences"][0]).with_groups(groups)
    distances = map_distances(sentences, figure)
    numbers = map_numbers(sentences, distances, figure)
    model = runs.models[figure["model"]]
    captions = map_captions(titled(figure), sentences, figure, model)
    pairs = pair_table(sentences, distances, figure)
    return Drawing(draw_sentence_map(numbers, *captions), numbers, {"distances": pairs})


def draw_sentence_map(numbers: pd.DataFrame, title: str, subtitle: str) -> Figure:
    """Draw the numbers of `figures.kinds.sentence_map.map_numbers`.

    A row for every measure, UMAP beside principal coordinates. A point has the colour of its
    context and its word beside it, or its id if it has no word. Panels grow with the labels; so
    many that pages would be too large are left out.

    Raises
    ------
    InputError
        If the labels find no place.
    """
    styled(numbers, title, subtitle)
    numbers = numbers.assign(point=_points(numbers["label"], numbers["id"]))
    measures = list(dict.fromkeys(numbers["measure"]))
    contexts = dict(zip(numbers["context"], _contexts(numbers), strict=True))
    look_of = dict(zip(contexts, looks(contexts).values(), strict=True))
    needed = _growth(numbers["point"].iloc[: len(numbers) // (2 * len(measures))])
    labelled = needed <= MOST_GROWTH
    scale = needed if labelled else 1.0
    figure, axes = plt.subplots(
        len(measures),
        2,
        figsize=(2 * scale * PANEL[0], 1.0 + scale * PANEL[1] * len(measures)),
        squeeze=False,
        layout="constrained",
    )
    for line, measure in zip(axes, measures, strict=True):
        for axis, method in zip(line, (UMAP, PRINCIPAL_COORDINATES), strict=True):
            part = numbers[(numbers["measure"] == measure) & (numbers["method"] == method)]
            for context, look in look_of.items():
                points = part[part["context"] == context]
                axis.plot(points["x"], points["y"], ls="", ms=3.6, mec="white", mew=0.3, **look)
            _dress(axis, part, measure, method)
    handles = [
        Line2D([], [], ls="", ms=4.5, label=plain(contexts[context]), **look)
        for context, look in look_of.items()
    ]
    frame_figure(figure, title, subtitle, handles)
    figure.draw_without_rendering()
    for axis in axes.flat:
        _frame(figure, axis)
    if labelled:
        try:
            _label(numbers, axes, look_of)
        except NoRoomError:
            raise InputError(
                f"the words of data set '{numbers['dataset'].iloc[0]}' find no place beside their "
                f"points in '{title}'; give it fewer sentences, or shorter `words:`."
            ) from None
    return figure


def map_captions(
    title: str, sentences: Sentences, entry: dict[str, Any], model: dict[str, Any]
) -> tuple[str, str]:
    """Title and caption of a figure: which model, and every setting.

    ``entry`` and ``model`` are the entries of the configuration of the figure and its model.
    """
    record = sentences.provenance["model"]
    called, words = described(model.get("title", record["model"]), record)
    parts = [words]
    tokens = np.diff(sentences.offsets)
    span = " to ".join(dict.fromkeys((str(tokens.min()), str(tokens.max()))))
    each = "token" if tokens.max() == 1 else "tokens"
    parts.append(f"{len(tokens)} sentences of {span} {each}, layer {entry['layer']}")
    if sentences.provenance.get("options", {}).get("bos", False):
        parts.append("with a beginning-of-sequence token in front, which counts as a token")
    parts += left_out_in_front(sentences.provenance)
    compared = set(entry["measures"]) - set(EUCLIDEAN)
    needs = {DISTANCES[measure].needs for measure in compared}
    if compared:
        rows = "states scaled to unit norm" if entry["unit_rows"] else "states as they are"
        parts.append(f"covariances of all tokens of a sentence, {rows}")
    if "gamma" in needs:
        parts.append(f"γ\u00a0=\u00a0{entry['gamma']:g}")
    if "ridge" in needs:
        parts.append(f"ridge {entry['ridge']:g}")
    if "log_det" in compared and entry["ridge"]:
        gamma = f"{1 / entry['ridge']:g}"
        parts.append(
            f"so log-det is the log-det Jensen–Shannon distance with γ\u00a0=\u00a0{gamma}"
        )
    umap = entry["umap"]
    parts.append(
        f"UMAP with {umap['neighbours']} neighbours, minimal distance {umap['min_dist']:g}, seed "
        f"{umap['seed']}, begun at the principal coordinates"
    )
    shown = ["silhouettes"] if _several(sentences.groups) else []
    if shown or _several(sentences.labels):
        shown.append("nearest sentences")
        parts.append(f"{' and '.join(shown)} are of the distances, not of the maps")
        parts.append(
            f"prefix null: the same of random states (mean of {DRAWS} draws) that depend on "
            "nothing but the tokens up to them, since a context is the same rows in every sentence "
            "that begins with it"
        )
    if _growth(_points(sentences.labels, sentences.ids)) > MOST_GROWTH:
        parts.append("points without their words, for which there is no room")
    return f"{title}: {called}", "; ".join(parts)


def _points(labels: Iterable[str], ids: Iterable[str]) -> list[str]:
    """What stands beside every point: its sentence's word, or its id if it has no word."""
    names = [str(label or name).removesuffix(".") for label, name in zip(labels, ids, strict=True)]
    return [f"{name[: LONGEST - 1].rstrip()}…" if len(name) > LONGEST else name for name in names]


def _growth(points: Iterable[str]) -> float:
    """How many times as wide and as high as usual panels must be for such labels."""
    letters = sum(map(len, points))
    return float(max(1.0, np.sqrt(letters * LETTER / (MOST_LETTERS * FRAME))))


def _several(names: Iterable[str]) -> bool:
    """Whether sentences may agree or not in these names, so that it says something if they do."""
    return 0 < agreement_by_chance(list(names)) < 1


def _contexts(numbers: pd.DataFrame) -> list[str]:
    """What every sentence says before its word, or its group's name if it has no word."""
    return [
        f"{text.removesuffix(label).strip()} …".removeprefix(" …") or "no context"
        if label
        else context
        for context, text, label in zip(
            numbers["context"], numbers["text"], numbers["label"], strict=True
        )
    ]


def _dress(axis: Axes, part: pd.DataFrame, measure: str, method: str) -> None:
    """Everything of a panel but its points and their labels."""
    name = MEASURES[measure]
    separation = _separation(part)
    if method == UMAP:
        _head(axis, f"{name}: UMAP", separation, len(separation))
        axis.set(xlabel="UMAP 1", ylabel="UMAP 2", xticks=[], yticks=[])
        return
    first = part.iloc[0]
    shown = f"both axes: {_percent(first['share_x'] + first['share_y'])} of the"
    if measure in EUCLIDEAN:
        called, axis_name = "PCA", "Principal component"
        notes = [f"{shown} variance"]
    else:
        called, axis_name = "principal coordinates", "Principal coordinate"
        negative = f"negative eigenvalues: {_percent(first['share_negative'])} of these"
        notes = [f"{shown} positive eigenvalues", negative]
    _head(axis, f"{name}: {called}", notes, len(separation))
    axis.set_xlabel(f"{axis_name} 1 ({_percent(first['share_x'])})")
    axis.set_ylabel(f"{axis_name} 2 ({_percent(first['share_y'])})")
    for side in (axis.xaxis, axis.yaxis):
        side.set_major_locator(MaxNLocator(5))


def _head(axis: Axes, title: str, notes: list[str], lines: int) -> None:
    """Title and notes, in so many lines that titles of a row stand level."""
    lines_of = [*notes, *[""] * (lines - len(notes))]
    head_panel(axis, title, [(note, NOTE_COLOUR) for note in lines_of])


def _separation(part: pd.DataFrame) -> list[str]:
    """How well contexts and words separate, where there are several of them."""
    notes = []
    if part["silhouette"].notna().all():
        found, null = (signed(part[key].mean()) for key in ("silhouette", "null_silhouette"))
        notes.append(f"silhouette by context: {found} (prefix null {null})")
    for name, column in (("context", "context"), ("last word", "label")):
        if _several(part[column]):
            found, null = (_percent(part[f"{of}same_{column}"].mean()) for of in ("", "null_"))
            chance = _percent(agreement_by_chance(part[column].to_numpy()))
            notes.append(f"nearest of same {name}: {found} (prefix null {null}, chance {chance})")
    return notes


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _frame(figure: Figure, axis: Axes) -> None:
    """Limits in one scale for both axes, with room for labels around all points.

    The panel must have its final size.
    """
    page = np.array([axis.bbox.width, axis.bbox.height]) * 72 / figure.dpi
    places = np.concatenate([line.get_xydata() for line in axis.lines])
    low, high = places.min(axis=0), places.max(axis=0)
    unit = ((high - low) / (page - 2 * np.array(ROOM))).max()
    left, bottom = (low + high - unit * page) / 2
    right, top = (low + high + unit * page) / 2
    # Labels of ticks may still move the frame a little; then the limits may, too.
    axis.set_xlim(left, right, auto=True)
    axis.set_ylim(bottom, top, auto=True)
    axis.set_aspect("equal", adjustable="datalim")


def _label(numbers: pd.DataFrame, axes: Any, look_of: dict[str, Any]) -> None:
    """Put the sentences' words beside the points of every panel, once all else is in the figure."""
    panels = numbers.groupby(["measure", "method"], sort=False)
    for axis, (_, part) in zip(axes.flat, panels, strict=True):
        label_points(
            axis,
            part["x"],
            part["y"],
            list(part["point"]),
            NOTE_SIZE,
            [look_of[context]["color"] for context in part["context"]],
        )
