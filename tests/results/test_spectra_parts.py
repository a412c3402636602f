"""Spectra and metrics in pieces: the same files, and memory that does not grow with their size."""

from __future__ import annotations

import functools
import gc
import tracemalloc
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from matrix_entropy.base.errors import InputError
from matrix_entropy.results import found_spectra, metrics, spectra_parts
from matrix_entropy.results.counted_rows import views_of
from matrix_entropy.results.found_spectra import Found, FoundSpectra
from matrix_entropy.results.gathered_spectra import write_gathered
from matrix_entropy.results.metric_files import write_tables
from matrix_entropy.results.metrics import (
    joined_layers,
    metrics_table,
    summary_table,
    write_metrics,
    write_summary,
)
from matrix_entropy.results.npz_files import save_npz
from matrix_entropy.results.spectra_file import Assembled, Spectra, assembled, gathered
from matrix_entropy.results.spectra_parts import SpectraParts

WIDTH = 6
CONTROLS = ["without_first_row", "equal_length"]
MEASURES = ["anisotropy", "norm_ratio"]
LAYERS = [0, 1, 2, "final"]
PROVENANCE = {"model": {"model": "small"}, "dataset": {"name": "texts"}, "options": {}}


def made(
    folder: Path, texts: int, layers: list[Any], measures: list[str], seed: int = 0
) -> Assembled:
    """Random spectra of texts of one to eleven rows, found from the last to the first."""
    random = np.random.default_rng(seed)
    lengths = random.integers(1, 12, texts)
    groups = np.array(["good", "bad"])[np.arange(texts) % 2]
    views = views_of(groups, lengths, CONTROLS, None, [4])
    found = FoundSpectra(folder, list(views.values()), len(layers), len(measures))
    found.create()
    found.open()
    for text in reversed(range(texts)):
        for layer in range(len(layers)):
            spectra = []
            for view in views.values():
                rows = int(view.most[text]) if view.most[text] > 1 else 0
                values = np.sort(random.random(min(rows, WIDTH)))
                spectra.append((values / values.sum(), rows))
            found.write(layer, text, Found(spectra, [1.0] * len(measures), 7))
    found.close()
    offsets = np.cumsum([0, *lengths])
    tokens: dict[str, Any] = {
        "ids": np.array([f"text {text}" for text in range(texts)]),
        "groups": groups,
        "offsets": offsets,
        "truncated": lengths > 9,
        "token_ids": np.arange(offsets[-1]),
        "token_losses": random.random(offsets[-1]).astype(np.float32),
        "window_groups": np.array(["good", "bad"]),
        "window_losses": np.array([1.0, 2.0], dtype=np.float32),
        "window_tokens": np.array([30, 10]),
    }
    return assembled(found, list(views), layers, WIDTH, tokens, PROVENANCE, measures)


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several texts each, and at times a single one that is too large."""
    monkeypatch.setattr(found_spectra, "AT_A_TIME", 10)
    monkeypatch.setattr(spectra_parts, "AT_A_TIME", 30)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("measures", [[], MEASURES])
def test_a_file_in_pieces_is_that_of_all_at_once(tmp_path: Path, measures: list[str]) -> None:
    found = made(tmp_path, 23, LAYERS, measures)
    whole = found.loaded()
    found.save(tmp_path / "pieces.npz")
    whole.save(tmp_path / "whole.npz")
    assert (tmp_path / "pieces.npz").read_bytes() == (tmp_path / "whole.npz").read_bytes()
    arrays = {each.name: getattr(whole, each.name) for each in fields(Spectra)}
    with np.load(tmp_path / "pieces.npz") as stored:
        for name in set(stored.files) - {"provenance"}:
            np.testing.assert_array_equal(stored[name], arrays[name])
            assert stored[name].dtype == np.asarray(arrays[name]).dtype
    told = {"groups": whole.groups, "provenance": {}}
    np.savez(tmp_path / "by_numpy.npz", rows=whole.rows, groups=whole.groups, provenance="{}")
    save_npz(tmp_path / "ours.npz", {"rows": found.values["rows"], **told})
    assert (tmp_path / "ours.npz").read_bytes() == (tmp_path / "by_numpy.npz").read_bytes()


@pytest.mark.usefixtures("small_pieces")
def test_parts_are_those_of_the_whole(tmp_path: Path) -> None:
    made(tmp_path, 23, LAYERS, MEASURES).save(tmp_path / "spectra.npz")
    whole, file = Spectra.load(tmp_path / "spectra.npz"), SpectraParts(tmp_path / "spectra.npz")
    assert file.layers == whole.layers
    parts = list(file)
    assert len(parts) > 2 * len(LAYERS)
    places = [(part.layer, str(text)) for part in parts for text in part.spectra.ids]
    assert places == [(layer, str(text)) for layer in range(len(LAYERS)) for text in whole.ids]
    for layer, part in parts:
        first = list(whole.ids).index(part.ids[0])
        for text in range(len(part.ids)):
            start, end = whole.offsets[first + text : first + text + 2]
            np.testing.assert_array_equal(
                part.token_losses[slice(*part.offsets[text : text + 2])],
                whole.token_losses[start:end],
            )
            np.testing.assert_array_equal(
                part.measured[:, 0, text], whole.measured[:, layer, first + text]
            )
            for view in range(len(whole.views)):
                assert part.rows[view, 0, text] == whole.rows[view, layer, first + text]
                np.testing.assert_array_equal(
                    part.of(view, 0, text), whole.of(view, layer, first + text)
                )


@pytest.mark.usefixtures("small_pieces")
def test_tables_in_pieces_are_those_of_all_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two files of further and further layers, with a view, a measure and a metric chosen."""
    monkeypatch.setattr(metrics, "ROWS_AT_A_TIME", 10**6)
    paths = [tmp_path / "first.npz", tmp_path / "second.npz"]
    for path, layers in zip(paths, (LAYERS[:3], LAYERS[3:]), strict=True):
        made(tmp_path, 23, layers, MEASURES).save(path)

    def selected(spectra: Spectra) -> Spectra:
        spectra = spectra.with_views(["all_rows", "equal_length"]).with_measures(MEASURES[1:])
        return spectra.with_groups({"good": "Good", "bad": "Bad"})

    whole = [selected(Spectra.load(path)) for path in paths]
    table = joined_layers([metrics_table(each, ["rankme"]) for each in whole])
    summary = joined_layers([summary_table(each, ["rankme"]) for each in whole])
    write_metrics(tmp_path / "whole.parquet", table, PROVENANCE)
    write_summary(tmp_path / "whole.csv", summary, PROVENANCE)
    asked = [SpectraParts(path) for path in paths], selected, ["rankme"]
    found = write_tables(*asked, tmp_path / "parts.parquet", tmp_path / "parts.csv")
    pd.testing.assert_frame_equal(found, summary, check_exact=True)
    for kind in ("parquet", "csv"):
        parts, at_once = (tmp_path / f"{name}.{kind}" for name in ("parts", "whole"))
        assert parts.read_bytes() == at_once.read_bytes()
    monkeypatch.setattr(metrics, "ROWS_AT_A_TIME", 40)
    write_tables(*asked, tmp_path / "groups.parquet", tmp_path / "groups.csv")
    assert metrics.pq.read_metadata(tmp_path / "groups.parquet").num_row_groups > 1
    in_groups, _ = metrics.read_metrics(tmp_path / "groups.parquet")
    pd.testing.assert_frame_equal(in_groups, table, check_exact=True)


