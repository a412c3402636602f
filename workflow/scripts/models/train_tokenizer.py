"""Train the tokenizer that stand-ins share."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from pathlib import Path

from matrix_entropy.base.files import writing_folder
from matrix_entropy.models.stand_ins import train_tokenizer
from matrix_entropy.results.intermediates import read_texts
from matrix_entropy.running.console import job

with job(snakemake.log[0]):
    texts = [record["text"] for record in read_texts(snakemake.input.corpus)]
    tokenizer = train_tokenizer(texts, int(snakemake.wildcards.vocabulary))
    with writing_folder(Path(snakemake.output[0])) as part:
        tokenizer.save_pretrained(part)
