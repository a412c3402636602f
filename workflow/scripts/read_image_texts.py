"""Read a data set's texts about images into one record format."""

from matrix_entropy import start  # noqa: F401  # isort: skip

from pathlib import Path

from matrix_entropy.console import job
from matrix_entropy.files import write_json, write_jsonl
from matrix_entropy.hub_texts import hub_file
from matrix_entropy.image_records import read_image_texts

with job(snakemake.log[0]) as log:
    dataset = dict(snakemake.params.dataset)
    # For messages alone: as a parameter, another address would make all anew.
    fetch_from = snakemake.config["datasets"][snakemake.wildcards.dataset].get("fetch_from")
    if fetch_from is not None:
        dataset["fetch_from"] = fetch_from
    if "hub" in dataset:
        source, came_from = hub_file(dataset, snakemake.wildcards.dataset)
        name = f"{dataset['hub']}/{dataset['files'][0]}"
    else:
        name = dataset.get("bundled") or dataset.get("url") or dataset["path"]
        source, came_from = Path(str(snakemake.input.source or dataset["path"])), {}
    texts, origin = read_image_texts(dataset, source, Path(dataset["images"]), name)
    write_jsonl(snakemake.output.prompts, texts)
    write_json(snakemake.output.origin, origin | came_from)
    log.info("%d texts and images from %s", len(texts), name)
