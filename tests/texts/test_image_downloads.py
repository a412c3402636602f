"""Many images from a server, one by one: what is asked for, what goes wrong, and killed runs."""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
import yaml
from PIL import Image

from commands import snakemake_for
from conftest import ROOT
from file_server import FileServer, running_files
from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import read_json, read_jsonl
from matrix_entropy.texts.image_downloads import ATTEMPTS, MOST_REFUSED, fetch_images

NAMES = [f"{number:04d}.jpg" for number in range(12)]


def jpeg(shade: int) -> bytes:
    """A small image."""
    stream = BytesIO()
    Image.new("RGB", (8, 8), (shade, 0, 0)).save(stream, "JPEG")
    return stream.getvalue()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """Images behind ``coco``; nobody waits between attempts."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    with running_files() as files:
        files.files = {f"coco/{name}": jpeg(number) for number, name in enumerate(NAMES)}
        yield files


def fetch(server: FileServer, folder: Path, names: list[str] = NAMES, **how: bool) -> None:
    fetch_images(f"{server.address}/coco", names, folder / "images", "mine", **how)


def left(folder: Path) -> dict[str, bytes]:
    """Files below a folder, whatever they are called."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder / "images").as_posix(): path.read_bytes() for path in files}


def test_those_named_and_not_there_are_fetched_once(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / NAMES[0]).write_bytes(b"mine")
    server.files["coco/in/a folder.jpg"] = jpeg(99)
    fetch(server, tmp_path, [*NAMES[:3], NAMES[2], "in/a folder.jpg"])
    fetch(server, tmp_path, NAMES[:3])
    expected = {name: server.files[f"coco/{name}"] for name in [*NAMES[1:3], "in/a folder.jpg"]}
    assert left(tmp_path) == expected | {NAMES[0]: b"mine"}
    assert server.asked == dict.fromkeys([f"coco/{name}" for name in expected], 1)


def test_faults_that_pass(server: FileServer, tmp_path: Path) -> None:
    """A server that has too much to do, and answers that break off, are asked again."""
    server.faults = {f"coco/{NAMES[0]}": [503, -20], f"coco/{NAMES[1]}": [429]}
    fetch(server, tmp_path)
    assert left(tmp_path) == {name: server.files[f"coco/{name}"] for name in NAMES}


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (403, "HTTP Error 403"),
        (404, "HTTP Error 404"),
        (500, "HTTP Error 500"),
        ("a page", "what it sends is no image"),
        (-10, "cannot be reached (broke off"),
    ],
)
def test_faults_that_stay(server: FileServer, tmp_path: Path, fault: int | str, said: str) -> None:
    """One sentence says what is wrong; whole images stay, and nothing else is left."""
    path = f"coco/{NAMES[5]}"
    if isinstance(fault, str):
        server.files[path] = b"<html>Not here.</html>"
    else:
        server.faults[path] = [fault] * ATTEMPTS
    with pytest.raises(InputError) as raised:
        fetch(server, tmp_path)
    message = str(raised.value)
    assert message.startswith(f"mine: {server.address}/coco ")
    assert said in message
    assert "\n" not in message
    assert left(tmp_path).items() <= {n: server.files[f"coco/{n}"] for n in NAMES}.items()
    assert NAMES[5] not in left(tmp_path)
    server.files[path], server.faults = jpeg(5), {}
    fetch(server, tmp_path)
    assert left(tmp_path) == {name: server.files[f"coco/{name}"] for name in NAMES}


def test_without_those_that_are_not_to_be_had(server: FileServer, tmp_path: Path) -> None:
    del server.files[f"coco/{NAMES[3]}"]
    fetch(server, tmp_path, leave_out=True)
    assert left(tmp_path) == {
        name: server.files.get(f"coco/{name}") for name in NAMES if name != NAMES[3]
    }


def test_a_wrong_address_is_not_asked_for_everything(server: FileServer, tmp_path: Path) -> None:
    server.files = {}
    with pytest.raises(InputError, match=f"does not give {MOST_REFUSED} of its images"):
        fetch(server, tmp_path, [f"{number}.jpg" for number in range(500)])
    assert len(server.asked) < 100
    assert left(tmp_path) == {}


def test_nobody_listens(server: FileServer, tmp_path: Path) -> None:
    with running_files() as gone:
        pass
    with pytest.raises(
        InputError, match=r"cannot be reached .*refused.*0 of 12 images are fetched"
    ):
        fetch(gone, tmp_path)
    assert left(tmp_path) == {}


