"""A small Hugging Face Hub on this machine, with the faults that the real one and its network have.

It answers what huggingface_hub asks for when HF_ENDPOINT points at it: what a repository is, the
tree of a commit in pages, and files, whole or from a byte on. Large files (by their ending) are
kept as on the hub: a redirect leads to their content, and their SHA-256 is stated. A file may also
be one on disk, which is not held in memory. It counts what it is asked and what it sends.
"""

from __future__ import annotations

import functools
import hashlib
import json
import mmap
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from huggingface_hub import constants

from matrix_entropy.sources.lock_file import COMMIT

LARGE = (".safetensors", ".bin", ".gguf", ".parquet")
PAGE = 3  # entries of a tree in one answer
TOKEN = "hf_right"
WRONG_TOKEN = "Invalid credentials in Authorization header"  # as the hub says it

Content = bytes | Path  # of a file in memory, and of one on disk, which then stays as it is
Files = dict[str, Content]


def commit_of(files: Files) -> str:
    """A commit that depends on the files."""
    listed = "".join(path + entry(path, files[path])["oid"] for path in sorted(files))
    return hashlib.sha1(listed.encode()).hexdigest()


def read(content: Content) -> memoryview:
    """The bytes of a file; of one on disk, those that are looked at are read."""
    if isinstance(content, bytes):
        return memoryview(content)
    with content.open("rb") as stream:
        return memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))


@dataclass
class Repository:
    """Files by revision, and what is wrong with the repository."""

    revisions: dict[str, Files]
    gated: bool = False
    # Sent in the place of a file, while its tree states the right size and hash.
    instead: Files = field(default_factory=dict)
    # The next answers with a file end after so many bytes.
    dropped: dict[str, list[int]] = field(default_factory=dict)

    def commit(self, revision: str) -> str | None:
        """The commit of a branch or tag, or of a commit itself."""
        named = {name: self._commit(name) for name in self.revisions}
        return named.get(revision, revision if revision in named.values() else None)

    def files(self, commit: str) -> Files:
        return next(self.revisions[name] for name in self.revisions if self._commit(name) == commit)

    def _commit(self, name: str) -> str:
        """A revision that is called as a commit is that commit, whatever its files are."""
        return name if COMMIT.fullmatch(name) else commit_of(self.revisions[name])


