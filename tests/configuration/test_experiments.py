"""What figures and tables need: models derived from others, and runs of models over data sets."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml

from conftest import ROOT
from matrix_entropy.configuration.checking import checked
from matrix_entropy.configuration.experiments import (
    derived_models,
    lora_name,
    members_of,
    part_names,
    part_of,
    runs,
    tasks_of,
    untrained_name,
)
from matrix_entropy.configuration.trajectories import checkpoint_name, checkpoints_of

OURS = {
    scale: checked(yaml.safe_load((ROOT / path).read_text(encoding="utf-8")))
    for scale, path in {"full": "config.yaml", "miniature": "miniature/config.yaml"}.items()
}

MODELS: dict[str, Any] = {
    "big": {
        "title": "Big",
        "family": "Bigs",
        "size": "1B",
        "parameters": 1e9,
        "hub": "someone/big",
        "revision": "main",
        "convert_weights": True,
        "layers": 4,
        "width": 8,
        "extract": ["final"],
    },
    "local": {"path": "/data/local", "layers": 2, "width": 4, "dtype": "bfloat16"},
    "stand_in": {"train": {"architecture": "gpt2"}, "layers": 1, "width": 4},
}
DATASETS: dict[str, Any] = {
    "stories": {"path": "stories.txt"},
    "questions": {"path": "questions.jsonl", "task": "miniature_piqa"},
    "answers": {"hub": "someone/answers", "task": "piqa"},
    "all": {"union": ["questions", "stories", "answers"]},
    "changed": {"variants": {"of": "stories", "changes": {"as is": {}}}},
}
LORA = {"rank": 8, "alpha": 16, "targets": ["c_attn"]}
WITHOUT_SOURCE = {
    "big": {
        "title": "Big",
        "family": "Bigs",
        "size": "1B",
        "parameters": 1e9,
        "layers": 4,
        "width": 8,
        "extract": ["final"],
    },
    "local": {"layers": 2, "width": 4, "dtype": "bfloat16"},
    "stand_in": {"layers": 1, "width": 4},
}


def config(
    figures: dict[str, Any] | None = None, tables: dict[str, Any] | None = None
) -> dict[str, Any]:
    """A configuration of some figures and tables."""
    return {
        "models": MODELS,
        "datasets": DATASETS,
        "figures": figures or {},
        "tables": tables or {},
    }


def untrained(*models: str, seeds: list[int], **others: Any) -> dict[str, Any]:
    """A figure that compares models with fresh weights."""
    return {"kind": "untrained", "models": list(models), "seeds": seeds, "dataset": "all", **others}


def tuned(*models: str, dataset: str) -> dict[str, Any]:
    """A table of models before and after fine-tuning."""
    return {"kind": "lora", "models": list(models), "dataset": dataset, "lora": LORA}


# ---------------------------------------------------------------------------------------------
# Models made from others


@pytest.mark.parametrize("model", MODELS)
def test_untrained_models_keep_all_but_the_source(model):
    """One for each seed, each a copy of the original's entry without hub, path or training."""
    derived = derived_models(config({"control": untrained(model, seeds=[1, 7])}))
    assert derived == {
        f"{model}_untrained_{seed}": {
            **WITHOUT_SOURCE[model],
            "untrained": {"model": model, "seed": seed},
        }
        for seed in (1, 7)
    }


@pytest.mark.parametrize("model", MODELS)
def test_tuned_models_keep_all_but_the_source(model):
    """One for each member of the union, with the data set and how to train."""
    derived = derived_models(config(tables={"tuning": tuned(model, dataset="all")}))
    assert derived == {
        f"{model}_lora_{member}": {
            **WITHOUT_SOURCE[model],
            "lora": {"model": model, "dataset": member, **LORA},
        }
        for member in ("questions", "stories", "answers")
    }


def test_tuned_on_a_data_set_that_is_no_union():
    """It is its only member."""
    derived = derived_models(config(tables={"tuning": tuned("big", "local", dataset="stories")}))
    assert list(derived) == ["big_lora_stories", "local_lora_stories"]


def test_models_of_several_figures_and_tables():
    """Those that two figures share are there once."""
    figures = {
        "first": untrained("big", seeds=[1, 2]),
        "second": untrained("big", "local", seeds=[2]),
    }
    tables = {"tuning": tuned("big", dataset="stories"), "again": tuned("big", dataset="stories")}
    assert list(derived_models(config(figures, tables))) == [
        "big_untrained_1",
        "big_untrained_2",
        "local_untrained_2",
        "big_lora_stories",
    ]


