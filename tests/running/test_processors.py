"""Threads of jobs on few processors, by affinity and quota, in every process that a job starts."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import random_models
from commands import snakemake_for
from matrix_entropy.base.files import write_jsonl
from matrix_entropy.models.stand_ins import train_tokenizer
from matrix_entropy.running import processors
from short_texts import short_texts

# Every process has a few processors, and says at its end how many threads its libraries would use:
# torch, those of linear algebra, the tokenizers, and the largest of our own pools.
WATCH = """
import atexit, concurrent.futures.thread, json, os, sys
os.sched_setaffinity(0, json.loads(os.environ["HERE"]))
largest = [0]
create = concurrent.futures.thread.ThreadPoolExecutor.__init__
def counted(self, max_workers=None, *arguments, **options):
    if sys._getframe(1).f_globals["__name__"].startswith("matrix_entropy"):
        largest.append(max_workers)
    create(self, max_workers, *arguments, **options)
concurrent.futures.thread.ThreadPoolExecutor.__init__ = counted
def say():
    if "matrix_entropy.running.console" not in sys.modules or "numpy" not in sys.modules:
        return
    from threadpoolctl import threadpool_info
    torch = sys.modules.get("torch")
    said = {
        "script": os.path.basename(sys.argv[0]).split(".")[-2],  # after a temporary name
        "torch": torch.get_num_threads() if torch else 0,
        "blas": max(found["num_threads"] for found in threadpool_info()),
        "rayon": int(os.environ["RAYON_NUM_THREADS"]),
        "pool": max(largest),
    }
    with open(os.environ["SAID"], "a") as file:
        print(json.dumps(said), file=file)
atexit.register(say)
"""


def groups(root: Path, cgroup: str, files: dict[str, str]) -> Path:
    """A folder that stands for the root of the file system."""
    for path, content in {"proc/self/cgroup": cgroup, **files}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)
    return root


V2, V1 = "sys/fs/cgroup", "sys/fs/cgroup/cpu,cpuacct"


@pytest.mark.parametrize(
    ("cgroup", "files", "expected"),
    [
        ("0::/\n", {f"{V2}/cpu.max": "max 100000\n"}, float("inf")),
        ("0::/\n", {f"{V2}/cpu.max": "150000 100000\n"}, 1.5),
        ("0::/a.slice/b\n", {f"{V2}/a.slice/b/cpu.max": "400000 100000\n"}, 4),
        # A group has no more than the one that it is in.
        (
            "0::/a.slice/b\n",
            {f"{V2}/a.slice/b/cpu.max": "max 100000\n", f"{V2}/a.slice/cpu.max": "50000 25000\n"},
            2,
        ),
        # In a container, the path is the host's, and its own group is at the top.
        ("0::/../../host/pod\n", {f"{V2}/cpu.max": "300000 100000\n"}, 3),
        (
            "5:memory:/x\n4:cpu,cpuacct:/docker/1\n",
            {f"{V1}/cpu.cfs_quota_us": "250000\n", f"{V1}/cpu.cfs_period_us": "100000\n"},
            2.5,
        ),
        (
            "1:cpu:/\n0::/\n",
            {f"{V2}/cpu/cpu.cfs_quota_us": "-1\n", f"{V2}/cpu/cpu.cfs_period_us": "100000\n"},
            float("inf"),
        ),
        # Of another controller whose name begins alike.
        ("4:cpuset:/\n", {"sys/fs/cgroup/cpuset/cpu.cfs_quota_us": "1\n"}, float("inf")),
        ("", {}, float("inf")),
    ],
)  # fmt: skip
def test_quotas_of_control_groups(
    cgroup: str, files: dict[str, str], expected: float, tmp_path: Path
) -> None:
    assert processors.quota(groups(tmp_path, cgroup, files)) == expected


@pytest.mark.parametrize(("quota", "expected"), [("150000", 1), ("10000", 1), ("200000", 2)])
def test_whole_processors_count(
    quota: str, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    root = groups(tmp_path, "0::/\n", {f"{V2}/cpu.max": f"{quota} 100000\n"})
    assert processors.usable(root) == expected


def test_affinity_counts_and_a_job_of_fewer_threads_keeps_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5, 9})
    assert processors.usable(tmp_path) == 3
    monkeypatch.setattr(processors, "usable", lambda: 3)
    assert [processors.allowed(threads) for threads in (1, 3, 8)] == [1, 3, 3]


@pytest.mark.parametrize(("stated", "expected"), [("8", "3"), ("2", "2"), ("", "3"), ("2,1", "3")])
def test_variables_of_libraries_are_limited(
    stated: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processors, "usable", lambda: 3)
    monkeypatch.setattr(os, "environ", {"OMP_NUM_THREADS": stated, "MKL_NUM_THREADS": "64"})
    processors.limit()
    assert os.environ == dict.fromkeys(processors.VARIABLES, expected)


def test_every_script_asks_for_its_threads(root: Path) -> None:
    for path in (root / "workflow/scripts").rglob("*.py"):
        text = path.read_text()
        assert "from matrix_entropy.running import start" in text, path
        assert text.count("snakemake.threads") == text.count("allowed(snakemake.threads)"), path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder with a model, texts, and a module that Python imports at its start."""
    folder, texts = tmp_path_factory.mktemp("mine"), short_texts(6, 2)
    tokenizer = train_tokenizer([text["text"] for text in texts], 300)
    random_models.gpt2(vocabulary=len(tokenizer), context=128).save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    write_jsonl(folder / "texts.jsonl", texts)
    mine = {
        "models": {"mine": {"path": "model", "layers": 3, "width": 48}},
        "datasets": {"texts": {"path": "texts.jsonl"}},
        "figures": {},
    }
    (folder / "mine.yaml").write_text(yaml.safe_dump(mine))
    (folder / "watch").mkdir()
    (folder / "watch/sitecustomize.py").write_text(WATCH)
    return folder


