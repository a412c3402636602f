"""The figure across layers: its numbers, its words and its bytes."""

from __future__ import annotations

import re
import zlib
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from matrix_entropy.base.errors import InputError
from matrix_entropy.configuration.stand_ins import STAND_INS
from matrix_entropy.figures.kinds.layers import captions, draw_layers, layer_curves
from matrix_entropy.figures.style import COLOURS, GREY, save_figure
from matrix_entropy.results import columns

PANELS = {"Long": ["good long", "bad long"], "Short": ["good short", "bad short"]}
STAND_IN = {
    "model": {"model": "small", "stand_in": True, "training": {"architecture": "gpt2"}},
    "dataset": {"name": "child"},
    "options": {"layers": 3, "width": 48, "bos": True},
}


@pytest.fixture(scope="module")
def metrics() -> pd.DataFrame:
    random = np.random.default_rng(0)
    layers = ["0", "1", "2", "3", "final"]
    rows = [
        {
            "id": f"{group} {text}",
            "group": group,
            "layer": layer,
            "depth": depth,
            "tokens": 20 + text,
            "matrix_entropy_normalised": random.random(),
            "entropy_bound_normalised": 9.5,
            "matrix_entropy_normalised_without_first_row": random.random(),
            "matrix_entropy_normalised_equal_length": random.random(),
        }
        for groups in PANELS.values()
        for group in groups
        for text in range(4)
        for depth, layer in enumerate(layers)
    ]
    table = pd.DataFrame(rows)
    table.loc[table["id"] == "bad short 3", "matrix_entropy_normalised"] = np.nan
    return table


@pytest.fixture
def figure(metrics: pd.DataFrame) -> Figure:
    figure = draw_layers(layer_curves(metrics, PANELS), "A title", "A subtitle")
    yield figure
    plt.close(figure)


def test_curves_are_means_and_population_deviations(metrics: pd.DataFrame) -> None:
    curves = layer_curves(metrics, PANELS)
    assert len(curves) == 4 * 3, "blocks only: neither embeddings nor the final norm"
    assert set(curves["block"]) == {0, 1, 2}
    row = curves[(curves["group"] == "good long") & (curves["block"] == 1)].iloc[0]
    part = metrics[(metrics["group"] == "good long") & (metrics["layer"] == "2")]
    values = part["matrix_entropy_normalised"].to_numpy()
    assert row["normalised_mean"] == pytest.approx(values.mean())
    assert row["normalised_std"] == pytest.approx(np.std(values))


def test_undefined_texts_are_counted_and_in_no_mean(metrics: pd.DataFrame) -> None:
    curves = layer_curves(metrics, PANELS)
    row = curves[(curves["group"] == "bad short") & (curves["block"] == 0)].iloc[0]
    assert (row["texts"], row["undefined"]) == (4, 1)
    assert np.isfinite(row["normalised_mean"])


def test_a_panel_with_an_unknown_group_is_named(metrics: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="wants a group 'worse', but there are: good long"):
        layer_curves(metrics, {"Long": ["good long", "worse"]})


def test_the_lines_are_the_numbers_of_the_table(metrics: pd.DataFrame, figure: Figure) -> None:
    curves = layer_curves(metrics, PANELS)
    good = curves[curves["group"] == "good long"]
    line = figure.axes[0].lines[0]
    np.testing.assert_array_equal(line.get_ydata(), good["normalised_mean"])
    assert [figure.axes[0].lines[i].get_color() for i in (0, 2)] == list(COLOURS[:2])


def test_every_part_is_labelled(figure: Figure) -> None:
    legends = [[text.get_text() for text in axis.get_legend().get_texts()] for axis in figure.axes]
    assert legends[0][0] == "good long, mean ± std of 4 texts"
    assert legends[1][1] == "bad short, mean ± std of 3 texts"
    assert "bound" in legends[0][2]
    assert legends[2] == ["first row left out", "texts cut to equal length"]
    assert figure.axes[0].get_ylabel()
    assert figure.axes[2].get_xlabel()


