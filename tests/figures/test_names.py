"""Names of groups, variants and panels: text up to the legend, none hidden or changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont

from figure_values import made_values, made_variants
from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import NAMES, read_csv, write_csv
from matrix_entropy.figures import fonts
from matrix_entropy.figures.fonts import FAMILY, chosen_families, families_for, width_of
from matrix_entropy.figures.kinds.first_token import draw_first_token, first_token_gaps
from matrix_entropy.figures.kinds.layers import draw_layers
from matrix_entropy.figures.kinds.length_control import (
    draw_length_control,
    length_control_gaps,
    published_groups,
)
from matrix_entropy.figures.kinds.operations import draw_operations, operations_numbers
from matrix_entropy.figures.kinds.untrained_blocks import draw_untrained_blocks
from matrix_entropy.figures.text import fitted, plain
from matrix_entropy.tables.writing import Layout, write_table

LONG = "You are an AI assistant that follows instructions extremely well. Help as much as you can."
# What matplotlib hides or takes for a formula, what a reader of tables takes for something else,
# what is long, and what the project's font lacks.
HARD = ["_train", "__", "$x_1$", "5$ or 6$", r"\$a\b", "a − b", "01", "NA", "all", "1e5", "None"]
HARD += [LONG, "W" * 300, "\u4e2d\u6587", "\u0939\u093f", "\U0001f600", "tab\there", "bell\x07"]
NAME = st.sampled_from(HARD) | st.text(
    st.characters(exclude_categories=["Cs", "Zl", "Zp", "Zs", "Cc"]), min_size=1, max_size=200
)
PAIR = st.lists(NAME, min_size=2, max_size=2, unique_by=lambda name: bare(plain(name)))
FEW = settings(
    deadline=None, max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def bare(words: str) -> str:
    """Words as they were before they were made safe to show, without white space."""
    return "".join(words.replace(r"\$", "$").split())


def legends(figure: Figure) -> list[str]:
    """All labels and titles of a figure's legends."""
    found = [*figure.legends, *(axis.get_legend() for axis in figure.axes)]
    return [
        bare(text.get_text())
        for legend in found
        if legend is not None
        for text in [legend.get_title(), *legend.get_texts()]
    ]


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    plt.close("all")


def curves_of(groups: list[str], panel: str) -> pd.DataFrame:
    """Curves over two blocks of some groups."""
    rows = [
        {
            "panel": panel,
            "group": group,
            "block": block,
            "texts": 3,
            "undefined": 0,
            "tokens_mean": 9.0,
            "normalised_mean": 0.5 + 0.1 * at,
            "normalised_std": 0.01,
            "entropy_bound_mean": 0.9,
            "normalised_without_first_row_mean": 0.5,
            "normalised_without_first_row_std": 0.01,
            "model": "m",
            "model_title": panel,
            "stand_in": False,
            "parameters": 1e6,
            "dataset": "d",
            "dataset_title": panel,
            "trained": 0.6,
            "trained_std": 0.1,
            "untrained": 0.5,
            "untrained_low": 0.4,
            "untrained_high": 0.6,
            "bound": 0.9,
            "seeds": 2,
        }
        for at, group in enumerate(groups)
        for block in range(2)
    ]
    return pd.DataFrame(rows)


@FEW
@given(groups=PAIR, panel=NAME)
@example(groups=["_train", "test"], panel="_panel")
@example(groups=["$a$", "all"], panel="$5 and $6")
def test_layers(groups: list[str], panel: str) -> None:
    """Every group is in the legend, in its order, and the panel's name above it."""
    found = legends(draw_layers(curves_of(groups, panel), panel, panel))
    shown = [label.split(",mean±std")[0] for label in found if ",mean±std" in label]
    assert shown == [bare(plain(group)) for group in groups]
    assert bare(plain(panel)) in found


@FEW
@given(groups=PAIR, panel=NAME)
@example(groups=["_train", "$x$"], panel="_panel")
def test_first_token(groups: list[str], panel: str) -> None:
    """The gap has both names, and so have panel and model."""
    numbers = curves_of(groups, panel)
    figure = draw_first_token(numbers, first_token_gaps(numbers), panel, panel)
    assert bare(plain(f"gaps: {' − '.join(groups)}")) in legends(figure)
    assert bare(figure.axes[0].get_title(loc="left")) == bare(plain(panel))
    assert bare(figure.axes[0].get_ylabel()).startswith(bare(plain(panel)))


