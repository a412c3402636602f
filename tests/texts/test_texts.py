"""Texts from every format, and a sentence for everything that can be wrong with a file."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import logging
import random
import re
import runpy
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas
import pytest

from conftest import ROOT
from matrix_entropy.base import json_text
from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import read_jsonl
from matrix_entropy.texts import readers as texts_module
from matrix_entropy.texts.readers import read_dataset, select_texts
from matrix_entropy.texts.text_files import format_of

SCRIPT = ROOT / "workflow" / "scripts" / "texts" / "read_texts.py"

# A sentence says what to do if it commands something, or says what the file has or should have.
ADVICE = re.compile(
    r"\b(add|change|check|choose|convert|correct|download|fetch|fix|give|leave|lower|name|put|"
    r"remove|repair|replace|save|set|use|write)\b|it has: \S|is expected"
)


def read(folder: Path, name: str, content: bytes, **dataset: Any) -> list[dict[str, str]]:
    """Texts of a file with this content."""
    (folder / name).write_bytes(content)
    return read_dataset({"field": "text", **dataset}, folder / name, name)[0]


def parquet(**columns: Any) -> bytes:
    """A Parquet file with these columns."""
    buffer = io.BytesIO()
    pandas.DataFrame(columns).to_parquet(buffer)
    return buffer.getvalue()


def as_json(value: Any) -> bytes:
    """UTF-8 JSON, with every character as it is."""
    return json.dumps(value, ensure_ascii=False).encode()


def as_lines(*values: Any, end: str = "\n") -> bytes:
    """UTF-8 JSON Lines."""
    return b"".join(as_json(value) + end.encode() for value in values)


def damaged(packed: bytes) -> bytes:
    """The bytes with the middle third turned over."""
    a, b = len(packed) // 3, 2 * len(packed) // 3
    return packed[:a] + bytes(byte ^ 0xFF for byte in packed[a:b]) + packed[b:]


def sentence_of(error: BaseException) -> str:
    """The message, which has to be one line with one full stop at its end."""
    message = str(error)
    assert "\n" not in message
    assert message.endswith(".")
    assert not message.endswith("..")
    return message


TWO = ["A fox.", "Ein Dachs – größer."]
RECORDS = [{"text": text, "label": label} for text, label in zip(TWO, "ab", strict=True)]

FORMATS = {
    "strings": ("x.json", as_json(TWO)),
    "records": ("x.json", as_json(RECORDS)),
    "upper case ending": ("x.JSON", as_json(TWO)),
    "byte order mark": ("x.json", b"\xef\xbb\xbf" + as_json(TWO)),
    "lines of records": ("x.jsonl", as_lines(*RECORDS)),
    "lines of strings": ("x.ndjson", as_lines(*TWO)),
    "no newline at the end": ("x.jsonl", as_lines(*RECORDS).rstrip()),
    "CRLF and empty lines": ("x.jsonl", b"\r\n" + as_lines(*RECORDS, end="\r\n\r\n")),
    "text": ("x.txt", "\n".join(TWO).encode()),
    "text with CRLF and empty lines": ("x.txt", "\r\n \r\n".join([*TWO, ""]).encode()),
    "CSV": ("x.csv", f"label,text\na,{TWO[0]}\nb,{TWO[1]}\n".encode()),
    "CSV with byte order mark": ("x.csv", f"\ufefftext\r\n{TWO[0]}\r\n{TWO[1]}\r\n".encode()),
}


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzipped"])
@pytest.mark.parametrize(("name", "content"), FORMATS.values(), ids=FORMATS)
def test_formats(tmp_path, name, content, packed):
    """Every format gives the same two texts, packed or not."""
    if packed:
        name, content = f"{name}.gz", gzip.compress(content)
    assert read(tmp_path, name, content) == [
        {"id": "0", "group": "all", "text": TWO[0]},
        {"id": "1", "group": "all", "text": TWO[1]},
    ]


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzipped"])
def test_parquet(tmp_path, packed):
    """Parquet too, with further columns; the schema promises gzip for it as for the others."""
    content, name = parquet(number=[1, 2], text=TWO), "x.parquet"
    if packed:
        content, name = gzip.compress(content), f"{name}.gz"
    assert [record["text"] for record in read(tmp_path, name, content)] == TWO


@pytest.mark.parametrize("file_format", ["jsonl", "json", "csv", "text", "parquet"])
def test_format_of_the_configuration_goes_before_the_ending(tmp_path, file_format):
    """`format:` decides, whatever the file is called; gzip is seen in the bytes."""
    content = {
        "jsonl": as_lines(*RECORDS),
        "json": gzip.compress(as_json(RECORDS)),
        "csv": "text\nA fox.\nEin Dachs – größer.\n".encode(),
        "text": "\n".join(TWO).encode(),
        "parquet": parquet(text=TWO),
    }[file_format]
    texts = read(tmp_path, "texts.dat", content, format=file_format)
    assert [text["text"] for text in texts] == TWO


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.json", "json"),
        ("folder.csv/a.ndjson.gz", "jsonl"),
        ("https://example.org/a.b/texts.TXT", "text"),
        ("a.csv", "csv"),
        ("a.parquet", "parquet"),
    ],
)
def test_format_of(name, expected):
    """Only the last ending counts, and gzip is looked through."""
    assert format_of(name) == expected


@pytest.mark.parametrize("name", ["stories.docx", "stories", "stories.docx.gz"])
def test_unknown_ending(tmp_path, name):
    """The sentence lists all formats and the key that names one."""
    with pytest.raises(InputError) as raised:
        read(tmp_path, name, b"x")
    message = sentence_of(raised.value)
    assert message.startswith(f"{name}: ")
    assert ("'.docx'" if "docx" in name else "''") in message
    for part in ["`format:`", "csv", "json", "jsonl", "parquet", "text"]:
        assert part in message


@pytest.fixture
def close_log() -> Iterator[None]:
    """The log of a job is closed when the test is over."""
    yield
    logger = logging.getLogger("matrix_entropy")
    for handler in logger.handlers:
        handler.close()
    logger.handlers = []


@pytest.mark.usefixtures("close_log")
def test_script_reads_a_file_of_unknown_ending_whose_format_is_given(tmp_path):
    """What the sentence on unknown endings advises has to work in the workflow's script."""
    source = tmp_path / "texts.dat"
    source.write_bytes(as_lines(*RECORDS))
    job = SimpleNamespace(
        log=[str(tmp_path / "log")],
        params=SimpleNamespace(
            dataset={"path": str(source), "format": "jsonl", "field": "text", "skip_empty": False}
        ),
        input=SimpleNamespace(source=str(source)),
        output=SimpleNamespace(
            prompts=str(tmp_path / "prompts.jsonl"), origin=str(tmp_path / "origin.json")
        ),
    )
    runpy.run_path(str(SCRIPT), init_globals={"snakemake": job})
    assert [record["text"] for record in read_jsonl(job.output.prompts)] == TWO