def test_a_full_disk(server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The image is named, and nothing is written of it."""
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(9, 9, 0))
    with pytest.raises(OSError, match=r"images/\d+\.jpg") as raised:
        fetch(server, tmp_path)
    assert raised.value.errno == errno.ENOSPC
    assert left(tmp_path) == {}


def test_a_killed_run_is_gone_on_with(server: FileServer, tmp_path: Path) -> None:
    """What was whole is not asked for again, and what was not never counts."""
    server.held[f"coco/{NAMES[-1]}"] = threading.Event()
    server.faults[f"coco/{NAMES[-1]}"] = [-30]
    code = (
        "import sys; from pathlib import Path; from matrix_entropy.texts.image_downloads import *;"
        "fetch_images(sys.argv[1], sys.argv[2:], Path('images'), 'mine')"
    )
    command = [sys.executable, "-c", code, f"{server.address}/coco", *NAMES]
    library = str(ROOT / "src")
    with subprocess.Popen(
        command, cwd=tmp_path, env={"PYTHONPATH": library, "no_proxy": "127.0.0.1"}
    ) as killed:
        pause = threading.Event()
        while len(list(tmp_path.glob("images/*.jpg"))) != len(NAMES) - 1:
            assert killed.poll() is None
            pause.wait(0.01)
        killed.kill()
    server.held[f"coco/{NAMES[-1]}"].set()
    assert list(tmp_path.glob(".images.part-*"))
    server.asked.clear()
    fetch(server, tmp_path)
    assert set(server.asked) == {f"coco/{NAMES[-1]}"}
    assert left(tmp_path) == {name: server.files[f"coco/{name}"] for name in NAMES}
    assert not list(tmp_path.glob(".images.part-*"))


def test_as_typed(root: Path, server: FileServer, tmp_path: Path) -> None:
    """Only drawn images are fetched, once; a zip is unpacked; what is left to the user is said."""
    talk = [{"from": "human", "value": "What?"}, {"from": "gpt", "value": "A kite."}]
    records = [{"image": name, "conversations": talk} for name in NAMES]
    (tmp_path / "records.json").write_text(json.dumps(records))
    told = json.dumps({"annotations": [{"image_id": "2", "caption": "A kite."}]}).encode()
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("set/cap.json", told)
        archive.writestr("set/image/2.jpg", jpeg(2))
    server.files["set.zip"] = packed.getvalue()
    talks = {
        "path": "records.json",
        "record": "llava_instruct",
        "sample": {"size": 3},
        "images": "fetched/images",
        "images_url": f"{server.address}/coco",
    }
    captions = {
        "record": "cc_sbu_align",
        "md5": hashlib.md5(told).hexdigest(),
        "zip": {
            "url": f"{server.address}/set.zip",
            "records": "set/cap.json",
            "images": "set/image",
            "count": 1,
            "md5": hashlib.md5(server.files["set.zip"]).hexdigest(),
        },
    }
    mine = {
        "targets": ["seen"],
        "datasets": {"talks": talks, "captions": captions},
        "tables": {"seen": {"kind": "sources", "datasets": ["talks", "captions"]}},
    }
    (tmp_path / "config.yaml").write_text((root / "config.yaml").read_text())
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(mine))

    done = snakemake_for(root, tmp_path, "prefetch")
    assert done.returncode == 0, done.stderr
    assert "images of data set 'talks' to come: about 510.0 kB" in done.stderr
    assert len(list(tmp_path.glob("fetched/images/*"))) == 3
    asked = sum(server.asked.values())

    done = snakemake_for(root, tmp_path, "results/tables/seen.csv")
    assert done.returncode == 0, done.stderr
    assert sum(server.asked.values()) == asked
    assert "fetched by hand" not in done.stderr
    texts = read_jsonl(tmp_path / "results/prompts/talks.jsonl")
    texts += read_jsonl(tmp_path / "results/prompts/captions.jsonl")
    assert len(texts) == 4
    for text in texts:
        content = (tmp_path / text["image"]).read_bytes()
        assert text["image_sha256"] == hashlib.sha256(content).hexdigest()
    origin = read_json(tmp_path / "results/prompts/captions.origin.json")
    assert origin["zip"] == captions["zip"]
    assert origin["sha256"] == hashlib.sha256(told).hexdigest()

    done = snakemake_for(
        root, tmp_path, "-n", "results/tables/seen.csv", "results/tables/wei_table5_mllm.csv"
    )
    lines = (done.stderr + done.stdout).splitlines()
    said = [line for line in lines if line.startswith("To be fetched by hand")]
    assert len(said) == 2
    assert "fetched/minigpt_v2/checkpoint_stage3.pth (from https://drive" in said[0]
    assert "without it there is no wei_table5_mllm." in said[0]
    assert "HF_TOKEN" in said[1]
    assert lines.index(said[1]) < lines.index("Job stats:")
    assert "Reading the texts and images of talks" not in done.stderr + done.stdout
