"""Spectra.

Needs: results/hidden_states/{model}/{part}. Makes: results/spectra/{model}/{dataset}.npz, kept for
good.
"""


rule compute_spectra:
    """Eigenvalues of every text's Gram matrix at every layer, with those of the controls."""
    input:
        states="results/hidden_states/{model}/{part}",
        code=code("compute_spectra"),
    output:
        "results/spectra/{model}/{part}.npz",
    log:
        "results/logs/compute_spectra/{model}/{part}.log",
    benchmark:
        "results/benchmarks/compute_spectra/{model}/{part}.tsv"
    # Before further hidden states are written, so that few are on disk at a time.
    priority: 1
    conda:
        "../../envs/analysis.yaml"
    threads: model_threads
    resources:
        **needs(4000, 120),
    params:
        layers=lambda wildcards: entries.layers_of(MODELS[wildcards.model]),
        controls=lambda wildcards: DATASETS[dataset_of(wildcards)]["controls"],
        panels=lambda wildcards: DATASETS[dataset_of(wildcards)].get("panels"),
        lengths=lambda wildcards: DATASETS[dataset_of(wildcards)].get("lengths", []),
    message:
        "Spectra of {wildcards.model} on {wildcards.part}"
    script:
        "../scripts/compute_spectra.py"


rule gather_spectra:
    """Join the spectra of a data set's shards."""
    input:
        shards=shards_of,
        code=code("gather_spectra"),
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
        **needs(memory_of_input, 30),
    message:
        "Gathering the spectra of {wildcards.model} on {wildcards.dataset}"
    script:
        "../scripts/gather_spectra.py"
