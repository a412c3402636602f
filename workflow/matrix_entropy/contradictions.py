"""What a schema cannot say of a configuration: names that exist, keys that go together."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from matrix_entropy.entries import layers_of
from matrix_entropy.experiments import derived_models, runs
from matrix_entropy.yaml_examples import example, resolve, to_write

TASKS = Path(__file__).parent.parent / "tasks"

# Keys that say something only beside one of others, which is not there by itself.
READ = ("bundled", "url", "path", "hub", "grammar")
BESIDE: dict[str, dict[str, tuple[str, ...]]] = {
    "model": {"revision": ("hub",), "convert_weights": ("hub",)},
    "dataset": {
        **dict.fromkeys(("revision", "subset", "split", "files"), ("hub",)),
        "sha256": ("bundled", "url", "path"),
        "format": ("bundled", "url", "path", "hub"),
        **dict.fromkeys(("field", "fields", "record", "group_field", "groups"), READ),
        **dict.fromkeys(("sample", "skip_empty"), READ),
        "separator": ("fields",),
        "task": ("path", "hub", "grammar"),
    },
    "generate": dict.fromkeys(
        ("template", "groups", "subjects", "keep_prompt", "max_new_tokens", "temperature", "top_p"),
        ("model",),
    ),
    "change": dict.fromkeys(("unit", "seed"), ("sentences",)),
}


def contradictions(config: dict[str, Any], root: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What a schema cannot say: references between entries, and keys that exclude each other.

    What comes later relies on what comes first: figures, on data sets that exist.
    """
    for name in config["models"]:
        yield from _model(name, config, root)
    for name in config["datasets"]:
        yield from _dataset(name, config, root)
    for section in ("figures", "tables"):
        for name, entry in config[section].items():
            yield from _shows([section, name], entry, config, root)
    yield from _names_given_twice(config)


def _model(name: str, config: dict[str, Any], root: dict[str, Any]) -> Iterator[tuple[str, str]]:
    model, where = config["models"][name], f"'models.{name}'"
    yield from _one_source(where, model, root["$defs"]["model"], root)
    yield from _said_in_vain(where, model, "model", root)
    for layer in layers_of(model):
        if layer != "final" and int(layer) > model["layers"]:
            yield (
                where,
                f"extracts layer {layer}, but states only {model['layers']} layers; "
                "correct one of them.",
            )
    if "train" in model:
        train, inside = model["train"], f"'models.{name}.train"
        yield from _known(f"{inside}.corpus'", train["corpus"], config["datasets"], "data set")
        if model["width"] % train["heads"]:
            yield (
                where,
                f"has width {model['width']}, which its {train['heads']} heads do not divide; "
                "change one of them.",
            )
        if train["block"] > train["context"]:
            yield (
                f"{inside}'",
                f"has `block: {train['block']}`, more than the `context: {train['context']}` that "
                "the model can read; lower the one or raise the other.",
            )


def _dataset(name: str, config: dict[str, Any], root: dict[str, Any]) -> Iterator[tuple[str, str]]:
    dataset, where = config["datasets"][name], f"'datasets.{name}'"
    yield from _one_source(where, dataset, root["$defs"]["dataset"], root)
    yield from _derived_texts(name, config, root)
    yield from _said_in_vain(where, dataset, "dataset", root)
    if "hub" in dataset and "split" not in dataset:
        yield where, "has a `hub:` without `split:`; add it, often `split: train`."
    if "url" in dataset and "sha256" not in dataset:
        yield where, "has a `url:` without `sha256:`; add the hash that the file must have."
    # What a default fills in is no choice.
    chosen = {"field"} if dataset["field"] != "text" else set()
    chosen |= {"fields", "record"} & set(dataset)
    if len(chosen) > 1:
        yield (
            where,
            f"says in {_either(sorted(chosen), 'and')} what its text is; remove all but one.",
        )
    if "sample" in dataset and len({"first", "size"} & set(dataset["sample"])) != 1:
        yield where, "needs in `sample:` either `first:` or `size:`."
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
    if dataset["shards"] > 1 and "equal_length" in dataset["controls"]:
        yield (
            where,
            "has `shards:` and the control `equal_length`, which compares all texts of a panel; "
            "set `controls: [without_first_row]`, or `controls: []`.",
        )
    longest = max(dataset.get("lengths", [0]))
    if longest > dataset.get("max_tokens", longest):
        yield (
            where,
            f"has in `lengths:` {longest}, more than the `max_tokens: {dataset['max_tokens']}` "
            "that are kept of a text; remove the one or raise the other.",
        )


