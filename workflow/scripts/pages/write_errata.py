"""Fill in the numbers of the errata and see that every proof exists."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

import os
from pathlib import Path

from matrix_entropy.base.files import writing
from matrix_entropy.base.shipped import ROOT
from matrix_entropy.pages.errata import check_proofs, read_errata, rendered_errata
from matrix_entropy.running.console import job

with job(snakemake.log[0]) as log:
    repository, output = ROOT, Path(snakemake.output[0])
    found = read_errata(*snakemake.input.errata)
    check_proofs(found.entries, repository, snakemake.params.figures, snakemake.params.tables)
    link = os.path.relpath(repository, output.parent)
    with writing(output) as temporary:
        page = rendered_errata(found, repository, ".", link, waiting=snakemake.params.waiting)
        temporary.write_text(page, encoding="utf-8")
    log.info("%d errata, %d notes", len(found.errata), len(found.notes))
