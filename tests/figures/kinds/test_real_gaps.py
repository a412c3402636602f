"""Is a good story higher? SmolLM2-135M-Instruct on Liang's stories, against a first trial of it.

The stories are not part of the repository, and the model is there once the scale `smollm2/` is
built; without either these tests are skipped.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from matrix_entropy.configuration.figure_checks import GAP_CONTROLS
from matrix_entropy.figures.kinds.group_gaps import VALUE, group_gaps
from matrix_entropy.maths.covariates import adjusted_pairs, explained
from matrix_entropy.maths.group_tests import paired, permuted_signs
from matrix_entropy.models.loading import load_tokenizer
from matrix_entropy.models.resolving import resolve_path
from matrix_entropy.results.metrics import metrics_table, read_metrics, write_metrics
from matrix_entropy.results.spectra_file import compute_spectra
from matrix_entropy.states.hidden_states import dump_hidden_states
from matrix_entropy.texts.readers import read_dataset

LAYERS = list(range(1, 31))
OPTIONS = {
    "layers": 30,
    "width": 576,
    "bos": False,
    "center_features": False,
    "dtype": "float32",
    "device_map": "single",
}
# Thousandths of H / log d ± standard error (p), measured before there was this module, with the
# first row left out instead of all long ones.
TRIAL = {
    "Long stories": [(30.3, 10.2, 0.010), (8.1, 4.2, 0.07), (1.0, 6.6, 0.88), (-4.5, 2.9, 0.14)],
    "Condensed stories": [
        (14.6, 13.2, 0.29),
        (15.6, 10.3, 0.15),
        (-9.7, 5.5, 0.09),
        (-3.5, 1.9, 0.08),
    ],
    "World stories": [(20.0, 12.6, 0.13), (6.1, 5.8, 0.30), (2.9, 6.4, 0.65), (-3.7, 2.6, 0.17)],
}
# R² of log length with the first row left out, median over blocks.
OF_CHILD_STORIES = 0.991
OF_PANELS = {"Long stories": 0.75, "Condensed stories": 0.95, "World stories": 0.81}


@pytest.fixture(scope="module")
def record(root: Path) -> dict[str, Any]:
    folder = root / "smollm2" / "results" / "models" / "smollm2_135m"
    if not (folder / "config.json").is_file():
        pytest.skip("SmolLM2 is not built: run `make smollm2` first")
    return resolve_path("smollm2", "smollm2", folder)


def measured(record: dict[str, Any], entry: dict[str, Any], source: Path, place: Path) -> str:
    """Metrics of a data set's texts, as the workflow makes them."""
    texts, _ = read_dataset({"field": "text", **entry}, source, source.name)
    told = {"model": record, "dataset": {"name": source.stem}, "options": OPTIONS}
    dump_hidden_states(record, OPTIONS, {}, texts, LAYERS, place / source.stem, told)
    panels = list(entry["panels"].values())
    spectra = compute_spectra(place / source.stem, LAYERS, list(GAP_CONTROLS), panels)
    path = place / "smollm2" / f"{source.stem}.parquet"
    write_metrics(path, metrics_table(spectra), told)
    return str(path)


