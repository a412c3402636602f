"""Published beside rebuilt: every number is there once, and every verdict can come out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from conftest import configured
from matrix_entropy.base.errors import InputError
from matrix_entropy.published.comparison import (
    COLUMNS,
    compare,
    compare_layers,
    compare_scaling,
    compare_table,
    compare_tokens,
    compare_words,
    summary,
)
from matrix_entropy.published.counterparts import counterparts
from matrix_entropy.published.curves import published_layers
from matrix_entropy.published.directions import NO_DIRECTION
from matrix_entropy.published.tables import STAND_IN, published_values
from matrix_entropy.published.tolerances import NOISE_OF_A_DIMENSION

SENTENCE = (
    "Is London the capital of UK? Yes. Is Moscow the capital of Russia? Yes. Is Paris the capital "
    "of France? Yes. Is Beijing the capital of China? No"
)
WEI = {"cerebras-gpt": "Cerebras-GPT", "pythia": "Pythia", "llava-1.5": "LLaVA-1.5"}
WEI |= {"minigpt-v2": "MiniGPT-v2"}


@pytest.fixture(scope="module")
def configuration(root: Path) -> dict[str, Any]:
    return configured()


def entries_of(configuration: dict[str, Any]) -> dict[str, Any]:
    return {**configuration["figures"], **configuration["tables"]}


def rebuilt_table(table: str, stand_in: bool = False) -> pd.DataFrame:
    """The published table as if it were ours, of 10000 texts each."""
    values = published_values("wei2024", table)
    place = {size: number for number, size in enumerate(dict.fromkeys(values["size"]))}
    return pd.DataFrame(
        {
            "family": values["model_family"].map(WEI),
            "size": values["size"],
            "parameters": values["size"].map(place) + 1.0,
            "stand_in": stand_in,
            "published_dataset": values["dataset"],
            "indicator": values["indicator"].replace({"ppl": "ppl_windows"}),
            "variant": values["variant"].replace({"": np.nan}),
            "value": values["value"],
            "texts": 10_000.0,
        }
    )


def rebuilt_curves(model: str, dataset: str) -> pd.DataFrame:
    """Liang's curves as if they were ours."""
    curves = published_layers("liang2024", model, dataset)
    return pd.DataFrame(
        {
            "model": model,
            "dataset": dataset,
            "group": curves["group"],
            "block": curves["block"].astype(int),
            "normalised_mean": curves["mean"],
            "normalised_std": curves["std"],
        }
    )


def verdicts(compared: pd.DataFrame, kind: str = "number") -> dict[str, int]:
    return compared.loc[compared["kind"] == kind, "verdict"].value_counts().to_dict()


# Tables


@pytest.mark.parametrize("table", ["1", "2", "3", "5", "6", "7", "8", "9"])
def test_a_table_is_equal_to_itself(table: str) -> None:
    compared = compare_table("wei2024", table, rebuilt_table(table))
    values = published_values("wei2024", table)
    hidden = {"2": 1, "3": 15, "6": 5}.get(table, 0)
    expected = {"pass": int((values["indicator"] != "ppl").sum()) - hidden}
    if hidden:
        expected = {name: count for name, count in expected.items() if count}
        expected["cannot tell"] = hidden
    if table in ("1", "8"):
        expected["not judged"] = int((values["indicator"] == "ppl").sum())
    if table == "9":
        expected = {"pass": 79, "no published value": 1}
    assert verdicts(compared) == expected
    assert compared["difference"].abs().max() == 0
    told = verdicts(compared, "direction")
    # No effective rank was given here, so that its directions are not built.
    ranks = compared["quantity"] == "effective_rank with size"
    others = compared[(compared["kind"] == "direction") & ~ranks]
    directed = ~others["published_direction"].isin(NO_DIRECTION)
    assert set(others[directed]["verdict"]) <= {"same direction"}
    assert set(others[directed]["chance"]) <= {0.5}
    assert set(others[~directed]["verdict"]) <= {"cannot tell"}
    assert others[~directed]["chance"].isna().all()
    assert told.get("not built", 0) == {"1": 3, "8": 4, "9": 4}.get(table, 0)


