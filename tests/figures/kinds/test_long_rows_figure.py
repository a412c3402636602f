"""The figure of long rows: its numbers from rows and metrics, its panels, and as typed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from matplotlib.figure import Figure

import random_models
from commands import snakemake_for
from figure_values import check_layout, check_same_bytes, legend_of, words
from matrix_entropy.base.errors import InputError
from matrix_entropy.figures.kinds.long_rows_figure import draw_long_rows, long_row_captions
from matrix_entropy.maths.entropy import matrix_entropy
from matrix_entropy.maths.long_rows import distances, entropy_with_long_rows, long_rows, row_norms
from matrix_entropy.maths.spectra import spectrum
from matrix_entropy.models.stand_ins import train_tokenizer
from matrix_entropy.results.long_row_values import (
    block_values,
    formula_errors,
    run_values,
    text_values,
)
from matrix_entropy.results.rows_file import Rows
from matrix_entropy.texts.synthetic.genres import records

WIDTH, BLOCKS, LENGTHS = 40, 3, (12, 20, 9, 30)
GROUPS = ["good", "bad", "good", "bad"]
MODELS: dict[str, Any] = {
    "mine": {},
    **{f"mine_untrained_{seed}": {"untrained": {"model": "mine", "seed": seed}} for seed in (1, 2)},
}


def made(model: str, long: bool, seed: int) -> tuple[Rows, pd.DataFrame]:
    """Rows and metrics of random states, where the second row of a text is long at block 1."""
    random = np.random.default_rng(seed)
    offsets = np.cumsum([0, *LENGTHS])
    layers = ("0", *map(str, range(1, BLOCKS + 1)), "final")
    norms, from_mean = np.empty((2, len(layers), offsets[-1]))
    metrics = []
    for at, layer in enumerate(layers):
        for text, length in enumerate(LENGTHS):
            states = random.standard_normal((length, WIDTH))
            states[1] *= 70 if long and layer == "2" else 1.5
            here = slice(*offsets[text : text + 2])
            norms[at, here], from_mean[at, here] = row_norms(states), distances(states)
            values = [matrix_entropy(spectrum(states, None, w)[0]) for w in (False, True)]
            metrics.append(
                {
                    "id": str(text),
                    "group": GROUPS[text],
                    "layer": layer,
                    "matrix_entropy_normalised": values[0] / np.log(WIDTH),
                    "matrix_entropy_without_long_rows": values[1],
                }
            )
    attention = random.random((BLOCKS, offsets[-1])).astype(np.float32)
    rows = Rows(
        ids=np.array([str(text) for text in range(len(LENGTHS))]),
        offsets=offsets,
        layers=layers,
        norms=norms,
        distances=from_mean,
        attention=attention,
        uniform=np.full_like(attention, 0.1),
        provenance={
            "model": {"model": model},
            "dataset": {"name": "stories"},
            "options": {"width": WIDTH, "layers": BLOCKS, "bos": False},
        },
    )
    return rows, pd.DataFrame(metrics)


@pytest.fixture(scope="module")
def runs() -> list[tuple[Rows, pd.DataFrame]]:
    return [made(model, model == "mine", seed) for seed, model in enumerate(MODELS)]


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    plt.close("all")


def draw(runs: list[tuple[Rows, pd.DataFrame]]) -> Figure:
    texts, positions = run_values([r for r, _ in runs], [m for _, m in runs], MODELS)
    called = {
        "model": "mine",
        "model_title": "GPT-2",
        "stand_in": False,
        "weights": "",
        "parameters": 5000,
        "dataset": "stories",
        "dataset_title": "stories",
    }
    captions = long_row_captions("Dips", called, runs[0][0].provenance["options"], {"GPT-2": 0.02})
    return draw_long_rows(block_values(texts), texts, positions, formula_errors(texts), *captions)


def test_values_of_a_text_are_those_of_its_rows(runs: list[tuple[Rows, pd.DataFrame]]) -> None:
    rows, metrics = runs[0]
    values = text_values(rows, metrics, None)
    assert len(values) == len(LENGTHS) * BLOCKS, "blocks only"
    row = values[(values["id"] == "3") & (values["block"] == 1)].iloc[0]
    norms = rows.norms[2, rows.of(3)] / np.median(rows.norms[2, rows.of(3)])
    in_order = np.sort(norms)
    assert (row["tokens"], row["long_rows"], row["group"]) == (30, 1, "bad")
    assert (row["largest"], row["second"]) == (in_order[-1], in_order[-2])
    assert [row["bulk_low"], row["bulk_high"]] == np.quantile(in_order[:-2], [0.05, 0.95]).tolist()
    # The row that is longest at any block, at every block.
    at_all = values[values["id"] == "3"]["attention"]
    np.testing.assert_array_equal(at_all, rows.attention[:, rows.of(3)][:, 1])
    rest = metrics[(metrics["id"] == "3") & (metrics["layer"] == "2")].iloc[0]
    expected = entropy_with_long_rows(
        rest["matrix_entropy_without_long_rows"], rows.distances[2, rows.of(3)], norms > 10
    )
    assert row["formula"] == pytest.approx(expected / np.log(WIDTH), rel=1e-12)
    assert row["normalised"] == pytest.approx(row["formula"], rel=0.1)
    assert row["normalised"] < 0.6 * row["without_long_rows"]
    others = values[values["block"] != 1]
    np.testing.assert_array_equal(others["formula"], others["without_long_rows"])


def test_over_texts_and_seeds(runs: list[tuple[Rows, pd.DataFrame]]) -> None:
    texts, positions = run_values([r for r, _ in runs], [m for _, m in runs], MODELS)
    values = block_values(texts)
    blocks = values.set_index(["weights", "group", "block"])
    of_all = values[values["group"].isna()].set_index(["weights", "block"])
    fresh = texts[(texts["weights"] == "untrained") & (texts["block"] == 2)]
    good = fresh[fresh["group"] == "good"]
    row = blocks.loc[("untrained", "good", 2)]
    of_seeds = [good[good["seed"] == seed]["normalised"].mean() for seed in (1, 2)]
    assert (row["texts"], row["seeds"], row["texts_with_long_rows"]) == (2, 2, 0)
    assert row["normalised_mean"] == pytest.approx(np.mean(of_seeds))
    assert (row["normalised_low"], row["normalised_high"]) == (min(of_seeds), max(of_seeds))
    assert row["largest_median"] == good["largest"].median()
    assert (row["second_low"], row["second_high"]) == (good["second"].min(), good["second"].max())
    together = of_all.loc[("untrained", 2)]
    assert together["attention_mean"] == pytest.approx(fresh["attention"].mean())
    trained = of_all.loc[("trained", 1)]
    assert (trained["seeds"], trained["texts_with_long_rows"]) == (1, 4)
    assert trained["uniform_mean"] == pytest.approx(0.1, rel=1e-6)
    assert positions[["weights", "block", "position", "texts"]].to_numpy().tolist() == [
        ["trained", 1, 1, 4]
    ]


def test_errors_of_the_formula_are_those_of_texts_with_long_rows(
    runs: list[tuple[Rows, pd.DataFrame]],
) -> None:
    texts, _ = run_values([r for r, _ in runs], [m for _, m in runs], MODELS)
    errors = formula_errors(texts).set_index("weights")
    long = texts[texts["long_rows"] > 0]
    off = long["formula"] - long["normalised"]
    trained = errors.loc["trained"]
    assert trained["points"] == 4
    assert trained["rms"] == pytest.approx(np.sqrt((off**2).mean()))
    assert trained["bias"] == pytest.approx(off.mean())
    spread = ((long["normalised"] - long["normalised"].mean()) ** 2).sum()
    assert trained["r2"] == pytest.approx(1 - (off**2).sum() / spread)
    assert trained["rms_without"] > 4 * trained["rms"]
    assert errors.loc["untrained", "points"] == 0
    assert np.isnan(errors.loc["untrained", "rms"])


def test_lines_are_the_numbers_of_the_table(runs: list[tuple[Rows, pd.DataFrame]]) -> None:
    texts, _ = run_values([r for r, _ in runs], [m for _, m in runs], MODELS)
    blocks = block_values(texts)
    axes = draw(runs).axes
    trained = blocks[(blocks["weights"] == "trained") & blocks["group"].isna()]
    np.testing.assert_array_equal(axes[0].lines[0].get_ydata(), trained["second_median"])
    np.testing.assert_array_equal(axes[0].lines[1].get_ydata(), trained["largest_median"])
    np.testing.assert_array_equal(axes[2].lines[0].get_ydata(), trained["attention_mean"])
    good = blocks[(blocks["weights"] == "trained") & (blocks["group"] == "good")]
    np.testing.assert_array_equal(axes[4].lines[0].get_ydata(), good["normalised_mean"])
    np.testing.assert_array_equal(axes[4].lines[1].get_ydata(), good["without_long_rows_mean"])
    drawn = np.concatenate([line.get_xydata() for line in axes[6].lines[1:]])
    long = texts[texts["long_rows"] > 0].sort_values("group", ascending=False)
    np.testing.assert_array_equal(drawn, long[["formula", "normalised"]])


def test_everything_is_labelled_and_fits(runs: list[tuple[Rows, pd.DataFrame]]) -> None:
    figure = draw(runs)
    check_layout(figure)
    assert legend_of(figure)[-2:] == ["good", "bad"]
    text = " ".join(words(figure).split())
    for wanted in (
        "Dips, long rows: GPT-2, stories",
        "GPT-2, a trained model: 3 blocks, width 40, no BOS row in front of each text",
        "drawn with initializer_range 0.02",
        "more than 10 times the median norm",
        "no parameter is fitted",
        "long rows in 4 of 4 texts; position 1 in 4",
        "no long row in 8 texts",
        "at block 1",
        "4 texts × blocks: RMS 0.0",
        "Untrained, 2 seeds",
    ):
        assert wanted in text, wanted


def test_without_fresh_weights_and_without_attention(
    runs: list[tuple[Rows, pd.DataFrame]],
) -> None:
    rows, metrics = runs[0]
    rows.attention[:] = np.nan
    figure = draw([(rows, metrics)])
    check_layout(figure)
    assert len(figure.axes) == 4
    assert "not measured" in words(figure)


def test_a_rebuild_is_the_same_bytes(runs: list[tuple[Rows, pd.DataFrame]], tmp_path: Path) -> None:
    texts, _ = run_values([r for r, _ in runs], [m for _, m in runs], MODELS)
    check_same_bytes(lambda: draw(runs), block_values(texts), tmp_path)


def test_what_does_not_fit_together_is_named(runs: list[tuple[Rows, pd.DataFrame]]) -> None:
    rows, metrics = runs[0]
    with pytest.raises(InputError, match=r"'stories' .* add `without_long_rows` to"):
        text_values(rows, metrics.drop(columns="matrix_entropy_without_long_rows"), None)
    with pytest.raises(InputError, match=r"not of the same texts; delete results/rows/mine/stor"):
        text_values(rows, metrics.assign(id="other"), None)


def configuration() -> dict[str, Any]:
    return {
        "hidden_states": "keep",
        "models": {"mine": {"path": "model", "layers": 3, "width": 48, "bos": True}},
        "datasets": {"texts": {"path": "texts.jsonl", "controls": ["without_long_rows"]}},
        "figures": {
            "dips": {"kind": "long_rows", "model": "mine", "dataset": "texts", "seeds": [1, 2]}
        },
    }


def test_a_users_own_model_as_typed(root: Path, tmp_path: Path) -> None:
    """The figure's entropies and formula are those of the hidden states on disk."""
    shutil.copy(root / "config.yaml", tmp_path)
    texts = [record["text"][:120] for record in records("wikipedia", 5, 1)]
    pd.DataFrame({"text": texts}).to_json(tmp_path / "texts.jsonl", orient="records", lines=True)
    tokenizer = train_tokenizer(texts * 3, 400)
    model = random_models.llama(vocabulary=len(tokenizer), context=256)
    with torch.no_grad():
        model.get_input_embeddings().weight[tokenizer.bos_token_id] *= 300
    model.save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(configuration()))
    done = snakemake_for(root, tmp_path, "figures/dips.pdf")
    assert done.returncode == 0, done.stderr[-4000:]
    drawn = pd.read_csv(tmp_path / "figures/dips.texts.csv", dtype={"id": str})
    assert drawn.groupby("weights").size().to_dict() == {"trained": 15, "untrained": 30}
    trained = drawn[drawn["weights"] == "trained"]
    assert (trained["long_rows"] == 1).all()
    folder = tmp_path / "results/hidden_states/mine/texts"
    with np.load(folder / "tokens.npz") as tokens:
        offsets = tokens["offsets"]
    for _, row in trained.iterrows():
        text = trained["id"].unique().tolist().index(row["id"])
        states = np.load(folder / f"layer_{row['block'] + 1}.npy")[slice(*offsets[text : text + 2])]
        assert long_rows(states).tolist() == [True] + [False] * (len(states) - 1)
        rest = matrix_entropy(spectrum(states[1:])[0])
        told = entropy_with_long_rows(rest, distances(states), long_rows(states))
        measured = matrix_entropy(spectrum(states)[0])
        for name, value in (
            ("normalised", measured),
            ("without_long_rows", rest),
            ("formula", told),
        ):
            assert row[name] == pytest.approx(value / np.log(48), rel=1e-4), name
    positions = pd.read_csv(tmp_path / "figures/dips.positions.csv")
    assert positions[positions["weights"] == "trained"]["position"].tolist() == [0, 0, 0]
    errors = pd.read_csv(tmp_path / "figures/dips.formula.csv").set_index("weights")
    assert errors.loc["trained", "points"] == 15
    again = snakemake_for(root, tmp_path, "figures/dips.pdf", "-n")
    assert "Nothing to be done" in again.stdout + again.stderr
