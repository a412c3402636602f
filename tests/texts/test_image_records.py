"""Records about images: both real formats, samples, and images that are not there or not usable."""

from __future__ import annotations

import hashlib
import json
import logging
import random
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from matrix_entropy.base.errors import InputError
from matrix_entropy.texts import image_records
from matrix_entropy.texts.image_records import INSTRUCTIONS, open_image, read_image_texts, rotated

ASKED, ANSWERED = "What is there?", "A red kite over the bay."


def llava(image: str, *values: str) -> dict[str, Any]:
    """A record of LLaVA-Instruct; human and model speak in turn."""
    turns = [
        {"from": "gpt" if number % 2 else "human", "value": value}
        for number, value in enumerate(values)
    ]
    return {"id": image.partition(".")[0], "image": image, "conversations": turns}


def captions(*texts: str) -> dict[str, Any]:
    """A file of cc_sbu_align, whose ids start from 2 as in the real one."""
    return {
        "annotations": [
            {"image_id": str(number), "caption": text} for number, text in enumerate(texts, 2)
        ]
    }


def image(path: Path, shade: int = 0) -> bytes:
    """Write a small image in the format of its suffix; its bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(shade).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    Image.fromarray(values).save(path)
    return path.read_bytes()


def read(folder: Path, value: Any, **dataset: Any) -> tuple[list[dict[str, str]], dict[str, Any]]:
    """What is read of a records file with this content."""
    folder.joinpath("image").mkdir(exist_ok=True)
    kind = "cc_sbu_align" if isinstance(value, dict) else "llava_instruct"
    file = folder / "records.json"
    file.write_bytes(value if isinstance(value, bytes) else json.dumps(value).encode())
    return read_image_texts({"record": kind, **dataset}, file, folder / "image", "records.json")


def refused(folder: Path, value: Any, **dataset: Any) -> str:
    """The sentence with which it is refused."""
    with pytest.raises(InputError) as raised:
        read(folder, value, **dataset)
    message = str(raised.value)
    assert message.startswith("records.json")
    assert "\n" not in message
    assert message.endswith(".")
    assert not message.endswith("..")
    return message


def many(folder: Path, count: int, absent: tuple[int, ...] = ()) -> list[dict[str, Any]]:
    """Records of so many images, some of which are not there."""
    records = []
    for number in range(count):
        name = f"{number:012d}.jpg"
        if number not in absent:
            image(folder / "image" / name, number)
        records.append(llava(name, f"<image>\n{ASKED}", f"Answer {number}."))
    return records


def test_a_text_of_two_conversations(tmp_path: Path) -> None:
    """Both have the same image, and one the question as well."""
    content = image(tmp_path / "image" / "1.jpg")
    values = f"<image>\n{ASKED}", "A kite.", "What colour?", "Red."
    records = [llava("1.jpg", *values), llava("1.jpg", "<image>", "A kite.")]
    about = {
        "group": "all",
        "image": str(tmp_path / "image" / "1.jpg"),
        "image_sha256": hashlib.sha256(content).hexdigest(),
    }
    texts, origin = read(tmp_path, records)
    assert texts == [
        {"id": "0", "text": f"{ASKED}\nA kite.\nWhat colour?\nRed.", **about},
        {"id": "1", "text": "A kite.", **about},
    ]
    assert origin["texts"] == 2
    texts, _ = read(tmp_path, records, separator=" | ")
    assert texts[0]["text"] == f"{ASKED} | A kite. | What colour? | Red."


def test_captions_have_an_instruction_by_seed_and_position(tmp_path: Path) -> None:
    for number in range(2, 42):
        image(tmp_path / "image" / f"{number}.jpg")
    told = [f"Caption {number}." for number in range(40)]
    texts, _ = read(tmp_path, captions(*told))
    assert [text["text"].split("\n")[1] for text in texts] == told
    assert [Path(text["image"]).name for text in texts] == [f"{n}.jpg" for n in range(2, 42)]
    drawn = [text["text"].split("\n")[0] for text in texts]
    assert set(drawn) == set(INSTRUCTIONS)
    assert texts == read(tmp_path, captions(*told), instruction_seed=0)[0]
    other = read(tmp_path, captions(*told), instruction_seed=1)[0]
    assert [text["text"].split("\n")[0] for text in other] != drawn
    # A sample does not change which instruction a record has.
    some, _ = read(tmp_path, captions(*told), sample={"size": 7, "seed": 1})
    assert all(text == texts[int(text["id"])] for text in some)


def test_captions_of_generated_pictures_find_png(tmp_path: Path) -> None:
    """JPEG, as the real ones are, goes before."""
    for name in ("2.png", "3.png", "3.jpg"):
        image(tmp_path / "image" / name)
    texts, _ = read(tmp_path, captions("One.", "Two."))
    assert [Path(text["image"]).name for text in texts] == ["2.png", "3.jpg"]


def test_images_may_lie_in_folders_of_the_folder(tmp_path: Path) -> None:
    image(tmp_path / "image" / "coco" / "1.jpg")
    (text,), _ = read(tmp_path, [llava("coco/1.jpg", ASKED, ANSWERED)])
    assert text["image"] == str(tmp_path / "image" / "coco" / "1.jpg")


def test_origin(tmp_path: Path) -> None:
    """Counts, the file's hash, and the hash of the images' hashes in the order of the texts."""
    records = many(tmp_path, 6)
    texts, origin = read(tmp_path, records, sample={"size": 4, "seed": 5})
    hashes = [hashlib.sha256(Path(text["image"]).read_bytes()).hexdigest() for text in texts]
    assert [text["image_sha256"] for text in texts] == hashes
    assert len(set(hashes)) == 4
    lines = "".join(f"{value}\n" for value in hashes).encode()
    file = (tmp_path / "records.json").read_bytes()
    assert origin == {
        "source": "records.json",
        "sha256": hashlib.sha256(file).hexdigest(),
        "records": 6,
        "skipped_empty": 0,
        "missing": 0,
        "unreadable": 0,
        "texts": 4,
        "images_sha256": hashlib.sha256(lines).hexdigest(),
    }
    image(Path(texts[0]["image"]), 99)
    changed = read(tmp_path, records, sample={"size": 4, "seed": 5})[1]
    assert changed["images_sha256"] != origin["images_sha256"]
    assert {**changed, "images_sha256": None} == {**origin, "images_sha256": None}


def test_expected_hash(tmp_path: Path) -> None:
    records = many(tmp_path, 1)
    right = hashlib.sha256(json.dumps(records).encode()).hexdigest()
    assert read(tmp_path, records, sha256=right)[1]["sha256"] == right
    assert "`sha256:`" in refused(tmp_path, records, sha256="0" * 64)


@pytest.mark.parametrize("seed", [123, 5])
def test_sample_is_drawn_as_the_papers_do(tmp_path: Path, seed: int) -> None:
    records = many(tmp_path, 12)
    random.seed(seed)
    expected = random.sample(range(12), 5)
    texts, origin = read(tmp_path, records, sample={"size": 5, "seed": seed})
    assert [text["id"] for text in texts] == [str(number) for number in expected]
    assert [text["text"].split("\n")[1] for text in texts] == [f"Answer {n}." for n in expected]
    assert [Path(text["image"]).name for text in texts] == [f"{n:012d}.jpg" for n in expected]
    assert (origin["records"], origin["texts"]) == (12, 5)


def test_first_and_too_large_samples(tmp_path: Path) -> None:
    records = many(tmp_path, 4)
    assert [text["id"] for text in read(tmp_path, records, sample={"first": 3})[0]] == list("012")
    message = refused(tmp_path, records, sample={"size": 5, "seed": 0})
    assert "has 4 texts, fewer than the sample of 5" in message


@pytest.mark.parametrize("policy", [{}, {"missing_images": "stop"}])
def test_missing_images_are_named_and_counted(tmp_path: Path, policy: dict[str, str]) -> None:
    message = refused(tmp_path, many(tmp_path, 8, absent=(1, 3, 4, 6, 7)), **policy)
    names = ", ".join(f"{number:012d}.jpg" for number in (1, 3, 4))
    assert f"5 images are missing ({names} and 2 more) in {tmp_path / 'image'}; put" in message
    assert "`missing_images: leave_out`" in message


def test_only_the_images_of_the_sample_have_to_be_there(tmp_path: Path) -> None:
    """Two of the 23,000 can be tried without the other images."""
    records = many(tmp_path, 8, absent=(2, 5))
    texts, origin = read(tmp_path, records, sample={"first": 2})
    assert len(texts) == 2
    assert origin["missing"] == 0
    message = refused(tmp_path, records, sample={"first": 3})
    assert "1 image is missing (000000000002.jpg) in" in message


def spoil(path: Path, how: str) -> None:
    """Make an image unreadable."""
    whole = path.read_bytes()
    path.write_bytes(
        {
            "no image": b"<html>404</html>",
            "empty": b"",
            "cut short": whole[: len(whole) * 2 // 3],
            "zeros": whole[:40] + bytes(len(whole) - 40),
        }[how]
    )


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("how", ["no image", "empty", "cut short", "zeros"])
def test_unreadable_images_are_named_and_counted(tmp_path: Path, how: str, suffix: str) -> None:
    path = tmp_path / "image" / f"3{suffix}"
    image(path)
    image(tmp_path / "image" / "2.jpg")
    spoil(path, how)
    message = refused(tmp_path, captions("One.", "Two.", "Three."))
    assert "1 image is missing (4.jpg) and 1 image cannot be read (3" + suffix + ") in" in message
    texts, origin = read(tmp_path, captions("One.", "Two.", "Three."), missing_images="leave_out")
    assert [text["id"] for text in texts] == ["0"]
    assert (origin["records"], origin["missing"], origin["unreadable"]) == (3, 1, 1)
    with pytest.raises(InputError, match=r"3\.\w+ cannot be read as an image \(.*\.$") as raised:
        open_image(path)
    assert "\n" not in str(raised.value)


def test_left_out_images_are_named_in_the_log_and_the_sample_is_drawn_from_the_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    records = many(tmp_path, 12, absent=(0, 4, 5, 9))
    left = [number for number in range(12) if number not in (0, 4, 5, 9)]
    random.seed(123)
    expected = [left[place] for place in random.sample(range(8), 6)]
    with caplog.at_level(logging.WARNING, logger="matrix_entropy"):
        texts, origin = read(
            tmp_path, records, missing_images="leave_out", sample={"size": 6, "seed": 123}
        )
    assert [text["id"] for text in texts] == [str(number) for number in expected]
    assert [text["text"].split("\n")[1] for text in texts] == [f"Answer {n}." for n in expected]
    counts = {key: origin[key] for key in ("records", "missing", "unreadable", "texts")}
    assert counts == {"records": 12, "missing": 4, "unreadable": 0, "texts": 6}
    (entry,) = caplog.records
    assert "4 images are missing (000000000000.jpg, 000000000004.jpg, " in entry.getMessage()


def test_an_image_of_several_records_is_missing_for_each(tmp_path: Path) -> None:
    image(tmp_path / "image" / "2.jpg")
    records = [llava(name, ASKED, ANSWERED) for name in ("1.jpg", "2.jpg", "1.jpg")]
    _, origin = read(tmp_path, records, missing_images="leave_out")
    assert (origin["missing"], origin["texts"]) == (2, 1)


def test_every_image_is_hashed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("1.jpg", "2.jpg", "3.jpg"):
        image(tmp_path / "image" / name, int(name[0]))
    records = [llava(name, ASKED, ANSWERED) for name in ("1.jpg", "2.jpg", "1.jpg", "3.jpg")]
    hashed: list[str] = []
    sha256 = image_records.sha256

    def spy(path: str | Path) -> str:
        hashed.append(Path(path).name)
        return sha256(path)

    monkeypatch.setattr(image_records, "sha256", spy)
    texts, _ = read(tmp_path, records, sample={"first": 3})
    assert hashed == ["1.jpg", "2.jpg", "records.json"]
    assert texts[0]["image_sha256"] == texts[2]["image_sha256"] != texts[1]["image_sha256"]


@pytest.mark.parametrize("length", [300, 5000], ids=["of a file", "of a path"])
def test_a_name_too_long_for_the_disk_is_missing(tmp_path: Path, length: int) -> None:
    image(tmp_path / "image" / "1.jpg")
    records = [llava("a" * length, ASKED, ANSWERED), llava("1.jpg", ASKED, ANSWERED)]
    assert "1 image is missing (aaa" in refused(tmp_path, records)
    texts, origin = read(tmp_path, records, missing_images="leave_out")
    assert ([text["id"] for text in texts], origin["missing"]) == (["1"], 1)
    value = {"annotations": [{"image_id": "b" * length, "caption": "A."}]}
    assert "1 image is missing (bbb" in refused(tmp_path, value)
    with pytest.raises(InputError, match=r"there is no image a+;"):
        open_image("a" * length)


@pytest.mark.parametrize("policy", ["stop", "leave_out"])
@pytest.mark.parametrize("outside", ["{0}/1", "../1", "a/../1", "a/../../1"])
def test_a_name_that_may_leave_the_folder_is_refused(
    tmp_path: Path, outside: str, policy: str
) -> None:
    """Also where there is such a file."""
    for folder in (tmp_path, tmp_path / "image", tmp_path / "image" / "a"):
        image(folder / "1.jpg")
    outside = outside.format(tmp_path)
    told = f"the image '{outside}.jpg' may lie outside the folder of images; name it from that"
    records = [llava("1.jpg", ASKED, ANSWERED), llava(f"{outside}.jpg", ASKED, ANSWERED)]
    message = refused(tmp_path, records, missing_images=policy)
    assert message.startswith(f"records.json, record 1: {told}")
    record = {"image_id": outside, "caption": "A."}
    message = refused(tmp_path, {"annotations": [record]}, missing_images=policy)
    assert message.startswith(f"records.json, record 0: {told}")


def test_a_name_with_more_dots_is_a_name(tmp_path: Path) -> None:
    for name in ("..1.jpg", "a...jpg", "b/..c.png"):
        image(tmp_path / "image" / name)
    records = [llava(f"./{name}", ASKED, ANSWERED) for name in ("..1.jpg", "a...jpg", "b/..c.png")]
    texts, _ = read(tmp_path, records)
    assert [Path(text["image"]).name for text in texts] == ["..1.jpg", "a...jpg", "..c.png"]


def test_a_record_without_an_image_is_left_out_as_missing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Larger mixes hold records that are text alone; two images more are not there."""
    records = many(tmp_path, 6, absent=(0, 4))
    del records[3]["image"]
    with caplog.at_level(logging.WARNING, logger="matrix_entropy"):
        texts, origin = read(tmp_path, records, missing_images="leave_out", sample={"first": 2})
    assert [text["id"] for text in texts] == ["1", "2"]
    counts = {key: origin[key] for key in ("records", "missing", "unreadable", "texts")}
    assert counts == {"records": 6, "missing": 3, "unreadable": 0, "texts": 2}
    (entry,) = caplog.records
    named = "3 images are missing (000000000000.jpg, that of record 3, 000000000004.jpg); left out"
    assert named in entry.getMessage()


