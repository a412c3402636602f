"""Spectra of all texts and layers of one model and data set."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

import time
from pathlib import Path

from matrix_entropy.results.asked_views import write_views
from matrix_entropy.results.spectra_file import compute_spectra
from matrix_entropy.running import processors
from matrix_entropy.running.console import job

with job(snakemake.log[0]) as log:
    started, views = time.perf_counter(), snakemake.params.views
    spectra = compute_spectra(
        Path(snakemake.input.states),
        snakemake.params.layers,
        views["controls"],
        views["panels"],
        processors.allowed(snakemake.threads),
        views["lengths"],
        views.get("measures", []),
    )
    spectra.save(snakemake.output[0])
    write_views(Path(snakemake.output[0]), views, streamed=False)
    log.info("%d spectra in %.1f s", spectra.counts.size, time.perf_counter() - started)
    undefined = int((spectra.counts[0] == 0).any(axis=0).sum())
    if undefined:
        log.warning("%d texts have no spectrum: fewer than two distinct rows", undefined)