@pytest.mark.parametrize(
    ("section", "entry"),
    [
        ("figures", {"kind": "layers", "model": "big", "dataset": "stories"}),
        ("figures", {"kind": "scaling", "models": ["big"], "dataset": "all"}),
        ("tables", {"kind": "indicators", "models": ["big"], "dataset": "all"}),
        ("tables", {"kind": "sources", "datasets": ["stories"]}),
        ("tables", {"kind": "prompts", "dataset": "changed"}),
    ],
)
def test_others_derive_no_model(section, entry):
    """Only comparisons with fresh weights and after fine-tuning do."""
    assert derived_models(config(**{section: {"it": entry}})) == {}


def test_the_configuration_is_left_alone():
    """Derived entries are new ones."""
    given = config({"f": untrained("big", seeds=[1])}, {"t": tuned("big", dataset="all")})
    before = copy.deepcopy(given)
    for entry in derived_models(given).values():
        entry["layers"] = 99
    assert given == before


# ---------------------------------------------------------------------------------------------
# Runs


def test_runs_of_one_model():
    """A figure across the layers of a model reads a single run."""
    entry = {"kind": "layers", "model": "big", "dataset": "stories"}
    assert list(runs(entry, DATASETS)) == [("big", "stories")]


@pytest.mark.parametrize(
    "kind",
    [
        *("scaling", "normalisations", "context_length", "operations"),
        *("indicators", "variants", "samples"),
    ],
)
def test_runs_of_several_models(kind):
    """One run each, in their order: a union is one data set, whatever it joins."""
    entry = {"kind": kind, "models": ["local", "big"], "dataset": "all"}
    assert list(runs(entry, DATASETS)) == [("local", "all"), ("big", "all")]


def test_runs_of_untrained_models_on_a_member():
    """The trained ones run on the union, fresh weights only on the group that is looked at."""
    entry = untrained("big", "local", seeds=[1, 2], group="stories")
    assert list(runs(entry, DATASETS)) == [
        ("big", "all"),
        ("local", "all"),
        ("big_untrained_1", "stories"),
        ("big_untrained_2", "stories"),
        ("local_untrained_1", "stories"),
        ("local_untrained_2", "stories"),
    ]


def test_fresh_weights_are_drawn_as_their_original_says():
    given = config({"f": untrained("big", seeds=[1])})
    given["models"] = MODELS | {"big": MODELS["big"] | {"initializer_range": 0.04}}
    derived = derived_models(given)["big_untrained_1"]
    assert derived["untrained"] == {"model": "big", "seed": 1, "initializer_range": 0.04}
    assert "initializer_range" not in derived


def test_fresh_weights_of_several_starts():
    """A start of its own is in the name, the model's own is not."""
    entry = {
        "kind": "start_of_weights",
        "model": "big",
        "dataset": "stories",
        "seeds": [1, 2],
        "initializer_ranges": [0.01, "own", 1],
    }
    names = [
        f"big_untrained_{seed}{start}"
        for seed in (1, 2)
        for start in ("_start_0_01", "", "_start_1_0")
    ]
    assert list(runs(entry, DATASETS)) == [("big", "stories"), *((n, "stories") for n in names)]
    given = config({"f": entry})
    given["models"] = MODELS | {"big": MODELS["big"] | {"initializer_range": 0.04}}
    derived = derived_models(given)
    assert list(derived) == names
    drawn = [derived[name]["untrained"]["initializer_range"] for name in names]
    assert drawn == [0.01, 0.04, 1] * 2
    # The model's own start is shared with other figures.
    assert set(derived_models(config({"f": untrained("big", seeds=[1])}))) < set(derived)


@pytest.mark.parametrize("group", [{}, {"group": "good"}], ids=["no group", "no data set"])
def test_runs_of_untrained_models_on_all(group):
    """Without a group that is a data set, all run on the same texts."""
    entry = untrained("big", seeds=[3], **group)
    assert list(runs(entry, DATASETS)) == [("big", "all"), ("big_untrained_3", "all")]


def test_runs_of_tuned_models():
    """Each on what it was tuned on; the originals on all of it at once."""
    assert list(runs(tuned("big", "local", dataset="all"), DATASETS)) == [
        ("big", "all"),
        ("local", "all"),
        ("big_lora_questions", "questions"),
        ("big_lora_stories", "stories"),
        ("big_lora_answers", "answers"),
        ("local_lora_questions", "questions"),
        ("local_lora_stories", "stories"),
        ("local_lora_answers", "answers"),
    ]


