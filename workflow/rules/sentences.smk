"""Sentences looked at one by one.

Needs: results/models/{model}.json and results/prompts/{dataset}.jsonl. Makes:
results/sentences/{model}/{dataset}.npz (states and attention of every token, kept for good).
"""


rule read_sentences:
    """Run a model over a few sentences and keep its states and attention weights."""
    input:
        model="results/models/{model}.json",
        folders=folders_of,
        prompts="results/prompts/{dataset}.jsonl",
        origin="results/prompts/{dataset}.origin.json",
        code=code("states/read_sentences"),
    output:
        "results/sentences/{model}/{dataset}.npz",
    log:
        "results/logs/read_sentences/{model}/{dataset}.log",
    benchmark:
        "results/benchmarks/read_sentences/{model}/{dataset}.tsv"
    conda:
        "../../envs/model.yaml"
    threads: model_threads
    resources:
        **needs(memory_of_model, 60, model_gpus),
        device_map=device_map,
    params:
        options=lambda wildcards: only(MODELS[wildcards.model], *RUN_BY),
    message:
        "Sentences of {wildcards.dataset} as {wildcards.model} sees them"
    script:
        "../scripts/states/read_sentences.py"
