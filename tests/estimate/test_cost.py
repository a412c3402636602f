"""The cost model: formulas against torch's own count, assumptions, and the built miniature."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModelForCausalLM

from commands import snakemake, snakemake_for
from matrix_entropy.base.files import write_jsonl
from matrix_entropy.configuration import targets
from matrix_entropy.configuration.checking import checked
from matrix_entropy.estimate import cost
from matrix_entropy.estimate.devices import device_of, known_devices
from matrix_entropy.estimate.estimate import EVERYTHING, described, estimate
from matrix_entropy.estimate.job_costs import gguf_bytes, parameters_of, preparation, transformer_of
from matrix_entropy.estimate.run_costs import costs_of
from matrix_entropy.estimate.text_sizes import as_read, data_bytes, lognormal, texts_of, uncut
from matrix_entropy.models.stand_ins import CONFIGS
from matrix_entropy.results.multimodal_metrics import NONE
from matrix_entropy.results.spectra_file import Spectra
from walks import blocks

Config = dict[str, Any]


@pytest.fixture(scope="module")
def configs(root: Path) -> dict[str, Config]:
    paths = {"full": root / "config.yaml", "miniature": root / "miniature/config.yaml"}
    return {name: checked(yaml.safe_load(path.read_text())) for name, path in paths.items()}


@pytest.fixture
def full(configs: dict[str, Config]) -> Config:
    return copy.deepcopy(configs["full"])


@pytest.fixture(scope="module")
def small(configs: dict[str, Config]) -> Config:
    return configs["miniature"]


@pytest.fixture
def long_texts(full: Config) -> Config:
    """All layers of Cerebras-GPT-13B on 10,000 texts of 2048 tokens."""
    full["models"]["cerebras_13b"]["extract"] = "all"
    full["datasets"]["long_texts"] = full["datasets"]["capitals"] | {
        "expected": {"texts": 10_000, "tokens": 2048}
    }
    del full["datasets"]["long_texts"]["sentences"]
    return full | {"targets": ["layers_cerebras_13b_long_texts"]}


@pytest.mark.parametrize("architecture", list(CONFIGS))
@pytest.mark.parametrize(("batch", "length"), [(1, 7), (3, 20)])
def test_forward_pass_as_torch_counts_it(architecture: str, batch: int, length: int) -> None:
    config = CONFIGS[architecture](3, 24, 4, 64)
    config.update({"vocab_size": 310, "bos_token_id": 0, "eos_token_id": 0})
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(torch.zeros((batch, length), dtype=torch.long), use_cache=False)
    formula = cost.Transformer(3, 24, 310).forward(batch * length, batch * length**2, True)
    # Where angles of rotated positions are a product of matrices, they are its smallest.
    assert counter.get_total_flops() == pytest.approx(formula.flops, rel=1e-3)
    if architecture != "gpt_neox":
        assert counter.get_total_flops() == formula.flops


@pytest.mark.parametrize(
    ("rows", "width", "milliseconds"),
    [
        (60, 48, 0.19), (250, 96, 0.57), (128, 768, 1.2), (512, 768, 15.9), (1024, 768, 47),
        (128, 2048, 2.4), (512, 2048, 24), (1024, 2048, 137), (2048, 5120, 995),
    ],
)  # fmt: skip
def test_spectra_take_what_was_measured(rows: int, width: int, milliseconds: float) -> None:
    assert 0.5 < 1000 * cost.spectrum_seconds(rows, width) / milliseconds < 2


@pytest.mark.parametrize(
    ("rows", "width", "milliseconds"),
    [(128, 768, 0.67), (512, 768, 2.4), (256, 4096, 4.1), (2048, 4096, 50)],
)
def test_three_measures_take_what_was_measured(rows: int, width: int, milliseconds: float) -> None:
    assert 0.5 < 3000 * cost.measure_seconds(rows, width) / milliseconds < 2


@pytest.mark.parametrize(
    ("rows", "width", "milliseconds"),
    [(128, 768, 2.8), (256, 576, 3.0), (512, 768, 17), (1024, 768, 45), (2048, 4096, 950)],
)
def test_measures_of_distances_take_what_was_measured(
    rows: int, width: int, milliseconds: float
) -> None:
    assert 0.5 < 1000 * cost.distance_seconds(rows, width) / milliseconds < 2


def test_measures_take_the_cores_of_either_way(long_texts: Config) -> None:
    """Four measures of 42 layers of 10,000 texts, on the cores of the GPU's node."""
    device = device_of("h100")
    of_rows, of_distances = (of(2048, 5120) for of in (cost.measure_seconds, cost.distance_seconds))
    more = 42 * 10_000 * (3 * of_rows + of_distances) / device.cores
    asked = ["curvature", "anisotropy", "norm_ratio", "intrinsic_dimension"]
    hours: dict[tuple[str, int], float] = {}
    for way in ("temp", "stream"):
        for measures in ([], asked):
            config = copy.deepcopy(long_texts) | {"hidden_states": way}
            if measures:
                config["datasets"]["long_texts"]["measures"] = measures
            hours[way, len(measures)] = estimate(config, device).iloc[0]["hours"]
    for way in ("temp", "stream"):
        assert hours[way, 4] - hours[way, 0] == pytest.approx(more / 3600, rel=1e-6)


