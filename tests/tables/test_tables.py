"""Tables: the numbers survive Markdown and LaTeX, words stay words, rebuilds are the same bytes."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from matrix_entropy.published.tables import published_values, with_published
from matrix_entropy.tables.writing import STAND_INS, TITLES, Layout, write_table, write_text_table

BY_SIZE = Layout(heads=("dataset", "indicator"), columns="size")
ODD = r"50 % of R&D_x {a} \b #1 ~c ^d $e$ <f> *g* _h_ [i] |j| `k`"
NUMBERS = dict.fromkeys(["value", "published", "difference"], "")
LATEX = {
    r"\textbackslash{}": "\\",
    r"\textasciitilde{}": "~",
    r"\textasciicircum{}": "^",
    r"\textless{}": "<",
    r"\textgreater{}": ">",
    r"\textbar{}": "|",
    **{rf"\{character}": character for character in "&%$#_{}"},
    "{[}": "[",
    "{*}": "*",
    "--": "–",
    "$": "",
}


def table_8(stand_in: bool = False) -> pd.DataFrame:
    """The published table as if it were ours, a little off, with an indicator of our own."""
    names = {"model_family": "family", "dataset": "published_dataset"}
    frame = published_values("wei2024", 8).rename(columns=names).assign(stand_in=stand_in)
    frame["indicator"] = frame["indicator"].replace({"ppl": "ppl_windows"})
    frame["dataset"] = frame["published_dataset"]
    frame["value"] -= 0.0021
    rank = frame[frame["indicator"] == "loss"].assign(indicator="effective_rank")
    return with_published(pd.concat([frame, rank]), "wei2024", 8)


def written(
    folder: Path, frame: pd.DataFrame, layout: Layout = BY_SIZE, caption: str = "A caption."
) -> tuple[list[list[str]], list[list[str]]]:
    """The cells of the Markdown and of the LaTeX table, by parsers that know nothing of ours."""
    paths = [folder / f"my_table.{ending}" for ending in ("csv", "md", "tex")]
    write_table(frame, layout, paths, caption)
    return from_markdown(paths[1].read_text()), from_latex(paths[2].read_text())


def from_markdown(text: str) -> list[list[str]]:
    """Cells of the pipe table below the caption, after a check that nothing in them is markup."""
    caption, empty, *lines = text.splitlines()
    assert caption
    assert empty == ""
    assert re.fullmatch(r"\|( (---|--:) \|)+", lines.pop(1))
    rows = []
    for line in lines:
        assert not re.search(r"[`*\[\]<>~$&]|\b_|_\b", re.sub(r"\\.", "", line))
        cells = re.split(r"(?<!\\)\|", line)
        assert cells[0] == cells[-1] == ""
        rows.append([re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", cell.strip()) for cell in cells[1:-1]])
    assert len({len(row) for row in rows}) == 1
    return rows


def from_latex(text: str) -> list[list[str]]:
    body = text[text.index(r"\toprule") : text.index(r"\bottomrule")]
    lines = [line.removesuffix(r" \\") for line in body.splitlines() if line.endswith(r" \\")]
    return [[plain(cell) for cell in re.split(r"(?<!\\)&", line)] for line in lines]


def plain(cell: str) -> str:
    names = "|".join(re.escape(name) for name in LATEX)
    return re.sub(names, lambda found: LATEX[found.group()], cell.strip())


# Numbers


def test_values_survive_both_formats(tmp_path: Path) -> None:
    frame = table_8()
    markdown, latex = written(tmp_path, frame)
    assert markdown == latex
    sizes = markdown[0][3:]
    dataset = indicator = ""
    seen = 0
    for row in markdown[1:]:
        dataset, indicator = row[0] or dataset, row[1] or indicator
        part = frame[
            (frame["dataset"] == dataset)
            & (frame["indicator"].map(TITLES["indicator"]) == indicator)
        ].set_index("size")
        column = {"ours": "value"}.get(row[2], row[2])
        for size, cell in zip(sizes, row[3:], strict=True):
            decimals = len(cell.partition(".")[2])
            assert float(cell) == pytest.approx(part[column][size], abs=0.501 * 10**-decimals)
            seen += 1
    assert seen == 4 * 7 * (3 * 3 + 1)


def test_decimals_suit_the_indicator(tmp_path: Path) -> None:
    indicators = {
        "matrix_entropy": "0.1235",
        "loss": "0.1235",
        "ppl_token": "0.12",
        "ppl_windows": "0.12",
        "effective_rank": "0.1",
        "accuracy": "0.123",
        "image_reduction": "0.1235",
    }
    rows = [
        {"dataset": "a", "indicator": name, "size": "s", "value": 0.12346} for name in indicators
    ]
    markdown, _ = written(tmp_path, pd.DataFrame(rows))
    assert [row[-1] for row in markdown[1:]] == list(indicators.values())


def test_a_deviation_has_more_decimals(tmp_path: Path) -> None:
    rows = [
        {"size": "1.3B", "indicator": "matrix_entropy", "variant": variant, "value": 0.000349}
        for variant in ("n15000", "standard_deviation")
    ]
    markdown, _ = written(tmp_path, pd.DataFrame(rows), Layout(("size",), "variant"))
    assert markdown == [["Size", "n15000", "Standard deviation"], ["1.3B", "0.0003", "0.000349"]]


def test_signs(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "dataset": "a",
            "indicator": "loss",
            "size": list("xyz"),
            "value": [-1e-9, 1.0, -2.0],
            "published": 1.0,
            "difference": [0.5, -1e-9, -0.25],
        }
    )
    markdown, latex = written(tmp_path, frame)
    assert markdown == latex
    assert [row[3:] for row in markdown[1:]] == [
        ["0.0000", "1.0000", "-2.0000"],
        ["1.0000", "1.0000", "1.0000"],
        ["+0.5000", "+0.0000", "-0.2500"],
    ]
    assert "$-0.2500$" in (tmp_path / "my_table.tex").read_text()


def test_csv_is_the_frame(tmp_path: Path) -> None:
    frame = table_8()
    written(tmp_path, frame)
    read = pd.read_csv(tmp_path / "my_table.csv", keep_default_na=False, na_values=NUMBERS)
    pd.testing.assert_frame_equal(read, frame.reset_index(drop=True), check_dtype=False)
    assert {"published", "difference", "comparable"} <= set(read.columns)


# Rows and columns


def rows_of(*rows: tuple[str, str, str, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["dataset", "indicator", "size", "value"])


def test_order_is_that_of_first_appearance(tmp_path: Path) -> None:
    frame = rows_of(
        ("wiki", "loss", "70M", 1),
        ("dolly", "loss", "70M", 2),
        ("wiki", "accuracy", "14M", 3),
        ("dolly", "matrix_entropy", "14M", 4),
        ("wiki", "loss", "1B", 5),
    )
    markdown, latex = written(tmp_path, frame)
    assert markdown == latex
    assert markdown == [
        ["Data set", "Indicator", "70M", "14M", "1B"],
        ["wiki", "Loss (nats per token)", "1.0000", "–", "5.0000"],
        ["", "Accuracy", "–", "3.000", "–"],
        ["dolly", "Loss (nats per token)", "2.0000", "–", "–"],
        ["", "Matrix entropy / log d", "–", "4.0000", "–"],
    ]


def test_a_head_is_blank_only_where_all_before_it_repeat(tmp_path: Path) -> None:
    frame = rows_of(("a", "loss", "s", 1), ("b", "loss", "s", 2))
    markdown, _ = written(tmp_path, frame)
    assert [row[:2] for row in markdown[1:]] == [
        ["a", "Loss (nats per token)"],
        ["b", "Loss (nats per token)"],
    ]


def test_missing_values_are_dashes(tmp_path: Path) -> None:
    frame = rows_of(("a", "loss", "s", np.nan), ("a", "loss", "t", 1))
    markdown, latex = written(tmp_path, frame)
    assert markdown[1][2:] == latex[1][2:] == ["–", "1.0000"]
    assert " & -- & 1.0000" in (tmp_path / "my_table.tex").read_text()


def test_published_rows_stand_only_where_there_is_something(tmp_path: Path) -> None:
    markdown, _ = written(tmp_path, table_8())
    wiki = [row[2] for row in markdown if row[1] == "Effective rank"]
    assert wiki == ["ours"] * 4
    assert [row[2] for row in markdown[1:5]] == ["ours", "published", "difference", "ours"]
    markdown, _ = written(tmp_path, table_8(stand_in=True))
    assert markdown[0][2] == "111M", "a stand-in is not held against the published model"
    nothing = table_8()[lambda frame: frame["indicator"] == "effective_rank"]
    markdown, _ = written(tmp_path, nothing)
    assert markdown[0][:3] == ["Data set", "Indicator", "111M"]


def test_missing_heads_are_empty(tmp_path: Path) -> None:
    frame = rows_of(("a", "loss", "s", 1), ("a", "loss", "t", 2)).assign(variant=[None, "lora"])
    markdown, _ = written(tmp_path, frame, Layout(("variant",), "size"))
    assert markdown == [["Variant", "s", "t"], ["", "1.0000", "–"], ["LoRA", "–", "2.0000"]]


def test_two_values_for_one_cell_are_said(tmp_path: Path) -> None:
    frame = rows_of(("a", "loss", "s", 1), ("a", "loss", "s", 2))
    with pytest.raises(ValueError, match=r"column 's' of the row \('a', 'loss'\)"):
        written(tmp_path, frame)
    assert list(tmp_path.iterdir()) == []


# Words


def test_odd_characters_stay_as_they_are(tmp_path: Path) -> None:
    frame = rows_of((ODD, "loss", ODD, 1))
    markdown, latex = written(tmp_path, frame, caption=ODD)
    for table in (markdown, latex):
        assert (table[0][2], table[1][0]) == (ODD, ODD)
    caption = re.search(r"\\caption\{(.*)\}\n", (tmp_path / "my_table.tex").read_text())
    assert caption is not None
    assert plain(caption.group(1)) == ODD


@pytest.mark.parametrize("stand_in", [True, False])
def test_stand_ins_are_said_in_the_caption(tmp_path: Path, stand_in: bool) -> None:
    frame = table_8()
    frame.loc[frame.index[-1], "stand_in"] = stand_in
    written(tmp_path, frame, caption="Table 8.")
    first = (tmp_path / "my_table.md").read_text().splitlines()[0]
    assert first == (f"Table 8. {STAND_INS}" if stand_in else "Table 8.")
    latex = (tmp_path / "my_table.tex").read_text()
    assert (rf"\caption{{Table 8. {STAND_INS}}}" in latex) == stand_in


def test_a_table_of_words_is_shown_row_by_row(tmp_path: Path) -> None:
    prompt = "Help as much\n\nas you can. " * 3
    frame = pd.DataFrame({"id": [1, 2, 2], "prompt": [prompt, None, ODD]})
    paths = [tmp_path / f"words.{ending}" for ending in ("csv", "md", "tex")]
    write_text_table(frame, paths, "The prompts.")
    expected = [["id", "prompt"], ["1", " ".join(prompt.split())], ["2", "–"], ["2", ODD]]
    assert from_markdown(paths[1].read_text()) == expected
    assert from_latex(paths[2].read_text()) == expected
    assert r"\begin{tabular}{lp{0.80\linewidth}}" in paths[2].read_text()
    assert pd.read_csv(paths[0])["prompt"][0] == prompt


# Files


def test_a_rebuild_is_the_same_bytes(tmp_path: Path) -> None:
    for name in ("first", "second"):
        written(tmp_path / name, table_8())
    files = list((tmp_path / "first").iterdir())
    assert len(files) == 3
    for path in files:
        assert path.read_bytes() == (tmp_path / "second" / path.name).read_bytes()


def test_latex_is_of_booktabs(tmp_path: Path) -> None:
    written(tmp_path, table_8())
    latex = (tmp_path / "my_table.tex").read_text()
    for command in (r"\toprule", r"\midrule", r"\bottomrule", r"\label{tab:my-table}"):
        assert latex.count(command) == 1
    assert r"\begin{tabular}{lllrrrrrrr}" in latex
    assert "|" not in latex
    assert r"\hline" not in latex
    blocks = latex.split(r"\addlinespace")
    assert [re.findall(r"(?m)^[a-z][\w-]+", block.split("midrule")[-1]) for block in blocks] == [
        ["dolly-15k"],
        ["wikipedia"],
        ["openwebtext2"],
        ["hh-rlhf"],
    ]
    opened, closed = (re.findall(rf"\\{word}{{(\w+)}}", latex) for word in ("begin", "end"))
    assert opened == closed[::-1] == ["table", "tabular"]
    unescaped = re.sub(r"\\[{}]", "", latex)
    assert unescaped.count("{") == unescaped.count("}")


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex on this machine")
def test_latex_compiles(tmp_path: Path) -> None:
    written(tmp_path, table_8())
    written(tmp_path / "odd", rows_of((ODD, "loss", ODD, 1), ("[x]", "loss", "*", -1)), caption=ODD)
    document = (
        r"\documentclass{article}\usepackage{booktabs}\begin{document}"
        r"\input{my_table}\input{odd/my_table}\end{document}"
    )
    (tmp_path / "main.tex").write_text(document)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "main.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]


def test_a_model_without_a_size_is_no_size_and_a_mean_says_of_how_many(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"family": "SmolLM2", "size": "SmolLM2", "variant": ["empty", "average_1_to_2"]}
    ).assign(indicator="matrix_entropy", value=0.5)
    markdown, _ = written(tmp_path, frame, Layout(("size",), "variant"))
    assert markdown == [
        ["Model", "No prompt", "Mean of prompts 1–2"],
        ["SmolLM2", "0.5000", "0.5000"],
    ]


def test_errors_and_changes_stand_below_their_values(tmp_path: Path) -> None:
    frame = rows_of(("wiki", "loss", "s", 2.5), ("wiki", "loss", "t", 2.25)).assign(
        standard_error=[0.01234, np.nan],
        change=[-0.00256, np.nan],
        change_standard_error=[0.00104, np.nan],
        change_p=[0.00001, np.nan],
        dataset_title="Wikipedia",
        texts=[1200, 1100],
        stand_in=True,
    )
    markdown, latex = written(tmp_path, frame)
    assert markdown == latex
    assert [row[2:] for row in markdown] == [
        ["Values", "s", "t"],
        ["ours", "2.5000", "2.2500"],
        ["± standard error", "0.01234", "–"],
        ["change of the same texts", "-0.00256", "–"],
        ["± standard error of the change", "0.00104", "–"],
        ["p of the change", "<0.001", "–"],
    ]
    caption = (tmp_path / "my_table.md").read_text().splitlines()[0]
    assert "Standard errors are over texts (Wikipedia: 1,200). Changes are means of" in caption
    both = frame.assign(standard_error=0.01, indicator=["accuracy", "ppl_windows"])
    written(tmp_path, both)
    caption = (tmp_path / "my_table.md").read_text().splitlines()[0]
    assert (
        "(Wikipedia: 1,100 to 1,200), of accuracies over questions, of perplexities of" in caption
    )
