"""Take a file of records and its folder of images out of a zip that was downloaded."""

from __future__ import annotations

import shutil
import stat
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

from matrix_entropy.base.errors import NO_ZIP, InputError
from matrix_entropy.base.files import writing_folder

RECORDS, IMAGES = "records.json", "image"  # what they are called here
SUFFIXES = (".jpg", ".jpeg", ".png")
# Images are packed as they are, and records to a few parts of their size.
MOST_TIMES_LARGER = 20


def unpack_images(archive: Path, entry: dict[str, Any], folder: Path) -> int:
    """Write the records and the images of a zip into a folder, all of them or nothing.

    Only these are written, under names that lead nowhere else; all else in the zip stays there.

    Parameters
    ----------
    archive : Path
    entry : dict
        The data set's ``zip:``: ``url`` (for messages), ``records`` and ``images`` (their paths in
        the zip), and perhaps ``count``, how many images there are.
    folder : Path
        Gets ``records.json`` and the folder ``image``.

    Returns
    -------
    int
        How many images there are.

    Raises
    ------
    InputError
        If it is no zip, is damaged, has links or paths that lead out of it, would be far larger
        than itself, or does not hold what the entry says.
    """
    where = entry["url"]
    with writing_folder(folder) as part:
        try:
            with zipfile.ZipFile(archive) as source:
                members = _members(source, entry, archive.stat().st_size)
                for name, member in members.items():
                    (part / name).parent.mkdir(parents=True, exist_ok=True)
                    # Not more than the size that the zip states is read, and the checksum compared.
                    with source.open(member) as stream, open(part / name, "wb") as target:
                        shutil.copyfileobj(stream, target, 2**20)
        except NO_ZIP as error:
            raise InputError(
                f"{where} cannot be unpacked ({error}); delete {archive} and run again, or correct "
                "the address in `zip:`."
            ) from None
    return len(members) - 1


def _members(
    source: zipfile.ZipFile, entry: dict[str, Any], size: int
) -> dict[str, zipfile.ZipInfo]:
    """What is taken out of a zip of so many bytes, by what it is called here."""
    where, found = entry["url"], {}
    for member in source.infolist():
        path = PurePosixPath(member.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or stat.S_ISLNK(member.external_attr >> 16):
            raise InputError(
                f"{where} holds '{member.filename}', a link or a path that leads out of it; "
                "nothing is unpacked: correct the address in `zip:`, or unpack it by hand."
            )
        if str(path) == entry["records"]:
            found[RECORDS] = member
        elif path.is_relative_to(entry["images"]) and path.suffix.lower() in SUFFIXES:
            found[f"{IMAGES}/{path.relative_to(entry['images'])}"] = member
    if RECORDS not in found or len(found) == 1:
        lacks = "images in" if RECORDS in found else "file"
        path = entry["images" if RECORDS in found else "records"]
        raise InputError(
            f"{where} has no {lacks} {path}; correct it in `zip:` to one of those that it has: "
            f"{', '.join(source.namelist()[:5])}, …."
        )
    if entry.get("count", len(found) - 1) != len(found) - 1:
        raise InputError(
            f"{where} holds {len(found) - 1} images, but the configuration says `count: "
            f"{entry['count']}`; look at it, and correct the one or the other in `zip:`."
        )
    unpacked = sum(member.file_size for member in found.values())
    if unpacked > MOST_TIMES_LARGER * size:
        raise InputError(
            f"{where} would become {unpacked:,} bytes, over {MOST_TIMES_LARGER} times its own; "
            "nothing is unpacked: correct the address in `zip:`."
        )
    return found
