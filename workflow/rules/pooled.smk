"""Many texts, one vector each.

Needs: results/models/{model}.json and results/prompts/{dataset}.jsonl. Makes:
results/pooled/{model}/{dataset}.npz (mean of every text's rows and its last row at every layer, kept
for good) and results/metrics/{model}/{dataset}.texts.csv.
"""


include: "common/pooled.smk"


rule pool_texts:
    """Run a model over a data set and keep one vector for every text at every layer."""
    input:
        model="results/models/{model}.json",
        folders=folders_of,
        prompts="results/prompts/{dataset}.jsonl",
        origin="results/prompts/{dataset}.origin.json",
        code=code("states/pool_texts"),
    output:
        "results/pooled/{model}/{dataset}.npz",
    log:
        "results/logs/pool_texts/{model}/{dataset}.log",
    benchmark:
        "results/benchmarks/pool_texts/{model}/{dataset}.tsv"
    wildcard_constraints:
        model=names(STAYING),
        dataset=names(OF_TEXTS),
    conda:
        "../../envs/model.yaml"
    threads: model_threads
    resources:
        **needs(memory_of_vectors, 240, model_gpus),
        device_map=device_map,
        batch_tokens=0,  # budget of a padded batch, halved when memory runs out; 0: by the device
    params:
        options=lambda wildcards: only(MODELS[wildcards.model], *RUN_BY),
        dataset=lambda wildcards: only(DATASETS[wildcards.dataset], "max_tokens", "min_tokens"),
        halves=lambda wildcards: DATASETS[wildcards.dataset].get("two_views") == "halves",
    message:
        "Vectors of the texts of {wildcards.dataset} in {wildcards.model}"
    script:
        "../scripts/states/pool_texts.py"


rule compute_text_metrics:
    """Ranks of the vectors of many texts, and of two views of each, at every layer."""
    input:
        record="results/models/{model}.json",
        origin="results/prompts/{dataset}.origin.json",
        pooled="results/pooled/{model}/{dataset}.npz",
        code=code("results/compute_text_metrics"),
    output:
        "results/metrics/{model}/{dataset}.texts.csv",
    log:
        "results/logs/compute_text_metrics/{model}/{dataset}.log",
    wildcard_constraints:
        model=names(STAYING),
        dataset=names(OF_TEXTS),
    conda:
        "../../envs/analysis.yaml"
    threads: model_threads
    resources:
        **needs(memory_of_input, 240),
    params:
        options=lambda wildcards: only(MODELS[wildcards.model], *MADE_WITH),
        groups=lambda wildcards: asked_views.source_groups(DATASETS[wildcards.dataset]),
        pairs=pairs_of,
    message:
        "Metrics of the texts of {wildcards.dataset} in {wildcards.model}"
    script:
        "../scripts/results/compute_text_metrics.py"
