"""What jobs leave for others: damaged, copied to another place or of another configuration."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import write_json, write_jsonl
from matrix_entropy.results.gain_file import Gains
from matrix_entropy.results.intermediates import (
    check_made_of,
    check_place,
    read_accuracies,
    read_origin,
    read_record,
    read_texts,
)
from matrix_entropy.results.metrics import (
    metrics_table,
    read_metrics,
    read_provenance,
    write_metrics,
)
from matrix_entropy.results.rows_file import Rows
from matrix_entropy.results.sentences_file import Sentences
from matrix_entropy.results.spectra_file import Spectra

ORIGIN = {"source": "texts.txt", "sha256": "ab" * 32, "texts": 2}
RECORD = {"model": "mine", "folder": "/models/mine", "weights_sha256": {"a": "00"}}
PROVENANCE = {
    "model": {"model": "mine", "weights_sha256": {"a": "00"}},
    "dataset": {"name": "texts", **ORIGIN},
    "options": {"layers": 1, "bos": False, "dtype": "float32"},
}


def spectra(**changes: Any) -> Spectra:
    """Of two texts at one layer: three rows with two directions, and none."""
    values: dict[str, Any] = {
        "eigenvalues": np.array([0.0, 0.25, 0.75]),
        "counts": np.array([[[3, 0]]]),
        "rows": np.array([[[3, 1]]]),
        "views": ("all_rows",),
        "layers": ("0",),
        "width": 8,
        "ids": np.array(["0", "1"]),
        "groups": np.array(["all", "all"]),
        "offsets": np.array([0, 3, 4]),
        "truncated": np.array([False, False]),
        "token_losses": np.full(4, np.nan, dtype=np.float32),
        "window_groups": np.empty(0, dtype=np.str_),
        "window_losses": np.empty(0, dtype=np.float32),
        "window_tokens": np.empty(0, dtype=np.int64),
        "provenance": PROVENANCE,
    }
    return Spectra(**values | changes)


def refusal(error: pytest.ExceptionInfo[InputError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    assert text.endswith("delete it and run again.")
    return text


def test_sound_spectra_come_back(tmp_path: Path) -> None:
    spectra().save(tmp_path / "a.npz")
    found = Spectra.load(tmp_path / "a.npz")
    for field in dataclasses.fields(Spectra):
        np.testing.assert_array_equal(
            getattr(found, field.name), getattr(spectra(), field.name), err_msg=field.name
        )
    none = spectra(eigenvalues=np.empty(0), counts=np.array([[[0, 0]]]))
    none.save(tmp_path / "none.npz")
    assert len(Spectra.load(tmp_path / "none.npz").eigenvalues) == 0


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"eigenvalues": np.array([0.0, 0.25, np.nan])}, "negative or no numbers"),
        ({"eigenvalues": np.array([-0.25, 0.5, 0.75])}, "negative or no numbers"),
        ({"eigenvalues": np.array([0.0, 0.25, 0.7])}, "do not sum to one"),
        ({"eigenvalues": np.array([0.25, 0.75])}, "not as many eigenvalues"),
        ({"eigenvalues": np.array(["a", "b", "c"])}, "damaged"),
        ({"counts": np.array([[[3]]])}, "views, layers and texts"),
        ({"counts": np.array([[[4, -1]]])}, "more eigenvalues than the width of 8"),
        ({"width": 2}, "more eigenvalues than the width of 2"),
        ({"width": "wide"}, "damaged"),
        ({"rows": np.array([[[4, 1]]])}, "more rows than a text has"),
        ({"layers": ("0", "1")}, "views, layers and texts"),
        ({"layers": 0}, "damaged"),
        ({"groups": np.array(["all"])}, "groups are not those of 2 texts"),
        ({"offsets": np.array([0, 4])}, "offsets are not those of 2 texts"),
        ({"offsets": np.array([1, 3, 4])}, "losses are not those of its tokens"),
        ({"token_losses": np.zeros(3, dtype=np.float32)}, "losses are not those of its tokens"),
        ({"window_losses": np.zeros(1, dtype=np.float32)}, "of its windows"),
        ({"measures": ("curvature",)}, "measures are not those of .1, 2. layers and texts"),
        ({"measures": ("curvature",), "measured": np.zeros((2, 1, 2))}, "measures are not those"),
        (
            {"measures": ("norm_ratio",), "measured": np.array([[[np.inf, 1.0]]])},
            "a measure is an infinite number",
        ),
        ({"measures": ("curvature",), "measured": np.array([[["a", "b"]]])}, "damaged"),
    ],
)
def test_wrong_values_in_a_sound_file(changes: dict[str, Any], told: str, tmp_path: Path) -> None:
    spectra(**changes).save(tmp_path / "a.npz")
    with pytest.raises(InputError, match=told) as error:
        Spectra.load(tmp_path / "a.npz")
    assert str(tmp_path / "a.npz") in refusal(error)


@pytest.mark.parametrize("kind", ["spectra", "metrics"])
def test_a_copy_of_another_data_set_is_refused(kind: str, tmp_path: Path) -> None:
    """Also of another model; and a place outside of results says nothing."""
    folder = tmp_path / "results" / kind / "mine"
    folder.mkdir(parents=True)
    read: list[Callable[[Path], Any]]
    if kind == "spectra":
        path, read = folder / "texts.1of2.npz", [Spectra.load]
        spectra().save(path)
    else:
        path, read = folder / "texts.reversed.parquet", [read_metrics, read_provenance]
        write_metrics(path, metrics_table(spectra()), PROVENANCE)
    others = [path.with_name(path.name.replace("texts", "poems"))]
    others.append(folder.with_name("yours") / path.name)
    others[1].parent.mkdir()
    for load in read:
        load(path)
        load(Path(shutil.copy(path, tmp_path / path.name)))
        for other in others:
            shutil.copy(path, other)
            with pytest.raises(InputError, match="says that it is of mine on texts, not") as error:
                load(other)
            refusal(error)


def gains(**changes: Any) -> Gains:
    values: dict[str, Any] = {
        "diagonals": np.ones((2, 3)),
        "ids": np.array(["0", "1"]),
        "groups": np.array(["all"] * 2),
        "left_out": 0,
        "longest": 0,
        "longest_id": "",
        "known_groups": ("all",),
        "group": "",
        "width": 8,
        "noise": 0.1,
        "kernel": "cosine",
        "layer": "final",
        "provenance": PROVENANCE,
    }
    return Gains(**values | changes)


def sentences(**changes: Any) -> Sentences:
    values: dict[str, Any] = {
        **dict.fromkeys(("ids", "groups", "labels"), np.array(["0"])),
        "texts": np.array(["a fox"]),
        "tokens": np.array(["a", " fox"]),
        "offsets": np.array([0, 2]),
        "spans": np.array([[0, 1], [1, 5]]),
        "layers": ("0",),
        "states": np.ones((1, 2, 8)),
        "attention": np.full((3, 4), 0.5),
    }
    return Sentences(**values | {"provenance": PROVENANCE} | changes)


def rows(**changes: Any) -> Rows:
    values: dict[str, Any] = {
        "ids": np.array(["0"]),
        "offsets": np.array([0, 2]),
        "layers": ("0",),
        **dict.fromkeys(("norms", "distances"), np.ones((1, 2))),
        **dict.fromkeys(("attention", "uniform"), np.array([[0.5, np.nan]])),
    }
    return Rows(**values | {"provenance": PROVENANCE} | changes)


@pytest.mark.parametrize(
    ("make", "changes", "told"),
    [
        (gains, {}, None),
        (gains, {"diagonals": np.ones(2)}, "not those of 2 texts"),
        (gains, {"diagonals": np.ones((3, 3))}, "not those of 2 texts"),
        (gains, {"diagonals": np.full((2, 3), np.nan)}, "below one or no number"),
        (gains, {"diagonals": np.full((2, 3), np.inf)}, "below one or no number"),
        (gains, {"diagonals": np.full((2, 3), 0.9)}, "below one or no number"),
        (gains, {"diagonals": np.full((2, 3), "a")}, "damaged"),
        (gains, {"noise": np.nan}, "one of its numbers"),
        (gains, {"width": "8"}, "damaged"),
        (gains, {"provenance": "{"}, "does not say what it is of"),
        (sentences, {}, None),
        (sentences, {"offsets": np.array([0, 1, 2])}, "offsets are not those of 1 sentences"),
        (sentences, {"offsets": np.array([0, 3])}, "not those of 2 tokens"),
        (sentences, {"texts": np.array([], dtype=str)}, "not those of 1 sentences"),
        (sentences, {"spans": np.array([[0, 1], [1, 6]])}, "characters that its sentence"),
        (sentences, {"states": np.ones((2, 2, 8))}, "states are not those of 1 layers"),
        (sentences, {"states": np.full((1, 2, 8), np.inf)}, "a state is no number"),
        (sentences, {"attention": np.ones((3, 2))}, "attention is not that between"),
        (sentences, {"attention": np.full((3, 4), np.nan)}, "no share of one"),
        (sentences, {"attention": np.full((3, 4), "a")}, "damaged"),
        (rows, {}, None),
        (rows, {"offsets": np.array([1, 2])}, "offsets are not those of 1 texts"),
        (rows, {"norms": np.ones((2, 2))}, "not those of 1 layers, 2 rows"),
        (rows, {"norms": np.full((1, 2), np.nan)}, "negative or no number"),
        (rows, {"attention": np.ones((1, 3))}, "not that of 2 rows"),
        (rows, {"uniform": np.array([[1.5, 0.5]])}, "no share of one"),
    ],
)
def test_what_cannot_be_in_a_file_of_numbers(
    make: Callable[..., Any], changes: dict[str, Any], told: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "results" / "rows" / "mine" / "texts.npz"
    made = make(**changes)
    made.save(path)
    if told is None:
        type(made).load(path)
        return
    with pytest.raises(InputError, match=told) as error:
        type(made).load(path)
    assert str(path) in refusal(error)


def test_an_array_whose_bytes_do_not_unfold(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, ids=np.arange(99))
    content = bytearray(path.read_bytes())
    start = content.index(b"ids.npy") + len("ids.npy") + 20
    content[start : start + 4] = b"\xff" * 4
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.npz is damaged \(Error -3") as error:
        Gains.load(path)
    refusal(error)


def test_a_result_that_does_not_say_what_it_is_of() -> None:
    with pytest.raises(InputError, match="does not say what it is of") as error:
        check_place("results/sentences/mine/texts.npz", {})
    refusal(error)


def test_another_configuration_model_or_texts_are_refused(tmp_path: Path) -> None:
    record, origin = tmp_path / "mine.json", tmp_path / "texts.origin.json"
    write_json(record, RECORD)
    write_json(origin, ORIGIN)
    options = {"layers": 1, "bos": False, "extract": "all"}
    check_made_of("a.npz", PROVENANCE, options, str(record), str(origin))
    with pytest.raises(InputError, match="with `bos: false`, but it is true in") as error:
        check_made_of("a.npz", PROVENANCE, options | {"bos": True})
    refusal(error)
    write_json(record, RECORD | {"weights_sha256": {"a": "11"}, "folder": "/elsewhere"})
    with pytest.raises(InputError, match=r"mine.json said something else \(weights_") as error:
        check_made_of("a.npz", PROVENANCE, options, str(record), str(origin))
    refusal(error)
    write_json(origin, ORIGIN | {"texts": 3})
    with pytest.raises(InputError, match=r"origin.json said something else \(texts\)") as error:
        check_made_of("a.npz", PROVENANCE, options, None, str(origin))
    refusal(error)


@pytest.mark.parametrize("content", ["", "{}", '{"model": "mi', "[]", "3", "\udcff"])
@pytest.mark.parametrize("read", [read_record, read_origin])
def test_damaged_records_and_origins(
    content: str, read: Callable[[Path], Any], tmp_path: Path
) -> None:
    path = tmp_path / "mine.json"
    path.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(InputError, match=r"mine\.json is damaged") as error:
        read(path)
    refusal(error)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, None),
        ({"dataset": {"name": "others"}}, "is of mine on others, not of mine on texts"),
        ({"accuracies": {"piqa": {"accuracy": 1.7}}}, "an accuracy is no share of one"),
        ({"accuracies": {"piqa": {}}}, "an accuracy is no share of one"),
        ({"accuracies": {"piqa": {"accuracy": float("nan")}}}, "an accuracy is no share of one"),
        ({"model": None}, "does not say what it is of"),
    ],
)
def test_accuracies(tmp_path: Path, change: dict[str, Any], told: str | None) -> None:
    path = tmp_path / "results" / "accuracy" / "mine" / "texts.json"
    accuracies = {"piqa": {"accuracy": 0.6}}
    of = {"model": {"model": "mine"}, "dataset": {"name": "texts"}}
    write_json(path, of | {"accuracies": accuracies} | change)
    if told is None:
        assert read_accuracies(path) == accuracies
    else:
        with pytest.raises(InputError, match=f"{told}.*delete it and run again"):
            read_accuracies(path)


def test_a_record_of_another_model(tmp_path: Path) -> None:
    path = tmp_path / "results" / "models" / "other.json"
    write_json(path, {"model": "mine", "folder": "mine"})
    with pytest.raises(InputError, match=r"other\.json says that it is of mine, not of other"):
        read_record(path)


def test_texts_that_broke_off(tmp_path: Path) -> None:
    prompts, origin = tmp_path / "texts.jsonl", tmp_path / "texts.origin.json"
    texts = [{"id": str(i), "group": "all", "text": "ä fox"} for i in range(2)]
    write_jsonl(prompts, texts)
    write_json(origin, ORIGIN)
    assert read_texts(prompts, origin) == texts
    whole = prompts.read_bytes()
    # Within a record and a letter, at its end, everything, and another kind of record.
    for content in (whole[:-3], whole[: whole.index(b"fox") - 2], whole[: len(whole) // 2], b""):
        prompts.write_bytes(content)
        with pytest.raises(InputError, match=r"texts\.jsonl is damaged") as error:
            read_texts(prompts, origin)
        refusal(error)
    for content in (b'{"id": "0"}\n{"id": "1"}\n', b"[1]\n[2]\n", b'{"id":0,"group":1,"text":2}\n'):
        prompts.write_bytes(content)
        with pytest.raises(InputError, match="damaged"):
            read_texts(prompts, origin)
