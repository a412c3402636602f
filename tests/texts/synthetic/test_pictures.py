"""Pictures and records: in the real formats, reproducible, saying what there is to see."""

from __future__ import annotations

import colorsys
import functools
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from matrix_entropy.texts.image_records import INSTRUCTIONS, read_image_texts, rotated
from matrix_entropy.texts.synthetic.pictures import (
    COLOURS,
    GRAMMARS,
    QUESTIONS,
    SMALLEST,
    picture_records,
    write_pictures,
)

COUNT, SIZE = 150, 96
SHAPE = re.compile(
    r"\ba (?P<size>large|small) (?P<colour>\w+) (?P<kind>circle|square|triangle|cross)"
    r"(?: is)? (?P<place>(?:at|on|in) the (?:top|bottom|left|right|middle)(?: left| right)?)",
    re.IGNORECASE,
)
RELATION = re.compile(
    r"The (\w+ \w+) is (above|below|to the left of|to the right of) the (\w+ \w+)\.$"
)
SKY = re.compile(r"\b(blue|pink|grey) sky\b")
GROUND = re.compile(r"\b(green grass|brown earth|pale sand)\b")
NUMBERS = {"two": 2, "three": 3, "four": 4}


@functools.cache
def made(grammar: str, size: int = SIZE) -> list[tuple[Any, Image.Image]]:
    """The first records of seed 0 and their pictures."""
    return list(picture_records(grammar, COUNT, 0, size))


def response(record: dict[str, Any]) -> str:
    """What a record says of its picture."""
    return record["caption"] if "caption" in record else record["conversations"][1]["value"]


def cell(place: str) -> tuple[int, int]:
    """Row and column that words name."""
    row = 0 if "top" in place else 2 if "bottom" in place else 1
    column = 0 if "left" in place else 2 if "right" in place else 1
    return row, column


def name_of(pixel: Any) -> str:
    """The name of a colour by its hue, saturation and value, not by the table it is drawn from."""
    hue, saturation, value = colorsys.rgb_to_hsv(*(float(part) / 255 for part in pixel))
    if value < 0.2:
        return "black"
    if saturation < 0.15:
        return "white" if value > 0.98 else "grey"
    degrees = 360 * hue
    if 10 < degrees < 50:
        return "brown" if value < 0.6 else "sand" if saturation < 0.5 else "orange"
    ends = {10: "red", 65: "yellow", 150: "green", 250: "blue", 300: "purple", 345: "pink"}
    return next((name for end, name in ends.items() if degrees < end), "red")


def boxes(picture: Image.Image) -> dict[str, tuple[NDArray[np.bool_], int, int]]:
    """Every shape in a picture, by its colour: its mask, and the row and column of its corner."""
    pixels, found = np.array(picture), {}
    for rgb in COLOURS.values():
        mask = (pixels == rgb).all(axis=2)
        if mask.any():
            rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
            cut = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            found[name_of(rgb)] = cut, int(rows[0]), int(columns[0])
    return found


def kind_of(mask: NDArray[np.bool_]) -> str:
    """A square is full; only a triangle changes upside down; a cross is emptier than a circle."""
    if mask.all():
        return "square"
    if (mask != mask[::-1]).any():
        return "triangle"
    return "cross" if mask.mean() < 0.65 else "circle"


@pytest.mark.parametrize("size", [SMALLEST, SIZE, 100])
@pytest.mark.parametrize("grammar", GRAMMARS)
def test_the_text_names_every_shape_with_size_colour_kind_and_place(
    grammar: str, size: int
) -> None:
    for record, picture in made(grammar, size):
        seen = {}
        for colour, (mask, top, left) in boxes(picture).items():
            high, wide = mask.shape
            row, column = (top + high / 2) * 3 // size, (left + wide / 2) * 3 // size
            # Wholly in its cell.
            assert row * size // 3 <= top < top + high <= (row + 1) * size / 3 + 1
            assert column * size // 3 <= left < left + wide <= (column + 1) * size / 3 + 1
            width = "large" if max(mask.shape) > 0.75 * size / 3 else "small"
            seen[colour] = (width, kind_of(mask), (row, column))
        told = {
            match["colour"]: (match["size"], match["kind"], cell(match["place"]))
            for match in SHAPE.finditer(response(record))
        }
        assert told == seen
        assert len(re.findall("circle|square|triangle|cross", response(record))) == len(seen) + 2


