"""Tables as CSV for machines, Markdown for reading and LaTeX (booktabs) for papers."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from matrix_entropy.base.files import write_csv, writing
from matrix_entropy.figures.text import probability
from matrix_entropy.results.model_words import quantised

# What is written for a value of a column, where that is not the value itself.
TITLES = {
    "indicator": {
        **{
            f"matrix_entropy{control}{rows}": f"{said}{of_rows}"
            for rows, of_rows in (
                ("", ""),
                ("_without_first_row", ", first row left out"),
                ("_without_long_rows", ", long rows left out"),
            )
            for control, said in (
                ("", "Matrix entropy / log d"),
                ("_random_tokens", "Control: behind random tokens"),
                ("_unrelated_text", "Control: behind an unrelated text"),
            )
        },
        "effective_rank": "Effective rank",
        "loss": "Loss (nats per token)",
        "ppl_token": "Perplexity (tokens)",
        "ppl_windows": "Perplexity (concatenated texts)",
        "accuracy": "Accuracy",
        "h1_vision_encoder": "H1: vision encoder",
        "h2_connector": "H2: connector",
        "h3_llm_image": "H3: language model, image only",
        "h4_llm_text": "H4: language model, text only",
        "h5_llm_image_text": "H5: language model, image and text",
        "image_reduction": "Image reduction",
        "image_text_alignment": "Image–text alignment",
    },
    "variant": {
        "base": "Base",
        "lora": "LoRA",
        "empty": "No prompt",
        "prompt1": "Prompt 1",
        "prompt2": "Prompt 2",
        "prompt3": "Prompt 3",
        "reduction": "Reduction",
        "standard_deviation": "Standard deviation",
        "rotate_image_clockwise": "Image rotated clockwise",
        "reverse_after_connector": "Image tokens reversed",
    },
    "values": {
        "value": "ours",
        "standard_error": "± standard error",
        "change": "change of the same texts",
        "change_standard_error": "± standard error of the change",
        "change_p": "p of the change",
    },
}
HEAD_TITLES = dict.fromkeys(("dataset", "dataset_title", "published_dataset"), "Data set")
# By variant, as a deviation needs more than its indicator, or by indicator.
DECIMALS = {
    "standard_deviation": 6,
    "ppl_token": 2,
    "ppl_windows": 2,
    "effective_rank": 1,
    "accuracy": 3,
}
OTHER_DECIMALS = 4
MEAN_OF = re.compile(r"average_1_to_(\d+)")
OURS = ("value", "standard_error", "change", "change_standard_error", "change_p")
SOURCES = (*OURS, "published", "difference")
FINER = OURS[1:4]  # with one decimal more
MISSING = "–"
SHOWN_OF_A_HASH = 12
STAND_INS = "Stand-ins: small models trained for this purpose, not those of the paper."

LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "–": "--",
    "×": r"$\times$",
    "−": "$-$",
    "␣": r"\textvisiblespace{}",
    "↵": r"$\hookleftarrow$",
    **{character: f"\\{character}" for character in "&%$#_{}"},
    **{character: f"{{{character}}}" for character in "[*"},  # else part of a `\\` before them
}
LONG, HEAD = 60, 0.35  # characters from which heads of a table of numbers are, and their share
WRAPPED = 30  # characters from which a column of words is broken into lines in LaTeX


@dataclass(frozen=True)
class Layout:
    """How a frame of one value per row becomes a table, all in order of first appearance.

    The values of the columns ``heads`` stand at the left of the rows, the outermost first; every
    value of ``columns`` has a column of numbers.
    """

    heads: tuple[str, ...]
    columns: str


@dataclass(frozen=True)
class _Grid:
    """The words of a table, cell by cell; ``words`` columns at the left are not numbers."""

    header: list[str]
    rows: list[list[str]]
    words: int


def write_table(
    frame: pd.DataFrame, layout: Layout, paths: Sequence[str | Path], caption: str
) -> None:
    """Write a table of numbers in the formats that the paths' endings name.

    CSV holds the frame as it is. Markdown and LaTeX hold it laid out; below a row of ours stand
    its standard errors, changes of the same texts, the published values and the differences, where
    there are any. Below those of stand-ins stand no published ones, which could be taken for a
    comparison; the CSV has them.

    Parameters
    ----------
    frame : DataFrame
        One row per value: the layout's columns, ``indicator``, ``value``, and perhaps ``variant``,
        ``stand_in``, ``weights`` (with ``model_title``), ``standard_error`` (with ``texts`` and
        ``dataset_title``), ``change`` with its ``change_standard_error`` and ``change_p``, and what
        `published.tables.with_published` adds.
    layout : Layout
        Rows and columns of the table.
    paths : sequence of path
        Each ends in ``.csv``, ``.md`` or ``.tex``. The same frame gives the same bytes.
    caption : str
        In plain text. If there are stand-ins or quantised weights in the frame, one more sentence
        says so.

    Raises
    ------
    ValueError
        If two rows of the frame belong in the same cell.
    """
    if "stand_in" in frame and frame["stand_in"].any():
        caption = f"{caption} {STAND_INS}"
    if "weights" in frame and frame["weights"].any():
        caption = f"{caption} {quantised(frame)}."
    caption = " ".join([caption, *_errors_told(frame)])
    _write(frame, _laid_out(frame, layout), paths, caption)


def _errors_told(frame: pd.DataFrame) -> list[str]:
    """What the standard errors are over, and how changes were tested."""
    told = []
    if "standard_error" in frame and frame["standard_error"].notna().any():
        known = frame[frame["standard_error"].notna()]
        texts = known.groupby("dataset_title", sort=False)["texts"].agg(["min", "max"])
        numbers = [
            f"{title}: {least:,.0f}" + (f" to {most:,.0f}" if most > least else "")
            for title, least, most in texts.itertuples(name=None)
        ]
        told.append(f"Standard errors are over texts ({', '.join(numbers)})")
        named = {*known["indicator"]}
        if "accuracy" in named:
            told[0] += ", of accuracies over questions"
        if "ppl_windows" in named:
            told[0] += ", of perplexities of concatenated texts over their windows"
        told[0] += "."
    if "change" in frame and frame["change"].notna().any():
        told.append("Changes are means of the same texts' differences, p of the paired t test.")
    return told


def write_text_table(frame: pd.DataFrame, paths: Sequence[str | Path], caption: str) -> None:
    """Write a table of words, the frame as it is, in the formats that the paths' endings name."""
    words = frame.astype(object).where(frame.notna(), MISSING).astype(str)
    if "hash" in words:  # no line has room for all of it; the CSV has
        words["hash"] = words["hash"].str[:SHOWN_OF_A_HASH]
    grid = _Grid([str(name) for name in words], words.to_numpy().tolist(), len(words.columns))
    _write(frame, grid, paths, caption)


