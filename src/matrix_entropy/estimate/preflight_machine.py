"""Whether this machine has room for what targets need: on its disks, and in memory."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import datasets
from huggingface_hub import constants

from matrix_entropy.configuration import targets
from matrix_entropy.estimate.devices import device_of
from matrix_entropy.estimate.estimate import estimate
from matrix_entropy.estimate.job_costs import parameters_of, stored_bytes
from matrix_entropy.estimate.prefetch import (
    Repository,
    all_needed,
    nearest_folder,
    size_of,
    table_bytes,
)
from matrix_entropy.estimate.preflight_rows import Row
from matrix_entropy.models.placement import needed_bytes
from matrix_entropy.running import gpus
from matrix_entropy.sources.gguf_files import is_gguf
from matrix_entropy.sources.hub_models import PICKLED
from matrix_entropy.sources.packages import cache_folder

Config: TypeAlias = dict[str, Any]


def rows_of_disks(
    config: Config, repositories: list[Repository], downloads: float, packages: float
) -> list[Row]:
    """A row for every disk that is written to, with all that comes onto it.

    Parameters
    ----------
    config : dict
        As `configuration.checking.checked` gives it.
    repositories : list of Repository
        Of the hub, what is missing in the cache.
    downloads : float
        Bytes that come into results/downloads.
    packages : float
        Bytes of them that are packages, which lie there twice, and once more in pip's cache.
    """
    row = estimate(config, device_of(config["device"])).iloc[-1]
    cache = sum(sum(repository.missing().values()) for repository in repositories)
    here = Path()
    places = [
        (Path(constants.HF_HUB_CACHE), "hub", cache),
        (Path(datasets.config.HF_DATASETS_CACHE), "Arrow", table_bytes(repositories)),
        (here, "downloads", downloads + packages),
        *([(cache_folder(), "pip", packages)] if packages else []),
        (here, "converted weights", _converted(config, repositories)),
        (here, "results", row["kept"]),
        (here, "temporary", row["temporary"]),
    ]
    disks: dict[int, list[tuple[Path, str, float]]] = {}
    for folder, what, size in places:
        disk = nearest_folder(folder).stat().st_dev
        disks.setdefault(disk, []).append((folder.absolute(), what, size))
    return [_disk(written) for written in disks.values()]


def _disk(written: list[tuple[Path, str, float]]) -> Row:
    folder = written[0][0]
    free = shutil.disk_usage(nearest_folder(folder)).free
    needed = sum(size for _, _, size in written)
    what = ", ".join(what for _, what, size in written if size) or "nothing"
    row = Row("disk", what, str(folder), bytes=needed)
    if needed <= free:
        return replace(row, state=f"has {size_of(free)} free")
    parts = ", ".join(f"{what}: {size_of(size)}" for _, what, size in written if size)
    return replace(
        row,
        wrong=f"{size_of(needed)} are to be written to the disk of {folder} ({parts}; results and "
        f"temporary files as `snakemake estimate` has them), which has only {size_of(free)} left: "
        "free space, set HF_HUB_CACHE to a larger disk, work in a folder on one (`--directory`), "
        "build fewer targets, or set `hidden_states: stream`, which writes no temporary files.",
    )


def _converted(config: Config, repositories: list[Repository]) -> float:
    """Bytes of copies of weights that are made of pickles, GGUF files and MiniGPT-v2's parts."""
    pickled = {
        repository.name: sum(
            file.size for path, file in repository.files.items() if path.endswith(PICKLED[1:])
        )
        for repository in repositories
        if PICKLED in repository.patterns
    }
    total = 0.0
    for name in _models(config):
        model = config["models"][name]
        if Path("results/models", name).is_dir():
            continue
        made = is_gguf(model) or "minigpt_v2" in model
        total += stored_bytes(model) if made else pickled.get(name, 0)
    return total


def _models(config: Config) -> list[str]:
    return all_needed(list(targets.chosen(config).values()), targets.needed_models, config)


def rows_of_memory(config: Config) -> list[Row]:
    """A row for the largest model, which has to fit on this machine's GPUs, or into its memory."""
    sizes = {
        name: needed_bytes(
            int(parameters_of(config["models"][name])), config["models"][name]["dtype"]
        )
        for name in _models(config)
    }
    if not sizes:
        return []
    name = max(sizes, key=lambda name: sizes[name])
    model, needed = config["models"][name], sizes[name]
    cards = gpus.memories()
    together = sum(cards) if model["device_map"] != "single" else max(cards, default=0)
    row = Row("memory", name, f"largest model, in {model['dtype']}", bytes=needed)
    has = f"GPUs: {len(cards)}, {size_of(together)}" if cards else f"no GPU, {size_of(ram())}"
    if needed > (together if cards else ram()):
        return [
            replace(
                row,
                wrong=f"model '{name}' needs {size_of(needed)} of memory in {model['dtype']} (1.2 "
                f"times its weights and 2 GiB), but this machine has less ({has}): set `dtype: "
                "bfloat16` in its entry, which halves it, or leave out what needs it "
                '(`--config "targets=[...]"`).',
            )
        ]
    if cards and needed > max(cards):
        has += ", one alone too little: give its jobs several, as `gpu=2` in `--set-resources`"
    return [replace(row, state=has)]


def ram() -> int:
    """Bytes of memory of this machine, or of the container that this process is in."""
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with suppress(OSError, ValueError):  # no such limit
        return min(whole, int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii")))
    return whole
