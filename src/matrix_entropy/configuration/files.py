"""The files of a configuration, read strictly before Snakemake merges what is in them.

Snakemake and its YAML reader keep the last of two equal keys, and of an entry that two files have
the keys that only the first one gives. What comes out of that is what nobody wrote.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from matrix_entropy.base.errors import InputError
from matrix_entropy.base.json_text import parsed_json
from matrix_entropy.base.shipped import PAPERS
from matrix_entropy.configuration.papers import FILE

# Sections whose keys are names of entries.
SECTIONS = ("models", "datasets", "figures", "tables")
SHOWN = 4  # keys in a message
DEEPEST = 20  # levels; the schema has six
MOST_DIGITS = 1_000  # of a number, long before Python gives up
LARGEST = 1_000_000  # values, those that aliases repeat counted every time
READER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Way = tuple[str, ...]


def check_files(own: Path, given: Sequence[Path], replaced: bool = False) -> None:
    """See that no file of a configuration loses what it says, be it by itself or by another file.

    Parameters
    ----------
    own : Path
        The config.yaml that Snakemake begins with; it may be missing.
    given : sequence of Path
        The files of ``--configfile``, each of which is merged over those before it.
    replaced : bool
        Whether these stand in the place of ``own`` (``--replace-workflow-config``).

    Raises
    ------
    InputError
        If a file cannot be read, is no YAML (nor JSON) or more than one document, has a key twice,
        is nested too deep, or contains itself; or if an entry of one file would keep keys of an
        entry of that name in another one.
    """
    files = [own] if own.is_file() and not replaced else []
    read = {file.resolve(): read_strictly(file.resolve()) for file in (*files, *given)}
    # Papers come before all files. One that names papers may state their keys anew.
    named = [found["papers"] for found, _ in read.values() if "papers" in _mapping(found)]
    known = [PAPERS / str(name) / FILE for name in (named[-1] or [] if named else [])]
    papers = {path: read_strictly(path) for path in known if path.is_file()}
    before = [(path, *content) for path, content in papers.items()]
    for path, (found, lines) in read.items():
        for other, others, other_lines in before:
            if other in papers and "papers" in _mapping(found):
                continue
            for way, theirs, ours in _shared(others, found):
                if kept := _kept(theirs, ours):
                    raise InputError(
                        f"configuration: {_place(path, lines, way)} uses the name "
                        f"'{'.'.join(way)}' of {_place(other, other_lines, way)} whose "
                        f"{_keys(kept)} it would keep; use another name, or state these keys as "
                        "well."
                    )
        before.append((path, found, lines))


def read_strictly(path: Path) -> tuple[Any, dict[Way, int]]:
    """What a file of a configuration holds, and the line of every key that is found in it.

    JSON has no lines here.

    Raises
    ------
    InputError
        As `check_files` says of one file.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"configuration: {path} cannot be read ({error.strerror}); correct its path, and name "
            "targets before --configfile, which takes what follows it for files."
        ) from None
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"configuration: {path}, line {line} is not UTF-8 text (byte {content[error.start]:#x} "
            "begins no character); save the file as UTF-8."
        ) from None
    try:
        json.loads(text)
    except (ValueError, RecursionError):  # as a rule it is YAML
        return _yaml(text, path)
    return parsed_json(text, f"configuration: {path}", ""), {}


def _yaml(text: str, path: Path) -> tuple[Any, dict[Way, int]]:
    try:
        lines = _lines(text, path)
        return yaml.load(text, READER), lines
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, problem = (mark.line, error.problem) if mark else (0, str(error))
        if "\t" in "".join(text.splitlines()[line : line + 1]):
            problem = "a tab, where YAML wants blanks"
        problem = f"is not valid YAML ({problem}); correct it"
    except yaml.YAMLError as error:  # of the characters themselves, such as NUL
        line = text.count("\n", 0, getattr(error, "position", 0))
        problem = "holds a character that YAML does not know; remove it"
    except ValueError as error:  # a date that there is not
        raise InputError(
            f"configuration: {path} has a value that cannot be read ({error}); correct it, or put "
            "it in quotes."
        ) from None
    raise _stop(path, line, problem)


def _stop(path: Path, line: int, problem: str) -> InputError:
    return InputError(f"configuration: {path}, line {line + 1} {problem}.")