@pytest.mark.parametrize(("share", "verdict"), [(0.999, "pass"), (1.0, "pass"), (1.01, "fail")])
def test_the_tolerance_is_the_border(share: float, verdict: str) -> None:
    ours = rebuilt_table("8")
    allowed = 5e-5 + 768 * NOISE_OF_A_DIMENSION
    ours.loc[0, "value"] += share * allowed
    row = compare_table("wei2024", "8", ours).iloc[0]
    assert row["verdict"] == verdict
    assert row["difference"] == pytest.approx(share * allowed)
    assert row["tolerance"] == pytest.approx(allowed)
    assert np.isnan(row["tolerance_over_effect"]), "no change from one row to another is claimed"
    assert "float32" in row["reason"]


def test_what_is_missing_is_not_built_and_what_is_more_is_unpublished() -> None:
    ours = rebuilt_table("8")
    more = ours.iloc[[1]].assign(indicator="ppl_token")
    compared = compare_table("wei2024", "8", pd.concat([ours.iloc[1:], more]))
    assert verdicts(compared) == {
        "pass": 55,
        "not judged": 28,
        "not built": 1,
        "no published value": 1,
    }
    first, last = compared.iloc[0], compared[compared["kind"] == "number"].iloc[-1]
    assert (first["model"], first["published"]) == ("cerebras-gpt-111M", 0.5976)
    assert np.isnan(first["rebuilt"])
    assert (last["quantity"], last["verdict"]) == ("ppl_token", "no published value")


def test_no_number_of_a_stand_in_is_judged_but_its_directions_are() -> None:
    ours = rebuilt_table("2", stand_in=True)
    ours.loc[ours["variant"] == "lora", "value"] -= 1
    compared = compare_table("wei2024", "2", ours)
    assert verdicts(compared) == {"stand-in, not comparable": 36}
    assert compared[["difference", "tolerance"]].isna().all(axis=None)
    told = compared[compared["kind"] == "direction"].set_index("quantity")["verdict"]
    assert set(told["matrix_entropy: base to lora"]) == {"other direction"}
    assert set(told["loss: base to lora"]) == {"same direction"}


def test_half_of_what_lora_does_may_be_missed() -> None:
    ours = rebuilt_table("2")
    tuned = ours["variant"] == "lora"
    key = [ours["published_dataset"], ours["size"], ours["indicator"]]
    base = ours["value"].where(~tuned).groupby(key).transform("max")
    for share, expected in ((0.6, {"pass", "cannot tell"}), (-0.5, {"fail"})):
        changed = ours.assign(value=base + share * (ours["value"] - base))
        compared = compare_table("wei2024", "2", changed)
        assert set(compared.loc[compared["group"] == "lora", "verdict"]) == expected


def test_a_tolerance_as_large_as_the_effect_can_tell_nothing() -> None:
    """Table 3's prompts change the entropy by 0.0004 to 0.0029; samples alone differ by more."""
    compared = compare_table("wei2024", "3", rebuilt_table("3"))
    numbers = compared[compared["kind"] == "number"].set_index(["model", "group"])
    row = numbers.loc[("cerebras-gpt-1.3B", "prompt1")]
    assert row["effect"] == pytest.approx(0.5537 - 0.5559)
    assert row["tolerance_over_effect"] == pytest.approx(row["tolerance"] / 0.0022)
    # The empty prompt has the smallest of its effects, of either sign.
    assert numbers.loc[("cerebras-gpt-1.3B", "empty"), "effect"] == pytest.approx(-0.0004)
    assert numbers["tolerance_over_effect"].min() > 1.5
    assert set(numbers["verdict"]) == {"cannot tell"}
    ours = rebuilt_table("3")
    ours.loc[1, "value"] += 0.1
    far = compare_table("wei2024", "3", ours)
    assert far.loc[1, "verdict"] == "fail", "beyond its tolerance a number fails all the same"