class Hub:
    """Repositories by ``models/ID`` and ``datasets/ID``, and counts of what was asked and sent."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.repositories: dict[str, Repository] = {}
        self.asked: list[str] = []  # method and path
        self.ranges: list[str] = []
        self.sent: Counter[str] = Counter()  # bytes, by a file's path in its repository
        # Statuses with which the next questions are refused; until it is set, no answer is sent.
        self.refused: list[int] = []
        self.answering = threading.Event()
        self.answering.set()

    def publish(self, name: str, files: Files, revision: str = "main") -> Repository:
        """Put files at a revision of a repository, which may be new; the branch moves to them."""
        repository = self.repositories.setdefault(name, Repository({}))
        repository.revisions[revision] = files
        return repository

    def forget(self) -> None:
        """Start counting anew."""
        self.asked.clear()
        self.ranges.clear()
        self.sent.clear()


def ask_it(hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process ask that hub, with an empty cache in a folder, and work there."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", hub.address)
    template = f"{hub.address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder / "hub"))


@contextmanager
def running_hub() -> Iterator[Hub]:
    """A hub at a free port of this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    server.daemon_threads = True
    hub = Hub(f"http://127.0.0.1:{server.server_address[1]}")
    server.hub = hub  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Answer(BaseHTTPRequestHandler):
    """One answer of the hub."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.hub: Hub = self.server.hub  # type: ignore[attr-defined]
        address = urlsplit(self.path)
        path = unquote(address.path).strip("/")
        self.hub.asked.append(f"{self.command} /{path}")
        if not path:
            return self.reply(200, b"a hub")
        self.hub.answering.wait()
        if self.hub.refused:
            status = self.hub.refused.pop(0)
            return self.refuse(status, "", WRONG_TOKEN if status == 401 else "Too much to do")
        parts = path.split("/")
        if parts[0] == "content":
            return self.content("/".join(parts[1:4]), parts[4], "/".join(parts[5:]))
        api = parts[0] == "api"
        parts = parts[1:] if api else parts
        if parts[0] not in ("models", "datasets"):
            parts.insert(0, "models")
        name, rest = "/".join(parts[:3]), parts[3:]
        repository = self.hub.repositories.get(name)
        if repository is None:
            return self.refuse(404, "RepoNotFound", "Repository not found")
        if api:
            return self.told(repository, name, rest, parse_qs(address.query))
        return self.file(repository, name, "/".join(rest[1:]))

    def told(
        self, repository: Repository, name: str, rest: list[str], query: dict[str, list[str]]
    ) -> None:
        """What a repository is (``/revision/…`` or nothing), or a commit's tree (``/tree/…``)."""
        commit = repository.commit("/".join(rest[1:]) or "main")
        if commit is None:
            return self.refuse(404, "RevisionNotFound", "Invalid rev id")
        files = repository.files(commit)
        if rest[:1] != ["tree"]:
            siblings = [sibling(path, files[path], "blobs" in query) for path in sorted(files)]
            kept = {"id": name.partition("/")[2], "sha": commit, "siblings": siblings}
            kept |= {"private": False, "gated": "manual" if repository.gated else False}
            return self.reply(200, json.dumps(kept | {"tags": [], "downloads": 0}).encode())
        start = int(query.get("cursor", ["0"])[0])
        page = [entry(path, files[path]) for path in sorted(files)][start:]
        more = {}
        if len(page) > PAGE:
            url = f"{self.hub.address}{urlsplit(self.path).path}?recursive=true"
            more = {"Link": f'<{url}&cursor={start + PAGE}>; rel="next"'}
        return self.reply(200, json.dumps(page[:PAGE]).encode(), more)

    def file(self, repository: Repository, name: str, rest: str) -> None:
        """A file of a revision, or the redirect to it if it is large."""
        revision = next(
            (name for name in repository.revisions if rest.startswith(f"{name}/")),
            rest.partition("/")[0],
        )
        commit, path = repository.commit(revision), rest[len(revision) + 1 :]
        if commit is None:
            return self.refuse(404, "RevisionNotFound", "Invalid rev id")
        if repository.gated and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            status = 403 if "Authorization" in self.headers else 401
            return self.refuse(status, "GatedRepo", "Access to this repository is restricted")
        if path not in repository.files(commit):
            return self.refuse(404, "EntryNotFound", "Entry not found")
        said = entry(path, repository.files(commit)[path])
        headers = {"X-Repo-Commit": commit, "ETag": f'"{said["oid"]}"'}
        if "lfs" not in said:
            return self.content(name, commit, path, headers)
        linked = {"X-Linked-Etag": f'"{said["lfs"]["oid"]}"', "X-Linked-Size": str(said["size"])}
        # Another host, as on the hub: its library takes what this one says of the file.
        elsewhere = self.hub.address.replace("127.0.0.1", "localhost")
        place = {"Location": f"{elsewhere}/content/{name}/{commit}/{path}"}
        return self.reply(302, b"", headers | linked | place)

    def content(
        self, name: str, commit: str, path: str, headers: dict[str, str] | None = None
    ) -> None:
        """The bytes of a file, those that a Range asks for."""
        repository = self.hub.repositories[name]
        whole = read(repository.instead.get(path, repository.files(commit)[path]))
        body, status, headers = whole, 200, {"Accept-Ranges": "bytes"} | (headers or {})
        if "Range" in self.headers:
            self.hub.ranges.append(self.headers["Range"])
            start = int(self.headers["Range"].removeprefix("bytes=").partition("-")[0])
            body, status = whole[start:], 206
            headers["Content-Range"] = f"bytes {start}-{len(whole) - 1}/{len(whole)}"
        length = len(body)
        if self.command == "GET":
            if repository.dropped.get(path):
                body = body[: repository.dropped[path].pop(0)]
                self.close_connection = True
            self.hub.sent[path] += len(body)
        return self.reply(status, body, headers, length)

    def refuse(self, status: int, code: str, message: str) -> None:
        self.reply(status, b"", {"X-Error-Code": code, "X-Error-Message": message})

    def reply(
        self,
        status: int,
        body: bytes | memoryview,
        headers: dict[str, str] | None = None,
        length: int | None = None,
    ) -> None:
        """Send an answer; with ``length`` more bytes may be announced than come."""
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command == "GET":
            with suppress(BrokenPipeError):  # who asked has not waited
                self.wfile.write(body)


def sibling(path: str, content: Content, with_size: bool) -> dict[str, Any]:
    """What a repository says of a file, all of it if it is asked for."""
    if not with_size:
        return {"rfilename": path}
    said = entry(path, content)
    large = {"lfs": {"sha256": said["lfs"]["oid"], **said["lfs"]}} if "lfs" in said else {}
    return {"rfilename": path, "size": said["size"], "blobId": said["oid"], **large}


@functools.cache  # hashes of large files take long
def entry(path: str, content: Content) -> dict[str, Any]:
    """What a tree says of a file: git's hash, and the SHA-256 of a large one."""
    held = read(content)
    said: dict[str, Any] = {"type": "file", "path": path, "size": len(held)}
    if not path.endswith(LARGE):
        return said | {"oid": hashlib.sha1(b"blob %d\0" % len(held) + held).hexdigest()}
    sha256 = hashlib.sha256(held).hexdigest()
    pointer = hashlib.sha1(f"pointer to {sha256}".encode()).hexdigest()
    kept = {"oid": sha256, "size": len(held), "pointerSize": 135}
    return said | {"oid": pointer, "lfs": kept}
