"""Values of several models in one table, and the papers' tables made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import write_json
from matrix_entropy.results.metrics import (
    metrics_table,
    summary_table,
    write_metrics,
    write_summary,
)
from matrix_entropy.results.model_values import model_values, paired_differences, text_values
from matrix_entropy.results.spectra_file import Spectra
from matrix_entropy.tables.making import compared
from matrix_entropy.tables.model_tables import (
    indicator_table,
    lora_table,
    prompt_table,
    sample_table,
    source_table,
    variant_table,
)

WIDTH = 32
MODELS = {
    "small": {"title": "Small", "family": "Toy", "size": "1M", "parameters": 1e6},
    "large": {"title": "Large", "family": "Toy", "size": "9M", "parameters": 9e6},
}


def spectra(groups: list[str], seed: int, **record: Any) -> Spectra:
    """Random spectra and losses of one text per entry of ``groups``, at two layers."""
    random = np.random.default_rng(seed)
    counts = random.integers(5, 12, (1, 2, len(groups)))
    values = [random.dirichlet(np.ones(count)) for count in counts.ravel()]
    lengths = counts[0, 0] + 1
    losses = random.random(lengths.sum()).astype(np.float32)
    offsets = np.cumsum([0, *lengths])
    losses[offsets[:-1]] = np.nan
    seen: dict[str, int] = {}
    ids = []
    for group in groups:
        seen[group] = seen.get(group, -1) + 1
        ids.append(f"{group}/{seen[group]}")
    return Spectra(
        eigenvalues=np.concatenate(values),
        counts=counts,
        rows=counts + 1,
        views=("all_rows",),
        layers=("0", "final"),
        width=WIDTH,
        ids=np.array(ids),
        groups=np.array(groups),
        offsets=offsets,
        truncated=np.zeros(len(groups), dtype=bool),
        token_losses=losses,
        window_groups=np.array(sorted(set(groups))),
        window_losses=random.random(len(set(groups))).astype(np.float32),
        window_tokens=np.full(len(set(groups)), 10),
        provenance={"model": {"model": "x", "stand_in": False} | record},
    )


def write(folder: Path, model: str, dataset: str, found: Spectra) -> tuple[str, str]:
    metrics = folder / model / f"{dataset}.parquet"
    summary = folder / model / f"{dataset}.summary.csv"
    write_metrics(metrics, metrics_table(found), found.provenance)
    told = found.provenance | {"dataset": {"name": dataset}}
    write_summary(summary, summary_table(found), told)
    return str(metrics), str(summary)


def runs(folder: Path, dataset: str, groups: list[str], models: Any = MODELS) -> dict[str, Any]:
    paths = [
        write(folder, model, dataset, spectra(groups, seed)) for seed, model in enumerate(models)
    ]
    return {"metrics": [path for path, _ in paths], "summaries": [path for _, path in paths]}


UNION = {
    "both": {"union": ["first_set", "second_set"]},
    "first_set": {"title": "First"},
    "second_set": {"published": "second"},
}
VARIANTS = {
    "changed": {"variants": {"of": "texts", "changes": {"as_is": {}, "reversed": {}}}},
    "texts": {"title": "Texts"},
}


def test_groups_of_a_union_are_its_data_sets(tmp_path: Path) -> None:
    paths = runs(tmp_path, "both", ["second_set", "first_set", "second_set"])
    values = model_values(**paths, models=MODELS, datasets=UNION)
    assert list(values["model"]) == ["small", "small", "large", "large"]
    assert list(values["dataset"]) == ["first_set", "second_set"] * 2, "in the union's order"
    assert list(values["dataset_title"][:2]) == ["First", "second_set"]
    assert list(values["published_dataset"][:2]) == ["first-set", "second"]
    assert list(values["texts"][:2]) == [1, 2]
    assert set(values["variant"]) == {""}
    expected = summary_table(spectra(["second_set", "first_set", "second_set"], 0))
    row = expected[(expected["group"] == "second_set") & (expected["layer"] == "final")].iloc[0]
    for column in ("entropy_a", "entropy_b", "entropy_c", "loss", "ppl_token", "ppl_windows"):
        assert values.loc[1, column] == pytest.approx(row[column], rel=1e-9)


def test_groups_of_variants_are_variants(tmp_path: Path) -> None:
    paths = runs(tmp_path, "changed", ["as_is", "as_is", "reversed", "reversed"])
    values = model_values(**paths, models=MODELS, datasets=VARIANTS)
    assert set(values["dataset"]) == {"texts"}
    assert list(values["variant"]) == ["as_is", "reversed"] * 2
    assert list(values["order"]) == [0, 1] * 2


def test_paired_differences(tmp_path: Path) -> None:
    groups = ["as_is", "as_is", "as_is", "reversed", "reversed", "reversed"]
    paths = runs(tmp_path, "changed", groups)
    found = paired_differences(paths["metrics"], "as_is").set_index(["model", "variant"])
    table = metrics_table(spectra(groups, 0))
    values = table.loc[table["layer"] == "final", "matrix_entropy_normalised"].to_numpy()
    differences = values[3:] - values[:3]
    row = found.loc[("small", "reversed")]
    assert row["difference"] == pytest.approx(differences.mean())
    assert row["difference_sem"] == pytest.approx(differences.std(ddof=1) / np.sqrt(3))
    assert found.loc[("small", "as_is"), "difference"] == 0


def test_a_stand_in_has_its_own_number_of_parameters(tmp_path: Path) -> None:
    found = spectra(["all"], 0, stand_in=True, parameters=1234)
    metrics, summary = write(tmp_path, "small", "texts", found)
    values = model_values([metrics], [summary], MODELS, {"texts": {}})
    assert values.loc[0, "parameters"] == 1234
    assert values.loc[0, "stand_in"]
    assert values.loc[0, "variant"] == ""


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    metrics, summary = write(tmp_path, "small", "texts", spectra(["all"], 0))
    bare = {"small": {"title": "Small"}}
    with pytest.raises(InputError, match=r"'small': its number of parameters .* `parameters:`"):
        model_values([metrics], [summary], bare, {"texts": {}})
    table = pd.read_csv(summary)
    table[table["layer"] != "final"].to_csv(summary, index=False)
    with pytest.raises(InputError, match="layer final of model 'x' was not kept, but 0; add it"):
        model_values([metrics], [summary], MODELS, {"texts": {}})


def test_indicators_with_accuracies(tmp_path: Path) -> None:
    paths = runs(tmp_path, "both", ["first_set", "second_set"])
    values = model_values(**paths, models=MODELS, datasets=UNION)
    accuracies = []
    for number, model in enumerate(MODELS):
        path = tmp_path / "accuracy" / model / "both.json"
        share, error = 0.25 + number / 4, 0.02 if number else None  # of a single question none
        write_json(
            path,
            {
                "model": {},
                "dataset": {},
                "accuracies": {"second_set": {"accuracy": share, "accuracy_stderr": error}},
            },
        )
        accuracies.append(str(path))
    table, layout = indicator_table(values, accuracies, perplexity=True)
    assert layout.columns == "size"
    found = table.set_index(["dataset", "indicator", "size"])["value"]
    assert found[("second_set", "accuracy", "9M")] == 0.5
    errors = table.set_index(["dataset", "indicator", "size"])["standard_error"]
    assert errors[("second_set", "accuracy", "9M")] == 0.02
    assert np.isnan(errors[("second_set", "accuracy", "1M")])
    assert errors.drop("accuracy", level="indicator").isna().all(), "of a single text there is none"
    assert ("first_set", "accuracy") not in {key[:2] for key in found.index}
    assert found[("first_set", "matrix_entropy", "1M")] == values.loc[0, "entropy_a"]
    assert list(dict.fromkeys(table["dataset"])) == ["first_set", "second_set"]
    assert list(dict.fromkeys(table.loc[table["dataset"] == "second_set", "indicator"])) == [
        "accuracy", "matrix_entropy", "effective_rank", "loss", "ppl_token", "ppl_windows",
    ]  # fmt: skip
    without, _ = indicator_table(values, [], perplexity=False)
    assert set(without["indicator"]) == {"matrix_entropy", "effective_rank", "loss"}


def test_before_and_after_fine_tuning(tmp_path: Path) -> None:
    models = MODELS | {
        f"{name}_lora_first_set": {**entry, "lora": {"model": name}}
        for name, entry in MODELS.items()
    }
    paths = runs(tmp_path, "first_set", ["all", "all", "all"], models)
    values = model_values(**paths, models=models, datasets={"first_set": {}})
    texts = text_values(paths["metrics"], {"first_set": {}})
    table, layout = lora_table(values, texts, models)
    assert layout.heads == ("dataset_title", "indicator", "variant")
    found = table.set_index(["indicator", "variant", "size"])["value"]
    assert found[("loss", "lora", "9M")] == values.loc[3, "loss"]
    assert found[("matrix_entropy", "base", "1M")] == values.loc[0, "entropy_a"]
    final = [pd.read_parquet(path).query("layer == 'final'") for path in paths["metrics"]]
    tuned = table[(table["variant"] == "lora") & (table["size"] == "9M")].set_index("indicator")
    for indicator, column in (("matrix_entropy", "matrix_entropy_normalised"), ("loss", "loss")):
        before, after = final[1][column].to_numpy(), final[3][column].to_numpy()
        row, expected = tuned.loc[indicator], stats.ttest_rel(after, before)
        assert row["change"] == pytest.approx((after - before).mean())
        assert row["change"] == pytest.approx(row["value"] - found[(indicator, "base", "9M")])
        assert row["change_standard_error"] == pytest.approx(stats.sem(after - before))
        assert row["change_p"] == pytest.approx(expected.pvalue)
        assert row["standard_error"] == pytest.approx(stats.sem(after))
    # exp of a mean: the change to first order, whose error is that of both together.
    ranks = [np.exp(part["matrix_entropy"].mean()) * part["matrix_entropy"] for part in final]
    expected = stats.sem(ranks[3].to_numpy() - ranks[1].to_numpy())
    row = tuned.loc["effective_rank"]
    assert row["change_standard_error"] == pytest.approx(expected)
    assert row["change"] == pytest.approx(row["value"] - found[("effective_rank", "base", "9M")])
    assert row["standard_error"] == pytest.approx(stats.sem(ranks[3]))
    assert table.loc[table["variant"] == "base", "change"].isna().all()


def test_variants_with_their_mean_and_its_difference(tmp_path: Path) -> None:
    changes = {"empty": {}, "prompt1": {"prefix": "One."}, "prompt2": {"prefix": "Two."}}
    datasets = {"changed": {"variants": {"of": "texts", "changes": changes}}, "texts": {}}
    paths = runs(tmp_path, "changed", [*changes, *changes, *changes])
    values = model_values(**paths, models=MODELS, datasets=datasets, view=None)
    table, layout = variant_table(values, text_values(paths["metrics"], datasets), changes)
    assert layout.heads == ("size",)
    found = table[table["size"] == "1M"].set_index("variant")["value"]
    assert list(found.index) == ["empty", "prompt1", "prompt2", "average_1_to_2", "reduction"]
    mean = (found["prompt1"] + found["prompt2"]) / 2
    assert found["average_1_to_2"] == pytest.approx(mean)
    assert found["reduction"] == pytest.approx(found["empty"] - mean)
    texts = metrics_table(spectra([*changes, *changes, *changes], 0)).query("layer == 'final'")
    empty, one, two = (
        texts.loc[texts["group"] == name, "matrix_entropy_normalised"].to_numpy()
        for name in changes
    )
    rows = table[table["size"] == "1M"].set_index("variant")
    for variant, of_texts in (("prompt1", one), ("average_1_to_2", (one + two) / 2)):
        assert rows["standard_error"][variant] == pytest.approx(stats.sem(of_texts))
        assert rows["change"][variant] == pytest.approx((of_texts - empty).mean())
        assert rows["change_standard_error"][variant] == pytest.approx(stats.sem(of_texts - empty))
        assert rows["change_p"][variant] == pytest.approx(stats.ttest_rel(of_texts, empty).pvalue)
    assert rows["standard_error"]["reduction"] == rows["change_standard_error"]["average_1_to_2"]
    assert rows.loc[["empty", "reduction"], "change"].isna().all()
    assert prompt_table(changes).to_numpy().tolist() == [["prompt1", "One."], ["prompt2", "Two."]]


def test_controls_of_prefixes_stand_below_in_the_columns_of_the_prefixes(tmp_path: Path) -> None:
    changes = {
        "empty": {},
        "prompt1": {"prefix": "One."},
        "prompt2": {"prefix": "Two."},
        "drawn": {"like": "prompt1"},
        "drawn_again": {"like": "prompt1", "seed": 7},
        "sea": {"like": "prompt2", "text": "The tide."},
    }
    datasets = {"changed": {"variants": {"of": "texts", "changes": changes}}, "texts": {}}
    paths = runs(tmp_path, "changed", [*changes, *changes])
    values = model_values(**paths, models=MODELS, datasets=datasets, view=None)
    texts = text_values(paths["metrics"], datasets)
    halves = [
        rows.assign(view="without_first_row", entropy_a=rows["entropy_a"] / 2)
        for rows in (values, texts)
    ]
    table, layout = variant_table(
        *(pd.concat(pair) for pair in zip((values, texts), halves, strict=True)), changes
    )
    assert layout.heads == ("size", "indicator")
    assert list(dict.fromkeys(table["indicator"])) == [
        "matrix_entropy",
        "matrix_entropy_random_tokens",
        "matrix_entropy_unrelated_text",
        "matrix_entropy_without_first_row",
        "matrix_entropy_random_tokens_without_first_row",
        "matrix_entropy_unrelated_text_without_first_row",
    ]
    own = values[values["size"] == "9M"].set_index("variant")["entropy_a"]
    found = table[table["size"] == "9M"].set_index(["indicator", "variant"])["value"]
    assert found["matrix_entropy"]["prompt1"] == own["prompt1"]
    for rows, scale in (("", 1.0), ("_without_first_row", 0.5)):
        random = found[f"matrix_entropy_random_tokens{rows}"]
        mean = (own["drawn"] + own["drawn_again"]) / 2
        assert list(random.index) == ["prompt1", "average_1_to_2", "reduction"]
        assert random["prompt1"] == random["average_1_to_2"] == pytest.approx(scale * mean)
        assert random["reduction"] == pytest.approx(scale * (own["empty"] - mean))
        unrelated = found[f"matrix_entropy_unrelated_text{rows}"]
        assert unrelated["prompt2"] == pytest.approx(scale * own["sea"])
        changed = table[table["size"] == "9M"].set_index(["indicator", "variant"])
        random, unrelated = (
            changed.loc[f"matrix_entropy_{control}{rows}"]
            for control in ("random_tokens", "unrelated_text")
        )
        alone = texts[texts["model"] == "large"].pivot(
            index="text", columns="variant", values="entropy_a"
        )
        drawn = scale * ((alone["drawn"] + alone["drawn_again"]) / 2 - alone["empty"])
        assert random.loc["prompt1", "change"] == pytest.approx(drawn.mean())
        assert random.loc["prompt1", "change_standard_error"] == pytest.approx(stats.sem(drawn))
        assert random.loc["reduction", "standard_error"] == pytest.approx(stats.sem(drawn))
        sea = scale * alone["sea"]
        assert unrelated.loc["average_1_to_2", "standard_error"] == pytest.approx(stats.sem(sea))


def test_samples_and_their_deviation(tmp_path: Path) -> None:
    names = ["wikipedia_n10_seed1", "wikipedia_n10_seed2", "wikipedia_n20"]
    datasets = {"samples": {"union": names}, **{name: {} for name in names}}
    paths = runs(tmp_path, "samples", names, {"small": {}})
    values = model_values(**paths, models=MODELS, datasets=datasets)
    table, _ = sample_table(values)
    found = table.set_index("variant")["value"]
    assert list(found.index) == ["n10_seed1", "n10_seed2", "n20", "standard_deviation"]
    assert found["standard_deviation"] == pytest.approx(np.std(values["entropy_a"], ddof=1))
    assert set(table["published_dataset"]) == {"wikipedia"}
    assert list(table["sample"]) == [
        *(f"{variant} (1 texts)" for variant in ("n10_seed1", "n10_seed2", "n20")),
        "standard deviation",
    ]


EIGHT = {"paper": "wei2024", "table": "8"}


def test_published_values_beside_a_stand_in_have_no_difference(tmp_path: Path) -> None:
    models = {"small": {"family": "Cerebras-GPT", "size": "111M", "parameters": 1}}
    datasets = {"dolly_15k": {}}
    for stand_in in (False, True):
        found = spectra(["all"], 0, stand_in=stand_in)
        metrics, summary = write(tmp_path, "small", "dolly_15k", found)
        values = model_values([metrics], [summary], models, datasets)
        table = compared(indicator_table(values, [], True)[0], EIGHT).set_index("indicator")
        assert table.loc["matrix_entropy", "published"] == 0.5976
        difference = table.loc["matrix_entropy", "difference"]
        if stand_in:
            assert np.isnan(difference)
            assert table.loc["matrix_entropy", "comparable"] == "stand-in, not comparable"
        else:
            assert difference == pytest.approx(table.loc["matrix_entropy", "value"] - 0.5976)
        assert table.loc["effective_rank", "comparable"] == "no published value"


def test_sources() -> None:
    origins: dict[str, Any] = {
        "a": {
            "source": "org/name",
            "revision": "main",
            "commit": "f" * 40,
            "records": 9,
            "texts": 5,
        },
        "b": {"source": "b.jsonl", "sha256": "0" * 64, "texts": 3},
        "c": {"source": "grammar", "texts": 1, "generate": {"grammar": "piqa", "seed": 7}},
    }
    datasets: dict[str, Any] = {"a": {"title": "A", "licence": "MIT"}, "b": {}, "c": {}}
    table = source_table(origins, datasets)
    assert table["rows"].tolist() == [9, 3, 1]
    assert table["texts"].tolist() == [5, 3, 1]
    assert table["hash"].tolist() == ["f" * 40, "0" * 64, ""]
    assert table["licence"].tolist() == ["MIT", "", ""]
    assert table["source"].tolist()[1:] == ["b.jsonl", "generated by the grammar piqa, seed 7"]
