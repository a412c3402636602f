"""The files of a MiniGPT-v2: what is known of them, and which are said to be missing."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import ROOT
from file_server import running_files
from matrix_entropy.base.errors import InputError
from matrix_entropy.models.vision.minigpt_v2_parts import fetch_part, find_parts, marks

CHECKPOINT, EVA = b"what they trained", b"what they started from"


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An entry of the configuration, one of its two files by a relative path."""
    monkeypatch.chdir(tmp_path)
    Path("eva.pth").write_bytes(EVA)
    (tmp_path / "trained.pth").write_bytes(CHECKPOINT)
    os.utime("eva.pth", (5, 1234567890.75))
    os.utime("trained.pth", (5, 2000000000.25))
    return {
        "checkpoint": str(tmp_path / "trained.pth"),
        "vision_encoder": "eva.pth",
        "language_model": "my_llama",
    }


def known(parts: dict[str, str]) -> dict[str, dict[str, object]]:
    return {
        parts["checkpoint"]: {
            "sha256": hashlib.sha256(CHECKPOINT).hexdigest(),
            "size": len(CHECKPOINT),
            "modified": 2000000000,
        },
        "eva.pth": {
            "sha256": hashlib.sha256(EVA).hexdigest(),
            "size": len(EVA),
            "modified": 1234567890,
        },
    }


def test_files_by_the_paths_in_the_configuration(parts: dict[str, str]) -> None:
    assert find_parts(parts, "mine") == known(parts)


@pytest.mark.parametrize("where", [None, "their site"])
@pytest.mark.parametrize(
    "missing", [["checkpoint"], ["vision_encoder"], ["checkpoint", "vision_encoder"]]
)
def test_all_that_are_missing_are_named_in_one_sentence(
    parts: dict[str, str], tmp_path: Path, missing: list[str], where: str | None
) -> None:
    for key in missing:
        Path(parts[key]).unlink()
    paths = {"checkpoint": tmp_path / "trained.pth", "vision_encoder": tmp_path / "eva.pth"}
    with pytest.raises(InputError) as raised:
        find_parts(parts | ({"fetch_from": where} if where else {}), "mine")
    assert str(raised.value) == (
        f"model 'mine': there is no file {' and no file '.join(str(paths[key]) for key in missing)}"
        ", which its `minigpt_v2:` names; put what is missing there, or correct the path."
    ) + (" To be had from: their site." if where else "")


def test_a_folder_is_no_file(parts: dict[str, str]) -> None:
    Path("eva.pth").unlink()
    Path("eva.pth").mkdir()
    with pytest.raises(InputError, match=r"no file \S+eva\.pth, which"):
        find_parts(parts, "mine")
    assert marks(parts, {})["eva.pth"] is None


def test_marks_are_those_of_the_files_else_recorded_else_nothing(parts: dict[str, str]) -> None:
    recorded = find_parts(parts, "mine")
    both = {parts["checkpoint"]: [17, 2000000000], "eva.pth": [22, 1234567890]}
    assert marks(parts, {}) == marks(parts, recorded) == both

    Path("eva.pth").write_bytes(b"another")
    os.utime("eva.pth", (5, 1300000000))
    assert marks(parts, recorded) == both | {"eva.pth": [7, 1300000000]}

    Path("eva.pth").unlink()
    assert marks(parts, recorded) == both
    assert marks(parts, {}) == both | {"eva.pth": None}
    # What was recorded of files that the configuration names no more is not asked for.
    assert marks(parts | {"vision_encoder": "other.pth"}, recorded) == {
        parts["checkpoint"]: both[parts["checkpoint"]],
        "other.pth": None,
    }


def test_a_part_is_fetched_and_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has its name when it is whole and looks like weights."""
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    content, file = b"PK" + bytes(range(256)) * 400, tmp_path / "downloads" / "eva.pth"
    with running_files() as server:
        url = f"{server.address}/eva.pth"
        server.files, server.faults = {"eva.pth": content}, {"eva.pth": [-70_000, -5, -5]}
        with pytest.raises(InputError, match=r"could not be fetched .broke off .* run again"):
            fetch_part(url, file, "mine")
        assert not file.exists()
        fetch_part(url, file, "mine")
        assert server.ranges[-1] == "bytes=70010-"
        assert file.read_bytes() == content
        server.files["eva.pth"] = b"<html>"
        with pytest.raises(InputError, match=r"no weights of torch .their first bytes: b'<h'"):
            fetch_part(url, file, "mine")
        del server.files["eva.pth"]
        with pytest.raises(InputError, match="HTTP Error 404"):
            fetch_part(url, file, "mine")
    assert file.read_bytes() == content
    assert list(file.parent.iterdir()) == [file]
    assert marks({"checkpoint": "c.pth", "vision_encoder": url}, {}) == {"c.pth": None}


def test_torch_is_not_needed() -> None:
    """The workflow asks for marks whenever it is read."""
    code = "import sys; from matrix_entropy.models.vision import minigpt_v2_parts; "
    code += "sys.exit('torch' in sys.modules)"
    folder = ROOT / "src"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=folder)
