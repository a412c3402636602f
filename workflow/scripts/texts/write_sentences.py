"""Sentences of the configuration, as texts."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from matrix_entropy.base.files import write_json, write_jsonl
from matrix_entropy.running.console import job
from matrix_entropy.texts.written_sentences import written_sentences

with job(snakemake.log[0]):
    sentences = snakemake.params.sentences
    texts = written_sentences(sentences["contexts"], sentences.get("words", []))
    write_jsonl(snakemake.output.prompts, texts)
    written = {"source": "configuration", "sentences": sentences, "texts": len(texts)}
    write_json(snakemake.output.origin, written)
