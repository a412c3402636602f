"""The workflow as a person types it: targets, dry runs, and what bad input ends with."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

import random_models
from commands import snakemake
from conftest import configured
from matrix_entropy.base.files import read_json, read_jsonl
from matrix_entropy.figures.kinds.published_entropy import published_entropy_numbers
from matrix_entropy.maths.entropy import entropy_of
from matrix_entropy.models.stand_ins import train_tokenizer
from matrix_entropy.results.gain_file import Gains
from matrix_entropy.results.sentences_file import Sentences

FIGURES = [
    "fig01_tinystories_3m_child",
    "fig02_tinystories_28m_child",
    "fig03_gpt2_small_child",
    "fig04_gpt2_medium_child",
    "fig05_gpt2_large_child",
    "fig06_tinystories_3m_world",
    "fig07_tinystories_28m_world",
    "fig08_gpt2_small_world",
    "fig09_gpt2_medium_world",
    "fig10_gpt2_large_world",
]
LIANG_CONTROLS = ["control_length", "control_first_token", "control_untrained"]
LIANG_TABLES = ["control_group_gaps"]
WEI_FIGURES = [
    "wei_fig1_cerebras_scaling",
    "wei_fig2_context_length",
    "wei_fig3_sentence_operations",
    "wei_fig4_mllm_schematic",
    "wei_fig5_normalisations",
    "wei_fig6_pythia_scaling",
    "wei_fig_diff_erank",
    "control_log_d_null",
]
WEI_TABLES = [
    "wei_table1_benchmarks",
    "wei_table2_lora",
    "wei_table3_prompts",
    "wei_table4_mllm",
    "wei_table5_mllm",
    "wei_table6_image_operations",
    "wei_table7_sampling",
    "wei_table8_cerebras",
    "wei_table9_pythia",
    "wei_table10_prompts",
    "wei_data_sets",
    "wei_image_data_sets",
]
TAN_FIGURES = [
    "tan_fig1_entropy_power_law",
    "tan_fig2_skill_graph",
    "tan_fig3_information_gain",
    "tan_fig4_context_projection",
    "tan_fig5_js_distance",
    "tan_fig6_distance_ablation",
    "tan_fig_skill_scaling",
]
TAN_TABLES = ["tan_table_lasso_tokens"]
TEXTS = ["A fox sang to the lighthouse all night.", "Nobody knew why the kite would not fly.", "Hm"]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    """A folder with the full-size configuration, a small random model and three texts."""
    folder = tmp_path_factory.mktemp("workplace")
    shutil.copy(root / "config.yaml", folder)
    random_models.gpt2(vocabulary=300).save_pretrained(folder / "model")
    train_tokenizer(TEXTS * 20, 300).save_pretrained(folder / "model")
    pd.DataFrame({"story": TEXTS, "kind": ["a", "b", "b"]}).to_csv(folder / "texts.csv")
    return folder


def run_mine(
    root: Path, workplace: Path, target: str, model: dict | None = None, dataset: dict | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a target for a user's own model and texts, as the README says."""
    mine = {
        "models": {"mine": {"path": "model", "layers": 3, "width": 48} | (model or {})},
        "datasets": {"texts": {"path": "texts.csv", "field": "story"} | (dataset or {})},
    }
    (workplace / "mine.yaml").write_text(yaml.safe_dump(mine))
    mine_yaml = str(workplace / "mine.yaml")
    return snakemake(root, target, "--directory", str(workplace), "--configfile", mine_yaml)


SEEN = ("heavy ", "network ", "read ")
# Says on stderr what a Python process looks at: libraries that take seconds to import, the network,
# and files of this project's library.
WATCH = """
import sys
HEAVY = {"torch", "transformers", "huggingface_hub", "pandas", "scipy", "matplotlib"}
def watch(event, arguments):
    if event == "import" and arguments[0] in HEAVY:
        print("heavy", arguments[0], file=sys.stderr)
    elif event in ("socket.connect", "socket.getaddrinfo"):
        print("network", arguments, file=sys.stderr)
    elif event == "open" and str(arguments[0]).endswith(".py"):
        print("read", arguments[0], file=sys.stderr)
sys.addaudithook(watch)
"""


