"""A server of files on this machine, with the faults that servers and networks have."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote


class FileServer:
    """Files by path; what is wrong with the next answers for some; and what was asked for."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.files: dict[str, bytes] = {}
        # A status in the place of the file; or, below zero, how many of its bytes come.
        self.faults: dict[str, list[int]] = {}
        self.held: dict[str, threading.Event] = {}  # not answered before these
        self.asked: Counter[str] = Counter()
        self.ranges: list[str] = []


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64  # several at a time are asked for
    files: FileServer


@contextmanager
def running_files() -> Iterator[FileServer]:
    """A server at a free port of this machine."""
    server = Server(("127.0.0.1", 0), Answer)
    server.files = FileServer(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.files
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Answer(BaseHTTPRequestHandler):
    """One answer."""

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        server: FileServer = self.server.files  # type: ignore[attr-defined]
        path = unquote(self.path).strip("/")
        server.asked[path] += 1
        if path in server.held:
            server.held[path].wait(60)
        fault = server.faults[path].pop(0) if server.faults.get(path) else None
        status = 404 if path not in server.files else max(fault or 200, 200)
        if status != 200:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        whole = server.files[path]
        tag = f'"{hashlib.sha256(whole).hexdigest()}"'
        start = 0
        if "Range" in self.headers:
            server.ranges.append(self.headers["Range"])
            if self.headers["If-Range"] == tag:
                start = int(self.headers["Range"].removeprefix("bytes=").partition("-")[0])
        if start and start >= len(whole):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("ETag", tag)
        self.send_header("Content-Length", str(len(whole) - start))
        self.end_headers()
        with suppress(BrokenPipeError):  # who asked wants the head alone
            self.wfile.write(whole[start : start - fault if fault else None])
