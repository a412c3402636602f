"""Take records and their images out of a zip."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from pathlib import Path

from matrix_entropy.running.console import job
from matrix_entropy.texts.zipped_images import unpack_images

with job(snakemake.log[0]) as log:
    folder = Path(snakemake.output[0])
    count = unpack_images(Path(snakemake.input.archive), snakemake.params.zip, folder)
    log.info("%d images in %s", count, folder)
