"""Snakemake without the second that its import takes: every run is a copy of one process.

That process has imported Snakemake and what Snakemake imports, and nothing of the library under
test. Nor has it anything else of a run: its arguments, environment and folder come with the run.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import runpy
import site
import socket
import subprocess
import sys
from collections.abc import Sequence
from typing import IO, Any, NoReturn


class Snakemake:
    """The process; it makes one run at a time, and ends when this object's process does."""

    def __init__(self) -> None:
        self.ours, its = socket.socketpair()
        with its:
            command = [sys.executable, __file__, str(its.fileno())]
            environment = {**os.environ}
            environment.pop("PYTHONPATH", None)  # a run's own comes with it
            self.process = subprocess.Popen(command, pass_fds=[its.fileno()], env=environment)
        atexit.register(self.end)

    def end(self) -> None:
        """End the process."""
        self.ours.close()
        self.process.wait()

    def run(
        self,
        arguments: Sequence[str],
        folder: str,
        environment: dict[str, str],
        streams: Sequence[IO[str]],
        timeout: float,
    ) -> int:
        """The status with which a run ends that writes to these two streams.

        Raises
        ------
        TimeoutError
            If it takes more seconds than that.
        """
        asked = {"arguments": arguments, "folder": folder, "environment": environment}
        said = json.dumps(asked).encode()
        numbers = [stream.fileno() for stream in streams]
        socket.send_fds(self.ours, [len(said).to_bytes(8, "big")], numbers)
        self.ours.sendall(said)
        self.ours.settimeout(timeout)
        return int(self.ours.recv(16))


def serve(ours: socket.socket) -> None:
    """Make a copy of this process for each run, and say with which status it has ended."""
    for name in ("jsonschema", "nbformat", "smart_open"):  # Snakemake imports them once it runs
        importlib.import_module(name)
    importlib.import_module("snakemake.cli").get_argument_parser()  # imports the plugins
    gc.freeze()
    packages = sys.path[1:]
    while True:
        length, streams, _, _ = socket.recv_fds(ours, 8, 2)
        if not length:
            return
        with ours.makefile("rb", buffering=0) as file:
            asked = json.loads(file.read(int.from_bytes(length, "big")))
        process = os.fork()
        if process == 0:
            ours.close()
            for number, stream in enumerate(streams, 1):
                os.dup2(stream, number)
                os.close(stream)
            become(asked, packages)
        for stream in streams:
            os.close(stream)
        _, status = os.waitpid(process, 0)
        ours.sendall(b"%d" % os.waitstatus_to_exitcode(status))


def become(asked: dict[str, Any], packages: list[str]) -> NoReturn:
    """Be what ``python -m snakemake`` would be."""
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    first = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    sys.path[:] = [asked["folder"], *first, *packages]
    sys.modules.pop("sitecustomize", None)
    site.execsitecustomize()  # that of this PYTHONPATH
    sys.argv = ["-m", *asked["arguments"]]
    runpy.run_module("snakemake", run_name="__main__", alter_sys=True)
    sys.exit()


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
