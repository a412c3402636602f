"""Tables of vision-language models: values where they belong, and published ones beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from matrix_entropy.published.tables import published_values
from matrix_entropy.results.multimodal_metrics import POSITIONS
from matrix_entropy.tables.making import compared
from matrix_entropy.tables.multimodal_tables import (
    CONTROLS,
    VARIANTS,
    architecture_table,
    multimodal_table,
    null_note,
    operation_table,
    width_note,
)
from matrix_entropy.tables.writing import write_table, write_text_table

DATASETS = {"detail": "detail_23k", "align": "cc_sbu_align"}
WIDTHS = {"LLaVA-1.5": (1024, 4096), "MiniGPT-v2": (1408, 4096)}
PLACES = ["H1: vision encoder", "H2: connector", "H3: language model, image only"]
PLACES += ["H4: language model, text only", "H5: language model, image and text"]
DERIVED = ["Image reduction", "Image–text alignment"]


def values_of(
    table: int,
    shift: float = 0.0,
    families: tuple[str, ...] = tuple(WIDTHS),
    spread: float = np.nan,
) -> pd.DataFrame:
    """The published entropies as if they were ours, so much higher, with those of operations."""
    published = published_values("wei2024", table)
    operations = {variant: operation for operation, variant in VARIANTS.items()}
    rows: list[dict[str, Any]] = []
    for row in published[published["indicator"].isin(POSITIONS)].itertuples():
        family = next(name for name in WIDTHS if name.lower() == row.model_family)
        width = WIDTHS[family][row.indicator != POSITIONS[0]]
        entropy = (row.value + shift) * np.log(width)
        rows.append(
            {
                "model": family.lower(),
                "model_title": family,
                "family": family,
                "size": row.size,
                "stand_in": False,
                "weights": "",
                "parameters": 7e9,
                "dataset": next(key for key, name in DATASETS.items() if name == row.dataset),
                "dataset_title": row.dataset.replace("_", " "),
                "published_dataset": row.dataset,
                "operation": operations[row.variant],
                "position": row.indicator,
                "matrix_entropy": entropy,
                "entropy_a": row.value + shift,
                "entropy_a_std": spread,
                "effective_rank_geometric": np.exp(entropy),
                "width": width,
                "texts": 100,
                "undefined": 1,
            }
        )
    values = pd.DataFrame(rows)
    return values[values["family"].isin(families)].reset_index(drop=True)


def grid(folder: Path, frame: pd.DataFrame, layout: Any) -> list[list[str]]:
    """The cells of the Markdown table; the LaTeX one holds the same numbers."""
    paths = [folder / f"table.{ending}" for ending in ("csv", "md", "tex")]
    write_table(frame, layout, paths, "A caption.")
    lines = paths[1].read_text(encoding="utf-8").splitlines()[2:]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    latex = paths[2].read_text(encoding="utf-8").replace("$", "")
    assert all(cell in latex for row in rows[2:] for cell in row if cell[:1].isdigit())
    return [rows[0], *rows[2:]]


# Table 5


def test_table_5_is_its_published_self(tmp_path: Path) -> None:
    frame, layout = multimodal_table(values_of(5))
    frame = compared(frame, {"paper": "wei2024", "table": "5"})
    entropies = frame[frame["measure"] == "Matrix entropy / log d"]
    assert len(entropies) == len(published_values("wei2024", 5)) == 28
    assert set(entropies["comparable"]) == {"yes"}
    # Reductions and alignments are computed from entropies printed with four digits.
    assert entropies["difference"].abs().max() < 5.1e-5
    assert set(frame.loc[frame.index.difference(entropies.index), "comparable"]) == {
        "no published value"
    }
    rows = grid(tmp_path, frame, layout)
    assert rows[0] == [
        *("Measure", "Quantity", "Values"),
        *(f"{model}, {data}" for model in WIDTHS for data in ("detail 23k", "cc sbu align")),
    ]
    ours = [row for row in rows[1:] if row[2] == "ours"]
    assert [row[1] for row in ours] == [*PLACES, *DERIVED] * 2
    assert [row[0] for row in ours if row[0]] == ["Matrix entropy / log d", "Effective rank"]
    assert [row[2] for row in rows[1:]] == ["ours", "published", "difference"] * 7 + ["ours"] * 7
    assert ours[5][3:] == ["0.1284", "0.1188", "0.0385", "0.0389"]
    assert ours[6][3:] == ["0.8812", "0.8213", "0.8681", "0.8566"]


def test_controls_stand_below_the_numbers_of_their_measure(tmp_path: Path) -> None:
    values = values_of(5)
    runs = values[["model", "dataset"]].drop_duplicates()
    nulls = pd.concat(
        [
            runs.assign(measure=measure, control=control, value=0.25 + place, texts=100)
            for measure in ("entropy_a", "effective_rank_geometric")
            for place, control in enumerate(CONTROLS)
        ]
    )
    frame, layout = multimodal_table(values, nulls)
    frame = compared(frame, {"paper": "wei2024", "table": "5"})
    controls = frame[frame["indicator"].str.startswith("control_")]
    assert len(controls) == 4 * 2 * len(CONTROLS)
    assert controls["published"].isna().all()
    ours = [row for row in grid(tmp_path, frame, layout)[1:] if row[2] == "ours"]
    assert [row[1] for row in ours] == [*PLACES, *DERIVED, *CONTROLS.values()] * 2
    assert ours[8][3:] == ["1.2500"] * 4
    assert "of the first 100 records" in null_note(nulls)


def test_differences_are_ours_minus_published(tmp_path: Path) -> None:
    frame, layout = multimodal_table(values_of(5, shift=0.01))
    frame = compared(frame, {"paper": "wei2024", "table": "5"}).set_index(
        ["model", "dataset", "indicator"]
    )
    for position in POSITIONS:
        assert frame.loc[("llava-1.5", "align", position), "difference"] == pytest.approx(0.01)
    reduction = frame.loc[("llava-1.5", "align", "image_reduction")]
    assert reduction["difference"] == pytest.approx(0, abs=1e-9)
    rows = grid(tmp_path, frame.reset_index(), layout)
    assert rows[3][2:] == ["difference", *["+0.0100"] * 4]


def test_a_reduction_of_entropies_can_be_a_rise_of_ranks() -> None:
    """As in the published column of MiniGPT-v2, if H1 was divided by the log of its own width."""
    frame, _ = multimodal_table(values_of(5))
    reductions = frame[frame["position"] == "image_reduction"]
    signs = reductions.set_index(["model", "measure"])["value"] > 0
    for model, ranks_fall in (("llava-1.5", True), ("minigpt-v2", False)):
        assert signs[model, "Matrix entropy / log d"].all()
        assert (signs[model, "Effective rank"] == ranks_fall).all()


def test_ranks_are_reduced_and_aligned_as_entropies_are(tmp_path: Path) -> None:
    values = values_of(5, families=("LLaVA-1.5",))
    h1, h2, h3, h4, h5 = values.loc[values["dataset"] == "detail", "effective_rank_geometric"]
    frame, layout = multimodal_table(values)
    ranks = frame[(frame["measure"] == "Effective rank") & (frame["dataset"] == "detail")]
    ranks = ranks.set_index("position")["value"]
    assert ranks[list(POSITIONS)].tolist() == [h1, h2, h3, h4, h5]
    assert ranks["image_reduction"] == pytest.approx(h1 - h2)
    assert ranks["image_text_alignment"] == pytest.approx(h3 / h5)
    rows = grid(tmp_path, frame, layout)
    assert [row[2] for row in rows[-7:]][:2] == [f"{h1:.1f}", f"{h2:.1f}"]
    assert rows[-2][2] == f"{h1 - h2:.1f}"
    assert rows[-1][2] == f"{h3 / h5:.4f}"


def test_below_stand_ins_stands_nothing_published(tmp_path: Path) -> None:
    values = values_of(5, shift=0.01)
    frame, layout = multimodal_table(values.assign(stand_in=values["family"] == "MiniGPT-v2"))
    frame = compared(frame, {"paper": "wei2024", "table": "5"})
    published = [row for row in grid(tmp_path, frame, layout) if row[2] == "published"]
    assert len(published) == 7
    assert published[0][3:] == ["0.4197", "0.3170", "–", "–"]
    stand_ins = frame[frame["stand_in"]]
    assert stand_ins["difference"].isna().all()
    assert stand_ins["published"].notna().sum() == 14, "the CSV has them"
    frame, layout = multimodal_table(values.assign(stand_in=True))
    frame = compared(frame, {"paper": "wei2024", "table": "5"})
    assert grid(tmp_path, frame, layout)[0][:3] == ["Measure", "Quantity", "LLaVA-1.5, detail 23k"]
    for ending in ("md", "tex"):
        text = (tmp_path / f"table.{ending}").read_text(encoding="utf-8")
        assert "0.4197" not in text
        assert "Stand-ins" in text


def test_a_missing_position_is_a_dash_and_so_is_what_needs_it(tmp_path: Path) -> None:
    values = values_of(5, families=("LLaVA-1.5",))
    gone = (values["position"] == "h4_llm_text") & (values["dataset"] == "align")
    frame, layout = multimodal_table(values[~gone])
    rows = {row[1]: row[2:] for row in grid(tmp_path, frame, layout)[1:8]}
    assert rows["H4: language model, text only"] == ["0.5178", "–"]
    assert rows["Image–text alignment"] == ["0.8812", "–"]
    assert rows["Image reduction"] == ["0.1284", "0.1188"]


def test_order_is_the_papers_whatever_that_of_the_values(tmp_path: Path) -> None:
    values = values_of(5)
    upset = pd.concat([values.iloc[:1], values.iloc[:0:-1]])
    first, second = (multimodal_table(given) for given in (values, upset))
    assert grid(tmp_path, *first)[0][2] == grid(tmp_path, *second)[0][2]
    assert [row[1] for row in grid(tmp_path, *second)[1:8]] == [*PLACES, *DERIVED]
    models = list(dict.fromkeys(name.split(",")[0] for name in grid(tmp_path, *second)[0][2:]))
    assert models == list(WIDTHS)


def test_operations_stay_out_of_table_5() -> None:
    everything = pd.concat([values_of(5, families=("LLaVA-1.5",)), values_of(6, shift=0.5)])
    base = everything[(everything["operation"] != "none") | (everything["entropy_a"] < 0.55)]
    base = base.drop_duplicates(["model", "dataset", "operation", "position"])
    frame, _ = multimodal_table(base)
    expected, _ = multimodal_table(values_of(5, families=("LLaVA-1.5",)))
    pd.testing.assert_frame_equal(frame, expected)


def test_the_note_names_the_widths() -> None:
    note = width_note(values_of(5))
    assert "1024 and 4096 for LLaVA-1.5, 1408 and 4096 for MiniGPT-v2" in note


# Table 6


def changes_of(values: pd.DataFrame) -> pd.DataFrame:
    """The differences to the values without an operation, all with the same standard error."""
    keys = ["model", "dataset", "operation", "position"]
    base = values[values["operation"] == "none"].set_index(["model", "dataset", "position"])
    changed = values[values["operation"] != "none"][[*keys, "entropy_a"]]
    at = pd.MultiIndex.from_frame(changed[["model", "dataset", "position"]])
    change = changed["entropy_a"].to_numpy() - base["entropy_a"].loc[at].to_numpy()
    return changed[keys].assign(change=change, change_standard_error=0.0004, change_p=0.2)


def test_table_6_is_its_published_self(tmp_path: Path) -> None:
    values = values_of(6, shift=0.0002, spread=0.01)
    frame, layout = operation_table(values, changes_of(values))
    frame = compared(frame, {"paper": "wei2024", "table": "6"})
    rows = grid(tmp_path, frame, layout)
    operations = ["Base", "Image rotated clockwise", "Image tokens reversed"]
    assert rows[0] == ["Run", "Measure", "Quantity", "Values", *operations]
    assert rows[1] == [
        *("LLaVA-1.5, detail 23k", "Matrix entropy / log d", PLACES[0], "ours"),
        *("0.4199", "0.4265", "0.4199"),
    ]
    published = [row[4:] for row in rows if row[3] == "published"]
    table = published_values("wei2024", 6).pivot(
        index="indicator", columns="variant", values="value"
    )
    for row, position in zip(published, POSITIONS, strict=True):
        assert row == [f"{table.loc[position, variant]:.4f}" for variant in VARIANTS.values()]
    assert {tuple(row[4:]) for row in rows if row[3] == "difference"} == {("+0.0002",) * 3}
    of_changes = ["change of the same texts", "± standard error of the change", "p of the change"]
    of_each = ["ours", "± standard error", *of_changes, "published", "difference"]
    assert [row[3] for row in rows[1:]] == of_each * 5 + of_each[:2] * 5
    assert [row[4:] for row in rows[2:6]] == [
        ["0.00101"] * 3,  # 0.01 / √98
        ["–", "+0.00660", "+0.00000"],
        ["–", "0.00040", "0.00040"],
        ["–", "0.200", "0.200"],
    ]


def test_what_is_not_changed_has_no_change() -> None:
    values = values_of(6)
    frame, _ = operation_table(values, changes_of(values))
    changes = frame[frame["change"].notna()]
    assert set(changes["variant"]) == {"rotate_image_clockwise", "reverse_after_connector"}
    assert set(changes["indicator"]) == {*POSITIONS}
    assert frame["value"].notna().all()


def test_only_operations_that_ran_have_a_column(tmp_path: Path) -> None:
    values = values_of(6)
    values = values[values["operation"] != "rotated"].iloc[::-1]
    frame, layout = operation_table(values, changes_of(values))
    rows = grid(tmp_path, frame, layout)
    assert rows[0][4:] == ["Base", "Image tokens reversed"]
    assert [row[2] for row in rows[1:] if row[3] == "ours"] == PLACES * 2


# Table 4


LLAVA: dict[str, Any] = {
    "title": "LLaVA-1.5",
    "vision": {
        "encoder": "CLIP ViT-L/14",
        "layers": 24,
        "width": 1024,
        "image_size": 336,
        "patch": 14,
        "image_tokens": 576,
    },
    "connector": "two-layer perceptron",
    "language_model": "Vicuna-7B-v1.5",
    "layers": 32,
    "width": 4096,
}


def test_the_parts_of_a_model_are_those_of_its_entry(tmp_path: Path) -> None:
    table = architecture_table({"llava": LLAVA})
    assert list(table.columns) == ["architecture", "LLaVA-1.5"]
    assert dict(table.to_numpy().tolist()) == {
        "vision encoder": "CLIP ViT-L/14",
        "its layers": 24,
        "its width": 1024,
        "image (pixels)": 336,
        "patch (pixels)": 14,
        "connector": "two-layer perceptron",
        "image tokens after it": 576,
        "language model": "Vicuna-7B-v1.5",
        "layers of the language model": 32,
        "width of the language model": 4096,
    }
    write_text_table(table, [tmp_path / "table.md"], "Architectures.")
    assert "| connector | two-layer perceptron |" in (tmp_path / "table.md").read_text()


def test_every_model_has_a_column_and_stand_ins_are_called_so() -> None:
    models = {"llava": LLAVA, "small": LLAVA | {"train": {}, "width": 48}}
    table = architecture_table(models)
    assert list(table.columns)[1:] == ["LLaVA-1.5", "LLaVA-1.5 (stand-in)"]
    assert table.iloc[-1].tolist() == ["width of the language model", 4096, 48]
