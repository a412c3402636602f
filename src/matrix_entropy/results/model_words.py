"""What a model is, in the words of titles and captions: the one place for all figures and tables.

A stand-in is not the model that it is named after, and quantised weights are not quite those that
were trained; what is drawn from either says so.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

Record = dict[str, Any]


def count(number: float) -> str:
    """A number of parameters in three digits, as models are named after it.

    Examples
    --------
    >>> count(950), count(13_120), count(1_414_647_808)
    ('950', '13.1k', '1.41B')
    """
    for unit, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if number >= 0.9995 * unit:
            return f"{float(f'{number / unit:.3g}'):g}{letter}"
    return f"{number:g}"


def weights_of(record: Record) -> str:
    """What was done to a model's weights before they were stored; nothing if they are as trained.

    Fresh weights were never stored.

    Examples
    --------
    >>> weights_of({"gguf": {"weights": "4-bit weights, dequantised"}}), weights_of({})
    ('4-bit weights, dequantised', '')
    """
    return "" if "untrained_seed" in record else record.get("gguf", {}).get("weights", "")


def in_title(called: str, record: Record) -> str:
    """How a title calls one model.

    Examples
    --------
    >>> in_title("GPT-2", {"stand_in": True})
    'GPT-2 stand-in'
    >>> in_title("GPT-2", {"stand_in": False, "gguf": {"weights": "4-bit weights, dequantised"}})
    'GPT-2 (4-bit weights, dequantised)'
    """
    if record["stand_in"]:
        return f"{called} stand-in"
    weights = weights_of(record)
    return f"{called} ({weights})" if weights else called


def origin_of(record: Record) -> str:
    """Where one model's weights come from, for a caption.

    Examples
    --------
    >>> origin_of({"id": "openai-community/gpt2", "commit": "607a30d783dfa663caf39e06633721c8"})
    'openai-community/gpt2 at 607a30d783df'
    >>> gguf = {"file": "m.Q4_1.gguf", "tensors": {"Q4_1": 210, "F32": 61},
    ...         "weights": "4-bit weights, dequantised"}
    >>> origin_of({"source": "package", "id": "llm-m 0.1", "gguf": gguf})
    'm.Q4_1.gguf of llm-m 0.1 (4-bit weights, dequantised; tensors: 210 Q4_1, 61 F32)'
    """
    commit = record.get("commit", "")[:12]
    origin = f"{record['id']} at {commit}" if commit else str(record["id"])
    if "gguf" not in record:
        return origin
    gguf = record["gguf"]
    if record["source"] != "path":  # whose id names the file
        origin = f"{gguf['file']} of {origin}"
    if not weights_of(record):
        return origin
    tensors = ", ".join(f"{number} {kind}" for kind, number in gguf["tensors"].items())
    return f"{origin} ({gguf['weights']}; tensors: {tensors})"


def described(called: str, record: Record) -> tuple[str, str]:
    """How a title calls one model, and what the caption says of it first."""
    if record["stand_in"]:
        return in_title(called, record), not_the_model(called, record["parameters"])
    return in_title(called, record), origin_of(record)


def not_the_model(title: str, parameters: float) -> str:
    """What a figure of a single stand-in says of it.

    Examples
    --------
    >>> not_the_model("GPT-2", 13_120)
    'Not GPT-2 but a stand-in of 13.1k parameters, trained in seconds on generated texts'
    """
    size = count(parameters)
    return f"Not {title} but a stand-in of {size} parameters, trained in seconds on generated texts"


def not_the_models(names: str, parameters: pd.Series) -> str:
    """The same of several.

    Examples
    --------
    >>> not_the_models("GPT-2 and OPT", pd.Series([5_000, 20_000]))
    'Not GPT-2 and OPT but stand-ins of 5k to 20k parameters, trained in seconds on generated texts'
    """
    sizes = list(map(count, sorted(parameters)))
    span = " to ".join(dict.fromkeys((sizes[0], sizes[-1])))
    return f"Not {names} but stand-ins of {span} parameters, trained in seconds on generated texts"


def together(names: str, models: pd.DataFrame) -> str:
    """How a title calls several models, or one by its ``names``, none of which is a stand-in.

    ``models`` has the columns ``model`` and, as `weights_of` gives it, ``weights``; rows of a model
    with fresh weights may be among them.

    Examples
    --------
    >>> together("A and B", pd.DataFrame({"model": ["a", "b"], "weights": "4-bit, dequantised"}))
    'A and B (4-bit, dequantised)'
    >>> together("A and B", pd.DataFrame({"model": ["a", "b"], "weights": ["", "4-bit"]}))
    'A and B (some quantised)'
    """
    found = set(models.groupby("model")["weights"].max())
    if found == {""}:
        return names
    return f"{names} ({found.pop() if len(found) == 1 else 'some quantised'})"


def quantised(models: pd.DataFrame) -> str:
    """What a caption says of the weights of several models; nothing if none is quantised.

    ``models`` is as `together` takes it, with ``model_title``.

    Examples
    --------
    >>> models = pd.DataFrame(
    ...     {"model": list("abc"), "model_title": list("ABC"), "weights": ["", "4-bit", "4-bit"]}
    ... )
    >>> quantised(models)
    'B, C: 4-bit'

    Models that share a title and not their weights are told apart by their names.

    >>> quantised(models.assign(model_title="A"))
    'A (b), A (c): 4-bit'
    """
    found = models.groupby("model", sort=False)[["model_title", "weights"]].max().reset_index()
    alike = found.groupby("model_title")["weights"].transform("nunique") == 1
    named = found["model_title"] + " (" + found["model"] + ")"
    found = found.assign(model_title=found["model_title"].where(alike, named))
    stored = found[found["weights"].ne("")].drop_duplicates("model_title")
    groups = stored.groupby("weights", sort=False)["model_title"]
    return "; ".join(f"{', '.join(titles)}: {words}" for words, titles in groups)
