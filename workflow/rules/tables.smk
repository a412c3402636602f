"""Tables.

Needs: metrics and their summaries, accuracies, or the origins of texts. Makes:
results/tables/{table}.csv, .md and .tex for every entry of `tables:`.
"""


include: "common/tables.smk"


OF_ROWS = ("indicators", "lora", "variants", "samples", "prompts", "sources")


rule write_tables:
    """A table as CSV with the published values, as Markdown and as LaTeX."""
    input:
        unpack(table_inputs),
        published=shipped("paper/*/published/tables.csv"),
        code=code("write_tables"),
    output:
        *table_files("table"),
    log:
        "results/logs/write_tables/{table}.log",
    wildcard_constraints:
        table=of_kind(TABLES, *OF_ROWS),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        **needs(memory_of_input, 30),
    params:
        table=lambda wildcards: {"name": wildcards.table, **TABLES[wildcards.table]},
        models=lambda wildcards: shown_models(TABLES[wildcards.table]),
        datasets=lambda wildcards: shown_datasets(TABLES[wildcards.table]),
    message:
        "Writing {wildcards.table}"
    script:
        "../scripts/write_tables.py"


rule write_token_table:
    """Tokens that a model attends to and tokens that Lasso picks, as a table and a strip of heat."""
    input:
        sentences=sentences_of(TABLES, "table"),
        published=shipped("paper/tan2024/published/tokens.csv"),
        code=code("write_token_table"),
    output:
        *table_files("token_table"),
        "figures/{table}.pdf",
        in_report("figures/{table}.png", "token_table", "Figures"),
        "figures/{table}.csv",
    log:
        "results/logs/write_token_table/{table}.log",
    wildcard_constraints:
        table=of_kind(TABLES, "token_selection"),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        **needs(memory_of_input, 30),
    params:
        table=lambda wildcards: with_settings(wildcards.table, TABLES),
        models=lambda wildcards: shown_models(TABLES[wildcards.table]),
    message:
        "Writing {wildcards.table}"
    script:
        "../scripts/write_token_table.py"


rule write_group_gaps:
    """Gaps between groups of texts with errors and tests, as a table and as a figure."""
    input:
        metrics=lambda wildcards: metrics_of(TABLES[wildcards.table])["metrics"],
        code=code("write_group_gaps"),
    output:
        *table_files("table"),
        "figures/{table}.pdf",
        in_report("figures/{table}.png", "table", "Figures"),
        "figures/{table}.csv",
        "figures/{table}.blocks.csv",
    log:
        "results/logs/write_group_gaps/{table}.log",
    wildcard_constraints:
        table=of_kind(TABLES, "group_gaps"),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        **needs(memory_of_input, 30),
    params:
        table=lambda wildcards: {"name": wildcards.table, **TABLES[wildcards.table]},
        models=lambda wildcards: shown_models(TABLES[wildcards.table]),
        datasets=lambda wildcards: shown_datasets(TABLES[wildcards.table]),
    message:
        "Writing {wildcards.table}"
    script:
        "../scripts/write_group_gaps.py"


rule write_multimodal_tables:
    """A table of vision-language models: their parts, or entropies at five places."""
    input:
        unpack(image_metrics_of),
        published=shipped("paper/*/published/tables.csv"),
        code=code("write_multimodal_tables"),
    output:
        *table_files("multimodal_table"),
    log:
        "results/logs/write_multimodal_tables/{table}.log",
    wildcard_constraints:
        table=of_kind(TABLES, "multimodal", "image_operations", "architecture"),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        **needs(memory_of_input, 30),
    params:
        table=lambda wildcards: {"name": wildcards.table, **TABLES[wildcards.table]},
        models=lambda wildcards: architectures_of(TABLES[wildcards.table]),
        datasets=lambda wildcards: {
            name: only(DATASETS[name], "title", "published")
            for _, name in experiments.runs(TABLES[wildcards.table], DATASETS)
        },
    message:
        "Writing {wildcards.table}"
    script:
        "../scripts/write_multimodal_tables.py"
