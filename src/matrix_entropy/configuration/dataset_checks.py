"""What a schema cannot say of data sets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from matrix_entropy.base.shipped import TASKS
from matrix_entropy.configuration.shared_checks import (
    IMAGE_RECORDS,
    READ,
    either,
    given,
    groups_of,
    has_images,
    known,
    of_images,
    one_source,
    said_in_vain,
)

# Keys that only records of some kinds read.
READ_BY = {"separator": IMAGE_RECORDS, "instruction_seed": ("cc_sbu_align",)}
# What makes several files of one name: a shell pattern, or a folder.
SEVERAL_FILES = re.compile(r"[*?\[]|/\Z")


def dataset_contradictions(
    name: str, config: dict[str, Any], root: dict[str, Any]
) -> Iterator[tuple[str, str]]:
    """Where a data set says too little, too much, or names what is not there."""
    dataset, where = config["datasets"][name], f"'datasets.{name}'"
    yield from one_source(where, dataset, root["$defs"]["dataset"], root)
    yield from _derived_texts(name, config, root)
    yield from said_in_vain(where, dataset, "dataset", root)
    yield from _images(where, dataset, root["$defs"]["dataset"])
    if "hub" in dataset and "split" not in dataset and not has_images(dataset):
        yield where, "has a `hub:` without `split:`; add it, often `split: train`."
    if not {"sha256", "md5"} & set(dataset.get("zip", ["md5"])):
        yield where, "needs in `zip:` a hash that the file must have, `sha256:` or `md5:`."
    if "url" in dataset and "sha256" not in dataset:
        yield where, "has a `url:` without `sha256:`; add the hash that the file must have."
    # What a default fills in is no choice.
    chosen = {"field"} if dataset["field"] != "text" else set()
    chosen |= {"fields", "record"} & set(dataset)
    if len(chosen) > 1:
        yield (
            where,
            f"says in {either(sorted(chosen), 'and')} what its text is; remove all but one.",
        )
    if "sample" in dataset and len({"first", "size"} & set(dataset["sample"])) != 1:
        yield where, "needs in `sample:` either `first:` or `size:`."
    asked = dataset.get("python_documentation", {"shortest": 0, "longest": 0})
    if asked["shortest"] > asked["longest"]:
        yield (
            f"'datasets.{name}.python_documentation'",
            f"has `shortest: {asked['shortest']}`, more than its `longest: {asked['longest']}`; "
            "lower the one or raise the other.",
        )
    yield from _group_names(where, dataset)
    if "generate" in dataset:
        yield from _generated(name, dataset["generate"], config["models"], root)
    if "task" in dataset and "hub" not in dataset:
        own = sorted(path.stem for path in TASKS.glob("*.yaml"))
        if dataset["task"] not in own:
            yield (
                where,
                f"has `task: {dataset['task']}`, which does not ask the questions of a file; "
                f"choose one that does: {', '.join(own)}.",
            )
    if dataset["window_perplexity"] and not dataset["token_losses"]:
        yield where, "wants `window_perplexity:` without `token_losses:`; set `token_losses: true`."
    equal = [control for control in dataset["controls"] if control.startswith("equal_length")]
    if dataset["shards"] > 1 and equal:
        yield (
            where,
            f"has `shards:` and the control `{equal[0]}`, which compares all texts of a panel; set "
            "`controls: [without_first_row, without_long_rows]`, or `controls: []`.",
        )
    yield from _metrics(name, dataset)
    yield from _two_views(where, dataset)
    longest = max(dataset.get("lengths", [0]))
    if longest > dataset.get("max_tokens", longest):
        yield (
            where,
            f"has in `lengths:` {longest}, more than the `max_tokens: {dataset['max_tokens']}` "
            "that are kept of a text; remove the one or raise the other.",
        )


def _metrics(name: str, dataset: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Whether the metrics of spectra and measures of states that a data set asks for are there."""
    if "metrics" in dataset:
        # NumPy comes with them, for which no plan should wait that needs none.
        from matrix_entropy.maths.ranks import in_single

        ranks = in_single()
        where = f"'datasets.{name}.metrics'"
        for metric in dataset["metrics"]:
            yield from known(where, metric, dict.fromkeys(ranks), "metric")
            if dataset.get("spectra_precision") == "single" and not ranks.get(metric, True):
                yield (
                    where,
                    f"has `{metric}`, which depends on small eigenvalues, and `spectra_precision: "
                    "single` makes noise of them; set `spectra_precision: double`, or remove it.",
                )
    if "measures" in dataset:
        from matrix_entropy.maths.measures import MEASURES
        from matrix_entropy.maths.model_measures import OF_MODEL

        names = (*(each.name for each in MEASURES), *(each.name for each in OF_MODEL))
        measures = dict.fromkeys(names)
        for measure in dataset["measures"]:
            yield from known(f"'datasets.{name}.measures'", measure, measures, "measure")


