"""Print the pages as PDF, where there is a program for it."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from pathlib import Path

from matrix_entropy.base.files import writing
from matrix_entropy.pages.page_pdf import MISSING, write_pdf
from matrix_entropy.running.console import job

with job(snakemake.log[0]):
    pages = [Path(page) for page in snakemake.input.pages]
    printed = [page.with_suffix(".pdf") for page in pages]
    done = [write_pdf(page, pdf) for page, pdf in zip(pages, printed, strict=True)]
    listed = "".join(f"{pdf}\n" for pdf, made in zip(printed, done, strict=True) if made)
    with writing(Path(snakemake.output[0])) as temporary:
        temporary.write_text(listed or f"{MISSING}\n", encoding="utf-8")
