"""Results in one file from which figures, tables and pages are rebuilt without a model.

An archive is a zip whose bytes follow from the files' paths and contents, what is said of them, the
configuration and the versions alone: names are sorted, dates are fixed, nothing is compressed. Last
in it stands ``manifest.json``::

    {"format": 1,
     "files": [{"path": "results/…", "bytes": 1234, "sha256": "…"}, …],
     "versions": {"python": "…", …},
     "configuration": {…}}

The hashes tell damage and half-hearted changes. Who changes a file and its hash is found out only
by the hash of the whole archive, published beside it.
"""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from matrix_entropy.base.errors import NO_ZIP, InputError
from matrix_entropy.base.files import writing
from matrix_entropy.models.provenance import versions

FORMAT = 1
MANIFEST = "manifest.json"
# What computes and draws: with the same versions a rebuild gives the same bytes.
PACKAGES = ("numpy", "scipy", "pandas", "pyarrow", "matplotlib")
EARLIEST = (1980, 1, 1, 0, 0, 0)  # that a zip can hold
UNIX = 3
CHUNK = 1 << 20
DAMAGED = (*NO_ZIP, OSError, ValueError)


def pack(
    files: Iterable[str | Path],
    folder: str | Path,
    archive: str | Path,
    configuration: dict[str, Any],
    beside: Callable[[list[dict[str, Any]]], Mapping[str, str]] = lambda _: {},
) -> None:
    """Write files of a folder and their manifest into one archive, whole or not at all.

    Parameters
    ----------
    files : iterable of path
        Relative to ``folder``, in any order; one named twice is packed once. A folder on the way
        may be a link, as scratch space often is.
    configuration : dict
        What `json` can write; in the manifest its keys keep their order, which figures follow.
    beside : callable, optional
        From what the manifest says of the files to texts that are packed behind them, by name.

    Raises
    ------
    InputError
        If a path is absolute or leads out of the folder, or is no file or a link.
    """
    folder = Path(folder)
    names = sorted({Path(file).as_posix() for file in files})
    for name in names:
        _check_name(name, "cannot be archived")
        path = folder / name
        if path.is_symlink():
            raise InputError(f"{path} is a link; archive the file that it leads to.")
        if not path.is_file():
            raise InputError(f"{path} is not there or no file; build it, then archive it.")
    with writing(archive) as temporary, ZipFile(temporary, "w", ZIP_STORED) as target:
        packed = [_add(target, name, folder / name) for name in names]
        packed += [_write(target, name, text) for name, text in beside(packed).items()]
        manifest = {
            "format": FORMAT,
            "files": packed,
            "versions": versions(*PACKAGES),
            "configuration": configuration,
        }
        _write(target, MANIFEST, json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")


def manifest_of(archive: str | Path) -> dict[str, Any]:
    """The manifest of an archive, after a check that it lists what the archive holds.

    Contents are not read; `unpack` compares them with their hashes.

    Raises
    ------
    InputError
        If the archive is not there, damaged or not one of ours; or a path in it is missing, not in
        the manifest, a link, absolute or leads out of a folder.
    """
    with _opened(archive) as source:
        return _manifest(source, archive)


def unpack(
    archive: str | Path, paths: Iterable[str | Path] | None, folder: str | Path
) -> list[Path]:
    """Write files of an archive into a folder, and tell where; None asks for all of them.

    All that is asked for is compared with its hash before anything is written. What stood at a
    path is replaced; if it was a link, the link itself.

    Raises
    ------
    InputError
        As `manifest_of`, and if a path asked for is not in the archive, or what is asked for
        differs from its hash. Nothing is written then.
    """
    with _opened(archive) as source:
        known = {entry["path"]: entry for entry in _manifest(source, archive)["files"]}
        names = list(known) if paths is None else [Path(path).as_posix() for path in paths]
        for name in names:
            if name not in known:
                raise InputError(
                    f"{archive} holds no '{name}'; ask for a path that its {MANIFEST} lists, or "
                    "build it without the archive."
                )
            for _ in _verified(source, known[name], archive):
                pass
        targets = [Path(folder) / name for name in names]
        for name, target in zip(names, targets, strict=True):
            with writing(target) as temporary, open(temporary, "wb") as stream:
                for chunk in _verified(source, known[name], archive):
                    stream.write(chunk)
    return targets


def _add(target: ZipFile, name: str, path: Path) -> dict[str, Any]:
    """Copy a file into the archive and describe it as the manifest does."""
    entry, digest = _entry(name), hashlib.sha256()
    entry.file_size = path.stat().st_size  # beyond 2 GiB the header has to be a longer one
    with open(path, "rb") as stream, target.open(entry, "w") as copy:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
            copy.write(chunk)
    return {"path": name, "bytes": entry.file_size, "sha256": digest.hexdigest()}


def _write(target: ZipFile, name: str, text: str) -> dict[str, Any]:
    """Write a text into the archive and describe it as the manifest does."""
    content = text.encode()
    target.writestr(_entry(name), content)
    return {"path": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _entry(name: str) -> ZipInfo:
    entry = ZipInfo(name, EARLIEST)
    entry.create_system = UNIX  # by itself it says on what the archive was made
    entry.external_attr = (stat.S_IFREG | 0o644) << 16
    return entry


@contextmanager
def _opened(archive: str | Path) -> Iterator[ZipFile]:
    if not Path(archive).is_file():
        raise InputError(f"{archive} is not there; give the path of an archive of results.")
    try:
        source = ZipFile(archive)
    except DAMAGED as error:
        raise _damaged(archive, error) from None
    with source:
        yield source


def _damaged(archive: str | Path, what: object) -> InputError:
    return InputError(f"{archive} is damaged or no archive ({what}); download or build it again.")


def _manifest(source: ZipFile, archive: str | Path) -> dict[str, Any]:
    held = source.infolist()
    for entry in held:
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise _damaged(archive, f"'{entry.filename}' is a link")
        # Ours never are; so what is written is never more than the archive's own size.
        if entry.compress_type != ZIP_STORED:
            raise _damaged(archive, f"'{entry.filename}' is compressed")
    names = [entry.filename for entry in held]
    if MANIFEST not in names:
        raise _damaged(archive, f"it has no {MANIFEST}")
    try:
        manifest = json.loads(source.read(MANIFEST))
    except DAMAGED as error:
        raise _damaged(archive, f"'{MANIFEST}': {error}") from None
    found = manifest.get("format") if isinstance(manifest, dict) else None
    if found != FORMAT:
        raise InputError(
            f"{archive} is of format {found!r}, and this version reads {FORMAT}; use the version "
            "of matrix-entropy that made it."
        )
    if not _is_complete(manifest):
        raise _damaged(archive, f"'{MANIFEST}' lacks something or has it in another form")
    sizes = {file["path"]: file["bytes"] for file in manifest["files"]}
    for path in sizes:
        _check_name(path, f"in {archive} is no path for a result")
    if foreign := set(names) - {*sizes, MANIFEST}:
        raise _damaged(archive, f"its {MANIFEST} does not list '{min(foreign)}'")
    if missing := set(sizes) - set(names):
        raise _damaged(archive, f"'{min(missing)}' is missing")
    folders = {str(parent) for path in sizes for parent in PurePosixPath(path).parents}
    if folders & set(sizes) or not len(names) - 1 == len(sizes) == len(manifest["files"]):
        raise _damaged(archive, "a path is there twice")
    # Entries may overlap: many that share their bytes would be more than the archive holds.
    if sum(sizes.values()) > Path(archive).stat().st_size:
        raise _damaged(archive, "its files are larger than it is")
    for path, size in sizes.items():
        if source.getinfo(path).file_size != size:
            raise _damaged(archive, f"'{path}' has not the {size} bytes of its {MANIFEST}")
    return manifest


def _is_complete(manifest: dict[str, Any]) -> bool:
    forms = {"files": list, "versions": dict, "configuration": dict}
    file_forms = {"path": str, "bytes": int, "sha256": str}
    return all(isinstance(manifest.get(key), form) for key, form in forms.items()) and all(
        isinstance(file, dict)
        and all(isinstance(file.get(key), form) for key, form in file_forms.items())
        for file in manifest["files"]
    )


def _verified(source: ZipFile, file: dict[str, Any], archive: str | Path) -> Iterator[bytes]:
    """The contents of a file in chunks; after the last one, an error if the hash differs."""
    digest = hashlib.sha256()
    try:
        with source.open(file["path"]) as stream:
            while chunk := stream.read(CHUNK):
                digest.update(chunk)
                yield chunk
    except DAMAGED as error:
        raise _damaged(archive, f"'{file['path']}': {error}") from None
    if digest.hexdigest() != file["sha256"]:
        raise _damaged(archive, f"'{file['path']}' is not what its hash says")


def _check_name(name: str, what: str) -> None:
    """Whether a path stays in the folder that it is put into, on every system."""
    path = PurePosixPath(name)
    if (
        name != str(path)
        or name in (".", MANIFEST)
        or path.is_absolute()
        or ".." in path.parts
        or set(name) & set("\\:")
        or not name.isprintable()
    ):
        raise InputError(
            f"{name!r} {what}; a path has to be relative, stay in its folder and be made of "
            f"printable characters without '\\' or ':'; '{MANIFEST}' is taken."
        )
