"""The package as pip installs it: whole, and its numerical part with NumPy and SciPy alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from conftest import ROOT
from typed_commands import fill

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# What pip says where no index gives it hatchling, with which it builds.
NO_INDEX = ("No matching distribution found", "Could not find a version", "ConnectionError")


def pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if done.returncode and any(words in done.stderr for words in NO_INDEX):
        pytest.skip("pip gets no hatchling here, with which it builds the package")
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package, NumPy and SciPy."""
    wheels, folder = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("site")
    # As a user's pip does where hatchling is not at hand.
    here = ["--no-build-isolation"] if find_spec("hatchling") else []
    pip("wheel", "--no-deps", *here, "-w", str(wheels), str(ROOT))
    (wheel,) = wheels.glob("*.whl")
    assert wheel.stat().st_size < 2**21, "no result of a run in it"
    pip("install", "--no-deps", "--no-index", "--no-compile", "--target", str(folder), str(wheel))
    packages = Path(sysconfig.get_path("purelib"))
    for name in ("numpy", "scipy", "numpy.libs", "scipy.libs"):
        if (packages / name).exists():
            (folder / name).symlink_to(packages / name)
    return folder


def said(installed: Path, script: str, folder: Path, *options: str) -> str:
    """What a script prints that sees the installed folder before all others."""
    done = subprocess.run(
        [sys.executable, *options, "-c", script],
        capture_output=True,
        text=True,
        cwd=folder,
        env={"PYTHONPATH": str(installed), "OMP_NUM_THREADS": "1"},
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


NUMBERS = """
import matrix_entropy as me
states = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
print(round(me.entropy(me.spectrum(states).eigenvalues), 6))
print(round(me.distance(states[:1], states[1:2], kind="frobenius"), 6))
try:
    me.measure("model", ["text"])
except ImportError as error:
    print(error)
print(me.__version__)
"""


def test_numbers_without_torch(installed: Path, tmp_path: Path) -> None:
    """With Python's own library, NumPy and SciPy alone."""
    entropy, distance, lacking, version = said(installed, NUMBERS, tmp_path, "-S").splitlines()
    assert (entropy, distance) == ("0.693147", "1.414214")
    assert lacking.endswith('which running a model needs: pip install "matrix-entropy[models]"')
    assert list(installed.glob(f"matrix_entropy-{version}.dist-info"))


SHIPPED = """
import json
from matrix_entropy.base import shipped
print(json.dumps([str(shipped.ROOT), sorted(map(str, shipped.ROOT.rglob("*")))]))
"""


def test_what_the_library_reads_is_there(installed: Path, tmp_path: Path) -> None:
    root, files = json.loads(said(installed, SHIPPED, tmp_path))
    assert root == str(installed / "matrix_entropy/shipped")
    found = {str(Path(file).relative_to(root)) for file in files}
    tracked = subprocess.run(
        ["git", "ls-files", "paper", "workflow", "data", "envs"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    single = {"config.yaml", "Snakefile", "requirements.txt", "CITATION.cff"}
    assert {*tracked, *single} - found == set()
    surplus = {file for file in found - {*tracked} if (installed / root / file).is_file()}
    assert surplus == single, "nothing that a run made"


def test_code_of_the_library_is_there(installed: Path) -> None:
    ours, theirs = (
        {path.relative_to(folder) for path in folder.rglob("*") if path.suffix != ".pyc"}
        for folder in (ROOT / "src/matrix_entropy", installed / "matrix_entropy")
    )
    assert {path for path in ours if path.name != "__pycache__"} <= theirs


def test_its_workflow_plans_in_any_folder(installed: Path, tmp_path: Path) -> None:
    """By the rules in the package, none of which is read from the repository."""
    fill(tmp_path)
    surroundings = os.environ | {"PYTHONPATH": str(installed)}
    for line in (
        ["init", "mine", "--model", "my_model", "--texts", "texts.txt"],
        ["run", "--directory", "mine", "-n", "-p", "figures/layers.pdf"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "matrix_entropy.command", *line],
            capture_output=True, text=True, cwd=tmp_path, env=surroundings, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    said = done.stdout + done.stderr
    assert "stream_spectra" in said
    assert str(installed) in said
    assert not [part for part in ("src", "workflow") if str(ROOT / part) in said]


def requirements(lines: list[str]) -> dict[str, Requirement]:
    parsed = map(Requirement, lines)
    return {one.name.lower(): one for one in parsed if one.name != "matrix-entropy"}


def test_pins_are_in_one_place_and_all_there() -> None:
    """Every dependency has its pin in requirements.txt, and every pin its dependency."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pins = requirements([line for line in lines if line and not line.startswith("#")])
    asked = [*PROJECT["dependencies"]]
    for extra in PROJECT["optional-dependencies"].values():
        asked += extra
    stated = requirements(asked)
    assert set(stated) == set(pins)
    for name, requirement in stated.items():
        (pin,) = pins[name].specifier
        assert requirement.specifier.contains(Version(pin.version)), name
        assert not any(bound.operator == "==" for bound in requirement.specifier), name
