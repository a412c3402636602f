"""Train the tokenizer that stand-ins share."""

from matrix_entropy import start  # noqa: F401  # isort: skip

from pathlib import Path

from matrix_entropy.console import job
from matrix_entropy.files import writing_folder
from matrix_entropy.intermediates import read_texts
from matrix_entropy.stand_ins import train_tokenizer

with job(snakemake.log[0]):
    texts = [record["text"] for record in read_texts(snakemake.input.corpus)]
    tokenizer = train_tokenizer(texts, int(snakemake.wildcards.vocabulary))
    with writing_folder(Path(snakemake.output[0])) as part:
        tokenizer.save_pretrained(part)
