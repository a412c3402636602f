"""What a schema cannot say of figures and tables."""

from __future__ import annotations

import csv
import functools
import itertools
import math
from collections.abc import Iterator
from typing import Any

from matrix_entropy.base.shipped import published
from matrix_entropy.configuration.entries import layers_of
from matrix_entropy.configuration.experiments import OWN, derived_models, runs
from matrix_entropy.configuration.kinds import KINDS
from matrix_entropy.configuration.shared_checks import (
    given,
    has_images,
    is_divided,
    known,
    of_images,
)
from matrix_entropy.configuration.trajectories import checkpoints_of
from matrix_entropy.configuration.yaml_examples import resolve, to_write
from matrix_entropy.sources.gguf_files import is_gguf

# What every figure and table may say.
ALWAYS = ("paper", "kind", "title")
# Kinds that compare the first rows of the same texts.
OF_CUTS = ("context_length", "few_rows")
# What else of its data sets `group_gaps` looks at.
GAP_CONTROLS = ("without_long_rows", "equal_length", "equal_length_without_long_rows")


def figure_contradictions(
    path: list[str], entry: dict[str, Any], config: dict[str, Any], root: dict[str, Any]
) -> Iterator[tuple[str, str]]:
    """Whether a figure or table says what its kind needs, in names that exist and suit it."""
    models, datasets, kind = config["models"], config["datasets"], entry["kind"]
    inside, schema = f"'{'.'.join(path)}", root["$defs"][path[0].removesuffix("s")]
    properties = schema["properties"]
    needed, allowed = KINDS[kind].needs, KINDS[kind].allows
    for key in entry:
        if key not in (*ALWAYS, *needed, *allowed) and given(key, entry, schema):
            users = [
                k for k in properties["kind"]["enum"] if key in KINDS[k].needs + KINDS[k].allows
            ]
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
        for name in (name for name in names if name is not None):
            yield from known(f"{inside}.{key}'", name, entries, what)
    if "table" in entry:
        if "paper" not in entry:
            yield f"{inside}.table'", "is a table of a paper; write which beside it, as `paper:`."
        tables = dict.fromkeys(_published_tables(entry["paper"]))
        yield from known(f"{inside}.table'", entry["table"], tables, "published table")
    if KINDS[kind].on_images:
        for name in entry.get("datasets", [entry.get("dataset")]):
            yield from _of_images(f"{inside}'", name, datasets[name])
    elif "dataset" in entry:
        yield from _suits(f"{inside}'", entry, datasets)
    for name in entry.get("models", [entry.get("model")]):
        if name is not None:
            yield from _can_be_shown(f"{inside}'", name, entry, config, properties["kind"]["enum"])
    yield from _metric(f"{inside}'", entry, datasets)
    yield from _settings(f"{inside}.{kind}'", entry, config)
    left_out = entry.get("leave_out", [])
    for name in left_out:
        yield from known(f"{inside}.leave_out'", name, dict.fromkeys(entry["models"]), "model")
    if left_out and set(entry["models"]) <= set(left_out):
        yield f"{inside}.leave_out'", "names all of its `models:`; remove one, to be drawn."


def _metric(
    where: str, entry: dict[str, Any], datasets: dict[str, Any]
) -> Iterator[tuple[str, str]]:
    """Whether the metric that a figure draws is one of its data set's, and nothing else's."""
    if "metric" not in entry or "dataset" not in entry:
        return
    metric, name = entry["metric"], entry["dataset"]
    asked = [*datasets[name].get("metrics", []), *datasets[name].get("measures", [])]
    if metric not in asked:
        yield (
            where,
            f"draws the metric '{metric}', which '{name}' does not ask for; add it to `metrics:` "
            "or `measures:` of the data set, or remove `metric:`.",
        )
    if entry.get("overlay"):
        yield where, "has both `metric:` and `overlay:`, a curve of entropies; remove one of them."