def _said_in_vain(
    where: str, entry: dict[str, Any], kind: str, root: dict[str, Any]
) -> Iterator[tuple[str, str]]:
    """Keys that nothing reads, for want of another one beside them."""
    present = {*entry, *entry.get("generate", {})}
    for key, others in BESIDE[kind].items():
        if _given(key, entry, root["$defs"][kind]) and not present & set(others):
            yield where, f"has `{key}:`, which goes only with {_either(others)}; remove it."


def _given(key: str, entry: dict[str, Any], schema: dict[str, Any]) -> bool:
    """Whether an entry says something in a key, other than what the default says."""
    return key in entry and entry[key] != schema["properties"][key].get("default")


def _either(keys: Iterable[str], conjunction: str = "or") -> str:
    *some, last = (f"`{key}:`" for key in keys)
    return f"{', '.join(some)} {conjunction} {last}" if some else last


def _derived_texts(
    name: str, config: dict[str, Any], root: dict[str, Any]
) -> Iterator[tuple[str, str]]:
    datasets, inside = config["datasets"], f"'datasets.{name}"
    dataset = datasets[name]
    for member in dataset.get("union", []):
        yield from _known(f"{inside}.union'", member, datasets, "data set")
    if "sentences" in dataset:
        yield from _sentences(f"{inside}.sentences'", dataset["sentences"])
    if "variants" in dataset:
        variants = dataset["variants"]
        yield from _known(f"{inside}.variants.of'", variants["of"], datasets, "data set")
        for label, change in variants["changes"].items():
            where = f"{inside}.variants.changes.{label}'"
            yield from _said_in_vain(where, change, "change", root)
            if {"sentences", "prefix"} <= set(change):
                yield (
                    where,
                    "has both `sentences:` and `prefix:`; make two variants of them.",
                )
    circle = _circle(name, config, [])
    if name in circle:  # else it only leads to one, whose own entries are told of it
        yield f"{inside}'", f"is made of itself ({' -> '.join(circle)}); change one of these."


def _sentences(where: str, sentences: dict[str, Any]) -> Iterator[tuple[str, str]]:
    words = [word.strip() for word in sentences.get("words", [])]
    for word in words:
        if words.count(word) > 1:
            yield where, f"has in `words:` {word!r} twice; remove one of them."
    seen: dict[str, str] = {}
    for name, context in sentences["contexts"].items():
        if not isinstance(name, str):
            yield where, f"calls a context {name!r}, which is no text; put it in quotes."
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


def _groups_of(dataset: dict[str, Any]) -> list[str]:
    """Groups of a data set's texts, as far as the configuration knows them."""
    made = dataset.get("union") or dataset.get("variants", {}).get("changes")
    made = made or dataset.get("sentences", {}).get("contexts")
    return list(made or dataset.get("groups") or dataset.get("generate", {}).get("groups") or [])


def _is_divided(dataset: dict[str, Any]) -> bool:
    """Whether the texts of one data set have several values, those of its groups."""
    groups = _groups_of(dataset)
    return "variants" in dataset or len(groups) > 1 or ("group_field" in dataset and not groups)


