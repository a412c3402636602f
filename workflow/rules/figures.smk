"""Figures.

Needs: results/metrics/{model}/{dataset}.parquet and the summaries beside them, information gains,
sentences, rows. Makes: figures/{figure}.pdf for every entry of `figures:` and
figures/layers_{model}_{dataset}.pdf for any model and data set, each with .png and .csv; fits of power
laws in .fits.csv, gaps between groups in .gaps.csv.
"""

# Beside a figure of long rows: values of every text, where the rows stand, errors of the formula.
TABLES_OF_ROWS = [f"figures/{{figure}}.{name}.csv" for name in ["texts", "positions", "formula"]]
ACROSS_MODELS = ("normalisations", "context_length", "operations")
AGAINST_FRESH = ("untrained", "start_of_weights")


rule plot_figure:
    """A paper's figure: matrix entropy across the blocks of a model, with its controls."""
    input:
        metrics=metrics_of_figure,
        code=code("plot_layers"),
    output:
        *figure_files("layers"),
    log:
        "results/logs/plot_figure/{figure}.log",
    wildcard_constraints:
        figure=of_kind(FIGURES, "layers"),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        **needs(memory_of_input, 30),
    params:
        title=lambda wildcards: FIGURES[wildcards.figure].get("title", wildcards.figure),
        model=lambda wildcards: MODELS[FIGURES[wildcards.figure]["model"]],
        dataset=lambda wildcards: DATASETS[FIGURES[wildcards.figure]["dataset"]],
        # The names of the published curve behind ours, if there is to be one.
        overlay=lambda wildcards: (
            only(FIGURES[wildcards.figure], "model", "dataset")
            if FIGURES[wildcards.figure]["overlay"]
            else None
        ),
    message:
        "Drawing {wildcards.figure}"
    script:
        "../scripts/plot_layers.py"


rule plot_layers:
    """The same figure for any model and data set of the configuration."""
    input:
        metrics=metrics_of_blocks,
        code=code("plot_layers"),
    output:
        multiext("figures/layers_{model}_{dataset}", ".pdf", ".png", ".csv"),
    log:
        "results/logs/plot_layers/{model}_{dataset}.log",
    wildcard_constraints:
        model=names(LANGUAGE_MODELS),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        **needs(memory_of_input, 30),
    params:
        title=lambda wildcards: "Matrix entropy across blocks",
        model=lambda wildcards: MODELS[wildcards.model],
        dataset=lambda wildcards: DATASETS[wildcards.dataset],
        overlay=None,
    message:
        "Drawing {wildcards.model} on {wildcards.dataset}"
    script:
        "../scripts/plot_layers.py"


rule plot_models:
    """A figure that compares models: across sizes, lengths, variants or with fresh weights."""
    input:
        unpack(lambda wildcards: metrics_of(FIGURES[wildcards.figure])),
        code=code("plot_models"),
    output:
        *figure_files("models"),
    log:
        "results/logs/plot_models/{figure}.log",
    wildcard_constraints:
        figure=of_kind(FIGURES, *ACROSS_MODELS, *AGAINST_FRESH),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        **needs(memory_of_input, 30),
    params:
        figure=lambda wildcards: {"name": wildcards.figure, **FIGURES[wildcards.figure]},
        models=lambda wildcards: shown_models(FIGURES[wildcards.figure]),
        datasets=lambda wildcards: shown_datasets(FIGURES[wildcards.figure]),
    message:
        "Drawing {wildcards.figure}"
    script:
        "../scripts/plot_models.py"


use rule plot_models as plot_scaling with:
    output:
        *figure_files("models", "figures/{figure}.fits.csv"),
    log:
        "results/logs/plot_scaling/{figure}.log",
    wildcard_constraints:
        figure=of_kind(FIGURES, "scaling"),