@functools.cache
def _published_tables(paper: str) -> tuple[str, ...]:
    """Tables of a paper of whose published values there is a copy here."""
    values = published(paper, "tables")
    if not values.is_file():
        return ()
    with values.open(encoding="utf-8", newline="") as lines:
        return tuple(dict.fromkeys(row["table"] for row in csv.DictReader(lines)))


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
        if len({models[name]["bos"] for name in shown}) > 1:
            yield (
                where,
                "compares models with and without a beginning-of-sequence token, which would be "
                "the first token of some only; give all the same `bos:`.",
            )
    elif entry["kind"] == "trajectory":
        for name in shown:
            kept = checkpoints_of(models[name])
            missing = [step for step in entry["steps"] if step not in kept]
            if missing:
                yield (
                    f"{where[: where.rindex('.')]}.steps'",
                    f"shows '{name}' after step {missing[0]}, which has checkpoints of "
                    f"{', '.join(map(str, kept)) or 'none'}; correct it, or add them to "
                    "`revisions:` of the model (of a stand-in, `train.checkpoints:`).",
                )
    elif entry["kind"] == "start_of_weights":
        own = models[entry["model"]].get("initializer_range")
        if {OWN, own} <= set(entry["initializer_ranges"]):
            yield (
                f"{where[: where.rindex('.')]}.initializer_ranges'",
                f"names the start of '{entry['model']}' twice, as `own` and as {own}; remove one.",
            )
    elif entry["kind"] == "group_gaps":
        for name in entry["datasets"]:
            controls = config["datasets"][name]["controls"]
            missing = [f"`{control}`" for control in GAP_CONTROLS if control not in controls]
            if missing:
                yield (
                    f"{where[: where.rindex('.')]}'",
                    f"looks at the gaps of '{name}' in every way; add {', '.join(missing)} to its "
                    "`controls:`.",
                )
    elif entry["kind"] == "sentence_map":
        yield from _few_sentences(where, settings, config["datasets"][entry["dataset"]])
    elif entry["kind"] == "token_selection":
        tokens = [token.strip() for token in settings["tokens"]]
        for token in tokens:
            if not token:
                yield where, "has in `tokens:` one of white space alone; remove it."
            if tokens.count(token) > 1:
                yield where, f"has in `tokens:` {token!r} twice; remove one of them."
        block, layers = settings["attention_block"], models[entry["model"]]["layers"]
        if block != "last" and block > layers:
            yield (
                where,
                f"looks at `attention_block: {block}`, but '{entry['model']}' has only {layers} "
                "blocks; lower it.",
            )
    elif entry["kind"] == "skill_scaling":
        drop, step = settings["entropy_high"] - settings["entropy_low"], settings["flop_step"]
        if drop <= 0:
            yield where, "has an `entropy_high:` that is not above `entropy_low:`; raise it."
        elif not math.isclose(drop / step, round(drop / step), rel_tol=1e-9) or step > drop:
            yield (
                where,
                f"has `flop_step: {step:g}`, of which no whole number makes up the {drop:g} nats "
                f"from `entropy_high:` to `entropy_low:`; set for example "
                f"`flop_step: {drop / max(1, round(drop / step)):.6g}`.",
            )


def _few_sentences(
    where: str, settings: dict[str, Any], dataset: dict[str, Any]
) -> Iterator[tuple[str, str]]:
    """Whether there are sentences enough for a map, where the configuration knows their number."""
    if "sentences" not in dataset:
        return
    made = dataset["sentences"]
    count = len(made["contexts"]) * max(1, len(made.get("words", [])))
    neighbours = settings["umap"]["neighbours"]
    if count < 3:
        yield where, f"needs three sentences, but there are {count}; add some to the data set."
    elif neighbours >= count:
        yield (
            where,
            f"looks for `neighbours: {neighbours}` in `umap:` among {count} sentences; lower it "
            f"to {count - 1} or less.",
        )


