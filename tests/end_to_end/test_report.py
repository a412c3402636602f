"""The captions of `snakemake --report`, and what it says of the run itself."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from docutils.core import publish_doctree
from docutils.nodes import document, title
from jinja2 import Environment, StrictUndefined

from conftest import ROOT
from matrix_entropy.configuration.checking import checked
from matrix_entropy.configuration.experiments import models_of
from matrix_entropy.configuration.kinds import KINDS
from matrix_entropy.pages.run_description import configuration_text, version_table

REPORT = ROOT / "workflow" / "report"
SCALES = {
    scale: checked(yaml.safe_load((ROOT / scale / "config.yaml").read_text(encoding="utf-8")))
    for scale in (".", "miniature")
}
# With kinds that neither scale shows.
CONFIGS = SCALES | {
    "mine": checked(
        yaml.safe_load("""
models:
  mine: {title: My model, path: mine, layers: 4, width: 64, parameters: 1.0e+6}
datasets:
  manual:
    title: Python's documentation
    python_documentation: {}
    controls: [without_long_rows]
  turned:
    title: sentences in another order
    variants: {of: manual, changes: {as is: {}, reversed: {sentences: reversed}}}
figures:
  starts:
    kind: start_of_weights
    model: mine
    dataset: manual
    seeds: [1, 2]
    initializer_ranges: [0.01, own]
  orders: {kind: operations, models: [mine], dataset: turned}
  ways: {kind: normalisations, models: [mine], dataset: manual}
  fresh: {kind: untrained, models: [mine], dataset: manual, seeds: [1, 2]}
  gain:
    kind: information_gain
    models: [mine]
    dataset: manual
    seeds: [1, 2]
    information_gain: {tokens: 64}
  dips: {kind: long_rows, model: mine, dataset: manual}
  dips_beside_fresh_weights: {kind: long_rows, model: mine, dataset: manual, seeds: [1, 2]}
""")
    )
}
WORDS = (REPORT / "words.jinja").read_text(encoding="utf-8")
STAND_IN = re.compile(r"stand-?in", re.IGNORECASE)
# What Snakemake puts behind every caption: places for its links.
LINKS = """

