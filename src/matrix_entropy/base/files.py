"""Files and folders that appear whole or not at all, and the hashes by which they are known."""

from __future__ import annotations

import csv
import errno
import hashlib
import io
import json
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import Any

from matrix_entropy.base.errors import InputError


@contextmanager
def writing(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` and move it there when the block ends well.

    If the block raises, nothing is left behind and a file that stood at ``path`` is untouched. A
    process that is killed leaves its temporary file, which the next one to write there removes.

    Raises
    ------
    OSError
        With the name of ``path``, if the disk is full.
    """
    path = Path(path)
    with naming_a_full_disk(path):
        temporary = _temporary_beside(path)
        try:
            yield temporary
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def working_beside(folder: Path) -> Iterator[Path]:
    """A folder beside another, of this process alone, for files that are moved when they are whole.

    It goes when the block ends; that of a process that was killed goes with the next one here.
    """
    part = _temporary_beside(folder)
    part.mkdir(exist_ok=True)
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _temporary_beside(path: Path) -> Path:
    """A path of this process beside another one; what dead processes left there is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    begun = f".{path.stem}.part-{socket.gethostname()}-"
    for left in path.parent.glob(f"{escape(begun)}[0-9]*{escape(path.suffix)}"):
        process = left.name.removeprefix(begun).removesuffix(path.suffix)
        if process.isdigit() and not _lives(int(process)):
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)
    # The suffix stays, since NumPy and matplotlib choose the format by it.
    return path.with_name(f"{begun}{os.getpid()}{path.suffix}")


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        pass
    return True


@contextmanager
def writing_folder(folder: Path) -> Iterator[Path]:
    """Give a temporary folder beside ``folder`` and move it there when the block ends well.

    What stood there before is gone then. If the block raises, nothing is left behind; what a
    process that was killed has left, the next one removes.

    Raises
    ------
    OSError
        With the name of ``folder``, if the disk is full.
    """
    part = part_of_folder(folder)
    with naming_a_full_disk(folder):
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        try:
            yield part
            _readable_as(part)
            shutil.rmtree(folder, ignore_errors=True)
            part.rename(folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)


def _readable_as(folder: Path) -> None:
    """Let those read a folder's files who may look into it: safetensors lets its owner alone."""
    mode = folder.stat().st_mode & 0o666
    for path in folder.rglob("*"):
        if path.is_file():
            with suppress(PermissionError):  # a file system that has modes of its own
                path.chmod(mode)


def part_of_folder(folder: Path) -> Path:
    """Where a folder is filled before it appears under its own name."""
    return folder.with_name(f".{folder.name}.part")


@contextmanager
def naming_a_full_disk(path: Path) -> Iterator[None]:
    """Let the error of a full disk in the block, whatever its kind, be one that names ``path``."""
    try:
        yield
    except Exception as error:
        if not is_full_disk(error):
            raise
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from None


def is_full_disk(error: BaseException) -> bool:
    """Whether an error, or one that led to it, says that a disk or a quota is full."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    # Libraries written in Rust have errors of their own, which quote the system's words.
    if os.strerror(errno.ENOSPC) in str(error):
        return True
    led_to_it = error.__cause__ or error.__context__
    return led_to_it is not None and is_full_disk(led_to_it)


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


# Columns of our tables whose values are names, whatever they look like.
NAMES = (
    *("model", "model_title", "family", "size", "dataset", "dataset_title", "published_dataset"),
    *("variant", "group", "panel", "gap", "view", "operation", "indicator"),
    *("context", "label", "text", "token", "target", "item", "kind"),
)

# Columns of numbers or words: a layer is `3` or `final`, and a drawing's rows may be a formula.
EITHER = ("layer", "rows")
# Perplexities may be beyond what a number holds, and what is made of them with them.
UNBOUNDED = ("ppl_token", "ppl_windows", "value", "rebuilt", "difference")


def read_csv(path: str | Path, *names: str) -> Any:
    """A DataFrame from a CSV file that `write_csv` wrote, in which `NAMES` are text as written.

    A reader that guesses would take the groups "01" and "NA" for a number and a missing value.
    Further ``names`` are columns that are text in this file. `InputError` if it is damaged.
    """
    import pandas  # of which most that write files have no need

    csv_rows(path)
    try:
        table = pandas.read_csv(
            path, dtype=dict.fromkeys((*NAMES, *names), str), keep_default_na=False, na_values=[""]
        )
        # A table of architectures has a column for each model, with all kinds of things below.
        for name in set() if "architecture" in table else {*table} - {*NAMES, *EITHER, *names}:
            _check_column(name, table[name], pandas.to_numeric(table[name], errors="coerce"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is damaged ({error}); delete it and run again.") from None
    return table


def csv_rows(path: str | Path) -> list[dict[str, str]]:
    """The cells of a CSV file that `write_csv` wrote; `InputError` if a line of it broke off."""
    try:
        content = Path(path).read_bytes()
        head, *lines = csv.reader(io.StringIO(content.decode(), newline=""), strict=True)
        if not content.endswith(b"\n"):
            raise ValueError("its last line broke off")
        return [dict(zip(head, line, strict=True)) for line in lines]
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"{path} is damaged ({error}); delete it and run again.") from None


def _check_column(name: str, column: Any, numbers: Any) -> None:
    """`ValueError` if a column has text among its numbers, or a number without end."""
    if column.map(lambda cell: isinstance(cell, str)).any() and numbers.notna().any():
        raise ValueError(f"column {name} has text among its numbers")
    if name not in UNBOUNDED and numbers.isin([float("inf"), -float("inf")]).any():
        raise ValueError(f"column {name} has an infinite number")


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
