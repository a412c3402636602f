"""Maps of sentences: what is drawn, labelled and said."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.axis import Tick
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text

from figure_values import check_same_bytes, legend_of, words
from made_sentences import WORDS, made_sentences, map_entry
from matrix_entropy.base.errors import InputError
from matrix_entropy.figures.kinds import sentence_figure, sentence_map
from matrix_entropy.figures.kinds.sentence_figure import draw_sentence_map, map_captions
from matrix_entropy.figures.kinds.sentence_map import map_distances, map_numbers
from matrix_entropy.figures.style import COLOURS
from matrix_entropy.results.sentences_file import Sentences


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """UMAP compiles for ten seconds; here it is the first two columns of the distances."""
    monkeypatch.setattr(sentence_map, "umap_coordinates", lambda distances, **_: distances[:, :2])
    yield
    plt.close("all")


def numbers_of(sentences: Sentences, *measures: str) -> pd.DataFrame:
    entry = map_entry(*measures)
    return map_numbers(sentences, map_distances(sentences, entry), entry)


def draw(sentences: Sentences, *measures: str) -> Figure:
    return draw_sentence_map(numbers_of(sentences, *measures), "A title", "A subtitle")


def labels_of(axis: Axes) -> list[Text]:
    """Texts inside a panel: the labels of its points."""
    return [text for text in axis.texts if text.get_text() and text.get_color() in COLOURS[:3]]


def check_labels(figure: Figure) -> None:
    """No label covers another or leaves its panel; no other text but of ticks is in a panel."""
    figure.canvas.draw()
    page = figure.bbox
    inside = {id(text): axis for axis in figure.axes for text in labels_of(axis)}
    ticks = {id(text) for tick in figure.findobj(Tick) for text in tick.findobj(Text)}
    shown = [t for t in figure.findobj(Text) if t.get_text().strip() and id(t) not in ticks]
    boxes = {id(text): text.get_window_extent() for text in shown}
    for text in shown:
        box = boxes[id(text)]
        assert text.get_fontsize() >= 6.5
        bounds = inside[id(text)].bbox if id(text) in inside else page
        assert bounds.x0 - 1 <= box.x0 < box.x1 <= bounds.x1 + 1, text.get_text()
        assert bounds.y0 - 1 <= box.y0 < box.y1 <= bounds.y1 + 1, text.get_text()
        for axis in figure.axes:
            assert id(text) in inside or not axis.bbox.shrunk(0.99, 0.99).overlaps(box), text
    for axis in figure.axes:
        for one, other in combinations(labels_of(axis), 2):
            assert not boxes[id(one)].overlaps(boxes[id(other)]), (one, other)
    outside = [text for text in shown if id(text) not in inside]
    for one, other in combinations(outside, 2):
        apart = one.axes is not other.axes or not boxes[id(one)].overlaps(boxes[id(other)])
        assert apart, (one, other)


def test_points_are_the_numbers_in_the_colour_of_their_context() -> None:
    sentences = made_sentences(words=WORDS[:5])
    numbers = numbers_of(sentences, "token_mean", "frobenius")
    figure = draw_sentence_map(numbers, "A title", "A subtitle")
    assert len(figure.axes) == 4
    keys = [(m, w) for m in ("token_mean", "frobenius") for w in ("umap", "principal_coordinates")]
    for axis, (measure, method) in zip(figure.axes, keys, strict=True):
        part = numbers[(numbers["measure"] == measure) & (numbers["method"] == method)]
        for line, context, colour in zip(
            axis.lines, ("nothing", "a king", "a queen"), COLOURS, strict=False
        ):
            points = part[part["context"] == context]
            np.testing.assert_array_equal(line.get_xdata(), points["x"])
            np.testing.assert_array_equal(line.get_ydata(), points["y"])
            assert line.get_color() == colour
        countries = [label.get_text() for label in labels_of(axis)]
        assert sorted(countries) == sorted([word.rstrip(".") for word in WORDS[:5]] * 3)
        assert axis.get_aspect() == 1


def test_a_label_has_the_colour_of_its_point() -> None:
    figure = draw(made_sentences(words=["Cuba.", "Spain."]), "last_token")
    for axis in figure.axes:
        found = [(text.get_text(), to_hex(text.get_color())) for text in labels_of(axis)]
        wanted = [(w, to_hex(colour)) for colour in COLOURS[:3] for w in ("Cuba", "Spain")]
        assert sorted(found) == sorted(wanted)


def test_panels_and_axes_say_what_they_show() -> None:
    sentences = made_sentences(words=WORDS[:4])
    figure = draw(sentences, "token_mean", "riemannian")
    titles = [axis.get_title(loc="left") for axis in figure.axes]
    assert titles == [
        *("Mean over tokens: UMAP", "Mean over tokens: PCA"),
        *("Riemannian: UMAP", "Riemannian: principal coordinates"),
    ]
    numbers = numbers_of(sentences, "token_mean", "riemannian")
    shares = numbers.drop_duplicates(["measure", "method"])["share_x"].tolist()
    umap, pca, _, principal = figure.axes
    assert (umap.get_xlabel(), umap.get_ylabel()) == ("UMAP 1", "UMAP 2")
    assert [*umap.get_xticks(), *umap.get_yticks()] == []
    assert pca.get_xlabel() == f"Principal component 1 ({100 * shares[1]:.0f} %)"
    assert principal.get_xlabel() == f"Principal coordinate 1 ({100 * shares[3]:.0f} %)"
    assert legend_of(figure) == ["no context", "He is the king of …", "She is the queen of …"]
    text = words(figure)
    for wanted in ("A title", "A subtitle", "of the variance", "negative eigenvalues: 0 % of"):
        assert wanted in text


def test_notes_are_means_over_the_sentences() -> None:
    numbers = numbers_of(made_sentences(words=WORDS[:5]), "last_token")
    numbers = numbers.assign(silhouette=-0.25, same_context=0.5, same_label=0.0)
    numbers = numbers.assign(null_silhouette=0.125, null_same_context=0.8, null_same_label=0.1)
    text = words(draw_sentence_map(numbers, "A title", "A subtitle"))
    assert "silhouette by context: −0.250 (prefix null 0.125)" in text
    assert "nearest of same context: 50 % (prefix null 80 %, chance 29 %)" in text
    assert "nearest of same last word: 0 % (prefix null 10 %, chance 14 %)" in text


@pytest.mark.parametrize(("shift", "noise"), [(6.0, 0.02), (0.5, 3.0)], ids=["tight", "diffuse"])
def test_labels_do_not_overlap(shift: float, noise: float) -> None:
    check_labels(draw(made_sentences(shift, noise), "log_det_js"))


def test_panels_grow_with_their_labels() -> None:
    many = [f"Country number {number}." for number in range(15)]
    figure = draw(made_sentences(words=many), "last_token")
    assert figure.get_figwidth() > 1.2 * 2 * sentence_figure.PANEL[0]
    check_labels(figure)


def test_long_labels_are_shortened_and_long_contexts_wrapped() -> None:
    """Labels of the widest letters on a page of the usual size."""
    long = "W" * 90
    exact = "W" * 24
    contexts = {"one": "A b", "two": "A context of words that go on " * 9}
    sentences = made_sentences(words=[f"{long}.", f"{exact}."], contexts=contexts)
    numbers = numbers_of(sentences, "last_token")
    figure = draw_sentence_map(numbers, "A title", "A subtitle")
    for axis in figure.axes:
        found = sorted(label.get_text() for label in labels_of(axis))
        assert found == [exact, exact, "W" * 23 + "…", "W" * 23 + "…"]
    assert set(numbers["label"]) == {f"{long}.", f"{exact}."}, "the CSV keeps them whole"
    check_labels(figure)


def test_points_that_are_too_many_have_no_labels() -> None:
    sentences = made_sentences(words=[f"Country{number}." for number in range(60)])
    figure = draw(sentences, "last_token")
    assert figure.get_figwidth() < 8
    for axis in figure.axes:
        assert labels_of(axis) == []
        assert sum(len(line.get_xdata()) for line in axis.lines) == 180
    unsaid = "points without their words"
    entry = map_entry("last_token")
    assert unsaid in map_captions("Figure 4", sentences, entry, {})[1]
    assert unsaid not in map_captions("Figure 4", made_sentences(), entry, {})[1]


def test_labels_without_room_are_an_input_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sentence_figure, "MOST_LETTERS", 10.0)
    sentences = made_sentences(
        words=[f"The longest of all words {number}." for number in range(30)]
    )
    told = "words of data set 'kings_and_queens' find no place .* in 'A title'; give it fewer"
    with pytest.raises(InputError, match=told):
        draw(sentences, "last_token")


def test_sentences_without_a_word_are_called_by_their_ids() -> None:
    sentences = made_sentences(words=[""], contexts={"one": "A b", "two": "C d e", "two more": "F"})
    figure = draw(sentences, "last_token")
    assert [text.get_text() for text in labels_of(figure.axes[0])] == ["0", "1", "2"]
    assert legend_of(figure) == ["one", "two", "two more"]
    text = words(figure)
    assert "silhouette" not in text
    assert "nearest" not in text
    assert "null" not in text
    _, subtitle = map_captions("Figure 4", sentences, map_entry("last_token"), {})
    for unused in ("silhouettes", "nearest", "null"):
        assert unused not in subtitle


def test_captions_name_the_model_and_every_setting() -> None:
    sentences = made_sentences(stand_in=False)
    title, subtitle = map_captions(
        "Figure 6", sentences, map_entry("log_det_js", "log_det"), {"title": "Pythia-1.4B"}
    )
    assert title == "Figure 6: Pythia-1.4B"
    assert subtitle.startswith("EleutherAI/pythia-1.4b at fedc38a16eea; 45 sentences of 2 to 7")
    for wanted in (
        "layer final",
        "unit norm",
        "γ\u00a0=\u00a0100",
        "ridge 0.001",
        "log-det Jensen–Shannon distance with γ\u00a0=\u00a01000",
        "UMAP with 15 neighbours, minimal distance 0.1, seed 1",
        "silhouettes and nearest sentences are of the distances",
        "prefix null: the same of random states (mean of 5 draws) that depend on nothing but",
    ):
        assert wanted in subtitle


def test_captions_leave_out_what_was_not_used() -> None:
    entry: dict[str, Any] = map_entry("last_token", "token_mean")
    _, subtitle = map_captions("Figure 4", made_sentences(stand_in=False), entry, {})
    for unused in ("γ", "ridge", "covariances", "unit norm"):
        assert unused not in subtitle


def test_captions_say_whether_a_token_was_put_in_front() -> None:
    sentences = made_sentences()
    for provenance, said in (
        (sentences.provenance, False),
        ({"model": sentences.provenance["model"]}, False),
        ({**sentences.provenance, "options": {"bos": True}}, True),
    ):
        made = replace(sentences, provenance=provenance)
        _, subtitle = map_captions("Figure 4", made, map_entry("last_token"), {})
        assert ("with a beginning-of-sequence token in front" in subtitle) == said


def test_captions_of_one_context_speak_of_words_alone() -> None:
    """Two contexts of one group: the same words, but one group."""
    sentences = made_sentences(words=WORDS[:2])
    one = replace(sentences, groups=np.full(6, "all"))
    _, subtitle = map_captions("Figure 4", one, map_entry("last_token"), {})
    assert "; nearest sentences are of the distances" in subtitle
    short = replace(sentences, offsets=np.arange(7))
    assert "6 sentences of 1 token, " in map_captions("", short, map_entry("last_token"), {})[1]


def test_a_stand_in_is_called_so() -> None:
    title, subtitle = map_captions(
        "Figure 4", made_sentences(), map_entry("last_token"), {"title": "Pythia-1.4B"}
    )
    assert title == "Figure 4: Pythia-1.4B stand-in"
    assert subtitle.startswith(
        "Not Pythia-1.4B but a stand-in of 1.23M parameters, trained in seconds"
    )


def test_a_rebuild_is_the_same_bytes(tmp_path: Path) -> None:
    numbers = numbers_of(made_sentences(words=WORDS[:2]), "last_token")
    check_same_bytes(lambda: draw_sentence_map(numbers, "A title", "A subtitle"), numbers, tmp_path)
