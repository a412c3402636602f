"""Draw pictures, and write their records and texts."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from pathlib import Path

from matrix_entropy.base.files import write_json, write_jsonl
from matrix_entropy.running.console import job
from matrix_entropy.texts.image_records import read_image_texts
from matrix_entropy.texts.synthetic.pictures import write_pictures

with job(snakemake.log[0]) as log:
    dataset, folder = snakemake.params.dataset, Path(snakemake.output.folder)
    chosen = {key: dataset["generate"][key] for key in ("grammar", "count", "seed", "image_size")}
    records = write_pictures(folder, *chosen.values())
    texts, origin = read_image_texts(dataset, records, folder / "image", records.name)
    write_jsonl(snakemake.output.prompts, texts)
    write_json(snakemake.output.origin, origin | {"source": "grammar", "generate": chosen})
    log.info("%d pictures, %d texts", chosen["count"], len(texts))
