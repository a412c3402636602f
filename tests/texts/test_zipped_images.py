"""Records and images out of a zip: what is taken, and zips that are not what they should be."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import pytest

from matrix_entropy.base.errors import InputError
from matrix_entropy.texts.zipped_images import unpack_images

ENTRY = {"url": "https://example.org/x.zip", "records": "set/cap.json", "images": "set/image"}
FILES = {"set/cap.json": b"{}", "set/image/2.jpg": b"two", "set/image/3.JPG": b"three"}
LINK = ZipInfo("set/image/4.jpg")
LINK.external_attr = (stat.S_IFLNK | 0o777) << 16


def zipped(folder: Path, files: dict[Any, bytes]) -> Path:
    """A zip of these files."""
    with ZipFile(folder / "x.zip", "w", ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return folder / "x.zip"


def test_records_and_images_and_nothing_else(tmp_path: Path) -> None:
    archive = zipped(
        tmp_path, FILES | {"set/readme.txt": b"", "set/image/notes": b"", "set/e/": b""}
    )
    assert unpack_images(archive, ENTRY | {"count": 2}, tmp_path / "made") == 2
    files = {path for path in (tmp_path / "made").rglob("*") if path.is_file()}
    found = {path.relative_to(tmp_path / "made").as_posix(): path.read_bytes() for path in files}
    assert found == {"records.json": b"{}", "image/2.jpg": b"two", "image/3.JPG": b"three"}


@pytest.mark.parametrize(
    ("files", "entry", "said"),
    [
        ({"../4.jpg": b"x"}, {}, "holds '../4.jpg', a link or a path that leads out"),
        ({"set/image/../../../4.jpg": b"x"}, {}, "a link or a path that leads out"),
        ({"set\\image\\..\\..\\..\\4.jpg": b"x"}, {}, "a link or a path that leads out"),
        ({"/tmp/4.jpg": b"x"}, {}, "holds '/tmp/4.jpg', a link or a path that leads out"),
        ({LINK: b"/etc/passwd"}, {}, "holds 'set/image/4.jpg', a link"),
        ({"set/image/4.jpg": bytes(10**6)}, {}, "over 20 times its own"),
        ({}, {"count": 3}, "holds 2 images, but the configuration says `count: 3`"),
        ({}, {"records": "cap.json"}, "has no file cap.json; correct it"),
        ({}, {"images": "set/pictures"}, "has no images in set/pictures; correct it"),
    ],
)
def test_refused(tmp_path: Path, files: dict[Any, bytes], entry: dict[str, Any], said: str) -> None:
    """One sentence that names the address, and nothing is written anywhere."""
    archive = zipped(tmp_path, FILES | files)
    with pytest.raises(InputError) as raised:
        unpack_images(archive, ENTRY | entry, tmp_path / "made" / "mine")
    assert str(raised.value).startswith(ENTRY["url"])
    assert said in str(raised.value)
    assert {path.name for path in tmp_path.rglob("*")} == {"x.zip", "made"}


@pytest.mark.parametrize("cut", [slice(0, 60), slice(0, 0), slice(1, None)])
def test_damaged(tmp_path: Path, cut: slice) -> None:
    archive = zipped(tmp_path, FILES)
    content = bytearray(archive.read_bytes())
    if cut.start:  # a byte of what is packed is another one
        content[content.index(b"set/cap.json") + 13] ^= 255
    archive.write_bytes(content if cut.start else content[cut])
    with pytest.raises(InputError, match=r"cannot be unpacked .*; delete \S+x\.zip and run again"):
        unpack_images(archive, ENTRY, tmp_path / "made" / "mine")
    assert list((tmp_path / "made").iterdir()) == []