def _two_views(where: str, dataset: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Whether texts are in pairs if pairs are to be their two views."""
    if dataset.get("two_views") != "pairs":
        return
    if not dataset["paired"]:
        yield where, "has `two_views: pairs`, but no `paired:`; add it, or set `two_views: halves`."
    for panel, members in dataset.get("panels", {}).items():
        if len(members) != 2:
            yield (
                where,
                f"has `two_views: pairs`, but the panel '{panel}' has {len(members)} groups; give "
                "each panel two, or set `two_views: halves`.",
            )
        if panel in {group for groups in dataset["panels"].values() for group in groups}:
            yield (
                where,
                f"has `two_views: pairs` and a panel '{panel}' that is called as a group, so "
                "that their rows in the table could not be told apart; change the panel's name.",
            )


def _images(
    where: str, dataset: dict[str, Any], schema: dict[str, Any]
) -> Iterator[tuple[str, str]]:
    """Whether records about images have some, and others have none."""
    grammar, kind = dataset.get("generate", {}).get("grammar"), dataset.get("record")
    files = dataset.get("files", [])
    if grammar in IMAGE_RECORDS and kind != grammar:
        yield where, f"draws pictures by its `grammar: {grammar}`; set `record: {grammar}`."
    for key, records in READ_BY.items():
        if kind is not None and kind not in records and given(key, dataset, schema):
            yield where, f"has `{key}:`, which its `record: {kind}` does not use; remove it."
    if not has_images(dataset):
        for key in ("images", "zip", "md5"):
            if key in dataset:
                yield (
                    where,
                    f"has `{key}:`, but its records are not about images; set "
                    f"{of_images('record')}, or remove it.",
                )
        return
    if "generate" in dataset and grammar not in IMAGE_RECORDS:
        yield (
            where,
            f"has `record: {kind}`, of which nothing is generated here but by `grammar: {kind}`; "
            "set that, or choose another `record:`.",
        )
    if "generate" in dataset and "images" in dataset:
        yield where, "has `images:`, but draws its own pictures; remove it."
    if "zip" in dataset and "images" in dataset:
        yield where, "has `images:` beside `zip:`, which has its own `images:`; remove the former."
    if not {"generate", "zip", "images"} & set(dataset):
        yield (
            where,
            f"has `record: {kind}` without `images:`; add it, the folder that the images lie in.",
        )
    if "hub" in dataset and (len(files) != 1 or SEVERAL_FILES.search(files[0])):
        yield (
            where,
            "reads one file of records from the hub; give its name, as in `files: [records.json]`.",
        )
    for key in (
        *("group_field", "groups", "panels", "format", "split", "subset", "task"),
        *("measures", "metrics", "spectra_precision", "two_views"),
    ):
        if given(key, dataset, schema):
            yield where, f"has `{key}:`, which records about images do not use; remove it."


def _derived_texts(
    name: str, config: dict[str, Any], root: dict[str, Any]
) -> Iterator[tuple[str, str]]:
    datasets, inside = config["datasets"], f"'datasets.{name}"
    dataset = datasets[name]
    for member in dataset.get("union", []):
        yield from known(f"{inside}.union'", member, datasets, "data set")
    if "sentences" in dataset:
        yield from _sentences(f"{inside}.sentences'", dataset["sentences"])
    if "variants" in dataset:
        variants = dataset["variants"]
        yield from known(f"{inside}.variants.of'", variants["of"], datasets, "data set")
        for label, change in variants["changes"].items():
            where = f"{inside}.variants.changes.{label}'"
            yield from said_in_vain(where, change, "change", root)
            both = [key for key in ("sentences", "prefix", "like") if key in change]
            if len(both) > 1:
                names = " and ".join(f"`{key}:`" for key in both)
                yield where, f"has both {names}; make two variants of them."
            named = change.get("like")
            if named is not None and "prefix" not in variants["changes"].get(named, {}):
                yield (
                    where,
                    f"is `like: {named}`, which is no variant with a `prefix:`; choose one.",
                )
    circle = _circle(name, config, [])
    if name in circle:  # else it only leads to one, whose own entries are told of it
        yield f"{inside}'", f"is made of itself ({' -> '.join(circle)}); change one of these."


def _sentences(where: str, sentences: dict[str, Any]) -> Iterator[tuple[str, str]]:
    words = [word.strip() for word in sentences.get("words", [])]
    for word in words:
        if not word:
            yield where, "has in `words:` one of white space alone; remove it."
        if words.count(word) > 1:
            yield where, f"has in `words:` {word!r} twice; remove one of them."
    seen: dict[str, str] = {}
    for name, context in sentences["contexts"].items():
        if not context.strip() and not words:
            yield where, f"has an empty context '{name}' and no `words:` to follow it; add some."
        if context.strip() in seen:
            yield (
                where,
                f"has the contexts '{seen[context.strip()]}' and '{name}', which say the same; "
                "remove one of them.",
            )
        seen[context.strip()] = name


def _circle(name: str, config: dict[str, Any], way: list[str]) -> list[str]:
    """The way from a data set over those it is made of back to itself; empty if there is none."""
    if name in way:
        return [*way[way.index(name) :], name]
    entry = config["datasets"].get(name, {})
    made_of = [*entry.get("union", []), *filter(None, [entry.get("variants", {}).get("of")])]
    way = [*way, name]
    writer = entry.get("generate", {}).get("model")
    if "train" in config["models"].get(writer, {}):
        made_of.append(config["models"][writer]["train"]["corpus"])
        way.append(f"what the model {writer} learns from")
    for inner in made_of:
        if found := _circle(inner, config, way):
            return found
    return []


def _group_names(where: str, dataset: dict[str, Any]) -> Iterator[tuple[str, str]]:
    groups = groups_of(dataset)
    if "groups" in dataset and len(set(dataset["groups"].values())) < len(groups):
        yield where, "gives two names to one group in `groups:`; remove one of them."
    sources = {*dataset, *dataset.get("generate", {})}
    if isinstance(dataset["paired"], str) and sources.isdisjoint(READ):
        yield where, "names a field in `paired:`, but its texts are no records; set `paired: true`."
    for key in ("sample", "skip_empty", "min_tokens"):
        if dataset["paired"] and dataset.get(key):
            yield (
                where,
                f"has `paired:`, which needs every text in its place, and `{key}:`, which "
                "may leave some out; remove one of them.",
            )
    seen: dict[str, str] = {}
    for panel, members in dataset.get("panels", {}).items():
        for member in members:
            if member in seen:
                yield (
                    where,
                    f"puts the group '{member}' into the panels '{seen[member]}' and '{panel}'; "
                    "remove it from one, since texts of a panel are cut to a length of their own.",
                )
            seen[member] = panel
            if groups and member not in groups:
                yield (
                    where,
                    f"puts a group '{member}' into the panel '{panel}'; correct it, the groups "
                    f"are: {', '.join(groups)}.",
                )


def _generated(
    name: str, generate: dict[str, Any], models: dict[str, Any], root: dict[str, Any]
) -> Iterator[tuple[str, str]]:
    where, schema = f"'datasets.{name}.generate'", root["$defs"]["generate"]
    yield from one_source(where, generate, schema, root)
    yield from said_in_vain(where, generate, "generate", root)
    if given("image_size", generate, schema) and generate.get("grammar") not in IMAGE_RECORDS:
        yield where, f"has `image_size:`, which goes only with {of_images('grammar')}; remove it."
    if "model" in generate:
        yield from known(f"'datasets.{name}.generate.model'", generate["model"], models, "model")
        if "vision" in models[generate["model"]]:
            yield (
                where,
                f"lets '{generate['model']}' write, which is a vision-language model; choose one "
                "without `vision:`.",
            )
        if "template" not in generate:
            yield where, "needs a `template:`, the prompt that the model is given."
