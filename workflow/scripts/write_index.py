"""Write the first page as Markdown."""

from matrix_entropy import start  # noqa: F401  # isort: skip

from pathlib import Path

from matrix_entropy.console import job
from matrix_entropy.files import writing
from matrix_entropy.page_index import index_markdown

with job(snakemake.log[0]), writing(Path(snakemake.output[0])) as temporary:
    temporary.write_text(index_markdown(**dict(snakemake.params.items())), encoding="utf-8")
