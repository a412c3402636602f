"""Run the notebook of a paper."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from pathlib import Path

from matrix_entropy.pages.made_by import origins
from matrix_entropy.pages.notebook_run import run_notebook
from matrix_entropy.running.console import job

with job(snakemake.log[0]):
    parameters = {"results": "results", "figures": "figures", **dict(snakemake.params.items())}
    parameters["origins"] = origins(parameters.pop("kinds"), Path(snakemake.output[0]))
    run_notebook(snakemake.input.notebook, snakemake.output[0], parameters)