def _write(frame: pd.DataFrame, grid: _Grid, paths: Sequence[str | Path], caption: str) -> None:
    for path in map(Path, paths):
        if path.suffix == ".csv":
            write_csv(path, frame)
            continue
        with writing(path) as temporary:
            if path.suffix == ".md":
                temporary.write_text(_markdown(grid, caption), encoding="utf-8")
            else:
                label = "tab:" + path.stem.replace("_", "-")
                temporary.write_text(_latex(grid, caption, label), encoding="utf-8")


def _laid_out(frame: pd.DataFrame, layout: Layout) -> _Grid:
    frame = frame.fillna(dict.fromkeys((*layout.heads, layout.columns), ""))
    lines: dict[tuple[Any, ...], dict[Any, str]] = {}
    for row in frame.to_dict("records"):
        head, column = tuple(row[name] for name in layout.heads), row[layout.columns]
        for source in SOURCES:
            there = pd.notna(row.get(source)) and (source in OURS or not row.get("stand_in"))
            if source == "value" or there:
                line = lines.setdefault((*head, source), {})
                if column in line:
                    raise ValueError(f"two values belong in column '{column}' of the row {head}")
                line[column] = _number(row, source)
    # By the appearance of the outermost head first, so that its rows stand together.
    orders = [*(list(dict.fromkeys(frame[name])) for name in layout.heads), list(SOURCES)]
    keys = sorted(
        lines, key=lambda key: [order.index(part) for order, part in zip(orders, key, strict=True)]
    )
    columns = list(dict.fromkeys(frame[layout.columns]))
    names = [*layout.heads, "values"]
    if {key[-1] for key in keys} == {"value"}:
        names.pop()  # nothing is published, and all rows are ours
    return _Grid(
        header=[
            *(_head(name, frame) for name in names),
            *(_title(layout.columns, column) for column in columns),
        ],
        rows=[
            [
                *(_title(name, part) for name, part in zip(names, key, strict=False)),
                *(lines[key].get(column, MISSING) for column in columns),
            ]
            for key in keys
        ],
        words=len(names),
    )