def test_a_record_without_an_image_stops_the_run_with_the_alternative(tmp_path: Path) -> None:
    records = many(tmp_path, 4)
    del records[2]["image"]
    for policy in ({}, {"missing_images": "stop"}):
        message = refused(tmp_path, records, **policy)
        assert message.startswith("records.json, record 2 has no field 'image'; it has: id, conv")
        assert "`missing_images: leave_out`" in message
    nothing = refused(tmp_path, records[2:3], missing_images="leave_out")
    assert "has no record with an image: 1 image is missing (that of record 0) in" in nothing
    caption = {"annotations": [{"caption": "A."}]}
    assert "no field 'image_id'" in refused(tmp_path, caption, missing_images="leave_out")


def test_leaving_out_every_image_is_refused(tmp_path: Path) -> None:
    records = many(tmp_path, 2, absent=(0, 1))
    message = refused(tmp_path, records, missing_images="leave_out")
    assert "has no record with an image: 2 images are missing" in message
    assert str(tmp_path / "image") in message


def test_records_without_a_response(tmp_path: Path) -> None:
    """Named by number, left out before the sample, and refused if there is no other."""
    records = many(tmp_path, 5)
    records[1]["conversations"][1]["value"] = " \n"
    records[3]["conversations"].pop()
    message = refused(tmp_path, records)
    assert message.startswith("records.json, record 1 has an empty 'response'; ")
    assert "`skip_empty: true`" in message
    texts, origin = read(tmp_path, records, skip_empty=True, sample={"first": 3})
    assert [text["id"] for text in texts] == ["0", "2", "4"]
    assert (origin["records"], origin["skipped_empty"], origin["texts"]) == (5, 2, 3)
    assert "no response" in refused(tmp_path, [records[1], records[3]], skip_empty=True)
    assert "empty 'response'" in refused(tmp_path, captions("One.", ""))


