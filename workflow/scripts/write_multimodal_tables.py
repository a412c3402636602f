"""Write a table of vision-language models."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from matrix_entropy.results.multimodal_values import multimodal_values, paired_changes
from matrix_entropy.running.console import job
from matrix_entropy.tables.model_tables import compared
from matrix_entropy.tables.multimodal_tables import (
    architecture_table,
    multimodal_table,
    operation_table,
    width_note,
)
from matrix_entropy.tables.writing import write_table, write_text_table

with job(snakemake.log[0]):
    table, models = snakemake.params.table, snakemake.params.models
    caption = table.get("title", table["name"]) + "."
    if table["kind"] == "architecture":
        write_text_table(architecture_table(models), snakemake.output, caption)
    else:
        metrics, summaries = snakemake.input.metrics, snakemake.input.summaries
        values = multimodal_values(metrics, summaries, models, snakemake.params.datasets)
        if table["kind"] == "multimodal":
            long, layout = multimodal_table(values)
        else:
            long, layout = operation_table(values, paired_changes(metrics))
        long = compared(long, table)
        write_table(long, layout, snakemake.output, f"{caption} {width_note(values)}")
