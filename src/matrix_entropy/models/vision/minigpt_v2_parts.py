"""The files that a MiniGPT-v2 is made of: fetched or there, and by what they are known."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import naming_a_full_disk, sha256
from matrix_entropy.sources.addresses import is_address
from matrix_entropy.sources.downloads import NotFetched, receive

FILES = ("checkpoint", "vision_encoder")
# What torch.save writes: a zip, or, before 2020, a pickle.
BEGINS = (b"PK", b"\x80")


def fetch_part(url: str, destination: Path, name: str) -> None:
    """Fetch a file of weights, and go on with what an earlier call has fetched of it.

    Raises
    ------
    InputError
        If the address does not give all of it, or something else.
    """
    part = destination.with_name(f".{destination.name}.part")
    destination.parent.mkdir(parents=True, exist_ok=True)
    try:
        with naming_a_full_disk(destination):
            receive(url, part, go_on=True)
    except NotFetched as error:
        raise InputError(
            f"model '{name}': {url} could not be fetched ({error}); run again, what has come "
            "already is kept; or put the file there yourself and write its path in the place of "
            "its address."
        ) from None
    with open(part, "rb") as stream:
        begins = stream.read(2)
    if not begins.startswith(BEGINS):
        part.unlink()
        raise InputError(
            f"model '{name}': what {url} gives are no weights of torch (their first bytes: "
            f"{begins!r}); correct the address."
        )
    os.replace(part, destination)


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
    model is made; None if nothing is recorded. Fetched files are for Snakemake to look after.
    """
    named = (parts[key] for key in FILES)
    found: dict[str, list[int] | None] = dict.fromkeys(n for n in named if not is_address(n))
    for path in found:
        if Path(path).is_file():
            found[path] = _mark(path)
        elif path in recorded:
            found[path] = [recorded[path]["size"], recorded[path]["modified"]]
    return found


def _mark(path: str) -> list[int]:
    status = Path(path).stat()
    return [status.st_size, int(status.st_mtime)]