rule plot_information_gain:
    """Information gain against the number of tokens, for models of several sizes."""
    input:
        gains=gains_of,
        code=code("plot_information_gain"),
    output:
        *figure_files("information_gain"),
    log:
        "results/logs/plot_information_gain/{figure}.log",
    wildcard_constraints:
        figure=of_kind(FIGURES, "information_gain"),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        **needs(memory_of_input, 30),
    params:
        figure=lambda wildcards: with_settings(wildcards.figure, FIGURES),
        models=lambda wildcards: shown_models(FIGURES[wildcards.figure]),
        datasets=lambda wildcards: shown_datasets(FIGURES[wildcards.figure]),
    message:
        "Drawing {wildcards.figure}"
    script:
        "../scripts/plot_information_gain.py"


rule plot_sentences:
    """Sentences as points of a map, by the distances between them."""
    input:
        sentences=sentences_of(FIGURES, "figure"),
        code=code("plot_sentences"),
    output:
        *figure_files("sentence_map", "figures/{figure}.distances.csv"),
    log:
        "results/logs/plot_sentences/{figure}.log",
    wildcard_constraints:
        figure=of_kind(FIGURES, "sentence_map"),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        **needs(memory_of_input, 30),
    params:
        figure=lambda wildcards: with_settings(wildcards.figure, FIGURES),
        model=lambda wildcards: MODELS[FIGURES[wildcards.figure]["model"]],
        groups=lambda wildcards: asked_views.source_groups(
            DATASETS[FIGURES[wildcards.figure]["dataset"]]
        ),
    message:
        "Drawing {wildcards.figure}"
    script:
        "../scripts/plot_sentences.py"


rule plot_schematic:
    """Where the entropies of vision-language models are measured."""
    input:
        code=code("plot_schematic"),
    output:
        *figure_files("schematic"),
    log:
        "results/logs/plot_schematic/{figure}.log",
    wildcard_constraints:
        figure=of_kind(FIGURES, "schematic"),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        **needs(2000, 30),
    params:
        figure=lambda wildcards: {"name": wildcards.figure, **FIGURES[wildcards.figure]},
        models=lambda wildcards: architectures_of(FIGURES[wildcards.figure]),
    message:
        "Drawing {wildcards.figure}"
    script:
        "../scripts/plot_schematic.py"


rule plot_long_rows:
    """Long rows across blocks, attention to them, and the entropy with and without them."""
    input:
        metrics=lambda wildcards: metrics_of(FIGURES[wildcards.figure])["metrics"],
        rows=rows_of,
        code=code("plot_long_rows"),
    output:
        *figure_files("controls", *TABLES_OF_ROWS),
    log:
        "results/logs/plot_long_rows/{figure}.log",
    wildcard_constraints:
        figure=of_kind(FIGURES, "long_rows"),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        **needs(memory_of_input, 30),
    params:
        figure=lambda wildcards: {"name": wildcards.figure, **FIGURES[wildcards.figure]},
        models=lambda wildcards: shown_models(FIGURES[wildcards.figure]),
        datasets=lambda wildcards: shown_datasets(FIGURES[wildcards.figure]),
    message:
        "Drawing {wildcards.figure}"
    script:
        "../scripts/plot_long_rows.py"


rule plot_controls:
    """A control of Liang's figures: the length of texts, the first token, fresh weights."""
    input:
        metrics=lambda wildcards: metrics_of(FIGURES[wildcards.figure])["metrics"],
        published=shipped("data/published/liang2024_*.csv"),
        code=code("plot_controls"),
    output:
        *figure_files("controls", "figures/{figure}.gaps.csv"),
    log:
        "results/logs/plot_controls/{figure}.log",
    wildcard_constraints:
        figure=of_kind(FIGURES, "length_control", "first_token", "untrained_blocks"),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        **needs(memory_of_input, 30),
    params:
        figure=lambda wildcards: {"name": wildcards.figure, **FIGURES[wildcards.figure]},
        models=lambda wildcards: shown_models(FIGURES[wildcards.figure]),
        datasets=lambda wildcards: shown_datasets(FIGURES[wildcards.figure]),
    message:
        "Drawing {wildcards.figure}"
    script:
        "../scripts/plot_controls.py"
