"""Check the configuration: one sentence names the wrong key and shows what to write instead."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import ValidationError

from matrix_entropy.errors import InputError

SCHEMA = Path(__file__).parent.parent / "schemas" / "config.schema.yaml"

TYPES = {
    "object": "a mapping (key: value lines)",
    "array": "a list",
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
}

LIMITS = {
    "minimum": "at least",
    "exclusiveMinimum": "more than",
    "maximum": "at most",
}

# JSON Schema counts 12.0 among the whole numbers; Python's range() does not.
VALIDATOR = validators.extend(
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    ),
)


def checked(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration with defaults filled in.

    Raises
    ------
    InputError
        If a key is unknown or missing, a value has a wrong type, a name refers to nothing, or an
        entry does not say in exactly one way where its model or data set comes from.
    """
    schema = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
    validator = VALIDATOR(schema)
    # The deepest error is the most precise: the others follow from it.
    errors = sorted(validator.iter_errors(config), key=lambda error: -len(error.absolute_path))
    if errors:
        raise InputError(_sentence(errors[0], schema))
    config = _with_defaults(config, schema, schema)
    for where, message in _contradictions(config, schema):
        raise InputError(f"configuration: {where} {message}")
    return config


def layers_of(model: dict[str, Any]) -> list[int | str]:
    """Layers to extract: 0 (embeddings), 1 ... L (after that block) and ``final``."""
    if model["extract"] == "all":
        return [*range(model["layers"] + 1), "final"]
    return list(model["extract"])


def panels_of(dataset: dict[str, Any], groups: list[str]) -> dict[str, list[str]]:
    """Groups that are drawn and compared together: as configured, else all in one panel."""
    return dict(dataset.get("panels") or {"": groups})