@pytest.mark.parametrize("measures", [[], MEASURES[1:]])
def test_shards_in_pieces_are_gathered_as_all_at_once(tmp_path: Path, measures: list[str]) -> None:
    """Of two shards, of which the second was made with more views and measures."""
    paths = [tmp_path / "first.npz", tmp_path / "second.npz"]
    for number, path in enumerate(paths, start=1):
        whole = made(tmp_path, 5 * number, LAYERS, MEASURES, seed=number).loaded()
        told = PROVENANCE | {"shard": [number, 2], "tokens": 9, "truncated_texts": 1}
        if number == 1:
            whole = whole.with_views(["equal_length", "all_rows"]).with_measures(measures)
        replace(whole, provenance=told).save(path)
    views = ["all_rows", "equal_length"]
    chosen = [Spectra.load(path).with_views(views).with_measures(measures) for path in paths]
    gathered(chosen, "texts").save(tmp_path / "whole.npz")
    write_gathered(
        tmp_path / "pieces.npz", [SpectraParts(path) for path in paths], "texts", views, measures
    )
    assert (tmp_path / "pieces.npz").read_bytes() == (tmp_path / "whole.npz").read_bytes()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"counts": 1}, "not as many eigenvalues as it says"),
        ({"counts": -9}, "not as many eigenvalues as it says"),
        ({"rows": 99}, "it counts more rows than a text has"),
        ({"eigenvalues": 0.25}, "do not sum to one"),
        ({"eigenvalues": np.nan}, "negative or no numbers"),
        ({"measured": np.inf}, "a measure is an infinite number"),
    ],
)
def test_values_that_cannot_be_are_refused(
    tmp_path: Path, change: dict[str, float], said: str
) -> None:
    """Also at the last layer, and no table is left of those before it."""
    whole = made(tmp_path, 5, LAYERS, MEASURES).loaded()
    for name, by in change.items():
        getattr(whole, name).reshape(-1)[-1] += by
    whole.save(tmp_path / "spectra.npz")
    left = sorted(tmp_path.iterdir())
    with pytest.raises(InputError, match=rf"spectra\.npz is damaged \(.*{said}\); delete it"):
        write_tables(
            [SpectraParts(tmp_path / "spectra.npz")],
            lambda spectra: spectra,
            [],
            *(tmp_path / "a.parquet", tmp_path / "a.csv"),
        )
    assert sorted(tmp_path.iterdir()) == left


