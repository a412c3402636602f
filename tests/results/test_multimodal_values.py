"""Values of vision-language models in one table: from the spectra of every place to the columns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from matrix_entropy.base.errors import InputError
from matrix_entropy.models.provenance import common_provenance
from matrix_entropy.results.metrics import (
    joined_layers,
    metrics_table,
    read_metrics,
    summary_table,
    write_metrics,
    write_summary,
)
from matrix_entropy.results.multimodal_metrics import (
    CONNECTOR_INPUT,
    FRESH,
    NULL_POSITIONS,
    POSITIONS,
    SHUFFLES,
)
from matrix_entropy.results.multimodal_values import (
    multimodal_values,
    null_values,
    paired_changes,
)
from matrix_entropy.results.spectra_file import Spectra

WIDTHS = dict(zip(POSITIONS, (16, 40, 40, 40, 40), strict=True))
RECORDS = 6
MODELS: dict[str, dict[str, Any]] = {
    "llava": {"title": "LLaVA-1.5-7B", "family": "LLaVA-1.5", "size": "7B", "parameters": 7.0e9},
    "mine": {"title": "Mine", "parameters": 5.0e9},
}
DATASETS = {"detail": {"title": "Details", "published": "detail_23k"}, "cc_sbu_align": {}}


def run(seed: int, **record: Any) -> dict[str, Spectra]:
    """Random spectra of six records at every place; the second has none at H4, of one token."""
    random = np.random.default_rng(seed)
    found = {}
    for position in POSITIONS:
        rows = random.integers(5, 15, RECORDS)
        if position == "h4_llm_text":
            rows[1] = 1
        counts = np.where(rows > 1, rows - 1, 0)
        texts = int(rows.sum())
        found[position] = Spectra(
            eigenvalues=np.concatenate([random.dirichlet(np.ones(n)) for n in counts if n]),
            counts=counts.reshape(1, 1, -1),
            rows=rows.reshape(1, 1, -1),
            views=("all_rows",),
            layers=(position,),
            width=WIDTHS[position],
            ids=np.array([f"r{number}" for number in range(RECORDS)]),
            groups=np.array(["all"] * RECORDS),
            offsets=np.cumsum([0, *rows]),
            truncated=np.zeros(RECORDS, dtype=bool),
            token_losses=np.full(texts, np.nan, dtype=np.float32),
            window_groups=np.array([], dtype=str),
            window_losses=np.array([], dtype=np.float32),
            window_tokens=np.array([], dtype=np.int64),
            provenance={
                "model": {"model": "x", "stand_in": False} | record,
                "dataset": {"name": "detail"},
                "tokens": texts,
                "truncated_texts": 0,
            },
        )
    return found


def entropies_of(spectra: Spectra) -> list[float]:
    """Of every record, in nats; NaN for one without a spectrum."""
    spectra_of_all = [spectra.of(0, 0, record) for record in range(RECORDS)]
    return [float(stats.entropy(one)) if len(one) else np.nan for one in spectra_of_all]


def write(folder: Path, model: str, name: str, found: dict[str, Spectra]) -> tuple[str, str]:
    """Metrics and summary of a run, out of the files of its places."""
    read = []
    for position, spectra in found.items():
        path = folder / f"{model}.{name}.{position}.npz"
        spectra.save(path)
        read.append(Spectra.load(path))
    metrics, summary = (folder / model / f"{name}.{end}" for end in ("parquet", "summary.csv"))
    provenance = common_provenance([one.provenance for one in read])
    write_metrics(metrics, joined_layers([metrics_table(one) for one in read]), provenance)
    write_summary(summary, joined_layers([summary_table(one) for one in read]), provenance)
    return str(metrics), str(summary)


def values_of(*paths: tuple[str, str], models: Any = MODELS) -> pd.DataFrame:
    metrics, summaries = zip(*paths, strict=True)
    return multimodal_values(metrics, summaries, models, DATASETS)


def test_values_are_those_of_the_spectra(tmp_path: Path) -> None:
    found = run(0)
    values = values_of(write(tmp_path, "llava", "detail.none", found)).set_index("position")
    assert list(values.index) == list(POSITIONS)
    for position, spectra in found.items():
        row, entropies = values.loc[position], entropies_of(spectra)
        ranks, log_width = np.exp(entropies), np.log(WIDTHS[position])
        mean = np.nanmean(entropies)
        assert row["matrix_entropy"] == pytest.approx(mean, rel=1e-8)
        assert row["entropy_a"] == pytest.approx(mean / log_width, rel=1e-8)
        assert row["entropy_a_std"] == pytest.approx(np.nanstd(entropies) / log_width, rel=1e-8)
        assert row["effective_rank"] == pytest.approx(np.nanmean(ranks), rel=1e-8)
        assert row["effective_rank_geometric"] == pytest.approx(stats.gmean(ranks[ranks > 0]))
        assert row["width"] == WIDTHS[position]
        assert row["texts"] == RECORDS
        assert row["undefined"] == (position == "h4_llm_text")
        assert np.isnan(row["loss"])
    assert list(values["depth"]) == [0, 1, 2, 3, 4]


def test_rows_are_run_by_run_and_place_by_place(tmp_path: Path) -> None:
    runs = [
        ("mine", "cc_sbu_align", "reversed"),
        ("llava", "detail", "none"),
        ("llava", "detail", "rotated"),
        ("llava", "cc_sbu_align", "none"),
    ]
    found = {(model, *name): run(seed) for seed, (model, *name) in enumerate(runs)}
    paths = [write(tmp_path, key[0], ".".join(key[1:]), one) for key, one in found.items()]
    values = values_of(*paths)
    assert list(values.index) == list(range(20))
    keys = ["model", "dataset", "operation", "position"]
    assert values[keys].to_numpy().tolist() == [
        [*key, position] for key in runs for position in POSITIONS
    ]
    for row in values.to_dict("records"):
        spectra = found[row["model"], row["dataset"], row["operation"]][row["position"]]
        assert row["matrix_entropy"] == pytest.approx(np.nanmean(entropies_of(spectra)), rel=1e-8)


def test_what_tables_call_models_and_data_sets(tmp_path: Path) -> None:
    names = ["model_title", "family", "size", "dataset_title", "published_dataset"]
    first = write(tmp_path, "llava", "detail.none", run(0))
    second = write(tmp_path, "mine", "cc_sbu_align.none", run(1))
    values = values_of(first, second)[names].drop_duplicates()
    assert values.to_numpy().tolist() == [
        ["LLaVA-1.5-7B", "LLaVA-1.5", "7B", "Details", "detail_23k"],
        ["Mine", "Mine", "Mine", "cc_sbu_align", "cc-sbu-align"],
    ]
    bare = values_of(second, models={"mine": {"parameters": 1}})
    assert bare.loc[0, ["model_title", "family", "size"]].tolist() == ["mine"] * 3


def test_a_stand_in_has_its_own_number_of_parameters(tmp_path: Path) -> None:
    made = write(tmp_path, "mine", "detail.none", run(0, stand_in=True, parameters=1234))
    real = write(tmp_path, "llava", "detail.none", run(1, parameters=1234))
    values = values_of(made, real)
    assert values["parameters"].tolist() == [1234.0] * 5 + [7.0e9] * 5
    assert values["stand_in"].tolist() == [True] * 5 + [False] * 5
    assert values_of(real, models={"llava": {}})["parameters"].tolist() == [1234.0] * 5
    unknown = write(tmp_path, "llava", "detail.rotated", run(2))
    with pytest.raises(InputError, match=r"'llava': its number of parameters .* `parameters:`"):
        values_of(unknown, models={"llava": {}})


def spoil(path: Path, kept: int | None) -> None:
    """Leave so many bytes of a file, or nothing at all."""
    whole = path.read_bytes()
    path.unlink()
    if kept is not None:
        path.write_bytes(whole[:kept])


@pytest.mark.parametrize("kept", [100, 0, None], ids=["broken off", "empty", "gone"])
def test_damaged_metrics_are_named(tmp_path: Path, kept: int | None) -> None:
    metrics, summary = write(tmp_path, "llava", "detail.none", run(0))
    spoil(Path(metrics), kept)
    message = r"llava.detail\.none\.parquet is damaged .* delete it and run again"
    with pytest.raises(InputError, match=message):
        values_of((metrics, summary))
    with pytest.raises(InputError, match=message):
        paired_changes([metrics])


@pytest.mark.parametrize("kept", [0, None], ids=["empty", "gone"])
def test_a_damaged_summary_is_named(tmp_path: Path, kept: int | None) -> None:
    metrics, summary = write(tmp_path, "llava", "detail.none", run(0))
    spoil(Path(summary), kept)
    message = r"llava.detail\.none\.summary\.csv is damaged .* delete it and run again"
    with pytest.raises(InputError, match=message):
        values_of((metrics, summary))


def test_changes_are_those_of_every_record(tmp_path: Path) -> None:
    """Each against the same record of the same model and data set without an operation."""
    runs = [
        ("llava", "detail", "rotated"),
        ("llava", "detail", "none"),
        ("llava", "cc_sbu_align", "none"),
        ("mine", "detail", "none"),
        ("llava", "cc_sbu_align", "reversed"),
        ("mine", "detail", "rotated"),
    ]
    found = {key: run(seed) for seed, key in enumerate(runs)}
    paths = [write(tmp_path, key[0], ".".join(key[1:]), one)[0] for key, one in found.items()]
    changes = paired_changes(paths)
    keys = ["model", "dataset", "operation", "position"]
    assert changes[keys].to_numpy().tolist() == [
        [*key, position] for key in runs if key[-1] != "none" for position in POSITIONS
    ]
    for row in changes.to_dict("records"):
        place = row["position"]
        model, dataset, operation = (row[key] for key in keys[:3])
        after, before = (
            np.array(entropies_of(found[model, dataset, done][place]))
            for done in (operation, "none")
        )
        differences = (after - before) / np.log(WIDTHS[place])
        known = differences[~np.isnan(differences)]
        assert len(known) == RECORDS - (place == "h4_llm_text")
        assert row["change"] == pytest.approx(known.mean(), rel=1e-9)
        assert row["change_standard_error"] == pytest.approx(stats.sem(known), rel=1e-9)
        assert row["change_p"] == pytest.approx(stats.ttest_1samp(known, 0).pvalue, rel=1e-9)


def test_records_are_paired_by_their_names(tmp_path: Path) -> None:
    base = run(0)
    upset = {
        position: replace(spectra, ids=spectra.ids[::-1]) for position, spectra in base.items()
    }
    paths = [
        write(tmp_path, "llava", f"detail.{operation}", one)[0]
        for operation, one in (("none", base), ("rotated", upset), ("reversed", base))
    ]
    changes = paired_changes(paths).set_index(["operation", "position"])
    assert (changes.loc["reversed"][["change", "change_standard_error"]] == 0).all(axis=None)
    entropies = np.array(entropies_of(base["h2_connector"]))
    expected = stats.sem(entropies[::-1] - entropies) / np.log(WIDTHS["h2_connector"])
    error = changes.loc[("rotated", "h2_connector"), "change_standard_error"]
    assert error == pytest.approx(expected)


def test_controls_are_of_the_records_of_the_nulls(tmp_path: Path) -> None:
    """Against numbers computed from the spectra, of the first four of the records."""
    base = run(1)
    random = np.random.default_rng(2)
    nulls = {}
    for position in NULL_POSITIONS:
        joined = position == CONNECTOR_INPUT
        other = run(int(random.integers(100)))[POSITIONS[0] if joined else POSITIONS[4]]
        one = replace(other, layers=(position,), width=64 if joined else 40)
        nulls[position] = one
    paths = [
        write(tmp_path, "llava", "detail.none", base)[0],
        write(tmp_path, "llava", "detail.nulls", nulls)[0],
    ]
    table, provenance = read_metrics(paths[1])
    write_metrics(paths[1], table[table["id"].isin(["r0", "r1", "r2", "r3"])], provenance)
    found = null_values(paths)
    assert set(found["texts"]) == {4}

    def mean(spectra: Spectra) -> float:
        return float(np.nanmean(entropies_of(spectra)[:4]))

    at = {position: mean(one) / np.log(one.width) for position, one in (base | nulls).items()}
    h1, h2, h3, h4, h5 = (at[position] for position in POSITIONS)
    shuffled = [at[f"{POSITIONS[4]}_{name}"] for name in SHUFFLES]
    fresh = [(at[f"{POSITIONS[2]}_{name}"], at[f"{POSITIONS[4]}_{name}"]) for name in FRESH]
    of_shuffled = [min(h3, h4, one) / max(h3, h4, one) for one in shuffled]
    of_fresh = [min(h4, *pair) / max(h4, *pair) for pair in fresh]
    values = found[found["measure"] == "entropy_a"].set_index("control")["value"]
    assert dict(values) == pytest.approx(
        {
            "alignment_here": min(h3, h4, h5) / max(h3, h4, h5),
            "alignment_shuffled": np.mean(of_shuffled),
            "alignment_shuffled_std": np.std(of_shuffled, ddof=1),
            "alignment_fresh": np.mean(of_fresh),
            "alignment_fresh_std": np.std(of_fresh, ddof=1),
            "reduction_here": h1 - h2,
            "reduction_fresh": h1 - np.mean([at[f"{POSITIONS[1]}_{name}"] for name in FRESH]),
            "h1_connector_input": at[CONNECTOR_INPUT],
            "reduction_connector_input": at[CONNECTOR_INPUT] - h2,
        }
    )
    ranks = found[found["measure"] != "entropy_a"].set_index("control")["value"]
    assert ranks["h1_connector_input"] == pytest.approx(np.exp(mean(nulls[CONNECTOR_INPUT])))