def _head(name: str, frame: pd.DataFrame) -> str:
    """What stands above a column at the left; models without sizes are called by their names."""
    if name == "size" and "family" in frame and (frame["size"] == frame["family"]).all():
        return "Model"
    return HEAD_TITLES.get(name, name.replace("_", " ").capitalize())


def _title(name: str, value: Any) -> str:
    mean = MEAN_OF.fullmatch(str(value))
    return TITLES.get(name, {}).get(value, f"Mean of prompts 1–{mean[1]}" if mean else str(value))


def _number(row: dict[str, Any], source: str) -> str:
    value = row[source]
    if pd.isna(value):
        return MISSING
    if source == "change_p":
        return probability(value)
    decimals = DECIMALS.get(row.get("variant", ""), DECIMALS.get(row["indicator"], OTHER_DECIMALS))
    decimals += source in FINER
    sign = "+" if source in ("difference", "change") else ""
    return f"{round(value, decimals) + 0.0:{sign}.{decimals}f}"  # adding zero makes −0.0 0.0


def _shown(grid: _Grid) -> list[list[str]]:
    """The rows, without the heads at the left of a row of numbers that only repeat those above."""
    rows, above = [], [""] * grid.words
    for row in grid.rows:
        head, numbers = row[: grid.words], row[grid.words :]
        repeated = 0
        while numbers and repeated < grid.words and head[repeated] == above[repeated]:
            repeated += 1
        rows.append([""] * repeated + head[repeated:] + numbers)
        above = head
    return rows


def _markdown(grid: _Grid, caption: str) -> str:
    """A pipe table of GitHub's Markdown below its caption."""
    rule = ["---"] * grid.words + ["--:"] * (len(grid.header) - grid.words)
    rows = [[_escaped_markdown(cell) for cell in row] for row in [grid.header, *_shown(grid)]]
    rows.insert(1, rule)
    table = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    return f"{_escaped_markdown(caption)}\n\n{table}"


def _escaped_markdown(text: str) -> str:
    # An underscore inside a word is left alone: it marks nothing there, and addresses have some.
    escaped = re.sub(r"([\\`*\[\]<>|~$&]|(?<!\w)_|_(?!\w))", r"\\\1", text)
    return " ".join(escaped.split())


def _latex(grid: _Grid, caption: str, label: str) -> str:
    """A floating table for a document that loads the package booktabs."""
    numbers = len(grid.header) - grid.words
    lines: list[str] = []
    for shown in _shown(grid):
        if lines and grid.words > 1 and numbers and shown[0]:
            lines.append(r"\addlinespace")
        lines.append(_latex_row(shown, grid.words))
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            r"\small",
            rf"\caption{{{_escaped_latex(caption)}}}",
            rf"\label{{{label}}}",
            rf"\begin{{tabular}}{{{_latex_columns(grid)}}}",
            r"\toprule",
            " & ".join(map(_latex_head, grid.header)) + r" \\",
            r"\midrule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _latex_columns(grid: _Grid) -> str:
    """Kinds of a table's columns; where all are words, those with long cells share the line."""
    numbers = len(grid.header) - grid.words
    longest = [max(map(len, column)) for column in zip(grid.header, *grid.rows, strict=True)]
    if numbers:
        heads = [rf"p{{{HEAD}\linewidth}}" if n > LONG else "l" for n in longest[: grid.words]]
        return "".join(heads) + "r" * numbers
    wrapped = sum(length > WRAPPED for length in longest)
    return "".join(
        rf"p{{{0.8 / wrapped:.2f}\linewidth}}" if length > WRAPPED else "l" for length in longest
    )


def _latex_head(name: str) -> str:
    """The head of a column, in several lines if it is long."""
    if len(name) <= LONG:
        return _escaped_latex(name)
    lines = map(_escaped_latex, textwrap.wrap(name, WRAPPED))
    return r"\shortstack[r]{" + r"\\".join(lines) + "}"


def _latex_row(row: list[str], words: int) -> str:
    cells = [_escaped_latex(cell) for cell in row]
    cells[words:] = [re.sub(r"^[+-]\d.*", r"$\g<0>$", cell) for cell in cells[words:]]
    return " & ".join(cells) + r" \\"


def _escaped_latex(text: str) -> str:
    return "".join(LATEX.get(character, character) for character in " ".join(text.split()))
