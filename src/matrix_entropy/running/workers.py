"""Jobs that start at once: a process that has imported their libraries forks a copy for each job.

A job with torch needs seconds until its libraries are imported, and many jobs of the miniature
scale less than that for their work. So `begin` starts one process beside Snakemake. A script that
imports `running.start` asks it: the process forks, the copy runs the same file with the same
arguments and streams, and the script's own process waits for it and ends with its status. What a
job has imported is then imported for those after it, so a run of one job pays nothing. The modules
of this library never are: an edit during a run counts for the next job.

Where a job's conditions are others (environment, number of threads, Python, session) it goes on by
itself, as all do without Linux or with a GPU, which copies of a process cannot share. The process
ends when Snakemake does, in whatever way, and a copy when its script's own process does.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import importlib
import json
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from typing import Any, NamedTuple, NoReturn

from matrix_entropy.running import processors
from matrix_entropy.running.asking import ALONE, SOCKET, conditions

GPUS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
# Of the libraries only pyarrow's memory allocator starts a thread when it is imported.
NO_THREADS = {"JE_ARROW_MALLOC_CONF": "background_thread:false"}
SIGNAL_AT_PARENTS_END = 1  # PR_SET_PDEATHSIG of prctl(2)
PACKAGE = "matrix_entropy"

_begun: list[subprocess.Popen[bytes]] = []


class Job(NamedTuple):
    """A copy at work."""

    connection: socket.socket  # to its script's own process
    process: int
    ended: int  # readable once the process has ended
    modules: int  # the file in which it reports what it has imported

    def close(self) -> None:
        self.connection.close()
        os.close(self.ended)
        os.close(self.modules)


class Copy(NamedTuple):
    """What a copy is told."""

    asked: dict[str, Any]
    modules: int


def begin() -> None:
    """Start the process that forks, for as long as this one lives, and tell jobs where to ask."""
    if SOCKET in os.environ or sys.platform != "linux" or any(map(os.path.exists, GPUS)):
        return
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:  # an old kernel, by which the end of a copy could not be waited for
        return
    folder = tempfile.mkdtemp(prefix="matrix_entropy_")
    path = f"{folder}/socket"
    with socket.socket(socket.AF_UNIX) as listener:
        try:
            listener.bind(path)
        except OSError:  # the path is too long for a socket; jobs can do without
            os.rmdir(folder)
            return
        listener.listen(1024)
        server = subprocess.Popen(
            [sys.executable, "-m", __name__, str(listener.fileno()), folder],
            stdin=subprocess.PIPE,  # closes when this process ends, even by SIGKILL
            pass_fds=[listener.fileno()],
            process_group=0,  # Ctrl-C is for the jobs
            env=os.environ | processors.variables(1),
        )
    _begun.append(server)  # and with it the pipe
    os.environ[SOCKET] = path


def end() -> None:
    """End what was begun, as the end of this process would."""
    for server in _begun:
        server.communicate()
    _begun.clear()


def serve(listener: socket.socket, folder: str) -> Copy:
    """Fork a copy for every job that asks; return in a copy only.

    Ends when Snakemake does, and all copies with it.
    """
    common = conditions()
    os.environ |= NO_THREADS
    jobs: list[Job] = []
    while True:
        ends = [end for job in jobs for end in (job.connection, job.ended)]
        ready = select.select([0, listener, *ends], [], [])[0]
        if 0 in ready:
            for job in jobs:
                os.kill(job.process, signal.SIGKILL)
            shutil.rmtree(folder)
            sys.exit()
        for job in jobs:
            if job.ended in ready:
                status = os.waitstatus_to_exitcode(os.waitpid(job.process, 0)[1])
                answer(job.connection, b"%d" % (status if status >= 0 else 128 - status))
                import_for_others(job.modules)
                job.close()
            elif job.connection in ready:  # which sends nothing: it is closed, its process ended
                os.kill(job.process, signal.SIGKILL)
        jobs = [job for job in jobs if job.ended not in ready]
        if listener in ready and (question := question_of(listener)):
            connection, streams, asked = question
            # Threads that a library has started would be missing in a copy.
            if asked["conditions"] != common or len(os.listdir("/proc/self/task")) > 1:
                answer(connection, ALONE)
            else:
                modules = os.memfd_create("modules")
                gc.freeze()
                process = os.fork()
                if process == 0:
                    listener.close()
                    connection.close()
                    for job in jobs:
                        job.close()
                    for number, stream in enumerate(streams):
                        os.dup2(stream, number)
                        os.close(stream)
                    return Copy(asked, modules)
                jobs.append(Job(connection, process, os.pidfd_open(process), modules))
            for stream in streams:
                os.close(stream)


def question_of(listener: socket.socket) -> tuple[socket.socket, list[int], Any] | None:
    """A script's connection, its standard streams and what it says; None if it has ended."""
    connection, _ = listener.accept()
    _, descriptors, _, _ = socket.recv_fds(connection, 1, 4)
    if not descriptors:
        connection.close()
        return None
    *streams, said = descriptors
    with open(said, encoding="utf-8") as file:
        file.seek(0)
        return connection, streams, json.load(file)


def answer(connection: socket.socket, words: bytes) -> None:
    """Tell a script that waits, unless it has ended meanwhile."""
    with connection, contextlib.suppress(BrokenPipeError):
        connection.send(words)


def import_for_others(modules: int) -> None:
    """Import what a job has imported."""
    with open(modules, encoding="utf-8", closefd=False) as file:
        file.seek(0)
        names = file.read().split()
    for name in names:
        # What does not import by itself, as a part of an extension, comes with another.
        with contextlib.suppress(Exception):
            importlib.import_module(name)


def work(copy: Copy) -> NoReturn:
    """Run a job's script, say how it has ended as its own process would, and end."""
    asked = copy.asked
    ctypes.CDLL(None).prctl(SIGNAL_AT_PARENTS_END, signal.SIGKILL)
    os.setpgid(0, asked["group"])
    os.chdir(asked["folder"])
    os.environ.update(asked["own"])
    tempfile.tempdir = None  # may be found anew
    sys.argv, sys.path[:] = asked["argv"], asked["path"]
    known = {*sys.modules}
    # This library is imported as it is now.
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]
    vars(importlib.import_module(f"{PACKAGE}.running.asking"))["CREATED"] = asked["created"]
    status = 0
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
    except (Exception, KeyboardInterrupt) as error:
        # Without the frames of this file and of runpy.
        trace = error.__traceback__
        while trace and trace.tb_frame.f_code.co_filename != sys.argv[0]:
            trace = trace.tb_next
        sys.excepthook(type(error), error.with_traceback(trace), None)
        status = 128 + signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
    # As Python ends, but for taking down what was imported, which would take half a second.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    ctypes.CDLL(None).fflush(None)
    new = [name for name in sys.modules if name not in known]
    with open(copy.modules, "w", encoding="utf-8") as file:
        file.write("\n".join(name for name in new if name.partition(".")[0] != PACKAGE))
    os._exit(status & 0xFF)


if __name__ == "__main__":
    gc.disable()  # what is imported stays
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # in a copy, until `running.start`
    work(serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2]))
