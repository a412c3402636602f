"""The command as a person types it: what it writes, and how it ends."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

import matrix_entropy as me
from conftest import ROOT
from matrix_entropy.command import workflow
from matrix_entropy.command.main import main
from matrix_entropy.figures import style
from typed_commands import fill, typed


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill(tmp_path_factory.mktemp("place"))


@pytest.fixture
def place(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(made)
    return made


def ended(*arguments: str) -> int:
    """The exit status of a command line, in this process."""
    try:
        return main(arguments)
    except SystemExit as end:
        return int(end.code or 0)


def test_a_table_is_what_measure_gives(place: Path) -> None:
    arguments = ("measure", "my_model", "texts.txt", "--quiet", "--layers=-2,0", "--bos")
    assert ended(*arguments, "--metrics", "matrix_entropy", "-o", "t.csv") == 0
    found = pd.read_csv(place / "t.csv", dtype={"layer": str})
    expected = me.measure(
        *("my_model", "texts.txt"), layers=[-2, 0], bos=True,
        metrics="matrix_entropy", progress=False,
    )  # fmt: skip
    assert [*found] == [*expected]
    assert found["layer"].tolist() == expected["layer"].tolist()
    np.testing.assert_allclose(found["matrix_entropy"], expected["matrix_entropy"], rtol=1e-9)


def test_a_figure_of_several_models_has_a_curve_each(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("measure", "my_model", "texts.txt", "--quiet")
    for name, options in {"one": [], "other": ["--bos"]}.items():
        assert ended(*arguments, *options, "-o", f"{name}.csv") == 0
    other = pd.read_csv("other.csv", dtype={"layer": str, "id": str}).assign(model="other")
    other.to_csv("other.csv", index=False, lineterminator="\n")
    drawn: list[pd.DataFrame] = []
    monkeypatch.setattr(style, "save_figure", lambda _, numbers, paths: drawn.append(numbers))
    assert ended("plot", "one.csv", "other.csv", "-o", "both.pdf") == 0
    assert drawn[0].groupby("group")["block"].agg(list).to_dict() == {
        "my_model": [0, 1, 2],
        "other": [0, 1, 2],
    }


def test_a_table_that_is_given_twice_is_drawn_in_no_mean(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended("measure", "my_model", "texts.txt", "--quiet", "-o", "twice.csv") == 0
    assert ended("plot", "twice.csv", "twice.csv", "-o", "twice.pdf") == 1
    assert "twice.csv, twice.csv: two rows are of the same text" in capsys.readouterr().err
    assert not (place / "twice.pdf").exists()


REFUSED: dict[str, tuple[list[str], int, str]] = {
    "no part": ([], 2, "PART"),
    "no such part": (["mesure"], 2, "invalid choice"),
    "no texts": (["measure", "my_model"], 2, "texts"),
    "another ending": (["measure", "my_model", "texts.txt", "-o", "t.xlsx"], 2, "ends neither in"),
    "half a token": (["measure", "my_model", "texts.txt", "--max-tokens", "x"], 2, "invalid int"),
    "no such list": (["list", "planets"], 2, "invalid choice"),
    "another figure": (["plot", "t.csv", "-o", "t.svg"], 2, "ends neither in .pdf nor in .png"),
    "no figure's name": (["plot", "t.csv"], 2, "-o"),
    "no such model": (["measure", "./nowhere", "texts.txt"], 1, "there is no model ./nowhere"),
    "no such file": (["measure", "my_model", "nowhere.txt"], 1, "no file of texts 'nowhere.txt'"),
    "no such layer": (["measure", "my_model", "texts.txt", "--layers", "9"], 1, "no layer 9"),
    "short texts": (
        ["measure", "my_model", "texts.txt", "--min-tokens", "999", "-o", "refused.csv"],
        1,
        "that `--min-tokens` asks for; lower it",
    ),
    "no such field": (
        ["measure", "my_model", "texts.jsonl", "--field", "story"],
        1,
        "has no field 'story'; it has: text, mood",
    ),
    "no such table": (["plot", "nowhere.csv", "-o", "refused.pdf"], 1, "there is no table nowhere"),
    "no table of ours": (["plot", "plain.csv", "-o", "refused.pdf"], 1, "plain.csv lacks model"),
    "no configuration": (["check"], 1, "there is no config.yaml in"),
    "a full folder": (
        ["init", ".", "--model", "my_model", "--texts", "texts.txt"], 1, "not empty; name a new",
    ),
    "no model for a folder": (
        ["init", "new", "--model", "./nowhere", "--texts", "texts.txt"], 1, "no model ./nowhere",
    ),
    "no texts for a folder": (
        ["init", "new", "--model", "my_model", "--texts", "nowhere.txt"], 1, "correct --texts",
    ),
    "no device": (["estimate", "figures/layers.pdf", "--device"], 1, "--device names no device"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_used(name: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "plain.csv").write_text("a,b\n1,2\n")
    arguments, status, words = REFUSED[name]
    before = set(place.rglob("*"))
    assert ended(*arguments) == status
    said = capsys.readouterr().err
    assert words in said
    assert "Traceback" not in said
    if status == 1:
        assert said.startswith("error: ")
        assert said.count("\n") == 1, "one sentence"
    assert set(place.rglob("*")) == before


def test_what_is_not_installed_is_named(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matrix_entropy.api.measured", None)
    monkeypatch.setattr(workflow, "find_spec", lambda _: None)
    assert ended("run", "figures/layers.pdf") == 1
    told = 'snakemake is not installed, which `run` needs: pip install "matrix-entropy[workflow]"'
    assert told in capsys.readouterr().err


def test_what_follows_run_goes_to_snakemake_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _, command: given.append(command))
    monkeypatch.chdir(ROOT)
    ended("run", "-n", "--cores", "8", "figures/a.pdf", "--config", "a=b")
    ended("run", "--version")
    monkeypatch.chdir(tmp_path)
    ended("run", "liang2024")
    ended("preflight", "wei2024", "tan2024", "--cores", "1")
    rules = ["--snakefile", str(ROOT / "workflow/Snakefile")]
    assert [command[3:] for command in given] == [
        ["-n", "--cores", "8", "figures/a.pdf", "--config", "a=b"],
        ["--version"],
        [*rules, "liang2024"],
        [*rules, "preflight", "--cores", "1", "--config", "targets=[wei2024,tan2024]"],
    ]
    assert {tuple(command[:3]) for command in given} == {(sys.executable, "-m", "snakemake")}


def test_a_wrong_configuration_is_told_as_snakemake_tells_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    config = {"models": {"a": {"path": "/m", "layers": 2, "width": 4, "dtpe": "float32"}}}
    Path("config.yaml").write_text(yaml.safe_dump(config | {"datasets": {}}))
    assert ended("check") == 1
    assert "'models.a.dtpe' is not a known key; did you mean" in capsys.readouterr().err
    Path("config.yaml").write_text("models: [")
    assert ended("check") == 1
    assert "is not valid YAML" in capsys.readouterr().err


@pytest.mark.parametrize("scale", ["", "miniature", "smollm2"])
def test_the_configurations_of_the_repository_are_in_order(
    scale: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT / scale)
    assert ended("check") == 0
    assert "in order" in capsys.readouterr().out


def test_a_reader_that_has_seen_enough(place: Path, tmp_path: Path) -> None:
    done = typed("set -o pipefail; matrix-entropy list | head -1", place, tmp_path)
    assert (done.returncode, done.stdout) == (0, "metrics:\n")
    assert done.stderr == ""
