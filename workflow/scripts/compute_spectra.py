"""Spectra of all texts and layers of one model and data set."""

from matrix_entropy import start  # noqa: F401  # isort: skip

import time
from pathlib import Path

from matrix_entropy import processors
from matrix_entropy.console import job
from matrix_entropy.spectra_file import compute_spectra

with job(snakemake.log[0]) as log:
    started = time.perf_counter()
    spectra = compute_spectra(
        Path(snakemake.input.states),
        snakemake.params.layers,
        snakemake.params.controls,
        snakemake.params.panels,
        processors.allowed(snakemake.threads),
        snakemake.params.lengths,
    )
    spectra.save(snakemake.output[0])
    log.info("%d spectra in %.1f s", spectra.counts.size, time.perf_counter() - started)
    undefined = int((spectra.counts[0] == 0).any(axis=0).sum())
    if undefined:
        log.warning("%d texts have no spectrum: fewer than two distinct rows", undefined)
