"""Draw a figure of a kind whose module makes it (`matrix_entropy.configuration.kinds`)."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

import importlib

from matrix_entropy.base.files import write_csv
from matrix_entropy.figures.drawing import Runs
from matrix_entropy.figures.style import save_figure
from matrix_entropy.running.console import job

with job(snakemake.log[0]):
    name = snakemake.params.module.replace("/", ".")
    module = importlib.import_module(f"matrix_entropy.{name}")
    found = {key: snakemake.input[key] for key in snakemake.input.keys()}  # noqa: SIM118
    inputs = {key: [value] if isinstance(value, str) else value for key, value in found.items()}
    runs = Runs(inputs, snakemake.params.models, snakemake.params.datasets)
    drawing = module.make(snakemake.params.figure, runs)
    for path, name in zip(snakemake.output[3:], snakemake.params.tables, strict=True):
        write_csv(path, drawing.tables[name])
    save_figure(drawing.figure, drawing.numbers, snakemake.output[:3])
