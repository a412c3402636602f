"""Figures.

Needs: results/metrics/{model}/{dataset}.parquet and the summaries beside them, information gains,
sentences, rows. Makes: figures/{figure}.pdf for every entry of `figures:` and
figures/layers_{model}_{dataset}.pdf for any model and data set, each with .png and .csv, and what else a
kind has: fits of power laws in .fits.csv, gaps between groups in .gaps.csv.
"""


include: "common/figures.smk"


rule plot_figure:
    """A paper's figure: matrix entropy across the blocks of a model, with its controls."""
    input:
        metrics=metrics_of_figure,
        code=code("plot_layers"),
    output:
        *figure_files("layers"),
    log:
        "results/logs/plot_figure/{figure}.log",
    wildcard_constraints:
        figure=of_kind(FIGURES, "layers"),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        **needs(memory_of_input, 30),
    params:
        title=lambda wildcards: FIGURES[wildcards.figure].get("title", wildcards.figure),
        model=lambda wildcards: MODELS[FIGURES[wildcards.figure]["model"]],
        dataset=lambda wildcards: DATASETS[FIGURES[wildcards.figure]["dataset"]],
        # The names of the published curve behind ours, if there is to be one.
        overlay=lambda wildcards: (
            {"paper": "liang2024"} | only(FIGURES[wildcards.figure], "paper", "model", "dataset")
            if FIGURES[wildcards.figure]["overlay"]
            else None
        ),
    message:
        "Drawing {wildcards.figure}"
    script:
        "../scripts/plot_layers.py"


rule plot_layers:
    """The same figure for any model and data set of the configuration."""
    input:
        metrics=metrics_of_blocks,
        code=code("plot_layers"),
    output:
        multiext("figures/layers_{model}_{dataset}", ".pdf", ".png", ".csv"),
    log:
        "results/logs/plot_layers/{model}_{dataset}.log",
    wildcard_constraints:
        model=names(LANGUAGE_MODELS),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        **needs(memory_of_input, 30),
    params:
        title=lambda wildcards: "Matrix entropy across blocks",
        model=lambda wildcards: MODELS[wildcards.model],
        dataset=lambda wildcards: DATASETS[wildcards.dataset],
        overlay=None,
    message:
        "Drawing {wildcards.model} on {wildcards.dataset}"
    script:
        "../scripts/plot_layers.py"


for kind, about in kinds.FIGURES.items():
    if about.reads == "own rule":
        continue

    rule:
        name:
            f"plot_{kind}"
        input:
            unpack(inputs_of_kind),
            published=shipped("paper/*/published/*.csv"),
            code=lambda wildcards: [*code("plot_kind"), *code_of(kind_of(wildcards).module)],
        output:
            *figure_files(about.caption, *(f"figures/{{figure}}.{t}.csv" for t in about.tables)),
        log:
            f"results/logs/plot_{kind}/{{figure}}.log",
        wildcard_constraints:
            figure=of_kind(FIGURES, kind),
        conda:
            "../../envs/analysis.yaml"
        threads: 1
        resources:
            **needs(memory_of_kind, 30),
        params:
            figure=lambda wildcards: with_settings(wildcards.figure, FIGURES),
            models=models_of_kind,
            datasets=datasets_of_kind,
            module=lambda wildcards: kind_of(wildcards).module,
            tables=lambda wildcards: kind_of(wildcards).tables,
        message:
            "Drawing {wildcards.figure}"
        script:
            "../scripts/plot_kind.py"
