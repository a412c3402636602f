"""Downloads, good and bad, from a server of the test's own."""

from __future__ import annotations

import errno
import gc
import hashlib
import re
import shutil
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from file_server import running_files
from matrix_entropy.base.errors import InputError
from matrix_entropy.sources import downloads
from matrix_entropy.sources.downloads import check_hash, download, receive

CONTENT = "Ein Dachs – größer.\n".encode() * 5000
DIGEST = hashlib.sha256(CONTENT).hexdigest()
HALF = CONTENT[: len(CONTENT) // 2]
ADVICE = re.compile(r"\b(change|check|correct|download|fetch|name|put|replace|run|write)\b")


class Handler(BaseHTTPRequestHandler):
    """What an address gives is in its path; the server counts how often each was asked for."""

    timeout = 5

    def do_GET(self) -> None:
        """Answer as the path says."""
        self.server.asked[self.path] += 1
        first = self.server.asked[self.path] == 1
        self.close_connection = True
        if self.path in ("/good", "/changed"):
            self.give(CONTENT, CONTENT)
        elif self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/good")
            self.end_headers()
        elif self.path == "/dropped" or (self.path == "/dropped_once" and first):
            self.give(HALF, CONTENT)
        elif self.path == "/dropped_once":
            self.give(CONTENT, CONTENT)
        elif self.path == "/dropped_in_a_chunk":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\nhalf")
        elif self.path == "/garbage":
            self.wfile.write(b"this is no HTTP\r\n\r\n")
        elif self.path == "/hung_up":
            pass
        elif self.path == "/silent":
            self.server.over.wait(5)
        else:
            self.send_error(int(self.path.removeprefix("/status/")))

    def give(self, sent: bytes, announced: bytes) -> None:
        """Send some bytes after announcing the length of others."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(announced)))
        self.end_headers()
        self.wfile.write(sent)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    """A server on this machine that ends with the test."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.asked = Counter()
        server.over = threading.Event()
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        server.over.set()
        server.shutdown()
        thread.join(10)


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that would have been waited between attempts; and no proxy for this machine."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    return waited


def address(server: ThreadingHTTPServer, path: str) -> str:
    """URL of a path of the server."""
    return f"http://127.0.0.1:{server.server_port}{path}"


def sentence_of(error: BaseException) -> str:
    """The message, which has to be one line that says what to do."""
    message = str(error)
    assert "\n" not in message
    assert message.endswith(".")
    assert not message.endswith("..")
    assert ADVICE.search(message)
    return message


@pytest.fixture(params=["new", "there before"])
def destination(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Where to put the file: nothing is there, or an older file."""
    path = tmp_path / "downloads" / "stories"
    if request.param == "there before":
        path.parent.mkdir()
        path.write_bytes(b"older")
    return path


@pytest.fixture
def refused(destination: Path) -> Callable[..., str]:
    """Download what cannot be had: the sentence, after a look at what is left on disk."""

    def refused(url: str, expected: str = DIGEST) -> str:
        before = destination.read_bytes() if destination.exists() else None
        with pytest.raises(InputError) as raised:
            download(url, expected, destination)
        left = {path.name: path.read_bytes() for path in destination.parent.glob("*")}
        assert left == ({} if before is None else {destination.name: before})
        message = sentence_of(raised.value)
        assert url in message
        return message

    return refused


@pytest.mark.parametrize("path", ["/good", "/moved"])
@pytest.mark.parametrize("change", [str.lower, str.upper])
def test_good_download(server, destination, path, change):
    """The file is there whole, alone, and replaces an older one; its hash may be in any case."""
    download(address(server, path), change(DIGEST), destination)
    assert destination.read_bytes() == CONTENT
    assert [path.name for path in destination.parent.iterdir()] == [destination.name]
    assert server.asked["/good"] == 1


def test_destination_may_be_text(server, tmp_path):
    """A path given as text is a path."""
    download(address(server, "/good"), DIGEST, str(tmp_path / "stories"))
    assert (tmp_path / "stories").read_bytes() == CONTENT


def test_wrong_hash(server, refused, waits):
    """Both hashes are in the sentence; other bytes are not asked for again."""
    message = refused(address(server, "/changed"), "ab" * 32)
    assert "ab" * 32 in message
    assert DIGEST in message
    assert "`sha256:`" in message
    assert server.asked["/changed"] == 1
    assert waits == []


@pytest.mark.parametrize("status", [403, 404, 410])
def test_refusing_answers(server, refused, waits, status):
    """A server that says no is asked once, and its connection is closed."""
    message = refused(address(server, f"/status/{status}"))
    assert str(status) in message
    assert "`url:`" in message
    assert server.asked[f"/status/{status}"] == 1
    assert waits == []
    gc.collect()  # an open socket warns here, and warnings are errors


def test_nobody_listens(refused, waits):
    """A refused connection is told after a few attempts."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    message = refused(f"http://127.0.0.1:{port}/stories.json")
    assert len(waits) == downloads.ATTEMPTS - 1
    assert "refused" in message
    assert "`path:`" in message


def test_waits_between_attempts_are_seconds(refused, waits):
    """With the waits that are left out here, all is still over within ten seconds."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    refused(f"http://127.0.0.1:{port}/stories.json")
    assert len(waits) == downloads.ATTEMPTS - 1
    assert sum(waits) < 10


def test_time_limit_is_seconds():
    """Silence at every attempt ends within a minute."""
    assert downloads.ATTEMPTS * downloads.TIMEOUT_SECONDS < 60


@pytest.mark.parametrize("path", ["/hung_up", "/silent"])
def test_no_answer(server, refused, path, monkeypatch):
    """Silence is asked again a few times and then told."""
    monkeypatch.setattr(downloads, "TIMEOUT_SECONDS", 0.3)
    message = refused(address(server, path))
    assert "`path:`" in message
    # On a busy machine the server may hear of the last attempt when the client has given up.
    pause = threading.Event()
    for _ in range(6000):
        if server.asked[path] >= downloads.ATTEMPTS:
            break
        pause.wait(0.01)
    assert server.asked[path] == downloads.ATTEMPTS


@pytest.mark.parametrize("path", ["/dropped", "/dropped_in_a_chunk", "/garbage"])
def test_broken_answer(server, refused, path):
    """An answer that breaks off is not taken for a changed file, whose hash one might copy."""
    message = refused(address(server, path))
    assert hashlib.sha256(HALF).hexdigest() not in message


def test_connection_dropped_once(server, destination):
    """A connection that breaks off once is tried again."""
    download(address(server, "/dropped_once"), DIGEST, destination)
    assert destination.read_bytes() == CONTENT
    assert server.asked["/dropped_once"] == 2


def test_file_url(tmp_path, destination):
    """A file of this machine, by its address."""
    source = tmp_path / "source.json"
    source.write_bytes(CONTENT)
    download(source.as_uri(), DIGEST, destination)
    assert destination.read_bytes() == CONTENT
    assert source.read_bytes() == CONTENT


def test_file_url_with_wrong_hash(tmp_path, refused):
    """The hash counts for files of this machine too."""
    (tmp_path / "source.json").write_bytes(HALF)
    assert DIGEST in refused((tmp_path / "source.json").as_uri())


def test_file_url_of_no_file(tmp_path, refused, waits):
    """A missing file does not appear by waiting, and no network would help."""
    message = refused((tmp_path / "source.json").as_uri())
    assert "No such file" in message
    assert "network" not in message
    assert waits == []


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/my stories.json",
        "http://[127.0.0.1/stories.json",
        "http://127.0.0.1:port/stories.json",
        "http:///stories.json",
        "ftq://127.0.0.1/stories.json",
        "stories.json",
    ],
)
def test_no_address(refused, url):
    """An address that is none gives a sentence that names it."""
    assert "`url:`" in refused(url)


def test_full_disk(server, tmp_path, waits, monkeypatch):
    """A full disk is not laid to the network, and not tried again."""
    (tmp_path / "full").symlink_to("/dev/full")
    monkeypatch.setattr(downloads, "writing", lambda path: nullcontext(Path(path)))
    with pytest.raises(OSError, match="No space left") as raised:
        download(address(server, "/good"), DIGEST, tmp_path / "full")
    assert raised.value.errno == errno.ENOSPC
    assert waits == []


def test_check_hash(tmp_path):
    """The source is named as the user wrote it, not the file that stands for it."""
    (tmp_path / "copy").write_bytes(CONTENT)
    check_hash(tmp_path / "copy", DIGEST, "stories.json")
    with pytest.raises(InputError) as raised:
        check_hash(tmp_path / "copy", "0" * 64, "stories.json")
    message = sentence_of(raised.value)
    assert message.startswith("stories.json ")
    assert "0" * 64 in message
    assert DIGEST in message


@pytest.mark.parametrize("instead", [None, CONTENT[::-1]], ids=["same file", "another file"])
def test_gone_on_with(tmp_path, instead):
    """What an earlier call has fetched is not asked for again, unless it is of another file."""
    with running_files() as files:
        files.files = {"big": CONTENT}
        files.faults = {"big": [-50_000] * downloads.ATTEMPTS}
        for _ in range(2):  # the second call begins where the first one ended
            with pytest.raises(downloads.OutOfReach, match="broke off"):
                receive(f"{files.address}/big", tmp_path / "big", attempts=1, go_on=True)
        files.files["big"] = instead or CONTENT
        files.faults.clear()
        receive(f"{files.address}/big", tmp_path / "big", go_on=True)
    assert files.ranges == ["bytes=50000-", "bytes=100000-"]
    assert (tmp_path / "big").read_bytes() == files.files["big"]
    assert [path.name for path in tmp_path.iterdir()] == ["big"]


def test_whole_but_never_looked_at(tmp_path):
    """A run that was killed between the last byte and the new name begins anew."""
    with running_files() as files:
        files.files = {"big": CONTENT}
        (tmp_path / "big").write_bytes(CONTENT)
        (tmp_path / "big.etag").write_text(f'"{DIGEST}"')
        receive(f"{files.address}/big", tmp_path / "big", go_on=True)
    assert (tmp_path / "big").read_bytes() == CONTENT
    assert files.asked == {"big": 2}


def test_no_room_for_what_is_announced(server, tmp_path, monkeypatch):
    """Nothing of it is written."""
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=10))
    with pytest.raises(OSError, match="No space left"):
        download(address(server, "/good"), DIGEST, tmp_path / "stories")
    assert list(tmp_path.iterdir()) == []


def test_check_md5(tmp_path):
    """Where that is all that is published."""
    (tmp_path / "copy").write_bytes(CONTENT)
    check_hash(tmp_path / "copy", hashlib.md5(CONTENT).hexdigest(), "stories.json", "md5")
    with pytest.raises(InputError, match=r"has md5 .* into `md5:` after"):
        check_hash(tmp_path / "copy", "0" * 32, "stories.json", "md5")
