"""What every result carries: which model, which texts, which versions made it."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from typing import Any

from matrix_entropy.base.errors import InputError
from matrix_entropy.sources.model_files import HASHES

# What a shard's provenance says of itself; all else the shards of a data set have in common.
COUNTS = ("tokens", "truncated_texts")
# Said where there are large matrices only (`maths.spectra.solver`).
SOLVER = "large_matrices"
# The same of matrices that a GPU was given in batches (`results.found_spectra`); counts too.
BATCHES = ("batched_matrices", "solved_again")


def described(record: dict[str, Any]) -> dict[str, Any]:
    """A resolved model's record without folders and times, which differ between machines."""
    local = ("folder", "adapter", "marks")
    return {key: value for key, value in record.items() if key not in local}


def versions(*packages: str) -> dict[str, str]:
    """Versions of Python, of this project and of the packages named.

    Installed builds are named without their local part, which says how they were built only.
    """
    from matrix_entropy import __version__

    found = {name: version(name).split("+")[0] for name in packages}
    return {"python": platform.python_version(), "matrix_entropy": __version__, **found}


def untrained_record(
    name: str, base: dict[str, Any], seed: int, initializer_range: float | None = None
) -> dict[str, Any]:
    """Record of an untrained model of a resolved model's architecture.

    `models.loading.load_model` draws its weights from the seed, with ``initializer_range``
    if one is given. Id, commit and hashes are those of the model whose configuration is taken.
    """
    kept = (
        *("id", "revision", "commit", "package", "gguf", "folder"),
        *("stand_in", *HASHES, "parameters"),
    )
    return {
        "model": name,
        "source": "untrained",
        **{key: base[key] for key in kept if key in base},
        "untrained_seed": seed,
        **({} if initializer_range is None else {"initializer_range": initializer_range}),
    }


def check_kept(provenance: dict[str, Any], layer: int | str, kept: Iterable[int | str]) -> None:
    """See that a layer is among those that a result holds.

    Raises
    ------
    InputError
        If it is not: it was not asked for, or the model has no such layer.
    """
    name, held = provenance["model"]["model"], list(map(str, kept))
    if str(layer) in held:
        return
    if layer == "final" and provenance.get("options", {}).get("extract") == "all":
        raise InputError(
            f"model '{name}' has no layer `final`: its architecture has no normalisation behind "
            "its blocks that is known here; show another of its layers, or another model."
        )
    raise InputError(
        f"layer {layer} of model '{name}' was not kept, but {', '.join(held)}; add it to "
        "`extract:` of the model."
    )


def common_provenance(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What files of several layers say of the same texts; what differs, as a list in their order.

    Examples
    --------
    >>> common_provenance([{"model": "m", "tokens": 5}, {"model": "m", "tokens": 7}])
    {'model': 'm', 'tokens': [5, 7]}
    """
    first, *others = parts
    return {
        key: value if all(part[key] == value for part in others) else [part[key] for part in parts]
        for key, value in first.items()
    }


def joined_provenance(
    parts: Sequence[dict[str, Any]], name: str, what: str, settings: Sequence[Any] = ()
) -> dict[str, Any]:
    """What the shards of a data set, in their order, say as one.

    Parameters
    ----------
    parts : sequence of dict
        The provenance of every shard.
    name, what : str
        What the data set and the files of its shards are called in messages.
    settings : sequence, optional
        Of every shard, what must also be the same.

    Raises
    ------
    InputError
        If a shard is missing, or the shards come from different models, texts or options.
    """
    for number, part in enumerate(parts, start=1):
        if part["shard"] != [number, len(parts)]:
            found = "/".join(map(str, part["shard"]))
            raise InputError(
                f"{name}: shard {number} of {len(parts)} is missing, {found} stands in its place; "
                f"delete the {what} of its shards and run again."
            )
    own = (*COUNTS, *BATCHES, "shard", SOLVER)
    solvers = {part[SOLVER] for part in parts if SOLVER in part}
    shared = [{key: part[key] for key in part if key not in own} for part in parts]
    others = [one != shared[0] for one in shared] + [one != settings[0] for one in settings]
    if any(others) or len(solvers) > 1:
        raise InputError(
            f"{name}: its shards come from different models, texts, options or versions; "
            f"delete the {what} of its shards and run again."
        )
    said = [key for key in BATCHES if any(key in part for part in parts)]
    totals = {key: sum(part.get(key, 0) for part in parts) for key in (*COUNTS, *said)}
    solver = {SOLVER: solvers.pop()} if solvers else {}
    return parts[0] | totals | solver | {"shard": [1, 1]}
