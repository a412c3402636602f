"""Files of texts as they should not be, and that nothing in a file is made something else."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from conftest import ROOT
from matrix_entropy.base.errors import InputError
from matrix_entropy.texts import text_files
from matrix_entropy.texts.readers import read_dataset


def read(name: str, content: bytes, **dataset: Any) -> list[dict[str, str]]:
    """Texts of a file with this content."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        return read_dataset(dataset, path, name)[0]


def refused(name: str, content: bytes, **dataset: Any) -> str:
    """The sentence about a file with this content."""
    with pytest.raises(InputError) as raised:
        read(name, content, **dataset)
    said = str(raised.value)
    assert "\n" not in said
    assert said.endswith(".")
    return said


# As in the cases that were found by trying.
RAGGED = {
    "comma": (b"text,label\nfirst, with a comma,a\nsecond,b\n", ["line 2", "3 fields"]),
    "stray": (
        b'text,label\nfirst text,a\n"second text,b\nthird text,a\nfourth text,b\n',
        ["line 3", "a quote opens and never closes"],
    ),
    "cut": (b'text,label\n"first text",a\n"second te', ["line 3", "never closes"]),
    "inner": (b'text,label\n"he said "hi" to me",a\nsecond,b\n', ["line 2", "quote inside"]),
    "short": (b"text,label\na,x\nb\n", ["line 3", "1 fields"]),
    "behind quoted line breaks": (b'text,label\n"a\nb\nc",x\n\nd,e,f\n', ["line 6", "3 fields"]),
    "a line break without quotes": (b"text\nfirst\rsecond\n", ["line 2", "carriage return"]),
    "two columns of a name": (b"text,label,text\na,x,b\n", ["two columns 'text'"]),
}


@pytest.mark.parametrize(("content", "told"), RAGGED.values(), ids=RAGGED)
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzipped"])
def test_csv_that_is_not_rectangular(content: bytes, told: list[str], packed: bool) -> None:
    """The sentence names the line in which the wrong row begins."""
    name, content = ("x.csv.gz", gzip.compress(content)) if packed else ("x.csv", content)
    said = refused(name, content)
    for words in told:
        assert words in said


def test_old_line_ends() -> None:
    """A carriage return alone ends lines, where there is no line feed in the whole file."""
    texts = read("x.txt", b"first line\rsecond line\rthird line\r")
    assert [text["text"] for text in texts] == ["first line", "second line", "third line"]
    assert [text["text"] for text in read("x.csv", b"text,n\ra,1\rb,2\r")] == ["a", "b"]
    assert [text["text"] for text in read("x.jsonl", b'"a"\r{"text": "b"}\r')] == ["a", "b"]
    # Beside line feeds it is a character of the text, as a bar of progress leaves it.
    assert read("x.txt", b"10 %\r20 %\nend\n")[0]["text"] == "10 %\r20 %"


def test_columns() -> None:
    """Of a table by columns the labels would be read as texts."""
    table = b'{"text":["one story","two stories"],"label":["x","y"]}'
    assert "holds columns" in refused("x.json", table)
    story = b'{"story": ["a"], "label": ["x"]}'
    assert "holds columns" in refused("x.json", story, field="story")
    assert "holds columns" in refused("x.json", story, field="t", group_field="label")
    # Groups of records may be called as they like.
    grouped = b'{"text": [{"text": "a"}], "label": [{"text": "b"}]}'
    assert [text["group"] for text in read("x.json", grouped)] == ["text", "label"]


DEEP = 100_000


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.json", b"[" * DEEP),
        ("x.json", b"[" * DEEP + b"]" * DEEP),
        ("x.json", b'{"a":' * DEEP + b'["t"]' + b"}" * DEEP),
        ("x.jsonl", b'{"text": "a", "n":' + b"[" * DEEP + b"]" * DEEP + b"}"),
    ],
    ids=["open", "lists", "objects", "lines"],
)
def test_json_nested_very_deep(name: str, content: bytes) -> None:
    """A sentence, not Python's limit of recursion."""
    assert "nested too deep" in refused(name, content)


