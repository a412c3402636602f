"""Pack what has been built into an archive, which is a crate at the same time."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from pathlib import Path

from matrix_entropy.base.errors import InputError
from matrix_entropy.base.source_code import source_code
from matrix_entropy.models.provenance import versions
from matrix_entropy.pages.run_description import configuration_text
from matrix_entropy.results.archive import PACKAGES, pack
from matrix_entropy.results.archived_results import files_to_archive
from matrix_entropy.results.crate import in_crate, newest
from matrix_entropy.running.console import job

with job(snakemake.log[0]) as log:
    names = files_to_archive(Path())  # perhaps more by now than when the run was planned
    if not names:
        raise InputError(f"nothing has been built in {Path().absolute()}; build something first.")
    configuration = snakemake.params.configuration
    told = (
        *(configuration_text(configuration), newest(names)),
        *(versions("snakemake", *PACKAGES), source_code()),
    )
    pack(names, Path(), snakemake.output[0], configuration, lambda files: in_crate(files, *told))
    megabytes = Path(snakemake.output[0]).stat().st_size / 2**20
    log.info("%d files, %.1f MiB", len(names), megabytes)
