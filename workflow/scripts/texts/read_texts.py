"""Read a data set's texts into one record format."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from pathlib import Path

from matrix_entropy.base.files import write_json, write_jsonl
from matrix_entropy.running.console import job
from matrix_entropy.texts.readers import read_dataset

with job(snakemake.log[0]) as log:
    dataset = snakemake.params.dataset
    name = dataset.get("bundled") or dataset.get("url") or dataset["path"]
    source = snakemake.input.source or dataset["path"]
    texts, origin = read_dataset(dataset, Path(str(source)), name)
    write_jsonl(snakemake.output.prompts, texts)
    write_json(snakemake.output.origin, origin)
    log.info("%d texts from %s", len(texts), name)
