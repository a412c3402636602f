"""Rows looked at one by one.

Needs: results/models/{model}.json and results/prompts/{dataset}.jsonl. Makes:
results/rows/{model}/{dataset}.npz (norm of every row, and attention to it; kept for good).
"""


rule measure_rows:
    """Run a model over a data set and keep how long every row is and what attention it receives."""
    input:
        model="results/models/{model}.json",
        folders=folders_of,
        prompts="results/prompts/{dataset}.jsonl",
        origin="results/prompts/{dataset}.origin.json",
        code=code("states/measure_rows"),
    output:
        "results/rows/{model}/{dataset}.npz",
    log:
        "results/logs/measure_rows/{model}/{dataset}.log",
    benchmark:
        "results/benchmarks/measure_rows/{model}/{dataset}.tsv"
    conda:
        "../../envs/model.yaml"
    threads: model_threads
    resources:
        **needs(memory_of_model, 120, model_gpus),
        device_map=device_map,
    params:
        options=lambda wildcards: only(MODELS[wildcards.model], *RUN_BY),
        dataset=lambda wildcards: only(DATASETS[wildcards.dataset], "max_tokens", "min_tokens"),
    message:
        "Rows of {wildcards.dataset} in {wildcards.model}"
    script:
        "../scripts/states/measure_rows.py"
