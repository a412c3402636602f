"""Figures.

Needs: results/metrics/{model}/{dataset}.parquet and the summaries beside them, information gains,
sentences, rows. Makes: figures/{figure}.pdf for every entry of `figures:` and
figures/layers_{model}_{dataset}.pdf for any model and data set, each with .png and .csv, and what else a
kind has: fits of power laws in .fits.csv, gaps between groups in .gaps.csv.
"""


def memory_of_kind(wildcards, input):
    """MiB for a job that holds its input several times over, or simulates what it shows."""
    return max(2000, memory_of_input(wildcards, input))


def kind_of(wildcards):
    """What is known of a figure's kind."""
    return kinds.FIGURES[FIGURES[wildcards.figure]["kind"]]


def inputs_of_kind(wildcards):
    """What a figure is made from, as its kind says."""
    figure, reads = FIGURES[wildcards.figure], kind_of(wildcards).reads
    if reads == "metrics":
        return metrics_of(figure)
    if reads == "rows":
        return metrics_of(figure) | {"rows": rows_of(wildcards)}
    if reads == "gains":
        return {"gains": gains_of(wildcards)}
    if reads == "sentences":
        return {"sentences": [sentences_of(FIGURES, "figure")(wildcards)]}
    return {}


def models_of_kind(wildcards):
    """What a figure says of its models."""
    figure, reads = FIGURES[wildcards.figure], kind_of(wildcards).reads
    if reads == "sentences":
        return {figure["model"]: MODELS[figure["model"]]}
    return architectures_of(figure) if reads == "architectures" else shown_models(figure)


def datasets_of_kind(wildcards):
    """What a figure says of its texts."""
    figure = FIGURES[wildcards.figure]
    if kind_of(wildcards).reads == "sentences":
        groups = asked_views.source_groups(DATASETS[figure["dataset"]])
        return {figure["dataset"]: {"source_groups": groups}}
    return shown_datasets(figure)


def figure_files(caption, *more):
    """What drawing a figure makes; the report shows the PNG."""
    png = in_report("figures/{figure}.png", caption, "Figures")
    return ["figures/{figure}.pdf", png, "figures/{figure}.csv", *more]


def metrics_of_figure(wildcards):
    figure = FIGURES[wildcards.figure]
    return f"results/metrics/{figure['model']}/{figure['dataset']}.parquet"


def metrics_of_blocks(wildcards):
    """The metrics for a figure across blocks, which is refused before the model runs for nothing."""
    try:
        targets.check_blocks(wildcards.model, MODELS[wildcards.model])
    except InputError as error:
        raise WorkflowError(str(error))
    return f"results/metrics/{wildcards.model}/{wildcards.dataset}.parquet"


def rows_of(wildcards):
    """Rows of the runs of a figure, those of fresh weights included."""
    found = dict.fromkeys(experiments.runs(FIGURES[wildcards.figure], DATASETS))
    return [f"results/rows/{model}/{dataset}.npz" for model, dataset in found]


def gains_of(wildcards):
    """Information gains of a figure's models, on every part of their data sets."""
    figure = wildcards.figure
    return [
        f"results/information_gain/{figure}/{model}/{part}.npz"
        for model, dataset in experiments.runs(FIGURES[figure], DATASETS)
        for part in experiments.part_names(dataset, DATASETS[dataset]["shards"])
    ]


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
            {"paper": "liang2024"} | only(FIGURES[wildcards.figure], "paper", "model", "dataset")
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


for kind, about in kinds.FIGURES.items():
    if about.reads == "own rule":
        continue

    rule:
        name:
            f"plot_{kind}"
        input:
            unpack(inputs_of_kind),
            published=shipped("paper/*/published/*.csv"),
            code=lambda wildcards: [*code("plot_kind"), *code_of(kind_of(wildcards).module)],
        output:
            *figure_files(about.caption, *(f"figures/{{figure}}.{t}.csv" for t in about.tables)),
        log:
            f"results/logs/plot_{kind}/{{figure}}.log",
        wildcard_constraints:
            figure=of_kind(FIGURES, kind),
        conda:
            "../../envs/analysis.yaml"
        threads: 1
        resources:
            **needs(memory_of_kind, 30),
        params:
            figure=lambda wildcards: with_settings(wildcards.figure, FIGURES),
            models=models_of_kind,
            datasets=datasets_of_kind,
            module=lambda wildcards: kind_of(wildcards).module,
            tables=lambda wildcards: kind_of(wildcards).tables,
        message:
            "Drawing {wildcards.figure}"
        script:
            "../scripts/plot_kind.py"
