"""Paragraphs of the documentation that ships with Python, as texts."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from matrix_entropy.base.files import write_json, write_jsonl
from matrix_entropy.running.console import job
from matrix_entropy.texts.python_documentation import read_python_documentation

with job(snakemake.log[0]) as log:
    texts, origin = read_python_documentation(snakemake.params.dataset)
    write_jsonl(snakemake.output.prompts, texts)
    write_json(snakemake.output.origin, origin)
    log.info("%d texts from %s", len(texts), origin["source"])
