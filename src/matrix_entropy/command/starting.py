"""`matrix-entropy init`: a folder with a config.yaml for a model and texts of one's own."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import writing

CONFIG = """\
# Made by `matrix-entropy init`. The configuration reference says what else may stand here.
hidden_states: stream # spectra are computed while the model runs; nothing else is written

models:
  {model}:
{model_entry}
datasets:
  {texts}:
{texts_entry}
figures:
  layers:
    title: Matrix entropy across the blocks
    kind: layers
    model: {model}
    dataset: {texts}
"""
# What a name of the configuration may not have in it.
UNNAMED = re.compile(r"\W+")


def add_to(parts: Any) -> None:
    """Describe this part of the command line."""
    part = parts.add_parser(
        "init",
        help="make a folder with a config.yaml for your own model and texts",
        description="Make a folder with a config.yaml for a model and texts of your own.",
        allow_abbrev=False,
    )
    part.add_argument("folder", type=Path, help="a new or an empty folder")
    part.add_argument("--model", required=True, help="a folder, a GGUF file, or an id of the hub")
    part.add_argument("--texts", required=True, type=Path, help="a file of texts")
    part.add_argument("--field", help="of a file's records, where the text is; default text")
    part.add_argument("--group-field", metavar="FIELD", help="the field that names the group")
    part.add_argument("--revision", help="branch, tag or commit on the hub")
    part.set_defaults(run=run)


def run(asked: argparse.Namespace) -> None:
    """Write the file, and say what to type next."""
    config = asked.folder / "config.yaml"
    if asked.folder.exists() and (not asked.folder.is_dir() or any(asked.folder.iterdir())):
        raise InputError(f"{asked.folder} is there already, and not empty; name a new folder.")
    if not asked.texts.is_file():
        raise InputError(f"there is no file of texts {asked.texts}; correct --texts.")
    names = {"model": _name(asked.model), "texts": _name(asked.texts.name)}
    if names["model"] == names["texts"]:
        names["texts"] += "_texts"
    texts = {"path": str(asked.texts.resolve()), "field": asked.field}
    texts |= {"group_field": asked.group_field}
    text = CONFIG.format(**names, model_entry=_lines(_model(asked)), texts_entry=_lines(texts))
    with writing(config) as temporary:
        temporary.write_text(text, encoding="utf-8")
    print(f"{config} is written. Next:")
    print(f"  cd {asked.folder}\n  matrix-entropy check\n  matrix-entropy run figures/layers.pdf")


def _model(asked: argparse.Namespace) -> dict[str, Any]:
    """The entry of a model; of one on the hub, with the sizes that its config.json states."""
    path = Path(asked.model).expanduser()
    if path.exists():
        return {"path": str(path.resolve())}
    if not re.fullmatch(r"[\w-][\w.-]*(?:/[\w.-]+)?", asked.model) or path.suffix == ".gguf":
        raise InputError(
            f"there is no model {asked.model}: no such folder or file, and no id of the hub; "
            "correct --model."
        )
    from matrix_entropy.sources.hub import snapshot
    from matrix_entropy.sources.model_sizes import sizes_in_folder

    revision = asked.revision or "main"
    folder = snapshot("model", _name(asked.model), asked.model, revision, ["config.json"])
    sizes = sizes_in_folder(folder)
    return {"hub": asked.model, "revision": folder.name, **sizes}


def _name(path: str) -> str:
    """A name for the configuration, of the last part of a path.

    Examples
    --------
    >>> _name("/data/SmolLM2-135M.Q4_1.gguf"), _name("texts.jsonl.gz"), _name("7b/")
    ('smollm2_135m_q4_1', 'texts', 'm_7b')
    """
    last = re.sub(r"\.(gguf|gz|txt|csv|json|jsonl|ndjson|parquet)\b", "", Path(path).name.lower())
    name = UNNAMED.sub("_", last).strip("_")
    return name if re.match(r"[a-z]", name) else f"m_{name}"


def _lines(entry: dict[str, Any]) -> str:
    """The lines of an entry, texts in quotes: a path may look like a number."""
    found = (f"    {k}: {json.dumps(v)}" for k, v in entry.items() if v is not None)
    return "\n".join(found)