LINE_LIKE = "\u2028\u2029\x85\x0b\x0c\x1c"


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("name", ["x.jsonl", "x.txt", "x.csv"])
def test_only_line_ends_end_lines(tmp_path, name, end):
    """U+2028 and its like are characters of a text, not ends of a line."""
    texts = [f"one {char} two" for char in LINE_LIKE]
    if name == "x.jsonl":
        # JSON escapes control characters below U+0020, so that only the first three stay raw.
        content = as_lines(*({"text": text} for text in texts), end=end)
        assert "\u2028".encode() in content
    elif name == "x.txt":
        content = "".join(text + end for text in texts).encode()
    else:
        content = ("text" + end + "".join(text + end for text in texts)).encode()
    assert [text["text"] for text in read(tmp_path, name, content)] == texts


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_csv_with_quoted_newlines(tmp_path, end):
    """Quoted newlines, commas and quotes belong to the text as they are."""
    content = end.join(["id,text", f'1,"one{end}two, ""three"""', "2,four", ""])
    texts = read(tmp_path, "x.csv", content.encode())
    assert [text["text"] for text in texts] == [f'one{end}two, "three"', "four"]
    assert [text["id"] for text in texts] == ["0", "1"]


@pytest.mark.parametrize("name", ["x.csv", "x.txt", "x.jsonl"])
def test_long_texts(tmp_path, name):
    """A text as long as a book is read whole."""
    book = "word " * 60_000 + "end"
    content = {
        "x.csv": f"text\n{book}\n".encode(),
        "x.txt": book.encode(),
        "x.jsonl": as_lines({"text": book}),
    }[name]
    assert [text["text"] for text in read(tmp_path, name, content)] == [book]