def test_json_with_a_number_of_thousands_of_digits() -> None:
    """A sentence, not Python's limit of digits."""
    number = b"7" * 5000
    assert "thousands of digits" in refused("x.json", b'["a", ' + number + b"]")
    lines = b'"a"\n{"text": "b", "n": -' + number + b"}\n"
    assert "x.jsonl, line 2 has" in refused("x.jsonl", lines)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("x.json", b'{"good": ["a"], "bad": ["b"], "good": ["c"]}', "x.json has"),
        ("x.json", b'[{"text": "a", "good": 1, "good": 1}]', "x.json has"),
        ("x.jsonl", b'"a"\n{"text": "b", "m": {"good": 1, "good": 2}}', "x.jsonl, line 2 has"),
    ],
)
def test_json_with_a_key_twice(name: str, content: bytes, told: str) -> None:
    """Python keeps the last and says nothing."""
    said = refused(name, content)
    assert said.startswith(told)
    assert "'good' twice" in said


def test_two_paths_that_read_the_same() -> None:
    """A slash in a key must not join two groups."""
    assert "two groups" in refused("x.json", b'{"a/b": ["x"], "a": {"b": ["y"]}}')


def test_half_a_character_in_a_group() -> None:
    """What cannot be written again is told of when it is read."""
    content = b'{"text":"ok","g":"\\ud83d"}\n{"text":"fine","g":"b"}\n'
    assert "record 0: 'g' holds half" in refused("x.jsonl", content, group_field="g")
    assert "half a surrogate" in refused("x.json", b'{"\\ud83d": ["a"]}')


def parquet(**columns: list[Any]) -> bytes:
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), buffer)
    return buffer.getvalue()


NO_GROUP = {
    "null in JSON Lines": ("x.jsonl", b'{"text": "a", "g": 1}\n{"text": "b", "g": null}\n'),
    "NaN in JSON Lines": ("NaN.jsonl", b'{"text": "a", "g": 1.5}\n{"text": "b", "g": NaN}\n'),
    "blank in JSON Lines": ("x.jsonl", b'{"text": "a", "g": 1}\n{"text": "b", "g": " "}\n'),
    "nothing in CSV": ("x.csv", b"text,g\na,1\nb,\n"),
    "null in Parquet": ("x.parquet", parquet(text=["a", "b"], g=[1, None])),
    "NaN in Parquet": ("NaN.parquet", parquet(text=["a", "b"], g=[1.5, float("nan")])),
}


@pytest.mark.parametrize(("name", "content"), NO_GROUP.values(), ids=NO_GROUP)
def test_a_record_without_a_group(name: str, content: bytes) -> None:
    """No group is called None or nan; where groups are chosen it is in none of them."""
    assert "record 1 is in no group" in refused(name, content, group_field="g")
    groups = {"first": "1.5" if "NaN" in name else "1"}
    texts = read(name, content, group_field="g", groups=groups)
    assert [(text["text"], text["group"]) for text in texts] == [("a", "first")]


def test_whole_numbers_stay_whole_beside_a_missing_one() -> None:
    """As pandas reads them, 1 is 1.0 there."""
    content = parquet(text=["a", "b", "c"], g=[1, None, 10])
    texts = read("x.parquet", content, group_field="g", groups={"one": "1", "ten": "10"})
    assert [text["group"] for text in texts] == ["one", "ten"]


@pytest.mark.parametrize("value", [["a"], {"a": 1}, []])
def test_no_name_of_a_group(value: Any) -> None:
    """A list or an object is no name."""
    lines = json.dumps({"text": "a", "g": value}).encode()
    assert f"'g' is {type(value).__name__}" in refused("x.jsonl", lines, group_field="g")
    assert "NUL" in refused("x.jsonl", b'{"text": "a", "g": "b\\u0000"}', group_field="g")


def test_dates_are_names() -> None:
    """As they are written by the standard."""
    content = parquet(text=["a"], g=[date(2024, 2, 1)])
    assert read("x.parquet", content, group_field="g")[0]["group"] == "2024-02-01"


def test_a_gzip_of_nothing_but_zeros() -> None:
    """It is not unpacked beyond what texts can be, in a process with little memory."""
    script = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from matrix_entropy.texts.readers import read_dataset\n"
        "limit = 1500 * 2**20\n"
        "resource.setrlimit(resource.RLIMIT_AS, (limit, limit))\n"
        "read_dataset({}, Path(sys.argv[1]), 'zeros.txt.gz')\n"
    )
    with TemporaryDirectory() as folder:
        packed = Path(folder) / "zeros.txt.gz"
        packed.write_bytes(gzip.compress(bytes(2**20)) * 2**10)
        done = subprocess.run(
            [sys.executable, "-c", script, packed],
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
            capture_output=True,
            text=True,
        )
    assert "InputError: zeros.txt.gz unpacks to more than 200 times its size" in done.stderr


