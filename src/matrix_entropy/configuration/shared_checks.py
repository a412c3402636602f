"""What is checked of models, data sets, figures and tables alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from matrix_entropy.configuration.yaml_examples import example

# Kinds of records that are about an image; the grammars of the same names draw pictures.
IMAGE_RECORDS = ("llava_instruct", "cc_sbu_align")
# Keys that say something only beside one of others, which is not there by itself.
READ = ("bundled", "url", "zip", "path", "hub", "grammar")
BESIDE: dict[str, dict[str, tuple[str, ...]]] = {
    "model": {
        **dict.fromkeys(("revision", "revisions", "convert_weights", "gated"), ("hub",)),
        "gguf": ("hub", "path"),
        "initializer_range": ("hub", "path", "package"),
        **dict.fromkeys(("connector", "language_model"), ("vision",)),
    },
    "dataset": {
        **dict.fromkeys(("revision", "subset", "split", "files"), ("hub",)),
        "sha256": ("bundled", "url", "path"),
        "format": ("bundled", "url", "path", "hub"),
        **dict.fromkeys(("field", "fields", "record", "group_field", "groups"), READ),
        "skip_empty": READ,
        "sample": (*READ, "python_documentation"),
        "separator": ("fields", "record"),
        "task": ("path", "hub", "grammar"),
        "images": READ,
        "missing_images": ("zip", "images"),
        **dict.fromkeys(("images_url", "fetch_from"), ("images",)),
        "instruction_seed": ("record",),
        "paired": ("panels",),
    },
    "generate": dict.fromkeys(
        (
            *("template", "groups", "subjects", "keep_prompt"),
            *("max_new_tokens", "temperature", "top_p"),
        ),
        ("model",),
    ),
    "change": {"unit": ("sentences",), "seed": ("sentences", "like"), "text": ("like",)},
}


def said_in_vain(
    where: str, entry: dict[str, Any], kind: str, root: dict[str, Any]
) -> Iterator[tuple[str, str]]:
    """Keys that have no effect because a key they depend on is missing."""
    present = {*entry, *entry.get("generate", {})}
    for key, others in BESIDE[kind].items():
        if given(key, entry, root["$defs"][kind]) and not present & set(others):
            yield where, f"has `{key}:`, which goes only with {either(others)}; remove it."


def has_images(dataset: dict[str, Any]) -> bool:
    """Whether the texts of a data set are about images."""
    return dataset.get("record") in IMAGE_RECORDS


def of_images(key: str) -> str:
    """The records, or the grammars, that are about images, as a sentence lists them."""
    return " or ".join(f"`{key}: {kind}`" for kind in IMAGE_RECORDS)


def given(key: str, entry: dict[str, Any], schema: dict[str, Any]) -> bool:
    """Whether an entry says something in a key, other than what the default says."""
    return key in entry and entry[key] != schema["properties"][key].get("default")


def either(keys: Iterable[str], conjunction: str = "or") -> str:
    """Keys as a sentence lists them."""
    *some, last = (f"`{key}:`" for key in keys)
    return f"{', '.join(some)} {conjunction} {last}" if some else last


def one_source(
    where: str, entry: dict[str, Any], schema: dict[str, Any], root: dict[str, Any]
) -> Iterator[tuple[str, str]]:
    """Whether an entry says in exactly one way where it comes from."""
    keys = schema["one_of_keys"]
    given = [key for key in keys if key in entry]
    if len(given) != 1:
        found = f"has {' and '.join(given)}" if given else "says nothing of where it comes from"
        shown = example(where.strip("'").split("."), schema, root)
        yield where, f"{found}; give exactly one of {', '.join(keys)}.{shown}"


def known(where: str, name: str, entries: dict[str, Any], kind: str) -> Iterator[tuple[str, str]]:
    """Whether what an entry names is there."""
    if name not in entries:
        yield where, f"names the {kind} '{name}', which is not there; known: {', '.join(entries)}."


def groups_of(dataset: dict[str, Any]) -> list[str]:
    """Groups of a data set's texts, as far as the configuration knows them."""
    made = dataset.get("union") or dataset.get("variants", {}).get("changes")
    made = made or dataset.get("sentences", {}).get("contexts")
    return list(made or dataset.get("groups") or dataset.get("generate", {}).get("groups") or [])


def is_divided(dataset: dict[str, Any]) -> bool:
    """Whether the texts of one data set have several values, those of its groups."""
    groups = groups_of(dataset)
    return "variants" in dataset or len(groups) > 1 or ("group_field" in dataset and not groups)
