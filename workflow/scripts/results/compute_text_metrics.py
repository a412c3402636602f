"""Metrics of many texts, one vector each, at every layer of one model and data set."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from threadpoolctl import threadpool_limits

from matrix_entropy.base.files import write_csv
from matrix_entropy.results.intermediates import check_made_of
from matrix_entropy.results.pooled_file import PooledTexts
from matrix_entropy.results.text_metrics import text_table
from matrix_entropy.running import processors
from matrix_entropy.running.console import job

with job(snakemake.log[0]) as log:
    path = snakemake.input.pooled
    pooled = PooledTexts.load(path)
    made_of = snakemake.input.record, snakemake.input.origin
    check_made_of(path, pooled.provenance, snakemake.params.options, *made_of)
    pooled = pooled.with_groups(snakemake.params.groups)
    with threadpool_limits(processors.allowed(snakemake.threads), user_api="blas"):
        table = text_table(pooled, snakemake.params.pairs)
    of = {"model": snakemake.wildcards.model, "dataset": snakemake.wildcards.dataset}
    write_csv(snakemake.output[0], table.assign(**of))
    log.info("%d texts of width %d", len(pooled.ids), table["width"][0])
