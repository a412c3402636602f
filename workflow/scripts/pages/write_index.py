"""Write the first page as Markdown."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from pathlib import Path

from matrix_entropy.base.files import writing
from matrix_entropy.pages.page_index import index_markdown
from matrix_entropy.running.console import job

with job(snakemake.log[0]), writing(Path(snakemake.output[0])) as temporary:
    temporary.write_text(index_markdown(**dict(snakemake.params.items())), encoding="utf-8")
