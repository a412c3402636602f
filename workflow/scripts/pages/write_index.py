"""Write the first page as Markdown."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from pathlib import Path

from matrix_entropy.base.files import writing
from matrix_entropy.pages.made_by import origins
from matrix_entropy.pages.page_index import index_markdown
from matrix_entropy.running.console import job

with job(snakemake.log[0]), writing(Path(snakemake.output[0])) as temporary:
    given, page = dict(snakemake.params.items()), Path(snakemake.output[0])
    kinds = {name: entry["kind"] for name, entry in (given["figures"] | given["tables"]).items()}
    text = index_markdown(**given, origins=origins(kinds, page))
    temporary.write_text(text, encoding="utf-8")
