"""The atlas: the metrics of many models, data sets and layers in one page to look around in.

The page holds its numbers, its program and the library that draws (Vega-Lite), and takes nothing
from elsewhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import read_jsonl, writing
from matrix_entropy.figures.style import COLOURS, MARKERS
from matrix_entropy.maths.units import NATS, RANK
from matrix_entropy.pages.page_style import STYLE
from matrix_entropy.results import columns
from matrix_entropy.results.asked_views import ALL_ROWS
from matrix_entropy.results.metrics import read_metrics, read_summary
from matrix_entropy.results.model_values import FINAL, described_model
from matrix_entropy.results.model_words import in_title

Entry = dict[str, Any]

HERE = Path(__file__).parent
DIGITS = 6
# Of every model, data set, group, layer and metric, so many texts at either end.
EXTREMES = 3
LETTERS = 240  # of a text
# What stands beside the metrics of a spectrum in summaries.
LOSSES = {
    "loss": ("mean negative log-likelihood", "nats per token"),
    "ppl_token": ("perplexity over all tokens", "1"),
}
SHAPES = {"o": "circle", "s": "square", "^": "triangle-up", "D": "diamond", "v": "triangle-down"}


def write_atlas(
    page: str | Path,
    metrics: Sequence[str],
    summaries: Sequence[str],
    models: Mapping[str, Entry],
    datasets: Mapping[str, Entry],
    texts: Collection[str] = (),
) -> None:
    """Write ``page``, an HTML file that needs no other.

    Parameters
    ----------
    metrics, summaries : sequence of str
        ``{model}/{dataset}.parquet`` and ``{model}/{dataset}.summary.csv`` of every run.
    models : mapping
        Entries of the configuration by name: what the page calls them.
    datasets : mapping
        By name ``title``, ``licence`` and ``hidden``, as `configuration.licences` has them.
    texts : collection of str
        ``{dataset}.jsonl`` of data sets that have texts which may be shown.

    Raises
    ------
    InputError
        If there is no run, a file is damaged, or a model's number of parameters is unknown.
    """
    if not metrics:
        raise InputError(
            "the atlas has no metrics to show: no figure or table of the configuration runs a "
            "language model over texts; add one, or name one in `targets:`."
        )
    data = atlas_data(metrics, summaries, models, datasets, texts)
    # Nothing inside may end the element that it stands in.
    embedded = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", r"\u003c")
    parts = {
        "STYLE": STYLE,
        "DATA": embedded,
        "LIBRARY": _library(),
        "PROGRAM": (HERE / "atlas.js").read_text(encoding="utf-8"),
    }
    empty = (HERE / "atlas.html").read_text(encoding="utf-8")
    whole = re.sub(r"/\*([A-Z]+)\*/", lambda place: parts[place[1]], empty)
    with writing(page) as temporary:
        temporary.write_text(whole, encoding="utf-8")


def atlas_data(
    metrics: Sequence[str],
    summaries: Sequence[str],
    models: Mapping[str, Entry],
    datasets: Mapping[str, Entry],
    texts: Collection[str] = (),
) -> Entry:
    """All that the page shows, as JSON can hold it: `write_atlas` has the parameters.

    ``metrics`` (words and unit of each), ``models``, ``datasets``, ``runs`` (a model on a data set:
    its ``series``, one per view and group, with a list over layers per metric, of means, and of
    standard deviations where there are some; ``extremes``, the texts with the lowest and highest
    values) and ``texts`` (number of tokens, group and, where it may be shown, the beginning).
    Undefined values are null.
    """
    data: Entry = {
        "metrics": _metrics(),
        "models": {},
        "datasets": {},
        "runs": [],
        "texts": {},
        "colours": COLOURS,
        "shapes": [SHAPES[marker] for marker in MARKERS if marker in SHAPES],
    }
    beginnings = {
        Path(path).stem: _beginnings(path, datasets[Path(path).stem]["hidden"]) for path in texts
    }
    for path, summary in zip(metrics, summaries, strict=True):
        model, dataset = Path(path).parent.name, Path(path).stem
        of_texts, provenance = read_metrics(path)
        data["models"][model] = _model(path, models[model], provenance["model"])
        entry = datasets[dataset]
        data["datasets"][dataset] = {
            "title": entry.get("title", dataset),
            "licence": entry["licence"],
            "shown": dataset in beginnings and not entry["hidden"],
        }
        of_dataset = data["texts"].setdefault(dataset, {})
        run = _run(read_summary(summary), of_texts, models[model]["layers"])
        for text in of_texts[of_texts["id"].isin(_in(run["extremes"]))].itertuples():
            of_dataset[text.id] = {
                "group": text.group,
                "tokens": int(text.tokens),
                "text": beginnings.get(dataset, {}).get(text.id),
            }
        data["runs"].append({"model": model, "dataset": dataset, **run})
    shown = {name for run in data["runs"] for each in run["series"] for name in each["means"]}
    data["metrics"] = {name: each for name, each in data["metrics"].items() if name in shown}
    return data


def _metrics() -> dict[str, Entry]:
    """Words, unit and, for normalising, the kind of every number that there may be."""
    kinds = {NATS.name: "entropy", RANK.name: "rank"}
    found = {
        each.name: {
            "says": each.says.replace("`", ""),
            "unit": "" if each.unit.name == "1" else each.unit.name,
            "kind": kinds[each.unit.name] if each.unit in (NATS, RANK) else "",
        }
        for each in (*columns.METRICS, *columns.if_asked())
    }
    found |= {
        name: {"says": says, "unit": unit.replace("1", ""), "kind": ""}
        for name, (says, unit) in LOSSES.items()
    }
    return found


def _model(metrics: str, entry: Entry, record: Entry) -> Entry:
    described = described_model(metrics, entry)
    checkpoint = entry.get("checkpoint", {})
    return {
        "title": in_title(described["model_title"], record),
        "family": described["family"],
        "parameters": described["parameters"],
        "stand_in": described["stand_in"],
        "step": checkpoint.get("step"),
        "of": checkpoint.get("title"),
    }


def _run(summary: pd.DataFrame, of_texts: pd.DataFrame, blocks: int) -> Entry:
    summary = summary.sort_values("depth", kind="stable")
    width = int(summary["width"].iloc[0])
    series = []
    of_views = {each.name for each in columns.METRICS}
    for (view, group), table in summary.groupby(["view", "group"], sort=False):
        means = {name: table[name] for name in _names() if name in table}
        means["matrix_entropy_normalised"] = table["entropy_a"]
        stds = {name: table[f"{name}_std"] for name in means if f"{name}_std" in table}
        stds["matrix_entropy_normalised"] = table["entropy_a_std"]
        # H is that share of log d, and so is its deviation.
        stds["matrix_entropy"] = table["entropy_a_std"] * np.log(width)
        series.append(
            {
                "view": view,
                "group": group,
                "counts": {
                    name: _counts(name, table, of_texts)
                    for name in means
                    if name in of_views or view == ALL_ROWS
                },
                "bound": _numbers(table["entropy_bound"]),
                "means": {
                    name: _numbers(found) for name, found in means.items() if found.notna().any()
                },
                "stds": {name: _numbers(found) for name, found in stds.items()},
            }
        )
    layers = summary.drop_duplicates("depth")["layer"].astype(str).tolist()
    return {
        "layers": layers,
        # The last normalisation comes after the last block.
        "places": [blocks + 1 if layer == FINAL else int(layer) for layer in layers],
        "blocks": blocks,
        "width": width,
        "series": series,
        "extremes": _extremes(of_texts),
    }


def _counts(name: str, summary: pd.DataFrame, of_texts: pd.DataFrame) -> list[int]:
    """How many texts are in each layer's mean.

    Further metrics and measures leave out texts of their own, which the table of texts has for all
    rows alone.
    """
    if name in of_texts and summary["view"].iloc[0] == ALL_ROWS:
        rows = of_texts[of_texts["group"] == summary["group"].iloc[0]]
        found = rows.groupby("depth")[name].count()
    else:
        found = summary["texts"] - summary["undefined"]
    return list(map(int, found))


def _names() -> list[str]:
    return [each.name for each in (*columns.METRICS, *columns.if_asked())] + list(LOSSES)


def _numbers(values: pd.Series) -> list[float | None]:
    """Rounded, since a reader sees no more; what is undefined is None."""
    return [None if np.isnan(value) else float(f"{value:.{DIGITS}g}") for value in values]


def _extremes(of_texts: pd.DataFrame) -> dict[str, dict[str, list[list[list[Any]]]]]:
    """By metric and group, a list over layers of the lowest texts, then the highest.

    Each text is its id and its value; texts with equal values stand in the order of the data set.
    """
    found: dict[str, dict[str, list[list[list[Any]]]]] = {}
    for name in [name for name in _names() if name in of_texts]:
        for group, table in of_texts.dropna(subset=[name]).groupby("group", sort=False):
            per_layer: list[list[list[Any]]] = [[] for _ in range(of_texts["depth"].max() + 1)]
            for depth, rows in table.groupby("depth"):
                rows = rows.sort_values(name, kind="stable")[["id", name]]
                ends = pd.concat([rows.head(EXTREMES), rows.iloc[EXTREMES:].tail(EXTREMES)])
                per_layer[depth] = [
                    [text, float(f"{value:.{DIGITS}g}")]
                    for text, value in ends.itertuples(index=False)
                ]
            found.setdefault(name, {})[str(group)] = per_layer
    return found


def _in(extremes: dict[str, dict[str, list[list[list[Any]]]]]) -> set[str]:
    return {
        text
        for groups in extremes.values()
        for per_layer in groups.values()
        for ends in per_layer
        for text, _ in ends
    }


def _beginnings(path: str, hidden: Collection[str]) -> dict[str, str]:
    """The first letters of every text of a group that is not hidden, by its id."""
    found = {}
    for record in read_jsonl(path):
        if record["group"] in hidden:
            continue
        text = " ".join(record["text"][: 2 * LETTERS].split())
        found[record["id"]] = text if len(text) <= LETTERS else f"{text[:LETTERS].rstrip()} …"
    return found


def _library() -> str:
    """Vega-Lite and what it needs, as one script; it makes the function ``embed``."""
    import vl_convert

    bundle: str = vl_convert.javascript_bundle("window.embed = vegaEmbed;")
    return bundle.replace("</script", r"<\/script")