# What every figure and table may say, and what one of a kind must and may say beside it.
ALWAYS = ("paper", "kind", "title")
KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "layers": (("model", "dataset"), ()),
    "scaling": (("models", "dataset"), ("leave_out",)),
    "normalisations": (("models", "dataset"), ()),
    "context_length": (("models", "dataset"), ()),
    "operations": (("models", "dataset"), ()),
    "untrained": (("models", "dataset", "seeds"), ("group",)),
    "information_gain": (("models", "dataset", "information_gain"), ("group",)),
    "sentence_map": (("model", "dataset", "sentence_map"), ()),
    "published_entropy": (("published_entropy",), ()),
    "skill_graph": (("skill_graph",), ()),
    "skill_scaling": (("skill_scaling",), ()),
    "indicators": (("models", "dataset"), ("table", "perplexity")),
    "lora": (("models", "dataset", "lora"), ("table",)),
    "variants": (("models", "dataset"), ("table",)),
    "samples": (("models", "dataset"), ("table",)),
    "prompts": (("dataset",), ()),
    "sources": (("datasets",), ()),
    "token_selection": (("model", "dataset", "token_selection"), ()),
}
# Kinds that look at sentences one by one.
OF_SENTENCES = ("sentence_map", "token_selection")


def _shows(
    path: list[str], entry: dict[str, Any], config: dict[str, Any], root: dict[str, Any]
) -> Iterator[tuple[str, str]]:
    """Whether a figure or table says what its kind needs, in names that exist and suit it."""
    models, datasets, kind = config["models"], config["datasets"], entry["kind"]
    inside, schema = f"'{'.'.join(path)}", root["$defs"][path[0].removesuffix("s")]
    properties = schema["properties"]
    needed, allowed = KINDS[kind]
    for key in entry:
        if key not in (*ALWAYS, *needed, *allowed) and _given(key, entry, schema):
            users = [k for k in properties["kind"]["enum"] if key in KINDS[k][0] + KINDS[k][1]]
            yield (
                f"{inside}'",
                f"has `{key}:`, which the kind '{kind}' does not use; remove it, or set `kind:` to "
                f"one that does: {', '.join(users)}.",
            )
    for key in needed:
        if key not in entry:
            values = {name: resolve(properties[name], root)["examples"][0] for name in needed}
            shown = to_write(path, {"kind": kind, **values})
            yield f"{inside}'", f"is of the kind '{kind}' and lacks the key '{key}'; add it.{shown}"
    for key, names, entries, what in (
        ("model", [entry.get("model")], models, "model"),
        ("models", entry.get("models", []), models, "model"),
        ("dataset", [entry.get("dataset")], datasets, "data set"),
        ("datasets", entry.get("datasets", []), datasets, "data set"),
    ):
        for name in filter(None, names):
            yield from _known(f"{inside}.{key}'", name, entries, what)
    if "dataset" in entry:
        yield from _suits(f"{inside}'", entry, datasets)
    for name in entry.get("models", [entry.get("model")]):
        if name is not None:
            yield from _can_be_shown(f"{inside}'", name, entry, config)
    yield from _settings(f"{inside}.{kind}'", entry, config)
    left_out = entry.get("leave_out", [])
    for name in left_out:
        yield from _known(f"{inside}.leave_out'", name, dict.fromkeys(entry["models"]), "model")
    if left_out and set(entry["models"]) <= set(left_out):
        yield f"{inside}.leave_out'", "names all of its `models:`; remove one, to be drawn."


def _settings(
    where: str, entry: dict[str, Any], config: dict[str, Any]
) -> Iterator[tuple[str, str]]:
    """Whether the settings of a kind, under the key of its name, suit the models and texts."""
    settings, models = entry.get(entry["kind"], {}), config["models"]
    shown = [name for name in entry.get("models", [entry.get("model")]) if name is not None]
    if "layer" in settings:
        for name in shown:
            if settings["layer"] not in layers_of(models[name]):
                yield (
                    where,
                    f"looks at the layer {settings['layer']} of '{name}', which keeps "
                    f"{', '.join(map(str, layers_of(models[name])))}; add it to its `extract:`.",
                )
    if entry["kind"] == "information_gain":
        tokens, dataset = settings["tokens"], config["datasets"][entry["dataset"]]
        if tokens > dataset.get("max_tokens", tokens):
            yield (
                where,
                f"needs texts of {tokens} tokens, but '{entry['dataset']}' is cut to "
                f"`max_tokens: {dataset['max_tokens']}`; raise it there, or lower `tokens:`.",
            )
        for name in shown:
            context = models[name].get("train", {}).get("context", tokens)
            if tokens > context:
                yield (
                    where,
                    f"needs texts of {tokens} tokens, but '{name}' reads only its "
                    f"`context: {context}`; raise it, or lower `tokens:`.",
                )
    elif entry["kind"] == "token_selection":
        block, layers = settings["attention_block"], models[entry["model"]]["layers"]
        if block != "last" and block > layers:
            yield (
                where,
                f"looks at `attention_block: {block}`, but '{entry['model']}' has only {layers} "
                "blocks; lower it.",
            )
    elif entry["kind"] == "skill_scaling" and settings["entropy_high"] <= settings["entropy_low"]:
        yield where, "has an `entropy_high:` that is not above `entropy_low:`; raise it."


