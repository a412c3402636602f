"""Read the texts of a data set on the Hugging Face Hub, the same way with and without a network.

The files are first brought into the hub cache (`sources.hub.snapshot`) and read from there.
`datasets.load_dataset` by id would not look into that cache without a network, and would overlook
the revision.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any

import datasets
from datasets.data_files import sanitize_patterns
from datasets.exceptions import DatasetsError
from datasets.packaged_modules.csv.csv import Csv
from datasets.packaged_modules.parquet.parquet import Parquet
from huggingface_hub import get_cached_repo_tree, metadata_load
from huggingface_hub.errors import CachedRepoTreeNotFoundError
from huggingface_hub.utils import filter_repo_objects

from matrix_entropy.base.errors import InputError, first_line
from matrix_entropy.sources.hub import page, snapshot
from matrix_entropy.texts.parquet_records import ParquetRecords
from matrix_entropy.texts.readers import select_texts
from matrix_entropy.texts.records import Record
from matrix_entropy.texts.text_files import FORMATS, format_of, records_of

# Jobs have bars of their own.
datasets.disable_progress_bars()

CARD = "README.md"
DATA_FILES = [f"*{ending}{packed}" for ending in FORMATS for packed in ("", ".gz")]
BUILDERS = {"jsonl": "json"}
MOST_LISTED = 20


def read_hub_dataset(
    dataset: dict[str, Any], name: str
) -> tuple[list[dict[str, str]], dict[str, Any]]:
    """Texts of a hub data set, and where they came from.

    Which files are fetched and read: those of ``files``, in that order; else those that the data
    set's card names for the ``subset`` and ``split``; else, where the card names none, all in the
    folder called as the subset, or all of the data set, out of which `datasets` finds the split.

    Of Parquet only the groups of drawn rows are read, and CSV is read as one's own file is; other
    formats are turned into a memory-mapped table in `datasets`' own cache. No code of the data set
    is run.

    Parameters
    ----------
    dataset : dict
        The data set's entry: ``hub``, ``revision`` (``main``), ``split``, ``subset``, ``files``
        (paths or shell patterns in the data set), ``format``, ``licence``, and what
        `texts.readers.select_texts` looks at.
    name : str
        What the configuration calls the data set.

    Returns
    -------
    texts : list of dict
        ``id`` (position in the split), ``group`` and ``text``.
    origin : dict
        ``source`` (id on the hub), ``revision``, ``commit`` that it led to, ``split``, ``subset``
        and ``files`` and ``licence`` if the entry has them, and the counts of `select_texts`.

    Raises
    ------
    InputError
        If the revision cannot be had, has no such subset, split or file, cannot be read, or as
        `texts.readers.select_texts` does.
    """
    split, where = dataset["split"], _where(dataset, name)
    patterns = _stated_patterns(dataset, name)
    folder = _fetched(dataset, name, patterns or _likely_patterns(dataset))
    if patterns:
        paths = _matching(folder, patterns, dataset, where)
        file_format = dataset.get("format") or format_of(paths[0])
        builder, files = BUILDERS.get(file_format, file_format), {split: paths}
    else:
        builder, files = str(_subset_folder(folder, dataset, where)), None
    records = _records(builder, files, dataset, where)
    texts, counts = select_texts(records, dataset, where)
    kept = ("split", "subset", "files", "licence")
    origin = {
        "source": dataset["hub"],
        "revision": dataset.get("revision", "main"),
        "commit": folder.name,
        **{key: dataset[key] for key in kept if key in dataset},
        **counts,
    }
    return texts, origin


def needed_patterns(
    dataset: dict[str, Any], name: str, card: Path, present: Collection[str]
) -> list[str]:
    """Shell patterns of the files that `read_hub_dataset` reads.

    Parameters
    ----------
    dataset, name
        As there.
    card : Path
        Where the data set's card is, if it has one.
    present : collection of str
        Paths of the files that it has.

    Raises
    ------
    InputError
        If there are no such files, or the card has no such subset or split.
    """
    where = _where(dataset, name)
    stated = dataset.get("files") or _card_files(card, dataset, where)
    likely = _likely_patterns(dataset)
    if stated:
        matching_files(present, stated, where, present)
    elif not list(filter_repo_objects(present, allow_patterns=likely)):
        raise InputError(
            f"{where} has no data files that can be found ({', '.join(likely)}); name with "
            f"`files:` some of those it has: {_listed(sorted(present))}."
        )
    return [CARD, *(stated or likely)]


def _where(dataset: dict[str, Any], name: str) -> str:
    return f"data set '{name}' ({dataset['hub']}, revision {dataset.get('revision', 'main')})"


def _fetched(dataset: dict[str, Any], name: str, patterns: list[str]) -> Path:
    revision = dataset.get("revision", "main")
    return snapshot("dataset", name, dataset["hub"], revision, [CARD, *patterns])


def _stated_patterns(dataset: dict[str, Any], name: str) -> list[str]:
    """Of the files that the entry, or else the data set's card, names; none if both are silent."""
    card = _fetched(dataset, name, []) / CARD
    return dataset.get("files") or _card_files(card, dataset, _where(dataset, name))


