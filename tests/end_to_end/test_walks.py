"""Whoever follows a page of docs/ through all its steps, in a copy of the repository, arrives."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from commands import snakemake
from conftest import ROOT
from matrix_entropy.base.files import read_csv, read_json
from matrix_entropy.results.metrics import read_metrics
from walks import blocks, follow

PAGES = {
    name: ROOT / f"docs/{name}.md"
    for name in (
        *("add-a-metric", "add-a-measure", "add-a-kind-of-figure", "add-an-architecture"),
        "papers",
    )
}
COPIED = ("src", "workflow", "paper", "data", "docs", "envs", "tests")


def commands(page: str, beginning: str) -> list[str]:
    """The commands that a page says to type and that begin so, in their order."""
    typed = "".join(block.code for block in blocks(PAGES[page]) if block.language == "bash")
    return [line for line in typed.splitlines() if line.startswith(beginning)]


def typed(command: str, folder: Path) -> None:
    """A command as somebody types it with the environment activated; it has to succeed."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    surroundings = os.environ | {"PATH": path}
    done = subprocess.run(
        command, shell=True, cwd=folder, env=surroundings, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository in which all the pages have been followed."""
    folder = tmp_path_factory.mktemp("walks")
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Snakefile", "config.yaml", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    (folder / "profiles").symlink_to("workflow/profiles")
    for command in [*commands("papers", "cp"), *commands("papers", "sed")]:
        typed(command, folder)
    for page in PAGES.values():
        follow(page, folder)
    return folder


def test_the_tests_of_the_walks_pass(copy: Path) -> None:
    """Those that the pages write, and those that look at every metric and every stand-in."""
    for command in commands("add-a-metric", "PYTHONPATH"):  # writes the lists
        typed(command, copy)
    page = (copy / "docs/metrics.md").read_text("utf-8")
    assert "| `largest_share` | share of the largest eigenvalue `max λ` | 1 |" in page
    assert "| `long_share` | share of the rows that are long | 1 |" in page
    tests = [command for page in PAGES for command in commands(page, "pytest")]
    assert len(tests) == 4
    for command in tests:
        typed(command, copy)


def test_a_run_uses_all_that_was_added(copy: Path) -> None:
    """A stand-in of the new architecture, with the new metric, in a figure of the new kind."""
    (command,) = commands("add-a-kind-of-figure", "snakemake")
    done = snakemake(copy, *command.split()[1:])
    assert done.returncode == 0, done.stderr
    record = read_json(copy / "results/models/my_model.json")
    assert record["id"].startswith("llama stand-in")
    summary = read_csv(copy / "results/metrics/my_model/my_texts.summary.csv", "layer")
    share, rank = summary["largest_share"], summary["effective_rank"]
    assert share.between(1 / 16, 1).all()
    assert (share * rank > 1).all(), "an effective rank is larger than one over the largest share"
    drawn = read_csv(copy / "figures/my_ranks.csv")
    metrics, _ = read_metrics(copy / "results/metrics/my_model/my_texts.parquet")
    final = metrics[metrics["layer"] == "final"]
    np.testing.assert_allclose(drawn["effective_rank"], final["effective_rank"], rtol=1e-8)


def test_a_fourth_paper_is_a_target(copy: Path) -> None:
    (command,) = commands("papers", "snakemake")
    planned = snakemake(copy, *command.split()[1:], "-n")
    assert planned.returncode == 0, planned.stderr
    for file in ("figures/other_layers.pdf", "results/tables/other_indicators.csv"):
        assert file in planned.stdout
