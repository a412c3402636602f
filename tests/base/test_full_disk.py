"""A disk that is full: one sentence names the file, and nothing half-written is left."""

from __future__ import annotations

import errno
import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import random_models
from matrix_entropy.base.files import is_full_disk, write_json, writing_folder
from matrix_entropy.models.stand_ins import train_tokenizer

TEXTS = [f"The fox number {number} sang to the lighthouse all night." for number in range(60)]
# Runs each stage in little room, from what those before have made since they had more, and lists
# what is left there. In a namespace of its own, so that nobody else sees what it mounts. Snakemake
# removes a folder that has become empty, which a mounted one does not let be done.
IN_LITTLE_ROOM = """
import json, subprocess, sys
from pathlib import Path
from commands import snakemake_for
root, folder = Path(sys.argv[1]), Path(sys.argv[2])
for where, size in json.loads(sys.argv[3]):
    room = folder / where
    room.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", room], check=True)
    (room / "kept").touch()
    done = snakemake_for(root, folder, "figures/layers_mine_texts.pdf")
    left = [str(path) for path in room.rglob("*") if path.is_file()]
    subprocess.run(["umount", room], check=True)
    print(json.dumps({"status": done.returncode, "said": done.stderr, "left": left}))
"""
# Where there is little room, how much, and the file that does not fit.
STAGES = [
    ("results/prompts", "4k", "results/prompts/texts.jsonl"),
    ("results/hidden_states", "64k", r"results/hidden_states/mine/\.texts\.part/layer_\d\.npy"),
    ("results/spectra", "4k", r"results/spectra/mine/\.texts\.part\S*/eigenvalues_0\.bin"),
    ("results/metrics", "4k", "results/metrics/mine/texts.parquet"),
    ("figures", "4k", "figures/layers_mine_texts.pdf"),
]


@pytest.fixture(scope="module")
def workplace(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder with a small random model and texts; skipped where nothing can be mounted."""
    try_it = subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"])
    if try_it.returncode:
        pytest.skip("this user may not mount a small file system")
    folder = tmp_path_factory.mktemp("workplace")
    random_models.gpt2(vocabulary=300).save_pretrained(folder / "model")
    train_tokenizer(TEXTS, 300).save_pretrained(folder / "model")
    (folder / "texts.txt").write_text("\n".join(TEXTS))
    (folder / "config.yaml").write_text((root / "config.yaml").read_text())
    mine = {
        "models": {"mine": {"path": "model", "layers": 3, "width": 48}},
        "datasets": {"texts": {"path": "texts.txt", "controls": []}},
    }
    (folder / "mine.yaml").write_text(yaml.safe_dump(mine))
    return folder


@pytest.fixture(scope="module")
def runs(root: Path, workplace: Path) -> dict[str, dict[str, Any]]:
    """How a run of each stage ended, by where there was little room."""
    stages = json.dumps([(where, size) for where, size, _ in STAGES])
    done = subprocess.run(
        ["unshare", "-rm", sys.executable, "-c", IN_LITTLE_ROOM, root, workplace, stages],
        env=os.environ | {"PYTHONPATH": f"{root / 'src'}:{root / 'tests'}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    ended = map(json.loads, done.stdout.splitlines())
    return {where: run for (where, _, _), run in zip(STAGES, ended, strict=True)}


@pytest.mark.parametrize(("where", "size", "file"), STAGES, ids=[stage[0] for stage in STAGES])
def test_every_stage_says_which_file_has_no_room(
    workplace: Path, runs: dict[str, dict[str, Any]], where: str, size: str, file: str
) -> None:
    run = runs[where]
    said = r"error: the disk is full \(or a quota\) while writing (\S+); free space and run again\."
    found = re.search(said, run["said"])
    assert found, run["said"]
    assert re.fullmatch(file, found[1])
    assert run["status"] == 1
    assert "Traceback" not in run["said"]
    assert run["left"] == [str(workplace / where / "kept")], "a file is left"


def test_errors_of_libraries_that_quote_the_system() -> None:
    assert is_full_disk(OSError(errno.EDQUOT, "quota"))
    assert is_full_disk(Exception(f"I/O error: {os.strerror(errno.ENOSPC)} (os error 28)"))
    assert not is_full_disk(OSError(errno.EIO, "input or output"))
    wrapped = ValueError("could not write")
    wrapped.__cause__ = OSError(errno.ENOSPC, "full")
    assert is_full_disk(wrapped)


def test_a_folder_is_named_by_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    with pytest.raises(OSError, match="No space") as raised, writing_folder(tmp_path / "model"):
        raise RuntimeError(f"safetensors: {os.strerror(errno.ENOSPC)}")
    assert raised.value.filename == str(tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_what_a_killed_process_left_goes_with_the_next_writing(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    begun = f"part-{socket.gethostname()}-{ended.pid}"
    (tmp_path / f".a[1].{begun}.json").write_text("half")
    others = {f".a1.{begun}.json", ".a[1].party.json", f".b.{begun}.json"}
    for other in others:
        (tmp_path / other).write_text("of others")
    write_json(tmp_path / "a[1].json", 1)
    assert {path.name for path in tmp_path.iterdir()} == others | {"a[1].json"}
    (tmp_path / ".model.part").mkdir()
    (tmp_path / ".model.part" / "half").write_text("half")
    with writing_folder(tmp_path / "model") as part:
        (part / "whole").write_text("whole")
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["whole"]
    assert not (tmp_path / ".model.part").exists()