def test_the_image_of_a_record_left_out_as_empty_need_not_be_there(tmp_path: Path) -> None:
    records = many(tmp_path, 3, absent=(1,))
    records[1]["conversations"][1]["value"] = ""
    _, origin = read(tmp_path, records, skip_empty=True, missing_images="leave_out")
    assert (origin["skipped_empty"], origin["missing"], origin["texts"]) == (1, 0, 2)


# What is read, as which kind, and what the sentence names.
BAD: dict[str, tuple[Any, str, list[str]]] = {
    "no JSON": (b"[{]", "llava_instruct", ["not valid JSON", "column 3"]),
    "no text": (b"\xff\xfe\xfa", "llava_instruct", ["not valid JSON"]),
    "an object": ({"a": 1}, "llava_instruct", ["list of records", "its top level", "`record:`"]),
    "texts": (["a"], "llava_instruct", ["list of records", "its top level"]),
    "the other kind": (captions("A."), "llava_instruct", ["`record: llava_instruct`"]),
    "one kind for another": ([llava("1.jpg", "a", "b")], "cc_sbu_align", ["'annotations'"]),
    "no annotations": ({"a": []}, "cc_sbu_align", ["list of records", "'annotations'"]),
    "no records": ([], "llava_instruct", ["0 records"]),
    "no annotation": ({"annotations": []}, "cc_sbu_align", ["0 records"]),
    "no conversations": ([{"image": "1.jpg"}], "llava_instruct", ["record 0", "'conversations'"]),
    "no image": (
        [{"id": "1", "conversations": []}],
        "llava_instruct",
        ["record 0 has no field 'image'", "id, conversations"],
    ),
    "conversation of texts": (
        [{"image": "1.jpg", "conversations": ["a", "b"]}],
        "llava_instruct",
        ["record 0: 'conversations'", "'from' and 'value'"],
    ),
    "turn without value": (
        [{"image": "1.jpg", "conversations": [{"from": "gpt"}]}],
        "llava_instruct",
        ["record 0 has no field 'value'"],
    ),
    "a number as value": (
        [{"image": "1.jpg", "conversations": [{"from": "gpt", "value": 5}]}],
        "llava_instruct",
        ["record 0: 'value' is int, not text"],
    ),
    "a number as caption": (
        {"annotations": [{"image_id": "2", "caption": None}]},
        "cc_sbu_align",
        ["record 0: 'caption' is NoneType"],
    ),
    "no image_id": ({"annotations": [{"caption": "A."}]}, "cc_sbu_align", ["'image_id'"]),
    "half a character": (captions("\ud800"), "cc_sbu_align", ["record 0", "surrogate"]),
    "other speakers": (
        [{"image": "1.jpg", "conversations": [{"from": "user", "value": "a"}]}],
        "llava_instruct",
        ["no response", "'gpt'"],
    ),
}


