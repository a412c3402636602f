"""Ctrl-C in a run and in its jobs: no traceback, and what was begun is cleared away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from matrix_entropy.running import stopping

JOB = """
import time
print("begun", flush=True)
input()
from matrix_entropy.running import stopping
stopping.job()
try:
    print("at work", flush=True)
    time.sleep(1000)
finally:
    print("cleared away", flush=True)
"""
STUBBORN = "print('begun', flush=True); import time; time.sleep(1000)"
RUN = """
import subprocess, sys
from matrix_entropy.running import stopping
stopping.quietly()
if sys.argv[1]:
    stopping.with_its_jobs(lambda: print("finish", flush=True))
    command = ["bash", "-c", stopping.UNHEARD + 'exec "$@"', "-", sys.executable, "-c"]
    sys.exit(abs(subprocess.run([*command, sys.argv[1]]).returncode))
print("begun", flush=True)
input()
"""


@pytest.mark.parametrize(
    ("job", "when", "times", "status", "told"),
    [
        ("", "begun", 1, -signal.SIGINT, stopping.STOPPED),
        (JOB, "begun", 1, 128 + signal.SIGINT, ""),
        (JOB, "at work", 1, 128 + signal.SIGINT, "cleared away"),
        (STUBBORN, "begun", 2, signal.SIGKILL, ""),
    ],
)
def test_ctrl_c(job: str, when: str, times: int, status: int, told: str) -> None:
    pipe, library = subprocess.PIPE, str(Path(stopping.__file__).parents[2])
    with subprocess.Popen(
        [sys.executable, "-c", RUN, job],
        stdin=pipe,
        stdout=pipe,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONPATH": library},
        start_new_session=True,
    ) as run:
        assert run.stdin is not None
        assert run.stdout is not None
        assert run.stdout.readline() == "begun\n"
        if when == "at work":
            run.stdin.write("\n")
            run.stdin.flush()
            assert run.stdout.readline() == "at work\n"
        said = ""
        for _ in range(times):
            os.killpg(run.pid, signal.SIGINT)
            while job and "finish\n" not in said:
                said += run.stdout.readline()
        if not job:  # its input stays open until it has ended, however late it hears of Ctrl-C
            said += run.stdout.read()
        said += run.communicate("\n" if when == "begun" and job == JOB else None)[0]
    assert run.returncode == status, said
    assert told in said
    assert "Traceback" not in said
    assert (stopping.STOPPING in said) == bool(job)