NESTED = {
    "Good": {"Long": ["g0", "g1"], "Short": [{"text": "g2"}]},
    "Bad": {"Long": ["b3"], "Short": [{"text": "b4"}]},
    "Other": ["o5"],
}


def test_nested_groups(tmp_path):
    """The keys on the way to a list are its group, and ids count through the whole file."""
    texts = read(tmp_path, "x.json", as_json(NESTED))
    assert [(text["id"], text["group"], text["text"]) for text in texts] == [
        ("0", "Good/Long", "g0"),
        ("1", "Good/Long", "g1"),
        ("2", "Good/Short", "g2"),
        ("3", "Bad/Long", "b3"),
        ("4", "Bad/Short", "b4"),
        ("5", "Other", "o5"),
    ]


def test_groups_select_and_rename_in_the_order_of_the_file(tmp_path):
    """The order of `groups:` is not that of the texts, and ids stay positions in the file."""
    groups = {"others": "Other", "bad": "Bad/Long", "good": "Good/Long"}
    texts = read(tmp_path, "x.json", as_json(NESTED), groups=groups)
    assert [(text["id"], text["group"], text["text"]) for text in texts] == [
        ("0", "good", "g0"),
        ("1", "good", "g1"),
        ("3", "bad", "b3"),
        ("5", "others", "o5"),
    ]


def test_two_groups_may_change_names(tmp_path):
    """A new name that is another group's old one is no trouble."""
    groups = {"Good/Long": "Bad/Long", "Bad/Long": "Good/Long"}
    texts = read(tmp_path, "x.json", as_json(NESTED), groups=groups)
    assert [(text["id"], text["group"]) for text in texts] == [
        ("0", "Bad/Long"),
        ("1", "Bad/Long"),
        ("3", "Good/Long"),
    ]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.jsonl", as_lines(*({"text": f"t{i}", "label": i % 2} for i in range(4)))),
        ("x.csv", b"text,label\nt0,0\nt1,1\nt2,0\nt3,1\n"),
        ("x.parquet", parquet(text=["t0", "t1", "t2", "t3"], label=[0, 1, 0, 1])),
    ],
)
def test_group_field(tmp_path, name, content):
    """Groups of a field are known by the text of their value, numbers too."""
    texts = read(tmp_path, name, content, group_field="label")
    assert [text["group"] for text in texts] == ["0", "1", "0", "1"]
    texts = read(tmp_path, name, content, group_field="label", groups={"odd": "1"})
    assert [(text["id"], text["group"]) for text in texts] == [("1", "odd"), ("3", "odd")]


def test_group_field_goes_before_nesting(tmp_path):
    """With `group_field:` the keys of a nested file say nothing."""
    content = as_json({"a": [{"text": "one", "kind": "x"}], "b": [{"text": "two", "kind": "y"}]})
    texts = read(tmp_path, "x.json", content, group_field="kind")
    assert [text["group"] for text in texts] == ["x", "y"]


def test_another_field(tmp_path):
    """`field:` says which field is the text."""
    content = as_lines({"text": "no", "story": "yes"})
    assert read(tmp_path, "x.jsonl", content, field="story")[0]["text"] == "yes"


@pytest.mark.parametrize(("first", "expected"), [(1, 1), (3, 3), (20, 20), (99, 20)])
def test_first(tmp_path, first, expected):
    """The first texts, in order; all of them if there are fewer."""
    content = as_json([f"t{i}" for i in range(20)])
    texts = read(tmp_path, "x.json", content, sample={"first": first, "seed": 123})
    assert [text["id"] for text in texts] == [str(i) for i in range(expected)]


@pytest.mark.parametrize(("count", "size", "seed"), [(500, 40, 123), (50, 50, 123), (90, 7, 5)])
def test_size_draws_as_the_paper_does(tmp_path, count, size, seed):
    """`size:` is Wei et al.'s seeded sample, in the order drawn, whatever the global state."""
    content = as_json([f"t{i}" for i in range(count)])
    random.seed(seed)
    expected = random.sample(range(count), size)
    random.seed(0)
    state = random.getstate()
    texts = read(tmp_path, "x.json", content, sample={"size": size, "seed": seed})
    assert [text["id"] for text in texts] == [str(i) for i in expected]
    assert [text["text"] for text in texts] == [f"t{i}" for i in expected]
    assert random.getstate() == state