def _of_images(where: str, name: str, dataset: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Whether a data set's texts are about images, each read whole and in one job."""
    if not has_images(dataset):
        yield (
            where,
            f"needs images, but '{name}' has none of its own; choose a data set with "
            f"{of_images('record')}.",
        )
    if dataset["shards"] > 1:
        yield where, f"reads all images in one job, but '{name}' has `shards:`; remove it there."
    if "min_tokens" in dataset:
        yield where, f"reads all texts, but '{name}' has `min_tokens:`; remove it there."


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
    elif KINDS[kind].of_sentences:
        if dataset["shards"] > 1:
            yield where, f"looks at few sentences at once, but '{name}' has `shards:`; remove it."
        for key in ("max_tokens", "min_tokens"):
            if key in dataset:
                yield (
                    where,
                    f"looks at whole sentences, but '{name}' has `{key}:`; remove it there.",
                )
        if any({"prefix", "like"} & set(change) for change in changes.values()):
            yield (
                where,
                f"looks at all tokens of a text, but those of a `prefix:` of '{name}' are not "
                "kept; change the texts instead.",
            )
    elif not KINDS[kind].across_blocks and not union and is_divided(dataset):
        yield (
            where,
            f"would mix the groups of '{name}'; give it a data set with `union: [{name}]`, in "
            "which they are one.",
        )
    if kind in OF_CUTS:
        longest = max(dataset.get("lengths", [0]))
        if not longest:
            yield where, f"needs `lengths:` in its data set '{name}'; add them there."
        elif longest > dataset.get("min_tokens", 0):
            yield (
                where,
                f"compares lengths up to {longest} of the same texts; set `min_tokens: {longest}` "
                f"or more in its data set '{name}', or remove the longest there.",
            )
    if kind == "scaling" and len(entry["models"]) == 1:
        yield (
            where,
            "draws curves against the size of models, but `models:` names a single one; add "
            "others, or choose `kind: normalisations`.",
        )
    if kind == "long_rows":
        if "without_long_rows" not in dataset["controls"]:
            yield (
                where,
                f"needs the control `without_long_rows` of '{name}'; add it to its `controls:`.",
            )
        if dataset["shards"] > 1:
            yield where, f"looks at all rows in one job, but '{name}' has `shards:`; remove it."
    if kind == "untrained_blocks" and len(entry["models"]) > 1:
        yield (
            where,
            "compares one model with itself, but `models:` names several; remove all but one.",
        )
    if "group" in entry and union:
        yield from known(f"{where[:-1]}.group'", entry["group"], dict.fromkeys(union), "group")
    elif "group" in entry:
        yield where, f"has a `group:`, but its data set '{name}' is no `union:`; remove it."
    elif (union and KINDS[kind].against_fresh) or (len(union) > 1 and kind == "information_gain"):
        yield where, f"needs a `group:` of '{name}'; add one of {', '.join(union)}."
    for member in dict.fromkeys(inner for _, inner in runs(entry, datasets) if inner != name):
        # Some models run on the union, those compared with them on its member alone.
        if "union" in datasets[member] or is_divided(datasets[member]):
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
    where: str, name: str, entry: dict[str, Any], config: dict[str, Any], kinds: list[str]
) -> Iterator[tuple[str, str]]:
    """Whether a model of a figure or table has what its kind, one of ``kinds``, shows."""
    model, kind = config["models"][name], entry["kind"]
    layers = layers_of(model)
    if KINDS[kind].of_vision and "vision" not in model:
        yield (
            where,
            f"shows vision-language models, but '{name}' has no `vision:`; add it to the model, or "
            "choose another.",
        )
    elif not KINDS[kind].of_vision and "vision" in model:
        yield (
            where,
            f"shows language models, but '{name}' has a `vision:`; choose another model, or a "
            f"`kind:` for such: {', '.join(kind for kind in kinds if KINDS[kind].of_vision)}.",
        )
    if kind in ("schematic", "architecture"):
        return
    drawn = "seeds" in entry and OWN in entry.get("initializer_ranges", [OWN])
    if drawn and is_gguf(model) and "initializer_range" not in model:
        yield (
            where,
            f"draws fresh weights of '{name}', but a GGUF file does not say how its weights were "
            "drawn at the start; add `initializer_range:` to the model, as its config.json at the "
            "source says it (0.02, if that says nothing).",
        )
    if kind == "start_of_weights" and set(layers) <= {0, "final"}:
        yield where, f"needs the blocks of '{name}'; add some to its `extract:`."
    if KINDS[kind].across_blocks:
        if set(layers) <= {0, "final"}:
            yield where, f"needs the blocks of '{name}'; add some to its `extract:`."
        return
    if KINDS[kind].of_sentences:
        return
    if not (kind == "information_gain" or KINDS[kind].on_images) and "final" not in layers:
        yield where, f"needs the layer `final` of '{name}'; add it to its `extract:`."
    if "parameters" not in model and "train" not in model:
        yield (
            where,
            f"needs the number of parameters of '{name}'; add it to the model, for example "
            "`parameters: 70.0e+6`.",
        )
    if kind in OF_CUTS and "train" in model:
        longest = max(config["datasets"][entry["dataset"]]["lengths"])
        if longest > model["train"]["context"]:
            yield (
                where,
                f"needs texts of {longest} tokens, but '{name}' reads only its `context: "
                f"{model['train']['context']}`; raise it, or remove the longest of `lengths:` in "
                f"'{entry['dataset']}'.",
            )


def names_given_twice(config: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Models that are made for figures and tables under the name of another, and such figures."""
    made: dict[str, tuple[str, Any]] = {}
    for model, source in derived_models(config | {"figures": {}, "tables": {}}).items():
        where = f"'models.{source['checkpoint']['model']}'"
        made[model] = where, source
        if model in config["models"]:
            yield f"'models.{model}'", f"has the name of a checkpoint of {where}; change it."
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
    for name, table in config["tables"].items():
        if KINDS[table["kind"]].with_figure and name in config["figures"]:
            yield (
                f"'tables.{name}'",
                "draws a figure of its own name, which another figure has; change one of them.",
            )
    seen: dict[str, tuple[str, str]] = {}
    drawable = [name for name, model in config["models"].items() if "vision" not in model]
    for pair in itertools.product([*drawable, *derived_models(config)], config["datasets"]):
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
