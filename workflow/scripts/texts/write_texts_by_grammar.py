"""Write a data set's records by a grammar, and read their texts."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from pathlib import Path

from matrix_entropy.base.files import write_json, write_jsonl
from matrix_entropy.running.console import job
from matrix_entropy.texts.readers import read_dataset
from matrix_entropy.texts.synthetic.genres import records
from matrix_entropy.texts.synthetic.grammar import stories

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
