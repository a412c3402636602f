"""`measure`: the numbers of the workflow, from everything that may be a model or texts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

import matrix_entropy as me
import random_models
from commands import snakemake_for
from matrix_entropy.api.measured import CONTROLS, Asked
from matrix_entropy.maths import measures
from matrix_entropy.models.stand_ins import train_tokenizer
from matrix_entropy.results import columns
from matrix_entropy.results.metrics import read_metrics, read_summary
from short_texts import short_texts
from small_gguf import write_gguf

RECORDS = short_texts(9, 5)
TEXTS = [record["text"] for record in RECORDS]
# What tables say of texts that is no number.
WORDS = ["id", "group", "layer", "depth", "tokens", "rows", "truncated"]
MEASURES = [measure.name for measure in measures.MEASURES]
SAME = 1e-12  # relative


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small random Llama."""
    folder = tmp_path_factory.mktemp("model") / "mine"
    tokenizer: PreTrainedTokenizerFast = train_tokenizer(TEXTS, 300)
    random_models.save("llama", folder, tokenizer, context=256, front=200)
    return folder


def measured(model: Any, texts: Any = TEXTS, **options: Any) -> pd.DataFrame:
    return me.measure(model, texts, **{"progress": False, "threads": 1} | options)


def assert_same(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    """The same rows, and numbers within the last digits; whatever else ``found`` has."""
    assert {*expected} <= {*found}
    for name in expected:
        if name in WORDS:
            assert found[name].tolist() == expected[name].tolist(), name
        else:
            np.testing.assert_allclose(found[name], expected[name], rtol=SAME, atol=0)


def by_the_workflow(root: Path, folder: Path, config: dict[str, Any]) -> tuple[Any, Any]:
    """Table and summary that Snakemake builds of a model `mine` on the texts `texts`."""
    (folder / "mine.yaml").write_text(yaml.safe_dump(config))
    target = "results/metrics/mine/texts"
    done = snakemake_for(root, folder, f"{target}.parquet", f"{target}.summary.csv")
    assert done.returncode == 0, done.stderr
    return read_metrics(folder / f"{target}.parquet")[0], read_summary(
        folder / f"{target}.summary.csv"
    )


def assert_same_summary(found: pd.DataFrame, summary: pd.DataFrame) -> None:
    """Means as in a summary, whose file has ten digits."""
    whole = summary[summary["view"] == "all_rows"].sort_values(["group", "depth"])
    found = found.sort_values(["group", "depth"])
    assert found["layer"].tolist() == whole["layer"].tolist()
    asked = [metric for metric in columns.measured() if metric.name in found]
    means = [each.name for each in (*columns.means(), *columns.means_of(asked))]
    for name in ("texts", "undefined", "tokens_mean", "loss", *means):
        np.testing.assert_allclose(found[name], whole[name], rtol=1e-9, atol=1e-12)


def test_the_numbers_are_those_of_the_workflow(model: Path, tmp_path: Path, root: Path) -> None:
    texts = tmp_path / "texts.jsonl"
    texts.write_text("".join(json.dumps(record) + "\n" for record in RECORDS))
    entry = {"path": str(model), "bos": True, "center_features": True}
    dataset = {"path": str(texts), "group_field": "group", "max_tokens": 60}
    config = {
        "models": {"mine": entry},
        "datasets": {"texts": dataset | {"controls": [*CONTROLS], "measures": MEASURES}},
    }
    table, summary = by_the_workflow(root, tmp_path, config)
    found = measured(
        *(model, texts), bos=True, center_features=True,
        group_field="group", max_tokens=60, controls=CONTROLS, measures="all",
    )  # fmt: skip
    assert_same(found, table)
    assert set(found["truncated"]) == {True, False}
    assert found["model"].unique().tolist() == ["mine"]
    assert found["width"].unique().tolist() == [48]
    assert_same_summary(me.summarise(found), summary)
    # As a list, the texts are the same ones.
    listed = measured(
        *(model, TEXTS), bos=True, center_features=True, max_tokens=60, measures=MEASURES,
        controls=[c for c in CONTROLS if "equal" not in c],
    )  # fmt: skip
    shared = [name for name in listed if name not in ("group", "model")]
    assert_same(listed[shared], table[[name for name in shared if name in table]])


def test_single_precision_is_said(model: Path) -> None:
    asked: dict[str, Any] = {"layers": [1, "final"], "metrics": ["matrix_entropy", "stable_rank"]}
    double = measured(model, TEXTS[-2:], **asked)
    single = measured(model, TEXTS[-2:], spectra_precision="single", **asked)
    assert single.attrs["provenance"]["spectra_precision"] == "single"
    assert "spectra_precision" not in double.attrs["provenance"]
    for name in asked["metrics"]:
        assert not np.array_equal(single[name], double[name])
        np.testing.assert_allclose(single[name], double[name], rtol=0, atol=1e-4)


def test_a_trained_model_on_real_texts(shared: Path, tmp_path: Path, root: Path) -> None:
    """stories260K on TinyStories: what the workflow finds, and the same from the loaded module."""
    folder = shared / "models" / "stories260K"
    lines = (shared / "data" / "tinystories.jsonl").read_text(encoding="utf-8").splitlines()[:12]
    texts = tmp_path / "stories.jsonl"
    texts.write_text("\n".join(lines) + "\n", encoding="utf-8")
    config = {
        "models": {"mine": {"path": str(folder), "bos": True}},
        "datasets": {"texts": {"path": str(texts), "max_tokens": 200}},
    }
    table, summary = by_the_workflow(root, tmp_path, config)
    plain = [name for name in table if not name.endswith(CONTROLS)]
    found = measured(folder, texts, bos=True, max_tokens=200)
    assert_same(found, table[plain])
    assert_same_summary(me.summarise(found), summary)
    loaded = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    again = measured(loaded, texts, tokenizer=tokenizer, bos=True, max_tokens=200)
    assert_same(again, table[plain])


def test_a_loaded_model_is_measured_as_it_is_and_left_as_it_was(model: Path) -> None:
    loaded = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float64)
    tokenizer = AutoTokenizer.from_pretrained(model)
    loaded.train()
    loaded.model.layers[1].eval()
    before = {name: weight.clone() for name, weight in loaded.state_dict().items()}
    found = measured(loaded, tokenizer=tokenizer)
    assert loaded.training
    assert not loaded.model.layers[1].training
    assert all(torch.equal(weight, before[name]) for name, weight in loaded.state_dict().items())
    assert not any(module._forward_hooks for module in loaded.modules())
    assert found.attrs["provenance"]["options"]["dtype"] == "float64"
    loaded = AutoModelForCausalLM.from_pretrained(model)  # in float32, as from the folder
    assert_same(measured(loaded, tokenizer=tokenizer), measured(model).drop(columns="model"))