@pytest.mark.parametrize("at", [0.2, 0.5, 1.0])
def test_a_damaged_file_is_named(tmp_path: Path, at: float) -> None:
    path = tmp_path / "spectra.npz"
    made(tmp_path, 5, LAYERS, MEASURES).save(path)
    data = path.read_bytes()
    for wrong in (data[: int(at * len(data)) - 1], changed(data, at)):
        path.write_bytes(wrong)
        with pytest.raises(InputError, match=r"spectra\.npz is damaged \(.*\); delete it and run"):
            list(SpectraParts(path))


def changed(data: bytes, at: float) -> bytes:
    """With one byte of the eigenvalues or behind them changed."""
    place = int(at * (len(data) - 200))
    return data[:place] + bytes([data[place] ^ 255]) + data[place + 1 :]


def test_memory_does_not_grow_with_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four times as many layers: of the larger file, less is held than what it has grown by.

    What does grow are the rows of the summary, some for each layer.
    """
    monkeypatch.setattr(metrics, "ROWS_AT_A_TIME", 2000)
    path = tmp_path / "spectra.npz"
    writing, reading, sizes = [], [], []
    for layers in (2, 8):
        found = made(tmp_path, 2000, [*range(layers)], [])
        writing.append(peak(functools.partial(found.save, path)))
        reading.append(peak(functools.partial(tables, path)))
        sizes.append(path.stat().st_size)
    grown = sizes[1] - sizes[0]
    assert writing[1] - writing[0] < 0.1 * grown, (writing, sizes)
    assert reading[1] - reading[0] < 0.5 * grown, (reading, sizes)


def peak(work: Callable[[], None]) -> int:
    """Most bytes that Python and NumPy held at a time."""
    gc.collect()
    tracemalloc.start()
    work()
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found


def tables(path: Path) -> None:
    write_tables(
        [SpectraParts(path)],
        lambda spectra: spectra,
        [],
        *(path.with_suffix(".parquet"), path.with_suffix(".csv")),
    )