def _likely_patterns(dataset: dict[str, Any]) -> list[str]:
    return [f"{dataset['subset']}/*"] if "subset" in dataset else DATA_FILES


def hub_file(dataset: dict[str, Any], name: str) -> tuple[Path, dict[str, Any]]:
    """The one file of a hub data set that an entry names, and where it came from.

    Parameters
    ----------
    dataset : dict
        The data set's entry: ``hub``, ``files`` (a list of one), ``revision`` (``main``) and
        ``licence``.
    name : str
        What the configuration calls the data set.

    Raises
    ------
    InputError
        If the revision cannot be had, has no such file, or more than one.
    """
    revision, files = dataset.get("revision", "main"), dataset["files"]
    folder = snapshot("dataset", name, dataset["hub"], revision, files)
    where = _where(dataset, name)
    paths = [Path(path) for path in _matching(folder, files, dataset, where)]
    if len(paths) > 1:
        names = _listed(path.relative_to(folder).as_posix() for path in paths)
        raise InputError(
            f"{where} has {len(paths)} files '{files[0]}', of which one would be read; name with "
            f"`files:` one of {names}."
        )
    return paths[0], {
        "source": dataset["hub"],
        "revision": revision,
        "commit": folder.name,
        **{key: dataset[key] for key in ("files", "licence") if key in dataset},
    }


def _card_files(card: Path, dataset: dict[str, Any], where: str) -> list[str]:
    """Patterns that the data set's card states for the subset and split; none if it is silent."""
    stated = (metadata_load(card) or {}).get("configs", []) if card.is_file() else []
    if not stated:
        return []
    subsets = {config["config_name"]: config for config in stated}
    if "subset" in dataset:
        subset = dataset["subset"]
    elif len(subsets) == 1:
        (subset,) = subsets
    else:
        marked = (key for key, config in subsets.items() if config.get("default"))
        subset = next(marked, "default")
    if subset not in subsets:
        wrong = f"no subset '{subset}'" if "subset" in dataset else "several subsets"
        raise InputError(
            f"{where} has {wrong}; set `subset:` to one of those it has: {_listed(subsets)}."
        )
    splits = sanitize_patterns(subsets[subset].get("data_files", {}))
    _check_card([subsets[subset].get("data_dir") or ".", *chain(*splits.values())], where)
    if splits:
        _check_split(dataset, splits, where)
    return splits.get(dataset["split"], [])


def _check_card(paths: Iterable[str], where: str) -> None:
    """See that what a card names stays in the data set: `datasets` would follow it anywhere."""
    for path in paths:
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts or "://" in path:
            raise InputError(
                f"{where}: its card names {path!r}, which is outside the data set; name the files "
                "to read with `files:`."
            )


