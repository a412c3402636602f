"""Read a data set's texts about images into one record format."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from pathlib import Path

from matrix_entropy.base.files import write_json, write_jsonl
from matrix_entropy.running.console import job
from matrix_entropy.texts.hub_texts import hub_file
from matrix_entropy.texts.image_records import read_image_texts
from matrix_entropy.texts.zipped_images import IMAGES, RECORDS

with job(snakemake.log[0]) as log:
    dataset = dict(snakemake.params.dataset)
    # As parameters, other addresses of the same images would make all anew.
    configured = snakemake.config["datasets"][snakemake.wildcards.dataset]
    for key in ("fetch_from", "images_url"):
        if key in configured:
            dataset[key] = configured[key]
    images = Path(dataset.get("images", ""))
    if "hub" in dataset:
        source, came_from = hub_file(dataset, snakemake.wildcards.dataset)
        name = f"{dataset['hub']}/{dataset['files'][0]}"
    elif "zip" in dataset:
        unpacked = Path(str(snakemake.input.source))
        source, images = unpacked / RECORDS, unpacked / IMAGES
        name, came_from = dataset["zip"]["url"], {"zip": dataset["zip"]}
    else:
        name = dataset.get("bundled") or dataset.get("url") or dataset["path"]
        source, came_from = Path(str(snakemake.input.source or dataset["path"])), {}
    texts, origin = read_image_texts(dataset, source, images, name)
    write_jsonl(snakemake.output.prompts, texts)
    write_json(snakemake.output.origin, origin | came_from)
    log.info("%d texts and images from %s", len(texts), name)
