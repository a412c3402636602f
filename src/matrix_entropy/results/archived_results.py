"""What an archive of results holds, and what of it a rebuild starts from."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from matrix_entropy.base.errors import InputError
from matrix_entropy.results.archive import manifest_of

# A rebuild starts from these; all else follows from them. Sentences have the states of a few dozen
# texts, kilobytes, since the maps of them need all; of other texts no states are kept, nor vectors,
# from which texts could be guessed, but their ranks.
SOURCES = (
    "results/spectra/**/*.npz",
    "results/information_gain/**/*.npz",
    "results/sentences/**/*.npz",
    "results/rows/**/*.npz",
    "results/metrics/**/*.texts.csv",
    "results/accuracy/**/*.json",
    "results/prompts/*.origin.json",
)
# For those who read the archive without this project.
READ_BY_OTHERS = ("results/metrics/**/*.parquet", "results/metrics/**/*.csv")
# Keys of models and data sets that no spectrum depends on.
LABELS = {
    *("title", "family", "size", "parameters", "connector", "language_model", "device_map"),
    *("published", "licence", "fetch_from", "images_url", "gated", "shards", "metrics"),
    "two_views",
}
OF_A_SHARD = re.compile(r"results/spectra/.*\.\d+of\d+\.npz")  # the gathered file holds them all


def files_to_archive(folder: Path) -> list[str]:
    """Of what has been built in a working folder, the files that belong in an archive, by name."""
    found = {
        path.relative_to(folder).as_posix()
        for pattern in (*SOURCES, *READ_BY_OTHERS)
        for path in folder.glob(pattern)
        if path.is_file()
    }
    return sorted(name for name in found if not OF_A_SHARD.fullmatch(name))


def marks_of(folder: Path) -> list[list[Any]]:
    """Name, size and time of every file to archive, by which a new one is noticed."""
    names = files_to_archive(folder)
    stats = [(folder / name).stat() for name in names]
    return [[name, s.st_size, s.st_mtime_ns] for name, s in zip(names, stats, strict=True)]


def archived_sources(archive: str | Path, config: dict[str, Any]) -> list[str]:
    """The files in an archive from which figures, tables and pages are rebuilt.

    Raises
    ------
    InputError
        If the archive cannot be read, holds none, or was made with other models or data sets of the
        same names than ``config``, the configuration as checked, has.
    """
    manifest = manifest_of(archive)
    for section in ("models", "datasets"):
        ours, theirs = config[section], manifest["configuration"].get(section, {})
        for name in ours.keys() & theirs.keys():
            for key in sorted((ours[name].keys() | theirs[name].keys()) - LABELS):
                if ours[name].get(key) != theirs[name].get(key):
                    raise InputError(
                        f"{archive} was made with another '{section}.{name}.{key}' "
                        f"({theirs[name].get(key)!r}) than the configuration has "
                        f"({ours[name].get(key)!r}): take the configuration that is in its "
                        "manifest.json, or build without the archive."
                    )
    ends = [(pattern.partition("*")[0], pattern.rpartition("*")[2]) for pattern in SOURCES]
    names = [entry["path"] for entry in manifest["files"]]
    found = [
        name
        for name in names
        if any(name.startswith(folder) and name.endswith(ending) for folder, ending in ends)
    ]
    if not found:
        raise InputError(f"{archive} holds no spectra to rebuild anything from; pack it again.")
    return found
