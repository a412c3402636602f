"""Hidden states.

Needs: results/models/{model}.json and results/prompts/{dataset}.jsonl. Makes the folder
results/hidden_states/{model}/{part} with layer_{layer}.npy, tokens.npz and provenance.json.
"""

# Keys of a data set that say what a model reads of its texts, and what is kept beside the states.
READ_OF = ("max_tokens", "min_tokens", "token_losses", "window_perplexity")


rule dump_hidden_states:
    """Run a model once over a data set, or a shard of it, and write every layer's hidden states."""
    input:
        model="results/models/{model}.json",
        folders=folders_of,
        prompts=lambda wildcards: f"results/prompts/{dataset_of(wildcards)}.jsonl",
        origin=lambda wildcards: f"results/prompts/{dataset_of(wildcards)}.origin.json",
        script=local(str(ROOT / "workflow/scripts/states/dump_hidden_states.py")),
        code=code("states/dump_hidden_states"),
    output:
        (
            directory("results/hidden_states/{model}/{part}")
            if config["hidden_states"] == "keep"
            else temp(directory("results/hidden_states/{model}/{part}"))
        ),
    log:
        "results/logs/dump_hidden_states/{model}/{part}.log",
    benchmark:
        "results/benchmarks/dump_hidden_states/{model}/{part}.tsv"
    wildcard_constraints:
        model=names(STAYING),
    conda:
        "../../envs/model.yaml"
    threads: model_threads
    # What a machine decides and no result depends on: --set-resources dump_hidden_states:gpu=4
    resources:
        **needs(memory_of_model, 240, model_gpus),
        # GPUs: one process each, or one for all (device_map); with 0, the first that is seen, shared.
        gpu_mb=0,  # memory of one, by which `device_map: fit` decides; 0: what it says
        processes=1,  # on the CPU
        device_map=device_map,
        batch_tokens=0,  # budget of a padded batch, halved when memory runs out; 0: by the device
    params:
        options=lambda wildcards: json.dumps(only(MODELS[wildcards.model], *RUN_BY)),
        dataset=lambda wildcards: json.dumps(
            only(DATASETS[dataset_of(wildcards)], *READ_OF) | measures_of_model(wildcards)
        ),
        shard=shard_of,
    message:
        "Hidden states of {wildcards.model} on {wildcards.part}"
    shell:
        "python {input.script:q} --model {input.model:q} --options {params.options:q}"
        " --prompts {input.prompts:q} --origin {input.origin:q} --dataset {params.dataset:q}"
        " --shard {params.shard}"
        " --gpus {resources.gpu} --gpu-mb {resources.gpu_mb} --processes {resources.processes}"
        " --device-map {resources.device_map}"
        " --threads {threads} --batch-tokens {resources.batch_tokens} --output {output:q} --log {log:q}"
