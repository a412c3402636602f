"""Figures.

Needs: results/metrics/{model}/{dataset}.parquet and the summaries beside them. Makes:
figures/{figure}.pdf for every entry of `figures:`, figures/layers_{model}_{dataset}.pdf for any model
and data set, each with .png and .csv; fits of power laws in .fits.csv.
"""

ACROSS_MODELS = ("normalisations", "context_length", "operations", "untrained")


rule plot_figure:
    """A paper's figure: matrix entropy across the blocks of a model, with its controls."""
    input:
        metrics=metrics_of_figure,
        code=code("plot_layers"),
    output:
        multiext("figures/{figure}", ".pdf", ".png", ".csv"),
    log:
        "results/logs/plot_figure/{figure}.log",
    wildcard_constraints:
        figure=of_kind(FIGURES, "layers"),
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=memory_of_input,
        runtime=minutes(30),
    params:
        title=lambda wildcards: FIGURES[wildcards.figure].get("title", wildcards.figure),
        model=lambda wildcards: MODELS[FIGURES[wildcards.figure]["model"]],
        dataset=lambda wildcards: DATASETS[FIGURES[wildcards.figure]["dataset"]],
    message:
        "Drawing {wildcards.figure}"
    script:
        "../scripts/plot_layers.py"


rule plot_layers:
    """The same figure for any model and data set of the configuration."""
    input:
        metrics="results/metrics/{model}/{dataset}.parquet",
        code=code("plot_layers"),
    output:
        multiext("figures/layers_{model}_{dataset}", ".pdf", ".png", ".csv"),
    log:
        "results/logs/plot_layers/{model}_{dataset}.log",
    wildcard_constraints:
        model=names(LANGUAGE_MODELS),
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=memory_of_input,
        runtime=minutes(30),
    params:
        title=lambda wildcards: "Matrix entropy across blocks",
        model=lambda wildcards: MODELS[wildcards.model],
        dataset=lambda wildcards: DATASETS[wildcards.dataset],
    message:
        "Drawing {wildcards.model} on {wildcards.dataset}"
    script:
        "../scripts/plot_layers.py"


rule plot_models:
    """A figure that compares models: across sizes, lengths, variants or with fresh weights."""
    input:
        unpack(lambda wildcards: metrics_of(FIGURES[wildcards.figure])),
        code=code("plot_models"),
    output:
        multiext("figures/{figure}", ".pdf", ".png", ".csv"),
    log:
        "results/logs/plot_models/{figure}.log",
    wildcard_constraints:
        figure=of_kind(FIGURES, *ACROSS_MODELS),
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=memory_of_input,
        runtime=minutes(30),
    params:
        figure=lambda wildcards: {"name": wildcards.figure, **FIGURES[wildcards.figure]},
        models=lambda wildcards: shown_models(FIGURES[wildcards.figure]),
        datasets=lambda wildcards: shown_datasets(FIGURES[wildcards.figure]),
    message:
        "Drawing {wildcards.figure}"
    script:
        "../scripts/plot_models.py"


use rule plot_models as plot_scaling with:
    output:
        multiext("figures/{figure}", ".pdf", ".png", ".csv", ".fits.csv"),
    log:
        "results/logs/plot_scaling/{figure}.log",
    wildcard_constraints:
        figure=of_kind(FIGURES, "scaling"),