@pytest.fixture
def run_on(
    root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., list[dict[str, Any]]]:
    """What every process of the jobs says that a command with eight cores starts."""

    def run(count: int, *options: str) -> list[dict[str, Any]]:
        here = sorted(os.sched_getaffinity(0))
        if len(here) < count:
            pytest.skip(f"this process may use {len(here)} processor, not {count}")
        said = folder / "said.jsonl"
        said.unlink(missing_ok=True)
        monkeypatch.setenv("PYTHONPATH", str(folder / "watch"))
        monkeypatch.setenv("SAID", str(said))
        monkeypatch.setenv("HERE", json.dumps(here[:count]))
        target = "results/spectra/mine/texts.npz"
        done = snakemake_for(root, folder, target, "--cores", "8", "--forceall", *options)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in said.read_text().splitlines()]

    return run


@pytest.mark.parametrize("count", [1, 2])
def test_eight_cores_on_few_processors(
    count: int, run_on: Callable[..., list[dict[str, Any]]]
) -> None:
    threads = ("--set-threads", "dump_hidden_states=8", "compute_spectra=8")
    said = {job["script"]: job for job in run_on(count, *threads)}
    states, spectra = said["dump_hidden_states"], said["compute_spectra"]
    assert (states["torch"], states["blas"], states["rayon"]) == (count, count, count)
    assert (spectra["pool"], spectra["blas"], spectra["rayon"]) == (count, count, count)


def test_spectra_beside_the_model_share_its_processors(
    run_on: Callable[..., list[dict[str, Any]]],
) -> None:
    options = ("--config", "hidden_states=stream", "--set-threads", "stream_spectra=8")
    said = {job["script"]: job for job in run_on(2, *options)}
    job = said["stream_spectra"]
    assert (job["torch"], job["pool"]) == (1, 1)


def test_processes_share_the_threads_of_their_job(
    run_on: Callable[..., list[dict[str, Any]]],
) -> None:
    options = ("--set-resources", "dump_hidden_states:processes=2")
    said = run_on(2, *options, "--set-threads", "dump_hidden_states=8")
    jobs = [job for job in said if job["script"] == "dump_hidden_states"]
    workers = [job for job in jobs if job["torch"]]
    assert len(workers) == 2
    assert [(job["torch"], job["blas"], job["rayon"]) for job in workers] == [(1, 1, 1)] * 2
