"""How often Snakemake looks for jobs that can begin."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from commands import snakemake_for

NAMES = [f"texts_{number}" for number in range(8)]


def test_it_looks_once_for_every_job_that_has_ended(root: Path, tmp_path: Path) -> None:
    """By its default limit of jobs a second it would look more and more often."""
    grammar = {"grammar": "stories", "count": 800}
    datasets = {name: {"generate": {**grammar, "seed": n}} for n, name in enumerate(NAMES)}
    train = {"architecture": "gpt2", "corpus": NAMES[0], "heads": 2}
    models = {"small": {"train": train, "layers": 2, "width": 16}}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"models": models, "datasets": datasets}))
    targets = [f"results/prompts/{name}.jsonl" for name in NAMES]
    done = snakemake_for(root, tmp_path, *targets, "--cores", "1", "--verbose")
    assert done.returncode == 0, done.stderr
    assert len(NAMES) <= len(re.findall(r"Ready jobs: \d", done.stderr)) <= len(NAMES) + 1
