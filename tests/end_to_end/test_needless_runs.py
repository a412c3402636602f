"""Edits of the configuration that change no state run no model, and those that do run it again."""

from __future__ import annotations

import copy
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

import random_models
from commands import snakemake_for
from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import write_jsonl
from matrix_entropy.models.stand_ins import train_tokenizer
from matrix_entropy.results.asked_views import asked_views, made_views, write_views
from matrix_entropy.results.spectra_file import Spectra
from short_texts import short_texts

FIGURE = "figures/layers_mine_texts.pdf"
SPECTRA, METRICS = "results/spectra/mine/texts.npz", "results/metrics/mine/texts.parquet"
TEXTS = [
    {"text": text["text"], "kind": "abc"[number % 3]}
    for number, text in enumerate(short_texts(9, 2))
]
CONFIG: dict[str, Any] = {
    "models": {"mine": {"path": "model", "layers": 3, "width": 48}},
    "datasets": {
        "texts": {
            "path": "texts.jsonl",
            "group_field": "kind",
            "groups": {"good": "a", "bad": "b"},
            "panels": {"Both": ["good", "bad"]},
            "controls": ["without_first_row", "equal_length"],
            "measures": ["curvature", "lens_entropy", "norm_ratio"],
        }
    },
    "figures": {},
}
DRAWN = {"plot_run"}
TABLED = DRAWN | {"compute_metrics"}
RUN = TABLED | {"dump_hidden_states", "compute_spectra"}
# What is edited, of the model or the data set, and the rules that have to run.
EDITS: dict[str, tuple[str, dict[str, Any], set[str]]] = {
    "another name of a panel": ("datasets", {"panels": {"New": ["good", "bad"]}}, DRAWN),
    "other names of groups": (
        "datasets",
        {"groups": {"fine": "a", "poor": "b"}, "panels": {"Both": ["fine", "poor"]}},
        TABLED,
    ),
    "names of groups exchanged": ("datasets", {"groups": {"bad": "a", "good": "b"}}, TABLED),
    "another place of a model": ("models", {"device_map": "single"}, set()),
    "a control less": ("datasets", {"controls": ["without_first_row"]}, TABLED),
    "controls in another order": (
        "datasets",
        {"controls": ["equal_length", "without_first_row"]},
        TABLED,
    ),
    "a control more": (
        "datasets",
        {"controls": ["without_first_row", "equal_length", "without_long_rows"]},
        RUN,
    ),
    "a measure less": ("datasets", {"measures": ["norm_ratio"]}, TABLED),
    "measures in another order": (
        "datasets",
        {"measures": CONFIG["datasets"]["texts"]["measures"][::-1]},
        TABLED,
    ),
    "another measure": ("datasets", {"measures": ["anisotropy", "curvature"]}, RUN),
    "metrics of spectra": ("datasets", {"metrics": ["rankme", "power_law"]}, TABLED),
    "another precision": ("datasets", {"spectra_precision": "single"}, RUN),
    "another length": ("datasets", {"lengths": [8]}, RUN),
    "texts cut to another length": ("datasets", {"panels": {"A": ["good"], "B": ["bad"]}}, RUN),
    "other panels without the control of panels": (
        "datasets",
        {"panels": {"A": ["good"], "B": ["bad"]}, "controls": ["without_first_row"]},
        TABLED,
    ),
    "another group": ("datasets", {"groups": {"good": "a", "bad": "c"}}, RUN | {"read_texts"}),
    "fewer tokens": ("datasets", {"max_tokens": 9}, RUN),
}


def edited(key: str, changes: dict[str, Any]) -> dict[str, Any]:
    config = copy.deepcopy(CONFIG)
    (entry,) = config[key].values()
    entry.update(changes)
    return config


def planned(root: Path, folder: Path, *options: str) -> set[str]:
    """The rules that would run."""
    done = snakemake_for(root, folder, FIGURE, "-n", *options)
    assert done.returncode == 0, done.stderr
    stats = done.stdout.partition("Job stats:")[2].partition("total")[0]
    return set(re.findall(r"^(\w+) +\d+$", stats, re.MULTILINE))