def test_controls_for_long_rows_are_drawn_where_they_were_measured(metrics: pd.DataFrame) -> None:
    names = ["without_long_rows", "equal_length_without_long_rows"]
    measured = metrics.assign(
        **{
            f"matrix_entropy_normalised_{name}": metrics["matrix_entropy_normalised"] + number
            for number, name in enumerate(names, start=1)
        }
    )
    curves = layer_curves(measured, PANELS)
    figure = draw_layers(curves, "A title", "A subtitle")
    words = [text.get_text() for text in figure.axes[2].get_legend().get_texts()]
    assert words[2:] == ["long rows left out", "equal length, long rows left out"]
    good = curves[curves["group"] == "good long"]
    for line, name in zip(figure.axes[2].lines[2:4], names, strict=True):
        np.testing.assert_array_equal(line.get_ydata(), good[f"normalised_{name}_mean"])
    plt.close(figure)


def test_a_bound_far_above_is_said_to_be_off_scale(figure: Figure) -> None:
    assert "9.50 / 9.50, off scale" in figure.axes[0].get_legend().get_texts()[2].get_text()


def test_a_stand_in_is_called_one_in_the_title() -> None:
    title, subtitle = captions("Figure 5", {"title": "GPT-2 Large"}, {}, STAND_IN)
    assert "GPT-2 Large stand-in" in title
    assert subtitle.startswith("Not GPT-2 Large but a stand-in")


def test_every_architecture_of_a_stand_in_has_a_name() -> None:
    for architecture, called in STAND_INS.items():
        training = {"training": {"architecture": architecture}}
        record = STAND_IN["model"] | training
        assert f"a {called} of 3 blocks" in captions("F", {}, {}, STAND_IN | {"model": record})[1]


def test_a_real_model_is_named_with_its_commit() -> None:
    hub = {"model": "gpt2", "id": "openai-community/gpt2", "commit": "c" * 40, "stand_in": False}
    title, subtitle = captions("Figure 3", {}, {}, {**STAND_IN, "model": hub})
    assert "stand-in" not in title + subtitle
    assert "openai-community/gpt2 at cccccccccccc" in subtitle


def test_a_model_out_of_a_gguf_file_says_so() -> None:
    words = "4-bit weights, dequantised"
    gguf = {"file": "m.Q4_1.gguf", "tensors": {"Q4_1": 210, "F32": 61}, "weights": words}
    record = {"model": "m", "source": "package", "id": "llm-m 0.1", "stand_in": False, "gguf": gguf}
    title, subtitle = captions("Layers", {"title": "M"}, {}, STAND_IN | {"model": record})
    assert title.startswith(f"Layers: M ({words}), ")
    assert subtitle.startswith(f"m.Q4_1.gguf of llm-m 0.1 ({words}; tensors: 210 Q4_1, 61 F32): ")


def test_a_rebuild_is_the_same_bytes(metrics: pd.DataFrame, tmp_path: Path) -> None:
    for name in ("first", "second"):
        curves = layer_curves(metrics, PANELS)
        figure = draw_layers(curves, "A title", "A subtitle")
        paths = [tmp_path / name / f"figure{end}" for end in (".pdf", ".png", ".csv")]
        save_figure(figure, curves, paths)
    for path in (tmp_path / "first").iterdir():
        assert path.read_bytes() == (tmp_path / "second" / path.name).read_bytes(), path.name


def test_fonts_are_embedded_truetype(figure: Figure, tmp_path: Path) -> None:
    save_figure(figure, pd.DataFrame(), [tmp_path / "figure.pdf"])
    pdf = (tmp_path / "figure.pdf").read_bytes()
    assert b"/FontFile2" in pdf
    assert b"/CIDFontType2" in pdf
    assert b"/Type3" not in pdf
    assert b"CreationDate" not in pdf