def test_sample_is_drawn_from_what_is_left(tmp_path):
    """Empty texts and other groups are gone before the sample is drawn."""
    records = [{"text": "" if i % 5 == 0 else f"t{i}", "label": i % 2} for i in range(40)]
    left = [str(i) for i in range(40) if i % 5 and i % 2]
    random.seed(123)
    expected = [left[i] for i in random.sample(range(len(left)), 6)]
    texts = read(
        tmp_path,
        "x.jsonl",
        as_lines(*records),
        skip_empty=True,
        group_field="label",
        groups={"odd": "1"},
        sample={"size": 6, "seed": 123},
    )
    assert [text["id"] for text in texts] == expected


class Watched(Sequence):
    """Records that note which of them were looked at."""

    def __init__(self, count: int) -> None:
        self.count, self.seen = count, []

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> dict[str, Any]:
        if not 0 <= number < self.count:
            raise IndexError(number)
        self.seen.append(number)
        return {"text": f"t{number}", "label": number % 2}


@pytest.mark.parametrize("sample", [{"first": 30}, {"size": 30, "seed": 123}])
def test_a_sample_of_a_large_source_touches_only_its_records(sample):
    """What is drawn is the same as after reading everything, which a filter makes necessary."""
    records = Watched(10**7)
    texts, counts = select_texts(records, {"group_field": "label", "sample": sample}, "x")
    assert sorted(int(text["id"]) for text in texts) == records.seen
    assert counts == {"records": 10**7, "skipped_empty": 0, "texts": 30}
    few, filtered = Watched(500), Watched(500)
    texts = select_texts(few, {"sample": sample}, "x")
    assert texts == select_texts(filtered, {"sample": sample, "skip_empty": True}, "x")
    assert (len(few.seen), len(filtered.seen)) == (30, 500)


def test_an_empty_text_outside_the_sample_does_not_stop_the_run(tmp_path):
    """It is not looked at; within the sample it does."""
    content = as_json(["a", "b", ""])
    assert len(read(tmp_path, "x.json", content, sample={"first": 2})) == 2
    with pytest.raises(InputError, match="record 2 has an empty 'text'"):
        read(tmp_path, "x.json", content, sample={"first": 3})


def test_every_record_is_parsed_once_and_only_drawn_ones_are_looked_at(tmp_path, monkeypatch):
    """What reading costs: of twenty thousand records, half are drawn at random."""
    parsed, looked_at = Counter(), Counter()

    def counted(count, name, function):
        def call(*arguments, **options):
            count[name] += 1
            return function(*arguments, **options)

        return call

    monkeypatch.setattr(json_text.json, "loads", counted(parsed, "loads", json.loads))
    text_of = counted(looked_at, "text_of", texts_module.text_of)
    monkeypatch.setattr(texts_module, "text_of", text_of)
    content = as_lines(*({"text": f"word {i}"} for i in range(20_000)))
    assert len(read(tmp_path, "x.jsonl", content, sample={"size": 10_000, "seed": 1})) == 10_000
    assert (parsed, looked_at) == ({"loads": 20_000}, {"text_of": 10_000})


@pytest.mark.parametrize("name", ["x.jsonl", "x.parquet"])
def test_several_fields_and_benchmarks(tmp_path, name):
    """Records are joined to texts, from Parquet too, where choices are arrays."""
    records = [
        {"question_stem": "Fog is at", "choices": {"text": ["a", "b"], "label": ["A", "B"]}}
        | {"answerKey": key}
        for key in "AB"
    ]
    if name == "x.jsonl":
        content = as_lines(*records)
    else:
        content = parquet(**{key: [record[key] for record in records] for key in records[0]})
    texts = read(tmp_path, name, content, record="openbookqa")
    assert [text["text"] for text in texts] == ["Fog is at a", "Fog is at b"]
    texts = read(tmp_path, name, content, fields=["question_stem", "answerKey"], separator=": ")
    assert [text["text"] for text in texts] == ["Fog is at: A", "Fog is at: B"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.json", as_json(["a", "", "b", " \n\t", None])),
        ("x.jsonl", as_lines({"text": "a"}, {"text": ""}, "b", {"text": "  "}, {"text": None})),
        ("x.csv", b"text,n\na,1\n,2\nb,3\n  ,4\n,5\n"),
        ("x.parquet", parquet(text=["a", "", "b", " ", None])),
    ],
)
def test_skip_empty(tmp_path, name, content):
    """Empty texts are left out and counted; ids are still positions in the source."""
    (tmp_path / name).write_bytes(content)
    dataset = {"field": "text", "skip_empty": True}
    texts, origin = read_dataset(dataset, tmp_path / name, name)
    assert [(text["id"], text["text"]) for text in texts] == [("0", "a"), ("2", "b")]
    assert (origin["records"], origin["skipped_empty"], origin["texts"]) == (5, 3, 2)


