"""The files that a MiniGPT-v2 is made of: whether they are there, and by what they are known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matrix_entropy.errors import InputError
from matrix_entropy.files import sha256

FILES = ("checkpoint", "vision_encoder")


def find_parts(parts: dict[str, str], name: str) -> dict[str, dict[str, Any]]:
    """What is known of the files that a ``minigpt_v2:`` names, by path as it is named there.

    Parameters
    ----------
    parts : dict
        The entry of the configuration: ``checkpoint`` and ``vision_encoder``, paths of files, and
        perhaps ``fetch_from``, where they are to be had, for the message that one is missing.
    name : str
        What the configuration calls the model.

    Returns
    -------
    dict of str to dict
        ``sha256``, ``size`` in bytes, and ``modified`` in whole seconds since 1970.

    Raises
    ------
    InputError
        If a file is missing; all that are missing are named.
    """
    missing = [parts[key] for key in FILES if not Path(parts[key]).is_file()]
    if missing:
        named = " and no file ".join(str(Path(path).absolute()) for path in missing)
        to_be_had = f" To be had from: {parts['fetch_from']}." if "fetch_from" in parts else ""
        raise InputError(
            f"model '{name}': there is no file {named}, which its `minigpt_v2:` names; put what is "
            f"missing there, or correct the path.{to_be_had}"
        )
    found = {}
    for key in FILES:
        size, modified = _mark(parts[key])
        found[parts[key]] = {"sha256": sha256(parts[key]), "size": size, "modified": modified}
    return found


def marks(
    parts: dict[str, str], recorded: dict[str, dict[str, Any]]
) -> dict[str, list[int] | None]:
    """``[size, modified]`` of the files that a ``minigpt_v2:`` names, by path.

    They tell a changed file from the one that was read, without reading it. Of a file that is not
    there they are those that `find_parts` has ``recorded``, so that it may be removed once the
    model is made; None if nothing is recorded.
    """
    found: dict[str, list[int] | None] = dict.fromkeys(parts[key] for key in FILES)
    for path in found:
        if Path(path).is_file():
            found[path] = _mark(path)
        elif path in recorded:
            found[path] = [recorded[path]["size"], recorded[path]["modified"]]
    return found


def _mark(path: str) -> list[int]:
    status = Path(path).stat()
    return [status.st_size, int(status.st_mtime)]
