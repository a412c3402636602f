"""Records from the files that people have: JSON, JSON Lines, plain text, CSV, Parquet, gzip.

What a file holds is taken as it stands there: no value is made a number or a missing one by its
looks, and what does not fit the format stops the reading instead of being passed over.
"""

from __future__ import annotations

import csv
import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from matrix_entropy.base.errors import InputError
from matrix_entropy.base.json_text import parsed_json
from matrix_entropy.texts.records import NESTED_GROUP

FORMATS = {
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".txt": "text",
    ".csv": "csv",
    ".parquet": "parquet",
}
# A gzip file that unpacks to more than this, and to more than so many times its own size, holds no
# texts: those that repeat themselves most shrink to a hundredth, and gzip ends at a thousandth.
UNPACKED_AT_LEAST = 2**26
UNPACKED_TIMES = 200
# What Python's reader of CSV says, and what it means.
REASONS = {
    "end of data": "a quote opens and never closes",
    "new-line": "a carriage return stands in the middle of a line",
}


def format_of(name: str) -> str:
    """Format of a file by its name; a trailing ``.gz`` is looked through.

    Raises
    ------
    InputError
        If the ending is not known; the sentence lists those that are.
    """
    suffix = Path(name.lower().removesuffix(".gz")).suffix
    if suffix not in FORMATS:
        raise InputError(
            f"{name}: the format cannot be told from the ending '{suffix}'; add `format:` with "
            f"one of {', '.join(sorted(set(FORMATS.values())))} to the data set."
        )
    return FORMATS[suffix]


def records_of(
    source: Path, file_format: str, fields: list[str], name: str
) -> Iterator[dict[str, Any]]:
    """The records of a file, one after another.

    Parameters
    ----------
    source : Path
    file_format : str
        One of the values of `FORMATS`.
    fields : list of str
        Fields that will be looked at; the first is the one in which a text without a record goes.
    name : str
        What to call the file in messages.

    Raises
    ------
    InputError
        If the file is not what the format says; the sentence names the line where that is known.
    """
    if file_format == "parquet":
        yield from _parquet(_unpacked(source, name), name)
        return
    text = _decoded(source, name)
    if file_format == "json":
        advice = "correct it, or set `format:` if it has another format"
        yield from _json(parsed_json(text, name, advice), fields, name)
        return
    if "\n" not in text:  # a carriage return alone ends the lines, as those of old Macs
        text = text.replace("\r", "\n")
    if file_format == "jsonl":
        yield from _json_lines(text, fields[0], name)
    elif file_format == "text":
        for line in io.StringIO(text):
            if line.strip():
                yield {fields[0]: line.rstrip("\r\n")}
    else:
        yield from _csv(text, name)


def _unpacked(source: Path, name: str) -> bytes:
    with open(source, "rb") as stream:
        if stream.read(2) != b"\x1f\x8b":
            stream.seek(0)
            return stream.read()
    most = max(UNPACKED_AT_LEAST, UNPACKED_TIMES * source.stat().st_size)
    try:
        with gzip.open(source) as packed:
            data = packed.read(most + 1)
    except (OSError, EOFError, zlib.error):
        raise InputError(f"{name} is a damaged gzip file; fetch it again.") from None
    if len(data) > most:
        raise InputError(
            f"{name} unpacks to more than {UNPACKED_TIMES} times its size, as no texts do; check "
            "that it is the right file, or give it unpacked."
        )
    return data


def _decoded(source: Path, name: str) -> str:
    try:
        return _unpacked(source, name).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{name} is not UTF-8 text (byte {error.start}: {error.reason}); save it as UTF-8."
        ) from None


def _parquet(data: bytes, name: str) -> Iterator[dict[str, Any]]:
    import pyarrow.parquet  # half a second that the other formats need not pay

    try:
        table = pyarrow.parquet.ParquetFile(io.BytesIO(data)).read()
    except (pyarrow.ArrowException, OSError):
        raise InputError(
            f"{name} is no Parquet file or a damaged one; fetch it again or convert it."
        ) from None
    _check_names(table.column_names, name)
    # Not by way of pandas, which makes whole numbers beside a missing one to fractions.
    for batch in table.to_batches():
        yield from batch.to_pylist()


def _json_lines(text: str, field: str, name: str) -> Iterator[dict[str, Any]]:
    advice = "correct it, or set `format:` if the file has another format"
    for number, line in enumerate(io.StringIO(text), start=1):
        if line.strip():
            record = parsed_json(line.strip(), f"{name}, line {number}", advice)
            yield record if isinstance(record, dict) else {field: record}


def _csv(text: str, name: str) -> Iterator[dict[str, str]]:
    """The rows of a CSV file under the names of its first line, each as long as that one."""
    csv.field_size_limit(sys.maxsize)  # else a text of 128 KiB is an error
    rows = csv.reader(io.StringIO(text), strict=True)
    header: list[str] | None = None
    while True:
        first = rows.line_num + 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            reason = next((why for part, why in REASONS.items() if part in str(error)), error)
            raise InputError(
                f"{name}: the row of line {first} is not valid CSV ({reason}); put texts with "
                'commas, quotes or line breaks in quotes, and write a quote inside as "".'
            ) from None
        if not row:  # an empty line
            continue
        if header is None:
            _check_names(header := row, name)
        elif len(row) == len(header):
            yield dict(zip(header, row, strict=True))
        else:
            raise InputError(
                f"{name}: the row of line {first} has {len(row)} fields, but the header has "
                f"{len(header)}; put texts with commas in quotes, or correct the row."
            )


def _check_names(columns: list[str], name: str) -> None:
    twice = [column for column in columns if column and columns.count(column) > 1]
    if twice:
        raise InputError(
            f"{name} has two columns {twice[0]!r}, of which only one could be read; rename or "
            "remove one of them."
        )


def _json(value: Any, fields: list[str], name: str) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict) and len(value) > 1:
        for field in fields:
            column = value.get(field)
            if isinstance(column, list) and not any(isinstance(item, dict) for item in column):
                raise InputError(
                    f"{name} holds columns (a list under '{field}', others beside it), which would "
                    "be taken for groups of texts; write a list of records, such as "
                    f'[{{"{field}": ...}}, {{"{field}": ...}}].'
                )
    try:
        yield from _nested(value, fields[0], (), {}, name)
    except RecursionError:
        raise InputError(
            f"{name} is nested too deep to be read; write a list of texts or of records."
        ) from None


def _nested(
    value: Any,
    field: str,
    path: tuple[str, ...],
    seen: dict[str, tuple[str, ...]],
    name: str,
) -> Iterator[dict[str, Any]]:
    """Records of a JSON value: lists of texts or of objects, perhaps under the names of groups."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _nested(inner, field, (*path, key), seen, name)
        return
    group = "/".join(path)
    if not isinstance(value, list):
        raise InputError(
            f"{name}: a list of texts or of records is expected at {group or 'its top level'}, "
            f"not {type(value).__name__}."
        )
    if seen.setdefault(group, path) != path:
        raise InputError(
            f"{name} has two groups that are called '{group}', since a key has a '/' in it; rename "
            "one of them."
        )
    for item in value:
        record = dict(item) if isinstance(item, dict) else {field: item}
        if path:
            record[NESTED_GROUP] = group
        yield record