@dataclass
class _Open:
    """A mapping or a list whose end has not been read."""

    way: Way
    line: int
    is_mapping: bool
    anchor: str | None
    values: int = 1
    key: str | None = None  # of a mapping, whose value comes next
    keys: dict[str, int] = field(default_factory=dict)


def _lines(text: str, path: Path) -> dict[Way, int]:
    """The line of every key of a YAML file, by the keys that lead there.

    Events, unlike nodes, are read without recursion, however deep the file goes.
    """
    lines: dict[Way, int] = {}
    sizes: dict[str, int] = {}
    inside: list[_Open] = []
    documents = 0

    def add(values: int, line: int) -> None:
        """Count a value that is complete in what it stands in."""
        if inside:
            inside[-1].values += values
            inside[-1].key = None
            if inside[-1].values > LARGEST:
                raise _stop(path, line, f"repeats more than {LARGEST:,} values; use fewer aliases")

    for event in yaml.parse(text, READER):
        line = event.start_mark.line
        parent = inside[-1] if inside else None
        in_key = parent is not None and parent.is_mapping and parent.key is None
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise _stop(path, line, "begins a second document; remove the '---'")
        elif isinstance(event, yaml.ScalarEvent):
            if event.implicit[0] and len(event.value) > MOST_DIGITS and event.value.isdigit():
                raise _stop(path, line, f"has a number of {len(event.value)} digits; shorten it")
            if in_key and event.value == "__use_yte__":
                raise _stop(path, line, "has '__use_yte__', by which it would run code; remove it")
            if in_key:
                assert parent is not None
                if event.value in parent.keys:
                    first = parent.keys[event.value] + 1
                    where = ".".join((*parent.way, event.value))
                    raise _stop(
                        path,
                        line,
                        f"has '{where}' a second time, after line {first}, of which only one "
                        "could be read; rename or remove one of them",
                    )
                parent.key, parent.keys[event.value] = event.value, line
                lines[*parent.way, event.value] = line + 1
            else:
                add(1, line)
            if event.anchor:
                sizes[event.anchor] = 1
        elif isinstance(event, yaml.AliasEvent) and in_key:
            raise _stop(path, line, f"has *{event.anchor} where a key belongs; write it out")
        elif isinstance(event, yaml.AliasEvent):
            if any(event.anchor == outer.anchor for outer in inside):
                raise _stop(path, line, f"puts '&{event.anchor}' into itself (*{event.anchor})")
            add(sizes.get(event.anchor, 1), line)
        elif isinstance(event, yaml.CollectionStartEvent):
            if in_key:
                raise _stop(path, line, "has a list or a mapping where a key belongs")
            if len(inside) == DEEPEST:
                raise _stop(path, line, f"goes more than {DEEPEST} levels deep")
            way = () if parent is None else parent.way
            if parent is not None and parent.key is not None:
                way = (*way, parent.key)
            mapping = isinstance(event, yaml.MappingStartEvent)
            inside.append(_Open(way, line, mapping, event.anchor))
        elif isinstance(event, yaml.CollectionEndEvent):
            ended = inside.pop()
            if ended.anchor:
                sizes[ended.anchor] = ended.values
            add(ended.values, line)
    return lines


def _shared(theirs: Any, ours: Any) -> Iterator[tuple[Way, dict[Any, Any], dict[Any, Any]]]:
    """Entries whose name both files use, with what each says of them."""
    for section in SECTIONS:
        first, second = (_mapping(_mapping(file).get(section)) for file in (theirs, ours))
        for name in second:
            if name in first:
                yield (section, str(name)), _mapping(first[name]), _mapping(second[name])


def _mapping(value: Any) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {}


def _kept(theirs: dict[Any, Any], ours: dict[Any, Any]) -> list[str]:
    """Keys of an entry that are still there when another one has been merged over it."""
    kept = []
    for key, value in theirs.items():
        inner = ours.get(key)
        if isinstance(value, dict) and isinstance(inner, dict):
            kept += [f"{key}.{deeper}" for deeper in _kept(value, inner)]
        elif key not in ours or inner == {}:  # an empty mapping changes nothing
            kept.append(str(key))
    return kept


def _place(path: Path, lines: dict[Way, int], way: Way) -> str:
    return f"{path}, line {lines[way]}," if way in lines else f"{path}"


def _keys(kept: list[str]) -> str:
    shown = ", ".join(f"`{key}:`" for key in kept[:SHOWN])
    return f"{shown} and {len(kept) - SHOWN} more" if len(kept) > SHOWN else shown
