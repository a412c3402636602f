"""Figure 4 of Wei et al. 2024: what is written at each place, and that it can be read."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch
from matplotlib.text import Text

from figure_values import check_same_bytes, legend_of, words
from matrix_entropy.figures.kinds.schematic import (
    draw_schematic,
    schematic_captions,
    schematic_numbers,
)
from matrix_entropy.figures.style import COLOURS
from matrix_entropy.results.multimodal_metrics import POSITIONS

FIGURE = {"name": "schematic", "title": "Where entropy is measured in a vision-language model"}
LLAVA: dict[str, Any] = {
    "title": "LLaVA-1.5",
    "vision": {"width": 1024, "image_size": 336, "patch": 14, "image_tokens": 576},
    "layers": 32,
    "width": 4096,
}
MINIGPT: dict[str, Any] = {
    "title": "MiniGPT-v2",
    "vision": {"width": 1408, "image_size": 448, "patch": 14, "image_tokens": 256},
    "layers": 32,
    "width": 4096,
}
REAL = {"llava": LLAVA, "minigpt": MINIGPT}
SMALL = {"width": 24, "image_size": 40, "patch": 8, "image_tokens": 25}
STAND_INS = {
    name: entry | {"train": {}, "vision": SMALL, "width": 48} for name, entry in REAL.items()
}
BEGUN = {name: entry | {"bos": True} for name, entry in STAND_INS.items()}


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    plt.close("all")


def draw(models: dict[str, Any], title: str = FIGURE["title"]) -> Figure:
    captions = schematic_captions(FIGURE | {"title": title}, models)
    return draw_schematic(schematic_numbers(models), *captions)


def test_rows_and_widths_follow_from_the_entries() -> None:
    numbers = schematic_numbers(REAL)
    found = {
        str(model): list(zip(part["position"], part["rows"], part["width"], strict=True))
        for model, part in numbers.groupby("model")
    }
    shapes = {
        "llava": [
            *(("576", 1024), ("576", 4096), ("576", 4096)),
            *(("T", 4096), ("576 + T", 4096)),
        ],
        "minigpt": [
            *(("1024", 1408), ("256", 4096), ("256", 4096)),
            *(("T", 4096), ("256 + T", 4096)),
        ],
    }
    assert found == {
        model: [(place, *shape) for place, shape in zip(POSITIONS, five, strict=True)]
        for model, five in shapes.items()
    }
    assert numbers["counted"].nunique() == 5
    assert not numbers["stand_in"].any()


def test_a_strip_narrower_than_a_patch_is_no_patch() -> None:
    vision = SMALL | {"image_size": 47}
    numbers = schematic_numbers({"mine": LLAVA | {"vision": vision}})
    assert numbers["rows"].iloc[0] == "25"


@pytest.mark.parametrize("models", [REAL, STAND_INS], ids=["real", "stand-ins"])
def test_every_number_is_drawn_in_the_colour_of_its_model(models: dict[str, Any]) -> None:
    numbers = schematic_numbers(models)
    (axis,) = draw(models).axes
    drawn = [(text.get_text(), to_hex(text.get_color())) for text in axis.texts]
    shown = [(words, colour.upper()) for words, colour in drawn if "×" in words]
    wanted = []
    for row in numbers.itertuples():
        rows = f"({row.rows})" if row.position == "h5_llm_image_text" else row.rows
        colour = COLOURS[list(models).index(row.model)]
        wanted.append((f"{rows} × {row.width}", colour.upper()))
    assert sorted(shown) == sorted(wanted)
    assert sum("H_" in words for words, _ in drawn) == 5


@pytest.mark.parametrize(
    "models",
    [REAL, STAND_INS, BEGUN, {"llava": LLAVA}, {**REAL, "third": LLAVA}],
    ids=["real", "stand-ins", "begun", "one", "three"],
)
def test_all_can_be_read_in_one_column(models: dict[str, Any]) -> None:
    title = "The places at which matrix entropy is measured in vision-language models (Figure 4)"
    figure = draw(models, title)
    figure.canvas.draw()
    assert figure.get_figwidth() <= 3.5
    (axis,) = figure.axes
    inside = {id(text) for text in axis.texts}
    boxes = [patch for patch in axis.patches if isinstance(patch, (FancyBboxPatch, Circle))]
    shown = [text for text in figure.findobj(Text) if text.get_text().strip()]
    shown = [text for text in shown if text.axes is None or id(text) in inside]
    extents = [text.get_window_extent() for text in shown]
    for text, extent in zip(shown, extents, strict=True):
        name, room = text.get_text(), axis.bbox if id(text) in inside else figure.bbox
        assert text.get_fontsize() >= 6.5, name
        assert room.x0 - 1 <= extent.x0 < extent.x1 <= room.x1 + 1, name
        assert room.y0 - 1 <= extent.y0 < extent.y1 <= room.y1 + 1, name
        assert id(text) in inside or not axis.bbox.shrunk(0.99, 0.99).overlaps(extent), name
        for box in boxes:
            frame = box.get_window_extent()
            within = frame.containsx(extent.x0) and frame.containsx(extent.x1)
            within = within and frame.containsy(extent.y0) and frame.containsy(extent.y1)
            assert within or not frame.overlaps(extent), name
    for (one, first), (other, second) in combinations(zip(shown, extents, strict=True), 2):
        assert not first.overlaps(second), (one.get_text(), other.get_text())


def test_places_lie_on_the_ways_in_their_order() -> None:
    (axis,) = draw(REAL).axes
    named = {text.get_text(): text.get_position() for text in axis.texts}
    heights = [named[f"$H_{number}$"][1] for number in range(1, 6)]
    boxes = [named[name][1] for name in ("Vision encoder", "Connector", "Language model")]
    assert boxes[0] < heights[0] < boxes[1] < heights[1] < boxes[2] < heights[2]
    assert heights[2] == heights[3] == heights[4]


def test_stand_ins_are_called_so() -> None:
    figure = draw(STAND_INS)
    assert legend_of(figure) == ["LLaVA-1.5 (stand-in)", "MiniGPT-v2 (stand-in)"]
    text = " ".join(words(figure).split())
    assert "Not LLaVA-1.5 and MiniGPT-v2 but stand-ins, trained in seconds" in text
    figure = draw(REAL)
    assert legend_of(figure) == ["LLaVA-1.5", "MiniGPT-v2"]
    assert "stand-in" not in words(figure)


@pytest.mark.parametrize(
    ("begun", "told"),
    [
        ([], "No row is a class token's. A token that begins a sequence has none."),
        (["minigpt"], "that begins a sequence, for MiniGPT-v2."),
        (["minigpt", "llava"], "that begins a sequence, for LLaVA-1.5 and MiniGPT-v2."),
    ],
)
def test_the_caption_says_whether_the_first_token_counts(begun: list[str], told: str) -> None:
    models = {name: entry | {"bos": name in begun} for name, entry in REAL.items()}
    title, caption = schematic_captions(FIGURE, models)
    assert title == FIGURE["title"]
    assert caption.endswith(told)
    assert ("H3 to H5 have one more, of the token" in caption) == bool(begun)
    assert "No row is a class token's" in caption
    assert told in " ".join(words(draw(models)).split())
    if not begun:
        assert schematic_captions(FIGURE, REAL) == (title, caption), "as without the key"


def test_a_rebuild_is_the_same_bytes(tmp_path: Path) -> None:
    check_same_bytes(lambda: draw(REAL), schematic_numbers(REAL), tmp_path)


def test_a_class_token_that_the_connector_reads_is_counted() -> None:
    name, *_ = REAL
    seen = REAL[name]["vision"] | {"image_tokens": 577}
    models = REAL | {name: REAL[name] | {"vision": seen}}
    _, caption = schematic_captions(FIGURE, models)
    assert f"A row of all but H4 is a class token's for {REAL[name]['title']}." in caption
    numbers = schematic_numbers(models).set_index(["model", "position"])["rows"]
    assert numbers[name, "h1_vision_encoder"] == numbers[name, "h2_connector"] == "577"
