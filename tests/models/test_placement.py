"""Where a model runs: by its size and a device's memory, and on GPUs that no other job has."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import IO

import pytest
import torch
import yaml

import random_models
from commands import snakemake, snakemake_for
from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import write_json
from matrix_entropy.models.placement import is_spread, needed_bytes, parameter_count, shared_out
from matrix_entropy.running import gpus
from matrix_entropy.states import launch


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    random_models.llama(vocabulary=300, context=64).save_pretrained(tmp_path, max_shard_size="50kB")
    return tmp_path


def test_parameters_are_counted_over_all_files(folder: Path) -> None:
    model = random_models.llama(vocabulary=300, context=64)
    assert len(list(folder.glob("*.safetensors"))) > 1
    assert parameter_count(folder) == sum(p.numel() for p in model.parameters())


def test_weights_that_are_there_twice_count_once(folder: Path) -> None:
    count = parameter_count(folder)
    random_models.llama(vocabulary=300, context=64).save_pretrained(folder / "whole")
    (folder / "whole" / "model.safetensors").rename(folder / "consolidated.safetensors")
    assert parameter_count(folder) == count


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_model_is_spread_where_it_does_not_fit(folder: Path, dtype: str) -> None:
    needed = needed_bytes(parameter_count(folder), dtype)
    fit = {"dtype": dtype, "device_map": "fit"}
    assert not is_spread(folder, fit, needed)
    assert is_spread(folder, fit, needed - 1)
    assert not is_spread(folder, fit, None), "there is nothing to spread over"
    # What the configuration says goes before.
    assert is_spread(folder, fit | {"device_map": "auto"}, needed)
    assert not is_spread(folder, fit | {"device_map": "single"}, 1)


@pytest.mark.parametrize(
    ("parameters", "dtype", "gibibytes", "spread"),
    [(13e9, "float16", 40, False), (13e9, "float16", 24, True), (13e9, "float32", 40, True)],
)
def test_real_sizes(parameters: float, dtype: str, gibibytes: int, spread: bool) -> None:
    assert (needed_bytes(int(parameters), dtype) > gibibytes * 2**30) == spread


def test_processes() -> None:
    assert shared_out(False, 4, 1) == 4
    assert shared_out(True, 4, 1) == 1
    assert shared_out(False, 0, 3) == 3


TAKE = """
import os, sys, time
from pathlib import Path
from matrix_entropy.running import gpus
gpus.take(int(sys.argv[1]), 4, Path(sys.argv[2]))
print(os.environ["CUDA_VISIBLE_DEVICES"], flush=True)
sys.stdin.read()
"""


def holder(count: int, folder: Path, root: Path) -> subprocess.Popen[str]:
    """A job that holds GPUs until its input is closed."""
    return subprocess.Popen(
        [sys.executable, "-c", TAKE, str(count), str(folder)],
        env=os.environ | {"PYTHONPATH": str(root / "src"), "CUDA_VISIBLE_DEVICES": "0,1,2"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_jobs_on_one_machine_have_gpus_of_their_own(tmp_path: Path, root: Path) -> None:
    with holder(1, tmp_path, root) as first, holder(2, tmp_path, root) as second:
        given = [job.stdout.readline().strip() for job in (first, second)]  # type: ignore[union-attr]
        assert sorted(",".join(given).split(",")) == ["0", "1", "2"]
        # Killed, a job gives its own back, for which the third has been waiting.
        with holder(1, tmp_path, root) as third:
            first.kill()
            assert third.stdout.readline().strip() == given[0]  # type: ignore[union-attr]
            third.communicate()
        second.communicate()


def test_fewer_gpus_than_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    with pytest.raises(InputError, match=r"asks for 4 GPUs.* shows 2"):
        gpus.take(4, 8, tmp_path)


def test_a_job_that_was_given_none_uses_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    gpus.take(0, 8, tmp_path)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "3"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("memory", "device_map"), [(2**36, "single"), (2**20, "auto")])
def test_one_process_where_a_gpu_is_seen(
    memory: int, device_map: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two on one card would not find each other; `processes` is for the CPU."""
    write_json(folder / "record.json", {"model": "m", "folder": str(folder)})
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setattr(gpus, "NVIDIA", str(folder))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    card = SimpleNamespace(total_memory=memory, major=9, minor=0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: card)
    options = {"device_map": "fit", "dtype": "float32"}
    record = folder / "record.json"
    arguments = Namespace(
        gpus=0, gpu_mb=0, processes=2, model=record, files=record, options=options
    )
    launch.in_processes(arguments)
    assert arguments.processes == 1
    assert options["device_map"] == device_map


@pytest.mark.parametrize(
    ("shown", "found"), [(None, [80, 40]), ("1", [40]), ("GPU-b, 0", [40, 80]), ("", [])]
)
def test_memories_of_the_gpus_that_a_process_may_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shown: str | None, found: list[int]
) -> None:
    (tmp_path / "memory.total").write_text("0, 80\n1, 40\n")
    (tmp_path / "uuid").write_text("0, GPU-a\n1, GPU-b\n")
    answer = f'#!/bin/sh\ncat "{tmp_path}/${{1#*,}}"\n'  # what is behind index, in the question
    (tmp_path / "nvidia-smi").write_text(answer)
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if shown is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", shown)
    assert gpus.memories() == [memory * 2**20 for memory in found]


