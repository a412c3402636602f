"""Write the first page as Markdown."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from pathlib import Path

from matrix_entropy.base.files import writing
from matrix_entropy.pages.findings import finding
from matrix_entropy.pages.made_by import origins
from matrix_entropy.pages.notebook import Built
from matrix_entropy.pages.page_index import index_markdown
from matrix_entropy.running.console import job

with job(snakemake.log[0]), writing(Path(snakemake.output[0])) as temporary:
    given, page = dict(snakemake.params.items()), Path(snakemake.output[0])
    kinds = {name: entry["kind"] for name, entry in (given["figures"] | given["tables"]).items()}
    of_papers = {
        name: entry.get("kind", "layers")
        for name, entry in (given["figures"] | given["tables"]).items()
        if "paper" in entry and name not in given["waiting"]
    }
    built = Built("results", "figures")
    found = {name: finding(kind, name, built) for name, kind in of_papers.items()}
    text = index_markdown(**given, origins=origins(kinds, page), findings=found)
    temporary.write_text(text, encoding="utf-8")