@pytest.mark.parametrize(("value", "kind", "parts"), BAD.values(), ids=BAD)
def test_other_files(tmp_path: Path, value: Any, kind: str, parts: list[str]) -> None:
    message = refused(tmp_path, value, record=kind)
    for part in parts:
        assert part in message


def test_missing_file_and_folder(tmp_path: Path) -> None:
    dataset = {"record": "llava_instruct"}
    file, folder = tmp_path / "records.json", tmp_path / "image"
    with pytest.raises(InputError, match=r"^detail: there is no such file .*records\.json"):
        read_image_texts(dataset, file, folder, "detail")
    file.write_text("[]")
    with pytest.raises(InputError, match=r"^detail: there is no folder of images .*image;"):
        read_image_texts(dataset, file, folder, "detail")


@pytest.mark.parametrize("there", ["nothing", "records", "folder"])
def test_what_is_not_there_is_said_where_to_be_had(tmp_path: Path, there: str) -> None:
    records, file, folder = [llava("1.jpg", ASKED, ANSWERED)], tmp_path / "r.json", tmp_path / "im"
    if there != "nothing":
        file.write_text(json.dumps(records))
    if there == "folder":
        folder.mkdir()
    found = {"nothing": "no such file", "records": "no folder of", "folder": "1 image is missing"}
    entry = {"record": "llava_instruct", "fetch_from": "COCO's site, train2017"}
    with pytest.raises(InputError) as raised:
        read_image_texts(entry, file, folder, "detail")
    assert found[there] in str(raised.value)
    assert str(raised.value).endswith(". To be had from: COCO's site, train2017.")
    with pytest.raises(InputError) as plain:
        read_image_texts({"record": "llava_instruct"}, file, folder, "detail")
    assert str(plain.value) + " To be had from: COCO's site, train2017." == str(raised.value)