def test_a_lens_takes_the_output_matrix_at_every_layer(long_texts: Config) -> None:
    flops = []
    for measures in ([], ["lens_entropy"]):
        if measures:
            long_texts["datasets"]["long_texts"]["measures"] = measures
        flops.append(
            [
                estimate(long_texts | {"hidden_states": way}, device_of("h100")).iloc[0]["flops"]
                for way in ("temp", "stream")
            ]
        )
    more = 42 * 2 * 5120 * 50257 * 10_000 * 2048
    assert [b - a for a, b in zip(*flops, strict=True)] == pytest.approx([more] * 2)


@pytest.mark.parametrize(("tokens", "seconds"), [(256, 0.041), (512, 0.155), (1024, 0.79)])
def test_looking_at_attention_takes_what_was_measured(tokens: int, seconds: float) -> None:
    work = cost.Transformer(6, 576).attended(tokens**2)
    assert 0.5 < device_of("cpu_core").seconds(work, "float32") / seconds < 2


def test_looking_at_attention_is_counted(long_texts: Config) -> None:
    device = device_of("cpu_core")
    hours = []
    for measures in ([], ["attention_to_long_rows", "attention_to_long_rows_uniform"]):
        if measures:
            long_texts["datasets"]["long_texts"]["measures"] = measures
        hours.append(estimate(long_texts | {"hidden_states": "temp"}, device).iloc[0]["hours"])
    more = device.seconds(cost.Transformer(40, 5120).attended(10_000 * 2048**2), "float32")
    assert hours[1] - hours[0] == pytest.approx(more / 3600, rel=1e-6)


def test_vectors_of_texts_are_read_once_and_those_of_halves_once_more(long_texts: Config) -> None:
    device, jobs = device_of("h100"), {}
    entry = {"kind": "many_texts", "models": ["cerebras_13b"], "dataset": "long_texts"}
    for views in (None, "halves"):
        config = copy.deepcopy(long_texts)
        config["datasets"]["long_texts"] |= {"two_views": views} if views else {}
        found = costs_of(entry, config, device)
        jobs[views] = [
            found[f"{job} cerebras_13b long_texts"] for job in ("pooled", "text metrics")
        ]
    (whole, ranks), (halves, more) = jobs[None], jobs["halves"]
    assert whole.tokens == pytest.approx(10_000 * 2048)
    assert (halves.tokens, halves.texts) == (2 * whole.tokens, 3 * whole.texts)
    assert whole.flops < halves.flops < 2 * whole.flops
    # Two vectors of float32 for each of 42 layers, and of three parts.
    assert 3 * whole.kept == halves.kept == pytest.approx(3 * 2 * 4 * 42 * 10_000 * 5120)
    of_one = cost.spectrum_seconds(10_000, 5120)
    assert ranks.work == pytest.approx(3 * 2 * 42 * of_one)
    # Of a thousand texts with two views at most.
    assert ranks.work < more.work < 1.3 * ranks.work


