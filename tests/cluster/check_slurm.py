"""Run Liang's part of the miniature scale on a real Slurm and compare it with a local run.

    python tests/cluster/check_slurm.py

A copy of the repository is run with workflow/profiles/slurm on two nodes. Every job that makes
hidden states asks for a GPU, which is none. The first stand-in in training is cancelled, and has to
be sent again with more memory and time. Spectra, metrics and the numbers of figures are then those
of the local run in miniature/ (made first, if it is not there), value by value. Ends with status 1
if not.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from two_nodes import NODES, NoSlurmError, two_nodes

ROOT = Path(__file__).resolve().parent.parent.parent
LEFT_OUT = (".git", ".venv", ".snakemake", "build", "fetched", "*_cache")
BUILT = {"results", "figures"}  # in the folder of a scale; elsewhere these hold code
CANCELLED = "rule_train_stand_in"
NO_SLURM = 77
# Jobs are short here, so they are looked for sooner, and those that follow from one another are one
# Slurm job: what they cost is mostly the starts of Snakemake.
QUICK = [
    *("--slurm-init-seconds-before-status-checks", "2", "--latency-wait", "10"),
    *("--set-resources", "stream_spectra:gpu=1"),
    "--groups",
    *(f"{rule}=chain" for rule in ("stream_spectra", "compute_metrics", "plot_layers")),
]


def run(folder: Path, told: Path, *options: str) -> subprocess.Popen[bytes]:
    """Start ``snakemake --directory miniature liang2024`` in a copy of the repository."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.Popen(
        [sys.executable, "-m", "snakemake", "--directory", "miniature", "liang2024", *options],
        cwd=folder,
        # Not a pipe, which would stop the run when it is full.
        stdout=open(told, "w"),
        stderr=subprocess.STDOUT,
        env=os.environ | {"PATH": path, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
    )


def finish(process: subprocess.Popen[bytes], told: Path, seconds: float) -> None:
    """Wait for a run; ends this one if it fails."""
    if process.wait(timeout=seconds):
        sys.exit(f"{told.read_text()[-8000:]}\nsnakemake ended with status {process.returncode}")


def cancel_first(comment: str, process: subprocess.Popen[bytes], seconds: float) -> None:
    """Cancel the first Slurm job whose comment begins so, once it runs."""
    last = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < last:
        for job in jobs():
            if job["Comment"].startswith(comment) and job["JobState"] == "RUNNING":
                subprocess.run(["scancel", job["JobId"]], check=True)
                return
        time.sleep(0.3)


def jobs() -> list[dict[str, str]]:
    """What Slurm knows of its jobs, the first first."""
    told = subprocess.run(["scontrol", "show", "job", "-o"], capture_output=True, text=True).stdout
    found = [dict(re.findall(r"(\S+?)=(\S*)", line)) for line in told.splitlines() if "=" in line]
    return sorted(found, key=lambda job: int(job["JobId"]))


def numbers(path: Path) -> dict[str, np.ndarray]:
    """The columns of a table, or the arrays of a result that are numbers."""
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
        return {name: values for name, values in found.items() if values.dtype.kind in "fiub"}
    table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    return {str(name): table[name].to_numpy() for name in table}


def compare(built: Path, local: Path) -> tuple[int, int, list[str]]:
    """Files and values compared, and what differs."""
    files = [
        *sorted((built / "results/spectra").rglob("*.npz")),
        *sorted((built / "results/metrics").rglob("*.parquet")),
        *sorted((built / "figures").glob("*.csv")),
    ]
    count, different = 0, []
    for path in files:
        here, there = numbers(path), numbers(local / path.relative_to(built))
        for name in here.keys() | there.keys():
            count += here[name].size
            both = [pd.Series(values[name].ravel()) for values in (here, there)]
            if here[name].shape != there[name].shape or not both[0].equals(both[1]):
                different.append(f"{path.relative_to(built)}: {name}")
    return len(files), count, different


def check_jobs(sent: list[dict[str, str]]) -> list[str]:
    """What is to be said of the jobs that Slurm had; AssertionError where something is amiss."""
    states = [job["JobState"] for job in sent]
    assert states.count("CANCELLED") == 1, states
    assert set(states) == {"CANCELLED", "COMPLETED"}, states
    first = sent[states.index("CANCELLED")]
    second = [job for job in sent if job["Comment"] == first["Comment"] and job is not first]
    assert len(second) == 1, f"{first['Comment']} was sent again {len(second)} times"
    memory = [mebibytes(job["MinMemoryNode"]) for job in (first, second[0])]
    assert memory[1] == 2 * memory[0], memory
    used = {node: sum(job["NodeList"] == node for job in sent) for node in NODES}
    assert all(used.values()), f"a node without a job: {used}"
    with_gpu = [job for job in sent if "gpu:1" in job.get("TresPerJob", "")]
    assert len(with_gpu) == sum("stream_spectra" in job["Comment"] for job in sent) > 0
    return [
        f"jobs: {len(sent)} ({', '.join(f'{count} on {node}' for node, count in used.items())})",
        f"with a GPU: {len(with_gpu)}",
        f"cancelled and sent again: {first['Comment']}, job {first['JobId']} as"
        f" {second[0]['JobId']}, {memory[0]} MiB as {memory[1]},"
        f" {first['TimeLimit']} hours as {second[0]['TimeLimit']}",
    ]


def mebibytes(memory: str) -> int:
    """4000 for "4000M"; Slurm writes whole gibibytes as "8G"."""
    return int(memory[:-1]) * {"M": 1, "G": 1024}[memory[-1]]


def left_out(folder: str, names: list[str]) -> set[str]:
    """Of a folder of the repository, what a copy of it does without."""
    of_scale = BUILT if "config.yaml" in names else set()
    return shutil.ignore_patterns(*LEFT_OUT)(folder, names) | of_scale & {*names}


def main() -> None:
    # Also a run that is ended from outside takes its cluster away.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    with tempfile.TemporaryDirectory(prefix="matrix-entropy-") as temporary:
        told = Path(temporary) / "told"
        finish(run(ROOT, told, "--workflow-profile", "workflow/profiles/ci"), told, 1200)
        copy = Path(temporary) / "repository"
        shutil.copytree(ROOT, copy, symlinks=True, ignore=left_out)
        with two_nodes(Path(temporary) / "slurm"):
            started = time.monotonic()
            process = run(copy, told, "--workflow-profile", "workflow/profiles/slurm", *QUICK)
            try:
                cancel_first(CANCELLED, process, 300)
                finish(process, told, 900)
            finally:
                process.kill()
            seconds = time.monotonic() - started
            sent = jobs()
        files, values, different = compare(copy / "miniature", ROOT / "miniature")
    assert files > 0, "nothing was compared"
    assert not different, "\n".join(["differs from the local run:", *different])
    summary = [*check_jobs(sent), f"equal to the local run: {values} values in {files} files"]
    print("\n".join([*summary, f"seconds: {seconds:.0f}"]))


if __name__ == "__main__":
    try:
        main()
    except NoSlurmError as error:
        print(f"No Slurm here: {error}.", file=sys.stderr)
        sys.exit(NO_SLURM)
