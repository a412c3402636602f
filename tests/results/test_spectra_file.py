"""The spectra of a data set: every text alone, in any number of threads, and back from disk."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from test_intermediates import PROVENANCE

from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import write_csv, write_json
from matrix_entropy.maths import measures
from matrix_entropy.maths import spectra as maths_spectra
from matrix_entropy.maths.entropy import matrix_entropy
from matrix_entropy.maths.spectra import spectrum
from matrix_entropy.results.counted_rows import equal_lengths
from matrix_entropy.results.metrics import (
    entropies,
    joined_layers,
    losses,
    metrics_table,
    perplexity,
    read_metrics,
    read_provenance,
    read_summary,
    summary_table,
    write_metrics,
    write_summary,
)
from matrix_entropy.results.spectra_file import EPSILON, Spectra, compute_spectra

LENGTHS = [1, 2, 30, 25, 40, 90]
GROUPS = ["good", "bad", "good", "bad", "good", "bad"]
LAYERS = [0, 1, 2, "final"]
WIDTH = 48
CONTROLS = [
    "without_first_row",
    "equal_length",
    "without_long_rows",
    "equal_length_without_long_rows",
]
MEASURES = ["anisotropy", "curvature", "norm_ratio"]
# Rows that are made long, by layer and text; the last one lies behind what equal length keeps.
LONG_ROWS = {(1, 2): [0], (1, 3): [0, 1], (2, 5): [7, 40]}


def test_rounding_is_that_of_the_types_of_torch() -> None:
    assert {name: torch.finfo(getattr(torch, name)).eps for name in EPSILON} == EPSILON


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random hidden states in the files that a dump writes."""
    folder = tmp_path_factory.mktemp("states")
    random = np.random.default_rng(0)
    offsets = np.cumsum([0, *LENGTHS])
    for layer in LAYERS:
        states = random.standard_normal((offsets[-1], WIDTH)).astype(np.float32)
        for (at, text), rows in LONG_ROWS.items():
            if at == layer:
                states[offsets[text] + np.array(rows)] *= 40
        np.save(folder / f"layer_{layer}.npy", states)
    token_losses = random.random(offsets[-1]).astype(np.float32)
    token_losses[offsets[:-1]] = np.nan
    np.savez(
        folder / "tokens.npz",
        ids=np.array([f"text {i}" for i in range(len(LENGTHS))]),
        groups=np.array(GROUPS),
        offsets=offsets,
        truncated=np.array([False] * 5 + [True]),
        token_losses=token_losses,
        window_groups=np.array(["good", "good", "bad"]),
        window_losses=np.array([1.0, 2.0, 3.0], dtype=np.float32),
        window_tokens=np.array([30, 10, 20]),
    )
    write_json(folder / "provenance.json", {"options": {"dtype": "float32"}, "model": "random"})
    return folder


@pytest.fixture(scope="module")
def spectra(folder: Path) -> Spectra:
    return compute_spectra(folder, LAYERS, CONTROLS, None, measures=MEASURES)


def rows_of(folder: Path, layer: int | str, text: int) -> np.ndarray:
    start = sum(LENGTHS[:text])
    return np.load(folder / f"layer_{layer}.npy")[start : start + LENGTHS[text]]


def test_every_spectrum_is_that_of_its_rows(folder: Path, spectra: Spectra) -> None:
    shared = 16  # the shortest text has one row, and fewer than 16 are not compared
    for at, layer in enumerate(LAYERS):
        for text, length in enumerate(LENGTHS):
            rows = rows_of(folder, layer, text)
            equal = rows[: shared if length >= shared else 0]
            made_long = LONG_ROWS.get((layer, text), [])
            ordinary = [
                np.delete(part, [row for row in made_long if row < len(part)], axis=0)
                for part in (rows, equal)
            ]
            views = [rows, rows[1:], equal, *ordinary]
            for view, expected in enumerate(views):
                eigenvalues, count = spectrum(expected)
                np.testing.assert_array_equal(spectra.of(view, at, text), eigenvalues)
                assert spectra.rows[view, at, text] == count