def test_what_is_wrong_with_what_is_there_is_not_to_be_fetched(tmp_path: Path) -> None:
    wrong = refused(tmp_path, [{"image": "1.jpg"}], fetch_from="COCO's site")
    assert "'conversations'" in wrong
    assert "COCO" not in wrong


# How a pixel of an image is stored, and its colour.
STORED: dict[str, tuple[Any, tuple[int, int, int]]] = {
    "RGB": ((200, 100, 50), (200, 100, 50)),
    "L": (120, (120, 120, 120)),
    "1": (1, (255, 255, 255)),
    "RGBA": ((200, 100, 50, 0), (200, 100, 50)),
    "LA": ((120, 30), (120, 120, 120)),
    "CMYK": ((55, 155, 205, 0), (200, 100, 50)),
}


@pytest.mark.parametrize("mode", STORED)
def test_every_image_opens_as_rgb(tmp_path: Path, mode: str) -> None:
    """COCO has grey images among the coloured ones."""
    path = tmp_path / ("x.tiff" if mode == "CMYK" else "x.png")
    stored, colour = STORED[mode]
    Image.new(mode, (5, 3), stored).save(path)
    opened = open_image(path)
    assert (opened.mode, opened.size) == ("RGB", (5, 3))
    path.unlink()  # it was read whole
    assert (np.array(opened) == colour).all()


