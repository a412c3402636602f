"""The YAML to write, from the examples of the configuration's schema."""

from __future__ import annotations

from typing import Any

import yaml


def resolve(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    reference = schema.get("$ref")
    return root["$defs"][reference.rsplit("/", 1)[1]] if reference else schema


def example(path: list[str], schema: dict[str, Any], root: dict[str, Any]) -> str:
    """The YAML to write at ``path``, from the schema's own examples."""
    schema = resolve(schema, root)
    return to_write(path, schema["examples"][0]) if "examples" in schema else ""


def to_write(path: list[str], value: Any) -> str:
    for key in reversed(path):
        # An example inside a list is shown as that list.
        value = [value] if key.isdigit() else {key: value}
    shown = yaml.safe_dump(value, sort_keys=False, default_flow_style=None, allow_unicode=True)
    return " Write for example:\n" + "\n".join(f"    {line}" for line in shown.splitlines())
