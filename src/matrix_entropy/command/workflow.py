"""`check`, `run`, `estimate`, `preflight`, `prefetch`: the workflow, by its own rules.

Snakemake does the work. Where the folder has a Snakefile of its own, a command is the same as
``snakemake`` typed there; elsewhere the rules that come with the library are used, and results go
into the folder.
"""

from __future__ import annotations

import argparse
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from matrix_entropy.base.errors import InputError
from matrix_entropy.base.shipped import ROOT

SNAKEFILES = ("Snakefile", "snakefile", "workflow/Snakefile", "workflow/snakefile")
# Rules that are asked for by name, with the targets that they are about.
QUESTIONS = {
    "estimate": "texts, tokens, disk and hours of targets, before anything is fetched",
    "preflight": "whether all that targets need can be had",
    "prefetch": "fetch models and data sets of targets, to run without a network",
}
PASSED_ON = {"run": "run Snakemake with the rules of this project", **QUESTIONS}
NEEDS_WORKFLOW = (*PASSED_ON, "check", "list", "init")


def add_to(parts: Any) -> None:
    """Describe these parts of the command line."""
    part = parts.add_parser(
        "check",
        help="check the configuration in this folder",
        description="Check config.yaml in this folder, and files that are merged over it.",
        allow_abbrev=False,
    )
    part.add_argument("--configfile", nargs="+", type=Path, default=[], metavar="FILE")
    part.set_defaults(run=check)
    for name, says in PASSED_ON.items():
        usage = (
            "%(prog)s [TARGET ...] [what snakemake takes]"
            if name == "run"
            else "%(prog)s [TARGET ...] [--device NAME] [what snakemake takes]"
        )
        parts.add_parser(name, help=says, description=f"{says[0].upper()}{says[1:]}.", usage=usage)


def check(asked: argparse.Namespace) -> None:
    """Say what the configuration has, if nothing in it is wrong."""
    from matrix_entropy.command.configured import CONFIG, here

    if not CONFIG.is_file() and not asked.configfile:
        raise InputError(
            f"there is no config.yaml in {Path().absolute()}; go to a folder that has one, or make "
            "one with `matrix-entropy init`."
        )
    found = here(asked.configfile)
    sections = {
        "models": "models",
        "datasets": "data sets",
        "figures": "figures",
        "tables": "tables",
    }
    said = ", ".join(f"{called} {len(found[key])}" for key, called in sections.items())
    print(f"The configuration is in order ({said}).")


def passed_on(asked: argparse.Namespace) -> int:
    """Give the rest of the command line to Snakemake, in whose place this process goes on."""
    if find_spec("snakemake") is None:
        raise ModuleNotFoundError(name="snakemake")
    arguments = asked.rest if asked.part == "run" else question(asked.part, asked.rest)
    command = [sys.executable, "-m", "snakemake", *rules(Path()), *arguments]
    sys.stdout.flush()
    os.execv(sys.executable, command)


def rules(folder: Path) -> list[str]:
    """The option by which Snakemake finds its rules; nothing where the folder has its own."""
    if any((folder / name).is_file() for name in SNAKEFILES):
        return []
    return ["--snakefile", str(ROOT / "workflow/Snakefile")]


def question(rule: str, rest: list[str]) -> list[str]:
    """The command line of a rule that is about targets.

    Examples
    --------
    >>> question("estimate", ["wei2024", "figures/a.pdf", "--device", "h100", "--cores", "1"])
    ['estimate', '--cores', '1', '--config', 'targets=[wei2024,figures/a.pdf]', 'device=h100']
    """
    first_option = next((at for at, word in enumerate(rest) if word.startswith("-")), len(rest))
    targets, options = rest[:first_option], rest[first_option:]
    config = [f"targets=[{','.join(targets)}]"] if targets else []
    if "--device" in options:
        at = options.index("--device")
        if at + 1 == len(options):
            raise InputError("--device names no device; write `--device h100`.")
        config.append(f"device={options[at + 1]}")
        del options[at : at + 2]
    return [rule, *options, *(["--config", *config] if config else [])]
