"""Read records about images: instruction and response as one text, and the image they are about."""

from __future__ import annotations

import hashlib
import json
import logging
import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from matrix_entropy.downloads import check_hash
from matrix_entropy.errors import InputError
from matrix_entropy.files import sha256
from matrix_entropy.records import Record, value_of
from matrix_entropy.texts import select_texts

# cc_sbu_align has captions only; what asks for them is one of these.
INSTRUCTIONS = (
    "Describe what this picture shows.",
    "What is there to see in this image, and where?",
    "Tell me about this picture as fully as you can.",
    "Give a detailed account of the image.",
)
PLACEHOLDER = re.compile(r"\s*<image>\s*")
SUFFIXES = (".jpg", ".png")  # of real images and of generated ones
MISSING, UNREADABLE = "missing", "unreadable"
SHOWN = 3  # images named in a message
# What Pillow raises for bytes that are no image, a damaged one, or one too large to be meant.
DAMAGED = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)

Turn = tuple[str, str]  # who speaks, "human" or "gpt", and what

log = logging.getLogger(__name__)


def read_image_texts(
    dataset: dict[str, Any], records_file: Path, image_folder: Path, name: str
) -> tuple[list[dict[str, str]], dict[str, Any]]:
    """Texts about images, and where they came from.

    A text is the turns of a record in their order, joined by the separator, without the
    ``<image>`` that marks a place for the image. Records without a response are left out first
    (``skip_empty``), then those whose image is missing or unreadable (``missing_images``), and from
    what remains the sample is taken. Where images are not left out, only those of the sample are
    looked at.

    Parameters
    ----------
    dataset : dict
        The data set's entry:

        - ``record``: ``llava_instruct``, which is a list of ``{"image": file, "conversations":
          [{"from": "human" or "gpt", "value": text}]}`` (LLaVA-Instruct), or ``cc_sbu_align``,
          which is ``{"annotations": [{"image_id": "2", "caption": text}]}`` (second stage of
          MiniGPT-4). The latter's images are ``2.jpg`` or, if there is none, ``2.png``, and the
          instruction of record i, from 0, is one of `INSTRUCTIONS`, drawn by (``instruction_seed``,
          i) alone (seed 0 if none is given).
        - ``separator``: a line break if none is given.
        - ``sample``, ``skip_empty``: see `matrix_entropy.texts.select_texts`.
        - ``missing_images``: ``stop``, which is the default, or ``leave_out``.
        - ``sha256``: of the records file.
        - ``fetch_from``: where the images are to be had, for the message that they are not there.
    records_file, image_folder : Path
        The folder is the one that the records' file names start from.
    name : str
        What to call the records file in messages and provenance.

    Returns
    -------
    texts : list of dict
        ``id`` (position in the file), ``group`` (``all``), ``text`` and ``image`` (path).
    origin : dict
        ``source`` and ``sha256`` of the records file; its ``records``, those among them left out as
        ``skipped_empty``, ``missing`` or ``unreadable``, and the ``texts`` taken;
        ``images_sha256``, the SHA-256 of the SHA-256s of the texts' images (in hexadecimal, each
        with a line break behind it).

    Raises
    ------
    InputError
        If the file or the folder is missing, the file has another hash or other content; if a
        record has no response, or its image is missing or unreadable, and is not to be left out; if
        there are fewer texts than the sample takes, or none.
    """
    to_be_had = f" To be had from: {dataset['fetch_from']}." if "fetch_from" in dataset else ""
    if not records_file.is_file():
        raise InputError(
            f"{name}: there is no such file ({records_file.absolute()}); correct the data set's "
            f"path, or put the file there.{to_be_had}"
        )
    if not image_folder.is_dir():
        raise InputError(
            f"{name}: there is no folder of images {image_folder.absolute()}; correct `images:`, "
            f"or put the images there.{to_be_had}"
        )
    if "sha256" in dataset:
        check_hash(records_file, dataset["sha256"], name)
    images, said = [], []
    for number, record in enumerate(_records(records_file, dataset["record"], name)):
        image, turns = _image_and_turns(record, number, dataset, image_folder, name)
        images.append(str(image))
        said.append({"response": _text(turns, dataset.get("separator", "\n"))})
    if said and not any(record["response"] for record in said):
        raise InputError(
            f"{name} holds no response (a turn from 'gpt', or a caption) in any of its {len(said)} "
            "records; check that it is the right file."
        )
    skip_empty = dataset.get("skip_empty", False)
    texts, counts = select_texts(said, {"field": "response", "skip_empty": skip_empty}, name)
    texts = [text | {"image": images[int(text["id"])]} for text in texts]
    faults: dict[str, str] = {}
    if dataset.get("missing_images", "stop") == "leave_out":
        faults = _faults(texts)
        texts = _without(faults, texts, image_folder, name)
        texts = _sampled(texts, dataset, name)
    else:
        texts = _sampled(texts, dataset, name)
        if found := _faults(texts):
            raise InputError(
                f"{name}: {_told(found, texts, image_folder)} in {image_folder.absolute()}; put "
                "whole ones there, or set `missing_images: leave_out` in the data set to go on "
                f"without these records.{to_be_had}"
            )
    hashes = "".join(f"{sha256(text['image'])}\n" for text in texts)
    return texts, {
        "source": name,
        "sha256": sha256(records_file),
        **counts,
        "missing": list(faults.values()).count(MISSING),
        "unreadable": list(faults.values()).count(UNREADABLE),
        "texts": len(texts),
        "images_sha256": hashlib.sha256(hashes.encode()).hexdigest(),
    }


