"""Seeded pictures of coloured shapes, with records that describe them as real data sets would.

A picture has a sky that pales towards the horizon, the ground below it, and two to four shapes in
different cells of a three-by-three grid, of different colours. Up is not down and left is not
right: the records say where the shapes are, so that a picture that is turned is another picture.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageDraw

from matrix_entropy.base.files import write_json, writing_folder
from matrix_entropy.texts.synthetic.seeded_choices import pick, sample

Colour = tuple[int, int, int]
Box = tuple[int, int, int, int]  # left, top, right and bottom pixel of a shape
Record = dict[str, str | list[dict[str, str]]]

SKIES: dict[str, tuple[Colour, Colour]] = {  # at the top, at the horizon
    "blue": ((95, 165, 230), (205, 228, 250)),
    "pink": ((225, 120, 160), (250, 215, 215)),
    "grey": ((135, 140, 150), (210, 212, 216)),
}
GROUNDS: dict[str, Colour] = {
    "green grass": (80, 140, 65),
    "brown earth": (125, 85, 55),
    "pale sand": (222, 200, 150),
}
COLOURS: dict[str, Colour] = {
    "red": (215, 35, 40),
    "orange": (250, 135, 20),
    "yellow": (250, 225, 25),
    "blue": (30, 50, 190),
    "purple": (120, 30, 150),
    "white": (255, 255, 255),
    "black": (15, 15, 15),
}
SIZES = {"large": 0.95, "small": 0.5}  # of a cell
PLACES = (  # by row and column
    ("at the top left", "at the top", "at the top right"),
    ("on the left", "in the middle", "on the right"),
    ("at the bottom left", "at the bottom", "at the bottom right"),
)
NUMBERS = {2: "two", 3: "three", 4: "four"}
OPENINGS = (
    "The picture shows {number} shapes in front of a {sky} sky and {ground}.",
    "There are {number} shapes in this picture, with a {sky} sky above and {ground} below.",
)
SENTENCES = (
    "A {shape.size} {shape.name} is {shape.place}.",
    "There is a {shape.size} {shape.name} {shape.place}.",
)
QUESTIONS = (
    "Describe what this picture shows.",
    "What is there to see in this image, and where?",
    "Tell me about this picture as fully as you can.",
    "Give a detailed account of the image.",
)
CAPTIONS = (
    "The image shows a {sky} sky over {ground}, with",
    "This is an image of {ground} under a {sky} sky, on which one sees",
)
HORIZONS = (0.5, 0.75)  # of the height, from the top
SMALLEST = 48  # pixels; in smaller pictures a small circle is a cross

RECORD_FILES = {"llava_instruct": "detail_23k.json", "cc_sbu_align": "filter_cap.json"}
GRAMMARS = tuple(RECORD_FILES)
IMAGE_FOLDER = "image"


class Shape(NamedTuple):
    """A shape in a cell of the grid."""

    size: str
    colour: str
    kind: str
    row: int
    column: int

    @property
    def name(self) -> str:
        """Colour and kind, which no other shape of the picture shares."""
        return f"{self.colour} {self.kind}"

    @property
    def place(self) -> str:
        """Where it is, in words."""
        return PLACES[self.row][self.column]


class Scene(NamedTuple):
    """What a picture shows: all that a record can say, and the horizon."""

    sky: str
    ground: str
    horizon: float
    shapes: list[Shape]  # row by row


def picture_records(
    grammar: str, count: int, seed: int, size: int
) -> Iterator[tuple[Record, Image.Image]]:
    """Yield `count` records in the format of a data set, each with its picture.

    - ``llava_instruct`` (LLaVA-Instruct, detail_23k): ``{"id", "image", "conversations"}``, an
      instruction with ``<image>`` before or behind it, and a response.
    - ``cc_sbu_align`` (second stage of MiniGPT-4): ``{"image_id", "caption"}``, no instruction.

    Record i, from 0, and its picture depend on (grammar, seed, i) alone, through
    ``random.Random(f"{grammar}-{seed}-{i}")``, so more records begin with fewer of the same seed.
    Its text depends on nothing else; its picture is `size` pixels wide and high.

    Raises
    ------
    ValueError
        If the grammar is unknown, the count is no positive integer, the seed no integer or the
        size less than `SMALLEST`.

    Examples
    --------
    >>> record, picture = next(picture_records("cc_sbu_align", 1, seed=0, size=64))
    >>> sorted(record), picture.size
    (['caption', 'image_id'], (64, 64))
    """
    if grammar not in WRITERS:
        raise ValueError(f"there is no grammar {grammar!r}: choose one of {', '.join(GRAMMARS)}")
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise ValueError(f"count must be a positive integer, not {count!r}: ask for 1 or more")
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise ValueError(f"seed must be an integer, not {seed!r}: give a whole number such as 0")
    if isinstance(size, bool) or not isinstance(size, int) or size < SMALLEST:
        raise ValueError(f"size must be an integer from {SMALLEST} on, not {size!r}: give pixels")
    return (_record_and_picture(grammar, seed, index, size) for index in range(count))


def write_pictures(folder: Path, grammar: str, count: int, seed: int, size: int) -> Path:
    """Write pictures into ``folder/image`` and their records into ``folder``; the records file.

    The folder appears whole, and what stood there before is gone then.

    The records file has the name and the form of the real one: a list (``detail_23k.json``), or a
    list under ``annotations`` (``filter_cap.json``). The pictures are PNG, where the real images
    are JPEG: it keeps every pixel as it was drawn, so that the colours are those that the text
    names, and what a model sees of them depends on no encoder and its version.
    """
    records = []
    with writing_folder(folder) as part:
        (part / IMAGE_FOLDER).mkdir()
        for record, picture in picture_records(grammar, count, seed, size):
            records.append(record)
            file = record["image"] if grammar == "llava_instruct" else f"{record['image_id']}.png"
            picture.save(part / IMAGE_FOLDER / str(file))
        value = {"annotations": records} if grammar == "cc_sbu_align" else records
        write_json(part / RECORD_FILES[grammar], value)
    return folder / RECORD_FILES[grammar]


def _record_and_picture(
    grammar: str, seed: int, index: int, size: int
) -> tuple[Record, Image.Image]:
    rng = random.Random(f"{grammar}-{seed}-{index}")
    scene = _scene(rng)
    return WRITERS[grammar](scene, rng, index), _drawn(scene, rng, size)


def _scene(rng: random.Random) -> Scene:
    grid = [(row, column) for row in range(3) for column in range(3)]
    cells = sample(rng, grid, pick(rng, list(NUMBERS)))
    colours = sample(rng, list(COLOURS), len(cells))
    shapes = [
        Shape(pick(rng, list(SIZES)), colour, pick(rng, list(KINDS)), *cell)
        for cell, colour in zip(sorted(cells), colours, strict=True)
    ]
    low, high = HORIZONS
    horizon = low + (high - low) * rng.random()
    return Scene(pick(rng, list(SKIES)), pick(rng, list(GROUNDS)), horizon, shapes)


def _drawn(scene: Scene, rng: random.Random, size: int) -> Image.Image:
    """The picture of a scene: shapes lie somewhere in their cells, wholly."""
    picture = Image.new("RGB", (size, size), GROUNDS[scene.ground])
    draw = ImageDraw.Draw(picture)
    horizon = round(scene.horizon * size)
    zenith, haze = SKIES[scene.sky]
    for y in range(horizon):
        part = y / (horizon - 1)
        red, green, blue = (round(a + part * (b - a)) for a, b in zip(zenith, haze, strict=True))
        draw.line((0, y, size, y), fill=(red, green, blue))
    for shape in scene.shapes:
        width = round(SIZES[shape.size] * (size // 3))
        left, top = (
            cell * size // 3 + int(rng.random() * (size // 3 - width + 1))
            for cell in (shape.column, shape.row)
        )
        box = (left, top, left + width - 1, top + width - 1)
        KINDS[shape.kind](draw, box, COLOURS[shape.colour])
    return picture


def _triangle(draw: ImageDraw.ImageDraw, box: Box, fill: Colour) -> None:
    left, top, right, bottom = box
    draw.polygon([(left, bottom), (right, bottom), ((left + right) / 2, top)], fill)


def _cross(draw: ImageDraw.ImageDraw, box: Box, fill: Colour) -> None:
    left, top, right, bottom = box
    third = round((right - left + 1) / 3)
    draw.rectangle((left + third, top, right - third, bottom), fill)
    draw.rectangle((left, top + third, right, bottom - third), fill)


def _llava_instruct(scene: Scene, rng: random.Random, index: int) -> Record:
    """An instruction and a response of several sentences."""
    name = f"{index:012d}"
    instruction = pick(rng, QUESTIONS)
    marked = f"<image>\n{instruction}" if rng.random() < 0.5 else f"{instruction}\n<image>"
    opening, shown = pick(rng, OPENINGS), pick(rng, SENTENCES)
    number = NUMBERS[len(scene.shapes)]
    sentences = [opening.format(number=number, sky=scene.sky, ground=scene.ground)]
    sentences += [shown.format(shape=shape) for shape in scene.shapes]
    turns = [("human", marked), ("gpt", " ".join([*sentences, _relation(scene, rng)]))]
    return {
        "id": name,
        "image": f"{name}.png",
        "conversations": [{"from": speaker, "value": words} for speaker, words in turns],
    }


def _cc_sbu_align(scene: Scene, rng: random.Random, index: int) -> Record:
    """A caption that lists the shapes in one sentence."""
    *some, last = (f"a {shape.size} {shape.name} {shape.place}" for shape in scene.shapes)
    shown = pick(rng, CAPTIONS).format(sky=scene.sky, ground=scene.ground)
    caption = f"{shown} {', '.join(some)} and {last}. {_relation(scene, rng)}"
    return {"image_id": str(index), "caption": caption}


def _relation(scene: Scene, rng: random.Random) -> str:
    """A true sentence on where one shape is from another."""
    one, other = sample(rng, scene.shapes, 2)
    true = []
    if one.row != other.row:
        true.append("above" if one.row < other.row else "below")
    if one.column != other.column:
        true.append("to the left of" if one.column < other.column else "to the right of")
    return f"The {one.name} is {pick(rng, true)} the {other.name}."


KINDS: dict[str, Callable[[ImageDraw.ImageDraw, Box, Colour], None]] = {
    "circle": ImageDraw.ImageDraw.ellipse,
    "square": ImageDraw.ImageDraw.rectangle,
    "triangle": _triangle,
    "cross": _cross,
}
WRITERS: dict[str, Callable[[Scene, random.Random, int], Record]] = {
    "llava_instruct": _llava_instruct,
    "cc_sbu_align": _cc_sbu_align,
}