def test_text_stays_text(figure: Figure, tmp_path: Path) -> None:
    """With TrueType fonts a PDF's words can be searched: they are shown by glyph, not as paths."""
    save_figure(figure, pd.DataFrame(), [tmp_path / "figure.pdf"])
    pdf = (tmp_path / "figure.pdf").read_bytes()
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL)
    shown = b"".join(zlib.decompress(s) for s in streams if s[:1] == b"x")
    assert b" Tj" in shown or b" TJ" in shown


def test_dollar_signs_are_shown_as_they_are(metrics: pd.DataFrame, tmp_path: Path) -> None:
    table = metrics.replace({"group": {"good long": r"price $\5$ a"}})
    curves = layer_curves(table, {"Cost in $ and $x^2$": [r"price $\5$ a", "bad long"]})
    figure = draw_layers(curves, "A $title$ \\5", "A path/with $signs$")
    save_figure(figure, curves, [tmp_path / "figure.png"])


def test_no_entropy_at_all_is_said(metrics: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="none of the 16 texts has an entropy"):
        layer_curves(metrics.assign(matrix_entropy_normalised=np.nan), PANELS)


@pytest.fixture
def measured(metrics: pd.DataFrame) -> tuple[pd.DataFrame, columns.Metric]:
    """The texts with a measure of their states, which one lacks, and what it is."""
    (curvature,) = [each for each in columns.measured() if each.name == "curvature"]
    values = np.linspace(1.5, 2.5, len(metrics))
    values[metrics["id"] == "good long 0"] = np.nan
    return metrics.assign(curvature=values), curvature


def test_a_measure_is_drawn_alone(measured: tuple[pd.DataFrame, columns.Metric]) -> None:
    table, curvature = measured
    curves = layer_curves(table, PANELS, curvature)
    row = curves[(curves["group"] == "good long") & (curves["block"] == 1)].iloc[0]
    part = table[(table["group"] == "good long") & (table["layer"] == "2")]["curvature"].dropna()
    assert (row["texts"], row["undefined"], len(part)) == (4, 1, 3)
    assert row["curvature_mean"] == pytest.approx(part.mean())
    assert row["curvature_std"] == pytest.approx(np.std(part))
    assert not [name for name in curves if "normalised" in name or "bound" in name]
    figure = draw_layers(curves, "A title", "A subtitle", chosen=curvature)
    assert len(figure.axes) == 2, "no controls"
    assert figure.axes[0].get_ylabel() == "Curvature (radians)"
    names = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert names == ["good long, mean ± std of 3 texts", "bad long, mean ± std of 4 texts"]
    good = curves[curves["group"] == "good long"]["curvature_mean"]
    np.testing.assert_array_equal(figure.axes[0].lines[0].get_ydata(), good)
    low, high = figure.axes[0].get_ylim()
    assert 1.4 < low < good.min() < good.max() < high < 2.6
    said = re.sub(r"\s+", " ", figure.get_supxlabel())
    assert said.startswith("Mean angle between successive steps from row to row (Hosseini")
    assert said.endswith("2023). A subtitle")
    plt.close(figure)


def test_a_metric_of_spectra_is_drawn_alone(metrics: pd.DataFrame) -> None:
    (rankme,) = [each for each in columns.if_asked() if each.name == "rankme"]
    curves = layer_curves(metrics.assign(rankme=np.arange(len(metrics)) + 1.0), PANELS, rankme)
    figure = draw_layers(curves, "A title", "A subtitle", chosen=rankme)
    assert figure.axes[0].get_ylabel() == "RankMe (directions)"
    said = re.sub(r"\s+", " ", figure.get_supxlabel())
    assert said.startswith("Effective rank by singular values exp(−Σ p log p), p = √λ / Σ √λ (G")
    plt.close(figure)


