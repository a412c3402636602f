"""Read texts from the files that people have: JSON, JSON Lines, plain text, CSV, Parquet, gzip."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from matrix_entropy.downloads import check_hash
from matrix_entropy.errors import InputError
from matrix_entropy.files import sha256
from matrix_entropy.records import NESTED_GROUP, Record, named, text_of, value_of

FORMATS = {
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".txt": "text",
    ".csv": "csv",
    ".parquet": "parquet",
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


def read_dataset(
    dataset: dict[str, Any], source: Path, name: str
) -> tuple[list[dict[str, str]], dict[str, Any]]:
    """Texts of a data set of the configuration, and where they came from.

    Parameters
    ----------
    dataset : dict
        The data set's entry: ``format``, ``sha256``, and what `select_texts` looks at.
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
        If the file is missing, has another hash or cannot be parsed, or as `select_texts` does.
    """
    if not source.is_file():
        raise InputError(
            f"{name}: there is no such file ({source.absolute()}); correct the data set's path."
        )
    if "sha256" in dataset:
        check_hash(source, dataset["sha256"], name)
    file_format = dataset.get("format") or format_of(name)
    records = list(_records(source, file_format, dataset.get("field", "text"), name))
    texts, counts = select_texts(records, dataset, name)
    return texts, {"source": name, "sha256": sha256(source), **counts}


def select_texts(
    records: Sequence[Record], dataset: dict[str, Any], name: str
) -> tuple[list[dict[str, str]], dict[str, int]]:
    """Texts of the records that a data set's entry selects.

    Other groups are left out first (``groups``), then empty ones (``skip_empty``), and from what
    remains the sample is taken. Where nothing is left out beforehand only the records of the
    sample are looked at, so that a large source need not be read.

    Parameters
    ----------
    records : sequence of mappings
    dataset : dict
        The data set's entry: ``field``, ``fields``, ``separator``, ``record`` (see
        `matrix_entropy.records.text_of`), ``group_field``, ``groups``, ``sample``, ``skip_empty``.
    name : str
        What to call the source in messages.

    Returns
    -------
    texts : list of dict
        ``id`` (position in the source), ``group`` and ``text``.
    counts : dict
        ``records`` of the source, those among them ``skipped_empty``, ``texts``.

    Raises
    ------
    InputError
        If a record lacks the field, or holds an empty text that is not to be skipped; if there is
        no such group; if there are fewer texts than the sample takes, or none.
    """
    if not records:
        raise InputError(
            f"{name} holds no text to work on (0 records were read); check that it is the right "
            "source."
        )
    sample, groups = dataset.get("sample"), dataset.get("groups")
    if dataset.get("skip_empty", False) or groups is not None:
        texts, empty, others = _texts(enumerate(records), dataset, name)
        texts = _named_groups(texts, empty, others, groups, name)
        texts = [texts[i] for i in _sample(len(texts), sample, name)]
    else:
        drawn = _sample(len(records), sample, name)
        texts, empty, _ = _texts(((i, records[i]) for i in drawn), dataset, name)
    counts = {"records": len(records), "skipped_empty": len(empty), "texts": len(texts)}
    return texts, counts


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
    records: Iterable[tuple[int, Record]], dataset: dict[str, Any], name: str
) -> tuple[list[dict[str, str]], list[str], list[str]]:
    """Texts of numbered records, the groups of those that are empty, and the groups not wanted."""
    group_field = dataset.get("group_field", NESTED_GROUP)
    groups = dataset.get("groups")
    wanted = None if groups is None else set(groups.values())
    texts, empty, others = [], [], dict[str, None]()
    for number, record in records:
        where = f"{name}, record {number}"
        if group_field == NESTED_GROUP:
            group = str(record.get(NESTED_GROUP, "all"))
        else:
            group = str(value_of(record, group_field, where))
        if wanted is not None and group not in wanted:
            others[group] = None
            continue
        text = text_of(record, dataset, where)
        if text is not None:
            texts.append({"id": str(number), "group": group, "text": text})
        elif dataset.get("skip_empty", False):
            empty.append(group)
        else:
            raise InputError(
                f"{where} has an empty {named(dataset)}; remove the record, or set "
                "`skip_empty: true` in the data set to leave such records out."
            )
    if not texts and not others:
        raise InputError(
            f"{name} holds no text to work on: {len(empty)} records were read, and "
            f"`skip_empty: true` left out every one for its empty {named(dataset)}; set `field:` "
            "to one that holds text."
        )
    return texts, empty, list(others)


def _named_groups(
    texts: list[dict[str, str]],
    empty: list[str],
    others: list[str],
    groups: dict[str, str] | None,
    name: str,
) -> list[dict[str, str]]:
    """The texts under the names that ``groups`` gives their groups, each of which must have one."""
    if groups is None:
        return texts
    found = list(dict.fromkeys([*(text["group"] for text in texts), *others]))
    if not groups:
        raise InputError(
            f"{name}: `groups:` names no group, which leaves no text; add one of "
            f"{', '.join(found)}, or remove `groups:` to take all."
        )
    for label, key in groups.items():
        if key not in found and key in empty:
            raise InputError(
                f"{name} has no text in group '{key}' (wanted as '{label}'): `skip_empty: true` "
                "left out every one of this group; remove it from `groups:`."
            )
        if key not in found:
            raise InputError(
                f"{name} has no group '{key}' (wanted as '{label}'); it has: {', '.join(found)}."
            )
    labels = {key: label for label, key in groups.items()}
    return [{**text, "group": labels[text["group"]]} for text in texts]


def _sample(texts: int, sample: dict[str, int] | None, name: str) -> Sequence[int]:
    """Positions of the first texts, or of a random sample as the papers draw it.

    That is ``random.seed(seed); random.sample(range(texts), size)``, in the order drawn.
    """
    if sample is None:
        return range(texts)
    if "first" in sample:
        return range(min(sample["first"], texts))
    size = sample["size"]
    if size > texts:
        raise InputError(
            f"{name} has {texts} texts, fewer than the sample of {size}; "
            "lower `sample: size:` or leave `sample` out to take all."
        )
    return random.Random(sample["seed"]).sample(range(texts), size)