def test_origin(tmp_path):
    """Where the texts came from: source as configured, hash of the file, counts."""
    content = gzip.compress(as_json(["a", "b", "", "c"]))
    (tmp_path / "downloaded").write_bytes(content)
    name = "https://example.org/x.json.gz"
    dataset = {"field": "text", "skip_empty": True, "sample": {"first": 2}}
    texts, origin = read_dataset(dataset, tmp_path / "downloaded", name)
    assert len(texts) == 2
    assert origin == {
        "source": name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "records": 4,
        "skipped_empty": 1,
        "texts": 2,
    }


@pytest.mark.parametrize("change", [str.lower, str.upper])
def test_right_hash(tmp_path, change):
    """The right hash is accepted in either case."""
    content = as_json(TWO)
    digest = change(hashlib.sha256(content).hexdigest())
    assert len(read(tmp_path, "x.json", content, sha256=digest)) == 2


LONG = [" ".join(f"word{i}" for i in range(j, j + 60)) for j in range(30)]

# What is wrong: name, content (None: no file), keys of the data set, what the sentence names.
BAD: dict[str, tuple[str, bytes | None, dict[str, Any], list[str]]] = {
    "missing file": ("my/x.json", None, {}, ["no such file"]),
    "a folder": ("", None, {}, ["no such file"]),
    "other hash": (
        "x.json",
        b"[]",
        {"sha256": "0" * 64},
        ["sha256", "0" * 64, hashlib.sha256(b"[]").hexdigest()],
    ),
    "missing field": (
        "x.jsonl",
        as_lines({"text": "a"}, {"story": "b", "label": 1}),
        {},
        ["record 1", "'text'", "story, label"],
    ),
    "missing field in CSV": ("x.csv", b"story,label\na,b\n", {}, ["'text'", "story, label"]),
    "missing field in Parquet": ("x.parquet", parquet(story=["a"]), {}, ["'text'", "story"]),
    "missing field in nested JSON": (
        "x.json",
        as_json({"Good": [{"story": "a"}]}),
        {},
        ["record 0", "'text'", "it has: story."],
    ),
    "record without fields": ("x.jsonl", b'"a"\n{}\n', {}, ["record 1", "'text'"]),
    "missing group field": (
        "x.csv",
        b"text,label\na,b\n",
        {"group_field": "kind"},
        ["record 0", "'kind'", "text, label"],
    ),
    "empty text": ("x.json", b'["a", ""]', {}, ["record 1", "'text'", "`skip_empty: true`"]),
    "blank text": ("x.csv", b"text,n\na,1\n \t,2\n", {}, ["record 1", "`skip_empty: true`"]),
    "null text": ("x.jsonl", b'"a"\nnull\n', {}, ["record 1", "`skip_empty: true`"]),
    "null text in Parquet": (
        "x.parquet",
        parquet(text=["a", None]),
        {},
        ["record 1", "'text'", "`skip_empty: true`"],
    ),
    "a number": ("x.json", b'["a", 5]', {}, ["record 1", "'text'", "int"]),
    "a list": ("x.jsonl", b'{"text": ["a"]}\n', {}, ["record 0", "'text'", "list"]),
    "numbers in Parquet": ("x.parquet", parquet(text=[1.5]), {}, ["record 0", "'text'", "float"]),
    "half a surrogate pair": ("x.json", b'["a", "b \\ud83d"]', {}, ["record 1", "'text'"]),
    "one record for a file": ("x.json", b'{"text": "a"}', {}, ["list", "text"]),
    "one text for a file": ("x.json", b'"a"', {}, ["list", "top level"]),
    "missing group": (
        "x.json",
        as_json(NESTED),
        {"groups": {"good": "Good"}},
        ["'Good'", "'good'", "Good/Long, Good/Short, Bad/Long, Bad/Short, Other"],
    ),
    "missing label": (
        "x.csv",
        b"text,label\na,x\nb,y\n",
        {"group_field": "label", "groups": {"first": "x", "last": "z"}},
        ["'z'", "'last'", "x, y"],
    ),
    "damaged gzip": (
        "x.json.gz",
        damaged(gzip.compress(as_json(LONG), mtime=0)),
        {},
        ["gzip"],
    ),
    "gzip with a wrong checksum": (
        "x.json.gz",
        gzip.compress(as_json(TWO), mtime=0)[:-8] + bytes(8),
        {},
        ["gzip"],
    ),
    "half a gzip": ("x.jsonl.gz", gzip.compress(as_json(LONG), mtime=0)[:200], {}, ["gzip"]),
    "damaged JSON": ("x.json", b'["a",\n "b"', {}, ["JSON", "line 2"]),
    "empty JSON": ("x.json", b"", {}, ["JSON"]),
    "JSON Lines in .json": ("x.json", b'{"text": "a"}\n{"text": "b"}\n', {}, ["JSON", "line 2"]),
    "damaged JSON Lines": ("x.jsonl", b'"a"\n\n{"text": "b"\n"c"\n', {}, ["line 3", "JSON"]),
    "damaged Parquet": ("x.parquet", damaged(parquet(text=LONG)), {}, ["Parquet"]),
    "half a Parquet file": ("x.parquet", parquet(text=LONG)[:-100], {}, ["Parquet"]),
    "no Parquet at all": ("x.parquet", b'["a"]', {}, ["Parquet"]),
    "Latin-1": ("x.txt", "Grüße".encode("latin-1"), {}, ["UTF-8"]),
    "UTF-16": ("x.csv", "text\na\n".encode("utf-16"), {}, ["UTF-8"]),
    "sample too large": (
        "x.json",
        as_json(TWO),
        {"sample": {"size": 3, "seed": 123}},
        ["2", "3", "`sample"],
    ),
    "no records": ("x.json", b"[]", {}, ["no text", "0 records"]),
    "nothing but a header": ("x.csv", b"text\n", {}, ["no text"]),
    "an empty text file": ("x.txt", b"\n\n", {}, ["no text"]),
    "nothing but empty texts": ("x.json", b'["", " "]', {"skip_empty": True}, ["no text", "2"]),
    "no records and groups": ("x.json", b"[]", {"groups": {"a": "b"}}, ["no text"]),
    "nothing but empty fields": (
        "x.jsonl",
        as_lines({"a": "", "b": None}, {"a": " ", "b": ""}),
        {"fields": ["a", "b"], "skip_empty": True},
        ["2 records were read", "`skip_empty: true` left out", "'a', 'b'"],
    ),
    "a group of empty texts": (
        "x.csv",
        b"text,label\na,x\n,y\n ,y\n",
        {"group_field": "label", "groups": {"first": "x", "last": "y"}, "skip_empty": True},
        ["no text in group 'y'", "'last'", "`skip_empty: true`"],
    ),
    "groups of none": (
        "x.csv",
        b"text,label\na,x\nb,y\n",
        {"group_field": "label", "groups": {}},
        ["`groups:` names no group", "x, y"],
    ),
    "empty fields": (
        "x.jsonl",
        as_lines({"a": "1", "b": ""}, {"a": "", "b": None}),
        {"fields": ["a", "b"]},
        ["record 1", "empty 'a', 'b'", "`skip_empty: true`"],
    ),
    "a missing one of several fields": (
        "x.jsonl",
        as_lines({"a": "1", "c": "2"}),
        {"fields": ["a", "b"]},
        ["record 0", "'b'", "it has: a, c."],
    ),
    "strings where fields are wanted": ("x.json", b'["a"]', {"fields": ["a"]}, ["'a'", "text"]),
    "a benchmark without its answer": (
        "x.jsonl",
        as_lines({"goal": "a", "sol1": "b", "sol2": "c", "label": -1}),
        {"record": "piqa"},
        ["record 0", "'label' is -1", "0, 1"],
    ),
    "an empty question": (
        "x.jsonl",
        as_lines({"goal": "", "sol1": "b", "sol2": "c", "label": 1}),
        {"record": "piqa"},
        ["record 0", "empty question or answer", "`skip_empty: true`"],
    ),
}


