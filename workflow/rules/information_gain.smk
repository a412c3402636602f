"""Information gain along texts.

Needs: results/hidden_states/{model}/{part}. Makes:
results/information_gain/{figure}/{model}/{part}.npz (kept for good).
"""


include: "common/information_gain.smk"


rule compute_information_gain:
    """The diagonal of one Cholesky factor per text, from which the gain of every prefix follows."""
    input:
        states="results/hidden_states/{model}/{part}",
        code=code("states/compute_information_gain"),
    output:
        "results/information_gain/{figure}/{model}/{part}.npz",
    log:
        "results/logs/compute_information_gain/{figure}/{model}/{part}.log",
    benchmark:
        "results/benchmarks/compute_information_gain/{figure}/{model}/{part}.tsv"
    wildcard_constraints:
        figure=of_kind(FIGURES, "information_gain"),
    # Before further hidden states are written, so that few are on disk at a time.
    priority: 1
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        **needs(4000, 120),
    params:
        settings=lambda wildcards: FIGURES[wildcards.figure]["information_gain"],
        group=group_of_gains,
    message:
        "Information gain of {wildcards.model} on {wildcards.part}"
    script:
        "../scripts/states/compute_information_gain.py"