def test_only_what_changes_has_an_effect() -> None:
    """In Table 6 the text has no image, and reversal comes after H1 and H2."""
    compared = compare_table("wei2024", "6", rebuilt_table("6"))
    numbers = compared[compared["kind"] == "number"].set_index(["group", "quantity"])
    assert np.isnan(numbers.loc[("reverse_after_connector", "h1_vision_encoder"), "effect"])
    assert np.isnan(numbers.loc[("rotate_image_clockwise", "h4_llm_text"), "effect"])
    turned = numbers.loc["rotate_image_clockwise"]
    assert turned.loc["h3_llm_image", "effect"] == pytest.approx(0.0024)
    assert turned.loc["h3_llm_image", "tolerance_over_effect"] > 1.5
    assert turned.loc["h2_connector", "verdict"] == "pass"


@pytest.mark.parametrize(("error", "told"), [(0.0005, "same direction"), (0.002, "cannot tell")])
def test_a_change_is_judged_by_its_paired_error(error: float, told: str) -> None:
    """Table 6 has standard errors of its paired changes; H3 rises by 0.0024 if rotated."""
    ours = rebuilt_table("6").assign(position="", texts=30)
    turned = ours["variant"] == "rotate_image_clockwise"
    ours["change_standard_error"] = np.where(turned, error, np.nan)
    compared = compare_table("wei2024", "6", ours)
    of = compared.set_index("quantity")
    assert of.loc["h3_llm_image: base to rotate_image_clockwise", "verdict"] == told


def test_a_difference_is_told_in_standard_errors_too() -> None:
    ours = rebuilt_table("1").assign(standard_error=0.002)
    ours["value"] += 0.003
    compared = compare_table("wei2024", "1", ours)
    numbers = compared[(compared["kind"] == "number") & compared["verdict"].isin(["pass", "fail"])]
    np.testing.assert_allclose(numbers["difference_over_error"], 1.5)
    assert (numbers["standard_error"] == 0.002).all()
    without = compare_table("wei2024", "1", rebuilt_table("1"))
    assert without[["standard_error", "difference_over_error"]].isna().all(axis=None)


def test_positions_of_effective_ranks_are_told_apart() -> None:
    ours = rebuilt_table("6").assign(position=lambda table: table["indicator"])
    ranks = ours.assign(indicator="effective_rank", value=20.0)
    compared = compare_table("wei2024", "6", pd.concat([ours, ranks]))
    assert verdicts(compared) == {"pass": 10, "cannot tell": 5, "no published value": 15}
    groups = compared.loc[compared["quantity"] == "effective_rank", "group"]
    assert "base, h2_connector" in set(groups)
    assert groups.is_unique


def test_a_figure_across_sizes_has_the_numbers_of_its_table(configuration: dict[str, Any]) -> None:
    entry = configuration["figures"]["wei_fig6_pythia_scaling"]
    values = rebuilt_table("9").pivot(
        index=["family", "size", "published_dataset"], columns="indicator", values="value"
    )
    ours = values.reset_index().rename(columns={"matrix_entropy": "entropy_a"})
    ours = ours.assign(
        dataset=ours["published_dataset"].str.replace("-", "_"),
        parameters=range(len(ours)),
        effective_rank_geometric=np.nan,
        ppl_windows=np.nan,
        stand_in=False,
        texts=10_000.0,
        shown=ours["size"] != "1B",
    )
    called = {name: name.replace("_", "-") for name in ours["dataset"]}
    compared = compare_scaling(entry, configuration["models"], ours, called)
    judged = compared[compared["verdict"] == "pass"]
    assert len(judged) == 2 * 9 * 4 - 1
    assert "pythia-1B" not in set(compared["model"])
    missing = compare_scaling(entry, configuration["models"], None, called)
    assert verdicts(missing) == {"not built": 71, "no published value": 1}


# Curves


