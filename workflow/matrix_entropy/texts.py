"""Read texts from the files that people have: JSON, JSON Lines, plain text, CSV, Parquet, gzip."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from matrix_entropy.downloads import check_hash
from matrix_entropy.errors import InputError
from matrix_entropy.files import sha256

FORMATS = {
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".txt": "text",
    ".csv": "csv",
    ".parquet": "parquet",
}

# Where the nested groups of a JSON file are kept in a record; no real field has such a name.
NESTED_GROUP = "\0group"


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


def read_dataset(
    dataset: dict[str, Any], source: Path, name: str
) -> tuple[list[dict[str, str]], dict[str, Any]]:
    """Texts of a data set of the configuration, and where they came from.

    Parameters
    ----------
    dataset : dict
        The data set's entry: ``field``, ``group_field``, ``groups``, ``sample``, ``skip_empty``,
        ``format``, ``sha256``.
    source : Path
        The file on disk.
    name : str
        What to call the source in messages and provenance: the path or address as configured.

    Returns
    -------
    records : list of dict
        ``id`` (position in the source), ``group`` and ``text``.
    origin : dict
        Source, hash and counts.

    Raises
    ------
    InputError
        If the file is missing, has another hash, cannot be parsed, lacks the field or a group,
        holds an empty text, or has no text left.
    """
    if not source.is_file():
        raise InputError(
            f"{name}: there is no such file ({source.absolute()}); correct the data set's path."
        )
    if "sha256" in dataset:
        check_hash(source, dataset["sha256"], name)
    field = dataset["field"]
    records = list(_records(source, dataset.get("format") or format_of(name), field, name))
    texts, empty = _texts(records, dataset, name)
    if not texts:
        raise InputError(
            f"{name} holds no text to work on ({len(records)} records were read, {empty} of them "
            "empty); check that it is the right file."
        )
    texts = _select_groups(texts, dataset.get("groups"), name)
    texts = _sample(texts, dataset.get("sample"), name)
    origin = {
        "source": name,
        "sha256": sha256(source),
        "records": len(records),
        "skipped_empty": empty,
        "texts": len(texts),
    }
    return texts, origin


def _records(source: Path, file_format: str, field: str, name: str) -> Iterator[dict[str, Any]]:
    if file_format == "parquet":
        import pandas  # half a second that the other formats need not pay

        try:
            frame = pandas.read_parquet(io.BytesIO(_unpacked(source, name)))
        except (ValueError, OSError):
            raise InputError(
                f"{name} is no Parquet file or a damaged one; fetch it again or convert it."
            ) from None
        # A missing value is None, as in the other formats, not the float NaN.
        yield from frame.astype(object).where(frame.notna(), None).to_dict("records")
        return
    text = _decoded(source, name)
    if file_format == "json":
        try:
            yield from _nested(json.loads(text), field, (), name)
        except json.JSONDecodeError as error:
            raise InputError(
                f"{name} is not valid JSON ({error}); correct it, or set `format:` if it has "
                "another format."
            ) from None
    elif file_format == "jsonl":
        for number, line in enumerate(io.StringIO(text), start=1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except json.JSONDecodeError as error:
                raise InputError(
                    f"{name}, line {number} is not valid JSON ({error.msg} at column "
                    f"{error.colno}); correct it, or set `format:` if the file has another format."
                ) from None
            yield record if isinstance(record, dict) else {field: record}
    elif file_format == "text":
        yield from ({field: line.rstrip("\r\n")} for line in io.StringIO(text) if line.strip())
    else:
        csv.field_size_limit(sys.maxsize)  # else a text of 128 KiB is an error
        try:
            yield from csv.DictReader(io.StringIO(text))
        except csv.Error as error:
            raise InputError(f"{name} is not valid CSV ({error}); correct it.") from None


def _unpacked(source: Path, name: str) -> bytes:
    data = source.read_bytes()
    if data[:2] != b"\x1f\x8b":
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error):
        raise InputError(f"{name} is a damaged gzip file; fetch it again.") from None


def _decoded(source: Path, name: str) -> str:
    try:
        return _unpacked(source, name).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{name} is not UTF-8 text (byte {error.start}: {error.reason}); save it as UTF-8."
        ) from None


def _nested(value: Any, field: str, path: tuple[str, ...], name: str) -> Iterator[dict[str, Any]]:
    """Records of a JSON value: lists of texts or of objects, perhaps under the names of groups."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _nested(inner, field, (*path, key), name)
    elif isinstance(value, list):
        for item in value:
            record = dict(item) if isinstance(item, dict) else {field: item}
            if path:
                record[NESTED_GROUP] = "/".join(path)
            yield record
    else:
        where = "/".join(path) or "its top level"
        raise InputError(
            f"{name}: a list of texts or of records is expected at {where}, "
            f"not {type(value).__name__}."
        )


def _texts(
    records: list[dict[str, Any]], dataset: dict[str, Any], name: str
) -> tuple[list[dict[str, str]], int]:
    field, group_field = dataset["field"], dataset.get("group_field", NESTED_GROUP)
    texts, empty = [], 0
    for number, record in enumerate(records):
        for wanted in {field, group_field} - {NESTED_GROUP}:
            if wanted not in record:
                known = ", ".join(str(key) for key in record if key != NESTED_GROUP)
                raise InputError(
                    f"{name}, record {number} has no field '{wanted}'; it has: {known}."
                )
        text = record[field]
        if text is None or (isinstance(text, str) and not text.strip()):
            if not dataset.get("skip_empty", False):
                raise InputError(
                    f"{name}, record {number} has an empty '{field}'; remove the record, or set "
                    "`skip_empty: true` in the data set to leave such records out."
                )
            empty += 1
            continue
        if not isinstance(text, str):
            raise InputError(
                f"{name}, record {number}: '{field}' is {type(text).__name__}, not text; set "
                "`field:` to one that holds text."
            )
        try:
            text.encode()
        except UnicodeEncodeError:
            raise InputError(
                f"{name}, record {number}: '{field}' holds half a surrogate pair (a \\ud... escape "
                "without its other half), which is no character; remove it."
            ) from None
        group = str(record.get(group_field, "all"))
        texts.append({"id": str(number), "group": group, "text": text})
    return texts, empty


def _select_groups(
    texts: list[dict[str, str]], groups: dict[str, str] | None, name: str
) -> list[dict[str, str]]:
    if groups is None:
        return texts
    found = list(dict.fromkeys(text["group"] for text in texts))
    for label, key in groups.items():
        if key not in found:
            raise InputError(
                f"{name} has no group '{key}' (wanted as '{label}'); it has: {', '.join(found)}."
            )
    labels = {key: label for label, key in groups.items()}
    return [{**text, "group": labels[text["group"]]} for text in texts if text["group"] in labels]


def _sample(
    texts: list[dict[str, str]], sample: dict[str, int] | None, name: str
) -> list[dict[str, str]]:
    """The first texts, or a random sample as the papers draw it: seeded, in the order drawn."""
    if sample is None:
        return texts
    if "first" in sample:
        return texts[: sample["first"]]
    size = sample["size"]
    if size > len(texts):
        raise InputError(
            f"{name} has {len(texts)} texts, fewer than the sample of {size}; "
            "lower `sample: size:` or leave `sample` out to take all."
        )
    return [texts[i] for i in random.Random(sample["seed"]).sample(range(len(texts)), size)]
