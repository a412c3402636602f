"""The command `matrix-entropy` as it is typed, in a folder that has what docs/command.md names."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import random_models
from conftest import ROOT
from matrix_entropy.models.stand_ins import train_tokenizer
from short_texts import short_texts

TEXTS = [record["text"] for record in short_texts(6, 5)][1:]


def fill(folder: Path) -> Path:
    """Put a model and files of texts into a folder."""
    tokenizer: Any = train_tokenizer(TEXTS, 300)
    random_models.save("gpt2", folder / "my_model", tokenizer, context=256)
    for name, texts in {"texts": TEXTS, "good": TEXTS[:3], "bad": TEXTS[3:]}.items():
        (folder / f"{name}.txt").write_text("\n".join(texts) + "\n")
    records = [{"text": text, "mood": f"m{at % 2}"} for at, text in enumerate(TEXTS)]
    (folder / "texts.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    return folder


def environment(folder: Path) -> dict[str, str]:
    """With a command `matrix-entropy` in front, as installing the package makes one."""
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    command = programs / "matrix-entropy"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m matrix_entropy.command "$@"\n')
    command.chmod(0o755)
    path = f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    return os.environ | {"PATH": path, "PYTHONPATH": str(ROOT / "src")}


def typed(script: str, folder: Path, beside: Path) -> subprocess.CompletedProcess[str]:
    """What a shell does with lines that are typed in a folder."""
    return subprocess.run(
        ["bash", "-ec", script], cwd=folder, env=environment(beside),
        capture_output=True, text=True, timeout=900,
    )  # fmt: skip
