"""Files that appear whole or not at all, and the hashes by which they are known."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def writing(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` and move it there when the block ends well.

    If the block raises, nothing is left behind and a file that stood at ``path`` is untouched.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix stays, since NumPy and matplotlib choose the format by it.
    temporary = path.with_name(f".{path.stem}.part{os.getpid()}{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def beside(path: Path) -> Path:
    """Where the folder is made that becomes ``path`` when everything in it is complete."""
    return path.with_name(f".{path.name}.part")


def write_json(path: str | Path, value: Any) -> None:
    """Write ``value`` as indented UTF-8 JSON, whole or not at all."""
    with writing(path) as temporary:
        text = json.dumps(value, indent=2, ensure_ascii=False)
        temporary.write_text(text + "\n", encoding="utf-8")


def read_json(path: str | Path) -> Any:
    """The value of a JSON file of ours."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def write_jsonl(path: str | Path, records: list[dict[str, Any]]) -> None:
    """Write one JSON object per line, whole or not at all."""
    with writing(path) as temporary, open(temporary, "w", encoding="utf-8") as stream:
        for record in records:
            stream.write(json.dumps(record, ensure_ascii=False) + "\n")


def read_jsonl(path: str | Path) -> list[dict[str, Any]]:
    """The records of a JSON Lines file of ours."""
    with open(path, encoding="utf-8") as stream:
        return [json.loads(line) for line in stream]


def write_csv(path: str | Path, frame: Any) -> None:
    """Write a DataFrame as CSV, whole or not at all; the same numbers give the same bytes."""
    with writing(path) as temporary:
        frame.to_csv(temporary, index=False, float_format="%.10g", lineterminator="\n")


def sha256(path: str | Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def weights_sha256(folder: Path) -> dict[str, str]:
    """SHA-256 of every safetensors file of a model folder, by file name."""
    return {path.name: sha256(path) for path in sorted(folder.glob("*.safetensors"))}