def _matching(folder: Path, patterns: list[str], dataset: dict[str, Any], where: str) -> list[str]:
    """Paths of the files that match, pattern by pattern, those of one pattern by name."""
    present = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    try:
        tree = get_cached_repo_tree(dataset["hub"], repo_type="dataset", revision=folder.name)
        known = [file.path for file in tree]
    except CachedRepoTreeNotFoundError:  # a cache that was put together by hand
        known = present
    return [str(folder / path) for path in matching_files(present, patterns, where, known)]


def matching_files(
    present: Collection[str], patterns: list[str], where: str, known: Collection[str]
) -> list[str]:
    """Files of a data set that match, pattern by pattern, those of one pattern by name.

    Raises
    ------
    InputError
        If none match a pattern; the message names some of the ``known``.
    """
    paths: dict[str, None] = {}
    for pattern in patterns:
        # The rule by which the hub library chooses what to download.
        matching = list(filter_repo_objects(sorted(present), allow_patterns=pattern))
        if not matching:
            raise InputError(
                f"{where} has no file '{pattern}'; name with `files:` some of those it has: "
                f"{_listed(sorted(known))}."
            )
        paths |= dict.fromkeys(matching)
    return list(paths)


def _subset_folder(folder: Path, dataset: dict[str, Any], where: str) -> Path:
    if "subset" not in dataset:
        return folder
    subset = folder / dataset["subset"]
    if not subset.is_dir() or not subset.resolve().is_relative_to(folder.resolve()):
        raise InputError(
            f"{where} has no subset '{dataset['subset']}', neither in its card nor as a folder; "
            f"look at {page('dataset', dataset['hub'])} and name the files to read with `files:`."
        )
    return subset


def _records(
    builder: str, files: dict[str, list[str]] | None, dataset: dict[str, Any], where: str
) -> Sequence[Record]:
    """The records of the split."""
    split = dataset["split"]
    try:
        found = datasets.load_dataset_builder(builder, data_files=files)
        known = found.config.data_files
        if isinstance(found, Parquet):
            # Without the copy in `datasets`' cache, which for Wikipedia has 20 GB.
            _check_split(dataset, known, where)
            return ParquetRecords([str(path) for path in known[split]], _columns(dataset))
        if isinstance(found, Csv):
            # By ours, since pandas makes numbers and missing values of names that look like them.
            _check_split(dataset, known, where)
            fields = [dataset.get("field", "text")]
            return [
                record
                for path in known[split]
                for record in records_of(Path(path), "csv", fields, f"{where}, {Path(path).name}")
            ]
        loaded = datasets.load_dataset(builder, data_files=files)
    except (DatasetsError, ValueError, OSError) as error:  # Arrow's are of the latter two
        raise InputError(
            f"{where} cannot be read ({first_line(error.__cause__ or error)}); name the files to "
            "read with `files:`."
        ) from None
    _check_split(dataset, loaded, where)
    return loaded[split]


def _columns(dataset: dict[str, Any]) -> list[str]:
    """The columns that texts are made of; none where a rule for whole records says it."""
    if "record" in dataset:
        return []
    fields = dataset.get("fields", [dataset.get("field", "text")])
    return [*fields, *([dataset["group_field"]] if "group_field" in dataset else [])]


def _check_split(dataset: dict[str, Any], splits: Iterable[str], where: str) -> None:
    if dataset["split"] not in splits:
        raise InputError(
            f"{where} has no split '{dataset['split']}'; set `split:` to one of those it has: "
            f"{_listed(splits)}."
        )


def _listed(names: Iterable[str]) -> str:
    names = list(map(str, names))
    more = f" and {len(names) - MOST_LISTED} more" if len(names) > MOST_LISTED else ""
    return ", ".join(names[:MOST_LISTED]) + more
