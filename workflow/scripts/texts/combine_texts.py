"""Make a data set's texts from those of others."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from pathlib import Path

from matrix_entropy.base.files import sha256, write_json, write_jsonl
from matrix_entropy.results.intermediates import read_origin, read_texts
from matrix_entropy.running.console import job
from matrix_entropy.texts.variants import union, vary

with job(snakemake.log[0]) as log:
    dataset = snakemake.params.dataset
    members = {
        Path(path).stem: read_texts(path, origin)
        for path, origin in zip(snakemake.input.prompts, snakemake.input.origins, strict=True)
    }
    if "union" in dataset:
        texts = union(members)
    else:
        texts = vary(*members.values(), dataset["variants"]["changes"])
    write_jsonl(snakemake.output.prompts, texts)
    origin = {
        "source": "union" if "union" in dataset else "variants",
        "sha256": sha256(snakemake.output.prompts),
        "texts": len(texts),
        "made_of": {
            name: read_origin(origin)
            for name, origin in zip(members, snakemake.input.origins, strict=True)
        },
        **dataset,
    }
    write_json(snakemake.output.origin, origin)
    log.info("%d texts", len(texts))