.. _Workflow: javascript:show_panel('workflow')
.. _Wei et al. 2024: javascript:app.showCategory('Wei%20et%20al.%202024')
.. _Configuration: javascript:app.showCategory('Configuration')
.. _fig01.png: javascript:app.showResultInfo('figures/fig01.png')
"""


CASES = [
    pytest.param(scale, part, name, KINDS[entry["kind"]].caption, id=f"{scale}-{name}")
    for scale, config in CONFIGS.items()
    for part in ("figures", "tables")
    for name, entry in config[part].items()
]


def rendered(caption: str, config: dict[str, Any], **wildcards: str) -> tuple[str, document]:
    """A caption with its links, filled in as Snakemake does, and read; a warning stops it."""
    environment = Environment(trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
    template = WORDS + (REPORT / f"{caption}.rst").read_text(encoding="utf-8") + LINKS
    job = SimpleNamespace(config=config, wildcards=SimpleNamespace(**wildcards))
    text = environment.from_string(template).render(snakemake=job)
    return text, publish_doctree(text, settings_overrides={"report_level": 2, "halt_level": 2})


def words(read: document) -> str:
    """What a reader sees, on one line."""
    return " ".join(read.astext().split())


@pytest.mark.parametrize(("scale", "part", "name", "caption"), CASES)
def test_every_caption_says_what_is_shown_and_from_what(
    scale: str, part: str, name: str, caption: str
) -> None:
    config, entry = CONFIGS[scale], CONFIGS[scale][part][name]
    _, read = rendered(caption, config, **{part.removesuffix("s"): name})
    said = words(read)
    assert 2 <= len(re.findall(r"\.(?= [A-Z]|$)", said)) <= 8, said
    shown = [config["models"][model] for model in models_of(entry)]
    assert bool(STAND_IN.search(said)) == any("train" in model for model in shown)
    assert said.startswith("Not ") == any("train" in model for model in shown)
    assert ("come from a GGUF file" in said) == any("package" in model for model in shown)
    for model in shown[:1] + shown[-1:]:
        assert model["title"] in said
    apart = "control" if shown else "No model was run"
    assert apart in said or "othing was measured for this" in said
    named = entry.get("datasets", [entry["dataset"]] if "dataset" in entry else [])
    for dataset in [*named[:1], *named[-1:]]:
        assert config["datasets"][entry.get("group", dataset)]["title"] in said
    # Nothing of the markup is left, and no sentence has a hole.
    assert not re.search(r"\*\*|``|\{|\}|\\| [.,;:)]|\( |\bNone\b|\bset\(|,,|\.\.", said), said


def test_captions_of_the_rules_and_files_are_the_same() -> None:
    rules = [path.read_text(encoding="utf-8") for path in (ROOT / "workflow/rules").glob("*.smk")]
    direct = {name for text in rules for name in re.findall(r"report/(\w+)\.rst", text)}
    used = {kind.caption for kind in KINDS.values()} | direct | {"workflow"}
    assert used == {path.stem for path in REPORT.glob("*.rst")}
    assert direct == {"configuration", "versions"}
    shown = {entry["kind"] for config in CONFIGS.values() for entry in config["figures"].values()}
    shown |= {entry["kind"] for config in CONFIGS.values() for entry in config["tables"].values()}
    assert shown == KINDS.keys()  # so that every branch of every caption is read above


def test_every_shared_word_is_used() -> None:
    texts = [path.read_text(encoding="utf-8") for path in REPORT.iterdir()]
    macros = re.findall(r"{% macro (\w+)\(", WORDS)
    assert all(sum(len(re.findall(rf"\b{name}\(", text)) for text in texts) > 1 for name in macros)


def test_titles_of_a_users_own_are_no_markup() -> None:
    config = checked(
        {
            "models": {
                "mine_": {"path": "m", "layers": 2, "width": 8, "title": "a*b* |c| `d`_ \\"}
            },
            "datasets": {"texts_": {"path": "t.csv", "controls": ["equal_length"]}},
            "figures": {"mine": {"model": "mine_", "dataset": "texts_"}},
        }
    )
    _, read = rendered("layers", config, figure="mine")
    said = words(read)
    assert "of a*b* |c| `d`_ \\ (2 blocks of width d = 8), on texts_: the mean" in said
    assert "are the same means with all texts of a panel cut to one length: what" in said
    assert "first token" not in said
    config["datasets"]["texts_"]["controls"] = [
        "without_first_row",
        "without_long_rows",
        "equal_length_without_long_rows",
    ]
    _, read = rendered("layers", config, figure="mine")
    assert (
        "without the row of the first token, without rows of more than ten times the median norm "
        "of their text and with texts cut to one length and then without such rows: what"
    ) in words(read)


def test_a_measure_is_not_described_as_the_entropy() -> None:
    drawn = {"model": "mine", "dataset": "texts_", "metric": "norm_ratio"}
    config = checked(
        {
            "models": {"mine": {"path": "m", "layers": 2, "width": 8}},
            "datasets": {"texts_": {"path": "t.csv", "measures": ["norm_ratio"]}},
            "figures": {"mine": drawn},
        }
    )
    _, read = rendered("layers", config, figure="mine")
    said = words(read)
    assert "The measure norm_ratio of the hidden states after every block of mine (2" in said
    assert "log d" not in said
    assert "controls" not in said


def test_a_metric_of_spectra_is_no_measure_of_states() -> None:
    config = checked(
        {
            "models": {"mine": {"path": "m", "layers": 2, "width": 8}},
            "datasets": {"texts_": {"path": "t.csv", "metrics": ["rankme"]}},
            "figures": {"mine": {"model": "mine", "dataset": "texts_", "metric": "rankme"}},
        }
    )
    said = words(rendered("layers", config, figure="mine")[1])
    assert "The metric rankme of the spectra after every block of mine (2" in said
    assert "of all rows of a text; docs/metrics.md" in said


def test_groups_and_origins_of_a_users_own_texts_are_named() -> None:
    figure = {"models": ["mine"], "dataset": "both", "group": "old"}
    gain = {"kind": "information_gain", "information_gain": {"tokens": 9, "kernel": "linear"}}
    config = checked(
        {
            "models": {"mine": {"path": "m", "layers": 2, "width": 8, "parameters": 9}},
            "datasets": {
                "old": {"path": "t.csv", "title": "old texts"},
                "new": {"generate": {"grammar": "stories", "count": 5}, "title": "new texts"},
                "both": {"union": ["old", "new"]},
            },
            "figures": {
                "fresh": {**figure, "kind": "untrained", "seeds": [3]},
                "gain": {**figure, **gain, "group": "new"},
            },
            "tables": {"listed": {"kind": "indicators", "models": ["mine"], "dataset": "both"}},
        }
    )
    ranks = words(rendered("models", config, figure="fresh")[1])
    assert "(hollow; one seed)" in ranks
    assert "minus trained: mine, on old texts. Fresh" in ranks
    assert "one seed), drawn with initializer_range of config.json, and beside" in ranks
    stated = {"mine": config["models"]["mine"] | {"initializer_range": 1 / 24}}
    ranks = words(rendered("models", config | {"models": stated}, figure="fresh")[1])
    assert "one seed), drawn with initializer_range 0.0417, and beside" in ranks
    gains = words(rendered("information_gain", config, figure="gain")[1])
    assert "mine, on new texts, all made for this project. K has the inner products of the" in gains
    assert gains.endswith("This kernel sets no bound to a gain.")
    table = words(rendered("table", config, table="listed")[1])
    assert "mine, on both (old texts and new texts), some made for this project. The" in table
    assert "The CSV" not in table


def test_only_the_models_that_are_stand_ins_are_called_so() -> None:
    config = SCALES["miniature"]
    models = config["models"] | {
        name: SCALES["."]["models"][name] for name in ("cerebras_111m", "cerebras_13b")
    }
    _, read = rendered("models", config | {"models": models}, figure="wei_fig1_cerebras_scaling")
    assert words(read).startswith(
        "Not Cerebras-GPT-256M to Cerebras-GPT-6.7B (5) but stand-ins for them: small models"
    )
    assert "number of parameters: Cerebras-GPT-111M to Cerebras-GPT-13B (7), on" in words(read)


@pytest.mark.parametrize("scale", SCALES)
def test_the_overview_says_what_stand_ins_are_and_whether_there_are_any(scale: str) -> None:
    _, read = rendered("workflow", SCALES[scale])
    said = words(read)
    assert [node.astext() for node in read.findall(title)] == ["Matrix entropy of language models"]
    for paper in ("Liang 2024", "Wei et al. 2024", "Tan et al. 2024"):
        assert paper in said
    models = SCALES[scale]["models"]
    trained = sum("train" in model for model in models.values())
    count = f"{trained} of {len(models)} models are stand-ins" if trained else "no model is one"
    assert f"In this run {count}." in said
    assert (trained > 0) == (scale == "miniature")


@pytest.mark.parametrize("caption", ["configuration", "versions"])
def test_the_run_has_captions(caption: str) -> None:
    assert len(words(rendered(caption, SCALES["."])[1])) > 100


@pytest.mark.parametrize("scale", SCALES)
def test_the_configuration_written_down_is_the_configuration(scale: str) -> None:
    text = configuration_text(SCALES[scale])
    again = yaml.safe_load(text)
    assert again == SCALES[scale]
    assert checked(again) == again
    for part in ("models", "datasets", "figures", "tables"):
        assert list(again[part]) == list(SCALES[scale][part])
    assert again["models"]["gpt2_small"]["dtype"] == "float32"  # a default
    assert not re.search(r"(: |- )[&*]id\d", text)


def test_versions_are_those_that_python_has(tmp_path: Path) -> None:
    path = tmp_path / "requirements.txt"
    path.write_text("# pinned\n\nnumpy==1.0  # an old one\npandas>=2,<9\nno-such-package==3.1\n")
    table = version_table(path).set_index("package")
    assert table["installed"].to_dict() == {
        "python": sys.version.split()[0],
        "matrix_entropy": "0.2.0",
        "numpy": np.__version__,
        "pandas": pd.__version__,
        "no-such-package": "",
    }
    assert set(table.loc["pandas", "required"].split(",")) == {">=2", "<9"}
    assert list(table["required"].drop("pandas")) == ["", "", "==1.0", "==3.1"]


def test_every_required_package_has_its_version() -> None:
    table = version_table(ROOT / "requirements.txt")
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    required = [line for line in lines if line and not line.startswith("#")]
    assert list((table["package"] + table["required"]).iloc[2:]) == required
    assert table["installed"].iloc[:2].all()


def test_captions_of_one_model_speak_of_no_sizes() -> None:
    for name in ("orders", "ways", "fresh"):
        said = words(rendered("models", CONFIGS["mine"], figure=name)[1])
        assert "number of parameters" not in said
        assert "all sizes" not in said
        assert "Bars are 95 % intervals" in said or name == "fresh"
    gain = words(rendered("information_gain", CONFIGS["mine"], figure="gain")[1])
    assert "(2 seeds, mean and range), drawn with initializer_range of config.json." in gain
