"""Made-up values of models across sizes, and what the tests of all figures of them look for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from matrix_entropy.figures.style import save_figure

CEREBRAS = {
    "111M": (111e6, 768),
    "256M": (256e6, 1088),
    "590M": (590e6, 1536),
    "1.3B": (1.3e9, 2048),
    "2.7B": (2.7e9, 2560),
    "6.7B": (6.7e9, 4096),
    "13B": (13e9, 5120),
}
PYTHIA = {
    "14M": (14.07e6, 128),
    "31M": (30.5e6, 256),
    "70M": (70.4e6, 512),
    "160M": (162e6, 768),
    "410M": (405e6, 1024),
    "1B": (1.012e9, 2048),
    "1.4B": (1.415e9, 2048),
    "2.8B": (2.775e9, 2560),
    "6.9B": (6.857e9, 4096),
    "12B": (11.85e9, 5120),
}
DATASETS = {"dolly": "Dolly contexts", "wiki": "Wikipedia", "web": "OpenWebText2", "hh": "HH-RLHF"}


def made_values(
    family: str = "Cerebras-GPT",
    sizes: dict[str, tuple[float, int]] | None = None,
    datasets: tuple[str, ...] = ("dolly",),
    stand_in: bool = False,
    weights: str = "",
) -> pd.DataFrame:
    """One row per model and data set, with effective ranks that rise a little with size."""
    random = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    for place, dataset in enumerate(datasets):
        for size, (parameters, width) in (sizes or CEREBRAS).items():
            rank = (50 + 15 * place) * (parameters / 1e9) ** 0.04 * (1 + 0.03 * random.normal())
            entropy, spread = np.log(rank), 0.3
            loss = 24 * parameters**-0.1
            rows.append(
                {
                    "model": f"{family} {size}",
                    "model_title": f"{family}-{size}",
                    "family": family,
                    "size": size,
                    "parameters": parameters / (1e4 if stand_in else 1),
                    "width": width,
                    "stand_in": stand_in,
                    "weights": weights,
                    "dataset": dataset,
                    "dataset_title": DATASETS[dataset],
                    "variant": "",
                    "order": 0,
                    "texts": 1200,
                    "undefined": 0,
                    "truncated": 0,
                    "tokens_mean": 300.0,
                    "matrix_entropy": entropy,
                    "entropy_a": entropy / np.log(width),
                    "entropy_b": rank / width,
                    "entropy_c": rank * np.exp(spread**2 / 2) / width,
                    "entropy_a_std": spread / np.log(width),
                    "effective_rank": rank * np.exp(spread**2 / 2),
                    "effective_rank_std": rank * spread,
                    "effective_rank_geometric": rank,
                    "entropy_bound": np.log(min(299, width)) / np.log(width),
                    "loss": loss,
                    "ppl_token": np.exp(loss),
                    "ppl_windows": np.exp(loss - 0.1),
                }
            )
    return pd.DataFrame(rows)


def made_variants(values: pd.DataFrame, variants: list[str], step: float) -> pd.DataFrame:
    """The values once for every variant, each with ``step`` more of H / log d than the last."""
    parts = []
    for order, variant in enumerate(variants):
        entropy = values["entropy_a"] + order * step
        rank = np.exp(entropy * np.log(values["width"]))
        parts.append(
            values.assign(
                variant=variant,
                order=order,
                entropy_a=entropy,
                effective_rank_geometric=rank,
                effective_rank=1.1 * rank,
                difference=order * step * np.linspace(0.8, 1.2, len(values)),
                difference_sem=order * step / 10,
                pairs=1200,
            )
        )
    return pd.concat(parts, ignore_index=True)


def words(figure: Figure) -> str:
    """All that is written in a figure, a line for each text."""
    return "\n".join(text.get_text() for text in _drawn_texts(figure))


def legend_of(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def size_ticks(figure: Figure) -> list[str]:
    """The labels below the last panel, in their order."""
    labels = figure.axes[-1].get_xticklabels()
    return [label.get_text() for label in labels if label.get_text()]


def check_layout(figure: Figure) -> None:
    """No text covers another or a panel, none leaves the page or is too small to read."""
    figure.canvas.draw()
    page = figure.bbox
    boxes = []
    for text in _drawn_texts(figure):
        name, box = text.get_text(), text.get_window_extent()
        assert text.get_fontsize() >= 6.5, f"{name!r} is too small"
        assert page.x0 - 1 <= box.x0 < box.x1 <= page.x1 + 1, f"{name!r} leaves the page"
        assert page.y0 - 1 <= box.y0 < box.y1 <= page.y1 + 1, f"{name!r} leaves the page"
        for other, other_box in boxes:
            assert not _overlap(box, other_box), f"{name!r} and {other!r} overlap"
        for axis in figure.axes:
            inside = name == "not measured"
            assert inside or not _overlap(box, axis.bbox), f"{name!r} covers a panel"
        boxes.append((name, box))


def check_same_bytes(draw: Callable[[], Figure], numbers: pd.DataFrame, folder: Path) -> None:
    """Drawn twice, a figure and its numbers are the same files.

    That its PNG is too, `test_layer_figure.py` holds: all are written by one function.
    """
    for name in ("first", "second"):
        paths = [folder / name / f"figure{ending}" for ending in (".pdf", ".csv")]
        save_figure(draw(), numbers, paths)
    for path in (folder / "first").iterdir():
        assert path.read_bytes() == (folder / "second" / path.name).read_bytes(), path.name


def _drawn_texts(figure: Figure) -> list[Text]:
    """Texts that are not empty, without labels of ticks beyond the limits, which nobody sees."""
    beyond = set()
    for axis in figure.axes:
        for side, limits in ((axis.xaxis, axis.get_xlim()), (axis.yaxis, axis.get_ylim())):
            for tick in side.get_major_ticks():
                if not limits[0] <= tick.get_loc() <= limits[1]:
                    beyond |= {id(tick.label1), id(tick.label2)}
    return [
        text
        for text in figure.findobj(Text)
        if text.get_visible() and text.get_text().strip() and id(text) not in beyond
    ]


def _overlap(first: Bbox, second: Bbox) -> bool:
    """Whether two boxes share more than their empty rims."""
    width = min(first.x1, second.x1) - max(first.x0, second.x0)
    height = min(first.y1, second.y1) - max(first.y0, second.y0)
    return width > 1.5 and height > 1.5


def whole_metrics(metrics: pd.DataFrame, width: int = 1000) -> pd.DataFrame:
    """A made-up table of entropies, with the other metrics that belong to them."""
    if "matrix_entropy" not in metrics:
        entropies = metrics["matrix_entropy_normalised"] * np.log(width)
        metrics = metrics.assign(matrix_entropy=entropies)
    normalised = metrics["matrix_entropy"] / np.log(width)
    rank = np.exp(metrics["matrix_entropy"])
    others = {"matrix_entropy_normalised": normalised, "entropy_bound_normalised": 1.0}
    missing = {name: values for name, values in others.items() if name not in metrics}
    return metrics.assign(effective_rank=rank, **missing)