def failure(folder: Path, name: str, content: bytes | None, dataset: dict[str, Any]) -> str:
    """The sentence about this file."""
    if content is not None:
        (folder / name).write_bytes(content)
    with pytest.raises(InputError) as raised:
        read_dataset({"field": "text", **dataset}, folder / name, name or "my_folder")
    message = sentence_of(raised.value)
    assert message.startswith(name or "my_folder")
    return message


@pytest.mark.parametrize(("name", "content", "dataset", "parts"), BAD.values(), ids=BAD)
def test_bad_input(tmp_path, name, content, dataset, parts):
    """One sentence names the file and what is wrong in it."""
    message = failure(tmp_path, name, content, dataset)
    for part in parts:
        assert part in message


@pytest.mark.parametrize(("name", "content", "dataset", "parts"), BAD.values(), ids=BAD)
def test_bad_input_says_what_to_do(tmp_path, name, content, dataset, parts):
    """The sentence does not stop at what is wrong."""
    assert ADVICE.search(failure(tmp_path, name, content, dataset))


def test_missing_file_is_shown_as_it_was_looked_for(tmp_path, monkeypatch):
    """A relative path is shown from the root too, since it depends on the folder."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=re.escape(str(tmp_path / "my" / "x.json"))):
        read_dataset({"field": "text"}, Path("my/x.json"), "my/x.json")


def test_only_one_line_number(tmp_path):
    """A damaged line is given by its number in the file and by no other."""
    message = failure(tmp_path, "x.jsonl", b'"a"\n"b"\n{"text": ?}\n', {})
    assert set(re.findall(r"line (\d+)", message)) == {"3"}


def test_parquet_sentence_names_the_file_as_configured(tmp_path):
    """What pandas says of its buffers and paths is no sentence for the user."""
    message = failure(tmp_path, "x.parquet", b"no", {})
    assert str(tmp_path) not in message
    assert message.count(".") <= 2  # in the name and at the end


# Pairs

STORIES = [("b 2", "bad"), ("a 1", "good"), ("a 1", "bad"), ("b 2", "good"), ("c", "other")]
IN_PAIRS = {"group_field": "group", "paired": "pair", "panels": {"Stories": ["good", "bad"]}}


def pairs_read(folder: Path, stories: Sequence[tuple[Any, str]], **more: Any) -> list[list[str]]:
    lines = [{"pair": pair, "group": group, "text": f"{pair} {group}"} for pair, group in stories]
    texts = read(folder, "stories.jsonl", as_lines(*lines), **(IN_PAIRS | more))
    assert all(set(text) == {"id", "group", "text"} for text in texts)
    return [
        [text["text"] for text in texts if text["group"] == group]
        for group in dict.fromkeys(text["group"] for text in texts)
    ]


def test_pairs_that_a_field_names_stand_at_the_same_place(tmp_path: Path) -> None:
    bad, good, other = pairs_read(tmp_path, STORIES)
    assert bad == ["b 2 bad", "a 1 bad"]
    assert good == ["b 2 good", "a 1 good"], "the file has them the other way round"
    assert other == ["c other"]
    numbers = [(7, "good"), (8, "good"), (8, "bad"), (7, "bad")]
    assert pairs_read(tmp_path, numbers) == [["7 good", "8 good"], ["7 bad", "8 bad"]]


@pytest.mark.parametrize(
    ("stories", "message"),
    [
        (STORIES[1:], "the pair 'b 2' in group 'good', but not in 'bad' of the same panel; add"),
        ([*STORIES, ("a 1", "good")], "has 2 texts of the pair 'a 1' in group 'good'; name each"),
        ([*STORIES, ("", "good")], r"record 5 is in no pair \('pair' is empty\); give"),
        ([*STORIES, (None, "good")], r"record 5 is in no pair \('pair' is empty\); give"),
    ],
)
def test_a_text_without_its_pair_is_named(
    tmp_path: Path, stories: list[tuple[Any, str]], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        pairs_read(tmp_path, stories)


def test_a_field_that_names_no_pair_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no field 'couple'; it has: pair, group, text"):
        pairs_read(tmp_path, STORIES, paired="couple")
