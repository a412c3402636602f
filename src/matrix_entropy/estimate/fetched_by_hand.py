"""What nobody but the user can fetch, known without a network: files, folders, a permission."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from matrix_entropy.configuration import targets
from matrix_entropy.configuration.shared_checks import has_images
from matrix_entropy.models.vision.minigpt_v2_parts import FILES
from matrix_entropy.sources.addresses import is_address

Entry = dict[str, Any]

MOST_LISTED = 4


def by_hand(config: Entry) -> list[str]:
    """A sentence for every model and data set for which the targets of a configuration wait."""
    entries = targets.chosen(config).values()
    models = dict.fromkeys(n for entry in entries for n in targets.needed_models(entry, config))
    sets = dict.fromkeys(n for entry in entries for n in targets.needed_datasets(entry, config))
    found = [*(of_model(name, config) for name in models)]
    found += [*(of_dataset(name, config) for name in sets)]
    return [sentence for sentence in found if sentence]


def waiting(config: Entry) -> dict[str, str]:
    """The figures and tables that wait, with what each waits for; none if an archive has it all."""
    entries = {} if "archive" in config else config["figures"] | config["tables"]
    found = {}
    for target, entry in entries.items():
        lacks = [_lack_of_model(name, config) for name in targets.needed_models(entry, config)]
        lacks += [_lack_of_dataset(name, config) for name in targets.needed_datasets(entry, config)]
        found[target] = "; ".join(filter(None, lacks))
    return {target: lacks for target, lacks in found.items() if lacks}


def of_model(name: str, config: Entry) -> str:
    """What a model lacks, and what there is not without it; else nothing."""
    return _sentence(_lack_of_model(name, config), name, config, targets.needed_models)


def of_dataset(name: str, config: Entry) -> str:
    """The same of a data set about images."""
    return _sentence(_lack_of_dataset(name, config), name, config, targets.needed_datasets)


def _lack_of_model(name: str, config: Entry) -> str:
    """Files that a model is made of and that are not there, or its owner's leave."""
    model = config["models"][name]
    parts = model.get("minigpt_v2", {})
    missing = _missing(parts, [key for key in FILES if not is_address(parts.get(key, ""))])
    if model.get("gated") and not _may_be_let_in(model["hub"]):
        missing = (
            f"the leave of its owner (ask at https://huggingface.co/{model['hub']}) and your token "
            "in the environment variable HF_TOKEN"
        )
    made = (Path("results/models", f"{name}{end}.json") for end in ("", ".made_of"))
    return f"model '{name}' needs {missing}" if missing and not any(map(Path.exists, made)) else ""


def _lack_of_dataset(name: str, config: Entry) -> str:
    """Files of a data set about images that are not there."""
    dataset = config["datasets"][name]
    if not has_images(dataset) or Path(f"results/prompts/{name}.jsonl").exists():
        return ""
    missing = _missing(dataset, ["path"] if "images_url" in dataset else ["path", "images"])
    return f"data set '{name}' needs {missing}" if missing else ""


def _missing(entry: Entry, keys: list[str]) -> str:
    """Paths that an entry names and that are not there, with the address to get them from."""
    missing = [entry[key] for key in keys if key in entry and not Path(entry[key]).exists()]
    source = entry.get("fetch_from", "an address that `fetch_from:` does not name")
    return f"{' and '.join(missing)} (from {source})" if missing else ""


def _may_be_let_in(hub: str) -> bool:
    """Whether there is a token, or the model is in the cache; its owner may still say no."""
    # Where the hub's library looks; to import it would take a dry run a second.
    cache = Path(os.getenv("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = Path(os.getenv("HF_HOME") or cache / "huggingface")
    login = Path(os.getenv("HF_TOKEN_PATH") or home / "token")
    folder = Path(os.getenv("HF_HUB_CACHE") or home / "hub", f"models--{hub.replace('/', '--')}")
    return bool(os.getenv("HF_TOKEN")) or login.is_file() or (folder / "snapshots").is_dir()


def _sentence(
    lack: str, name: str, config: Entry, needed: Callable[[Entry, Entry], list[str]]
) -> str:
    """Who lacks what, and which figures and tables wait for it."""
    if not lack:
        return ""
    entries = config["figures"] | config["tables"]
    waiting = [target for target, entry in entries.items() if name in needed(entry, config)]
    more = f" and {len(waiting) - MOST_LISTED} more" if len(waiting) > MOST_LISTED else ""
    what = f"{', '.join(waiting[:MOST_LISTED])}{more}"
    return f"{lack}; without it there is no {what}."