@FEW
@given(groups=PAIR, panel=NAME)
@example(groups=["_train", "$x$"], panel="_panel")
def test_untrained_blocks(groups: list[str], panel: str) -> None:
    """Every group has its note above the panel."""
    numbers = curves_of(groups, panel)
    gaps = pd.DataFrame(columns=["block", "panel", "gap", "trained"])
    figure = draw_untrained_blocks(numbers, gaps, panel, panel)
    notes = "".join(bare(text.get_text()) for text in reversed(figure.axes[0].texts))
    assert notes == "".join(
        bare(plain(f"{group}: trained 0.600, untrained 0.500")) for group in groups
    )


@settings(FEW, max_examples=2)
@given(groups=PAIR)
@example(groups=["a − b", "_c"])
def test_length_control(groups: list[str]) -> None:
    """The pair is named, also where a name has the sign of a difference in it."""
    numbers = published_groups()
    numbers = numbers[numbers["model"] == numbers["model"].iloc[0]]
    first, second = dict.fromkeys(numbers[numbers["panel"] == "World stories"]["group"])
    names = dict(zip((first, second), groups, strict=True))
    numbers = numbers.assign(group=numbers["group"].replace(names))
    figure = draw_length_control(numbers, length_control_gaps(numbers), "t", "s")
    assert bare(plain(" − ".join(groups))) in legends(figure)


@settings(FEW, max_examples=3)
@given(variants=PAIR)
@example(variants=["_as is", "$5"])
def test_operations(variants: list[str]) -> None:
    """Variants are named in the legend, the first also where the others are compared with it."""
    values = made_variants(made_values(sizes={"1M": (1e6, 64), "10M": (1e7, 128)}), variants, 0.01)
    figure = draw_operations(operations_numbers(values), "t", "s")
    assert legends(figure)[1:3] == [bare(plain(variant)) for variant in variants]
    assert bare(plain(variants[0])) in bare(figure.axes[2].get_ylabel())


def test_a_long_name_leaves_the_room_to_the_curves() -> None:
    """The panels of a figure with a name of 110 letters are as large as those of one without."""

    def sizes(groups: list[str]) -> list[float]:
        figure = draw_layers(curves_of(groups, "panel"), "t", "s")
        figure.draw_without_rendering()
        return [side for axis in figure.axes for side in (axis.bbox.width, axis.bbox.height)]

    for short, long in zip(sizes(["a", "b"]), sizes([LONG * 2, "b"]), strict=True):
        assert long > 0.9 * short


# ---------------------------------------------------------------------------------------------
# Fonts


def test_the_projects_font_suffices_for_what_it_has(caplog: pytest.LogCaptureFixture) -> None:
    """Figures that were drawn before are drawn as before."""
    assert families_for("abc é ü Ω я ± − \n\t\u200d") == [FAMILY]
    assert not caplog.records


def test_other_fonts_are_chosen_for_what_it_lacks() -> None:
    """As few as have it all, a sans serif before others, and by name: always the same."""
    made = {
        "Serif CJK": "\u4e2d\u6587",
        "Z Sans CJK": "\u4e2d\u6587",
        "Sans CJK": "\u4e2d\u6587",
        "Sans Devanagari": "\u0939",
        "Pictures": "",
    }
    covers = {name: set(letters).__contains__ for name, letters in made.items()}
    missing = "\u4e2d\u6587\u0939\U0001f600"
    assert chosen_families(missing, covers) == (["Sans CJK", "Sans Devanagari"], {"\U0001f600"})
    assert chosen_families("", covers) == ([], set())
    assert chosen_families("a", {}) == ([], {"a"})


def test_a_font_of_this_machine_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind the project's own, and only where that lacks something."""
    known = {"Other Sans": lambda character: character in "\u4e2d"}
    monkeypatch.setattr(fonts, "_known", lambda: {FAMILY: str.isascii, **known})
    assert families_for("a\u4e2d") == [FAMILY, "Other Sans"]
    assert families_for("a") == [FAMILY]


