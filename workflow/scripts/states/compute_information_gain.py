"""Information gain of every prefix of the texts of one model and data set."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

import time
from pathlib import Path

from matrix_entropy.results.gain_file import compute_gains
from matrix_entropy.running import processors
from matrix_entropy.running.console import job

with job(snakemake.log[0]) as log:
    started = time.perf_counter()
    gains = compute_gains(
        Path(snakemake.input.states),
        **snakemake.params.settings,
        group=snakemake.params.group,
        threads=processors.allowed(snakemake.threads),
    )
    gains.save(snakemake.output[0])
    log.info(
        "%d texts of %d tokens in %.1f s, %d shorter ones left out",
        len(gains.ids),
        gains.tokens,
        time.perf_counter() - started,
        gains.left_out,
    )