@pytest.mark.parametrize(
    ("layers", "width", "rate"),
    [(3, 48, 24), (4, 96, 48), (4, 256, 66), (2, 768, 64), (1, 1536, 74)],
)
def test_models_run_at_the_rates_that_were_measured(layers: int, width: int, rate: float) -> None:
    work = cost.Transformer(layers, width).forward(1024, 4 * 256**2, False)
    found = work.flops / device_of("cpu_core").seconds(work, "float32") / 1e9
    assert 0.5 < found / rate < 2


def test_devices_are_those_of_the_schema(root: Path) -> None:
    schema = yaml.safe_load((root / "workflow/schemas/config.schema.yaml").read_text())
    known = known_devices()
    assert list(known) == schema["properties"]["device"]["anyOf"][0]["enum"]
    assert all(device_of(name).source for name in known)
    own = device_of({"float32": 1e13, "bfloat16": 1e14})
    assert own.rates == dict.fromkeys(("float64", "float32", "float16"), 1e13) | {"bfloat16": 1e14}
    assert device_of("h100").rates["float32"] < known["h100"]["peak"]["float32"]


def test_lognormal_lengths_against_a_sample() -> None:
    texts = lognormal(5000, 300.0, 0.9)
    drawn = np.random.default_rng(1).lognormal(np.log(300) - 0.9**2 / 2, 0.9, 200_000)
    for cut in (50, 400, np.inf):
        ours = float(texts.counts @ np.minimum(texts.lengths, cut)) / texts.texts
        assert ours == pytest.approx(np.minimum(drawn, cut).mean(), rel=0.03)
    long = float(texts.counts[texts.lengths > 600].sum()) / texts.texts
    assert long == pytest.approx((drawn > 600).mean(), abs=0.01)


def test_texts_are_cut_selected_and_read_behind_prefixes(full: Config) -> None:
    model = full["models"]["cerebras_1_3b"]
    long = as_read("dolly_long", full, model)
    assert 0 < long.texts < 4467
    assert long.kept == pytest.approx(512 * long.texts)
    openorca = as_read("openorca_prompts", full, model)
    assert openorca.texts == pytest.approx(10 * 1000)
    assert openorca.kept < openorca.read < 1.2 * openorca.kept
    # One more row in front.
    texts, behind = (as_read("child", full, model | {"bos": bos}) for bos in (False, True))
    assert behind.kept - texts.kept == pytest.approx(40)
    # A sample of 10,000 articles of six million.
    assert texts_of("wikipedia", full).texts == pytest.approx(10_000)
    assert as_read("wikipedia", full, model).lengths.max() == 2048
    assert texts_of("child_matched", full).texts == 40
    assert texts_of("contexts_and_countries", full).texts == 45
    assert texts_of("child_written", full).texts == 20


def test_texts_of_a_file_are_counted(full: Config, tmp_path: Path) -> None:
    path = tmp_path / "texts.jsonl"
    write_jsonl(path, [{"text": "x" * 44}] * 30)
    full["datasets"]["mine"] = {"path": str(path), "sample": {"first": 20}}
    mine = uncut("mine", full, full["models"]["gpt2_small"])
    assert (mine.texts, mine.kept) == (20, pytest.approx(200))
    path.unlink()
    assert texts_of("mine", full).texts == 20


def test_a_target_by_hand(long_texts: Config) -> None:
    device = device_of("h100")
    (entry,) = targets.chosen(long_texts).values()
    jobs = costs_of(entry, long_texts, device)
    states = jobs["states cerebras_13b long_texts"]
    tokens = 10_000 * 2048
    assert states.tokens == pytest.approx(tokens)
    blocks = 24 * 5120**2 * 40 * tokens + 4 * 40 * 5120 * tokens * 2048
    assert states.flops == pytest.approx(blocks + 2 * 5120 * 50257 * tokens)
    # 42 layers (embeddings, 40 blocks, final) of 4 bytes; a small part of the blocks' parameters.
    assert states.temporary == pytest.approx(tokens * 5120 * 42 * 4)
    spectra = jobs["spectra cerebras_13b long_texts"]
    assert spectra.kept == pytest.approx(10_000 * 42 * 2048 * 8 + 4 * tokens)
    a_spectrum = cost.spectrum_seconds(2048, 5120)
    read = states.temporary / device.disk
    assert spectra.work == pytest.approx(420_000 * a_spectrum / device.cores + read)