# A driver that shows two cards, on a machine that has perhaps none.
SMI = """#!/bin/sh
case $1 in
  *memory.total) printf '0, 81559\\n1, 81559\\n' ;;
  *driver_version) printf '0, 535.54\\n1, 535.54\\n' ;;
esac
"""


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "driver"
    folder.mkdir()
    (folder / "nvidia-smi").write_text(SMI)
    (folder / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(gpus, "NVIDIA", str(folder))
    gpus.seen.cache_clear()
    yield folder
    gpus.seen.cache_clear()


@pytest.mark.parametrize(("shown", "count"), [(None, 2), ("1", 1), ("", 0)])
def test_gpus_are_counted_without_torch(
    driver: Path, shown: str | None, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shown is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", shown)
    assert gpus.seen() == count


@pytest.mark.parametrize(
    ("cuda", "shown", "told"),
    [
        ("13.0", "0", "built for CUDA 13.0, and the driver is 535.54: update the driver"),
        (None, "0", "torch is built without CUDA"),
        ("13.0", "", ""),
        ("13.0", "-1", ""),
    ],
)
def test_a_card_that_torch_cannot_use_is_said(
    cuda: str | None,
    shown: str,
    told: str,
    driver: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", shown)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", cuda)
    gpus.take(0)
    assert (told in caplog.text) if told else not caplog.text


def test_a_gpu_that_torch_is_not_built_for_is_refused(
    driver: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, answer in (
        ("is_available", True),
        ("device_count", 1),
        ("get_arch_list", ["sm_75", "sm_120"]),
        ("get_device_capability", (6, 1)),
        ("get_device_name", "GTX 1080"),
    ):
        monkeypatch.setattr(torch.cuda, name, lambda *_, answer=answer: answer)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    with pytest.raises(InputError, match="built for sm_75, sm_120, and GTX 1080 is sm_61: install"):
        gpus.take(0)


def test_gpus_are_chosen_before_torch_settles_which_there_are(
    driver: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = []

    def is_available() -> bool:
        shown.append(os.environ["CUDA_VISIBLE_DEVICES"])
        return True

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,0")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "is_available", is_available)
    monkeypatch.setattr(torch.cuda, "get_arch_list", list)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))
    held: list[IO[str]] = []
    monkeypatch.setattr(gpus, "_held", held)
    gpus.take(0)
    gpus.take(1, folder=tmp_path / "locks")
    held.pop().close()
    assert shown == ["1", "1"]


@pytest.fixture
def in_commands(driver: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The driver, seen by the processes of typed commands as well."""
    (driver / "sitecustomize.py").write_text(
        f"from matrix_entropy.running import gpus\ngpus.NVIDIA = {str(driver)!r}\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{driver}:{root / 'src'}")
    return driver


@pytest.mark.skipif(torch.cuda.is_available(), reason="torch asks the machine's own GPU")
def test_a_run_says_once_at_its_start_that_no_job_can_use_a_gpu(
    in_commands: Path, root: Path
) -> None:
    mine = {"models": {"mine": {"hub": "no/where", "revision": "main", "layers": 1, "width": 8}}}
    shutil.copy(root / "config.yaml", in_commands)
    (in_commands / "mine.yaml").write_text(yaml.safe_dump(mine))
    done = snakemake_for(root, in_commands, "figures/layers_mine_child_matched.pdf")
    assert done.returncode != 0
    assert done.stderr.count("has a GPU that its jobs cannot use: torch is built") == 1


def test_a_model_takes_a_gpu_where_there_are_some(
    in_commands: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the plan says it; a small one takes none, and the user's word is above both."""

    def planned(*more: str) -> list[tuple[str, ...]]:
        figures = ("fig10_gpt2_large_world", "fig06_tinystories_3m_world")
        files = [f"figures/{figure}.pdf" for figure in figures]
        done = snakemake(root, "-n", "-p", *files, "--directory", str(in_commands), *more)
        asked = r"--model results/models/(\w+)\.json .* --gpus (\d) .* --threads (\d)"
        return re.findall(asked, done.stdout)

    shutil.copy(root / "config.yaml", in_commands)
    # Of two cores one is for each GPU's job, so that both have one.
    assert sorted(planned()) == [("gpt2_large", "1", "1"), ("tinystories_3m", "0", "1")]
    more = ("--cores", "12", "--set-resources", "dump_hidden_states:gpu=2")
    assert ("gpt2_large", "2", "6") in planned(*more)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert ("gpt2_large", "0", "8") in planned("--cores", "12")


def test_without_any_a_job_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    gpus.take(2, 2, tmp_path)
    assert "none is seen" in caplog.text
    assert not list(tmp_path.iterdir())