def open_image(path: str | Path) -> Image.Image:
    """The image in a file, as RGB and as it is stored: not turned to what its EXIF data may say.

    Raises
    ------
    InputError
        If there is no such file, or it is no image or a damaged one.
    """
    if not Path(path).is_file():
        raise InputError(f"there is no image {path}; put it there, or remove its record.")
    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    except DAMAGED as error:
        raise InputError(
            f"{path} cannot be read as an image ({' '.join(str(error).split())}); fetch it again, "
            "or remove its record."
        ) from None


def rotated(image: Image.Image) -> Image.Image:
    """The image turned clockwise by 90 degrees: no pixel changes, the first row is the last column.

    Examples
    --------
    >>> image = Image.new("L", (2, 1))
    >>> image.putdata([1, 2])
    >>> rotated(image).size, list(rotated(image).tobytes())
    ((1, 2), [1, 2])
    """
    return image.transpose(Image.Transpose.ROTATE_270)  # Pillow counts counter-clockwise


def _records(records_file: Path, kind: str, name: str) -> list[Record]:
    """The records of a file of a kind."""
    try:
        value = json.loads(records_file.read_bytes())
    except ValueError as error:  # bytes that are no text as well
        raise InputError(
            f"{name} is not valid JSON ({error}); correct it, or fetch it again."
        ) from None
    place = "its top level"
    if kind == "cc_sbu_align":
        place = "'annotations'"
        value = value.get("annotations") if isinstance(value, dict) else None
    if not isinstance(value, list) or not all(isinstance(record, dict) for record in value):
        raise InputError(
            f"{name}: a list of records is expected at {place}, as `record: {kind}` says; correct "
            "the file, or set `record:` to the kind that it holds."
        )
    return value


def _image_and_turns(
    record: Record, number: int, dataset: dict[str, Any], image_folder: Path, name: str
) -> tuple[Path, list[Turn]]:
    """The image of record number `number`, and what is said of it."""
    where = f"{name}, record {number}"
    if dataset["record"] == "llava_instruct":
        turns = value_of(record, "conversations", where)
        if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns):
            raise InputError(
                f"{where}: 'conversations' is no list of turns with 'from' and 'value'; correct it."
            )
        return image_folder / _string(record, "image", where), [
            (_string(turn, "from", where), _string(turn, "value", where)) for turn in turns
        ]
    image_id = _string(record, "image_id", where)
    files = [image_folder / f"{image_id}{suffix}" for suffix in SUFFIXES]
    image = next((file for file in files if file.is_file()), files[0])
    rng = random.Random(f"{dataset.get('instruction_seed', 0)}-{number}")
    instruction = INSTRUCTIONS[int(rng.random() * len(INSTRUCTIONS))]
    return image, [("human", instruction), ("gpt", _string(record, "caption", where))]


def _string(record: Record, field: str, where: str) -> str:
    value = value_of(record, field, where)
    if not isinstance(value, str):
        raise InputError(f"{where}: '{field}' is {type(value).__name__}, not text; correct it.")
    return value


def _text(turns: Sequence[Turn], separator: str) -> str:
    """The turns, joined where they say something; nothing if a response does not, or is not there.

    The mark of the image goes with the white space about it: a line break, in real records.
    """
    said = [
        (speaker, PLACEHOLDER.sub(" ", words).strip() if "<image>" in words else words)
        for speaker, words in turns
    ]
    responses = [words.strip() for speaker, words in said if speaker == "gpt"]
    if not responses or not all(responses):
        return ""
    return separator.join(words for _, words in said if words.strip())


def _sampled(
    texts: list[dict[str, str]], dataset: dict[str, Any], name: str
) -> list[dict[str, str]]:
    drawn, _ = select_texts(texts, {"sample": dataset.get("sample")}, name)
    return [texts[int(position["id"])] for position in drawn]


def _without(
    faults: dict[str, str], texts: list[dict[str, str]], image_folder: Path, name: str
) -> list[dict[str, str]]:
    """The texts whose image is as it should be; the others are told of in the log."""
    if len(faults) == len(texts):
        raise InputError(
            f"{name} has no record with an image: {_told(faults, texts, image_folder)} in "
            f"{image_folder.absolute()}; correct the folder's path, or put the images there."
        )
    if faults:
        log.warning("%s: %s; left out", name, _told(faults, texts, image_folder))
    return [text for text in texts if text["id"] not in faults]


def _faults(texts: list[dict[str, str]]) -> dict[str, str]:
    """What is wrong with the images of texts, by their ids."""
    of_image = {image: _fault(image) for image in dict.fromkeys(text["image"] for text in texts)}
    return {text["id"]: fault for text in texts if (fault := of_image[text["image"]]) is not None}


def _fault(image: str) -> str | None:
    if not Path(image).is_file():
        return MISSING
    try:
        # All of it: a JPEG that ends too early, as a broken download does, begins like a whole one.
        open_image(image)
    except InputError:
        return UNREADABLE
    return None


def _told(faults: dict[str, str], texts: list[dict[str, str]], image_folder: Path) -> str:
    """How many images are missing, how many cannot be read, and the first of them."""
    parts = []
    for fault, one, several in (
        (MISSING, "image is missing", "images are missing"),
        (UNREADABLE, "image cannot be read", "images cannot be read"),
    ):
        files = [text["image"] for text in texts if faults.get(text["id"]) == fault]
        if files:
            first = [file.removeprefix(f"{image_folder}/") for file in files[:SHOWN]]
            more = f" and {len(files) - SHOWN} more" if len(files) > SHOWN else ""
            number = f"{len(files)} {one if len(files) == 1 else several}"
            parts.append(f"{number} ({', '.join(first)}{more})")
    return " and ".join(parts)
