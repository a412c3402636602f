"""Fetch everything that targets need, so that no other job needs a network.

First it is found out what there is to fetch (which takes a model's config.json and a data set's
card only, so that a repository that may not be read is known before the first gigabyte), then said,
then fetched. What was fetched is held in the lock file (`sources.lock_file`).
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import datasets
from huggingface_hub import constants
from huggingface_hub.utils import filter_repo_objects

from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import read_json
from matrix_entropy.configuration import experiments, targets
from matrix_entropy.configuration.kinds import KINDS
from matrix_entropy.configuration.shared_checks import has_images
from matrix_entropy.estimate.fetched_by_hand import by_hand
from matrix_entropy.estimate.image_prefetch import fetch_images, images_to_come
from matrix_entropy.running.console import progress
from matrix_entropy.sources.hashes import Stated, measure, stated
from matrix_entropy.sources.hub import CALLED, OutOfReach, snapshot
from matrix_entropy.sources.hub_models import CONFIG
from matrix_entropy.sources.hub_models import needed_patterns as model_patterns
from matrix_entropy.sources.lock_file import LOCK, Kind, write_lock
from matrix_entropy.sources.questions import Seen
from matrix_entropy.texts.hub_texts import CARD
from matrix_entropy.texts.hub_texts import needed_patterns as text_patterns

log = logging.getLogger("matrix_entropy")

# Of a repository, the file by which it is looked at.
SMALLEST: dict[Kind, str] = {"model": CONFIG, "dataset": CARD}
# How many times larger the table in the cache of `datasets` is than the file that it is made of; of
# gzipped files it is assumed. Parquet and CSV are read without one.
TABLE = {".parquet": 0.0, ".gz": 3.0, ".csv": 0.0}
WEIGHTS = (".safetensors", ".bin", ".gguf")
MOST_LISTED = 10

Key = tuple[Kind, str, str]
Use = Literal["model", "texts", "image records", "benchmark"]


class Need(NamedTuple):
    """One reason to fetch a repository: the entry of the configuration that names it."""

    key: Key
    name: str
    entry: dict[str, Any]
    use: Use


@dataclass
class Repository:
    """A revision on the hub: its folder in the cache, and the files that are needed of it."""

    key: Key
    name: str
    folder: Path
    patterns: list[str]
    files: dict[str, Stated]

    def missing(self) -> dict[str, int]:
        """Sizes in bytes of the files that are not in the cache, by path."""
        blobs = self.folder.parent.parent / "blobs"
        return {
            path: file.size
            for path, file in self.files.items()
            # Another revision may have brought the same content.
            if not (self.folder / path).is_file() and not (blobs / file.hash).is_file()
        }


def needs(config: dict[str, Any]) -> list[Need]:
    """What the targets of a configuration need from the hub.

    Raises
    ------
    InputError
        If `targets:` names something unknown.
    """
    entries = list(targets.chosen(config).values())
    found = []
    for name in all_needed(entries, targets.needed_models, config):
        model = config["models"][name]
        if "hub" in model:
            found.append(Need(_key("model", model), name, model, "model"))
    measured = {
        name
        for entry in entries
        if KINDS[entry["kind"]].reads == "accuracies"
        for name in experiments.tasks_of(entry["dataset"], config["datasets"])
    }
    for name in all_needed(entries, targets.needed_datasets, config):
        dataset = config["datasets"][name]
        if "hub" in dataset:
            key = _key("dataset", dataset)
            use: Use = "image records" if has_images(dataset) else "texts"
            found.append(Need(key, name, dataset, use))
            if name in measured:
                found.append(Need(key, name, dataset, "benchmark"))
    return found


def all_needed(
    entries: list[dict[str, Any]],
    needed: Callable[[dict[str, Any], dict[str, Any]], list[str]],
    config: dict[str, Any],
) -> list[str]:
    """Names of models or data sets that any of several entries needs."""
    return list(dict.fromkeys(name for entry in entries for name in needed(entry, config)))


def _key(kind: Kind, entry: dict[str, Any]) -> Key:
    return kind, entry["hub"], entry.get("revision", "main")


def in_cache(need: Need, offline: bool = False) -> Seen:
    """What the cache has of a need's repository; its smallest file is fetched into it if need be.

    Raises
    ------
    InputError
        See `sources.hub.snapshot`.
    """
    kind, hub, revision = need.key
    folder = snapshot(kind, need.name, hub, revision, [SMALLEST[kind]], offline)
    return Seen(folder, _files(folder), folder)


def planned(
    found: list[Need], look: Callable[[Need], Seen] = in_cache
) -> tuple[list[Repository], dict[Key, str]]:
    """The repositories with all that is needed of each, and a sentence for each that cannot be had.

    Parameters
    ----------
    found : list of Need
    look : callable
        Tells what there is of a need's repository.

    Raises
    ------
    OutOfReach
        If the hub does not answer and the cache does not hold what has to be known.
    """
    repositories: dict[Key, Repository] = {}
    refused: dict[Key, str] = {}
    for need in found:
        try:
            folder, files, small = look(need)
            patterns = _patterns(need, files, small)
        except OutOfReach:
            raise
        except InputError as error:
            refused.setdefault(need.key, str(error))
            continue
        repository = repositories.setdefault(
            need.key, Repository(need.key, need.name, folder, [], {})
        )
        repository.patterns += [one for one in patterns if one not in repository.patterns]
        wanted = filter_repo_objects(files, allow_patterns=patterns)
        repository.files |= {path: files[path] for path in wanted}
    return list(repositories.values()), refused


def _files(folder: Path) -> dict[str, Stated]:
    """What the hub states of a snapshot's files; of a cache filled by hand, what is there."""
    present = (path for path in folder.rglob("*") if path.is_file())
    return stated(folder) or {
        path.relative_to(folder).as_posix(): Stated(path.stat().st_size, "sha256", "")
        for path in present
    }


