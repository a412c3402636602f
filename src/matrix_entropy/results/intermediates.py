"""What an earlier job has written and a later one reads: damaged, or of something else, it is told.

Every result says of itself which model, data set and options it comes from. A file that was copied
to the place of another, or that another configuration has left, would be drawn as what it is not.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import read_json, read_jsonl
from matrix_entropy.models.provenance import described, versions

# Folders of results/ whose files are in a folder of their model and named after their data set.
BY_MODEL = (
    *("hidden_states", "spectra", "information_gain", "sentences", "rows", "pooled"),
    *("metrics", "accuracy"),
)
OF_A_TEXT = ("id", "group", "text")


def made_of(
    record: dict[str, Any], name: str, origin: str | Path, options: dict[str, Any], *packages: str
) -> dict[str, Any]:
    """What a result of a language model says it is of, with the versions of what made it.

    ``name`` is the data set's, ``origin`` the file beside its texts.
    """
    return {
        "model": described(record),
        "dataset": {"name": name, **read_origin(origin)},
        "options": options,
        "versions": versions("torch", "transformers", "tokenizers", "numpy", *packages),
    }


def check_place(path: str | Path, provenance: dict[str, Any]) -> None:
    """Refuse a result that says another model or data set than the place it lies at.

    Only places in ``results/`` say anything: ``results/spectra/{model}/{data set}.npz``.
    """
    place = Path(path)
    kinds = {folder.name for folder in place.parents if folder.parent.name == "results"}
    if not kinds & set(BY_MODEL):
        return
    model, dataset = place.parent.name, place.name.split(".")[0]
    try:
        said = provenance["model"]["model"], provenance["dataset"]["name"]
    except (KeyError, TypeError):
        raise InputError(f"{path} does not say what it is of; delete it and run again.") from None
    if said != (model, dataset):
        raise InputError(
            f"{path} says that it is of {said[0]} on {said[1]}, not of {model} on {dataset}; "
            "delete it and run again."
        )


def check_made_of(
    path: str | Path,
    provenance: dict[str, Any],
    options: dict[str, Any],
    record: str | None = None,
    origin: str | None = None,
) -> None:
    """Refuse a result of another configuration, or of other weights or texts than are there now.

    Parameters
    ----------
    path : str or Path
        The result, for messages.
    provenance : dict
        What it says of itself.
    options : dict
        Of the model's entry; only those that the result names are compared.
    record, origin : str, optional
        Files of the model's record and of the texts' origin, if there are any.
    """
    made_with = provenance["options"]
    for key in options.keys() & made_with.keys():
        if options[key] != made_with[key]:
            raise InputError(
                f"{path} was made with `{key}: {json.dumps(made_with[key])}`, but it is "
                f"{json.dumps(options[key])} in the configuration; delete it and run again."
            )
    expected = {}
    if record is not None:
        expected["model"] = described(read_record(record))
    if origin is not None:
        expected["dataset"] = {"name": provenance["dataset"]["name"], **read_origin(origin)}
    for what, now in expected.items():
        then = provenance[what]
        if differing := [key for key in {**then, **now} if then.get(key) != now.get(key)]:
            source = record if what == "model" else origin
            raise InputError(
                f"{path} was made when {source} said something else ({', '.join(differing)}); "
                "delete it and run again."
            )


def read_record(path: str | Path) -> dict[str, Any]:
    """The record of a model; `InputError` if it is damaged, none, or that of another model."""
    found = _object(path, "model", "folder")
    place = Path(path)
    if place.parent.parts[-2:] == ("results", "models") and found["model"] != place.stem:
        raise InputError(
            f"{path} says that it is of {found['model']}, not of {place.stem}; delete it and run "
            "again."
        )
    return found


def read_origin(path: str | Path) -> dict[str, Any]:
    """Where a data set's texts came from; `InputError` if the file is damaged or does not say."""
    return _object(path, "source", "texts")


def read_texts(prompts: str | Path, origin: str | Path | None = None) -> list[dict[str, Any]]:
    """The texts of a data set; `InputError` if they are damaged, or not as many as were written."""
    try:
        texts: list[dict[str, Any]] = read_jsonl(prompts)
        whole = all(isinstance(text[key], str) for text in texts for key in OF_A_TEXT)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{prompts} is damaged ({error}); delete it and run again.") from None
    written = len(texts) if origin is None else read_origin(origin)["texts"]
    if not whole or len(texts) != written:
        raise InputError(
            f"{prompts} is damaged ({len(texts)} texts, {written} were written); delete it and run "
            "again."
        )
    return texts


def read_accuracies(path: str | Path) -> dict[str, Any]:
    """What a model answers right, by benchmark; `InputError` if damaged, or of another model."""
    found = _object(path, "model", "dataset", "accuracies")
    check_place(path, found)
    try:
        shares = {name: float(each["accuracy"]) for name, each in found["accuracies"].items()}
    except (AttributeError, KeyError, TypeError, ValueError):
        shares = {"": -1.0}
    if not all(0 <= share <= 1 for share in shares.values()):
        raise InputError(
            f"{path} is damaged (an accuracy is no share of one); delete it and run again."
        )
    accuracies: dict[str, Any] = found["accuracies"]
    return accuracies


def _object(path: str | Path, *keys: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = read_json(path)
        missing = [key for key in keys if key not in found]
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path} is damaged ({error}); delete it and run again.") from None
    if missing:
        raise InputError(
            f"{path} is damaged (it lacks {', '.join(missing)}); delete it and run again."
        )
    return found
