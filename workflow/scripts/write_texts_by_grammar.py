"""Write a data set's records by a grammar, and read their texts."""

from matrix_entropy import start  # noqa: F401  # isort: skip

from pathlib import Path

from matrix_entropy.console import job
from matrix_entropy.files import write_json, write_jsonl
from matrix_entropy.genres import records
from matrix_entropy.grammar import stories
from matrix_entropy.texts import read_dataset

with job(snakemake.log[0]) as log:
    dataset = snakemake.params.dataset
    generate = dataset["generate"]
    grammar, count, seed = generate["grammar"], generate["count"], generate["seed"]
    written = stories(count, seed) if grammar == "stories" else records(grammar, count, seed)
    write_jsonl(snakemake.output.records, list(written))
    source = Path(snakemake.output.records)
    texts, origin = read_dataset(dataset, source, f"{snakemake.wildcards.dataset}.jsonl")
    write_jsonl(snakemake.output.prompts, texts)
    chosen = {"grammar": grammar, "count": count, "seed": seed}
    write_json(snakemake.output.origin, origin | {"source": "grammar", "generate": chosen})
    log.info("%d texts", len(texts))
