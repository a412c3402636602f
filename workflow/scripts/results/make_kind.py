"""Make a figure or table by the function of its kind (`matrix_entropy.configuration.kinds`)."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

import importlib

from matrix_entropy.figures.drawing import Runs
from matrix_entropy.running.console import job

with job(snakemake.log[0]):
    module, _, function = snakemake.params.made_by.partition(":")
    made_by = importlib.import_module(f"matrix_entropy.{module.replace('/', '.')}")
    found = {key: snakemake.input[key] for key in snakemake.input.keys()}  # noqa: SIM118
    inputs = {key: [value] if isinstance(value, str) else value for key, value in found.items()}
    runs = Runs(inputs, snakemake.params.models, snakemake.params.datasets)
    made = getattr(made_by, function or "make")(snakemake.params.entry, runs)
    made.write(snakemake.output, snakemake.params.tables)
