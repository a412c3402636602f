"""Spectra of all texts and layers of one model and data set."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

import time
from pathlib import Path

from matrix_entropy.results.asked_views import precision_of, write_views
from matrix_entropy.results.spectra_file import write_spectra
from matrix_entropy.running import processors
from matrix_entropy.running.console import job

with job(snakemake.log[0]) as log:
    started, views = time.perf_counter(), snakemake.params.views
    spectra, undefined = write_spectra(
        Path(snakemake.output[0]),
        Path(snakemake.input.states),
        snakemake.params.layers,
        views["controls"],
        views["panels"],
        processors.allowed(snakemake.threads),
        views["lengths"],
        views.get("measures", []),
        bool(precision_of(views)),
    )
    write_views(Path(snakemake.output[0]), views, streamed=False)
    log.info("%d spectra in %.1f s", spectra, time.perf_counter() - started)
    if undefined:
        log.warning("%d texts have no spectrum: fewer than two distinct rows", undefined)
