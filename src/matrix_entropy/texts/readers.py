"""The texts of a data set: which records it takes, in which groups, and what it leaves out."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import sha256
from matrix_entropy.sources.downloads import check_hash
from matrix_entropy.texts.pairs import in_pairs, pair_of
from matrix_entropy.texts.records import Record, group_of, named, text_of
from matrix_entropy.texts.text_files import format_of, records_of


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
    fields = [dataset.get("field", "text"), *dataset.get("fields", [])]
    fields += [dataset["group_field"]] if "group_field" in dataset else []
    records = list(records_of(source, file_format, fields, name))
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
        `texts.records.text_of`), ``group_field``, ``groups``, ``sample``, ``skip_empty``; with a
        ``paired`` that names a field, texts of the same pair stand at the same place of the groups
        of ``panels``.
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
        no such group; if there are fewer texts than the sample takes, or none; if a text of a pair
        is missing.
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
        # In the order of the source, which large ones are read in, and then as drawn.
        found = {i: records[i] for i in sorted(drawn)}
        texts, empty, _ = _texts(((i, found[i]) for i in drawn), dataset, name)
    if isinstance(dataset.get("paired"), str):
        texts = in_pairs(texts, dataset["panels"], name)
    counts = {"records": len(records), "skipped_empty": len(empty), "texts": len(texts)}
    return texts, counts


def _texts(
    records: Iterable[tuple[int, Record]], dataset: dict[str, Any], name: str
) -> tuple[list[dict[str, str]], list[str], list[str]]:
    """Texts of numbered records, the groups of those that are empty, and the groups not wanted."""
    groups = dataset.get("groups")
    wanted = None if groups is None else set(groups.values())
    texts, empty, others = [], [], dict[str, None]()
    for number, record in records:
        where = f"{name}, record {number}"
        group = group_of(record, dataset.get("group_field"), where)
        if wanted is not None and group not in wanted:
            if group is not None:
                others[group] = None
            continue
        if group is None:
            raise InputError(
                f"{where} is in no group (what names it is empty); give it one, or name with "
                "`groups:` those to use."
            )
        text = text_of(record, dataset, where)
        if text is not None:
            found = {"id": str(number), "group": group, "text": text}
            if isinstance(pair := dataset.get("paired"), str):
                found["pair"] = pair_of(record, pair, where)
            texts.append(found)
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