def test_runs_of_a_model_tuned_on_a_single_data_set():
    """Before and after, on the same texts."""
    assert list(runs(tuned("big", dataset="stories"), DATASETS)) == [
        ("big", "stories"),
        ("big_lora_stories", "stories"),
    ]


@pytest.mark.parametrize(
    "entry",
    [
        {"kind": "prompts", "dataset": "changed"},
        {"kind": "sources", "datasets": ["stories", "answers"]},
    ],
)
def test_tables_of_words_need_no_run(entry):
    """They show texts and where these come from."""
    assert list(runs(entry, DATASETS)) == []


# ---------------------------------------------------------------------------------------------
# Data sets


@pytest.mark.parametrize(
    ("dataset", "members", "tasks"),
    [
        ("all", ["questions", "stories", "answers"], ["questions", "answers"]),
        ("questions", ["questions"], ["questions"]),
        ("stories", ["stories"], []),
        ("changed", ["changed"], []),
    ],
)
def test_members_and_tasks(dataset, members, tasks):
    """Members in the order of the union, and those of them that ask questions."""
    assert members_of(dataset, DATASETS) == members
    assert tasks_of(dataset, DATASETS) == tasks


def test_members_can_be_changed():
    """The list is not that of the configuration."""
    members_of("all", DATASETS).clear()
    assert DATASETS["all"]["union"] == ["questions", "stories", "answers"]


@pytest.mark.parametrize("shards", [1, 2, 3, 12])
@pytest.mark.parametrize("dataset", ["wikipedia", "n2of3", "of"])
def test_parts_tell_what_they_are_of(dataset, shards):
    """Number and count of every part stand in its name, whatever the data set is called."""
    parts = part_names(dataset, shards)
    assert [part_of(part) for part in parts] == [
        (dataset, number, shards) for number in range(1, shards + 1)
    ]
    assert len(set(parts)) == shards


def test_names_of_parts():
    """A data set in one piece has no other name; shards are counted from one."""
    assert part_names("child", 1) == ["child"]
    assert part_names("child", 3) == ["child.1of3", "child.2of3", "child.3of3"]


# ---------------------------------------------------------------------------------------------
# The papers' own configuration


@pytest.mark.parametrize("scale", OURS)
def test_no_name_stands_for_two_things(scale):
    """Neither models, nor data sets and their parts."""
    ours = OURS[scale]
    made = [
        *(
            untrained_name(model, seed)
            for figure in ours["figures"].values()
            for model in figure.get("models", [])
            for seed in figure.get("seeds", [])
        ),
        *(
            lora_name(model, member)
            for table in ours["tables"].values()
            if table["kind"] == "lora"
            for model in table["models"]
            for member in ours["datasets"][table["dataset"]]["union"]
        ),
        *(
            checkpoint_name(name, step)
            for name, model in ours["models"].items()
            for step in checkpoints_of(model)
        ),
    ]
    assert len({*ours["models"], *made}) == len(ours["models"]) + len(made)
    assert sorted(derived_models(ours)) == sorted(made)
    parts = [
        part
        for name, dataset in ours["datasets"].items()
        for part in {name, *part_names(name, dataset["shards"])}
    ]
    assert len(parts) == len(set(parts))


@pytest.mark.parametrize("scale", OURS)
def test_every_run_is_of_a_model_and_a_data_set_that_are_there(scale):
    """Nothing is read that no rule makes, and no run is read twice; nothing is made in vain."""
    ours = OURS[scale]
    models = ours["models"] | derived_models(ours)
    read = set()
    for entry in [*ours["figures"].values(), *ours["tables"].values()]:
        found = list(runs(entry, ours["datasets"]))
        assert len(found) == len(set(found))
        assert {model for model, _ in found} <= set(models)
        assert {dataset for _, dataset in found} <= set(ours["datasets"])
        read |= set(found)
    # Those that no figure shows can be measured as well.
    derived = {name for name, model in derived_models(ours).items() if "checkpoint" not in model}
    assert derived <= {model for model, _ in read}


@pytest.mark.parametrize("scale", OURS)
def test_tuned_models_are_read_on_what_they_learnt(scale):
    """The texts before and after fine-tuning are those of the tuning."""
    ours = OURS[scale]
    made = derived_models(ours)
    pairs = {
        pair for table in ours["tables"].values() for pair in runs(table, ours["datasets"])
    } & {(name, entry["lora"]["dataset"]) for name, entry in made.items() if "lora" in entry}
    assert len(pairs) == sum("lora" in entry for entry in made.values()) > 0
