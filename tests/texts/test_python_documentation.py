"""Texts from the documentation that ships with Python."""

from __future__ import annotations

import hashlib
import platform
import re
import sys
from pathlib import Path
from pydoc_data.topics import topics

import numpy as np
import pytest
import yaml

from commands import snakemake_for
from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import read_json, read_jsonl
from matrix_entropy.estimate.text_sizes import sources, texts_of
from matrix_entropy.tables.model_tables import source_table
from matrix_entropy.texts.python_documentation import paragraphs, read_python_documentation

BETWEEN = {"shortest": 200, "longest": 900}
ENTRY = {"python_documentation": BETWEEN}

TOPIC = """The "name" statement
********************

Names refer
to objects.  They last.

   if name:
       pass

* An item of a list that says something.

[1] A footnote.

.. note:: A directive.

The following binds a name:

"Quoted" words begin a sentence, too!

+-----+-----+
| one | two |
+-----+-----+

name.of.a.function()
"""


def test_a_paragraph_is_running_english() -> None:
    wanted = ["Names refer to objects. They last.", '"Quoted" words begin a sentence, too!']
    assert paragraphs({"names": TOPIC}) == wanted
    # In the order of names, and once where several topics share it.
    more = {"values": "Values are first.\n\n" + TOPIC, "names": TOPIC}
    assert paragraphs(more) == [*wanted, "Values are first."]


def test_texts_are_in_python_and_no_code_is() -> None:
    """Another route: every text stands in a topic, wrapped, with a blank line on either side."""
    texts, origin = read_python_documentation(ENTRY)
    assert len(texts) == origin["texts"] == origin["records"] >= 100
    everything = "\n\n".join(topics.values())
    for text in texts:
        assert 200 <= len(text["text"]) <= 900
        assert text["group"] == "all"
        words = r"\s+".join(map(re.escape, text["text"].split()))
        assert re.search(rf"(?m)^{words}\n\s*$", everything), text
        assert not re.search(r">>>|::=|\n|  ", text["text"])
    assert len({text["text"] for text in texts}) == len(texts)
    assert texts == read_python_documentation(ENTRY)[0]


def test_the_origin_says_what_was_read() -> None:
    _, origin = read_python_documentation(ENTRY)
    read = hashlib.sha256()
    for name, topic in sorted(topics.items()):
        read.update(name.encode() + b"\0" + topic.encode() + b"\0")
    assert origin["sha256"] == read.hexdigest()
    assert origin["python"] == platform.python_version()
    assert origin["source"] == f"pydoc_data.topics of Python {platform.python_version()}"
    assert origin["licence"] == "PSF License Version 2"
    table = source_table({"manual": origin}, {"manual": {"title": "Python's documentation"}})
    assert table.loc[0, ["licence", "texts"]].tolist() == [origin["licence"], origin["texts"]]


def test_a_sample_is_drawn_from_all() -> None:
    every, _ = read_python_documentation(ENTRY)
    some, origin = read_python_documentation(ENTRY | {"sample": {"size": 12, "seed": 3}})
    assert (len(some), origin["records"]) == (12, len(every))
    assert all(text in every for text in some)
    assert read_python_documentation(ENTRY | {"sample": {"first": 5}})[0] == every[:5]


def test_its_size_is_counted() -> None:
    config = {"datasets": {"manual": ENTRY}}
    texts, _ = read_python_documentation(ENTRY)
    assert texts_of("manual", config).kept == sum(len(text["text"]) for text in texts)
    assert np.unique(texts_of("manual", config).counts) == 1
    assert sources(["manual"], config) == {"manual": "counted"}


def test_too_few_paragraphs_are_said() -> None:
    long = {"python_documentation": {"shortest": 90_000, "longest": 90_001}}
    with pytest.raises(InputError, match=r"no paragraph of 90000 to 90001 characters.*`shortest:`"):
        read_python_documentation(long)
    with pytest.raises(InputError, match="fewer than the sample of 100000"):
        read_python_documentation(ENTRY | {"sample": {"size": 100_000, "seed": 1}})


def test_a_python_without_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    with pytest.raises(InputError, match=r"lacks pydoc_data.topics.*another source"):
        read_python_documentation(ENTRY)


def test_it_is_read_as_typed_alone_and_in_variants(root: Path, tmp_path: Path) -> None:
    """A union and variants are made of it as of other data sets."""
    mine = {
        "models": {"none": {"path": "nowhere", "layers": 1, "width": 2}},
        "datasets": {
            "manual": ENTRY | {"sample": {"first": 3}},
            "joined": {"union": ["manual"]},
            "turned": {
                "variants": {"of": "manual", "changes": {"as is": {}, "b": {"prefix": "Listen."}}}
            },
        },
    }
    (tmp_path / "config.yaml").write_bytes((root / "config.yaml").read_bytes())
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(mine))
    targets = [f"results/prompts/{name}.jsonl" for name in mine["datasets"]]
    done = snakemake_for(root, tmp_path, *targets)
    assert done.returncode == 0, done.stderr[-4000:]
    texts, joined, turned = (read_jsonl(tmp_path / target) for target in targets)
    assert texts == read_python_documentation(mine["datasets"]["manual"])[0]
    assert [text["text"] for text in joined] == [text["text"] for text in texts]
    assert len(turned) == 6
    origin = read_json(tmp_path / "results/prompts/manual.origin.json")
    assert origin["licence"] == "PSF License Version 2"