@pytest.mark.parametrize("transparency", [None, 1, b"\x80\x00"])
def test_a_palette_opens_as_its_colours(tmp_path: Path, transparency: int | bytes | None) -> None:
    colours = [[10, 20, 30], [200, 100, 50]]
    palette = Image.frombytes("P", (3, 1), bytes([0, 1, 1]))
    palette.putpalette([*colours[0], *colours[1]])
    options = {} if transparency is None else {"transparency": transparency}
    palette.save(tmp_path / "x.png", **options)
    assert np.array(open_image(tmp_path / "x.png")).tolist() == [
        [colours[0], colours[1], colours[1]]
    ]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("uint16", "x.png"),
        ("uint16", "x.tiff"),
        (">u2", "x.tiff"),
        ("int32", "x.tiff"),
        ("float32", "x.tiff"),
        ("int32", "x.pgm"),
    ],
)
def test_grey_values_of_more_than_8_bits_are_refused(tmp_path: Path, kind: str, name: str) -> None:
    """Made RGB, everything from 255 on would be white, and what lies between 0 and 1 black."""
    path = tmp_path / "image" / name
    path.parent.mkdir()
    grey = Image.fromarray(np.array([[0, 300, 20_000, 60_000]]).astype(kind))
    grey.save(path)
    with pytest.raises(InputError, match=r"cannot be read .*; save it with 8 bits a channel") as no:
        open_image(path)
    assert str(no.value).startswith(str(path))
    records = [llava(name, ASKED, ANSWERED)]
    message = refused(tmp_path, records)
    assert f"1 image cannot be read ({name})" in message
    assert "with 8 bits a channel" in message
    records.append(llava("1.png", ASKED, ANSWERED))
    image(tmp_path / "image" / "1.png")
    _, origin = read(tmp_path, records, missing_images="leave_out")
    assert (origin["unreadable"], origin["texts"]) == (1, 1)