def _suits(
    where: str, entry: dict[str, Any], datasets: dict[str, Any]
) -> Iterator[tuple[str, str]]:
    """Whether the data set of a figure or table has what its kind shows."""
    kind, name = entry["kind"], entry["dataset"]
    dataset = datasets[name]
    changes, union = dataset.get("variants", {}).get("changes", {}), dataset.get("union", [])
    if kind in ("operations", "variants", "prompts"):
        if not changes:
            yield (
                where,
                f"needs a data set with `variants:`, but '{name}' has none; choose another.",
            )
        elif kind == "prompts" and not any("prefix" in change for change in changes.values()):
            yield where, f"lists prefixes, but no variant of '{name}' has a `prefix:`; add one."
        elif kind != "prompts" and len(changes) < 2:
            yield where, f"compares variants, but '{name}' has a single one; add another there."
    elif kind == "samples" and len(union) < 2:
        yield (
            where,
            f"needs a data set with a `union:` of two samples or more, but '{name}' has none; "
            "choose another.",
        )
    elif kind in OF_SENTENCES:
        if dataset["shards"] > 1:
            yield where, f"looks at few sentences at once, but '{name}' has `shards:`; remove it."
    elif kind != "layers" and not union and _is_divided(dataset):
        yield (
            where,
            f"would mix the groups of '{name}'; give it a data set with `union: [{name}]`, in "
            "which they are one.",
        )
    if kind == "context_length":
        longest = max(dataset.get("lengths", [0]))
        if not longest:
            yield where, f"needs `lengths:` in its data set '{name}'; add them there."
        elif longest > dataset.get("min_tokens", 0):
            yield (
                where,
                f"compares lengths up to {longest} of the same texts; set `min_tokens: {longest}` "
                f"or more in its data set '{name}', or remove the longest there.",
            )
    if "group" in entry and union:
        yield from _known(f"{where[:-1]}.group'", entry["group"], dict.fromkeys(union), "group")
    elif "group" in entry:
        yield where, f"has a `group:`, but its data set '{name}' is no `union:`; remove it."
    elif (union and kind == "untrained") or (len(union) > 1 and kind == "information_gain"):
        yield where, f"needs a `group:` of '{name}'; add one of {', '.join(union)}."
    for member in dict.fromkeys(inner for _, inner in runs(entry, datasets) if inner != name):
        # Some models run on the union, those compared with them on its member alone.
        if "union" in datasets[member] or _is_divided(datasets[member]):
            yield (
                where,
                f"runs on '{member}' alone as well, whose texts have groups of their own; choose a "
                f"data set for '{name}' that has none.",
            )
        for key in ("max_tokens", "min_tokens"):
            if datasets[member].get(key) != dataset.get(key):
                yield (
                    where,
                    f"compares '{member}' as part of '{name}' with '{member}' alone, which differ "
                    f"in `{key}:`; give both the same.",
                )


