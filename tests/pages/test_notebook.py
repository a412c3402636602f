"""What the paper notebooks are written with, and the notebooks themselves."""

import re
from pathlib import Path

import jupytext
import nbformat
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from conftest import ROOT, configured
from matrix_entropy.base.errors import InputError
from matrix_entropy.base.source_code import SourceCode, source_code
from matrix_entropy.pages import made_by
from matrix_entropy.pages.made_by import origins
from matrix_entropy.pages.notebook import Built, Shown, number, say, show_frame
from matrix_entropy.pages.notebook_run import run_notebook
from matrix_entropy.pages.page_index import index_markdown
from matrix_entropy.pages.readings import fit_rows, gap_words, group_gaps, separations, size_ends
from matrix_entropy.pages.writing import write_page

PAPER = ROOT / "paper"
LIBRARY = ROOT / "src"
NOTEBOOKS = ("liang2024", "wei2024", "tan2024")
SCRIPT = """\
# %% [markdown]
# # Title

# %% tags=["parameters"]
figures = "nowhere"

# %% [markdown]
# ## Section

# %%
from matrix_entropy.pages.notebook import Built

Built("results", figures).figure("one", "a grey square")
"""


@pytest.fixture(autouse=True)
def library_of_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(LIBRARY))  # as the workflow sets it


@pytest.fixture
def built(tmp_path: Path) -> Built:
    (tmp_path / "figures").mkdir()
    (tmp_path / "results" / "tables").mkdir(parents=True)
    Image.fromarray(np.full((20, 20), 128, np.uint8)).save(tmp_path / "figures" / "one.png")
    pd.DataFrame({"stand_in": [False, True], "x": [1.5, 2.5]}).to_csv(
        tmp_path / "figures" / "one.csv", index=False
    )
    (tmp_path / "results" / "tables" / "two.md").write_text("Caption.\n\n| a |\n| --- |\n| 1 |\n")
    pd.DataFrame({"x": [7]}).to_csv(tmp_path / "results" / "tables" / "two.csv", index=False)
    return Built(tmp_path / "results", tmp_path / "figures")


def test_what_made_them_is_named_and_linked_to(built, tmp_path):
    """Links lead to files of this repository, and what they lead to has that name in it."""
    page = tmp_path / "paper" / "build" / "index.md"
    found = origins({"one": "layers", "two": "lora"}, page)
    told = Built(built.results, built.figures, origins=found)
    assert "version" in told.notice(False).html
    assert f"Made by commit {source_code().commit[:12]}" in told.notice(False).html
    index = index_markdown(
        {"one": {"model": "a"}}, {"two": {"models": ["a"]}}, {"a": {}}, [], origins=found
    )
    for name, shown, rule, module in (
        ("one", told.figure("one", "a grey square").html, "plot_layers", "figures/kinds/layers.py"),
        ("two", told.table("two").html, "write_lora", "tables/model_tables.py"),
    ):
        parts = {part: (called, address) for part, called, address in found["made_by"][name]}
        assert parts["rule"][0] == rule
        assert parts["module"][0] == module
        for called, address in parts.values():
            target = (page.parent / address).resolve()
            assert target.is_file()
            assert f'href="{address}"' in shown
            assert f"[`{called}`]({address})" in index
            if called != rule:
                assert target.as_posix().endswith(called)


def test_where_the_repository_is_known_links_go_there_and_only_then(monkeypatch, tmp_path):
    page, commit = tmp_path / "index.md", "0123456789" * 4
    file = tmp_path / "CITATION.cff"
    file.write_text("repository-code: https://example.org/code\n")
    monkeypatch.setattr(made_by, "CITATION", file)
    for changed in (False, True):
        code = SourceCode("0.2.0", commit, changed)
        monkeypatch.setattr(made_by, "source_code", lambda code=code: code)
        (_, _, rules), *_ = origins({"one": "layers"}, page)["made_by"]["one"]
        there = f"https://example.org/code/blob/{commit}/workflow/rules/kinds.smk"
        assert (rules == there) is not changed


def test_figures_and_tables_are_shown_with_links_to_their_files(built):
    figure = built.figure("one", "a grey square").html
    assert 'id="figure-one"' in figure
    assert 'alt="a grey square"' in figure
    assert 'href="../../figures/one.pdf"' in figure
    assert 'href="../../figures/one.csv"' in figure
    table = built.table("two").html
    assert 'id="table-two"' in table
    assert '<div class="scroll"' in table
    assert 'href="../../results/tables/two.tex"' in table


def test_numbers_are_those_of_the_figure_or_else_the_table(built):
    assert list(built.numbers("one")["x"]) == [1.5, 2.5]
    assert list(built.numbers("two")["x"]) == [7]


def test_what_is_not_built_is_named_with_its_target(built):
    with pytest.raises(InputError, match=r"`snakemake figures/three\.pdf`"):
        built.figure("three", "a")
    with pytest.raises(InputError, match=r"`snakemake results/tables/three\.md`"):
        built.table("three")
    with pytest.raises(InputError, match=r"three\.fits\.csv is not there"):
        built.numbers("three", ".fits.csv")


