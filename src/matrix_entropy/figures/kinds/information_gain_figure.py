"""Information gain against the length of the context: Tan et al. 2024, Figure 3.

The paper divides the gain and its increments by the width d, and reads from the curves that both
are flatter for larger models. No increment of a unit kernel can exceed ``½ log(1 + 1/σ²)``, which
has no d in it; so the increments are drawn as they are, too, and beside every gain over d its bound
over d, which orders the models by width without any state of theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from matrix_entropy.figures.drawing import Drawing, Runs, titled
from matrix_entropy.figures.numbers import in_order
from matrix_entropy.figures.size_axis import log_ordinate
from matrix_entropy.figures.style import COLOURS, GREY, styled
from matrix_entropy.figures.text import (
    drawn_with,
    frame_figure,
    head_panel,
    left_out_in_front,
    model_captions,
    plain,
)
from matrix_entropy.maths.information_gain import (
    CENTRED_COSINE,
    COSINE,
    LINEAR,
    gain_increments,
    information_gains,
    largest_gain,
    largest_increment,
)
from matrix_entropy.results.gain_file import Gains, gathered_gains
from matrix_entropy.results.model_values import Entry, fresh_starts, parameters_of
from matrix_entropy.results.model_words import count, weights_of

DOTTED, DASHED = (0, (1, 1.5)), (0, (4, 2))
# Of families, and of models of one family and size.
LINES = ("-", (0, (5, 1.5)), (0, (3, 1.2, 1, 1.2)), (0, (8, 2)), (0, (3, 1, 1, 1, 1, 1)))
NORMAL = 1.96  # standard errors that 95 % of a normal distribution lie within
KERNEL_WORDS = {
    COSINE: "inner product of l2-normalised states",
    LINEAR: "inner product of the states as they are",
    CENTRED_COSINE: "inner product of states less their mean, then l2-normalised",
}


def make(figure: dict[str, Any], runs: Runs) -> Drawing:
    """Information gain of the first tokens of texts, against their number."""
    parts: dict[str, list[Gains]] = {}
    for path in map(Path, runs.inputs["gains"]):
        parts.setdefault(path.parent.name, []).append(Gains.load(path))
    gains = {model: gathered_gains(of_model) for model, of_model in parts.items()}
    name = figure.get("group", figure["dataset"])
    numbers = gain_numbers(gains, runs.models, runs.datasets.get(name, {}).get("title"))
    provenances = [found.provenance for found in gains.values()]
    starts = fresh_starts((found["model"] for found in provenances), runs.models)
    heading, words = gain_captions(titled(figure), numbers, starts)
    words = "; ".join([words, *left_out_in_front(*provenances)])
    return Drawing(draw_gains(numbers, heading, words), numbers)


def gain_numbers(
    gains: dict[str, Gains], models: dict[str, Entry], dataset_title: str | None = None
) -> pd.DataFrame:
    """The numbers that the figure draws: one row per model and number of tokens T, from 1.

    ``gain`` is the mean over texts of ``I(y_T; f)`` and ``increment`` that of
    ``I(y_T; f) − I(y_{T−1}; f)``, in nats; with ``_per_width`` they are divided by d. ``_low`` and
    ``_high`` are the 95 % interval of the mean, ±1.96 standard errors (ddof 1) over texts, NaN for
    a single text. ``bound_per_width`` and ``increment_bound`` are the largest possible gain over d
    and increment; NaN for the linear kernel, whose rows have any norm. ``texts`` had enough tokens,
    ``left_out`` had not.

    Where there are fresh weights, ``seeds`` tells them from the trained model, which has none: one
    row for all seeds of a model and T, with the mean and the range over seeds of their means.

    Parameters
    ----------
    gains : dict of str to Gains
        By the model's name, all of one data set and with the same options.
    models : dict
        Entries of the configuration by name.
    dataset_title : str, optional
        What figures call the texts; None takes the data set's name.

    Raises
    ------
    InputError
        If a model's number of parameters is unknown.
    """
    tables = []
    for model, found in gains.items():
        entry, record = models[model], found.provenance["model"]
        title = entry.get("title", model)
        name = found.provenance["dataset"]["name"]
        # Those that the data set's `min_tokens:` left out before; they have no group any more.
        before = 0 if found.group else found.provenance["texts_left_out"]
        tokens = np.arange(1, found.tokens + 1)
        increments = gain_increments(found.diagonals)
        unit = found.kernel != LINEAR
        columns: dict[str, Any] = {
            "model": model,
            "model_title": title,
            "family": entry.get("family", title),
            "size": entry.get("size", title),
            "parameters": parameters_of(model, entry, record),
            "width": found.width,
            "stand_in": bool(record["stand_in"]),
            "weights": weights_of(record),
            "dataset": found.group or name,
            "dataset_title": dataset_title or found.group or name,
            "texts": len(found.ids),
            "left_out": found.left_out + before,
            "layer": found.layer,
            "kernel": found.kernel,
            "noise": found.noise,
            "bos": bool(found.provenance["options"]["bos"]),
            "tokens": tokens,
            **_with_interval("gain", information_gains(found.diagonals), found.width),
            "bound_per_width": np.nan,
            **_with_interval("increment", increments, found.width),
            "increment_bound": largest_increment(found.noise) if unit else np.nan,
        }
        if unit:
            bound = largest_gain(tokens, found.width, found.noise)
            columns["bound_per_width"] = bound / found.width
        tables.append(pd.DataFrame(columns))
    numbers = pd.concat(tables, ignore_index=True)
    sources = {model: models[model].get("untrained") for model in gains}
    if any(sources.values()):
        numbers = _over_seeds(numbers, sources)
    return in_order(numbers, ["family", "parameters", "tokens"])


def _over_seeds(numbers: pd.DataFrame, sources: dict[str, Entry | None]) -> pd.DataFrame:
    """The numbers with one row for all seeds of an original and T, below the trained models'."""
    original = numbers["model"].map(lambda model: (sources[model] or {}).get("model"))
    trained = numbers[original.isna()].assign(seeds=0)
    seeds = numbers.assign(model=original)[original.notna()].groupby(
        ["model", "tokens"], sort=False
    )
    fresh = seeds.first().assign(seeds=seeds.size())
    for name in ("gain", "increment"):
        for unit in ("", "_per_width"):
            values = seeds[f"{name}{unit}"]
            for end, value in {
                "": values.mean(),
                "_low": values.min(),
                "_high": values.max(),
            }.items():
                fresh[f"{name}{unit}{end}"] = value
    return pd.concat([trained, fresh.reset_index()[trained.columns]], ignore_index=True)


