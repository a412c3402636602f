"""Texts of hub data sets: from a cache made by hand, and as if downloaded."""

from __future__ import annotations

import gzip
import io
import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import datasets
import pandas
import pytest
from huggingface_hub import constants
from huggingface_hub.errors import (
    GatedRepoError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import filter_repo_objects

from matrix_entropy.base.errors import InputError
from matrix_entropy.sources import hub
from matrix_entropy.texts.hub_texts import hub_file, read_hub_dataset
from matrix_entropy.texts.readers import read_dataset

COMMIT = "0123456789abcdef0123456789abcdef01234567"
ENTRY = {"hub": "someone/texts", "split": "train"}

CARD = """---
license: mit
configs:
- config_name: ab
  data_files:
  - {split: train, path: ab/train-*}
- config_name: en
  data_files:
  - {split: train, path: en/train-*}
  - {split: test, path: [en/test-0*, en/test-1*]}
dataset_info:
- config_name: en
  features: [{name: text, dtype: string}]
  splits: [{name: train, num_bytes: 9, num_examples: 99}]
---
# Texts
"""


def lines(*records: dict[str, Any]) -> bytes:
    """JSON Lines."""
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def parquet(*records: dict[str, Any]) -> bytes:
    """A Parquet file."""
    buffer = io.BytesIO()
    pandas.DataFrame(list(records)).to_parquet(buffer)
    return buffer.getvalue()


def texts_of(name: str, count: int) -> list[dict[str, Any]]:
    return [{"text": f"{name} {i}", "label": i % 2} for i in range(count)]


Publish = Callable[[dict[str, bytes]], None]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty hub cache, in a hidden folder as it usually is."""
    folder = tmp_path / ".cache" / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / ".cache" / "datasets")
    monkeypatch.setattr(
        datasets.config, "DOWNLOADED_DATASETS_PATH", tmp_path / ".cache" / "datasets" / "downloads"
    )
    return folder / "datasets--someone--texts"


@pytest.fixture
def publish(cache: Path) -> Publish:
    """Put files into the cache, as links to blobs as the hub library does."""

    def publish(files: dict[str, bytes]) -> None:
        (cache / "refs").mkdir(parents=True)
        (cache / "refs" / "main").write_text(COMMIT)
        (cache / "blobs").mkdir()
        for number, (path, content) in enumerate(files.items()):
            blob = cache / "blobs" / str(number)
            blob.write_bytes(content)
            link = cache / "snapshots" / COMMIT / path
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(blob)

    return publish


def read(**entry: Any) -> list[str]:
    """The texts of an entry."""
    return [text["text"] for text in read_hub_dataset(ENTRY | entry, "mine")[0]]


def refused(**entry: Any) -> str:
    """The sentence about an entry."""
    with pytest.raises(InputError) as raised:
        read_hub_dataset(ENTRY | entry, "mine")
    message = str(raised.value)
    assert message.startswith("data set 'mine' (someone/texts, revision ")
    assert message.endswith(".")
    assert "\n" not in message
    return message


def test_a_single_file_is_read_as_a_local_one(publish: Publish, tmp_path: Path) -> None:
    """Records, groups and sample are those that `read_dataset` gives of the same file."""
    content = lines(*texts_of("t", 50), {"text": "", "label": 0})
    publish({"README.md": b"# Texts\n", "texts.jsonl": content, "run.py": b"raise SystemExit"})
    (tmp_path / "texts.jsonl").write_bytes(content)
    for how in (
        {"skip_empty": True},
        {"sample": {"first": 7}, "group_field": "label"},
        {"sample": {"size": 20, "seed": 3}, "skip_empty": True},
        {"groups": {"odd": "1"}, "group_field": "label", "skip_empty": True},
        {"fields": ["text"], "sample": {"size": 5, "seed": 123}, "skip_empty": True},
    ):
        expected, counts = read_dataset(how, tmp_path / "texts.jsonl", "texts.jsonl")
        texts, origin = read_hub_dataset(ENTRY | how, "mine")
        assert texts == expected
        assert origin == {
            "source": "someone/texts",
            "revision": "main",
            "commit": COMMIT,
            "split": "train",
            **{key: counts[key] for key in ("records", "skipped_empty", "texts")},
        }


def test_files_are_read_in_the_order_given(publish: Publish) -> None:
    """As the four files of a preference data set: not sorted, and nothing else read."""
    names = ["harmless-base", "helpful-base", "helpful-online", "a-rejection-sampled"]
    files = [f"{name}/test.jsonl.gz" for name in names]
    publish(
        {f: gzip.compress(lines(*({"chosen": f"{f} {i}"} for i in range(3)))) for f in files[::-1]}
        | {"README.md": b"# no data\n", "other/test.jsonl.gz": b"damaged", "red.json": b"{"}
    )
    texts, origin = read_hub_dataset(
        ENTRY | {"files": files, "split": "test", "field": "chosen", "licence": "MIT"}, "mine"
    )
    assert [text["text"] for text in texts] == [f"{f} {i}" for f in files for i in range(3)]
    assert [text["id"] for text in texts] == [str(i) for i in range(12)]
    assert (origin["files"], origin["licence"], origin["records"]) == (files, "MIT", 12)


def test_patterns_of_files(publish: Publish) -> None:
    """What one pattern finds is sorted; what an earlier one found is not read twice."""
    publish({f"{part}/{i}.jsonl": lines({"text": f"{part}{i}"}) for part in "ab" for i in (2, 1)})
    assert read(files=["b/*.jsonl", "a/2.jsonl", "*.jsonl"]) == ["b1", "b2", "a2", "a1"]


def test_the_card_names_the_files_of_a_subset(publish: Publish) -> None:
    """Of many subsets only one is in the cache, and its counts in the card are of no concern."""
    publish(
        {
            "README.md": CARD.encode(),
            "en/train-00001-of-00002.parquet": parquet(*texts_of("second", 2)),
            "en/train-00000-of-00002.parquet": parquet(*texts_of("first", 2)),
            "en/test-1.parquet": parquet(*texts_of("test", 1)),
            "en/test-0.parquet": parquet(*texts_of("test", 1)),
        }
    )
    assert read(subset="en") == ["first 0", "first 1", "second 0", "second 1"]
    assert read(subset="en", split="test") == ["test 0", "test 0"]
    assert "no subset 'fr'; set `subset:` to one of those it has: ab, en." in refused(subset="fr")
    assert "several subsets; set `subset:`" in refused()
    message = refused(subset="en", split="validation")
    assert "no split 'validation'" in message
    assert "train, test." in message
    message = refused(subset="ab")
    assert "no file 'ab/train-*'" in message
    assert "en/train-00000-of-00002.parquet" in message


@pytest.mark.parametrize(
    ("configs", "expected"),
    [
        ("[{config_name: only, data_files: b.jsonl}]", "b"),
        (
            "[{config_name: x, data_files: b.jsonl}, "
            "{config_name: default, data_files: [a.jsonl]}]",
            "a",
        ),
        (
            "[{config_name: x, data_files: a.jsonl}, "
            "{config_name: y, default: true, data_files: b.jsonl}]",
            "b",
        ),
    ],
)
def test_the_subset_that_is_meant_without_a_name(
    publish: Publish, configs: str, expected: str
) -> None:
    publish(
        {"README.md": f"---\nconfigs: {configs}\n---\n".encode()}
        | {f"{name}.jsonl": lines({"text": name}) for name in "ab"}
    )
    assert read() == [expected]


def test_a_subset_that_is_a_folder(publish: Publish) -> None:
    """As in the branch of Parquet files that the hub makes of older data sets."""
    choices = {"text": ["a", "b"], "label": ["A", "B"]}
    record = {"question_stem": "Which?", "choices": choices, "answerKey": "B"}
    publish(
        {
            "main/test/0000.parquet": parquet(record),
            "main/train/0000.parquet": parquet(record, record),
            "other/train/0000.parquet": parquet({"text": "no"}),
        }
    )
    assert read(subset="main", split="test", record="openbookqa") == ["Which? b"]
    message = refused(subset="main", split="validation")
    assert "no split 'validation'" in message
    assert "train, test." in message
    message = refused(subset="additional")
    assert "no subset 'additional'" in message
    assert "/datasets/someone/texts" in message
    assert "`files:`" in message


def test_missing_files_and_fields(publish: Publish) -> None:
    publish({"a.jsonl": lines({"story": "x", "label": 1}), "b.jsonl": b'{"text": \n'})
    message = refused(files=["a.jsonl", "c.jsonl"])
    assert "no file 'c.jsonl'" in message
    assert "a.jsonl, b.jsonl." in message
    assert "record 0 has no field 'text'; it has: story, label." in refused(files=["a.jsonl"])
    assert "cannot be read" in refused(files=["b.jsonl"])


def test_a_split_that_is_not_whole(publish: Publish) -> None:
    """The card says how many records there are; the cache has fewer."""
    card = """---
dataset_info:
  features: [{name: text, dtype: string}]
  splits: [{name: train, num_bytes: 99, num_examples: 3}]
---
"""
    publish({"README.md": card.encode(), "train-0.jsonl": lines({"text": "x"})})
    message = refused()
    assert "cannot be read" in message
    assert "num_examples=3" in message
    assert read(files=["train-0.jsonl"]) == ["x"]


def test_a_wrong_revision_and_an_empty_cache(publish: Publish) -> None:
    assert "`hf download someone/texts --repo-type dataset --revision main`" in refused()
    publish({"a.jsonl": lines({"text": "x"})})
    assert read(revision=COMMIT) == ["x"]
    message = refused(revision="v2")
    assert "revision v2" in message
    assert "HF_HUB_OFFLINE=1" in message


def test_a_sample_of_a_long_table(publish: Publish) -> None:
    """The same texts as after reading all of it."""
    publish({"a.parquet": parquet(*texts_of("t", 30_000))})
    texts, origin = read_hub_dataset(ENTRY | {"sample": {"size": 50, "seed": 123}}, "mine")
    numbers = random.Random(123).sample(range(30_000), 50)
    assert [text["id"] for text in texts] == [str(number) for number in numbers]
    assert [text["text"] for text in texts] == [f"t {number}" for number in numbers]
    assert (origin["records"], origin["texts"]) == (30_000, 50)


class TestOneFile:
    """Of records about images, which are read elsewhere."""

    ENTRY: ClassVar = {"hub": "someone/texts", "files": ["part/records.json"]}

    def test_it_is_in_the_cache_and_says_where_it_came_from(self, publish: Publish) -> None:
        publish({"part/records.json": b"[1, 2]", "records.json": b"[3]", "part/other.json": b"[]"})
        path, origin = hub_file(self.ENTRY | {"licence": "MIT", "split": "train"}, "mine")
        assert path.read_bytes() == b"[1, 2]"
        assert path.name == "records.json"
        assert origin == {
            "source": "someone/texts",
            "revision": "main",
            "commit": COMMIT,
            "files": ["part/records.json"],
            "licence": "MIT",
        }
        path, origin = hub_file(self.ENTRY | {"revision": COMMIT}, "mine")
        assert path.read_bytes() == b"[1, 2]"
        assert (origin["revision"], origin["commit"]) == (COMMIT, COMMIT)
        assert "licence" not in origin

    def test_a_file_that_it_has_not_is_named(self, publish: Publish) -> None:
        publish({"part/other.json": b"[]", "README.md": b"# Texts"})
        message = self.refused()
        assert "has no file 'part/records.json'" in message
        assert message.endswith("`files:` some of those it has: README.md, part/other.json.")

    def test_a_pattern_of_several_is_refused(self, publish: Publish) -> None:
        publish({f"{name}.json": b"[]" for name in "ab"})
        message = self.refused(files=["*.json"])
        assert "'*.json'" in message
        assert message.endswith("`files:` one of a.json, b.json.")
        path, _ = hub_file(self.ENTRY | {"files": ["b*"]}, "mine")
        assert path.name == "b.json"

    def test_a_revision_that_is_not_there(self, publish: Publish) -> None:
        assert "`hf download someone/texts --repo-type dataset --revision main`" in self.refused()
        publish({"part/records.json": b"[]"})
        assert "revision v2" in self.refused(revision="v2")

    def refused(self, **entry: Any) -> str:
        """The sentence about an entry."""
        with pytest.raises(InputError) as raised:
            hub_file(self.ENTRY | entry, "mine")
        message = str(raised.value)
        assert message.startswith("data set 'mine' (someone/texts, revision ")
        assert "\n" not in message
        return message


class TestOnline:
    """With a download function that copies from a folder what it is asked for."""

    FILES: ClassVar = {
        "README.md": CARD.encode(),
        "en/train-0.jsonl": lines({"text": "en"}),
        "en/test-0.jsonl": lines({"text": "test"}),
        "ab/train-0.jsonl": lines({"text": "ab"}),
        "run.py": b"raise SystemExit('code ran')",
    }

    @pytest.fixture
    def had(self, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
        """What has been downloaded."""
        folder = cache / "snapshots" / COMMIT

        def download(repository: str, **options: Any) -> str:
            assert repository == "someone/texts"
            assert (options["repo_type"], options["local_files_only"]) == ("dataset", False)
            for path in filter_repo_objects(self.FILES, allow_patterns=options["allow_patterns"]):
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(self.FILES[path])
            return str(folder)

        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(hub, "answers", lambda: True)
        monkeypatch.setattr(hub, "snapshot_download", download)
        return lambda: sorted(
            path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
        )

    def test_only_what_is_needed(self, had: Callable[[], list[str]], cache: Path) -> None:
        assert "several subsets" in refused()
        assert had() == ["README.md"]
        assert read(subset="en") == ["en"]
        assert had() == ["README.md", "en/train-0.jsonl"]
        shutil.rmtree(cache)
        assert read(files=["ab/train-0.jsonl"]) == ["ab"]
        assert had() == ["README.md", "ab/train-0.jsonl"]

    def test_of_wikipedia_one_language_and_the_authors_articles(
        self, had: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As in legacy-datasets/wikipedia: a script, a card of no help, Parquet by language."""
        rows = [{"id": str(number), "text": f"page {number}"} for number in range(5)]
        names = [f"data/20220301.en/train-0000{part}-of-00002.parquet" for part in range(2)]
        files = {names[0]: parquet(*rows[:3]), names[1]: parquet(*rows[3:])}
        others = {"README.md": CARD.encode(), "wikipedia.py": b"raise SystemExit('code ran')"}
        others["data/20220301.fr/train-00000-of-00001.parquet"] = parquet({"text": "fr"})
        monkeypatch.setattr(type(self), "FILES", files | others)
        entry = {"files": ["data/20220301.en/train-*.parquet"], "sample": {"size": 3, "seed": 123}}
        assert read(**entry) == [f"page {i}" for i in random.Random(123).sample(range(5), 3)]
        assert had() == ["README.md", *names]

    def test_only_data_if_the_card_is_silent(
        self, had: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(self.FILES, "README.md", b"# Texts")
        assert read(subset="ab") == ["ab"]
        assert had() == ["README.md", "ab/train-0.jsonl"]
        assert sorted(read()) == ["ab", "en"]
        assert "run.py" not in had()

    @pytest.mark.parametrize(
        ("error", "parts"),
        [
            (GatedRepoError, ["is gated", "/datasets/someone/texts", "HF_TOKEN"]),
            (RepositoryNotFoundError, ["no such data set", "`hub:`"]),
            (RevisionNotFoundError, ["no such revision", "`revision:`"]),
        ],
    )
    def test_what_the_hub_refuses(
        self,
        had: Callable[[], list[str]],
        monkeypatch: pytest.MonkeyPatch,
        error: Any,
        parts: list[str],
    ) -> None:
        def refuse(*_: Any, **__: Any) -> str:
            raise error("no", response=SimpleNamespace(headers={}, request=None))

        monkeypatch.setattr(hub, "snapshot_download", refuse)
        message = refused()
        assert all(part in message for part in parts)

    def test_one_file_and_not_even_the_card(self, had: Callable[[], list[str]]) -> None:
        entry = {"hub": "someone/texts", "files": ["en/test-0.jsonl"]}
        path, origin = hub_file(entry, "mine")
        assert path.read_bytes() == self.FILES["en/test-0.jsonl"]
        assert origin["commit"] == COMMIT
        assert had() == ["en/test-0.jsonl"]

    def test_a_download_that_broke_off(
        self, had: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: Any, **__: Any) -> str:
            raise LocalEntryNotFoundError("some files are missing")

        monkeypatch.setattr(hub, "snapshot_download", refuse)
        assert "not whole" in refused()


def test_the_hub_is_asked_without_torch(root: Path) -> None:
    program = "import sys, matrix_entropy.sources.hub; sys.exit('torch' in sys.modules)"
    subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": str(root / "src")}, check=True
    )


CSV = b'text,label\n"A fox, a hen.",01\nNA,10\n'


@pytest.mark.parametrize("stated", [{"files": ["train.csv"]}, {}], ids=["files", "folder"])
def test_csv_is_read_as_a_file_of_ones_own(publish, tmp_path, stated):
    """No name becomes a number, no text a missing one; rows that do not fit are told by line."""
    publish({"train.csv": CSV})
    texts = read_hub_dataset(ENTRY | stated | {"group_field": "label"}, "mine")[0]
    assert [(text["text"], text["group"]) for text in texts] == [
        ("A fox, a hen.", "01"),
        ("NA", "10"),
    ]
    (tmp_path / "x.csv").write_bytes(CSV)
    mine = read_dataset({"group_field": "label"}, tmp_path / "x.csv", "x.csv")[0]
    assert [text["group"] for text in mine] == ["01", "10"]


@pytest.mark.parametrize("stated", [{"files": ["train.csv"]}, {}], ids=["files", "folder"])
def test_csv_with_a_row_too_long(publish, stated):
    """The sentence names the file and the line."""
    publish({"train.csv": CSV + b"one, two,01\n"})
    assert "train.csv: the row of line 4 has 3 fields" in refused(**stated)