def test_what_waits_says_so_in_its_place(built):
    waits = Built(built.results, built.figures, {"one": "model 'a' needs <b>"})
    said = "one is not built yet: model 'a' needs <b>."
    for kind, shown in (("figure", waits.figure("one", "a")), ("table", waits.table("one"))):
        assert shown.markdown == said
        assert f'<p id="{kind}-one">one is not' in shown.html
        assert "needs &lt;b&gt;." in shown.html
    with pytest.raises(InputError, match=re.escape(said)):
        waits.numbers("one", ".fits.csv")


def test_stand_ins_are_found_in_the_numbers_or_asked_for(built):
    assert built.stand_ins(["one", "two"])
    pd.DataFrame({"stand_in": [False]}).to_csv(Path(built.figures, "one.csv"), index=False)
    assert not built.stand_ins(["one"])
    with pytest.raises(InputError, match="the parameter 'stand_in'"):
        built.stand_ins(["two"])


def test_the_notice_is_loud_about_stand_ins_and_a_missing_comparison(built):
    assert "Stand-ins, not the paper's models" in built.notice(True).html
    assert "Stand-ins" not in built.notice(False).html
    assert "snakemake results/comparison.csv" in built.notice(False).html
    built.comparison.write_text("item\n")
    assert built.notice(False).html == ""


def test_the_comparison_of_an_item_is_counted_by_verdict(built):
    assert built.published("one") == Shown()
    rows = [
        ("one", "number", "pass"),
        ("one", "number", "fail"),
        ("one", "number", "pass"),
        ("one", "direction", "same direction"),
        ("other", "number", "fail"),
    ]
    pd.DataFrame(rows, columns=["item", "kind", "verdict"]).to_csv(built.comparison, index=False)
    assert built.published("one").markdown == (
        "Beside the paper: 3 numbers: 2 pass, 1 fail; 1 direction: 1 same direction "
        "([details](comparison.html))."
    )
    assert built.published("nothing") == Shown()


def test_words_and_numbers_of_a_small_table():
    frame = pd.DataFrame({"a|b": ["x_y"], "n": [12345], "f": [-0.12345], "no": [np.nan]})
    assert show_frame(frame, 2).markdown == (
        "| a\\|b | n | f | no |\n| --- | --: | --: | --: |\n| x\\_y | 12,345 | −0.12 | – |\n"
    )
    assert "| −0.1235 |" in show_frame(frame.replace(-0.12345, -0.12346), {"f": 4}).markdown
    assert say("one\n  two").markdown == "one two"
    assert number(-0.0001) == "0.000"


def test_gaps_are_means_over_blocks_of_the_first_group_less_the_second():
    curves = pd.DataFrame(
        {
            "panel": "World",
            "group": ["utopian", "utopian", "dystopian", "dystopian"],
            "block": [0, 1, 1, 0],
            "tokens_mean": [70.4, 70.4, 60, 60],
            "normalised_mean": [0.5, 0.6, 0.5, 0.52],
            "normalised_equal_length_mean": [0.5, 0.6, 0.6, 0.5],
        }
    )
    (row,) = group_gaps(curves).to_dict("records")
    assert row.pop("as drawn") == pytest.approx(0.04)  # (−0.02 + 0.1) / 2
    assert row.pop("equal lengths") == pytest.approx(0)
    assert row == {
        "panel": "World",
        "first − second": "utopian − dystopian",
        "tokens": "70 / 60",
        "blocks above": "1 of 2",
    }


def test_a_gap_has_its_error_and_p():
    means = pd.DataFrame(
        {
            "panel": ["Long", "Long", "World"],
            "treatment": ["all rows", "both", "both"],
            "difference": [0.03, -0.0045, 0.1],
            "standard_error": [0.01, 0.0029, 0.1],
            "p": [0.0001, 0.14, 1.0],
        }
    )
    assert gap_words(means, "Long", "both") == "−4.5 ± 2.9 (p 0.140)"
    assert gap_words(means, "Long", "all rows") == "+30.0 ± 10.0 (p <0.001)"


def test_ends_fits_and_separations_pick_rows():
    values = pd.DataFrame(
        {
            "family": "F",
            "dataset": "d",
            "dataset_title": "D",
            "size": ["2B", "1M", "9B"],
            "parameters": [2e9, 1e6, 9e9],
            "shown": [True, True, False],
            "entropy": [0.2, 0.9, 0.1],
        }
    )
    (ends,) = size_ends(values, {"entropy": "H"}).to_dict("records")
    assert ends == {"data set": "D", "models": "F 1M, 2B", "H, smallest": 0.9, "H, largest": 0.2}
    fits = pd.DataFrame({"kind": ["a", "b"], "exponent": [1.0, 2.0]})
    assert fit_rows(fits, {"exponent": "e"}, kind="b").to_dict("records") == [{"e": 2.0}]
    places = pd.DataFrame(
        {"measure": ["last_token"] * 2, "silhouette": [0.1, 0.3], "null_silhouette": [0.0, 0.2]}
    )
    (row,) = separations(places).to_dict("records")
    assert row.pop("silhouette of contexts") == pytest.approx(0.2)
    assert row.pop("of the null") == pytest.approx(0.1)
    assert row == {"measure": "last token"}