def build(root: Path, folder: Path, config: dict[str, Any]) -> pd.DataFrame:
    """The figure's numbers, and what was drawn of them."""
    (folder / "mine.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    done = snakemake_for(root, folder, FIGURE)
    assert done.returncode == 0, done.stderr
    return pd.read_csv(folder / FIGURE.replace(".pdf", ".csv"))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    folder = tmp_path_factory.mktemp("built")
    tokenizer = train_tokenizer([text["text"] for text in TEXTS], 300)
    random_models.gpt2(vocabulary=len(tokenizer), context=128).save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    write_jsonl(folder / "texts.jsonl", TEXTS)
    build(root, folder, CONFIG)
    return folder


@pytest.fixture
def folder(built: Path, tmp_path: Path) -> Path:
    """A copy with the times of the files, which Snakemake looks at."""
    return shutil.copytree(built, tmp_path / "copy", symlinks=True)


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_runs_what_depends_on_it(edit: str, built: Path, root: Path) -> None:
    key, changes, rules = EDITS[edit]
    (built / "mine.yaml").write_text(yaml.safe_dump(edited(key, changes), sort_keys=False))
    assert planned(root, built) == rules


def test_another_way_of_the_states_keeps_what_there_is(folder: Path, root: Path) -> None:
    """Streamed in place of written to disk, and back; what is made anew is made as is now asked."""
    (folder / "mine.yaml").write_text(yaml.safe_dump(CONFIG))
    stream = ("--config", "hidden_states=stream")
    before = Spectra.load(folder / SPECTRA)
    assert planned(root, folder, *stream) <= DRAWN
    for name in (FIGURE, METRICS, SPECTRA):
        (folder / name).unlink()
    done = snakemake_for(root, folder, FIGURE, *stream)
    assert done.returncode == 0, done.stderr
    assert "stream_spectra" in done.stderr
    after = Spectra.load(folder / SPECTRA)
    assert after.measures == before.measures == ("curvature", "lens_entropy", "norm_ratio")
    np.testing.assert_array_equal(after.measured, before.measured)
    assert planned(root, folder) == set()


def test_other_names_reach_the_figure(folder: Path, root: Path) -> None:
    before = pd.read_csv(folder / FIGURE.replace(".pdf", ".csv"))
    names = {"groups": {"poor": "a", "fine": "b"}, "panels": {"New": ["poor", "fine"]}}
    after = build(root, folder, edited("datasets", names))
    assert set(after["panel"]) == {"New"}
    for old, new in {"good": "poor", "bad": "fine"}.items():
        values = [
            table[table["group"] == name].drop(columns=["panel", "group"]).reset_index(drop=True)
            for table, name in ((before, old), (after, new))
        ]
        assert len(values[0]) == 3
        pd.testing.assert_frame_equal(*values)


def test_a_control_that_is_taken_away_is_gone_and_comes_back_as_it_was(
    folder: Path, root: Path
) -> None:
    before = (folder / METRICS).read_bytes()
    made = (folder / SPECTRA).stat().st_mtime_ns
    build(root, folder, edited("datasets", {"controls": ["without_first_row"]}))
    columns = set(pd.read_parquet(folder / METRICS).columns)
    assert "matrix_entropy_without_first_row" in columns
    assert not [column for column in columns if "equal_length" in column]
    assert (
        not (pd.read_csv(folder / METRICS.replace("parquet", "summary.csv"))["view"])
        .isin(["equal_length"])
        .any()
    )
    build(root, folder, CONFIG)
    assert (folder / METRICS).read_bytes() == before
    assert (folder / SPECTRA).stat().st_mtime_ns == made


def code_of_spectra(root: Path, folder: Path) -> str:
    """The line that says what spectra were made of."""
    done = snakemake_for(root, folder, FIGURE, "--detailed-summary")
    (line,) = [line for line in done.stdout.splitlines() if line.startswith(SPECTRA)]
    assert "maths/spectra.py" in line
    return line


@pytest.mark.parametrize("states", ["temp", "stream"])
def test_spectra_without_measures_are_not_made_of_the_code_of_these(
    states: str, folder: Path, root: Path
) -> None:
    """So that a new measure makes no other spectra again."""
    assert "maths/measures.py" in code_of_spectra(root, folder)
    config = copy.deepcopy(CONFIG)
    del config["datasets"]["texts"]["measures"]
    (folder / "mine.yaml").write_text(yaml.safe_dump(config))
    assert planned(root, folder) == TABLED, "spectra that hold more are as good"
    for name in (SPECTRA, SPECTRA.replace(".npz", ".views.json")):
        (folder / name).unlink()
    table = build(root, folder, config | {"hidden_states": states})
    assert len(table) == 6
    line = code_of_spectra(root, folder)
    assert "maths/measures.py" not in line
    assert ("stream_spectra" in line) == (states == "stream")
    assert Spectra.load(folder / SPECTRA).measures == ()


def test_a_control_that_is_added_has_its_own_values(folder: Path, root: Path) -> None:
    build(root, folder, edited("datasets", {"controls": ["without_first_row"]}))
    # In the place of the one that is still in the spectra.
    more = {"controls": ["without_first_row", "without_long_rows"]}
    build(root, folder, edited("datasets", more))
    assert Spectra.load(folder / SPECTRA).views == (
        "all_rows",
        "without_first_row",
        "without_long_rows",
    )
    # Nor does it come back with what it was taken away.
    (folder / "mine.yaml").write_text(yaml.safe_dump(CONFIG))
    assert planned(root, folder) == RUN


def test_spectra_of_other_views_or_groups_are_refused(built: Path) -> None:
    spectra = Spectra.load(built / SPECTRA)
    assert spectra.with_views(spectra.views).eigenvalues is not spectra.eigenvalues
    equal = spectra.with_views(["equal_length", "all_rows"])
    place = spectra.views.index("equal_length")
    for layer in range(len(spectra.layers)):
        for text in range(len(spectra.ids)):
            for ours, theirs in ((0, place), (1, 0)):
                np.testing.assert_array_equal(
                    equal.of(ours, layer, text), spectra.of(theirs, layer, text)
                )
    with pytest.raises(InputError, match=r"mine on texts have no view 'first_8', but all_rows"):
        spectra.with_views(["first_8"])
    with pytest.raises(InputError, match="of a group 'b', which `groups:`"):
        spectra.with_groups({"a": "good"})


@pytest.mark.parametrize(
    ("entry", "enough"),
    [
        ({"controls": []}, True),
        ({"controls": ["without_first_row"], "lengths": [8]}, True),
        ({"controls": ["equal_length"], "panels": {"P": ["y", "x"]}}, True),
        ({"controls": ["equal_length"], "panels": {"P": ["x"], "Q": ["y"]}}, False),
        ({"controls": ["equal_length"]}, False),
        ({"controls": ["without_long_rows"]}, False),
        ({"controls": [], "lengths": [8, 9]}, False),
        ({"controls": [], "measures": ["curvature"]}, True),
        ({"controls": [], "measures": ["curvature", "anisotropy"]}, False),
        ({"controls": [], "spectra_precision": "double"}, True),
        ({"controls": [], "spectra_precision": "single"}, False),
    ],
)
def test_views_that_were_made_are_enough_or_not(
    entry: dict[str, Any], enough: bool, tmp_path: Path
) -> None:
    path = tmp_path / "wikipedia.2of8.npz"
    made = asked_views(
        {
            "controls": ["without_first_row", "equal_length"],
            "panels": {"Any": ["x", "y"]},
            "lengths": [16, 8],
            "measures": ["norm_ratio", "curvature"],
        }
    )
    asked = asked_views(entry)
    assert made_views(path, asked) == asked
    write_views(path, made, streamed=False)
    assert (tmp_path / "wikipedia.2of8.views.json").exists()
    assert made_views(path, asked) == (made if enough else asked)
    (tmp_path / "wikipedia.2of8.views.json").write_text("{}")
    assert made_views(path, asked) == asked


def test_spectra_that_are_older_than_measures_are_enough_without_any(tmp_path: Path) -> None:
    asked = asked_views({"controls": []})
    assert "measures" not in asked
    write_views(tmp_path / "a.npz", asked_views({"controls": ["equal_length"]}), streamed=False)
    assert made_views(tmp_path / "a.npz", asked)["controls"] == ["equal_length"]
    more = asked | {"measures": ["curvature"]}
    assert made_views(tmp_path / "a.npz", more) == more