@pytest.fixture(scope="module")
def gaps(
    record: dict[str, Any], root: Path, shared: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Gaps of the author's stories: of means over blocks, and block by block."""
    configured = yaml.safe_load((root / "config.yaml").read_text())["datasets"]
    place, paths, datasets = tmp_path_factory.mktemp("gaps"), [], {}
    for name, file in (("child", "child_stories"), ("world", "worlds_stories")):
        datasets[file] = {key: configured[name][key] for key in ("groups", "panels")}
        paths.append(measured(record, datasets[file], shared / "stories" / f"{file}.json", place))
    return group_gaps(paths, {"smollm2": {"title": "SmolLM2-135M-Instruct"}}, datasets)


@pytest.fixture(scope="module")
def means(gaps: tuple[pd.DataFrame, pd.DataFrame]) -> pd.DataFrame:
    return gaps[0]


def test_the_gaps_are_those_of_the_trial(means: pd.DataFrame) -> None:
    """Where the rows are the same, to its digits; else within the standard errors of the two."""
    for panel, columns in TRIAL.items():
        part = means[means["panel"] == panel]
        for row, (gap, error, p) in zip(part.to_dict("records"), columns, strict=True):
            assert (row["texts_first"], row["texts_second"], row["left_out"]) == (10, 10, 0)
            assert (row["relabellings"], row["exact"]) == (184_756, True)
            found, found_error = 1000 * row["difference"], 1000 * row["standard_error"]
            if row["treatment"] in ("all rows", "equal length"):
                assert found == pytest.approx(gap, abs=0.5)
                assert found_error == pytest.approx(error, abs=0.5)
                assert row["p"] == pytest.approx(p, abs=0.02)
            else:
                assert abs(found - gap) < math.hypot(error, found_error)


def test_length_explains_what_it_explained_in_the_trial(means: pd.DataFrame) -> None:
    without = means[means["treatment"] == "long rows left out"].set_index("panel")
    of_child = without.loc["Long stories", "r_squared_all"]
    assert of_child == pytest.approx(OF_CHILD_STORIES, abs=0.003)
    for panel, share in OF_PANELS.items():
        assert without.loc[panel, "r_squared_panel"] == pytest.approx(share, abs=0.03)


def test_no_story_is_higher_for_being_good_once_its_length_is_known(means: pd.DataFrame) -> None:
    """Neither between texts of one log length nor between texts cut to one length."""
    adjusted = means.dropna(subset="adjusted_p")
    assert (adjusted["adjusted_difference"] < 0).all()
    assert (means.loc[means["treatment"] == "both", "low"] < 0).all()
    assert (means.loc[means["treatment"] == "both", "difference"] < 0).all()


def test_how_large_a_gap_the_stories_exclude(gaps: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    """At equal length all that there was only of condensed stories; dystopian worlds rise there."""
    means, blocks = gaps
    of = means.set_index(["panel", "treatment"])
    expected = {
        "Long stories": (0.0124, 0.0101, -0.0012, 0.0163),
        "Condensed stories": (0.0193, 0.0109, -0.0060, 0.0169),
        "World stories": (0.0140, 0.0071, -0.0052, 0.0171),
    }
    for panel, (cut, both, adjusted, at_equal_log) in expected.items():
        found = of.loc[(panel, "all rows"), "adjusted_difference"]
        assert found == pytest.approx(adjusted, abs=5e-4)
        assert of.loc[(panel, "equal length"), "equal_within"] == pytest.approx(cut, abs=5e-4)
        assert of.loc[(panel, "both"), "equal_within"] == pytest.approx(both, abs=5e-4)
        found = of.loc[(panel, "all rows"), "adjusted_equal_within"]
        assert found == pytest.approx(at_equal_log, abs=5e-4)
    assert (means.dropna(subset="curved_p")[["adjusted_p", "curved_p"]] > 0.05).all(axis=None)
    worlds = blocks[(blocks["panel"] == "World stories") & (blocks["treatment"] == "equal length")]
    told = worlds[worlds["p_blocks"] < 0.05]
    assert told["block"].tolist() == [9, 10]
    np.testing.assert_allclose(told["difference"], [-0.0081, -0.0096], atol=5e-4)
    np.testing.assert_allclose(told["p_blocks"], [0.038, 0.006], atol=0.005)
    assert of.loc[("World stories", "equal length"), "p"] > 0.05


def test_the_gap_of_stories_matched_in_words_is_that_of_their_vocabulary(
    record: dict[str, Any], root: Path, tmp_path: Path
) -> None:
    """Good stories of this repository repeat fewer words: at equally many different tokens no gap.

    The number of different tokens explains most of the entropy, that of tokens hardly any.
    """
    configured = yaml.safe_load((root / "config.yaml").read_text())["datasets"]["child_matched"]
    entry = {key: configured[key] for key in ("groups", "panels")}
    source = root / configured["bundled"]
    built = root / "smollm2" / "results" / "metrics" / "smollm2_135m" / "child_matched.parquet"
    table, _ = read_metrics(built if built.exists() else measured(record, entry, source, tmp_path))
    texts, _ = read_dataset({"field": "text", **entry}, source, source.name)
    tokenizer = load_tokenizer(record)
    lengths, different, values = {}, {}, {}
    for group in entry["panels"]["Long stories"]:
        ids = [tokenizer(text["text"])["input_ids"] for text in texts if text["group"] == group]
        lengths[group] = np.log([len(tokens) for tokens in ids])
        different[group] = np.log([len(set(tokens)) for tokens in ids])
        part = table[table["group"] == group]
        by_text = part.groupby("id", sort=False)[f"{VALUE}_without_long_rows"].mean()
        values[group] = by_text.to_numpy()[:, None]
    good, bad = values.values()
    gap = paired(good - bad)
    assert gap.mean[0] > 4 * gap.standard_error[0]
    assert permuted_signs(good - bad).p[0] < 0.005
    adjusted = adjusted_pairs(good - bad, np.subtract(*different.values())[:, None])
    assert adjusted.gap.standard_error[0] < 0.006 < 0.03 < gap.mean[0]
    assert adjusted.test.p[0] > 0.1
    both = np.concatenate([good, bad])
    assert explained(np.concatenate(list(different.values())), both)[0] > 0.95
    assert explained(np.concatenate(list(lengths.values())), both)[0] < 0.3