def test_the_page_shows_what_is_printed(full: Config, root: Path) -> None:
    (shown,) = (b.code for b in blocks(root / "docs/estimate.md") if b.language == "text")
    config = full | {"targets": ["wei_table1_benchmarks", "wei_table8_cerebras"]}
    device = device_of("h100")
    printed = described(estimate(config, device), config, device).splitlines()
    assert {tuple(line.split()) for line in shown.splitlines()} <= {
        tuple(line.split()) for line in printed
    }


def test_hidden_states_kept_temporary_or_streamed(long_texts: Config) -> None:
    device = device_of("h100")
    found = {
        way: estimate(long_texts | {"hidden_states": way}, device).iloc[0]
        for way in ("keep", "temp", "stream")
    }
    size = 10_000 * 2048 * 5120 * 42 * 4
    assert found["temp"]["temporary"] == pytest.approx(size)
    assert found["keep"]["kept"] == pytest.approx(size + found["temp"]["kept"])
    assert found["stream"]["temporary"] == found["keep"]["temporary"] == 0
    assert found["stream"]["kept"] == found["temp"]["kept"]
    assert found["temp"]["hours"] == pytest.approx(found["keep"]["hours"])
    # Without the disk, and with the matrices on the device, by far.
    assert found["stream"]["hours"] < found["temp"]["hours"] / 2
    assert found["stream"]["flops"] == found["temp"]["flops"]
    # In shards, two of them are on disk at a time.
    long_texts["datasets"]["long_texts"]["shards"] = 16
    in_shards = estimate(long_texts, device).iloc[0]
    assert in_shards["temporary"] == pytest.approx(size / 8)


def test_shared_work_is_counted_once(full: Config) -> None:
    pair = ["wei_fig1_cerebras_scaling", "wei_fig5_normalisations"]
    table = estimate(full | {"targets": pair}, device_of("h100")).set_index("target")
    first, second, total = (table.loc[name] for name in (*pair, EVERYTHING))
    assert first["flops"] == second["flops"] == total["flops"] > 0
    assert total["jobs"] == first["jobs"] + 1  # the other drawing
    # A second pass in windows, and the same for other data sets without.
    full["datasets"]["language"]["window_perplexity"] = False
    without = estimate(full | {"targets": pair[:1]}, device_of("h100")).iloc[0]
    assert 1.8 < first["flops"] / without["flops"] < 3


def test_everything_has_a_price(configs: dict[str, Config]) -> None:
    for config in configs.values():
        table = estimate(config, device_of("h100"))
        assert set(targets.chosen(config)) | {"liang2024", "wei2024", "tan2024"} < set(
            table["target"]
        )
        assert (table["hours"] > 0).all()
        assert table.loc[table["target"] == EVERYTHING, "flops"].item() < table["flops"].sum()


def test_data_sets_of_one_repository_are_fetched_once(full: Config) -> None:
    # Wikipedia, of which many data sets draw, and JSON, which is copied once.
    names = ["wikipedia", *(name for name in full["datasets"] if name.startswith("wikipedia"))]
    assert data_bytes(names, full) == 11.69e9
    assert data_bytes(["dolly_15k", "dolly_instruct"], full) == 2 * 13e6
    table = estimate(full, device_of("h100")).set_index("target")["data"]
    assert table["wei_table1_benchmarks"] < 1e6 < 11.69e9 < table["wei2024"] <= table[EVERYTHING]


def test_assumptions_and_what_does_not_fit_are_named(full: Config) -> None:
    device = device_of("rtx4090")
    chosen = full | {"targets": ["wei_table8_cerebras"]}
    told = described(estimate(chosen, device), chosen, device)
    assert "RTX 4090" in told
    assert re.search(r"Sizes of .*openwebtext2.*: assumed", told)
    assert "openbookqa" not in told
    assert re.search(r"Larger than .* 24 GB: cerebras_6_7b, cerebras_13b;", told)


