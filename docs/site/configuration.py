"""Make the reference of the configuration from its schema, and from what is known of the kinds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import yaml
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from matrix_entropy.configuration.checking import TYPES, whole_schema
from matrix_entropy.configuration.kinds import FIGURES, TABLES, Kind
from matrix_entropy.configuration.yaml_examples import resolve

PAGE = "configuration.md"
Schema = dict[str, Any]

ABOVE = """\
# Configuration reference

Every key of `config.yaml`, and of a file that you give with `--configfile`. A run, or
`snakemake -n`, refuses a key that is not here or has a wrong value; its message shows the YAML to
write instead.
This page is made from [the schema](config.schema.yaml) that the run checks with. NAME stands for a
name of your own: lower-case letters, digits and underscores. The smallest file that does something:

```yaml
models: {my_model: {path: /data/my_model}}
datasets: {my_texts: {path: /data/my_texts.jsonl, field: text}}
```
"""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page, and the schema that it is made from."""
    files.append(File.generated(config, PAGE, content=page()))
    schema = yaml.safe_dump(whole_schema(), sort_keys=False, allow_unicode=True)
    files.append(File.generated(config, "config.schema.yaml", content=schema))
    return files


def page() -> str:
    """The whole page."""
    return "\n".join([ABOVE, *sections(whole_schema())])


def sections(root: Schema) -> Iterator[str]:
    """A section for the file itself and for every mapping that has keys of its own."""
    waiting: list[tuple[str, Schema]] = [("", root)]
    seen: list[Schema] = []
    for path, schema in waiting:
        if schema in seen:
            continue
        seen.append(schema)
        yield f"## `{path}` {{ #{path.lower()} }}\n" if path else "## The file\n"
        yield from about(schema, "description" in schema and bool(path))
        for name, given in schema["properties"].items():
            key = resolve(given, root)
            at = f"{path}.{name}" if path else name
            inner = inside(key, root)
            below = at if inner is key else f"{at}.NAME"
            if inner is not None:
                waiting.append((below, inner))
            yield f"### `{at}` {{ #key-{at.lower()} }}\n"
            yield from about(key, True)
            keys = f" [Its keys](#{below.lower()})." if inner is not None else ""
            yield f"{facts(key, schema, name, root)}{keys}\n"
        for kinds in (FIGURES, TABLES):
            if schema["properties"].get("kind", {}).get("enum") == list(kinds):
                yield from described(path, kinds)


def inside(key: Schema, root: Schema) -> Schema | None:
    """The mapping with keys of its own that a key holds, or that each of its entries is."""
    if "properties" in key:
        return key
    others = key.get("additionalProperties")
    found = resolve(others, root) if isinstance(others, dict) else {}
    return found if "properties" in found else None


def about(schema: Schema, says: bool) -> Iterator[str]:
    """What it is, and what its keys have to be together."""
    if says and "enum" not in schema.get("items", {}) and "description" in schema:
        text = schema["description"].strip()
        yield f"{text[0].upper()}{text[1:]}{'' if text.endswith('.') else '.'}\n"
    if "one_of_keys" in schema:
        keys = ", ".join(f"`{key}`" for key in schema["one_of_keys"])
        yield f"An entry has exactly one of {keys}.\n"


def facts(key: Schema, parent: Schema, name: str, root: Schema) -> str:
    """What a key may be, its default, and an example."""
    found = [f"*Value:* {allowed(key, root)}."]
    if name in parent.get("required", []):
        found.append("*Required.*")
    if key.get("default") not in (None, [], {}):
        found.append(f"*Default:* `{flow(key['default'])}`.")
    if "examples" in key:
        found.append(f"*Example:* `{flow({name: key['examples'][0]})}`.")
    return " ".join(found)


def allowed(key: Schema, root: Schema) -> str:
    """The values of a key in words."""
    key = resolve(key, root)
    if "anyOf" in key:
        return ", or ".join(allowed(each, root) for each in key["anyOf"])
    if "const" in key:
        return f"`{flow(key['const'])}`"
    if "enum" in key:
        return "one of " + ", ".join(f"`{flow(value)}`" for value in key["enum"])
    if key["type"] == "array":
        return f"a list, each {allowed(key['items'], root)}"
    words = TYPES[key["type"]]
    limits = {"minimum": "at least", "exclusiveMinimum": "more than", "maximum": "at most"}
    said = [f"{limit} {key[name]:g}" for name, limit in limits.items() if name in key]
    return f"{words}, {' and '.join(said)}" if said else words


def described(path: str, kinds: dict[str, Kind]) -> Iterator[str]:
    """What each kind shows, and the keys that its entry has."""
    yield f"### Kinds of `{path.partition('.')[0]}`\n"
    for name, kind in kinds.items():
        needs = ", ".join(f"`{key}`" for key in kind.needs)
        allows = ", ".join(f"`{key}`" for key in kind.allows)
        keys = f" Needs {needs}." if needs else " Needs no other key."
        yield f"- `{name}`: {kind.says}.{keys}{f' May have {allows}.' if allows else ''}"
    yield ""


def flow(value: Any) -> str:
    """A value as YAML in one line."""
    if isinstance(value, dict) and len(value) == 1:
        ((key, inner),) = value.items()
        return f"{key}: {flow(inner)}"
    if isinstance(value, str) and "\n" in value:  # which YAML would write over lines
        return json.dumps(value)
    shown = yaml.safe_dump(
        value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10_000
    )
    return shown.removesuffix("\n").removesuffix("\n...")