def test_no_value_of_a_measure_is_said(measured: tuple[pd.DataFrame, columns.Metric]) -> None:
    table, curvature = measured
    with pytest.raises(InputError, match="none of the 16 texts has a value of `curvature` to draw"):
        layer_curves(table.assign(curvature=np.nan), PANELS, curvature)


def test_no_block_is_said(metrics: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="no block was extracted"):
        layer_curves(metrics[metrics["layer"].isin(["0", "final"])], PANELS)


def test_all_texts_in_one_group_need_no_panel(metrics: pd.DataFrame) -> None:
    table = metrics.assign(group="all")
    figure = draw_layers(layer_curves(table, {"": ["all"]}), "A title", "A subtitle")
    assert len(figure.axes) == 2
    assert figure.axes[0].get_legend().get_texts()[0].get_text().startswith("all texts")
    plt.close(figure)


def grey_curves(groups: list[str], blocks: float = 1.0) -> pd.DataFrame:
    """Published curves of five blocks, the last of which stands at four times ``blocks``."""
    return pd.DataFrame(
        {
            "group": np.repeat(groups, 5),
            "block": np.tile(np.arange(5) * blocks, len(groups)),
            "mean": np.linspace(-0.5, 0.7, 5 * len(groups)),
            "std": 0.1,
            "published_blocks": 5,
        }
    )


def test_a_published_curve_stands_in_grey_behind_ours(metrics: pd.DataFrame) -> None:
    curves = layer_curves(metrics, PANELS)
    published = grey_curves(["good long", "bad long", "another"])
    figure = draw_layers(curves, "A title", "A subtitle", published)
    axis = figure.axes[0]
    grey = [line for line in axis.lines if line.get_color() == GREY and line.get_marker() == "None"]
    theirs = published[published["group"] == "bad long"]
    assert any(np.array_equal(line.get_ydata(), theirs["mean"]) for line in grey)
    assert len(grey) == 2, "none of a group that is not drawn"
    assert max(line.get_zorder() for line in grey) < axis.lines[0].get_zorder()
    assert axis.get_ylim()[0] < -0.6, "its bars are on the page"
    names = [text.get_text() for text in axis.get_legend().get_texts()]
    assert names[3:] == ["published: good long (5 blocks)", "published: bad long (5 blocks)"]
    condensed = [text.get_text() for text in figure.axes[1].get_legend().get_texts()]
    assert not any(name.startswith("published") for name in condensed)
    plt.close(figure)


def test_a_curve_stretched_to_another_depth_is_said_to_be(metrics: pd.DataFrame) -> None:
    published = grey_curves(["good long"], blocks=0.5)
    figure = draw_layers(layer_curves(metrics, PANELS), "A title", "A subtitle", published)
    names = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert names[-1] == "published: good long (5 blocks, stretched)"
    plt.close(figure)


def test_without_a_published_curve_the_figure_is_as_it_was(
    metrics: pd.DataFrame, tmp_path: Path
) -> None:
    curves = layer_curves(metrics, PANELS)
    for number, published in enumerate((None, grey_curves([]), grey_curves(["another"]))):
        figure = draw_layers(curves, "A title", "A subtitle", published)
        save_figure(figure, curves, [tmp_path / f"{number}.png"])
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("rankme", "RankMe (directions)"),
        ("renyi_entropy_two", "Rényi entropy of order 2 (nats)"),
        ("participation_ratio", "Participation ratio (directions)"),
        ("norm_ratio", "Largest norm / median norm"),
        ("curvature", "Curvature (radians)"),
    ],
)
def test_an_axis_says_what_is_drawn_and_its_unit(
    metrics: pd.DataFrame, name: str, label: str
) -> None:
    chosen = next(each for each in columns.if_asked() if each.name == name)
    curves = layer_curves(metrics.assign(**{name: 2.0}), PANELS, chosen)
    figure = draw_layers(curves, "A title", "A subtitle", None, chosen)
    assert figure.axes[0].get_ylabel() == label
    plt.close(figure)