def test_the_built_miniature_read_as_many_tokens(miniature: Path, small: Config) -> None:
    seen = 0
    for path in (miniature / "results/spectra").glob("*/*.npz"):
        name, (dataset, *rest) = path.parent.name, path.stem.split(".")
        model = small["models"].get(name)
        if model is None or (rest and rest[0] != NONE) or "h5" in path.stem:
            continue
        spectra = Spectra.load(path)
        texts = as_read(dataset, small, model)
        if not rest:
            assert 0.5 < texts.texts / len(spectra.ids) < 2, path
            assert 0.5 < texts.kept / spectra.provenance["tokens"] < 2, path
            assert 0.4 < texts.squares / (np.diff(spectra.offsets) ** 2).sum() < 2.5, path
            seen += 1
        elif "h4" in path.stem:
            assert 0.5 < texts.kept / spectra.provenance["tokens"] < 2, path
    assert seen > 40


def test_stand_ins_have_as_many_parameters(miniature: Path, small: Config) -> None:
    loss = pd.read_csv(miniature / "results/models/cerebras_13b/loss.csv")
    train = small["models"]["cerebras_13b"]["train"]
    assert loss["tokens"].iloc[-1] == train["steps"] * train["batch"] * train["block"]
    transformer = transformer_of(small["models"]["cerebras_13b"])
    weights = transformer.block_parameters + transformer.width * transformer.vocabulary
    stored = (miniature / "results/models/cerebras_13b/model.safetensors").stat().st_size
    assert 4 * weights == pytest.approx(stored, rel=0.1)


def test_the_command(root: Path, tmp_path: Path) -> None:
    mine = {
        "models": {"tiny": {"path": "nowhere", "layers": 4, "width": 128}},
        "datasets": {"some": {"path": "texts.txt", "expected": {"texts": 1000, "tokens": 100}}},
        "figures": {"drawn": {"model": "tiny", "dataset": "some"}},
    }
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(mine))
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(mine))
    done = snakemake_for(root, tmp_path, "estimate", "--config", "targets=[drawn]", "device=a100")
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(tmp_path / "results/estimate.csv")
    assert list(table["target"]) == ["drawn", EVERYTHING]
    assert table["tokens"].iloc[0] == pytest.approx(100_000)
    assert set(table["device"]) == {"a100"}
    assert "100 k" in done.stderr
    assert "A100 80GB" in done.stderr


def test_a_device_that_is_not_known(root: Path) -> None:
    done = snakemake(root, "estimate", "--config", "device=abacus")
    assert done.returncode != 0
    assert "'device' is 'abacus'" in done.stderr + done.stdout
    assert "rtx4090" in done.stderr + done.stdout


def test_a_gguf_file_is_fetched_and_kept_in_float32(full: Config, tmp_path: Path) -> None:
    model = full["models"]["gpt2_small"] | {"hub": "org/name", "gguf": "gpt2.Q4_1.gguf"}
    full["models"]["gpt2_small"] = model
    assert gguf_bytes("m", model) == pytest.approx(parameters_of(model) * 5 / 8)
    assert gguf_bytes("m", model | {"gguf": "m.BF16.gguf"}) == 2 * parameters_of(model)
    jobs = preparation(full["figures"]["fig03_gpt2_small_child"], full, device_of("h100"))
    job = jobs["model gpt2_small"]
    assert job.rule == "convert_gguf"
    assert job.weights == gguf_bytes("gpt2_small", model) + 4 * parameters_of(model)
    # A package is in pip's cache as well.
    file = "a/gpt2.Q4_1.gguf"
    del model["hub"], model["gguf"]
    full["models"]["gpt2_small"] = model | {"package": {"file": file}}
    again = preparation(full["figures"]["fig03_gpt2_small_child"], full, device_of("h100"))
    assert again["model gpt2_small"].weights == job.weights + parameters_of(model) * 5 / 8
    (tmp_path / "m.gguf").write_bytes(b"GGUF" * 25)
    assert gguf_bytes("m", {"path": str(tmp_path / "m.gguf")}) == 100


def test_every_checkpoint_is_fetched_once_and_is_there_while_it_is_measured(
    configs: dict[str, Any],
) -> None:
    full = configs["full"]
    entry = full["figures"]["pythia_trajectory"]
    sizes = [4 * full["models"][name]["parameters"] for name in entry["models"]]
    jobs = costs_of(entry, full, device_of("h100"))
    assert sum(job.weights for job in jobs.values()) == len(entry["steps"]) * sum(sizes)
    assert max(job.temporary for job in jobs.values()) == max(sizes)