def _patterns(need: Need, files: Collection[str], small: Path) -> list[str]:
    if need.use == "model":
        return model_patterns(need.name, need.entry, files)
    if need.use == "texts":
        return text_patterns(need.entry, need.name, small / CARD, files)
    # The harness also opens splits that it does not ask questions from.
    return need.entry["files"] if need.use == "image records" else ["*"]


def announce(repositories: list[Repository]) -> int:
    """Say of every repository what is needed and what is to come; the latter in bytes, in all."""
    to_come = 0
    for repository in repositories:
        kind, hub, revision = repository.key
        missing = repository.missing()
        to_come += sum(missing.values())
        size = sum(file.size for file in repository.files.values())
        log.info(
            "%s %s, revision %s (commit %.7s): %d files, %s; to come: %s",
            CALLED[kind], hub, revision, repository.folder.name, len(repository.files),
            size_of(size), size_of(sum(missing.values())) if missing else "nothing",
        )  # fmt: skip
        for path in list(missing)[:MOST_LISTED]:
            log.info("    %s, %s", path, size_of(missing[path]))
        if len(missing) > MOST_LISTED:
            log.info("    and %d more files", len(missing) - MOST_LISTED)
    return to_come


def size_of(count: float) -> str:
    """Bytes, as a person reads them.

    Examples
    --------
    >>> size_of(0), size_of(999), size_of(548_105_171), size_of(26e9)
    ('0 B', '999 B', '548.1 MB', '26.0 GB')
    """
    unit = "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if count < 1000:
            break
        count, unit = count / 1000, larger
    return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"


def fetch(repositories: list[Repository]) -> int:
    """Fetch what is missing, compare it with the hub's hashes, and hold it in the lock file.

    Says of each repository that cannot be had why, and returns their number.
    """
    to_come = sum(sum(repository.missing().values()) for repository in repositories)
    started, failed = time.monotonic(), 0
    with _watched(repositories, to_come):
        for repository in repositories:
            kind, hub, revision = repository.key
            try:
                folder = snapshot(kind, repository.name, hub, revision, repository.patterns)
            except InputError as error:
                log.error("error: %s", error)
                failed += 1
            else:
                hashes = measure(folder, dict.fromkeys(_held(repository), "sha256"))
                write_lock({repository.key: {"commit": folder.name, "sha256": hashes}})
    if to_come and not failed:
        seconds = time.monotonic() - started
        rate = size_of(to_come / seconds)
        log.info("fetched %s in %.0f s (%s/s)", size_of(to_come), seconds, rate)
    return failed


def _held(repository: Repository) -> list[str]:
    """The files whose hashes go into the lock file: weights, or all of a data set but the card."""
    if repository.key[0] == "model":
        return sorted(path for path in repository.files if path.endswith(WEIGHTS))
    return sorted(path for path in repository.files if path not in (CARD, ".gitattributes"))


def table_bytes(repositories: list[Repository]) -> float:
    """Bytes of the tables that `datasets` makes, in a cache of its own, of texts not yet read."""
    return sum(
        TABLE.get(Path(path).suffix, 1.0) * file.size
        for repository in repositories
        if repository.key[0] == "dataset"
        and not Path("results/prompts", f"{repository.name}.jsonl").exists()
        for path, file in repository.files.items()
        if path != CARD
    )


