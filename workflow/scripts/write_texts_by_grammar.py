"""Write a data set's texts by the story grammar."""

from matrix_entropy.console import job
from matrix_entropy.files import sha256, write_json, write_jsonl
from matrix_entropy.grammar import stories

with job(snakemake.log[0]) as log:
    generate = snakemake.params.generate
    texts = list(stories(generate["count"], generate["seed"]))
    write_jsonl(snakemake.output.prompts, texts)
    digest = sha256(snakemake.output.prompts)
    write_json(
        snakemake.output.origin,
        {"source": "grammar", "sha256": digest, "texts": len(texts), "generate": generate},
    )
    log.info("%d texts", len(texts))
