"""The folders of workflow/profiles: what is typed on a laptop, on a cluster and by CI."""

from __future__ import annotations

import re
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from commands import snakemake

TARGET = "figures/tan_fig2_skill_graph.pdf"
EXECUTORS = {
    "slurm": "snakemake_executor_plugin_slurm",
    "kubernetes": "snakemake_storage_plugin_fs",
}


@pytest.mark.parametrize("snakefile", ["Snakefile", "workflow/Snakefile"])
def test_the_laptop_profile_is_taken_by_itself(root: Path, tmp_path: Path, snakefile: str) -> None:
    shutil.copy(root / "miniature/config.yaml", tmp_path)
    options = ("--directory", str(tmp_path), "--snakefile", snakefile)
    done = snakemake(root, TARGET, "-n", *options)
    assert done.returncode == 0, done.stderr
    assert "profiles/default" in done.stderr


def test_both_snakefiles_find_the_same_profiles(root: Path) -> None:
    """Snakemake looks for profiles/ beside the Snakefile."""
    assert (root / "profiles").resolve() == (root / "workflow/profiles").resolve()


@pytest.mark.parametrize("name", ["ci", "slurm", "kubernetes"])
def test_a_profile_plans_everything(root: Path, tmp_path: Path, name: str) -> None:
    """Also where inputs and outputs lie in a storage, and files of the repository do not."""
    if name in EXECUTORS and find_spec(EXECUTORS[name]) is None:
        pytest.skip(f"{EXECUTORS[name]} is not installed (envs/*.txt)")
    shutil.copy(root / "miniature/config.yaml", tmp_path)
    storage = tmp_path / "storage"
    storage.mkdir()
    where = ("--default-storage-prefix", str(storage)) if name == "kubernetes" else ()
    options = ("--directory", str(tmp_path), "--workflow-profile", f"workflow/profiles/{name}")
    done = snakemake(root, "-n", *options, *where)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^plot_layers +10$", done.stdout, re.MULTILINE)


def test_slurm_is_asked_in_the_way_that_notices_cancelled_jobs(root: Path) -> None:
    profile = yaml.safe_load((root / "workflow/profiles/slurm/config.yaml").read_text())
    assert profile["executor"] == "slurm"
    assert profile["slurm-status-command"] == "squeue"
    assert profile["retries"] >= 1


@pytest.mark.parametrize("name", ["default", "ci"])
def test_only_a_cluster_tries_again(root: Path, name: str) -> None:
    """On one machine a second attempt would hide a mistake and has no more memory."""
    profile = yaml.safe_load((root / "workflow/profiles" / name / "config.yaml").read_text())
    assert profile.get("retries", 0) == 0
