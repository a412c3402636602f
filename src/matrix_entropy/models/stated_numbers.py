"""Numbers of a config.json that no model has, which would take all the time or memory there is.

transformers believes them: it makes a list for so many layers, a name for so many labels and
matrices of such sizes before it looks at the weights. So they are looked at before it does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch import device, nn
from transformers import AutoModelForCausalLM, PretrainedConfig

from matrix_entropy.base.errors import InputError
from matrix_entropy.models.placement import parameter_count

# All are far above what any known model has; other keys may say what they like.
# (GPT-Neo's `attention_types` say how many layers are of a kind.)
MOST = (("layer", 10_000), ("attention_types", 10_000), ("label", 100_000))
MOST_OF_A_SIZE = 10**9
SIZES = ("size", "dim", "head", "position", "expert", "embd", "inner", "vocab", "rank")
MOST_VALUES, DEEPEST = 100_000, 50
LONGEST = 30  # digits that a message repeats
# A model has as many values as its weights, twice as many if a matrix is shared, and where weights
# are missing their names are what helps; only what is beyond both is refused here.
TIMES, SMALL = 4, 10**8


def check_numbers(called: str, folder: Path) -> None:
    """See that the config.json of a model's folder states nothing beyond reason.

    What is no JSON, and what is wrong with it otherwise, is for those who load it.

    Raises
    ------
    InputError
        With the key and its number; ``called`` is what the message calls the model.
    """
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return
    for number, (key, value, depth) in enumerate(_values(config)):
        if number > MOST_VALUES or depth > DEEPEST:
            how = f"more than {MOST_VALUES:,} values" if depth <= DEEPEST else "too deep a nesting"
            raise InputError(
                f"{called}: {path} has {how}, below `{key}`; correct it, or fetch the model again."
            )
        most = _most(key)
        if most and isinstance(value, int) and abs(value) > most:
            raise InputError(
                f"{called}: {path} states `{key}: {str(value)[:LONGEST]}`, and no model has more "
                f"than {most:,}; correct it, or fetch the model again."
            )


def check_stored(called: str, config: PretrainedConfig, folder: Path) -> None:
    """See that a configuration does not ask for far more values than the weights' files hold.

    Raises
    ------
    InputError
        With the largest matrix, and the key of its size if there is one.
    """
    if hasattr(config, "quantization_config") or not list(folder.glob("*.safetensors")):
        return
    try:
        with device("meta"):  # takes no memory
            model: nn.Module = AutoModelForCausalLM.from_config(config)
    except Exception:  # whatever it is, it is said where the model is loaded
        return
    stated, stored = sum(p.numel() for p in model.parameters()), parameter_count(folder)
    if stated <= TIMES * stored + SMALL:
        return
    name, largest = max(model.named_parameters(), key=lambda found: found[1].numel())
    numbers = {k: n for k, n in config.to_dict().items() if type(n) is int and n > 0}
    # Such as a size of a head, of which there are several.
    divisors = [key for key, n in numbers.items() if max(largest.shape) % n == 0]
    key = max(divisors, key=lambda key: numbers[key], default="")
    raise InputError(
        f"{called}: {folder / 'config.json'} describes a model of {stated:,} values, the most in "
        f"{name} {tuple(largest.shape)} (`{key}: {numbers.get(key)}`), but its weights hold "
        f"{stored:,}; correct it, or fetch the model again."
    )


def _most(key: str) -> int | None:
    if any(word in key for word in SIZES):
        return MOST_OF_A_SIZE
    return next((most for word, most in MOST if word in key), None)


def _values(config: Any) -> Iterator[tuple[str, Any, int]]:
    """Key, value and depth of everything in a JSON value; items of a list have the list's key."""
    waiting = [("", config, 0)]
    while waiting:
        key, value, depth = waiting.pop()
        yield key, value, depth
        if isinstance(value, dict):
            waiting += ((inner, found, depth + 1) for inner, found in value.items())
        elif isinstance(value, list):
            waiting += ((key, found, depth + 1) for found in value)
