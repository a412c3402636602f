"""A real Slurm with two nodes on this machine: no database, no cgroups, GPUs that are none.

Needs root, and the Debian packages slurm-wlm and munge, which are installed where they are not.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

SETTINGS = Path("/etc/slurm")  # jobs look nowhere else: the executor takes SLURM_CONF away
PROGRAMS = ("slurmctld", "slurmd", "squeue", "munged")
NODES = ("n1", "n2")


class NoSlurmError(Exception):
    """Why there can be no such cluster here, in a sentence."""


def check_possible() -> None:
    """Raise NoSlurmError where a cluster could not be started or would disturb another one."""
    if os.geteuid() != 0:
        raise NoSlurmError("starting slurmctld and munged needs root")
    if (SETTINGS / "slurm.conf").exists():
        raise NoSlurmError(f"{SETTINGS / 'slurm.conf'} exists: this machine has a Slurm of its own")
    if not _installed() and shutil.which("apt-get") is None:
        raise NoSlurmError("Slurm is not installed, and there is no apt-get to install it")


@contextmanager
def two_nodes(folder: Path) -> Iterator[None]:
    """Start the cluster, its files in ``folder``; stop it and take its settings away afterwards."""
    check_possible()
    if not _installed():
        _install()
    with ExitStack() as stack:
        stack.enter_context(_munge())
        stack.enter_context(_settings(folder))
        stack.enter_context(_daemon("slurmctld", "-D"))
        for node in NODES:
            stack.enter_context(_daemon("slurmd", "-D", "-N", node))
        _wait_for_nodes()
        try:
            yield
        finally:
            subprocess.run(["scancel", "--quiet", "--user", "root"])
            _wait(lambda: not _output("squeue", "--noheader"), 20, "jobs to end")


def _installed() -> bool:
    return all(shutil.which(program) for program in PROGRAMS)


def _install() -> None:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    wanted = ["install", "--yes", "--no-install-recommends", "slurm-wlm", "munge"]
    # A machine that was never asked has no lists of packages yet.
    for arguments in (wanted, ["update"], wanted):
        done = subprocess.run(
            ["apt-get", *arguments], env=environment, capture_output=True, text=True
        )
        if arguments is wanted and done.returncode == 0:
            return
    raise NoSlurmError(f"slurm-wlm and munge could not be installed: {done.stderr.strip()[-300:]}")


@contextmanager
def _munge() -> Iterator[None]:
    """The service by which the parts of the cluster trust each other, where it does not run yet."""
    if subprocess.run(["munge", "-n"], capture_output=True).returncode == 0:
        yield
        return
    Path("/run/munge").mkdir(exist_ok=True)
    shutil.chown("/run/munge", "munge", "munge")
    with _daemon("munged", "--foreground", user="munge"):
        _wait(
            lambda: subprocess.run(["munge", "-n"], capture_output=True).returncode == 0,
            20,
            "munged",
        )
        yield


@contextmanager
def _settings(folder: Path) -> Iterator[None]:
    host = socket.gethostname().split(".")[0]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "state").mkdir()
    nodes = "\n".join(
        f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={17001 + place} CPUs=2"
        " RealMemory=32000 Gres=gpu:2 State=UNKNOWN"
        for place, node in enumerate(NODES)
    )
    written = {
        "slurm.conf": f"""\
ClusterName=local
SlurmctldHost={host}(127.0.0.1)
AuthType=auth/munge
CryptoType=crypto/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
# More CPUs and memory than there are: jobs here use far less than they may.
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1,sched_min_interval=0
ReturnToService=2
SwitchType=switch/none
MpiDefault=none
# squeue and scontrol know of a job for an hour after its end.
MinJobAge=3600
AccountingStorageType=accounting_storage/none
GresTypes=gpu
{nodes}
PartitionName=debug Nodes={",".join(NODES)} Default=YES MaxTime=INFINITE State=UP
""",
        "gres.conf": f"NodeName={','.join(NODES)} Name=gpu File=/dev/tty[0-1]\n",
    }
    SETTINGS.mkdir(exist_ok=True)
    try:
        for name, text in written.items():
            (SETTINGS / name).write_text(text)
        yield
    finally:
        for name in written:
            (SETTINGS / name).unlink()


@contextmanager
def _daemon(*command: str, user: str = "root") -> Iterator[None]:
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, user=user, group=user, **quiet)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for_nodes() -> None:
    idle = "\n".join(f"{node} idle" for node in NODES)
    _wait(lambda: _output("sinfo", "-h", "-N", "-o", "%N %T") == idle, 30, "the nodes")


def _wait(condition: Callable[[], bool], seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise NoSlurmError(f"waited {seconds:g} s for {what} in vain")
        time.sleep(0.2)


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()
