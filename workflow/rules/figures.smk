"""Figures across layers.

Needs: results/metrics/{model}/{dataset}.parquet. Makes: figures/{figure}.pdf for every entry of
`figures:`, figures/layers_{model}_{dataset}.pdf for any model and data set, each with .png, .csv.
"""


rule plot_figure:
    """A paper's figure: matrix entropy across the blocks of a model, with its controls."""
    input:
        metrics=metrics_of_figure,
        code=library("layer_figure"),
    output:
        multiext("figures/{figure}", ".pdf", ".png", ".csv"),
    log:
        "results/logs/plot_figure/{figure}.log",
    conda:
        "../../envs/analysis.yaml"
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
        code=library("layer_figure"),
    output:
        multiext("figures/layers_{model}_{dataset}", ".pdf", ".png", ".csv"),
    log:
        "results/logs/plot_layers/{model}_{dataset}.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        title=lambda wildcards: "Matrix entropy across blocks",
        model=lambda wildcards: MODELS[wildcards.model],
        dataset=lambda wildcards: DATASETS[wildcards.dataset],
    message:
        "Drawing {wildcards.model} on {wildcards.dataset}"
    script:
        "../scripts/plot_layers.py"
