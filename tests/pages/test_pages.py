"""Pages: all by themselves, every formula MathML, every table in its box."""

import re
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import numpy as np
import pytest
from PIL import Image

from matrix_entropy.base.errors import InputError
from matrix_entropy.pages.page_checks import check_page
from matrix_entropy.pages.page_markdown import PageRenderer, markdown_html, mathml
from matrix_entropy.pages.writing import write_page

MATHML = "{http://www.w3.org/1998/Math/MathML}"
TEXT = r"""# A *title*

The entropy $H = -\sum_i \lambda_i \log \lambda_i$ costs \$5.

$$\frac{a}{b}$$

![Two grey squares](picture.png)

| name | number |
| --- | --: |
| a\|b | $x^2$ |

## One

## Two

## One
"""

PAGES = ["index", "liang2024", "wei2024", "tan2024", "real_model", "errata", "comparison"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Image.fromarray(np.full((60, 90), 128, np.uint8)).save(tmp_path / "picture.png")
    (tmp_path / "text.md").write_text(TEXT, encoding="utf-8")
    return tmp_path


def built(folder: Path, source: str, page: str = "errata") -> str:
    write_page(folder / source, folder / f"{page}.html", PAGES)
    return (folder / f"{page}.html").read_text(encoding="utf-8")


def notebook(folder: Path, *outputs: nbformat.NotebookNode) -> str:
    """A notebook of a text and a cell with these outputs."""
    cells = [
        nbformat.v4.new_markdown_cell("# Notebook", id="a"),
        nbformat.v4.new_code_cell("a < 1", outputs=list(outputs), id="b"),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "run.ipynb")
    return "run.ipynb"


def shown(**data: str) -> nbformat.NotebookNode:
    kinds = {"html": "text/html", "markdown": "text/markdown", "png": "image/png"}
    return nbformat.v4.new_output(
        "display_data", {kinds.get(kind, "text/plain"): value for kind, value in data.items()}
    )


def test_a_page_of_markdown_holds_everything(folder):
    page = built(folder, "text.md")
    (image,) = re.findall("<img[^>]*>", page)
    assert image.startswith('<img src="data:image/png;base64,')
    assert 'alt="Two grey squares"' in image
    assert 'width="45" height="30"' in image  # 90 × 60 pixels, two to each of the page's
    assert re.search(r'<div class="scroll"[^>]*>\s*<table>', page)
    assert "<title>A <em>title</em>" not in page
    assert "<title>A title · matrix-entropy</title>" in page
    assert "costs $5." in page
    assert "a|b" in page
    assert page.count("<math ") == 3
    assert page.count('display="block"') == 1
    assert "\\" not in page.split("</style>")[1]
    assert 'name="viewport"' in page


def test_headings_have_anchors_of_their_own_and_a_list(folder):
    page = built(folder, "text.md")
    anchors = re.findall(r'<h\d id="([^"]*)">', page)
    assert anchors == ["a-title", "one", "two", "one-2"]
    assert re.findall(r'<li><a href="#([^"]*)">', page) == ["one", "two", "one-2"]


def test_pages_link_to_each_other_and_say_which_is_open(folder):
    page = built(folder, "text.md")
    assert re.findall(r'<li><a href="(\w+)\.html"', page) == PAGES
    assert page.count('aria-current="page"') == 1
    assert '<a href="errata.html" aria-current="page">' in page
    write_page(folder / "text.md", folder / "index.html", ["wei2024", "index"])
    some = (folder / "index.html").read_text(encoding="utf-8")
    assert re.findall(r'<li><a href="(\w+)\.html"', some) == ["wei2024", "index"]


def test_the_same_source_gives_the_same_bytes(folder):
    assert built(folder, "text.md") == built(folder, "text.md")


def test_a_notebook_shows_outputs_and_folds_code(folder):
    plain = nbformat.v4.new_output("stream", name="stdout", text="1 < 2")
    source = notebook(
        folder, plain, shown(markdown="in $x$"), shown(html="<p>H</p>", plain="plainly")
    )
    page = built(folder, source)
    assert "<details><summary>Code</summary><pre><code>a &lt; 1</code></pre></details>" in page
    assert "<pre>1 &lt; 2</pre>" in page
    assert "<p>H</p>" in page
    assert "plainly" not in page
    assert page.count("<math ") == 1


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (shown(html='<script src="x.js"></script>'), "<script>"),
        (shown(html='<img src="https://example.org/a.png" alt="a">'), "from outside"),
        (shown(html='<img src="data:image/png;base64,AA==">'), "no alt text"),
        (shown(html='<img src="data:image/png;base64,AA==" alt=" ">'), "no alt text"),
        (shown(html="<table><tr><td>1</td></tr></table>"), "no box to scroll in"),
        (shown(html="<style>@import 'a.css'</style>"), "a style"),
        (shown(html='<p style="background: url(a.png)">a</p>'), "a style"),
        (shown(html='<p onclick="go()">a</p>'), "runs a script"),
        (shown(html='<a href="javascript:go()">a</a>'), "runs a script"),
        (shown(png="AA==", plain="<Figure>"), "a cell put out image/png, text/plain"),
        (nbformat.v4.new_output("error", ename="E", evalue="why", traceback=[]), "E: why"),
    ],
)
def test_what_a_page_may_not_hold_is_one_sentence(folder, output, words):
    with pytest.raises(InputError, match=re.escape(words)):
        built(folder, notebook(folder, output))
    assert not (folder / "errata.html").exists()