@pytest.mark.parametrize("grammar", GRAMMARS)
def test_the_text_names_sky_and_ground(grammar: str) -> None:
    for record, picture in made(grammar):
        pixels = np.array(picture)
        bare = ~np.any([(pixels == rgb).all(axis=2) for rgb in COLOURS.values()], axis=0)
        sky, ground = pixels[0][bare[0]][0], pixels[-1][bare[-1]][0]
        (said,) = SKY.findall(response(record))
        assert said == name_of(sky)
        (said,) = GROUND.findall(response(record))
        assert name_of(ground) in said
        heights = np.flatnonzero((pixels == ground).all(axis=2).any(axis=1))
        assert 0.5 * SIZE - 1 <= heights[0] <= 0.75 * SIZE + 1
        brightness = [
            pixels[y][bare[y]][0].astype(int).sum() for y in range(heights[0]) if bare[y].any()
        ]
        assert (np.diff(brightness) >= 0).all()
        assert brightness[-1] > brightness[0] + 100


@pytest.mark.parametrize("grammar", GRAMMARS)
def test_the_last_sentence_says_truly_where_one_shape_is_from_another(grammar: str) -> None:
    relations = set()
    for record, picture in made(grammar):
        match = RELATION.search(response(record))
        assert match
        found = boxes(picture)
        spans = []
        for name in (match[1], match[3]):
            colour, kind = name.split()
            mask, top, left = found[colour]
            assert kind == kind_of(mask)
            spans.append(((top, top + mask.shape[0]), (left, left + mask.shape[1])))
        one, other = spans
        relations.add(match[2])
        assert {
            "above": one[0][1] <= other[0][0],
            "below": one[0][0] >= other[0][1],
            "to the left of": one[1][1] <= other[1][0],
            "to the right of": one[1][0] >= other[1][1],
        }[match[2]]
    assert len(relations) == 4


def test_the_number_of_shapes_is_counted() -> None:
    for record, picture in made("llava_instruct"):
        (number,) = re.findall(r"\b(\w+) shapes\b", response(record))
        assert NUMBERS[number] == len(boxes(picture))


@pytest.mark.parametrize("grammar", GRAMMARS)
def test_all_there_can_be_comes_up(grammar: str) -> None:
    texts = [response(record) for record, _ in made(grammar)]
    matches = [match for text in texts for match in SHAPE.finditer(text)]
    for part, several in (("size", 2), ("colour", 7), ("kind", 4), ("place", 9)):
        assert len({match[part] for match in matches}) == several
    assert len({SKY.findall(text)[0] for text in texts}) == 3
    assert len({GROUND.findall(text)[0] for text in texts}) == 3
    assert {len(SHAPE.findall(text)) for text in texts} == {2, 3, 4}
    assert len(set(texts)) == COUNT
    assert len({picture.tobytes() for _, picture in made(grammar)}) == COUNT


@pytest.mark.parametrize("grammar", GRAMMARS)
def test_a_turned_picture_is_another(grammar: str) -> None:
    """Its left is no longer all the same sky above the same ground, whatever the shapes are."""
    for _, picture in made(grammar):
        pixels = np.array(picture)
        turned = np.array(rotated(picture))
        assert (pixels != turned).any(axis=2).mean() > 0.3


def test_llava_instruct_has_the_form_of_the_real_file(tmp_path: Path) -> None:
    file = write_pictures(tmp_path, "llava_instruct", 40, 3, SMALLEST)
    assert file == tmp_path / "detail_23k.json"
    records = json.loads(file.read_text(encoding="utf-8"))
    assert isinstance(records, list)
    assert len(records) == 40
    instructions, first = set(), set()
    for number, record in enumerate(records):
        assert list(record) == ["id", "image", "conversations"]
        assert re.fullmatch(r"\d{12}", record["id"])
        assert int(record["id"]) == number
        assert record["image"] == f"{record['id']}.png"
        assert [turn["from"] for turn in record["conversations"]] == ["human", "gpt"]
        assert all(list(turn) == ["from", "value"] for turn in record["conversations"])
        asked = record["conversations"][0]["value"]
        assert asked.count("<image>") == asked.count("\n") == 1
        instruction = asked.replace("<image>", "").strip("\n")
        assert asked in (f"<image>\n{instruction}", f"{instruction}\n<image>")
        instructions.add(instruction)
        first.add(asked.startswith("<image>"))
    assert instructions == set(QUESTIONS)
    assert first == {True, False}
    assert sorted(path.name for path in (tmp_path / "image").iterdir()) == [
        record["image"] for record in records
    ]