def test_a_model_without_a_head_has_no_losses(model: Path) -> None:
    loaded = AutoModelForCausalLM.from_pretrained(model).model
    found = measured(loaded, tokenizer=AutoTokenizer.from_pretrained(model))
    assert found["loss"].isna().all()
    expected = measured(model, losses=False)
    assert "loss" not in expected
    assert_same(found, expected.drop(columns="model"))


def test_a_gguf_file(tmp_path: Path) -> None:
    """It is dequantised on the way, and nothing is left of that."""
    file = tmp_path / "small.gguf"
    write_gguf(file)
    texts = ["a fox and a lighthouse", "the ferry rang its bell"]
    found = measured(file, texts)
    assert found["layer"].unique().tolist() == ["0", "1", "2", "final"]
    assert found["matrix_entropy"].notna().all()
    said = found.attrs["provenance"]["model"]
    assert said["gguf"]["weights"] == "4-bit weights, dequantised"
    assert [path.name for path in tmp_path.iterdir()] == ["small.gguf"]


def test_layers_and_negative_numbers(model: Path) -> None:
    def layers(asked: Any) -> list[str]:
        found: list[str] = measured(model, layers=asked)["layer"].unique().tolist()
        return found

    assert layers("all") == ["0", "1", "2", "3", "final"]
    assert layers([-1, 1]) == ["1", "final"]
    assert layers([-2, 3, 0]) == ["0", "3"]
    assert layers(np.arange(-1, 2)) == ["0", "1", "final"]
    assert layers("final") == layers(-1) == ["final"]
    assert_same(
        measured(model, layers=[2]).drop(columns="depth"),
        measured(model).query("layer == '2'").drop(columns=["model", "depth"]),
    )


def test_metrics_and_controls_are_columns(model: Path) -> None:
    found = measured(model, metrics="rankme", measures="curvature", losses=False)
    assert [*found] == ["model", *WORDS[:4], "width", *WORDS[4:], "rankme", "curvature"]
    assert {"rankme", "curvature", "curvature_std"} <= {*me.summarise(found)}
    found = measured(model, metrics=["effective_rank"], losses=False)
    assert [*found] == ["model", *WORDS[:4], "width", *WORDS[4:], "effective_rank"]
    found = measured(model, metrics="matrix_entropy", controls=["without_first_row"])
    assert {"matrix_entropy", "matrix_entropy_without_first_row"} <= {*found}
    assert "matrix_entropy_normalised_without_first_row" not in found
    summary = me.summarise(found)
    assert {"matrix_entropy", "entropy_a"} <= {*summary}
    assert "entropy_bound" not in summary


