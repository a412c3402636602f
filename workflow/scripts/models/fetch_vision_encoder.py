"""Fetch the weights that a MiniGPT-v2 starts from."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from pathlib import Path

from matrix_entropy.base.files import sha256
from matrix_entropy.models.vision.minigpt_v2_parts import fetch_part
from matrix_entropy.running.console import job

with job(snakemake.log[0]) as log:
    url, file = snakemake.params.url, Path(snakemake.output[0])
    fetch_part(url, file, snakemake.wildcards.model)
    log.info("%s has sha256 %s; no hash is published to compare it with", url, sha256(file))