def check_room(to_come: dict[Path, float]) -> None:
    """See that what is to come into each folder has room on its disk.

    Raises
    ------
    InputError
        If it has not.
    """
    disks: dict[int, list[Path]] = {}
    for folder in filter(to_come.get, to_come):
        disks.setdefault(nearest_folder(folder).stat().st_dev, []).append(folder)
    for folders in disks.values():
        size = sum(to_come[folder] for folder in folders)
        free = shutil.disk_usage(nearest_folder(folders[0])).free
        if size > free:
            raise InputError(
                f"{size_of(size)} are to come into {' and '.join(map(str, folders))}, but the disk "
                f"there has only {size_of(free)} left; free space, set HF_HUB_CACHE (for tables "
                "HF_DATASETS_CACHE, for images `images:` of the data set) to a larger disk, or "
                'fetch less, as with `--config "targets=[wei2024]"`.'
            )


def nearest_folder(folder: Path) -> Path:
    """The folder, or the nearest above it that is there."""
    folder = folder.absolute()
    return next(each for each in (folder, *folder.parents) if each.is_dir())


@contextmanager
def _watched(repositories: list[Repository], to_come: int) -> Iterator[None]:
    """A bar of the bytes that appear in the cache, parts of files included."""
    folders = {repository.folder.parent.parent / "blobs" for repository in repositories}
    done, before = threading.Event(), _bytes_in(folders)
    with progress(to_come, "B", "fetching", show=to_come > 0) as bar:

        def look() -> None:
            bar.update(min(_bytes_in(folders) - before, to_come) - bar.n)

        def watch() -> None:
            while not done.wait(1):
                look()

        watching = threading.Thread(target=watch)
        watching.start()
        try:
            yield
        finally:
            done.set()
            watching.join()
            look()


def _bytes_in(folders: set[Path]) -> int:
    total = 0
    for folder in folders:
        for path in folder.glob("*"):
            with suppress(FileNotFoundError):  # a part that has just become whole
                total += path.stat().st_size
    return total


def other_commits(config: dict[str, Any], repositories: list[Repository]) -> list[str]:
    """Models that were resolved at another commit than the lock file's, with what to do."""
    commits = {repository.key: repository.folder.name for repository in repositories}
    found = []
    for name, model in config["models"].items():
        record = Path("results/models") / f"{name}.json"
        commit = commits.get(_key("model", model)) if "hub" in model else None
        used = read_json(record).get("commit") if record.is_file() else None
        if commit and used and used != commit:
            found.append(
                f"{record} was made with commit {used}, {LOCK} holds {commit}: delete it, and what "
                "was computed with it is made again."
            )
    return found


def prefetch(config: dict[str, Any]) -> None:
    """Say what the targets of a configuration need, fetch it, and say what is left to do by hand.

    Raises
    ------
    InputError
        If something could not be had (all else is fetched), or see `needs` and `fetch`.
    """
    repositories, refused = planned(needs(config))
    for sentence in refused.values():
        log.error("error: %s", sentence)
    cache, images = Path(constants.HF_HUB_CACHE).absolute(), images_to_come(config)
    to_come = announce(repositories)
    if to_come:
        log.info("to come: %s, into %s", size_of(to_come), cache)
    for name, (folder, size) in images.items():
        if size:
            log.info(
                "images of data set '%s' to come: about %s, into %s", name, size_of(size), folder
            )
    if not to_come and not any(size for _, size in images.values()):
        log.info("nothing to download")
    tables = {Path(datasets.config.HF_DATASETS_CACHE).absolute(): table_bytes(repositories)}
    for folder, size in tables.items():
        if size:
            log.info("tables that reading JSON makes: %s, in %s", size_of(size), folder)
    check_room({cache: to_come} | tables | dict(images.values()))
    failed = len(refused) + fetch(repositories) + fetch_images(config, images)
    for name in targets.seen_learning(config):
        log.warning(
            "the checkpoints of %s are not fetched: the jobs that measure them fetch one each, and "
            "need a network (or what `hf download --revision` has put into the cache)",
            name,
        )
    for line in by_hand(config):
        log.warning("to be fetched by hand: %s", line)
    for line in other_commits(config, repositories):
        log.warning("%s", line)
    if failed:
        kinds = "repositories and folders of images" if images else "repositories"
        raise InputError(
            f"{failed} of {len(repositories) + len(refused) + len(images)} {kinds} could not be "
            "had, for the reasons above; all others are there. See to these and run again."
        )