def test_a_notebook_is_run_with_parameters_and_becomes_a_page(built, tmp_path):
    script = tmp_path / "paper.py"
    script.write_text(SCRIPT)
    run_notebook(script, tmp_path / "run.ipynb", {"figures": str(built.figures)})
    write_page(tmp_path / "run.ipynb", tmp_path / "liang2024.html", ["liang2024"])
    page = (tmp_path / "liang2024.html").read_text(encoding="utf-8")
    assert 'alt="a grey square"' in page
    assert "<title>Title" in page
    ids = [cell.id for cell in nbformat.read(tmp_path / "run.ipynb", 4).cells]
    assert len(set(ids)) == len(ids)


def test_a_broken_notebook_is_one_sentence_and_leaves_nothing(tmp_path):
    script = tmp_path / "paper.py"
    script.write_text(SCRIPT)
    with pytest.raises(InputError) as caught:
        run_notebook(script, tmp_path / "run.ipynb")
    said = str(caught.value)
    assert said.startswith(f"the notebook {script} stops in 'Section': nowhere/one.png is not")
    assert "\n" not in said
    assert not (tmp_path / "run.ipynb").exists()
    script.write_text("# %%\n1 / 0\n")
    with pytest.raises(InputError, match=r"paper\.py stops: ZeroDivisionError: division by zero"):
        run_notebook(script, tmp_path / "run.ipynb")
    with pytest.raises(InputError, match=r"none\.py does not exist"):
        run_notebook(tmp_path / "none.py", tmp_path / "run.ipynb")


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_no_number_is_typed_into_the_prose_of_a_paper(name):
    # Of figures, tables, theorems and models, numbers are names; in formulas, mathematics.
    named = (
        r"(Figures?|Tables?|[Tt]heorems?|[Ss]ections?|et al\.|Liang|and|to) [\d.]+|GPT-2|\b\d+M\b"
    )
    for cell in jupytext.read(PAPER / name / "notebook.py").cells:
        if cell.cell_type == "markdown":
            prose = re.sub(r"\$\$.*?\$\$|\$[^$]*\$", "", cell.source, flags=re.DOTALL)
            prose = re.sub(r"(?<=\w)_?\d", "", re.sub(named, "", prose))
            assert not re.search(r"\d", prose), cell.source


def test_the_notebooks_show_every_figure_and_table_of_their_papers():
    config = configured()
    for kind in ("figures", "tables"):
        for name, entry in config[kind].items():
            if entry.get("paper") in NOTEBOOKS:
                assert f'"{name}"' in (PAPER / entry["paper"] / "notebook.py").read_text(
                    encoding="utf-8"
                )


def test_the_index_has_an_item_and_a_place_for_every_figure_and_table(tmp_path):
    models = {"a": {"title": "A", "train": {}}, "b": {"title": "B"}, "c": {}}
    figures = {
        "one": {"paper": "liang2024", "title": "Figure 1 | a", "model": "b"},
        "two": {"models": ["b", "c"]},
    }
    tables = {"three": {"paper": "wei2024", "title": "Table", "models": ["b", "c", "a"]}}
    text = index_markdown(figures, tables, models, ["index", "liang2024", "errata"])
    assert (
        "- **[Figure 1 \\| a](liang2024.html#figure-one)** (`one`). Models: B. "
        "Files: [PDF](../../figures/one.pdf), [numbers](../../figures/one.csv).\n" in text
    )
    assert "- **two** (`two`). Models: B and c. Files: `snakemake figures/two.pdf`.\n" in text
    assert "Made by" not in text
    assert "- **Table** (`three`). Models: B to A. Files: [CSV](../../results/tables/three" in text
    headings = re.findall("^## (.*)$", text, flags=re.MULTILINE)
    assert headings == ["[Liang 2024](liang2024.html)", "Wei et al. 2024", "Others"]
    assert "[Errata](errata.html)" in text
    assert "comparison.html" not in text
    assert "Stand-ins" in text
    waits = index_markdown(figures, tables, models, [], waiting={"three": "model `a` needs b"})
    assert "Files: not built yet: model \\`a\\` needs b." in waits
    assert "three.csv" not in waits
    real = index_markdown(figures, {}, models, ["real_model"])
    assert "Stand-ins" not in real
    (tmp_path / "index.md").write_text(text, encoding="utf-8")
    write_page(tmp_path / "index.md", tmp_path / "index.html", ["index"])