def _can_be_shown(
    where: str, name: str, entry: dict[str, Any], config: dict[str, Any]
) -> Iterator[tuple[str, str]]:
    """Whether a model of a figure or table has what its kind shows."""
    model, kind = config["models"][name], entry["kind"]
    layers = layers_of(model)
    if kind == "layers":
        if set(layers) <= {0, "final"}:
            yield where, f"needs the blocks of '{name}'; add some to its `extract:`."
        return
    if kind in OF_SENTENCES:
        return
    if kind != "information_gain" and "final" not in layers:
        yield where, f"needs the layer `final` of '{name}'; add it to its `extract:`."
    if "parameters" not in model and "train" not in model:
        yield (
            where,
            f"needs the number of parameters of '{name}'; add it to the model, for example "
            "`parameters: 70.0e+6`.",
        )
    if kind == "context_length" and "train" in model:
        longest = max(config["datasets"][entry["dataset"]]["lengths"])
        if longest > model["train"]["context"]:
            yield (
                where,
                f"needs texts of {longest} tokens, but '{name}' reads only its `context: "
                f"{model['train']['context']}`; raise it, or remove the longest of `lengths:` in "
                f"'{entry['dataset']}'.",
            )


def _names_given_twice(config: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Models that are made for figures and tables under the name of another, and such figures."""
    made: dict[str, tuple[str, Any]] = {}
    for section in ("figures", "tables"):
        for name, entry in config[section].items():
            where = f"'{section}.{name}'"
            alone = config | {"figures": {}, "tables": {}} | {section: {name: entry}}
            for model, source in derived_models(alone).items():
                first, other = made.setdefault(model, (where, source))
                if model in config["models"]:
                    yield (
                        f"'models.{model}'",
                        f"has the name of a model that {where} makes; change it.",
                    )
                if source != other:
                    yield where, f"makes '{model}' in another way than {first}; set both alike."
    seen: dict[str, tuple[str, str]] = {}
    for pair in itertools.product(config["models"] | derived_models(config), config["datasets"]):
        drawn = f"layers_{pair[0]}_{pair[1]}"
        if drawn in config["figures"]:
            yield (
                f"'figures.{drawn}'",
                "has the name of a figure that is there without it; change it.",
            )
        if drawn in seen:
            yield (
                f"'datasets.{pair[1]}'",
                f"with the model '{pair[0]}' is drawn as {drawn}, as is '{seen[drawn][1]}' with "
                f"'{seen[drawn][0]}'; change one of these names.",
            )
        seen[drawn] = pair


def _group_names(where: str, dataset: dict[str, Any]) -> Iterator[tuple[str, str]]:
    groups = _groups_of(dataset)
    for label in [*groups, *dataset.get("panels", {})]:
        if not isinstance(label, str):
            yield where, f"calls a group or panel {label!r}, which is no text; put it in quotes."
    if "groups" in dataset and len(set(dataset["groups"].values())) < len(groups):
        yield where, "gives two names to one group in `groups:`; remove one of them."
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


def _one_source(
    where: str, entry: dict[str, Any], schema: dict[str, Any], root: dict[str, Any]
) -> Iterator[tuple[str, str]]:
    keys = schema["one_of_keys"]
    given = [key for key in keys if key in entry]
    if len(given) != 1:
        found = f"has {' and '.join(given)}" if given else "says nothing of where it comes from"
        shown = example(where.strip("'").split("."), schema, root)
        yield where, f"{found}; give exactly one of {', '.join(keys)}.{shown}"


def _known(where: str, name: str, entries: dict[str, Any], kind: str) -> Iterator[tuple[str, str]]:
    if name not in entries:
        yield where, f"names the {kind} '{name}', which is not there; known: {', '.join(entries)}."


def _generated(
    name: str, generate: dict[str, Any], models: dict[str, Any], root: dict[str, Any]
) -> Iterator[tuple[str, str]]:
    where = f"'datasets.{name}.generate'"
    yield from _one_source(where, generate, root["$defs"]["generate"], root)
    yield from _said_in_vain(where, generate, "generate", root)
    if "model" in generate:
        yield from _known(f"'datasets.{name}.generate.model'", generate["model"], models, "model")
        if "template" not in generate:
            yield where, "needs a `template:`, the prompt that the model is given."
