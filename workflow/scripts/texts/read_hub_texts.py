"""Read a hub data set's texts into one record format."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from matrix_entropy.base.files import write_json, write_jsonl
from matrix_entropy.running.console import job
from matrix_entropy.texts.hub_texts import read_hub_dataset

with job(snakemake.log[0]) as log:
    texts, origin = read_hub_dataset(snakemake.params.dataset, snakemake.wildcards.dataset)
    write_jsonl(snakemake.output.prompts, texts)
    write_json(snakemake.output.origin, origin)
    log.info("%d texts from %s", len(texts), origin["source"])
