"""Tables.

Needs: metrics and their summaries, accuracies, or the origins of texts. Makes:
results/tables/{table}.csv, .md and .tex for every entry of `tables:`.
"""

OF_ROWS = ("indicators", "lora", "variants", "samples", "prompts", "sources")


rule write_tables:
    """A table as CSV with the published values, as Markdown and as LaTeX."""
    input:
        unpack(table_inputs),
        published=str(ROOT / "data/published/wei2024_tables.csv"),
        code=code("write_tables"),
    output:
        multiext("results/tables/{table}", ".csv", ".md", ".tex"),
    log:
        "results/logs/write_tables/{table}.log",
    wildcard_constraints:
        table=of_kind(TABLES, *OF_ROWS),
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=memory_of_input,
        runtime=minutes(30),
    params:
        table=lambda wildcards: {"name": wildcards.table, **TABLES[wildcards.table]},
        models=lambda wildcards: shown_models(TABLES[wildcards.table]),
        datasets=lambda wildcards: shown_datasets(TABLES[wildcards.table]),
    message:
        "Writing {wildcards.table}"
    script:
        "../scripts/write_tables.py"
