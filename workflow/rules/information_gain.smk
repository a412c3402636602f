"""Information gain along texts.

Needs: results/hidden_states/{model}/{part}. Makes: results/information_gain/{figure}/{model}/{part}.npz
(kept for good) and figures/{figure}.pdf, .png and .csv.
"""

GAINS = {name: figure for name, figure in FIGURES.items() if figure["kind"] == "information_gain"}


rule compute_information_gain:
    """The diagonal of one Cholesky factor per text, from which the gain of every prefix follows."""
    input:
        states="results/hidden_states/{model}/{part}",
        code=code("compute_information_gain"),
    output:
        "results/information_gain/{figure}/{model}/{part}.npz",
    log:
        "results/logs/compute_information_gain/{figure}/{model}/{part}.log",
    benchmark:
        "results/benchmarks/compute_information_gain/{figure}/{model}/{part}.tsv"
    wildcard_constraints:
        figure=one_of(GAINS),
    # Before further hidden states are written, so that few are on disk at a time.
    priority: 1
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=minutes(120),
    params:
        settings=lambda wildcards: FIGURES[wildcards.figure]["information_gain"],
        group=lambda wildcards: FIGURES[wildcards.figure].get("group"),
    message:
        "Information gain of {wildcards.model} on {wildcards.part}"
    script:
        "../scripts/compute_information_gain.py"


rule plot_information_gain:
    """Information gain against the number of tokens, for models of several sizes."""
    input:
        gains=gains_of,
        code=code("plot_information_gain"),
    output:
        multiext("figures/{figure}", ".pdf", ".png", ".csv"),
    log:
        "results/logs/plot_information_gain/{figure}.log",
    wildcard_constraints:
        figure=one_of(GAINS),
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=memory_of_input,
        runtime=minutes(30),
    params:
        figure=lambda wildcards: with_settings(wildcards.figure, FIGURES),
        models=lambda wildcards: shown_models(FIGURES[wildcards.figure]),
        datasets=lambda wildcards: shown_datasets(FIGURES[wildcards.figure]),
    message:
        "Drawing {wildcards.figure}"
    script:
        "../scripts/plot_information_gain.py"
