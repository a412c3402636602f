"""Spectra.

Needs: results/hidden_states/{model}/{part}; with `hidden_states: stream` what these need. Makes:
results/spectra/{model}/{dataset}.npz, kept for good.
"""


include: "common/spectra.smk"


use rule dump_hidden_states as stream_spectra with:
    input:
        model="results/models/{model}.json",
        folders=folders_of,
        prompts=lambda wildcards: f"results/prompts/{dataset_of(wildcards)}.jsonl",
        origin=lambda wildcards: f"results/prompts/{dataset_of(wildcards)}.origin.json",
        script=local(str(ROOT / "workflow/scripts/states/stream_spectra.py")),
        code=code_with_measures("states/stream_spectra"),
    output:
        "results/spectra/{model}/{part}.npz",
    log:
        "results/logs/stream_spectra/{model}/{part}.log",
    benchmark:
        "results/benchmarks/stream_spectra/{model}/{part}.tsv"
    wildcard_constraints:
        model=models_of_spectra(streamed=True),
    resources:
        **needs(memory_of_model, 240, model_gpus),
        gpu_mb=0,
        processes=1,
        device_map=device_map,
        batch_tokens=0,
    params:
        options=lambda wildcards: json.dumps(only(MODELS[wildcards.model], *RUN_BY)),
        dataset=lambda wildcards: json.dumps(
            only(DATASETS[dataset_of(wildcards)], *READ_OF) | views_to_make(wildcards)
        ),
        shard=shard_of,
    message:
        "Spectra of {wildcards.model} on {wildcards.part}, from its hidden states as they appear"


use rule stream_spectra as measure_checkpoint with:
    input:
        model="results/models/{model}.json",
        prompts=lambda wildcards: f"results/prompts/{dataset_of(wildcards)}.jsonl",
        origin=lambda wildcards: f"results/prompts/{dataset_of(wildcards)}.origin.json",
        script=local(str(ROOT / "workflow/scripts/states/measure_checkpoint.py")),
        code=code_with_measures("states/measure_checkpoint"),
    log:
        "results/logs/measure_checkpoint/{model}/{part}.log",
    benchmark:
        "results/benchmarks/measure_checkpoint/{model}/{part}.tsv"
    wildcard_constraints:
        model=names(PASSING),
    # How much of checkpoints is on disk at a time: --resources checkpoint_mb=20000
    resources:
        **needs(memory_of_model, 240, model_gpus),
        gpu_mb=0,
        processes=1,
        device_map=device_map,
        batch_tokens=0,
        checkpoint_mb=megabytes_of_checkpoint,
    params:
        options=lambda wildcards: json.dumps(
            only(MODELS[wildcards.model], *RUN_BY, "convert_weights")
        ),
        dataset=lambda wildcards: json.dumps(
            only(DATASETS[dataset_of(wildcards)], *READ_OF) | views_to_make(wildcards)
        ),
        shard=shard_of,
    message:
        "Fetching {wildcards.model}, for its spectra on {wildcards.part}"


rule compute_spectra:
    """Eigenvalues of every text's Gram matrix at every layer, with those of the controls."""
    input:
        states="results/hidden_states/{model}/{part}",
        code=code_with_measures("states/compute_spectra"),
    output:
        "results/spectra/{model}/{part}.npz",
    log:
        "results/logs/compute_spectra/{model}/{part}.log",
    benchmark:
        "results/benchmarks/compute_spectra/{model}/{part}.tsv"
    wildcard_constraints:
        model=models_of_spectra(streamed=False),
    # Before further hidden states are written, so that few are on disk at a time.
    priority: 1
    conda:
        "../../envs/analysis.yaml"
    threads: model_threads
    resources:
        # One text for each thread at a time; what is found goes to disk.
        **needs(4000, 120),
    params:
        layers=lambda wildcards: entries.layers_of(MODELS[wildcards.model]),
        views=views_to_make,
    message:
        "Spectra of {wildcards.model} on {wildcards.part}"
    script:
        "../scripts/states/compute_spectra.py"


rule gather_spectra:
    """Join the spectra of a data set's shards."""
    input:
        shards=shards_of,
        code=code("states/gather_spectra"),
    output:
        "results/spectra/{model}/{dataset}.npz",
    log:
        "results/logs/gather_spectra/{model}/{dataset}.log",
    wildcard_constraints:
        dataset=names(SHARDED),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        **needs(memory_of_layers, 30),
    params:
        views=lambda wildcards: asked_views.view_names(DATASETS[wildcards.dataset]),
        measures=lambda wildcards: DATASETS[wildcards.dataset].get("measures", []),
        precision=lambda wildcards: precision_of(wildcards.dataset),
    message:
        "Gathering the spectra of {wildcards.model} on {wildcards.dataset}"
    script:
        "../scripts/states/gather_spectra.py"
