"""Sentences looked at one by one.

Needs: results/models/{model}.json and results/prompts/{dataset}.jsonl. Makes:
results/sentences/{model}/{dataset}.npz (states and attention of every token, kept for good), maps of
sentences in figures/{figure}.pdf, and results/tables/{table}.csv with figures/{table}.pdf beside it.
"""


rule read_sentences:
    """Run a model over a few sentences and keep its states and attention weights."""
    input:
        model="results/models/{model}.json",
        adapter=adapter_of,
        prompts="results/prompts/{dataset}.jsonl",
        origin="results/prompts/{dataset}.origin.json",
        code=code("read_sentences"),
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
        gpu=0,
        mem_mb=model_memory,
        runtime=minutes(60),
    params:
        options=lambda wildcards: only(
            MODELS[wildcards.model],
            *("layers", "width", "bos", "center_features", "dtype", "device_map", "extract"),
        ),
    message:
        "Sentences of {wildcards.dataset} as {wildcards.model} sees them"
    script:
        "../scripts/read_sentences.py"


rule plot_sentences:
    """Sentences as points of a map, by the distances between them."""
    input:
        sentences=sentences_of(FIGURES, "figure"),
        code=code("plot_sentences"),
    output:
        multiext("figures/{figure}", ".pdf", ".png", ".csv", ".distances.csv"),
    log:
        "results/logs/plot_sentences/{figure}.log",
    wildcard_constraints:
        figure=of_kind(FIGURES, "sentence_map"),
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=memory_of_input,
        runtime=minutes(30),
    params:
        figure=lambda wildcards: with_settings(wildcards.figure, FIGURES),
        model=lambda wildcards: MODELS[FIGURES[wildcards.figure]["model"]],
    message:
        "Drawing {wildcards.figure}"
    script:
        "../scripts/plot_sentences.py"


rule write_token_table:
    """Tokens that a model attends to and tokens that Lasso picks, as a table and a strip of heat."""
    input:
        sentences=sentences_of(TABLES, "table"),
        published=str(ROOT / "data/published/tan2024_tokens.csv"),
        code=code("write_token_table"),
    output:
        multiext("results/tables/{table}", ".csv", ".md", ".tex"),
        multiext("figures/{table}", ".pdf", ".png", ".csv"),
    log:
        "results/logs/write_token_table/{table}.log",
    wildcard_constraints:
        table=of_kind(TABLES, "token_selection"),
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=memory_of_input,
        runtime=minutes(30),
    params:
        table=lambda wildcards: with_settings(wildcards.table, TABLES),
        models=lambda wildcards: shown_models(TABLES[wildcards.table]),
    message:
        "Writing {wildcards.table}"
    script:
        "../scripts/write_token_table.py"