def test_curves_are_judged_by_their_reading_error() -> None:
    ours = rebuilt_curves("gpt2_small", "child")
    published = published_layers("liang2024", "gpt2_small", "child")
    ours["normalised_mean"] += published["mean_err"]
    ours["normalised_std"] -= published["std_err"] + 2.4e-4
    assert verdicts(compare_layers("liang2024", "gpt2_small", "child", ours, False)) == {"pass": 96}
    ours.loc[5, "normalised_mean"] += 3e-4
    compared = compare_layers("liang2024", "gpt2_small", "child", ours, False)
    (failed,) = compared[compared["verdict"] == "fail"].to_dict("records")
    assert (failed["group"], failed["layer"]) == (ours.loc[5, "group"], ours.loc[5, "block"])
    assert failed["quantity"] == "mean of H / log d"
    assert verdicts(compared, "direction") == {"same direction": 6, "not judged": 4}


def test_a_block_that_was_not_extracted_is_not_built() -> None:
    ours = rebuilt_curves("gpt2_small", "world")
    compared = compare_layers("liang2024", "gpt2_small", "world", ours[ours["block"] != 3], False)
    assert verdicts(compared) == {"pass": 44, "not built": 4}


def test_a_stand_in_of_other_depth_has_a_shape_only() -> None:
    ours = rebuilt_curves("gpt2_small", "world")
    compared = compare_layers(
        "liang2024", "gpt2_small", "world", ours[ours["block"] % 3 == 0], True
    )
    assert verdicts(compared) == {"stand-in, not comparable": 48}
    assert compared.loc[compared["kind"] == "number", "rebuilt"].isna().all()
    # Its last block is the paper's tenth, and there one curve lies on the other side of its first.
    told = {"same direction": 2, "other direction": 1, "not judged": 2}
    assert verdicts(compared, "direction") == told
    shapes = compared[compared["quantity"] == "shape over the depth"]
    assert set(shapes["rebuilt_direction"]) == {"alike"}
    assert set(shapes["verdict"]) == {"not judged"}, "no paper has such a direction"


# Tan et al. 2024