def _resolve(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    reference = schema.get("$ref")
    return root["$defs"][reference.rsplit("/", 1)[1]] if reference else schema


def _with_defaults(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> Any:
    schema = _resolve(schema, root)
    if not isinstance(value, dict):
        return value
    properties = schema.get("properties", {})
    others = schema.get("additionalProperties")
    filled = {
        key: _with_defaults(inner, properties.get(key, others) or {}, root)
        for key, inner in value.items()
        if isinstance(properties.get(key, others) or {}, dict)
    }
    for key, inner in properties.items():
        if key not in filled and "default" in inner:
            filled[key] = inner["default"]
    return filled


def _sentence(error: ValidationError, root: dict[str, Any]) -> str:
    path = [str(part) for part in error.absolute_path]
    where = ".".join(path) or "the top level"
    schema = _resolve(error.schema, root)
    if error.validator == "additionalProperties":
        known = list(schema["properties"])
        unknown = next(key for key in error.instance if key not in known)
        path.append(str(unknown))
        near = difflib.get_close_matches(str(unknown), known, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"known keys: {', '.join(known)}."
        problem = f"'{'.'.join(path)}' is not a known key; {hint}"
        schema, path = (
            (schema["properties"][near[0]], [*path[:-1], near[0]]) if near else (schema, path[:-1])
        )
    elif error.validator == "required":
        missing = next(key for key in error.validator_value if key not in error.instance)
        problem = f"'{where}' lacks the key '{missing}'."
        if not path:
            schema, path = root["properties"][missing], [missing]
    elif "propertyNames" in error.schema_path:
        problem = f"'{where}' has the name {error.instance!r}; allowed are {schema['description']}."
        path = []
    elif error.validator in LIMITS:
        limit = f"{LIMITS[error.validator]} {error.validator_value}"
        problem = f"'{where}' is {error.instance!r}, but a number of {limit} is expected."
    elif error.validator == "type":
        wanted = TYPES[error.validator_value]
        problem = f"'{where}' is {error.instance!r}, but {wanted} is expected."
    elif error.validator == "enum":
        choices = ", ".join(str(choice) for choice in error.validator_value)
        problem = f"'{where}' is {error.instance!r}, but one of {choices} is expected."
    else:
        said = schema.get("description", "").strip()
        problem = f"'{where}' is {error.instance!r}, which is not allowed ({said or error.message})"
    if "propertyNames" not in error.schema_path:
        path, schema = _shown(path, root)
    return f"configuration: {problem}{_example(path, schema, root)}"


def _shown(path: list[str], root: dict[str, Any]) -> tuple[list[str], dict[str, Any]]:
    """The deepest schema with examples on the way to ``path``, and the way to it."""
    schema = root
    found: tuple[list[str], dict[str, Any]] = ([], root)
    for number, key in enumerate(path, start=1):
        inner = schema.get("properties", {}).get(key) or schema.get("additionalProperties")
        schema = _resolve(inner or schema.get("items") or {}, root)
        if "examples" in schema:
            found = (path[:number], schema)
    return found


def _example(path: list[str], schema: dict[str, Any], root: dict[str, Any]) -> str:
    """The YAML to write at ``path``, from the schema's own examples."""
    schema = _resolve(schema, root)
    if "examples" not in schema:
        return ""
    value = schema["examples"][0]
    for key in reversed(path):
        # An example inside a list is shown as that list.
        value = [value] if key.isdigit() else {key: value}
    shown = yaml.safe_dump(value, sort_keys=False, default_flow_style=None, allow_unicode=True)
    return " Write for example:\n" + "\n".join(f"    {line}" for line in shown.splitlines())


def _contradictions(config: dict[str, Any], root: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What a schema cannot say: references between entries, and keys that exclude each other."""
    models, datasets = config["models"], config["datasets"]
    for name, model in models.items():
        where = f"'models.{name}'"
        yield from _one_source(where, model, root["$defs"]["model"], root)
        for layer in layers_of(model):
            if layer != "final" and int(layer) > model["layers"]:
                yield (
                    where,
                    (
                        f"extracts layer {layer}, but states only {model['layers']} layers; "
                        "correct one of them."
                    ),
                )
        if "train" in model:
            train = model["train"]
            yield from _known(
                f"'models.{name}.train.corpus'", train["corpus"], datasets, "data set"
            )
            if model["width"] % train["heads"]:
                yield (
                    where,
                    f"has width {model['width']}, which its {train['heads']} heads do not divide; "
                    "change one of them.",
                )
        if "revision" in model and "hub" not in model:
            yield where, "has a `revision:`, which only a model with `hub:` can have; remove it."
    for name, dataset in datasets.items():
        where = f"'datasets.{name}'"
        yield from _one_source(where, dataset, root["$defs"]["dataset"], root)
        if "url" in dataset and "sha256" not in dataset:
            yield where, "has a `url:` without `sha256:`; add the hash that the file must have."
        if "sample" in dataset and len({"first", "size"} & set(dataset["sample"])) != 1:
            yield where, "needs in `sample:` either `first:` or `size:`."
        yield from _group_names(where, dataset)
        if "generate" in dataset:
            yield from _generated(name, dataset["generate"], models, root)
    for name, figure in config["figures"].items():
        yield from _known(f"'figures.{name}.model'", figure["model"], models, "model")
        yield from _known(f"'figures.{name}.dataset'", figure["dataset"], datasets, "data set")


def _group_names(where: str, dataset: dict[str, Any]) -> Iterator[tuple[str, str]]:
    groups = dataset.get("groups") or dataset.get("generate", {}).get("groups")
    if "groups" in dataset and len(set(groups.values())) < len(groups):
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
            if groups is not None and member not in groups:
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
        example = _example(where.strip("'").split("."), schema, root)
        yield where, f"{found}; give exactly one of {', '.join(keys)}.{example}"


def _known(where: str, name: str, entries: dict[str, Any], kind: str) -> Iterator[tuple[str, str]]:
    if name not in entries:
        yield where, f"names the {kind} '{name}', which is not there; known: {', '.join(entries)}."


def _generated(
    name: str, generate: dict[str, Any], models: dict[str, Any], root: dict[str, Any]
) -> Iterator[tuple[str, str]]:
    where = f"'datasets.{name}.generate'"
    yield from _one_source(where, generate, root["$defs"]["generate"], root)
    if "model" in generate:
        yield from _known(f"'datasets.{name}.generate.model'", generate["model"], models, "model")
        if "template" not in generate:
            yield where, "needs a `template:`, the prompt that the model is given."
