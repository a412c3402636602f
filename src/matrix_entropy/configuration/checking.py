"""Check the configuration: one sentence names the wrong key and shows what to write instead."""

from __future__ import annotations

import copy
import difflib
import functools
import math
from collections.abc import Iterable
from typing import Any

from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import ValidationError

from matrix_entropy.base.errors import InputError
from matrix_entropy.base.shipped import SCHEMA
from matrix_entropy.base.yaml_files import read_yaml
from matrix_entropy.configuration.contradictions import contradictions
from matrix_entropy.configuration.kinds import FIGURES, TABLES, described
from matrix_entropy.configuration.papers import with_papers
from matrix_entropy.configuration.stand_ins import STAND_INS
from matrix_entropy.configuration.vision_checks import MULTIMODAL
from matrix_entropy.configuration.yaml_examples import example, resolve
from matrix_entropy.sources.model_sizes import with_sizes

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

DEEPEST = 20  # levels; the schema has six
MOST_DIGITS = 30  # of a number in a message


def _is_finite(value: int | float) -> bool:
    """Whether a number can be computed with: a whole number may be too large for a float."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


# JSON Schema counts 12.0 among the whole numbers, which Python's range() does not, and YAML's .inf
# and .nan among the numbers, with which nothing can be computed.
VALIDATOR = validators.extend(
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine_many(
        {
            "integer": lambda _, value: (
                isinstance(value, int) and not isinstance(value, bool) and _is_finite(value)
            ),
            "number": lambda _, value: (
                isinstance(value, int | float) and not isinstance(value, bool) and _is_finite(value)
            ),
        }
    ),
)


def checked(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration with its papers' entries, and defaults filled in.

    Raises
    ------
    InputError
        If a key is unknown or missing, a value has a wrong type, a name refers to nothing, or an
        entry does not say in exactly one way where its model or data set comes from.
    """
    _check_words(config, [])
    config = with_papers(config)
    schema = whole_schema()
    validator = VALIDATOR(schema)
    # The deepest error is the most precise: the others follow from it.
    errors = sorted(validator.iter_errors(config), key=lambda error: -len(error.absolute_path))
    if errors:
        raise InputError(_sentence(errors[0], schema))
    config = _with_defaults(config, schema, schema)
    config["models"] = with_sizes(config["models"])
    for where, message in contradictions(config, schema):
        raise InputError(f"configuration: {where} {message}")
    return config


def _check_words(value: Any, path: list[str]) -> None:
    """See that every name is a text, and every text made of characters that can be written.

    YAML takes ``01:`` for a number and ``No:`` for false; both would be shown as something else.
    """
    where = ".".join(path) or "the top level"
    if len(path) > DEEPEST:
        raise InputError(f"configuration: '{path[0]}' goes more than {DEEPEST} levels deep.")
    if isinstance(value, str):
        if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise InputError(
                f"configuration: '{where}' is {value!r}, which has the character NUL or half a "
                "character in it; remove it."
            )
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            _check_words(inner, [*path, str(number)])
    elif isinstance(value, dict):
        for name, inner in value.items():
            # The names of entries have a rule of their own, in the schema.
            if not isinstance(name, str) and len(path) != 1:
                raise InputError(
                    f"configuration: the name of '{'.'.join([*path, str(name)])}' is {name!r}, "
                    "which is no text; put it in quotes."
                )
            _check_words(name, path)
            _check_words(inner, [*path, str(name)])


@functools.cache
def whole_schema() -> dict[str, Any]:
    """The schema of a configuration, with the kinds and architectures that there are."""
    # Reading it takes five times as long as checking a configuration with it.
    schema: dict[str, Any] = read_yaml(SCHEMA)
    for entry, known in (("figure", FIGURES), ("table", TABLES)):
        kind = schema["$defs"][entry]["properties"]["kind"]
        kind["description"] = described(known)
        _choices(kind, known)
    _choices(schema["$defs"]["train"]["properties"]["architecture"], [*STAND_INS, *MULTIMODAL])
    return schema


def _choices(key: dict[str, Any], names: Iterable[str]) -> None:
    """Let a text be one of some names only."""
    del key["type"]
    key["enum"] = list(names)


def _with_defaults(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> Any:
    schema = resolve(schema, root)
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
        default = resolve(inner, root).get("default")
        if key not in filled and default is not None:
            # A copy, since the schema is read once for all configurations.
            filled[key] = copy.deepcopy(default)
    return filled


def _sentence(error: ValidationError, root: dict[str, Any]) -> str:
    path = [str(part) for part in error.absolute_path]
    where = ".".join(path) or "the top level"
    schema, given = resolve(error.schema, root), _given(error.instance)
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
        problem = f"'{where}' is {given}, but a number of {limit} is expected."
    elif error.validator == "type":
        wanted = TYPES[error.validator_value]
        problem = f"'{where}' is {given}, but {wanted} is expected."
        if isinstance(error.instance, bool) and error.validator_value == "string":
            problem += " YAML takes words such as No for true or false: put it in quotes."
    elif error.validator == "enum":
        choices = ", ".join(str(choice) for choice in error.validator_value)
        problem = f"'{where}' is {given}, but one of {choices} is expected."
    else:
        said = schema.get("description", "").strip()
        problem = f"'{where}' is {given}, which is not allowed ({said or error.message})"
    if "propertyNames" not in error.schema_path:
        path, schema = _shown(path, root)
    return f"configuration: {problem}{example(path, schema, root)}"


def _given(value: Any) -> str:
    """A value as it was written, or how long it is where nobody would count the digits."""
    if isinstance(value, int) and abs(value) >= 10**MOST_DIGITS:
        return f"a number of {math.floor(math.log10(abs(value))) + 1} digits"
    return repr(value)


def _shown(path: list[str], root: dict[str, Any]) -> tuple[list[str], dict[str, Any]]:
    """The deepest schema with examples on the way to ``path``, and the way to it."""
    schema = root
    found: tuple[list[str], dict[str, Any]] = ([], root)
    for number, key in enumerate(path, start=1):
        inner = schema.get("properties", {}).get(key) or schema.get("additionalProperties")
        schema = resolve(inner or schema.get("items") or {}, root)
        if "examples" in schema:
            found = (path[:number], schema)
    return found
