"""Read records about images: instruction and response as one text, and the image they are about."""

from __future__ import annotations

import hashlib
import logging
import os
import random
from io import BytesIO
from pathlib import Path, PurePath
from typing import Any

from PIL import Image, UnidentifiedImageError

from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import sha256
from matrix_entropy.base.json_text import parsed_json
from matrix_entropy.sources.downloads import check_hash
from matrix_entropy.texts.conversations import Turn, joined, string_of, turns_of
from matrix_entropy.texts.image_downloads import fetch_images
from matrix_entropy.texts.readers import select_texts
from matrix_entropy.texts.records import Record

# cc_sbu_align has captions only; MiniGPT-4 draws what asks for them from these, the very sentences,
# since the text of a record is instruction and response.
INSTRUCTIONS = (
    "Describe this image in detail.",
    "Take a look at this image and describe what you notice.",
    "Please provide a detailed description of the picture.",
    "Could you describe the contents of this image for me?",
)
SUFFIXES = (".jpg", ".png")  # of real images and of generated ones
MISSING, UNREADABLE = "missing", "unreadable"
SHOWN = 3  # images named in a message
# What Pillow raises for bytes that are no image, a damaged one, or one too large to be meant.
DAMAGED = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)
# One channel of more than 8 bits, whose values Pillow cuts off at 255 where it makes RGB of them:
# nearly all of the image would be white, or black.
DEEP = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")

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
          [{"from": "human" or "gpt", "value": text}]}`` (LLaVA-Instruct; in larger mixes of it
          some records are text alone and have no ``image``: it is missing), or ``cc_sbu_align``,
          which is ``{"annotations": [{"image_id": "2", "caption": text}]}`` (second stage of
          MiniGPT-4). The latter's images are ``2.jpg`` or, if there is none, ``2.png``, and the
          instruction of record i, from 0, is one of `INSTRUCTIONS`, drawn by (``instruction_seed``,
          i) alone (seed 0 if none is given).
        - ``separator``: a line break if none is given.
        - ``sample``, ``skip_empty``: see `texts.readers.select_texts`.
        - ``missing_images``: ``stop``, which is the default, or ``leave_out``.
        - ``sha256``, ``md5``: of the records file.
        - ``images_url``: the address that images which are not there are fetched from by name.
        - ``fetch_from``: where the images are to be had, for the message that they are not there.
    records_file, image_folder : Path
        The folder is the one that the records' file names start from.
    name : str
        What to call the records file in messages and provenance.

    Returns
    -------
    texts : list of dict
        ``id`` (position in the file), ``group`` (``all``), ``text``, ``image`` (path) and
        ``image_sha256`` (SHA-256 of that file).
    origin : dict
        ``source`` and ``sha256`` of the records file; its ``records``, those among them left out as
        ``skipped_empty``, ``missing`` or ``unreadable``, and the ``texts`` taken;
        ``images_sha256``, the SHA-256 of the SHA-256s of the texts' images (in hexadecimal, each
        with a line break behind it).

    Raises
    ------
    InputError
        If the file or the folder is missing, the file has another hash or other content; if a
        record has no response, or its image is missing or unreadable, or cannot be fetched, and is
        not to be left out; if an image is named by a path that may lead out of the folder; if there
        are fewer texts than the sample takes, or none.
    """
    texts, counts = _texts(dataset, records_file, image_folder, name)
    _fetch(dataset, texts, image_folder, name)
    faults: dict[str, str] = {}
    if _leaves_out(dataset):
        faults = _faults(texts)
        texts = _without(faults, texts, image_folder, name)
        texts = _sampled(texts, dataset, name)
    elif found := _faults(texts):
        raise InputError(
            f"{name}: {_told(found, texts, image_folder)} in {image_folder.absolute()}; put "
            "whole ones there, with 8 bits a channel, or set `missing_images: leave_out` in "
            f"the data set to go on without these records.{_to_be_had(dataset)}"
        )
    # An image may be that of many records.
    hash_of = {image: sha256(image) for image in dict.fromkeys(text["image"] for text in texts)}
    texts = [text | {"image_sha256": hash_of[text["image"]]} for text in texts]
    hashes = "".join(f"{text['image_sha256']}\n" for text in texts)
    return texts, {
        "source": name,
        "sha256": sha256(records_file),
        **counts,
        "missing": list(faults.values()).count(MISSING),
        "unreadable": list(faults.values()).count(UNREADABLE),
        "texts": len(texts),
        "images_sha256": hashlib.sha256(hashes.encode()).hexdigest(),
    }


def fetch_images_of(
    dataset: dict[str, Any], records_file: Path, image_folder: Path, name: str
) -> None:
    """Fetch the images that `read_image_texts` would, with the same parameters and errors."""
    _fetch(dataset, _texts(dataset, records_file, image_folder, name)[0], image_folder, name)


def _fetch(
    dataset: dict[str, Any], texts: list[dict[str, str]], image_folder: Path, name: str
) -> None:
    """Fetch the images of texts that are not there, if the data set has an address for them."""
    if "images_url" in dataset:
        names = [text["image"].removeprefix(f"{image_folder}/") for text in texts if text["image"]]
        fetch_images(dataset["images_url"], names, image_folder, name, _leaves_out(dataset))


def _to_be_had(dataset: dict[str, Any]) -> str:
    """Where images come from, as the end of a message."""
    if "images_url" in dataset:
        return f" Those that you delete are fetched again from {dataset['images_url']}."
    return f" To be had from: {dataset['fetch_from']}." if "fetch_from" in dataset else ""


def _leaves_out(dataset: dict[str, Any]) -> bool:
    return bool(dataset.get("missing_images", "stop") == "leave_out")


def _texts(
    dataset: dict[str, Any], records_file: Path, image_folder: Path, name: str
) -> tuple[list[dict[str, str]], dict[str, Any]]:
    """Texts with the paths of their images, and how many records were left out for want of one.

    They are those of the sample; of which images are missing it depends where these are left out.
    """
    if not records_file.is_file():
        raise InputError(
            f"{name}: there is no such file ({records_file.absolute()}); correct the data set's "
            f"path, or put the file there.{_to_be_had(dataset)}"
        )
    if not image_folder.is_dir() and "images_url" not in dataset:
        raise InputError(
            f"{name}: there is no folder of images {image_folder.absolute()}; correct `images:`, "
            f"or put the images there.{_to_be_had(dataset)}"
        )
    for kind in ("sha256", "md5"):
        if kind in dataset:
            check_hash(records_file, dataset[kind], name, kind)
    images, said = [], []
    for number, record in enumerate(_records(records_file, dataset["record"], name)):
        image, turns = _image_and_turns(record, number, dataset, image_folder, name)
        images.append(image)
        said.append({"response": joined(turns, dataset.get("separator", "\n"))})
    if said and not any(record["response"] for record in said):
        raise InputError(
            f"{name} holds no response (a turn from 'gpt', or a caption) in any of its {len(said)} "
            "records; check that it is the right file."
        )
    skip_empty = dataset.get("skip_empty", False)
    texts, counts = select_texts(said, {"field": "response", "skip_empty": skip_empty}, name)
    texts = [text | {"image": images[int(text["id"])]} for text in texts]
    return (texts if _leaves_out(dataset) else _sampled(texts, dataset, name)), counts


def open_image(path: str | Path, sha256: str | None = None) -> Image.Image:
    """The image in a file, as RGB and as it is stored: not turned to what its EXIF data may say.

    Transparency is dropped: a pixel has its stored colour, also where it is not to be seen.

    Parameters
    ----------
    path : str or Path
    sha256 : str, optional
        SHA-256 that the file has to have, in hexadecimal: that of when its text was read.

    Raises
    ------
    InputError
        If there is no such file, or another one than the hash says; if it is no image, a damaged
        one, or one with more than 8 bits in its only channel.
    """
    if not os.path.isfile(path):
        raise InputError(f"there is no image {path}; put it there, or remove its record.")
    try:
        content = Path(path).read_bytes()
        if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
            raise InputError(
                f"{path} is not the image that was read with the texts (its SHA-256 differs); put "
                "that one back, or delete the data set's .jsonl in results/prompts and run again."
            )
        with Image.open(BytesIO(content)) as image:
            if image.mode in DEEP:
                raise InputError(
                    f"{path} cannot be read as an image (mode {image.mode}: more than 8 bits); "
                    "save it with 8 bits a channel, or remove its record."
                )
            image.load()
            image.info.pop("transparency", None)  # of which Pillow warns, if it is a palette's
            return image.convert("RGB")
    except DAMAGED as error:
        unknown = isinstance(error, UnidentifiedImageError)
        reason = "of no known format" if unknown else " ".join(str(error).split())
        raise InputError(
            f"{path} cannot be read as an image ({reason}); fetch it again, or remove its record."
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
    value = parsed_json(records_file.read_bytes(), name, "correct it, or fetch it again")
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
) -> tuple[str, list[Turn]]:
    """The path of the image of record number `number`, and what is said of it.

    The path is empty if the record names no image and is to be left out for that.
    """
    where = f"{name}, record {number}"
    if dataset["record"] == "llava_instruct":
        turns = turns_of(record, where)
        if "image" in record:
            return str(_path(image_folder, string_of(record, "image", where), where)), turns
        if dataset.get("missing_images", "stop") == "leave_out":
            return "", turns
        raise InputError(
            f"{where} has no field 'image'; it has: {', '.join(record)}; correct it, or set "
            "`missing_images: leave_out` in the data set to go on without such records."
        )
    image_id = string_of(record, "image_id", where)
    files = [_path(image_folder, f"{image_id}{suffix}", where) for suffix in SUFFIXES]
    image = next((file for file in files if os.path.isfile(file)), files[0])
    rng = random.Random(f"{dataset.get('instruction_seed', 0)}-{number}")
    instruction = INSTRUCTIONS[int(rng.random() * len(INSTRUCTIONS))]
    return str(image), [("human", instruction), ("gpt", string_of(record, "caption", where))]


def _path(image_folder: Path, image: str, where: str) -> Path:
    """The path of an image, in the folder or in folders of it."""
    if PurePath(image).is_absolute() or ".." in PurePath(image).parts:
        raise InputError(
            f"{where}: the image '{image}' may lie outside the folder of images; name it from that "
            "folder on, without '..'."
        )
    return image_folder / image


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
    # Unlike that of Path, this isfile knows that no file has a name too long for the disk.
    if not os.path.isfile(image):
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
        files = [
            text["image"].removeprefix(f"{image_folder}/") or f"that of record {text['id']}"
            for text in texts
            if faults.get(text["id"]) == fault
        ]
        if files:
            first = files[:SHOWN]
            more = f" and {len(files) - SHOWN} more" if len(files) > SHOWN else ""
            number = f"{len(files)} {one if len(files) == 1 else several}"
            parts.append(f"{number} ({', '.join(first)}{more})")
    return " and ".join(parts)
