"""The images that targets need and that are fetched one by one: how much, and before any job."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from matrix_entropy.base.errors import InputError
from matrix_entropy.configuration.targets import chosen, needed_datasets
from matrix_entropy.estimate.text_sizes import ROOT, image_bytes
from matrix_entropy.texts.hub_texts import hub_file
from matrix_entropy.texts.image_records import fetch_images_of

log = logging.getLogger("matrix_entropy")


def images_to_come(config: dict[str, Any]) -> dict[str, tuple[Path, float]]:
    """Folders of the targets' images that are fetched one by one, and about how many bytes.

    Files that are there already are taken to be some of them.
    """
    found = {}
    entries = chosen(config).values()
    for name in dict.fromkeys(n for entry in entries for n in needed_datasets(entry, config)):
        dataset = config["datasets"][name]
        if "images_url" in dataset:
            folder = Path(dataset["images"]).absolute()
            present = len(os.listdir(folder)) if folder.is_dir() else 0
            found[name] = folder, image_bytes(name, config, present)
    return found


def fetch_images(config: dict[str, Any], names: Iterable[str]) -> int:
    """Fetch the images of data sets; says of each that cannot be had why, returns their number."""
    failed = 0
    for name in names:
        dataset = config["datasets"][name]
        try:
            records = _records_file(name, dataset)
            fetch_images_of(dataset, records, Path(dataset["images"]), f"data set '{name}'")
        except InputError as error:
            log.error("error: %s", error)
            failed += 1
    return failed


def _records_file(name: str, dataset: dict[str, Any]) -> Path:
    if "hub" in dataset:
        return hub_file(dataset, name)[0]
    if "bundled" in dataset:
        return ROOT / dataset["bundled"]
    return Path("results/downloads", name) if "url" in dataset else Path(dataset["path"])