@pytest.mark.parametrize("scale", [".", "miniature"])
def test_a_dry_run_of_everything_needs_little(
    root: Path, tmp_path: Path, scale: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In an empty folder, so that nothing is there yet; no network, no weights, no library."""
    shutil.copy(root / scale / "config.yaml", tmp_path)
    (tmp_path / "watched").mkdir()
    (tmp_path / "watched/sitecustomize.py").write_text(WATCH)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "watched"))
    done = snakemake(root, "-n", "--directory", str(tmp_path))
    assert done.returncode == 0, done.stderr
    seen = Counter(line for line in done.stderr.splitlines() if line.startswith(SEEN))
    ours = {line: times for line, times in seen.items() if "/matrix_entropy/" in line}
    assert not [line for line in seen if not line.startswith("read ")]
    # Once to be imported, and once to see what it imports itself, however many rules ask.
    assert len(ours) > 50
    assert max(ours.values()) <= 2
    # The pages do not wait for what has to be fetched by hand.
    (compared,) = re.findall("Comparing with what is published\n(.*)", done.stdout)
    assert "wei_table6_image_operations" in compared
    assert ("wei_table5_mllm" in compared) is (scale == "miniature")
    for figure in [*FIGURES, *LIANG_CONTROLS, *WEI_FIGURES, *TAN_FIGURES]:
        assert f"figures/{figure}.pdf" in done.stdout
    for table in [*LIANG_TABLES, *WEI_TABLES, *TAN_TABLES]:
        assert f"results/tables/{table}.csv" in done.stdout


def test_a_dry_run_of_one_figure_plans_only_what_it_needs(root: Path, tmp_path: Path) -> None:
    shutil.copy(root / "config.yaml", tmp_path)
    target = "figures/fig10_gpt2_large_world.pdf"
    done = snakemake(root, "-n", target, "--directory", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert re.search(r"dump_hidden_states +1\n", done.stdout)
    assert "gpt2_small" not in done.stdout


def test_target_rules_are_documented(root: Path) -> None:
    done = snakemake(root, "--list-target-rules")
    assert done.returncode == 0
    rules = dict(re.findall(r"^(\w+) \((.+)\)$", done.stdout, re.MULTILINE))
    assert rules.keys() >= {
        "all",
        "liang2024",
        "wei2024",
        "wei2024_multimodal",
        "tan2024",
        "paper",
        "archive",
        "prefetch",
        "preflight",
    }
    assert rules["liang2024"].startswith("Liang 2024: Figures 1 to 10")


def test_a_page_lists_every_figure_and_table_and_no_other(root: Path) -> None:
    page = (root / "docs/figures-and-tables.md").read_text()
    listed = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    config = configured()
    figures = [*FIGURES, *LIANG_CONTROLS, *WEI_FIGURES, *TAN_FIGURES]
    others = [name for name, figure in config["figures"].items() if "paper" not in figure]
    assert sorted(config["figures"]) == sorted([*figures, *others])
    assert list(config["tables"]) == [*LIANG_TABLES, *WEI_TABLES, *TAN_TABLES]
    of_liang = [*FIGURES, *LIANG_CONTROLS, *LIANG_TABLES]
    of_papers = [*of_liang, *WEI_FIGURES, *WEI_TABLES, *TAN_FIGURES, *TAN_TABLES]
    assert listed == [*of_papers, *others]
    real = configured("smollm2")
    page = (root / "docs/smollm2.md").read_text()
    named = re.findall(r"`(smollm2_(?!135m)\w+)`", page)
    assert sorted(named) == sorted({*real["figures"], *real["tables"]})


def test_the_docs_name_every_entry_at_a_branch(root: Path) -> None:
    said = re.search(r"branch `main` where .*", (root / "docs/running.md").read_text())
    assert said is not None
    config = yaml.safe_load((root / "config.yaml").read_text())
    at = {
        name: entry["revision"]
        for name, entry in (config["models"] | config["datasets"]).items()
        if "hub" in entry
    }
    branches = [name for name, revision in at.items() if not re.fullmatch("[0-9a-f]{40}", revision)]
    assert re.findall(r"`(\w+)`[,.]", said[0]) == branches
    assert {at[name] for name in branches} == {"main"}


def test_the_catalogue_snakefile_is_the_same_workflow(root: Path, tmp_path: Path) -> None:
    shutil.copy(root / "config.yaml", tmp_path)
    workflow = (root / "workflow" / "Snakefile").read_text()
    assert len(workflow.splitlines()) == 1
    one_paper = ("--config", "papers=[liang2024]")
    where = ("--directory", str(tmp_path), "--snakefile", "workflow/Snakefile")
    done = snakemake(root, "-n", *where, *one_paper)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^plot_layers +10$", done.stdout, re.MULTILINE)


def test_pins_of_the_environments_are_those_of_the_requirements(root: Path) -> None:
    def pins(lines: list[str]) -> dict[str, str]:
        found = [re.fullmatch(r"([A-Za-z0-9_-]+)==(\S+)", line.strip()) for line in lines]
        return {match[1].lower(): match[2] for match in found if match}

    required = pins((root / "requirements.txt").read_text().splitlines())
    assert required["torch"] == "2.13.0"
    environments = list((root / "envs").glob("*.yaml"))
    assert environments
    for path in environments:
        packages = yaml.safe_load(path.read_text())["dependencies"][-1]["pip"]
        found = pins(packages)
        assert len(found) == len(packages), f"{path.name} has a package without a pin"
        assert found.items() <= required.items(), path.name
    # Executors come on top: nothing that is required already, and nothing without a version.
    for path in (root / "envs").glob("*.txt"):
        lines = path.read_text().splitlines()
        found = pins(lines)
        assert len(found) == sum(not line.startswith("#") for line in lines), path.name
        assert found
        assert not found.keys() & required.keys(), path.name


def test_every_library_file_a_rule_uses_is_among_its_inputs(root: Path, tmp_path: Path) -> None:
    shutil.copy(root / "config.yaml", tmp_path)
    target = "figures/fig03_gpt2_small_child.pdf"
    done = snakemake(root, "--filegraph", target, "--directory", str(tmp_path))
    plan = done.stdout[done.stdout.index(">dump_hidden_states<") :].split("label")[0]
    used = ("states/hidden_states", "states/residual_stream", "results/state_files")
    for module in (*used, "texts/tokens", "models/loading", "base/errors"):
        assert f"matrix_entropy/{module}.py" in plan


def test_no_module_of_the_library_is_imported_in_a_way_that_is_not_seen(root: Path) -> None:
    """The rules look for `from matrix_entropy` alone, and stop at what is not a file there."""
    for path in [*(root / "workflow").rglob("*.py"), *(root / "src").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                assert not [name for name in node.names if "matrix_entropy" in name.name], path
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, path


def test_every_script_brings_its_own_code(root: Path) -> None:
    """A rule names the script whose imports are its inputs: it has to be the one that it runs."""
    scripts = set()
    for path in (root / "workflow" / "rules").glob("*.smk"):
        for rule in re.split(r"^ *(?:use )?rule\b", path.read_text(), flags=re.MULTILINE)[1:]:
            run = re.search(r"scripts/([\w/]+)\.py", rule)
            code = re.search(r'code\w*\("([\w/]+)"\)', rule)
            if run:
                assert code is not None, rule.splitlines()[0]
                assert code[1] == run[1], rule.splitlines()[0]
                scripts.add(run[1])
    folder = root / "workflow" / "scripts"
    found = {path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.py")}
    assert scripts == found


@pytest.mark.parametrize("figure", FIGURES)
def test_the_miniature_figures_come_from_their_metrics(
    miniature: Path, root: Path, figure: str
) -> None:
    """The numbers beside each figure are means over the table it was drawn from."""
    assert all((miniature / f"figures/{figure}{end}").exists() for end in (".pdf", ".png"))
    curves = pd.read_csv(miniature / f"figures/{figure}.csv")
    entry = configured("miniature")["figures"][figure]
    metrics = pd.read_parquet(
        miniature / f"results/metrics/{entry['model']}/{entry['dataset']}.parquet"
    )
    assert curves["texts"].tolist() == [10] * len(curves)
    for row in curves.itertuples():
        part = metrics[(metrics["group"] == row.group) & (metrics["layer"] == str(row.block + 1))]
        values = part["matrix_entropy_normalised"].to_numpy()
        assert row.normalised_mean == pytest.approx(values.mean(), abs=1e-9)
        assert row.normalised_std == pytest.approx(values.std(), abs=1e-9)


@pytest.mark.parametrize("family", ["cerebras", "pythia"])
def test_larger_stand_ins_have_learned_more(miniature: Path, family: str) -> None:
    records = [read_json(path) for path in (miniature / "results/models").glob(f"{family}_*.json")]
    trained = pd.DataFrame([record for record in records if record["source"] == "train"])
    order = trained[["parameters", "held_out_loss"]].corr(method="spearman").iloc[0, 1]
    assert len(trained) == (7 if family == "cerebras" else 10)
    assert order < -0.95


@pytest.mark.parametrize("figure", ["wei_fig1_cerebras_scaling", "wei_fig6_pythia_scaling"])
def test_the_scaling_figures_come_from_their_metrics(miniature: Path, figure: str) -> None:
    """Means over the texts of each model's own table, and none for a model that is left out."""
    drawn = pd.read_csv(miniature / f"figures/{figure}.csv")
    assert set(drawn.loc[~drawn["shown"], "model"]) == (
        {"pythia_1b"} if "pythia" in figure else set()
    )
    for row in drawn.itertuples():
        metrics = pd.read_parquet(miniature / f"results/metrics/{row.model}/language.parquet")
        texts = metrics[metrics["group"] == row.dataset]
        assert row.entropy_a == pytest.approx(texts["matrix_entropy_normalised"].mean(), abs=1e-9)
        assert row.loss == pytest.approx(texts["loss"].mean(), abs=1e-8)
    fits = pd.read_csv(miniature / f"figures/{figure}.fits.csv")
    assert set(fits["dataset"]) == set(drawn["dataset"])


@pytest.mark.parametrize("table", WEI_TABLES)
def test_the_miniature_tables_say_stand_in(miniature: Path, table: str) -> None:
    """In words above the table, and in the column that says what is comparable."""
    files = {end: miniature / f"results/tables/{table}.{end}" for end in ("csv", "md", "tex")}
    numbers = pd.read_csv(files["csv"])
    assert len(numbers)
    if "value" not in numbers:
        return
    assert numbers["value"].notna().all()
    assert numbers["difference"].isna().all()
    assert set(numbers["comparable"]) <= {"stand-in, not comparable", "no published value"}
    assert "stand-in, not comparable" in set(numbers["comparable"])
    assert all("Stand-ins: small models" in files[end].read_text() for end in ("md", "tex"))


def test_figures_without_a_model_are_those_of_the_full_scale(miniature: Path, root: Path) -> None:
    """The same numbers from config.yaml's entry as the miniature scale has drawn."""
    entry = configured()["figures"]
    epsilon = entry["tan_fig1_entropy_power_law"]["published_entropy"]["epsilon"]
    drawn = pd.read_csv(miniature / "figures/tan_fig1_entropy_power_law.csv")
    expected = published_entropy_numbers(epsilon)
    np.testing.assert_allclose(drawn["normalised_entropy"], expected["normalised_entropy"])
    fits = pd.read_csv(miniature / "figures/tan_fig1_entropy_power_law.fits.csv")
    law = fits[(fits["family"] == "Cerebras-GPT") & (fits["dataset"] == "dolly-15k")].iloc[0]
    assert law["exponent"] == pytest.approx(-0.315, abs=1e-3)
    assert law["r_squared"] == pytest.approx(0.995, abs=1e-3)


def test_the_information_gain_drawn_is_that_of_its_files(miniature: Path) -> None:
    name = "tan_fig3_information_gain"
    drawn = pd.read_csv(miniature / f"figures/{name}.csv")
    assert drawn["model"].nunique() == 10
    assert drawn["stand_in"].all()
    for model, curve in drawn.groupby("model"):
        gains = Gains.load(miniature / f"results/information_gain/{name}/{model}/hh_rlhf_long.npz")
        mean = np.log(gains.diagonals).cumsum(axis=1).mean(axis=0)
        np.testing.assert_allclose(curve["gain"], mean, rtol=1e-8)
        assert set(curve["texts"]) == {len(gains.ids)}


def test_the_maps_are_of_45_sentences_of_a_stand_in(miniature: Path) -> None:
    path = miniature / "results/sentences/pythia_1_4b/contexts_and_countries.npz"
    sentences = Sentences.load(path)
    assert sentences.provenance["model"]["stand_in"] is True
    for figure in TAN_FIGURES[3:6]:
        points = pd.read_csv(miniature / f"figures/{figure}.csv")
        assert (points.groupby(["measure", "method"]).size() == 45).all()
        assert sorted(points["text"].unique()) == sorted(sentences.texts)
        pairs = pd.read_csv(miniature / f"figures/{figure}.distances.csv")
        assert (pairs.groupby("measure").size() == 45 * 44 // 2).all()


def test_prompts_change_the_rows_of_the_same_tokens(miniature: Path) -> None:
    metrics = pd.read_parquet(miniature / "results/metrics/cerebras_1_3b/openorca_prompts.parquet")
    tokens = metrics.pivot_table(
        index=metrics["id"].str.split("/").str[1], columns="group", values="tokens"
    )
    entropy = metrics.groupby("group")["matrix_entropy"].mean()
    assert (tokens.std(axis=1) <= 0.5).all(), "but for a token that text and prefix share"
    assert entropy.nunique() == 10
    table = pd.read_csv(miniature / "results/tables/wei_table3_prompts.csv")
    controls = table[table["indicator"] != "matrix_entropy"]
    assert controls["published"].isna().all()
    found = controls.set_index(["model", "indicator", "variant"])["value"]
    random = metrics.loc[metrics["group"] == "random2", "matrix_entropy_normalised"].mean()
    shown = found["cerebras_1_3b", "matrix_entropy_random_tokens", "prompt2"]
    assert shown == pytest.approx(random)


def test_miniature_provenance_says_stand_in(miniature: Path) -> None:
    for path in (miniature / "results/models").glob("*.json"):
        assert read_json(path)["stand_in"] is True


def test_your_own_model_and_texts(root: Path, workplace: Path) -> None:
    """From a CSV file to a figure; the hidden states are kept for a look."""
    options = {"group_field": "kind", "controls": []}
    done = run_mine(root, workplace, "figures/layers_mine_texts.pdf", dataset=options)
    assert done.returncode == 0, done.stderr
    assert all((workplace / f"figures/layers_mine_texts{end}").exists() for end in (".pdf", ".png"))
    metrics = pd.read_parquet(workplace / "results/metrics/mine/texts.parquet")
    assert len(metrics) == 3 * 5
    single = metrics[metrics["id"] == "2"]
    assert (single["tokens"] <= 2).all(), "the short text is kept"
    assert set(metrics["group"]) == {"a", "b"}
    assert [text["text"] for text in read_jsonl(workplace / "results/prompts/texts.jsonl")] == TEXTS
    assert not (workplace / "results/hidden_states/mine/texts").exists(), "temp() has cleaned up"


def test_odd_paths_are_only_paths(root: Path, workplace: Path) -> None:
    """Quotes, spaces, brackets and dollar signs in a file's name."""
    odd = "odd [name] $(touch ran) 'n' \"q\";é.csv"
    shutil.copy(workplace / "texts.csv", workplace / odd)
    done = run_mine(root, workplace, "results/prompts/texts.jsonl", dataset={"path": odd})
    assert done.returncode == 0, done.stderr
    assert read_json(workplace / "results/prompts/texts.origin.json")["source"] == odd
    assert not list(workplace.rglob("ran"))
    done = run_mine(root, workplace, "results/metrics/mine/texts.parquet", dataset={"controls": []})
    assert done.returncode == 0, done.stderr


def test_kept_hidden_states_give_the_metrics(root: Path, workplace: Path) -> None:
    done = snakemake(
        root,
        "results/hidden_states/mine/texts",
        *("--directory", str(workplace), "--configfile", str(workplace / "mine.yaml")),
        *("--config", "hidden_states=keep"),
    )
    assert done.returncode == 0, done.stderr
    folder = workplace / "results/hidden_states/mine/texts"
    states = np.load(folder / "layer_2.npy", mmap_mode="r")
    with np.load(folder / "tokens.npz") as tokens:
        first = states[: tokens["offsets"][1]]
    metrics = pd.read_parquet(workplace / "results/metrics/mine/texts.parquet")
    row = metrics[(metrics["id"] == "0") & (metrics["layer"] == "2")].iloc[0]
    assert row["matrix_entropy"] == pytest.approx(entropy_of(np.array(first)), abs=1e-12)


def test_a_run_goes_on_without_what_failed_and_ends_with_a_list(root: Path, tmp_path: Path) -> None:
    shutil.copy(root / "config.yaml", tmp_path)
    built, failed = "results/tables/wei_table10_prompts.csv", "results/prompts/cc_sbu_align.jsonl"
    first = ("--prioritize", failed, "--cores", "1")
    done = snakemake(root, built, failed, *first, "--directory", str(tmp_path))
    assert done.returncode == 1
    assert (tmp_path / built).is_file()
    told = "download_texts: results/logs/download_texts/cc_sbu_align.log"
    assert re.search(f"1 job failed, .*\n    {told}\n", done.stderr)


BAD = {
    "a missing model folder": ({"path": "nowhere"}, {}, "nowhere is not a model folder"),
    "a missing text file": ({}, {"path": "nowhere.csv"}, "there is no such file"),
    "a missing field": ({}, {"field": "poem"}, "has no field 'poem'; it has: "),
    "a missing group": ({}, {"group_field": "kind", "groups": {"x": "z"}}, "has no group 'z'"),
    "a hub that is out of reach": (
        {"path": None, "hub": "someone/something"},
        {},
        "someone/something, revision main",
    ),
    "a download that is not there": (
        {},
        {"path": None, "url": "file:///nowhere/texts.csv", "sha256": "0" * 64},
        "file:///nowhere/texts.csv",
    ),
    "a download with a wrong hash": (
        {},
        {"path": None, "url": "file://{folder}/texts.csv", "sha256": "0" * 64},
        "but the configuration expects 0000",
    ),
}


def refused_run(
    root: Path, workplace: Path, folder: Path, cases: dict[str, tuple[dict, dict, str]]
) -> str:
    """What a run says that is asked for a figure of every case, and that nothing is left of it."""
    shutil.copytree(workplace / "model", folder / "model")
    for name in ("config.yaml", "texts.csv"):
        shutil.copy(workplace / name, folder)

    def given(entry: dict) -> dict:
        filled = {k: v.format(folder=folder) if k == "url" else v for k, v in entry.items()}
        return {key: value for key, value in filled.items() if value is not None}

    mine: dict[str, dict] = {"models": {}, "datasets": {}}
    for number, (model, dataset, _) in enumerate(cases.values()):
        options = {"path": "model", "layers": 3, "width": 48} | model
        mine["models"][f"mine_{number}"] = given(options)
        mine["datasets"][f"texts_{number}"] = given(
            {"path": "texts.csv", "field": "story"} | dataset
        )
    (folder / "mine.yaml").write_text(yaml.safe_dump(mine))
    done = snakemake(
        root,
        *(f"figures/layers_mine_{number}_texts_{number}.pdf" for number in range(len(cases))),
        *("--directory", str(folder), "--configfile", str(folder / "mine.yaml"), "--keep-going"),
    )
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    made = ("downloads", "metrics", "spectra", "hidden_states")
    for place in ("figures", *(f"results/{name}" for name in made)):
        assert not [path for path in (folder / place).rglob("*") if path.is_file()]
    return done.stderr + done.stdout


def test_bad_input_ends_with_a_sentence_and_nothing_half_written(
    root: Path, workplace: Path, tmp_path: Path
) -> None:
    said = refused_run(root, workplace, tmp_path, BAD)
    assert [case for case, (_, _, told) in BAD.items() if told not in said] == []


@pytest.mark.parametrize(
    ("model", "told"),
    [({"layers": 5}, "states `layers: 5`, but"), ({"layer": 3}, "did you mean 'layers'?")],
)
def test_a_bad_model_ends_with_a_sentence_before_anything_runs(
    root: Path, workplace: Path, tmp_path: Path, model: dict, told: str
) -> None:
    assert told in refused_run(root, workplace, tmp_path, {"bad": (model, {}, told)})