def test_colours_of_16_bits_keep_their_upper_8(tmp_path: Path) -> None:
    """Pillow reads such a PNG as RGB: nothing is cut off."""
    values = np.array([[[0x1234, 0xFF00, 0x80FF], [0, 0xFFFF, 0x0100]]], dtype=">u2")
    lines = b"".join(b"\0" + row.tobytes() for row in values)
    header = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
    content = b"\x89PNG\r\n\x1a\n"
    for kind, data in chunks:
        content += struct.pack(">I", len(data)) + kind + data
        content += struct.pack(">I", zlib.crc32(kind + data))
    (tmp_path / "x.png").write_bytes(content)
    assert (np.array(open_image(tmp_path / "x.png")) == values >> 8).all()


def test_an_image_is_the_one_of_its_hash(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    first = hashlib.sha256(image(path, 1)).hexdigest()
    values = np.array(open_image(path))
    assert (np.array(open_image(path, first)) == values).all()
    second = hashlib.sha256(image(path, 2)).hexdigest()
    assert (np.array(open_image(path, second)) != values).any()
    for spoilt in (False, True):
        if spoilt:
            spoil(path, "no image")
        with pytest.raises(InputError) as raised:
            open_image(path, first)
        message = str(raised.value)
        assert message.startswith(f"{path} is not the image that was read with the texts (its SHA")
        assert message.endswith("results/prompts and run again.")


def test_a_file_of_another_kind_is_called_that(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"<html>404</html>")
    with pytest.raises(InputError) as raised:
        open_image(tmp_path / "x.png")
    assert str(raised.value).startswith(
        f"{tmp_path / 'x.png'} cannot be read as an image (of no known format); fetch it again,"
    )


def test_exif_does_not_turn_an_image(tmp_path: Path) -> None:
    """The released models' own loading does not look at it either."""
    values = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(values).save(tmp_path / "x.png", exif=exif)
    assert (np.array(open_image(tmp_path / "x.png")) == values).all()


def test_no_image(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no image .*x\.png; put"):
        open_image(tmp_path / "x.png")


def test_a_quarter_turn_clockwise() -> None:
    """The top left corner comes to the top right, as NumPy turns it; no pixel changes."""
    values = np.random.default_rng(0).integers(0, 256, (4, 7, 3), dtype=np.uint8)
    turned = np.array(rotated(Image.fromarray(values)))
    assert turned.shape == (7, 4, 3)
    assert (turned[0, -1] == values[0, 0]).all()
    assert (turned[-1, -1] == values[0, -1]).all()
    assert (turned == np.rot90(values, k=-1)).all()


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 99))
def test_four_quarter_turns_are_none_and_fewer_are_some(wide: int, high: int, seed: int) -> None:
    values = np.random.default_rng(seed).integers(0, 256, (high, wide, 3), dtype=np.uint8)
    values[0, 0] = 255 - values[-1, -1]
    original = Image.fromarray(values)
    turns = [original]
    for _ in range(4):
        turns.append(rotated(turns[-1]))
    assert (np.array(turns[4]) == values).all()
    assert (np.array(turns[2]) == values[::-1, ::-1]).all()
    assert [turn.size for turn in turns[1:4]] == [(high, wide), (wide, high), (high, wide)]
