"""Runs that are killed at any stage, with all their jobs, and typed again."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest
import yaml

from commands import command_for, snakemake_for
from matrix_entropy.running.run_lock import LOCKS
from matrix_entropy.running.stopping import STOPPING

TARGET = "figures/layers_small_fetched.pdf"
TEXTS = [{"text": f"The fox number {number} sang all night."} for number in range(40)]
CONTENT = "".join(json.dumps(record) + "\n" for record in TEXTS).encode()
MODEL = {"architecture": "gpt2", "corpus": "learn", "heads": 2, "vocabulary": 300, "context": 64}
PATIENCE = 600  # seconds; it only ends what hangs
BEGUN = "begun"  # a file in a user's folder, as old as its last run
LOOKS = 200_000  # for a file, some milliseconds apart


class Handler(BaseHTTPRequestHandler):
    """Gives half of the texts, and the others once the server's `whole` is set."""

    def do_GET(self) -> None:
        """Answer slowly at ``/slow``."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        half = len(CONTENT) // 2
        self.wfile.write(CONTENT[:half])
        if not self.path.startswith("/slow") or self.server.whole.wait(PATIENCE):
            self.wfile.write(CONTENT[half:])

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """A client that is killed is no error."""

    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server on this machine that ends with the test."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server(("127.0.0.1", 0), Handler) as server:
        server.whole = threading.Event()
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.whole.set()
        server.shutdown()


@pytest.fixture
def folder(root: Path, tmp_path: Path, server: Server) -> Callable[[str], Path]:
    """Makes a user's folder whose texts come from the server."""

    def folder(name: str) -> Path:
        made = tmp_path / name
        made.mkdir()
        config = (root / "miniature/config.yaml").read_text()
        (made / "config.yaml").write_text(config.replace("states: stream", "states: temp"))
        # The same address, so that the results say the same.
        url = f"http://127.0.0.1:{server.server_port}/slow.jsonl"
        digest = hashlib.sha256(CONTENT).hexdigest()
        mine = {
            "models": {
                "small": {"train": MODEL | {"steps": 150, "block": 32}, "layers": 3, "width": 32}
            },
            "datasets": {
                "learn": {"generate": {"grammar": "stories", "count": 60, "seed": 1}},
                "fetched": {"url": url, "sha256": digest, "format": "jsonl"},
            },
        }
        (made / "mine.yaml").write_text(yaml.safe_dump(mine))
        return made

    return folder


@contextmanager
def running(root: Path, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The run that a person types, in a session of its own; killed, if it is still there."""
    command, environment = command_for(folder, TARGET)
    (folder / BEGUN).touch()
    with open(folder / "said.txt", "wb") as said:
        run = subprocess.Popen(
            command, cwd=root, env=environment, stderr=said, start_new_session=True
        )
    try:
        yield run
    finally:
        kill(run)


def kill(run: subprocess.Popen[bytes]) -> None:
    """End a run and all its jobs as a power cut does."""
    if run.poll() is None:
        family = [psutil.Process(run.pid), *psutil.Process(run.pid).children(recursive=True)]
        for process in family:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(family, PATIENCE)
        run.wait()


def wait_for(run: subprocess.Popen[bytes], folder: Path, pattern: str) -> None:
    """Wait until a job has made a file, or made it anew; the run must not be over by then."""
    # By the clock of the files: that of processes is up to a second off.
    begun = changed(folder / BEGUN)
    # So many looks only keep the suite from waiting for ever: a run that hangs never ends.
    for _ in range(LOOKS):
        if any(changed(path) > begun for path in folder.glob(pattern)):
            return
        said = (folder / "said.txt").read_text()
        assert run.poll() is None, f"over before {pattern} was there:\n{said}"
        time.sleep(0.003)
    pytest.fail(f"{pattern} never came:\n{said}")


def changed(path: Path) -> float:
    """When a file was, in seconds since 1970; it may be gone by now."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0


def made(folder: Path) -> dict[str, str]:
    """The hash of every file of a folder's results and figures."""
    files = [path for top in ("results", "figures") for path in (folder / top).rglob("*")]
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.is_file()
        and not (name := path.relative_to(folder).as_posix()).startswith(
            ("results/logs/", "results/benchmarks/")
        )
    }


def test_killed_at_every_stage_and_typed_again(
    root: Path, server: Server, folder: Callable[[str], Path]
) -> None:
    mine, undisturbed = folder("mine"), folder("undisturbed")
    with running(root, mine) as run:
        wait_for(run, mine, "results/downloads/.fetched.part*")
    assert list((mine / LOCKS).iterdir())

    with running(root, mine) as run:
        pid = run.pid
        wait_for(run, mine, "results/downloads/.fetched.part*")
        assert "was killed: its lock is removed." in (mine / "said.txt").read_text()
        # While it lives, another one is told so, and a plan can be made.
        second = snakemake_for(root, mine, TARGET)
        assert second.returncode != 0
        called = f"in this folder (process {pid} on {os.uname().nodename}, since"
        assert f"Another run is at work on the same files {called}" in second.stderr
        assert "Traceback" not in second.stderr
        assert "--unlock" not in second.stderr
        plan = snakemake_for(root, mine, TARGET, "-n")
        assert plan.returncode == 0, plan.stderr
        assert run.poll() is None
        server.whole.set()
        wait_for(run, mine, "results/logs/train_stand_in/small.log")

    # Ctrl-C leaves no lock and nothing that was begun.
    with running(root, mine) as run:
        # Its own folder: before that, the one that the killed run has left may still be there.
        wait_for(run, mine, "results/models/.small.part")
        os.killpg(run.pid, signal.SIGINT)
        assert run.wait(PATIENCE) == 1
        said = (mine / "said.txt").read_text()
        assert STOPPING in said
        assert "Traceback" not in said
        assert not (mine / LOCKS).exists()
        assert not list(mine.rglob(".*.part*"))

    with running(root, undisturbed) as other:
        for stage in (
            "results/hidden_states/small/.fetched.part",
            "results/logs/compute_spectra/small/fetched.log",
            "figures/layers_small_fetched.pdf",
        ):
            with running(root, mine) as run:
                wait_for(run, mine, stage)
            assert list((mine / LOCKS).iterdir()), stage
        with running(root, mine) as run:
            assert run.wait(PATIENCE) == 0, (mine / "said.txt").read_text()
        assert other.wait(PATIENCE) == 0, (undisturbed / "said.txt").read_text()

    assert made(mine) == made(undisturbed)
    assert TARGET in made(mine)
    assert "results/spectra/small/fetched.npz" in made(mine)
    assert not list(mine.rglob(".*.part*")), "nothing is left of what was begun"