def test_every_measure_is_that_of_all_rows_in_their_order(folder: Path, spectra: Spectra) -> None:
    known = {each.name: each.of for each in measures.MEASURES}
    for at, layer in enumerate(LAYERS):
        for text in range(len(LENGTHS)):
            rows = rows_of(folder, layer, text).astype(np.float64)
            expected = [known[name](rows) for name in MEASURES]
            np.testing.assert_array_equal(spectra.measured[:, at, text], expected)
    assert np.isnan(spectra.measured[:2, :, 0]).all(), "one row"
    assert (spectra.measured[2, 1, 2:4] > 10).all(), "long rows"


def test_threads_change_nothing(folder: Path, spectra: Spectra) -> None:
    threaded = compute_spectra(folder, LAYERS, CONTROLS, None, threads=3, measures=MEASURES)
    np.testing.assert_array_equal(threaded.eigenvalues, spectra.eigenvalues)
    np.testing.assert_array_equal(threaded.measured, spectra.measured)


def test_a_large_matrix_with_fewer_rows_says_of_its_solver(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A covariance is as large as the width, however few rows of the text are counted."""
    place, offset = tmp_path / "states", sum(LENGTHS[:-1])
    shutil.copytree(folder, place)
    states = np.load(place / "layer_0.npy")
    # Twenty rows around a mean of zero, and seventy that are the mean.
    states[offset + 20 :] = 0
    states[offset + 10 : offset + 20] = -states[offset : offset + 10]
    np.save(place / "layer_0.npy", states)
    found = compute_spectra(place, [0], [], None)
    assert found.rows[0, 0, -1] == 20
    assert found.counts.max() == 40
    assert "large_matrices" not in found.provenance
    monkeypatch.setattr(maths_spectra, "TWO_STAGE", WIDTH)
    again = compute_spectra(place, [0], [], None)
    assert again.provenance["large_matrices"] in ("MKL", "NumPy")
    monkeypatch.setattr(maths_spectra, "TWO_STAGE", WIDTH + 1)
    assert "large_matrices" not in compute_spectra(place, [0], [], None).provenance


def test_single_precision_is_another_run(folder: Path, spectra: Spectra) -> None:
    """It says so of itself, and is not taken for what the configuration asks for otherwise."""
    single = compute_spectra(folder, LAYERS, CONTROLS, None, measures=MEASURES, single=True)
    assert single.provenance["spectra_precision"] == "single"
    assert single.fault() is None
    assert not np.array_equal(single.eigenvalues, spectra.eigenvalues)
    np.testing.assert_allclose(single.eigenvalues, spectra.eigenvalues, rtol=0, atol=1e-5)
    for made, wanted, found in ((single, "double", "single"), (spectra, "single", "double")):
        assert made.of_precision(found) is made
        named = replace(made, provenance=made.provenance | PROVENANCE)
        with pytest.raises(InputError, match=f"precision: {found}`, but .* has {wanted}; delete"):
            named.of_precision(wanted)


def test_spectra_without_measures_are_as_they_were(
    folder: Path, spectra: Spectra, tmp_path: Path
) -> None:
    """A file says nothing of measures if there are none, and an older one that does not is read."""
    without = compute_spectra(folder, LAYERS, CONTROLS, None)
    without.save(tmp_path / "without.npz")
    with np.load(tmp_path / "without.npz") as stored:
        assert not {"measures", "measured"} & set(stored.files)
    loaded = Spectra.load(tmp_path / "without.npz")
    assert loaded.measures == ()
    spectra.with_measures([]).save(tmp_path / "fewer.npz")
    assert (tmp_path / "fewer.npz").read_bytes() == (tmp_path / "without.npz").read_bytes()
    pd.testing.assert_frame_equal(
        metrics_table(loaded), metrics_table(spectra).drop(columns=MEASURES), check_exact=True
    )


def test_a_measure_that_was_not_taken_is_named(spectra: Spectra) -> None:
    fewer = replace(
        spectra.with_measures(["norm_ratio", "curvature"]),
        provenance={"model": {"model": "small"}, "dataset": {"name": "texts"}},
    )
    np.testing.assert_array_equal(fewer.measured, spectra.measured[[2, 1]])
    said = "the spectra of small on texts have no measure 'anisotropy', but norm_ratio, curvature; "
    with pytest.raises(InputError, match=f"{said}delete them and run again"):
        fewer.with_measures(["anisotropy"])
    with pytest.raises(InputError, match="have no measure 'curvature', but none; delete them"):
        fewer.with_measures([]).with_measures(["curvature"])


def test_measures_are_columns_of_all_rows(spectra: Spectra) -> None:
    texts, summary = metrics_table(spectra), summary_table(spectra)
    assert list(texts)[list(texts).index("loss") - 3 :][:3] == ["curvature", *MEASURES[::2]]
    for name, values in zip(MEASURES, spectra.measured, strict=True):
        np.testing.assert_array_equal(texts[name], values.ravel())
        of_group = summary[summary["group"] == "good"]
        good, whole = values[:, [0, 2, 4]], of_group[of_group["view"] == "all_rows"]
        np.testing.assert_allclose(whole[name], np.nanmean(good, axis=1), rtol=1e-12)
        np.testing.assert_allclose(whole[f"{name}_std"], np.nanstd(good, axis=1), rtol=1e-9)
        assert of_group.drop(whole.index)[[name, f"{name}_std"]].isna().all(axis=None)


def test_values_of_measures_that_cannot_be_are_refused(spectra: Spectra, tmp_path: Path) -> None:
    metrics, summary = of_place(tmp_path, spectra)
    table, told = read_metrics(metrics)
    means = pd.read_csv(summary)
    for column, value, said in (
        ("curvature", 3.2, "curvature is 3.2, not from 0 to 3.14159"),
        ("anisotropy", -1.1, "anisotropy is -1.1, not from -1 to 1"),
        ("norm_ratio", 0.9, "norm_ratio is 0.9, not from 1 to inf"),
    ):
        write_metrics(metrics, table.assign(**{column: value}), told)
        with pytest.raises(InputError, match=f"parquet is damaged .{said}.; delete it and run"):
            read_metrics(metrics)
        write_csv(summary, means.assign(**{column: value}))
        with pytest.raises(InputError, match=f"csv is damaged .{said}.; delete it and run again"):
            read_summary(summary)
    write_csv(summary, means.assign(anisotropy_std=-0.1))
    with pytest.raises(InputError, match=r"anisotropy_std is -0\.1, not from 0 to 1"):
        read_summary(summary)


def test_the_file_gives_back_what_was_saved(spectra: Spectra, tmp_path: Path) -> None:
    spectra.save(tmp_path / "spectra.npz")
    loaded = Spectra.load(tmp_path / "spectra.npz")
    for name, value in vars(spectra).items():
        np.testing.assert_array_equal(getattr(loaded, name), value)
    spectra.save(tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "spectra.npz").read_bytes()


def test_a_damaged_file_is_named(spectra: Spectra, tmp_path: Path) -> None:
    spectra.save(tmp_path / "spectra.npz")
    data = (tmp_path / "spectra.npz").read_bytes()
    (tmp_path / "spectra.npz").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"spectra\.npz is damaged"):
        Spectra.load(tmp_path / "spectra.npz")


def test_states_that_do_not_fit_their_tokens_are_named(folder: Path, tmp_path: Path) -> None:
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    np.save(tmp_path / "layer_1.npy", np.zeros((10, WIDTH), dtype=np.float32))
    with pytest.raises(InputError, match=r"layer_1\.npy has 10 rows"):
        compute_spectra(tmp_path, LAYERS, [], None)


def test_equal_lengths_are_shared_within_a_panel() -> None:
    lengths = np.array([40, 30, 100, 20, 5])
    groups = np.array(["a", "b", "c", "c", "other"])
    cut = equal_lengths(groups, lengths, [["a", "b"], ["c"]])
    assert cut.tolist() == [30, 30, 20, 20, 0]


def test_entropies_equal_one_by_one(spectra: Spectra) -> None:
    entropy = entropies(spectra)
    for at in np.ndindex(entropy.shape):
        expected = matrix_entropy(spectra.of(*at))
        np.testing.assert_allclose(entropy[at], expected, atol=1e-12)


def test_losses_are_means_over_known_tokens(spectra: Spectra) -> None:
    found = losses(spectra)
    assert np.isnan(found[0]), "a single token has no loss"
    for text in range(1, len(LENGTHS)):
        start, end = spectra.offsets[text : text + 2]
        assert found[text] == pytest.approx(np.nanmean(spectra.token_losses[start:end]))


def test_metrics_have_one_row_per_text_and_layer(spectra: Spectra) -> None:
    metrics = metrics_table(spectra)
    assert len(metrics) == len(LENGTHS) * len(LAYERS)
    assert {
        "id",
        "group",
        "layer",
        "tokens",
        "matrix_entropy",
        "matrix_entropy_normalised",
        "effective_rank",
    } <= set(metrics)
    row = metrics[(metrics["id"] == "text 2") & (metrics["layer"] == "final")].iloc[0]
    entropy = matrix_entropy(spectra.of(0, 3, 2))
    assert row["tokens"] == 30
    assert row["matrix_entropy"] == pytest.approx(entropy)
    assert row["matrix_entropy_normalised"] == pytest.approx(entropy / np.log(WIDTH))
    assert row["effective_rank"] == pytest.approx(np.exp(entropy))
    assert row["entropy_bound_normalised"] == pytest.approx(np.log(29) / np.log(WIDTH))


def test_a_text_of_one_token_is_kept_and_counted(spectra: Spectra) -> None:
    metrics = metrics_table(spectra)
    single = metrics[metrics["id"] == "text 0"]
    assert len(single) == len(LAYERS)
    assert single["matrix_entropy"].isna().all()
    summary = summary_table(spectra).set_index(["view", "group", "layer"])
    good = summary.loc[("all_rows", "good", "1")]
    assert (good["texts"], good["undefined"]) == (3, 1)
    values = [matrix_entropy(spectra.of(0, 1, text)) for text in (2, 4)]
    assert good["entropy_a"] == pytest.approx(np.mean(values) / np.log(WIDTH))
    assert good["entropy_b"] == pytest.approx(np.exp(np.mean(values)) / WIDTH)
    assert good["entropy_c"] == pytest.approx(np.exp(values).mean() / WIDTH)
    assert good["entropy_a_std"] == pytest.approx(np.std(values) / np.log(WIDTH))
    assert good["effective_rank"] == pytest.approx(np.exp(values).mean())
    assert good["effective_rank_geometric"] == pytest.approx(np.exp(np.mean(values)))
    assert good["entropy_bound"] == pytest.approx(np.log([29, 39]).mean() / np.log(WIDTH))


def test_losses_of_a_group(spectra: Spectra) -> None:
    """Mean of texts' means, token-weighted, and in windows weighted by their tokens."""
    summary = summary_table(spectra).set_index(["view", "group", "layer"])
    good = summary.loc[("all_rows", "good", "final")]
    texts = [spectra.token_losses[spectra.offsets[t] + 1 : spectra.offsets[t + 1]] for t in (2, 4)]
    assert good["loss"] == pytest.approx(np.mean([text.mean() for text in texts]), rel=1e-6)
    assert good["ppl_token"] == pytest.approx(np.exp(np.concatenate(texts).mean()), rel=1e-6)
    assert good["ppl_windows"] == pytest.approx(np.exp((30 * 1.0 + 10 * 2.0) / 40))
    assert good["loss_sem"] == pytest.approx(stats.sem([text.mean() for text in texts]), rel=1e-6)
    # Two windows: a ratio of means, whose parts are 30 · (1 − 5/4) and 10 · (2 − 5/4) apart.
    assert good["ppl_windows_sem"] == pytest.approx(good["ppl_windows"] * np.sqrt(4 * 7.5**2) / 40)
    assert np.isnan(summary.loc[("without_first_row", "good", "final"), "loss"])


@pytest.mark.parametrize("alike", [True, False])
def test_the_error_of_a_perplexity_is_that_of_its_texts(alike: bool) -> None:
    """Of texts of one length that of their mean losses; else that of a jackknife, nearly."""
    random = np.random.default_rng(3)
    counts = np.full(400, 20) if alike else random.integers(5, 60, 400)
    losses = random.normal(3, 0.4, 400)
    found, error = perplexity(losses * counts, counts)
    assert found == pytest.approx(np.exp(np.average(losses, weights=counts)))
    if alike:
        assert error == pytest.approx(found * stats.sem(losses))
    else:
        without = np.exp(((losses * counts).sum() - losses * counts) / (counts.sum() - counts))
        assert error == pytest.approx(np.sqrt(399**2 / 400 * without.var(ddof=1)), rel=0.02)
    assert np.isnan(perplexity(losses[:1], counts[:1])[1])
    beyond, unknown = perplexity(np.array([1e4, 1e4]), np.array([1, 1]))
    assert np.isinf(beyond)
    assert np.isnan(unknown)


def test_layers_of_several_files_are_those_of_one(folder: Path, spectra: Spectra) -> None:
    parts = [
        compute_spectra(folder, layers, CONTROLS, None, measures=MEASURES)
        for layers in ([0], [1, 2], ["final"])
    ]
    metrics = joined_layers([metrics_table(part) for part in parts])
    pd.testing.assert_frame_equal(metrics, metrics_table(spectra), check_exact=True)
    summary = joined_layers([summary_table(part) for part in parts])
    assert list(summary.index) == list(range(len(summary)))
    # In a table of its own every part has all groups and views of its layers.
    keys = ["group", "view", "depth"]
    pd.testing.assert_frame_equal(
        summary.sort_values(keys, ignore_index=True),
        summary_table(spectra).sort_values(keys, ignore_index=True),
        check_exact=True,
    )


def test_the_table_carries_its_provenance(spectra: Spectra, tmp_path: Path) -> None:
    metrics = metrics_table(spectra)
    write_metrics(tmp_path / "metrics.parquet", metrics, spectra.provenance)
    loaded, provenance = read_metrics(tmp_path / "metrics.parquet")
    assert provenance == spectra.provenance
    np.testing.assert_array_equal(loaded["matrix_entropy"], metrics["matrix_entropy"])


@pytest.mark.parametrize("name", ["tokens.npz", "provenance.json"])
def test_a_damaged_folder_is_named(folder: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(folder, tmp_path / "states")
    path = tmp_path / "states" / name
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(InputError, match=r"states is damaged .* delete it and run again"):
        compute_spectra(tmp_path / "states", LAYERS, [], None)


def of_place(folder: Path, spectra: Spectra) -> tuple[Path, Path]:
    """Metrics and summary at the place of a model's data set."""
    place = folder / "results" / "metrics" / "small"
    place.mkdir(parents=True)
    told = spectra.provenance | {"model": {"model": "small"}, "dataset": {"name": "texts"}}
    write_metrics(place / "texts.parquet", metrics_table(spectra), told)
    write_summary(place / "texts.summary.csv", summary_table(spectra), told)
    return place / "texts.parquet", place / "texts.summary.csv"


def test_a_summary_says_what_it_is_of(spectra: Spectra, tmp_path: Path) -> None:
    _, summary = of_place(tmp_path, spectra)
    expected = summary_table(spectra)
    pd.testing.assert_frame_equal(
        read_summary(summary)[["matrix_entropy"]], expected[["matrix_entropy"]]
    )
    other = summary.with_name("others.summary.csv")
    shutil.copy(summary, other)
    with pytest.raises(InputError, match="is of small on texts, not of small on others; delete it"):
        read_summary(other)
    whole = summary.read_text()
    lines = whole.splitlines(keepends=True)
    first, *rest = lines[1].split(",")
    for wrong in (
        whole[:-40],
        whole[:-8],
        whole + lines[-1],
        lines[0],
        whole.replace(",".join([first, *rest]), ",".join([first, "", *rest[1:]])),
        whole.replace("matrix_entropy", "entropy", 1),
        # As it was before it said what it is of.
        "".join(f"{line.rsplit(',', 2)[0]}\n" for line in lines),
    ):
        summary.write_text(wrong)
        with pytest.raises(InputError, match=r"texts\.summary\.csv .*; delete it and run again"):
            read_summary(summary)


@pytest.mark.parametrize(
    ("column", "value", "of_texts", "of_means"),
    [
        ("matrix_entropy_normalised", -0.1, "is -0.1, not from 0 to 1", None),
        ("matrix_entropy_normalised", 1.1, "is 1.1, not from 0 to 1", None),
        ("matrix_entropy", -0.1, "is -0.1, not from 0 to inf", "is -0.1, not from 0 to"),
        ("matrix_entropy", 99.0, "not that of its entropy", "is 99, not from 0 to"),
        ("matrix_entropy", np.inf, "not that of its entropy", "infinite number"),
        ("matrix_entropy", np.nan, "not that of its entropy", "a mean is missing"),
        ("effective_rank", 0.5, "is 0.5, not from 1 to inf", "is 0.5, not from 1 to"),
        ("effective_rank", 1e6, "not that of its entropy", r"is 1e\+06, not from 1 to"),
        ("effective_rank_geometric", np.nan, None, "a mean is missing"),
        ("undefined", 99, None, "undefined is 99, not from 0 to 3"),
        ("entropy_bound", 1.1, None, "entropy_bound is 1.1, not from 0 to 1"),
        ("width", "wide", None, "text among its numbers"),
    ],
)
def test_values_that_cannot_be_are_refused(
    spectra: Spectra,
    tmp_path: Path,
    column: str,
    value: float,
    of_texts: str | None,
    of_means: str | None,
) -> None:
    metrics, summary = of_place(tmp_path, spectra)
    table, told = read_metrics(metrics)
    means = pd.read_csv(summary)
    for told_of, frame in ((of_texts, table), (of_means, means)):
        if told_of:
            place = frame["matrix_entropy"].first_valid_index()
            frame[column] = frame[column].astype(type(value))
            frame.loc[place, column] = value
    write_metrics(metrics, table, told)
    write_csv(summary, means)
    files: list[Any] = [(of_texts, read_metrics, metrics), (of_means, read_summary, summary)]
    for said, read, path in files:
        if said:
            with pytest.raises(InputError, match=f"is damaged .*{said}.*; delete it and run again"):
                read(path)


def test_damaged_tables_are_named(spectra: Spectra, tmp_path: Path) -> None:
    metrics, summary = tmp_path / "metrics.parquet", tmp_path / "summary.csv"
    write_metrics(metrics, metrics_table(spectra), spectra.provenance)
    metrics.write_bytes(metrics.read_bytes()[:100])
    summary.write_text("")
    for read, path in (
        (read_metrics, metrics),
        (read_provenance, metrics),
        (read_summary, summary),
    ):
        with pytest.raises(InputError, match=rf"{path.name} is damaged .* delete it and run again"):
            read(path)
