"""Where the paths of a configuration may lead: a relative one stays in the folder it starts from.

A configuration comes with a folder, often somebody else's. An absolute path is a choice that its
reader sees; a relative one that climbs out, by ``..`` or over a link, is not seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from matrix_entropy.base.errors import InputError
from matrix_entropy.sources.addresses import is_address


def check_places(repository: Path, folder: Path) -> None:
    """See that the rules of a repository can work in a folder.

    Raises
    ------
    InputError
        If the repository's path has braces, which Snakemake takes for names of wildcards, or if
        what should be a folder of results is a file.
    """
    if set("{}") & set(str(repository)):
        raise InputError(
            f"the path of this repository, {repository}, has braces, which Snakemake does not "
            "take as they are; move it, or rename the folder."
        )
    for name in ("results", "figures"):
        path = folder / name
        if path.exists() and not path.is_dir():
            raise InputError(
                f"{path.absolute()} is a file, but results go into a folder of this name; move it, "
                "or work in another folder (`--directory`)."
            )


def check_input_paths(config: dict[str, Any], repository: Path, folder: Path) -> None:
    """See that no relative path of a configuration leads out of where it starts.

    Parameters
    ----------
    config : dict
        As `configuration.checking.checked` gives it.
    repository, folder : Path
        Where `bundled:` starts, and where all other relative paths start, the working folder.

    Raises
    ------
    InputError
        If one does. An absolute path may lead anywhere, but for `bundled:`.
    """
    for where, path in _paths(config):
        if not Path(path).is_absolute() and not _inside(folder, path):
            raise InputError(
                f"configuration: '{where}' is {path!r}, which leads out of the working folder "
                f"({folder.absolute()}); write the absolute path if you mean a place outside."
            )
    for name, dataset in config["datasets"].items():
        if "bundled" in dataset and not _inside(repository, dataset["bundled"]):
            raise InputError(
                f"configuration: 'datasets.{name}.bundled' is {dataset['bundled']!r}, which leads "
                "out of the repository; name a file of yours with `path:`."
            )


def _paths(config: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if "archive" in config:
        yield "archive", config["archive"]
    for name, model in config["models"].items():
        if "path" in model:
            yield f"models.{name}.path", model["path"]
        if "path" in model and "gguf" in model:
            yield f"models.{name}.gguf", str(Path(model["path"], model["gguf"]))
        for key in ("checkpoint", "vision_encoder"):
            if "minigpt_v2" in model and not is_address(model["minigpt_v2"][key]):
                yield f"models.{name}.minigpt_v2.{key}", model["minigpt_v2"][key]
    for name, dataset in config["datasets"].items():
        for key in ("path", "images"):
            if key in dataset:
                yield f"datasets.{name}.{key}", dataset[key]


def _inside(folder: Path, path: str) -> bool:
    return (folder / path).resolve().is_relative_to(folder.resolve())