def test_a_table_after_a_closed_box_has_no_box():
    with pytest.raises(InputError, match="no box"):
        check_page("x", '<div class="scroll"><p>a<br></div><table></table>')
    check_page("x", '<div class="scroll"><p>a<br><table></table></div>')


def test_markdown_does_not_obey_html_and_misses_no_image(folder):
    renderer = PageRenderer(folder)
    assert "&lt;script&gt;" in markdown_html("<script>a</script>", renderer)
    with pytest.raises(InputError, match=r"none\.png does not exist"):
        markdown_html("![a](none.png)", renderer)
    with pytest.raises(InputError, match="give it an alt text"):
        markdown_html("![](picture.png)", renderer)
    with pytest.raises(InputError, match="is no PNG"):
        markdown_html("![a](text.md)", renderer)


@pytest.mark.parametrize(
    ("formula", "text"),
    [
        (r"\frac{1}{2} \log \det(I + \sigma^{-2} K)", "12logdet(I+σ−2K)"),
        (r"\langle \exp H \rangle / d", "⟨expH⟩/d"),
        (r"Z^\top Z", "Z⊤Z"),
        ("a < b", "a<b"),
    ],
)
def test_formulas_are_mathml_with_the_right_letters(formula, text):
    tree = ElementTree.fromstring(mathml(formula))
    assert tree.tag == f"{MATHML}math"
    assert "".join(tree.itertext()).replace(" ", "") == text


def test_functions_stand_apart_from_their_factors_and_close_to_parentheses():
    def around(formula: str) -> list[str]:
        (row,) = ElementTree.fromstring(mathml(formula))
        return [child.tag.removeprefix(MATHML) for child in row]

    assert around(r"x \log y") == ["mi", "mspace", "mi", "mspace", "mi"]
    assert around(r"x \log(y)") == ["mi", "mspace", "mi", "mo", "mi", "mo"]
    assert around(r"\log") == ["mi"]


@pytest.mark.parametrize(
    "formula", [r"\unheardof x", r"\frac{1}{", "x^{", r"\begin{aligned} a &= b \end{aligned}"]
)
def test_a_formula_that_cannot_be_shown_is_one_sentence(formula):
    with pytest.raises(InputError, match="cannot be turned into MathML"):
        mathml(formula)
