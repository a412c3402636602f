"""What README and docs tell a reader to type and to write can be typed and written.

The pages of `test_walks` are followed to their ends there.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import yaml

from commands import with_changes
from conftest import ROOT, configured
from matrix_entropy.command import main, workflow
from matrix_entropy.configuration import checking, targets
from matrix_entropy.figures.kinds.layers import layer_curves
from walks import blocks

FILES = [ROOT / "README.md", ROOT / "config/README.md", *sorted(ROOT.glob("docs/*.md"))]
PAGES = {page.relative_to(ROOT).as_posix().removeprefix("docs/"): page for page in FILES}
WALKS = (
    *("add-a-metric.md", "add-a-measure.md", "add-a-kind-of-figure.md", "add-an-architecture.md"),
    "papers.md",
)
# Those of which another test runs the Python.
RUN_ELSEWHERE = ("README.md", "library.md", "while-a-model-learns.md")
# Of rules: no figure or table, and typed as they are by tests of their own.
RULE_TEXTS = "".join(
    path.read_text("utf-8") for path in [ROOT / "Snakefile", *ROOT.glob("workflow/rules/*.smk")]
)
RULES = {
    *re.findall(r"^rule (\w+):", RULE_TEXTS, re.MULTILINE),
    *re.findall(r'"(results/\w+\.html)"', RULE_TEXTS),
}


def pages_with(language: str) -> list[str]:
    """Names of the pages with blocks in a language, the walks left out."""
    return [name for name in PAGES if name not in WALKS and codes_of(name, language)]


def codes_of(name: str, language: str) -> list[str]:
    """The blocks of a page in a language."""
    return [block.code for block in blocks(PAGES[name]) if block.language == language]


def test_every_block_says_what_it_is() -> None:
    known = {"bash", "yaml", "python", "diff", "text"}
    for name, page in PAGES.items():
        assert {block.language for block in blocks(page)} <= known, name


def with_sizes(models: dict[str, Any]) -> dict[str, Any]:
    """As if the files of models that the pages name were here, of which sizes would be read."""
    return {name: {"layers": 2, "width": 8} | model for name, model in models.items()}


def written(name: str) -> dict[str, Any]:
    """The configuration with all that a page tells to write, above the README's first example."""
    config = configured()
    for code in [*codes_of("README.md", "yaml"), *codes_of(name, "yaml")]:
        for section, entries in yaml.safe_load(code).items():
            more = isinstance(entries, dict)
            config[section] = config.get(section, {}) | entries if more else entries
    return config


@pytest.mark.parametrize("name", pages_with("yaml"))
def test_what_is_written_is_a_configuration(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "with_sizes", with_sizes)
    checking.checked(written(name))


METRIC_FILES = r"summary\.csv|parquet|texts\.csv|mir\.csv"


@pytest.mark.parametrize("name", pages_with("bash"))
def test_what_is_typed_is_a_command(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "with_sizes", with_sizes)
    for line in "".join(codes_of(name, "bash")).replace("\\\n", " ").splitlines():
        words = [
            word for word in shlex.split(line, comments=True) if not re.match(r"[A-Z_]+=", word)
        ]
        if words:
            program, *arguments = words
            CHECKS[program](arguments, name)


def check_snakemake(arguments: list[str], name: str) -> None:
    """Every option is one of Snakemake's, and every target a rule, a figure or a table."""
    asked = snakemake_parser().parse_args(arguments)
    if asked.workflow_profile:
        assert (ROOT / asked.workflow_profile / "config.yaml").is_file()
    config = configured(asked.directory) if asked.directory else written(name)
    for file in asked.configfile or []:
        assert file == Path("mine.yaml") or (ROOT / file).is_file(), file
        if file != Path("mine.yaml"):
            more = yaml.safe_load((ROOT / file).read_text(encoding="utf-8"))
            config = config | {key: config[key] | of_file for key, of_file in more.items()}
    said = {
        key: yaml.safe_load(value)
        for key, _, value in (s.partition("=") for s in asked.config or [])
    }
    config = checking.checked(with_changes(config, said))
    targets.chosen(config)
    for target in asked.targets:
        metrics = re.fullmatch(rf"results/metrics/(\w+)/(\w+)\.({METRIC_FILES})", target)
        if metrics:
            assert metrics[1] in config["models"], target
            assert metrics[2] in config["datasets"], target
        elif target not in RULES:
            targets.chosen(config | {"targets": [target]})


@functools.cache
def snakemake_parser() -> argparse.ArgumentParser:
    from snakemake.cli import get_argument_parser

    parser: argparse.ArgumentParser = get_argument_parser()
    return parser


def check_make(arguments: list[str], name: str) -> None:
    done = subprocess.run(
        ["make", "--dry-run", *arguments], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def check_pip(arguments: list[str], name: str) -> None:
    assert arguments[0] == "install"
    for option, file in itertools.pairwise(arguments):
        assert option not in ("-r", "-c") or (ROOT / file).is_file()


def check_source(arguments: list[str], name: str) -> None:
    assert arguments == [".venv/bin/activate"]


def check_command(arguments: list[str], name: str) -> None:
    """One that another test types, with these options."""
    if arguments[0] not in workflow.PASSED_ON:
        main.parser().parse_args(arguments)


def check_cd(arguments: list[str], name: str) -> None:
    assert len(arguments) == 1


CHECKS = {
    "cd": check_cd,
    "matrix-entropy": check_command,
    "snakemake": check_snakemake,
    "make": check_make,
    "pip": check_pip,
    "source": check_source,
}


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the files that the pages read, where a run has left them."""
    random = np.random.default_rng(0)
    np.save(tmp_path / "states.npy", random.standard_normal((9, 16)))
    texts = pd.DataFrame(
        {"id": list("abcd"), "group": ["x", "x", "y", "y"], "tokens": 9, "rows": 9}
    )
    values = ("matrix_entropy_normalised", "entropy_bound_normalised")
    metrics = pd.concat(
        texts.assign(layer=str(layer), **{name: random.random(4) for name in values})
        for layer in (1, 2)
    )
    (tmp_path / "figures").mkdir()
    curves = layer_curves(metrics, {"": ["x", "y"]})
    curves.to_csv(tmp_path / "figures/layers_my_model_my_texts.csv", index=False)
    summary = {"view": "all_rows", "group": "x", "layer": ["1", "final"], "texts": 2}
    folder = tmp_path / "results/metrics/my_model"
    folder.mkdir(parents=True)
    pd.DataFrame(summary | {"entropy_a": 0.5, "effective_rank": 4.0}).to_csv(
        folder / "my_texts.summary.csv", index=False
    )
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    plt.close("all")


@pytest.mark.parametrize("name", pages_with("python"))
def test_what_is_python_runs(name: str, workplace: Path) -> None:
    if name not in RUN_ELSEWHERE:
        for code in codes_of(name, "python"):
            exec(compile(code, name, "exec"), {})