def _with_interval(name: str, values: NDArray[np.float64], width: int) -> dict[str, Any]:
    """Columns of the mean over texts, (texts, T) to (T,), in nats and over the width."""
    mean = values.mean(axis=0)
    error = np.full_like(mean, np.nan)
    if len(values) > 1:
        error = values.std(axis=0, ddof=1) / np.sqrt(len(values))
    ends = {"": mean, "_low": mean - NORMAL * error, "_high": mean + NORMAL * error}
    return {
        f"{name}{unit}{end}": value / divisor
        for unit, divisor in (("", 1), ("_per_width", width))
        for end, value in ends.items()
    }


def gain_captions(
    title: str, numbers: pd.DataFrame, starts: Mapping[str, float | None] | None = None
) -> tuple[str, str]:
    """Title and caption of the figure of `gain_numbers`, which also says what was computed.

    ``starts`` are those of fresh weights, from `results.model_values.fresh_starts`.
    """
    heading, which = model_captions(title, numbers.assign(undefined=0, truncated=0))
    first = numbers.iloc[0]
    parts = [f"{which}, cut to {numbers['tokens'].max()} tokens"]
    left_out = numbers["left_out"].max()
    if left_out:
        parts.append(f"{left_out:,} shorter {'text' if left_out == 1 else 'texts'} left out")
    if first["bos"]:
        parts.append("token 1 is the beginning-of-sequence token")
    parts.append(f"layer {first['layer']}; kernel: {KERNEL_WORDS[first['kernel']]}")
    parts.append(f"σ\u00a0=\u00a0{first['noise']:g}; d is the width of the states")
    if _repeats(numbers):
        parts.append(
            "token 2 repeats the state of token 1, which adds ½ log(1 + 1/(1 + σ²)) only; such "
            "increments leave the frame of the second panel"
        )
    if _trained(numbers)["gain_low"].notna().any():
        parts.append("bands: 95 % interval of the mean over texts")
    if starts:
        parts.append(
            f"dashed: fresh weights of the same architecture, {drawn_with(starts)}, mean and range "
            f"of {_seeds(numbers)}"
        )
    if numbers["increment_bound"].notna().any():
        parts.append(
            "dotted: the largest possible gain r/2 · log(1 + T/(rσ²)), r = min(T, d), over d, and "
            "increment ½ log(1 + 1/σ²), of a token orthogonal to all before it"
        )
    return heading, "; ".join(parts)


