"""The strips of heat: every token readable in its cell, colours and frames by weight and pick."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from test_token_selection import CAPITALS, SETTINGS, made_sentences

from figure_values import check_layout, check_same_bytes, legend_of, words
from matrix_entropy.base.errors import InputError
from matrix_entropy.figures.drawing import Runs
from matrix_entropy.figures.kinds.token_figure import (
    FRAMES,
    draw_token_weights,
    token_captions,
)
from matrix_entropy.figures.kinds.token_selection import (
    METHODS,
    PICKED,
    PUBLISHED_COLUMN,
    find_token,
    shown_token,
    token_weights,
)
from matrix_entropy.results.sentences_file import Sentences
from matrix_entropy.tables import token_table

TABLE = {"name": "picks", "title": "Picks", "model": "pythia_1_4b", **SETTINGS}
ODD = [" a", "\n", " ", "$x$", "\\n", "_b^", "<|endoftext|>", "é", "\t", "a" * 90, "of"]


def draw(*tokens: list[str], targets: list[str]) -> Figure:
    sentences = made_sentences(*tokens)
    parts = [token_weights(sentences, number, targets, **SETTINGS) for number in range(len(tokens))]
    return draw_token_weights(pd.concat(parts), "A title", "A subtitle")


def made_weights(**columns: list[float]) -> pd.DataFrame:
    """Weights of five tokens for the fourth; the methods not given have zeros."""
    weights = pd.DataFrame({"position": range(5), "token": list("abcde"), "sentence": "0"})
    weights = weights.assign(target="d", target_position=3, occurrence="1 of 1")
    for method, picked in PICKED.items():
        weights[method] = [*columns.get(method, [0.0] * 4), *[np.nan] * 2][:5]
        weights[picked] = (weights[method] > 0.01) & (weights["position"] < 3)
    return weights


def cells(figure: Figure) -> list[tuple[Rectangle, Text]]:
    """Every cell with the one text whose middle lies in it."""
    extents = [(text, text.get_window_extent()) for text in figure.texts]
    found = []
    for box in figure.artists:
        frame = box.get_window_extent()
        inside = [
            text
            for text, extent in extents
            if frame.contains((extent.x0 + extent.x1) / 2, (extent.y0 + extent.y1) / 2)
        ]
        assert len(inside) == 1
        found.append((box, inside[0]))
    return found


def by_method(figure: Figure) -> dict[tuple[str, str], Rectangle]:
    """Cells by method and word, of a figure with one line."""
    pairs = cells(figure)
    tops = sorted({box.get_y() for box, _ in pairs})
    methods = dict(zip(tops, METHODS, strict=True))
    return {(methods[box.get_y()], text.get_text()): box for box, text in pairs}


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    plt.close("all")


# Words in cells


@pytest.mark.parametrize(
    ("tokens", "targets"),
    [
        (CAPITALS, ["No", "?", "China"]),
        ((CAPITALS * 4)[:120], ["of"]),
        (["a", "b"], ["b"]),
        (ODD, ["of"]),
    ],
)
def test_every_word_is_readable_in_its_cell(tokens: list[str], targets: list[str]) -> None:
    figure = draw(tokens, targets=targets)
    check_layout(figure)
    shown = [shown_token(token).replace("$", r"\$") for token in tokens]
    written = [text.get_text() for text in figure.texts]
    for word in shown:
        assert written.count(word) >= shown.count(word) * len(METHODS) * len(targets)
    pairs = cells(figure)
    made = made_sentences(tokens)
    before = sum(find_token(made, 0, target)[1][-1] + 1 for target in targets)
    assert len(pairs) == before * len(METHODS)
    for box, text in pairs:
        frame, extent = box.get_window_extent(), text.get_window_extent()
        assert frame.x0 <= extent.x0 < extent.x1 <= frame.x1
        assert frame.y0 <= extent.y0 + 2 < extent.y1 <= frame.y1, "but for tails of letters"


def test_a_page_is_as_high_as_its_sentences() -> None:
    one = draw(CAPITALS, targets=["No"]).get_figheight()
    two = draw(CAPITALS, targets=["No", "China"]).get_figheight()
    three = draw(CAPITALS, targets=["No", "China", "?"]).get_figheight()
    assert two - one == pytest.approx(three - two)
    assert 0.5 < two - one < 2
    assert draw(CAPITALS * 2, targets=["No"]).get_figheight() > one + 0.5


def test_several_sentences_are_told_apart() -> None:
    figure = draw(CAPITALS, ["No", " is", " no", " No"], targets=["No"])
    check_layout(figure)
    text = words(figure)
    assert "Sentence 0, [No]\n" in text
    assert "Sentence 1, [No], 2 of 2\n" in text
    assert "Sentence" not in words(draw(CAPITALS, targets=["No"]))


# Colours and frames


def test_colours_are_square_roots_of_weights() -> None:
    figure = draw_token_weights(
        made_weights(attention=[1.0, 0.25, 0.0, 0.5], lasso=[-0.5, 0.01, 1.5]), "", ""
    )
    found = {key: to_rgb(box.get_facecolor()) for key, box in by_method(figure).items()}
    heat = plt.get_cmap("Blues")
    for key, shade in {
        ("attention", "a"): 1.0,
        ("attention", "b"): 0.5,
        ("attention", "c"): 0.0,
        ("attention", "d"): 0.5**0.5,
        ("lasso", "a"): 0.0,
        ("lasso", "b"): 0.1,
        ("lasso", "c"): 1.0,
        ("lasso", "d"): 0.0,
        ("lasso_literal", "a"): 0.0,
    }.items():
        assert found[key] == pytest.approx(to_rgb(heat(shade)), abs=0.01), key
    largest = "largest weight: attention 1 (uniform 0.25), Lasso 1.5, literal Lasso 0"
    assert largest in words(figure)


def test_nearly_uniform_attention_is_pale_beside_a_weight_of_one() -> None:
    figure = draw_token_weights(
        made_weights(attention=[0.018, 0.01, 0.05], lasso=[0.99, 0, 0]), "", ""
    )
    light = {key: sum(to_rgb(box.get_facecolor())) / 3 for key, box in by_method(figure).items()}
    empty = light["attention", "d"]
    assert empty - 0.2 < light["attention", "c"] < light["attention", "a"]
    assert light["attention", "a"] < light["attention", "b"] < empty - 0.03
    assert light["lasso", "a"] < 0.35


def test_picks_and_the_target_are_framed_and_what_follows_is_not() -> None:
    figure = draw_token_weights(made_weights(attention=[0.5, 0.01, 0.02, 0.9]), "", "")
    boxes = by_method(figure)
    assert {word for _, word in boxes} == set("abcd"), "e stands behind the target"
    edges = {key: to_hex(box.get_edgecolor()).upper() for key, box in boxes.items()}
    named = {look["ec"]: name for name, look in FRAMES.items()}
    assert [named[edges["attention", word]] for word in "abcd"] == [
        *("picked", "token", "picked", "target"),
    ]
    assert [named[edges["lasso", word]] for word in "abcd"] == ["token"] * 3 + ["target"]
    bold = {text.get_text() for text in figure.texts if text.get_fontweight() == "bold"}
    assert bold == {"[d]", "d"}


def test_the_legend_says_what_colours_and_frames_are() -> None:
    figure = draw(CAPITALS, targets=["No"])
    assert legend_of(figure) == [
        *("weight of 0 or less", "0.01", "0.05", "0.1", "0.5", "1 or more"),
        *("picked", "the token explained"),
    ]
    swatches = [to_rgb(patch.get_facecolor()) for patch in figure.legends[0].get_patches()]
    heat = plt.get_cmap("Blues")
    for swatch, weight in zip(swatches, (0, 0.01, 0.05, 0.1, 0.5, 1), strict=False):
        assert swatch == pytest.approx(to_rgb(heat(weight**0.5)), abs=0.01)
    assert "A subtitle Shades: the square root of the weight" in words(figure)


# Captions


def test_captions_say_how_tokens_were_picked() -> None:
    title, subtitle = token_captions(TABLE, "Pythia-1.4B", made_sentences(CAPITALS, width=2048))
    assert title == "Picks: Pythia-1.4B"
    for wanted in (
        "heads of block 3 (the last)",
        "layer final at unit norm, width 2048, alpha 0.0001",
        "λ 0.0001, which is alpha 2.44e-08",
        "weights above 0.01",
    ):
        assert wanted in subtitle
    block = token_captions(TABLE | {"attention_block": 2}, "P", made_sentences(CAPITALS))[1]
    assert "heads of block 2." in block


def test_a_stand_in_is_named_so() -> None:
    title, subtitle = token_captions(TABLE, "Pythia-1.4B", made_sentences(["a"], stand_in=True))
    assert title == "Picks: Pythia-1.4B stand-in"
    assert subtitle.startswith(
        "Not Pythia-1.4B but a stand-in of 1.23M parameters, trained in seconds on generated texts."
    )


def test_a_row_in_front_is_said() -> None:
    said = "Read with a beginning-of-sequence token in front, which counts as a token."
    for bos in (True, False):
        caption = token_captions(TABLE, "P", made_sentences(CAPITALS, bos=bos))[1]
        assert caption.endswith(said) is bos


# Files


def test_a_rebuild_is_the_same_bytes(tmp_path: Path) -> None:
    weights = token_weights(made_sentences(CAPITALS), 0, ["No", "China"], **SETTINGS)
    check_same_bytes(lambda: draw_token_weights(weights, "A", "b"), weights, tmp_path)


def written(folder: Path, sentences: Sentences) -> list[Path]:
    """The files of the table and of its figure."""
    sentences.save(folder / "sentences.npz")
    inputs = {"sentences": [str(folder / "sentences.npz")]}
    runs = Runs(inputs, {"pythia_1_4b": {"title": "Pythia-1.4B"}}, {})
    names = ("t.csv", "t.md", "t.tex", "f.pdf", "f.png", "f.csv")
    paths = [str(folder / name) for name in names]
    token_table.make(TABLE | {"tokens": ["No"]}, runs).write(paths, [])
    return [Path(path) for path in paths]


def test_the_table_writes_table_and_figure(tmp_path: Path) -> None:
    table, markdown, latex, pdf, png, numbers = written(tmp_path, made_sentences(CAPITALS))
    assert pd.read_csv(table)[PUBLISHED_COLUMN].tolist() == ["[Is] [,] [?]", *["[Yes] [Yes]"] * 2]
    for path in (markdown, latex):
        text = path.read_text()
        assert "The paper's picks, by Pythia-1.4B, are in the order printed" in text
        assert "its sentence, as printed, has no comma" in text
        assert "published (Pythia-1.4B)" in text
        assert "Attention: mean over the heads of block 3" in text
        assert text.count("Picks: Pythia-1.4B. pythia") == 1
    assert pdf.stat().st_size > 0 < png.stat().st_size
    assert len(pd.read_csv(numbers)) == 36


def test_published_picks_do_not_stand_beside_those_of_a_stand_in(tmp_path: Path) -> None:
    table, markdown, latex, *_ = written(tmp_path, made_sentences(CAPITALS, stand_in=True))
    assert pd.read_csv(table)[PUBLISHED_COLUMN].tolist()[0] == "[Is] [,] [?]"
    for path in (markdown, latex):
        text = path.read_text()
        assert "literal Lasso" in text
        assert "ublished" not in text
        assert "comma" not in text


def test_beside_another_model_published_picks_say_whose_they_are(tmp_path: Path) -> None:
    table, markdown, *_ = written(tmp_path, made_sentences(CAPITALS, model="stories260K"))
    assert pd.read_csv(table).columns[-1] == "published (Pythia-1.4B)"
    assert "| published (Pythia-1.4B) |" in markdown.read_text()


def test_the_table_names_a_stand_in_and_compares_no_other_sentence(tmp_path: Path) -> None:
    sentences = made_sentences(["Oh", " No"], ["No", " No"], stand_in=True)
    table, markdown, *_ = written(tmp_path, sentences)
    assert pd.read_csv(table)["sentence"].tolist() == [0, 0, 0, 1, 1, 1]
    text = markdown.read_text()
    assert "Pythia-1.4B stand-in. Not Pythia-1.4B but a stand-in of 1.23M parameters" in text
    assert "published" not in text
    assert "comma" not in text


def test_a_token_that_is_missing_is_named(tmp_path: Path) -> None:
    named = "sentence '0' has no token 'No', but [A] [cat]; correct `tokens:`."
    with pytest.raises(InputError, match=re.escape(named)):
        written(tmp_path, made_sentences(["A", " cat"]))
    assert [path.name for path in tmp_path.iterdir()] == ["sentences.npz"]
