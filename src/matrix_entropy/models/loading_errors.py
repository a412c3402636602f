"""What libraries raise while a model is loaded, as one sentence: what is wrong and what to do.

transformers, tokenizers, safetensors and torch raise whatever their code meets in a folder that
they do not understand, from `ImportError` to `KeyError`. All of it passes through here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from matrix_entropy.base.errors import LONGEST, InputError, first_line
from matrix_entropy.base.files import is_full_disk

# What a panic of a library in Rust is called here; no `Exception`, and not to be imported.
PANIC = "PanicException"


@contextmanager
def explaining(called: str, folder: str | Path) -> Iterator[None]:
    """Let what a library raises in the block be one sentence about the model in ``folder``.

    ``called`` is what the message calls the model. An `InputError` and a full disk pass.

    Raises
    ------
    InputError
        For every error in the block.
    """
    try:
        yield
    except InputError:
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != PANIC:
            raise
        if is_full_disk(error):
            raise
        said = _explanation(error, Path(folder))
        raise InputError(f"{called} cannot be loaded from {folder}: {said}.") from None


def _explanation(error: BaseException, folder: Path) -> str:
    said, kind = first_line(error), type(error).__name__
    broken = _first_broken(folder)
    if broken:
        return f"{broken}; fetch or save the model again"
    config = _config(folder)
    if "trust_remote_code" in str(error) or "custom code" in str(error):
        return (
            "it needs code of its own, which this project never runs; use a model whose "
            "architecture is part of transformers"
        )
    if kind == "UnpicklingError" or "Weights only load failed" in str(error):
        return (
            f"its pickled weights cannot be read without running code ({said}); name a revision "
            "that has safetensors"
        )
    if isinstance(error, MemoryError) or kind == "OutOfMemoryError":
        return (
            f"memory runs out ({said}); run where there is more, with `device_map: auto`, or with "
            "`dtype: bfloat16`"
        )
    quantised = config.get("quantization_config")
    if quantised:
        method = quantised.get("quant_method") if isinstance(quantised, dict) else None
        return (
            f"its weights are quantised ({method or 'in an unknown way'}), and what reads them "
            f"does not work here ({said}); install it, or give the model as it was before it was "
            "quantised"
        )
    if isinstance(error, ImportError):
        return (
            f"it needs what is not installed here ({said}); install that, or remove from its "
            "config.json what asks for it (`attn_implementation`, say)"
        )
    if kind == "SafetensorError":
        return f"its weights are damaged ({said}); fetch or save it again"
    if kind in ("Exception", PANIC):  # of tokenizers, which has no other
        return (
            "its tokenizer is damaged, or of a newer format than tokenizers "
            f"{version('tokenizers')} reads ({said}); fetch it again, install what wrote it, or "
            "save it again with what is installed"
        )
    if isinstance(error, KeyError):
        said = f"transformers knows nothing called {said}, or the model's files lack it"
    elif kind.endswith("ValidationError"):  # which field, and behind it why
        said = " ".join(str(error).split())[:LONGEST]
    elif not isinstance(error, (ValueError, OSError)):
        said = f"{said} ({kind})"
    wrote, here = str(config.get("transformers_version")), version("transformers")
    if _numbers(wrote) > _numbers(here):
        return f"{said}; it was saved by transformers {wrote}, newer than {here} here: install that"
    return f"{said}; correct its config.json or its tokenizer, or fetch or save it again"


def _first_broken(folder: Path) -> str | None:
    """What is wrong with the first JSON file that cannot be read."""
    for path in sorted(folder.glob("*.json")):
        try:
            json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            return f"{path.name} cannot be read ({first_line(error)})"
    return None


def _config(folder: Path) -> dict[str, Any]:
    """The model's configuration, empty if there is none."""
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return config if isinstance(config, dict) else {}


def _numbers(of_version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", of_version)[:3]]