@pytest.mark.parametrize("batch_tokens", [1, 64, 10_000])
def test_batches_change_nothing_but_rounding(model: Path, batch_tokens: int) -> None:
    found, expected = measured(model, batch_tokens=batch_tokens), measured(model)
    np.testing.assert_allclose(found["matrix_entropy"], expected["matrix_entropy"], atol=1e-5)


@pytest.mark.parametrize("name", ["texts.txt", "texts.csv", "texts.json"])
def test_files_of_texts(model: Path, tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    if name.endswith("txt"):
        file.write_text("\n".join(TEXTS) + "\n")
    elif name.endswith("csv"):
        pd.DataFrame({"story": TEXTS}).to_csv(file, index=False)
    else:
        file.write_text(json.dumps(TEXTS))
    options = {"field": "story"} if name.endswith("csv") else {}
    assert_same(measured(model, str(file), **options), measured(model).drop(columns="model"))


def test_several_files_are_a_group_each(model: Path, tmp_path: Path) -> None:
    for name, texts in {"good": TEXTS[2:4], "bad": TEXTS[5:6]}.items():
        (tmp_path / f"{name}.txt").write_text("\n".join(texts) + "\n")
    files = [tmp_path / "good.txt", tmp_path / "bad.txt"]
    found = measured(model, files, layers="final")
    assert found["id"].tolist() == ["good/0", "good/1", "bad/0"]
    assert found["group"].tolist() == ["good", "good", "bad"]
    expected = measured(model, [*TEXTS[2:4], TEXTS[5]], layers="final")
    assert_same(found, expected.drop(columns=["model", "id", "group"]))
    with pytest.raises(ValueError, match="two files of texts are called good"):
        measured(model, [files[0], files[0]])


def test_metrics_that_not_every_run_has_are_named(model: Path) -> None:
    """They are those of the spectra that `spectrum` gives of the same rows, and have means."""
    asked = ["participation_ratio", "matrix_entropy", "rankme"]
    found = measured(model, metrics=asked)
    assert [name for name in found if name in asked] == [asked[1], asked[2], asked[0]]
    everything = measured(model)
    assert not {"rankme", "participation_ratio"} & set(everything)
    np.testing.assert_array_equal(found["matrix_entropy"], everything["matrix_entropy"])
    defined = found["matrix_entropy"].notna()
    assert (found["rankme"] >= everything["effective_rank"])[defined].all()
    assert (found["participation_ratio"] <= everything["effective_rank"])[defined].all()
    means = me.summarise(found)
    first = found[found["layer"] == means["layer"][0]]["rankme"]
    assert means["rankme"][0] == pytest.approx(first.mean(), rel=SAME)
    assert means["rankme_std"][0] == pytest.approx(first.std(ddof=0), rel=1e-9)
    assert "effective_rank" not in means
    rare = me.summarise(measured(model, metrics="power_law"))
    assert rare["undefined"].tolist() == means["undefined"].tolist(), "texts without a spectrum"


def test_short_texts_are_left_out_and_numbered_as_given(model: Path) -> None:
    found = measured(model, min_tokens=2 + measured(model)["tokens"].min())
    assert found["id"].unique().tolist() == [str(n) for n in range(1, 9)]
    found = measured(model, ["", TEXTS[3]], skip_empty=True)
    assert found["id"].unique().tolist() == ["1"]


def test_a_table_is_stored_with_what_it_is_of(model: Path, tmp_path: Path) -> None:
    found = measured(model, dtype="bfloat16")
    found.to_parquet(tmp_path / "table.parquet")
    provenance = pd.read_parquet(tmp_path / "table.parquet").attrs["provenance"]
    assert provenance["model"]["weights_sha256"]
    assert provenance["options"]["dtype"] == "bfloat16"
    assert provenance["versions"]["matrix_entropy"] == me.__version__


def test_nothing_is_said_without_progress(
    model: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    measured(model, TEXTS[3:5])
    assert capfd.readouterr() == ("", "")
    measured(model, TEXTS[3:5], progress=True)
    assert "mine" in capfd.readouterr().err


def test_the_parameters_are_those_that_are_passed_on() -> None:
    import inspect
    from dataclasses import fields

    parameters = inspect.signature(me.measure).parameters.values()
    assert {(p.name, p.default) for p in parameters if p.name not in ("model", "texts")} == {
        (field.name, field.default) for field in fields(Asked)
    }


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no such folder": ({"model": "./nowhere"}, "there is no model ./nowhere: no such folder"),
    "no model": ({"model": "."}, "has no config.json"),
    "no GGUF": ({"model": __file__}, "is a file, but no GGUF file"),
    "not on the hub": ({"model": "nobody/nothing"}, "cannot be reached and this revision is not"),
    "no file on the hub": ({"model": "nobody/nothing/x.gguf"}, "cannot be reached"),
    "a number for a model": ({"model": 5}, "model is int; give an id of the hub"),
    "another module": ({"model": torch.nn.Linear(2, 2)}, "Linear, not a causal language model"),
    "no such layer": ({"layers": [4]}, "no layer 4: this model has 0 to 3 and final"),
    "too far from the end": ({"layers": [-6]}, "there is no layer -6"),
    "a layer's name": ({"layers": ["last"]}, "there is no layer 'last'"),
    "a truth for a layer": ({"layers": [True]}, "there is no layer True"),
    "no layer": ({"layers": []}, "`layers=` names no layer"),
    "no file": ({"texts": "nowhere.txt"}, r"there is no file of texts 'nowhere.txt'.*\[text\]"),
    "no texts": ({"texts": []}, "there is no text to measure"),
    "numbers": ({"texts": ["a", 1]}, "text 1 is int, not a string"),
    "no list": ({"texts": 5}, "texts is int; give a list"),
    "a table of texts": (
        {"texts": pd.DataFrame({"text": TEXTS})},
        "texts is DataFrame; give a list of strings .of a table, one column of it.",
    ),
    "texts by name": ({"texts": dict(enumerate(TEXTS))}, "texts is dict; give a list"),
    "texts in no order": ({"texts": set(TEXTS)}, "texts is set; give a list"),
    "an empty text": ({"texts": ["a", " "]}, "text 1 is empty.*`skip_empty=True`"),
    "no such metric": ({"metrics": ["entropy"]}, "no metric 'entropy'; choose from matrix_entropy"),
    "a measure for a metric": ({"metrics": ["curvature"]}, "'curvature' .`measures=` takes it"),
    "no such measure": ({"measures": "rank"}, "no measure 'rank'; choose from curvature, aniso"),
    "a metric of small eigenvalues": (
        {"metrics": ["rankme"], "spectra_precision": "single"},
        'metric `rankme` depends on small eigenvalues, and `spectra_precision="single"`',
    ),
    "no such precision": (
        {"spectra_precision": "half"},
        "`spectra_precision=` is 'half'; choose single or double",
    ),
    "no metric": ({"metrics": []}, "`metrics=` names no metric"),
    "no such control": ({"controls": ["first"]}, "no control 'first'; choose from without_first"),
    "no tokens": ({"max_tokens": 0}, "`max_tokens=` is 0, not a whole number of at least 1"),
    "half a token": ({"min_tokens": 0.5}, "`min_tokens=` is 0.5, not a whole number"),
    "short texts": ({"min_tokens": 9999}, "that `min_tokens=` asks for; lower it"),
    "no such type": ({"dtype": "int8"}, '`dtype="int8"` is none of float64, float32'),
    "no such device": ({"device": "abacus"}, "there is no device abacus here"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_used_is_refused_in_one_sentence(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    changes, words = REFUSED[name]
    asked = {"model": model, "texts": TEXTS} | changes
    with pytest.raises(ValueError, match=words) as refused:
        measured(asked.pop("model"), asked.pop("texts"), **asked)
    assert "\n" not in str(refused.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (lambda _: {}, "give its `tokenizer` as well"),
        (lambda t: {"tokenizer": t, "dtype": "float16"}, "of float32, not float16; convert it"),
        (lambda t: {"tokenizer": t, "device": "meta"}, "on cpu, not on meta; move it first"),
    ],
)
def test_a_loaded_model_is_not_changed_for_an_option(
    model: Path, options: Callable[[Any], dict[str, Any]], words: str
) -> None:
    loaded = AutoModelForCausalLM.from_pretrained(model)
    with pytest.raises(ValueError, match=words):
        measured(loaded, **options(AutoTokenizer.from_pretrained(model)))


def test_a_table_that_measure_did_not_give(model: Path) -> None:
    with pytest.raises(ValueError, match="lacks group, layer, depth, width, tokens, rows"):
        me.summarise(pd.DataFrame({"a": [1]}))
    table = measured(model)[["group", "layer", "depth", "width", "tokens", "rows"]]
    with pytest.raises(ValueError, match="has no metric"):
        me.summarise(table)


def test_a_text_that_stands_twice_is_in_no_mean(model: Path) -> None:
    """As of a table joined with itself, or of two models that are called alike."""
    table = measured(model, layers=["final"])
    twice = r"two rows are of the same text \(model '\w+', group 'all', id '0', layer 'final'\)"
    with pytest.raises(ValueError, match=twice):
        me.summarise(pd.concat([table, table]))
    other = table.assign(model="other")
    assert len(me.summarise(pd.concat([table, other]))) == 2
