"""Metrics.

Needs: spectra, wherever they come from. Makes: results/metrics/{model}/{dataset}.parquet with
{dataset}.summary.csv beside it; of vision-language models, {dataset}.{operation}.parquet.
"""

# What spectra are compared with, where they were made here.
MADE_OF = (
    {}
    if "archive" in config
    else {
        "record": "results/models/{model}.json",
        "origin": "results/prompts/{dataset}.origin.json",
    }
)
# Of a model's entry, all that spectra say of how they were made.
MADE_WITH = ("layers", "width", "bos", "center_features", "dtype", "extract")


rule compute_metrics:
    """Entropies, ranks, bounds, measures and losses of every text and layer, from spectra alone."""
    input:
        **MADE_OF,
        spectra=["results/spectra/{model}/{dataset}.npz"],
        code=code("results/compute_metrics"),
    output:
        metrics="results/metrics/{model}/{dataset}.parquet",
        summary="results/metrics/{model}/{dataset}.summary.csv",
    log:
        "results/logs/compute_metrics/{model}/{dataset}.log",
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        **needs(memory_of_layers, 30),
    params:
        options=lambda wildcards: only(MODELS[wildcards.model], *MADE_WITH),
        views=lambda wildcards: asked_views.view_names(DATASETS[wildcards.dataset]),
        measures=lambda wildcards: DATASETS[wildcards.dataset].get("measures", []),
        metrics=lambda wildcards: DATASETS[wildcards.dataset].get("metrics", []),
        precision=lambda wildcards: precision_of(wildcards.dataset),
        groups=lambda wildcards: asked_views.source_groups(DATASETS[wildcards.dataset]),
    message:
        "Metrics of {wildcards.model} on {wildcards.dataset}"
    script:
        "../scripts/results/compute_metrics.py"


use rule compute_metrics as compute_image_metrics with:
    input:
        **MADE_OF,
        spectra=IMAGE_SPECTRA,
        code=code("results/compute_metrics"),
    output:
        metrics="results/metrics/{model}/{dataset}.{operation}.parquet",
        summary="results/metrics/{model}/{dataset}.{operation}.summary.csv",
    log:
        "results/logs/compute_image_metrics/{model}/{dataset}.{operation}.log",
    params:
        options=lambda wildcards: only(MODELS[wildcards.model], *MADE_WITH),
        views=[asked_views.ALL_ROWS],
        measures=[],
        metrics=[],
        precision="double",
        groups={},
    message:
        "Metrics of {wildcards.model} on {wildcards.dataset} (images: {wildcards.operation})"


use rule compute_image_metrics as compute_null_metrics with:
    input:
        **MADE_OF,
        spectra=NULL_SPECTRA,
        code=code("results/compute_metrics"),
    output:
        metrics=f"results/metrics/{{model}}/{{dataset}}.{multimodal_metrics.NULLS}.parquet",
        summary=f"results/metrics/{{model}}/{{dataset}}.{multimodal_metrics.NULLS}.summary.csv",
    log:
        "results/logs/compute_null_metrics/{model}/{dataset}.log",
    message:
        "Metrics of the nulls of {wildcards.model} on {wildcards.dataset}"
