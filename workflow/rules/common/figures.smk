"""What the rules of figures ask of the configuration."""


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