def draw_gains(numbers: pd.DataFrame, title: str, subtitle: str) -> Figure:
    """Draw the numbers of `gain_numbers`: gain over d, increments over d, increments in nats."""
    styled(numbers, title, subtitle)
    figure, axes = plt.subplots(1, 3, figsize=(8.6, 4.1), sharex=True, layout="constrained")
    panels = {
        "gain_per_width": "Information gain / d",
        "increment_per_width": "Its increments / d",
        "increment": "Its increments, not divided",
    }
    looks = _looks(numbers)
    for axis, (name, heading) in zip(axes, panels.items(), strict=True):
        for model, look in looks.items():
            curves = numbers[numbers["model"] == model]
            trained = _trained(curves)
            _draw(axis, trained, name, look)
            if len(fresh := curves.drop(trained.index)):
                _draw(axis, fresh, name, {**look, **_fresh_look(looks)})
        head_panel(axis, heading, [])
        axis.set_xlabel("Tokens $T$")
        axis.set_ylabel("nats" if name == "increment" else "nats per dimension")
    for model, look in looks.items():
        curve = _trained(numbers[numbers["model"] == model])
        axes[0].plot(
            curve["tokens"], curve["bound_per_width"], color=look["color"], lw=0.8, ls=DOTTED
        )
    bounds = _trained(numbers)
    axes[2].plot(bounds["tokens"], bounds["increment_bound"], color=GREY, lw=0.9, ls=DOTTED)
    axes[0].set_xlim(0, numbers["tokens"].max())
    axes[0].set_ylim(bottom=0)
    axes[2].set_ylim(bottom=0)
    # From the curves alone: a band may reach down to zero, and so may a token that repeats another.
    shown = numbers["tokens"] != 2 if _repeats(numbers) else slice(None)
    means = numbers.loc[shown, "increment_per_width"]
    axes[1].set_ylim(0.8 * means[means > 0].min(), 1.25 * means.max())
    log_ordinate(axes[1])
    frame_figure(figure, title, subtitle, _handles(looks, numbers))
    return figure


def _repeats(numbers: pd.DataFrame) -> bool:
    """Whether all texts begin with two equal states, as those of one token twice can be."""
    if (numbers["kernel"] != COSINE).any():
        return False
    second = numbers[numbers["tokens"] == 2]
    equal = 0.5 * np.log1p(1 / (1 + second["noise"] ** 2))
    return bool((np.abs(second["increment"] - equal) < 1e-2).all())


def _looks(numbers: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """A colour for every size, since sizes have an order; a kind of line for every family."""
    models = numbers.drop_duplicates("model")
    sizes, families = sorted(set(models["parameters"])), list(dict.fromkeys(models["family"]))
    shades = dict(zip(sizes, plt.get_cmap("viridis")(np.linspace(0, 0.9, len(sizes))), strict=True))
    looks: dict[str, dict[str, Any]] = {}
    alike = models.groupby(["family", "parameters"]).cumcount()
    for model, twin in zip(models.itertuples(), alike, strict=True):
        label = plain(model.model_title)
        if model.stand_in:  # not of the size that is in its name
            whose = f"{plain(model.family)} stand-in, " if len(families) > 1 else ""
            label = f"{whose}{count(model.parameters)} parameters"
        if any(label == look["label"] for look in looks.values()):
            label = f"{label} ({plain(model.model)})"
        looks[model.model] = {
            "color": shades[model.parameters],
            "ls": LINES[(families.index(model.family) + twin) % len(LINES)],
            "label": label,
        }
    return looks


def _draw(axis: Axes, curve: pd.DataFrame, name: str, look: dict[str, Any]) -> None:
    low, high = curve[f"{name}_low"], curve[f"{name}_high"]
    axis.plot(curve["tokens"], curve[name], lw=1.1, **look)
    axis.fill_between(curve["tokens"], low, high, color=look["color"], alpha=0.18, lw=0)


def _trained(numbers: pd.DataFrame) -> pd.DataFrame:
    """The rows of trained models, which are all where there are no fresh weights."""
    return numbers[numbers["seeds"] == 0] if "seeds" in numbers else numbers


def _fresh_look(looks: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Dashed; in the colour of their model where there are several, else in another."""
    return {"ls": DASHED} if len(looks) > 1 else {"ls": DASHED, "color": COLOURS[1]}


def _seeds(numbers: pd.DataFrame) -> str:
    seeds = int(numbers["seeds"].max())
    return "1 seed" if seeds == 1 else f"{seeds} seeds"


def _handles(looks: dict[str, dict[str, Any]], numbers: pd.DataFrame) -> list[Any]:
    handles: list[Any] = [Line2D([], [], lw=1.4, **look) for look in looks.values()]
    if _trained(numbers)["gain_low"].notna().any():
        handles.append(Patch(color=GREY, alpha=0.3, lw=0, label="95 % interval"))
    if "seeds" in numbers:
        label = f"untrained, mean and range of {_seeds(numbers)}"
        look = {"color": GREY, "lw": 1.4, **_fresh_look(looks), "label": label}
        handles.insert(len(looks), Line2D([], [], **look))
    if numbers["increment_bound"].notna().any():
        handles.append(Line2D([], [], color=GREY, lw=0.9, ls=DOTTED, label="upper bound"))
    return handles