def test_texts_that_repeat_themselves_unpack(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small files may unpack to anything, larger ones to as much as texts do."""
    lines = b"the same line\n" * 10_000
    assert len(read("x.txt.gz", gzip.compress(lines))) == 10_000
    monkeypatch.setattr(text_files, "UNPACKED_AT_LEAST", 10_000)
    assert "200 times its size" in refused("x.txt.gz", gzip.compress(lines))
    stories = "".join(f"story {i} of a fox\n" for i in range(10_000)).encode()
    assert len(read("x.txt.gz", gzip.compress(stories))) == 10_000


# ---------------------------------------------------------------------------------------------
# Whatever a file holds

CHARACTERS = st.characters(codec="utf-8", exclude_characters="\0")
NAME = st.text(CHARACTERS, min_size=1).filter(str.strip)
# What looks like something else to a reader that guesses.
GUESSED = ["01", "10", "1.0", "1e5", "NA", "None", "nan", "NaN", "null", "True", "inf", "-", "_a"]
NAMES = NAME | st.sampled_from(GUESSED)
TABLE = st.lists(st.tuples(NAMES, NAMES), min_size=1)


def as_csv(table: list[tuple[str, str]]) -> bytes:
    stream = io.StringIO(newline="")
    csv.writer(stream).writerows([("text", "g"), *table])
    return stream.getvalue().encode()


def as_lines(table: list[tuple[str, str]]) -> bytes:
    return "".join(json.dumps({"text": text, "g": g}) + "\n" for text, g in table).encode()


def as_json(table: list[tuple[str, str]]) -> bytes:
    return json.dumps([{"g": g, "text": text} for text, g in table], ensure_ascii=False).encode()


def as_parquet(table: list[tuple[str, str]]) -> bytes:
    return parquet(text=[text for text, _ in table], g=[g for _, g in table])


WRITERS = {"x.csv": as_csv, "x.jsonl": as_lines, "x.json": as_json, "x.parquet": as_parquet}


@pytest.mark.parametrize(("name", "write"), WRITERS.items(), ids=WRITERS)
@settings(deadline=None)
@given(table=TABLE)
@example(table=[(name, name) for name in GUESSED])
def test_texts_and_groups_are_what_was_written(
    name: str, write: Callable[[list[tuple[str, str]]], bytes], table: list[tuple[str, str]]
) -> None:
    """In every format, whatever they look like."""
    found = read(name, write(table), group_field="g")
    assert [(text["text"], text["group"]) for text in found] == table


@pytest.mark.parametrize("name", ["x.csv", "x.json", "x.jsonl", "x.txt", "x.parquet", "x.csv.gz"])
@settings(deadline=None)
@given(content=st.binary() | st.text(st.sampled_from('",\n\r\\{}[]:a1 ')).map(str.encode))
def test_any_bytes_are_texts_or_refused_in_a_sentence(name: str, content: bytes) -> None:
    """Nothing else comes out of a reader."""
    if name.endswith(".gz"):
        content = gzip.compress(content)
    try:
        texts = read(name, content)
    except InputError as refusal:
        said = str(refusal)
    else:
        said = name
        assert texts
        assert all(text["text"].strip() for text in texts)
    assert said.startswith(name)


@settings(deadline=None)
@given(place=st.integers(0, 10**3), character=st.sampled_from('",\n'))
def test_a_character_more_changes_one_row_of_a_csv(place: int, character: str) -> None:
    """Or it is refused; never does it move what follows into other rows or columns."""
    plain = [(f"text {number}", f"group {number}") for number in range(8)]
    content = as_csv(plain).decode()
    place %= len(content) + 1
    try:
        changed = content[:place] + character + content[place:]
        found = read("x.csv", changed.encode(), group_field="g")
    except InputError:
        return
    rows = [(text["text"], text["group"]) for text in found]
    assert len(rows) == len(plain)
    assert sum(row != written for row, written in zip(rows, plain, strict=True)) <= 1
