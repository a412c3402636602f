"""Draw the information gain of texts against their length, for models of several sizes."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from pathlib import Path

from matrix_entropy.figures.kinds.information_gain_figure import (
    draw_gains,
    gain_captions,
    gain_numbers,
)
from matrix_entropy.figures.style import save_figure
from matrix_entropy.figures.text import left_out_in_front
from matrix_entropy.results.gain_file import Gains, gathered_gains
from matrix_entropy.results.model_values import fresh_starts
from matrix_entropy.running.console import job

with job(snakemake.log[0]):
    figure, models, datasets = (snakemake.params[key] for key in ("figure", "models", "datasets"))
    parts: dict[str, list[Gains]] = {}
    for path in map(Path, snakemake.input.gains):
        parts.setdefault(path.parent.name, []).append(Gains.load(path))
    gains = {model: gathered_gains(of_model) for model, of_model in parts.items()}
    name = figure.get("group", figure["dataset"])
    numbers = gain_numbers(gains, models, datasets.get(name, {}).get("title"))
    provenances = [found.provenance for found in gains.values()]
    starts = fresh_starts((found["model"] for found in provenances), models)
    heading, words = gain_captions(figure.get("title", figure["name"]), numbers, starts)
    words = "; ".join([words, *left_out_in_front(*provenances)])
    save_figure(draw_gains(numbers, heading, words), numbers, snakemake.output)
