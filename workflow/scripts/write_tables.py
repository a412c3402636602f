"""Write a table of a paper."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from pathlib import Path

from matrix_entropy.results.intermediates import read_origin
from matrix_entropy.results.model_values import model_values
from matrix_entropy.running.console import job
from matrix_entropy.tables import model_tables
from matrix_entropy.tables.writing import write_table, write_text_table

with job(snakemake.log[0]):
    table, models, datasets = (snakemake.params[key] for key in ("table", "models", "datasets"))
    kind, caption = table["kind"], table.get("title", table["name"]) + "."
    if kind == "prompts":
        changes = datasets[table["dataset"]]["variants"]["changes"]
        write_text_table(model_tables.prompt_table(changes), snakemake.output, caption)
    elif kind == "sources":
        origins = {
            Path(path).name.removesuffix(".origin.json"): read_origin(path)
            for path in snakemake.input.origins
        }
        write_text_table(model_tables.source_table(origins, datasets), snakemake.output, caption)
    else:
        values = model_values(snakemake.input.metrics, snakemake.input.summaries, models, datasets)
        if kind == "indicators":
            long, layout = model_tables.indicator_table(
                values, snakemake.input.get("accuracies", []), table["perplexity"]
            )
        elif kind == "lora":
            long, layout = model_tables.lora_table(values, models)
        elif kind == "variants":
            long, layout = model_tables.variant_table(values)
        else:
            long, layout = model_tables.sample_table(values)
        long = model_tables.compared(long, table)
        write_table(long, layout, snakemake.output, caption)