def test_what_no_font_has_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One sentence names the characters and what to do."""
    monkeypatch.setattr(fonts, "_known", lambda: {FAMILY: str.isascii})
    monkeypatch.setattr(fonts, "_find_more", lambda: False)
    assert families_for("a\u4e2d") == [FAMILY]
    (record,) = (one for one in caplog.records if one.name.startswith("matrix_entropy"))
    assert "no font of this machine has \u4e2d (U+4E2D)" in record.getMessage()
    assert "install" in record.getMessage()


def test_fonts_are_asked_what_they_have() -> None:
    """By the font's own table; what is no font has nothing."""
    covers = fonts._covers(findfont(FAMILY), 0)
    assert covers("a")
    assert not covers("\u4e2d")
    assert not fonts._covers(__file__, 0)("a")


@settings(deadline=None)
@given(name=NAME, room=st.floats(60, 400))
def test_wrapped_names_fit_and_lose_nothing(name: str, room: float) -> None:
    """In lines no wider than the room, in any script."""
    lines = fitted(name, room, 8).split("\n")
    assert bare("".join(lines)) == bare(plain(name))
    assert all(width_of(line.replace(r"\$", "$"), 8) <= room + 40 for line in lines)


# ---------------------------------------------------------------------------------------------
# Tables


@settings(deadline=None)
@given(names=st.lists(NAME.filter(str.strip), min_size=1))
@example(names=["01", "10"])
@example(names=["NA", "nan", "None", "null", "True", "1.0", "1e5", "inf"])
def test_names_are_read_from_a_table_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
) -> None:
    """None becomes a number or a missing value; numbers stay numbers."""
    path = tmp_path_factory.getbasetemp() / "names.csv"
    frame = pd.DataFrame({"group": names, "value": [0.5] * len(names)})
    write_csv(path, frame)
    found = read_csv(path)
    assert found["group"].tolist() == names
    assert found["value"].tolist() == [0.5] * len(names)
    assert "group" in NAMES


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("group,value\n", None),
        ("group,value,ppl_token,layer\na,1.5,inf,0\nb,,1,final\n", None),
        ("group,value\na,1\nb,2", "its last line broke off"),
        ("group,value\na,1\nb\n", "is shorter than"),
        ("group,value\na,1\nb,2,3\n", "is longer than"),
        ('group,value\na,1\n"b,2\n', "unexpected end of data"),
        ("group,value\na,1\nb,x\n", "column value has text among its numbers"),
        ("group,value\na,1\nb,nan\n", "column value has text among its numbers"),
        ("group,share\na,1\nb,inf\n", "column share has an infinite number"),
        ("group,value\na,1\n\udcff,2\n", "can't decode"),
        ("", "not enough values"),
    ],
)
def test_our_own_csv_files_that_are_damaged(tmp_path: Path, content: str, told: str | None) -> None:
    path = tmp_path / "figure.csv"
    path.write_bytes(content.encode(errors="surrogateescape"))
    if told is None:
        read_csv(path)
        return
    with pytest.raises(
        InputError, match=f"figure.csv is damaged .*{told}.*; delete it and run"
    ) as e:
        read_csv(path)
    assert "\n" not in str(e.value)


def test_variants_that_look_like_numbers(tmp_path: Path) -> None:
    """A summary keeps them as they are, and layers with them."""
    rows = [
        {"view": "all_rows", "group": g, "layer": "1", "matrix_entropy": 1.0} for g in ("01", "10")
    ]
    write_csv(tmp_path / "x.summary.csv", pd.DataFrame(rows))
    found = read_csv(tmp_path / "x.summary.csv", "layer")
    assert found["group"].tolist() == ["01", "10"]
    assert found["layer"].tolist() == ["1", "1"]


def test_long_names_are_wrapped_in_latex(tmp_path: Path) -> None:
    """At the left of a row and above a column, so that the table stays on the page."""
    frame = pd.DataFrame(
        {"variant": [LONG, "b"], "size": ["1M", LONG], "indicator": "loss", "value": [1.0, 2.0]}
    )
    write_table(frame, Layout(("variant",), "size"), [tmp_path / "x.tex"], "Caption.")
    text = (tmp_path / "x.tex").read_text()
    assert r"p{0.35\linewidth}" in text
    assert r"\shortstack[r]{You are" in text