def test_cc_sbu_align_has_the_form_of_the_real_file(tmp_path: Path) -> None:
    file = write_pictures(tmp_path, "cc_sbu_align", 12, 3, SMALLEST)
    assert file == tmp_path / "filter_cap.json"
    value = json.loads(file.read_text(encoding="utf-8"))
    assert list(value) == ["annotations"]
    for number, record in enumerate(value["annotations"]):
        assert list(record) == ["image_id", "caption"]
        assert record["image_id"] == str(number)
        assert not any(instruction in record["caption"] for instruction in INSTRUCTIONS)
    assert {path.name for path in (tmp_path / "image").iterdir()} == {
        f"{record['image_id']}.png" for record in value["annotations"]
    }


@pytest.mark.parametrize("grammar", GRAMMARS)
def test_what_is_written_is_read_back(tmp_path: Path, grammar: str) -> None:
    """Pixel for pixel, and every response word for word, behind its instruction."""
    file = write_pictures(tmp_path, grammar, 10, 0, SIZE)
    texts, origin = read_image_texts({"record": grammar}, file, tmp_path / "image", file.name)
    assert origin["texts"] == len(texts) == 10
    for text, (record, picture) in zip(texts, made(grammar), strict=False):
        instruction, _, rest = text["text"].partition("\n")
        assert instruction in (INSTRUCTIONS if grammar == "cc_sbu_align" else QUESTIONS)
        assert rest == response(record)
        with Image.open(text["image"]) as written:
            assert (written.format, written.mode, written.size) == ("PNG", "RGB", (SIZE, SIZE))
            assert written.tobytes() == picture.tobytes()


@pytest.mark.parametrize("grammar", GRAMMARS)
def test_same_seed_same_bytes_in_another_process(tmp_path: Path, grammar: str) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    write_pictures(here, grammar, 5, 7, SMALLEST)
    call = f"write_pictures(Path({str(there)!r}), {grammar!r}, 5, 7, {SMALLEST})"
    code = "from matrix_entropy.texts.synthetic.pictures import *\n"
    code += f"from pathlib import Path\n{call}"
    path = os.pathsep.join(sys.path)
    subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONHASHSEED": "123", "PYTHONPATH": path},
        check=True,
    )
    files = sorted(path.relative_to(here) for path in here.rglob("*") if path.is_file())
    assert len(files) == 6
    for file in files:
        assert (here / file).read_bytes() == (there / file).read_bytes()


@pytest.mark.parametrize("grammar", GRAMMARS)
def test_more_records_begin_with_fewer(grammar: str) -> None:
    few = list(picture_records(grammar, 5, 0, SIZE))
    assert [record for record, _ in few] == [record for record, _ in made(grammar)[:5]]
    assert [picture.tobytes() for _, picture in few] == [
        picture.tobytes() for _, picture in made(grammar)[:5]
    ]


@pytest.mark.parametrize("grammar", GRAMMARS)
def test_another_seed_or_grammar_is_another_corpus(grammar: str) -> None:
    texts = {response(record) for record, _ in made(grammar)}
    others = {response(record) for record, _ in picture_records(grammar, COUNT, 1, SMALLEST)}
    assert len(texts & others) < COUNT / 20
    llava, cc_sbu = ([SHAPE.findall(response(r)) for r, _ in made(name)] for name in GRAMMARS)
    assert sum(a == b for a, b in zip(llava, cc_sbu, strict=True)) < COUNT / 20


@pytest.mark.parametrize("grammar", GRAMMARS)
def test_the_text_does_not_depend_on_the_size(grammar: str) -> None:
    small = [record for record, _ in made(grammar, SMALLEST)]
    assert small == [record for record, _ in made(grammar)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("coco", 1, 0, 64), "'coco': choose one of llava_instruct, cc_sbu_align"),
        (("cc_sbu_align", 0, 0, 64), "positive integer, not 0"),
        (("cc_sbu_align", True, 0, 64), "positive integer, not True"),
        (("cc_sbu_align", 1, 0.5, 64), "an integer, not 0.5"),
        (("cc_sbu_align", 1, 0, SMALLEST - 1), f"from {SMALLEST} on, not {SMALLEST - 1}"),
        (("cc_sbu_align", 1, 0, 64.0), "not 64.0"),
    ],
)
def test_bad_arguments(arguments: Any, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        picture_records(*arguments)
