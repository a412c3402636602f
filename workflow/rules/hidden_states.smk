"""Hidden states.

Needs: results/models/{model}.json and results/prompts/{dataset}.jsonl. Makes the folder
results/hidden_states/{model}/{dataset} with layer_{layer}.npy, tokens.npz and provenance.json.
"""


rule dump_hidden_states:
    """Run a model over a data set once and write every layer's hidden states."""
    input:
        model="results/models/{model}.json",
        prompts="results/prompts/{dataset}.jsonl",
        origin="results/prompts/{dataset}.origin.json",
        script=str(ROOT / "workflow/scripts/dump_hidden_states.py"),
        code=library("hidden_states", "configuration", "console", "provenance"),
    output:
        (
            temp(directory("results/hidden_states/{model}/{dataset}"))
            if config["hidden_states"] == "temp"
            else directory("results/hidden_states/{model}/{dataset}")
        ),
    log:
        "results/logs/dump_hidden_states/{model}/{dataset}.log",
    benchmark:
        "results/benchmarks/dump_hidden_states/{model}/{dataset}.tsv"
    params:
        launch=launcher,
        options=lambda wildcards: json.dumps(MODELS[wildcards.model]),
        max_tokens=lambda wildcards: DATASETS[wildcards.dataset].get("max_tokens", 0),
        batch_tokens=config["batch_tokens"],
    threads: model_threads
    resources:
        gpu=0,
        mem_mb=model_memory,
        runtime=lambda wildcards, attempt: 240 * attempt,
    conda:
        "../../envs/model.yaml"
    message:
        "Hidden states of {wildcards.model} on {wildcards.dataset}"
    shell:
        "{params.launch} {input.script:q} --model {input.model:q} --options {params.options:q}"
        " --prompts {input.prompts:q} --origin {input.origin:q} --max-tokens {params.max_tokens}"
        " --batch-tokens {params.batch_tokens} --threads {threads} --output {output:q} --log {log:q}"
