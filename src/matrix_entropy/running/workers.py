"""Jobs that start at once: a process that has imported their libraries forks a copy for each job.

A job with torch needs seconds until its libraries are imported, and many jobs of the miniature
scale less than that for their work. So `begin` starts one process beside Snakemake. A script that
imports `running.start` asks it: the process forks, the copy runs the same file with the same
arguments and streams, and the script's own process waits for it and ends with its status. Before it
forks, the process imports what earlier jobs have imported of the libraries that this one needs, and
those of them that several jobs of the run will need. So a run with one job that needs torch imports
it once, and one without it does not wait for it, unless another's import is under way. The modules
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
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from matrix_entropy.base.imports import libraries
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

    script: str
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


class Libraries:
    """Which modules to import before a copy is made.

    Parameters
    ----------
    shared : iterable of str
        Packages that several jobs of the run will import.
    """

    def __init__(self, shared: Iterable[str] = ()) -> None:
        self.shared = frozenset(shared)
        self.reported: dict[str, list[str]] = {}

    def report(self, script: str, names: Sequence[str]) -> None:
        """A job of this script has ended, which had to import so many modules by itself."""
        self.reported.setdefault(script, []).extend(names)

    def needed(self, script: str, file: Path) -> list[str]:
        """For a job of a script, of which ``file`` holds the text.

        A script that has run needs what it imported then. Of another it is known which packages it
        imports, of which others may have imported parts.
        """
        if script in self.reported:
            return self.reported[script]
        try:
            packages = {"snakemake", *libraries(file)}
        except (OSError, UnicodeDecodeError):  # the job itself says it
            return []
        parts = [name for names in self.reported.values() for name in names]
        of_others = [name for name in parts if name.partition(".")[0] in packages]
        return [*sorted(packages & self.shared), *of_others]


def shared_libraries(scripts: Iterable[Path]) -> set[str]:
    """Packages that at least two of the scripts of a run's jobs import."""
    counted = Counter(name for script in scripts for name in libraries(script))
    return {name for name, jobs in counted.items() if jobs > 1}


def begin(scripts: Iterable[Path] = ()) -> None:
    """Start the process that forks, for as long as this one lives, and tell jobs where to ask.

    Parameters
    ----------
    scripts : iterable of Path
        Of the jobs that will run, one for each.
    """
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
            [
                sys.executable,
                "-m",
                __name__,
                str(listener.fileno()),
                folder,
                *sorted(shared_libraries(scripts) - {PACKAGE, *sys.stdlib_module_names}),
            ],
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


def serve(listener: socket.socket, folder: str, known: Libraries) -> Copy:
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
                known.report(job.script, modules_of(job))
                job.close()
            elif job.connection in ready:  # which sends nothing: it is closed, its process ended
                os.kill(job.process, signal.SIGKILL)
        jobs = [job for job in jobs if job.ended not in ready]
        if listener in ready and (question := question_of(listener)):
            connection, streams, asked = question
            file = Path(asked["argv"][0])
            script = file.name.split(".")[-2]  # after a temporary name
            alike = asked["conditions"] == common
            if alike:
                import_all(known.needed(script, file))
            # Threads that a library has started would be missing in a copy.
            if not alike or len(os.listdir("/proc/self/task")) > 1:
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
                jobs.append(Job(script, connection, process, os.pidfd_open(process), modules))
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


def modules_of(job: Job) -> list[str]:
    """What a job that has ended had to import."""
    with open(job.modules, encoding="utf-8", closefd=False) as file:
        file.seek(0)
        return file.read().split()


def import_all(names: Iterable[str]) -> None:
    """Import modules that are not there yet."""
    for name in names:
        if name not in sys.modules:
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
    work(serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2], Libraries(sys.argv[3:])))