def picked_weights(attention: dict[str, list[str]]) -> pd.DataFrame:
    """Weights of the printed sentence, a token a word, in which each target picks some tokens."""
    tokens = SENTENCE.replace("?", " ?").replace(".", " .").split(" ")
    spaced = [
        word if word in "?." or not place else f" {word}" for place, word in enumerate(tokens)
    ]
    parts = []
    for target, words in attention.items():
        left = list(words)
        picks = [bool(word in left and (left.remove(word) or True)) for word in tokens]
        parts.append(
            pd.DataFrame(
                {
                    "sentence": "capitals",
                    "target": target,
                    "position": range(len(tokens)),
                    "token": spaced,
                    "picked_attention": picks,
                    "picked_lasso": False,
                    "stand_in": False,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def test_tokens_are_counted_as_often_as_both_have_them() -> None:
    weights = picked_weights({"No": ["Is", "?"], "?": ["Is", "?", "of"], "China": ["UK"]})
    compared = compare_tokens("pythia_1_4b", weights).set_index("group")
    compared = compared[compared["quantity"] == "listed tokens that are picked"]
    found = compared[["published", "rebuilt", "tolerance"]]
    assert found.loc["[No], attention"].tolist() == [3, 2, 1], "the comma is in no sentence"
    assert compared.loc["[No], attention", "verdict"] == "pass"
    assert found.loc["[?], attention"].tolist() == [7, 3, 3]
    assert compared.loc["[?], attention", "verdict"] == "fail"
    assert found.loc["[China], attention"].tolist() == [5, 0, 1]
    assert found.loc["[No], lasso"].tolist() == [2, 0, 0]


def test_to_pick_every_token_is_no_agreement() -> None:
    everything = picked_weights({name: [] for name in ("No", "?", "China")})
    everything = everything.assign(picked_attention=True, picked_lasso=True)
    compared = compare_tokens("pythia_1_4b", everything)
    further = compared[compared["quantity"] == "further tokens that are picked"]
    assert set(further["verdict"]) == {"fail"}
    assert set(further["group"]) == set(compared["group"])
    # A token a word: 33 of them, of which one "Is" and one "?" are listed for attention from No.
    number = further.set_index("group").loc["[No], attention"]
    assert number["rebuilt"] == len(everything) / 3 - 2
    assert number["tolerance"] == 3


@pytest.mark.parametrize(("more", "verdict"), [(3, "pass"), (4, "fail")])
def test_as_many_further_picks_as_are_listed_are_let_pass(more: int, verdict: str) -> None:
    picks = ["Is", "?", *["London", "Moscow", "Paris", "Beijing"][:more]]
    compared = compare_tokens("pythia_1_4b", picked_weights({"No": picks, "?": [], "China": []}))
    chosen = compared[compared["group"] == "[No], attention"].set_index("quantity")
    assert chosen.loc["listed tokens that are picked", "verdict"] == "pass"
    further = chosen.loc["further tokens that are picked"]
    assert (further["rebuilt"], further["verdict"]) == (more, verdict)
    assert "assumed" in further["reason"]


def test_picks_of_another_sentence_are_no_counterpart() -> None:
    weights = picked_weights({"No": ["Is"]}).replace({"token": {" Paris": " Rome"}})
    assert verdicts(compare_tokens("pythia_1_4b", weights)) == {"not built": 12}


def test_picks_of_a_stand_in_are_not_judged() -> None:
    weights = picked_weights({name: [] for name in ("No", "?", "China")}).assign(stand_in=True)
    assert verdicts(compare_tokens("pythia_1_4b", weights)) == {"stand-in, not comparable": 12}


# Words


@pytest.mark.parametrize(
    ("stand_ins", "verdicts_of"),
    [((), ["same direction"] * 2), (("a",), ["stand-in, not comparable", "same direction"])],
)
def test_what_a_text_says_is_judged_of_real_models_only(
    stand_ins: tuple[str, ...], verdicts_of: list[str], tmp_path: Path
) -> None:
    entry = {"paper": "wei2024", "kind": "context_length", "models": ["a", "b"], "dataset": "d"}
    curves = pd.DataFrame(
        {
            "model": ["a", "a", "b", "b"],
            "dataset": "d",
            "tokens_kept": [16, 256] * 2,
            "texts": 10,
            "entropy_a": [0.4, 0.6] * 2,
            "entropy_a_std": 0.01,
        }
    )
    path = tmp_path / "figures" / "lengths.csv"
    path.parent.mkdir()
    curves.to_csv(path, index=False)
    models: dict[str, Any] = {
        name: {"train": {}} if name in stand_ins else {} for name in ("a", "b")
    }
    compared = compare({"lengths": entry}, models, {"d": {}}, [path])
    assert compared["verdict"].tolist() == verdicts_of
    assert summary(compared)["by_chance"].item() == 0.5 * verdicts_of.count("same direction")
    assert compare({"lengths": entry | {"paper": "mine"}}, models, {"d": {}}, [path]).empty


def test_a_row_of_several_models_is_a_stand_ins_if_one_is() -> None:
    printed = pd.DataFrame(
        {
            "model": ["a", "b", "c"] * 2,
            "parameters": [1.0, 2.0, 3.0] * 2,
            "tokens": [1] * 3 + [2] * 3,
        }
    ).assign(increment=1.0, increment_per_width=1.0, gain_per_width=1.0)
    printed = printed.assign(increment_high=1.0, gain_per_width_high=1.0)
    real: dict[str, Any] = {"a": {}, "b": {}, "c": {}}
    for known, of_all in ((real, "cannot tell"), (real | {"b": {"train": {}}}, STAND_IN)):
        compared = compare_words("information_gain", list(known), known, printed)
        sizes = compared[compared["quantity"].str.endswith("with size")]
        assert len(sizes) == 2
        assert set(sizes["verdict"]) == {of_all}


# All of it


def test_every_counterpart_of_the_configuration_is_found(configuration: dict[str, Any]) -> None:
    files = counterparts(entries_of(configuration))
    liang = [name for name in files if name.startswith("fig")]
    assert len(liang) == 10
    assert set(files) - set(liang) == {
        "wei_table1_benchmarks",
        "wei_table2_lora",
        "wei_table3_prompts",
        "wei_table5_mllm",
        "wei_table6_image_operations",
        "wei_table7_sampling",
        "wei_table8_cerebras",
        "wei_table9_pythia",
        "tan_table_lasso_tokens",
        *("wei_fig2_context_length", "wei_fig3_sentence_operations", "tan_fig3_information_gain"),
    }
    assert files["tan_table_lasso_tokens"] == "figures/tan_table_lasso_tokens.csv"
    assert files["wei_table8_cerebras"] == "results/tables/wei_table8_cerebras.csv"


def test_a_figure_counts_where_its_tables_do_not(configuration: dict[str, Any]) -> None:
    """Figure 1 has the numbers of Table 8, and Figure 6 those of Table 9."""
    figures = {name: configuration["figures"][name] for name in ("wei_fig1_cerebras_scaling",)}
    tables = {name: configuration["tables"][f"wei_{name}"] for name in ("table8_cerebras",)}
    assert counterparts(figures) == {
        "wei_fig1_cerebras_scaling": "figures/wei_fig1_cerebras_scaling.csv"
    }
    assert set(counterparts(figures | tables)) == {"wei_fig1_cerebras_scaling", "table8_cerebras"}
    tables["table9"] = configuration["tables"]["wei_table9_pythia"]
    assert set(counterparts(figures | tables)) == {"table8_cerebras", "table9"}


def test_a_figure_of_ones_own_has_no_counterpart(configuration: dict[str, Any]) -> None:
    figures = configuration["figures"]
    mine = dict(figures["wei_fig1_cerebras_scaling"])
    del mine["paper"]
    other = figures["fig03_gpt2_small_child"] | {"dataset": "child_matched"}
    # Nor has a measure of the states, of the model and texts of a paper's curve of entropies.
    measured = figures["fig03_gpt2_small_child"] | {"metric": "curvature"}
    assert counterparts({"mine": mine, "other": other, "measured": measured}) == {}
    empty = compare({}, configuration["models"], configuration["datasets"], [])
    assert tuple(empty.columns) == COLUMNS
    assert summary(empty).empty


def test_nothing_built_is_said_of_every_number(
    configuration: dict[str, Any], tmp_path: Path
) -> None:
    entries = entries_of(configuration)
    paths = [tmp_path / file for file in counterparts(entries).values()]
    compared = compare(entries, configuration["models"], configuration["datasets"], paths)
    assert tuple(compared.columns) == COLUMNS
    told = verdicts(compared)
    # 528 points and their deviations; 347 printed numbers; two of each of 6 lists of tokens. One
    # loss is unreadable.
    assert told == {"not built": 2 * 528 + 347 + 12, "no published value": 1}
    assert set(verdicts(compared, "direction")) == {"not built"}
    assert summary(compared)["judged"].sum() == 0


def test_files_are_read_from_where_they_are(configuration: dict[str, Any], tmp_path: Path) -> None:
    entries = {
        name: entries_of(configuration)[name]
        for name in ("fig08_gpt2_small_world", "wei_table7_sampling", "tan_table_lasso_tokens")
    }
    ours = rebuilt_table("7")
    ours.loc[0, "value"] += 0.01
    for name, frame in (
        ("figures/fig08_gpt2_small_world.csv", rebuilt_curves("gpt2_small", "world")),
        ("results/tables/wei_table7_sampling.csv", ours),
        ("results/tables/tan_table_lasso_tokens.csv", ours),  # not that of the weights
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        frame.to_csv(tmp_path / name, index=False)
    paths = sorted(tmp_path.rglob("*.csv"))
    compared = compare(entries, configuration["models"], configuration["datasets"], paths)
    table = summary(compared).set_index("item")
    assert table.loc["fig08_gpt2_small_world", ["judged", "passed"]].tolist() == [48, 48]
    assert table.loc["fig08_gpt2_small_world", ["directions", "agree", "by_chance"]].tolist() == [
        *(3, 3),
        1.5,
    ]
    sampling = table.loc["wei_table7_sampling"]
    assert (sampling["judged"], sampling["passed"]) == (6, 5)
    assert sampling["largest_difference"] == pytest.approx(0.01)
    assert sampling["where"] == ("matrix_entropy, cerebras-gpt-1.3B, wikipedia, n10000_seed1")
    assert table.loc["tan_table_lasso_tokens", "not_built"] == 12


@pytest.mark.parametrize(("key", "judged"), [("url", 48), ("bundled", 0), ("generate", 0)])
def test_other_stories_of_that_name_are_not_comparable(
    key: str, judged: int, configuration: dict[str, Any], tmp_path: Path
) -> None:
    name = "fig08_gpt2_small_world"
    path = tmp_path / "figures" / f"{name}.csv"
    path.parent.mkdir()
    rebuilt_curves("gpt2_small", "world").to_csv(path, index=False)
    entries, texts = {name: configuration["figures"][name]}, {"world": {key: "somewhere"}}
    compared = compare(entries, configuration["models"], texts, [path])
    assert summary(compared)["judged"].tolist() == [judged]


@pytest.mark.parametrize(
    "change",
    [
        lambda curves: curves.drop(columns="normalised_mean"),
        lambda curves: curves.drop(columns="group"),
        lambda curves: curves.assign(block="a"),
        lambda curves: curves.assign(model="gpt2_large"),
        lambda curves: curves.assign(dataset="child"),
        lambda curves: curves.drop(columns="model"),
        lambda curves: curves.assign(normalised_std="a"),
    ],
)
def test_numbers_of_another_form_are_told(
    change: Any, configuration: dict[str, Any], tmp_path: Path
) -> None:
    name = "fig08_gpt2_small_world"
    path = tmp_path / "figures" / f"{name}.csv"
    path.parent.mkdir()
    change(rebuilt_curves("gpt2_small", "world")).to_csv(path, index=False)
    entries = {name: configuration["figures"][name]}
    with pytest.raises(InputError, match=rf"{path} (has|is|does) .*; delete it and run"):
        compare(entries, configuration["models"], {"world": {"url": "somewhere"}}, [path])


def test_the_worst_is_that_which_exhausts_its_tolerance() -> None:
    rows = [
        {"item": "a", "quantity": "loss", "difference": 0.1, "tolerance": 0.2, "verdict": "pass"},
        {"item": "a", "quantity": "H", "difference": -0.01, "tolerance": 0.002, "verdict": "fail"},
        {"item": "b", "quantity": "H", "difference": 0.0, "tolerance": 0.0, "verdict": "pass"},
        {"item": "b", "quantity": "G", "difference": -1.0, "tolerance": 0.0, "verdict": "fail"},
    ]
    others = {"paper": "p", "kind": "number", "model": "", "dataset": "", "group": ""}
    table = summary(pd.DataFrame(rows).assign(**others, layer=np.nan, chance=np.nan)).set_index(
        "item"
    )
    assert table["where"].to_dict() == {"a": "H", "b": "G"}
    assert table["passed"].tolist() == [1, 1]


def test_the_miniature_is_compared_in_directions(configuration: dict[str, Any], root: Path) -> None:
    folder = root / "miniature"
    entries = entries_of(configuration)
    paths = [folder / file for file in counterparts(entries).values()]
    if not all(path.exists() for path in paths[:12]):
        pytest.skip("the miniature is not built: run `make miniature` first")
    small = configured(folder)
    compared = compare(entries, small["models"], small["datasets"], paths)
    assert not {"pass", "fail", "cannot tell"} & set(verdicts(compared))
    entropies = compared["quantity"] == "matrix_entropy with size"
    falls = compared[entropies & (compared["item"] == "wei_table8_cerebras")]
    assert len(falls) == 4
    # How many stand-ins it takes to tell is a matter of how long they have learned.
    fell = falls["rebuilt_direction"] == "falls"
    assert fell.any()
    assert set(falls.loc[fell, "verdict"]) == {"same direction"}
    assert set(falls.loc[~fell, "verdict"]) <= {"cannot tell"}
