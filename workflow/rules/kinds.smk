"""Figures and tables.

Needs: what a kind reads: results/metrics/{model}/{dataset}.parquet and the summaries beside them,
accuracies, information gains, sentences, rows, origins of texts. Makes: figures/{figure}.pdf for every
entry of `figures:` and figures/layers_{model}_{dataset}.pdf for any model and data set, each with .png
and .csv; results/tables/{table}.csv, .md and .tex for every entry of `tables:`; and what else a kind has:
fits of power laws in .fits.csv, gaps between groups in .gaps.csv, models of a series in
.comparison.csv, a figure of a table's name.
"""


include: "common/kinds.smk"


for kind, about in kinds.KINDS.items():
    part = "table" if kind in kinds.TABLES else "figure"
    rule_name = kinds.rule_of(kind)

    rule:
        name:
            rule_name
        input:
            unpack(inputs_of_kind),
            code=lambda wildcards: [*code("results/make_kind"), *code_of(kind_of(wildcards).module)],
        output:
            *files_of_kind(part, about),
        log:
            f"results/logs/{rule_name}/{{{part}}}.log",
        wildcard_constraints:
            **{part: of_kind(FIGURES | TABLES, kind)},
        conda:
            "../../envs/analysis.yaml"
        threads: 1
        resources:
            **needs(memory_of_kind, 30),
        params:
            entry=entry_of,
            models=models_of_kind,
            datasets=datasets_of_kind,
            made_by=lambda wildcards: kind_of(wildcards).made_by,
            tables=lambda wildcards: kind_of(wildcards).tables,
        message:
            f"Making {{wildcards.{part}}}"
        script:
            "../scripts/results/make_kind.py"


rule plot_run:
    """One model across its blocks, for any model and data set of the configuration."""
    input:
        metrics=metrics_of_blocks,
        code=lambda wildcards: [
            *code("results/make_kind"),
            *code_of(kinds.FIGURES["layers"].module),
        ],
    output:
        multiext("figures/layers_{model}_{dataset}", ".pdf", ".png", ".csv"),
    log:
        "results/logs/plot_run/{model}_{dataset}.log",
    wildcard_constraints:
        model=names(LANGUAGE_MODELS),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        **needs(memory_of_input, 30),
    params:
        entry={"name": "blocks", "title": "Matrix entropy across blocks", "overlay": False},
        models=lambda wildcards: shown_models(dict(wildcards.items())),
        datasets=lambda wildcards: shown_datasets(dict(wildcards.items())),
        made_by=kinds.FIGURES["layers"].made_by,
        tables=[],
    message:
        "Drawing {wildcards.model} on {wildcards.dataset}"
    script:
        "../scripts/results/make_kind.py"
