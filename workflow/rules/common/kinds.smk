"""What the rules of figures and tables ask of the configuration."""


def memory_of_kind(wildcards, input):
    """MiB for a job that holds its input several times over, or simulates what it shows."""
    return max(2000, memory_of_input(wildcards, input))


def entry_of(wildcards):
    """The entry of a figure or table with its name and settings."""
    if hasattr(wildcards, "table"):
        return with_settings(wildcards.table, TABLES)
    return with_settings(wildcards.figure, FIGURES)


def kind_of(wildcards):
    """What is known of the kind of a figure or table."""
    return kinds.KINDS[entry_of(wildcards)["kind"]]


def inputs_of_kind(wildcards):
    """What a figure or table is made from, as its kind says."""
    about = kind_of(wildcards)
    published = {"published": shipped(f"paper/{about.published}")} if about.published else {}
    return published | inputs_read(entry_of(wildcards), about.reads)


def inputs_read(entry, reads):
    """The files that a kind reads, by what they are."""
    if reads in kinds.WITH_METRICS:
        beside = {"accuracies": accuracies_of, "rows": rows_of, "texts": text_metrics_of}
        return metrics_of(entry) | ({reads: beside[reads](entry)} if reads in beside else {})
    if reads == "gains":
        return {"gains": gains_of(entry)}
    if reads == "sentences":
        return {"sentences": [f"results/sentences/{entry['model']}/{entry['dataset']}.npz"]}
    if reads == "origins":
        return {"origins": [f"results/prompts/{name}.origin.json" for name in entry["datasets"]]}
    if reads == "images":
        return image_metrics_of(entry, [multimodal_metrics.NONE, multimodal_metrics.NULLS])
    if reads == "image operations":
        return image_metrics_of(entry, multimodal_metrics.OPERATIONS)
    return {}


def models_of_kind(wildcards):
    """What a figure or table says of its models."""
    entry, about = entry_of(wildcards), kind_of(wildcards)
    if about.reads == "sentences":
        return {entry["model"]: MODELS[entry["model"]]}
    return architectures_of(entry) if about.of_vision else shown_models(entry)


def datasets_of_kind(wildcards):
    """What a figure or table says of its texts."""
    entry, about = entry_of(wildcards), kind_of(wildcards)
    if about.reads == "sentences":
        groups = asked_views.source_groups(DATASETS[entry["dataset"]])
        return {entry["dataset"]: {"source_groups": groups}}
    return shown_datasets(entry)


def files_of_kind(part, about):
    """What making a figure or table gives; the report shows the PNG and the table's CSV."""
    figure = [
        f"figures/{{{part}}}.pdf",
        in_report(f"figures/{{{part}}}.png", about.caption, "Figures"),
        f"figures/{{{part}}}.csv",
        *(f"figures/{{{part}}}.{name}.csv" for name in about.tables),
    ]
    if part == "figure":
        return figure
    table = [
        in_report("results/tables/{table}.csv", about.caption, "Tables"),
        "results/tables/{table}.md",
        "results/tables/{table}.tex",
    ]
    return table + (figure if about.with_figure else [])


def metrics_of_blocks(wildcards):
    """The metrics for a figure across blocks, which is refused before the model runs for nothing."""
    try:
        targets.check_blocks(wildcards.model, MODELS[wildcards.model])
    except InputError as error:
        raise WorkflowError(str(error))
    return f"results/metrics/{wildcards.model}/{wildcards.dataset}.parquet"


def accuracies_of(table):
    """Accuracies of a table's models, if one of its data sets has a task."""
    measured = table["models"] if experiments.tasks_of(table["dataset"], DATASETS) else []
    return [f"results/accuracy/{model}/{table['dataset']}.json" for model in measured]


def rows_of(figure):
    """Rows of the runs of a figure, those of fresh weights included."""
    found = dict.fromkeys(experiments.runs(figure, DATASETS))
    return [f"results/rows/{model}/{dataset}.npz" for model, dataset in found]


def text_metrics_of(figure):
    """Ranks of many texts of the runs of a figure."""
    found = dict.fromkeys(experiments.runs(figure, DATASETS))
    return [f"results/metrics/{model}/{dataset}.texts.csv" for model, dataset in found]


def gains_of(figure):
    """Information gains of a figure's models, on every part of their data sets."""
    return [
        f"results/information_gain/{figure['name']}/{model}/{part}.npz"
        for model, dataset in experiments.runs(figure, DATASETS)
        for part in experiments.part_names(dataset, DATASETS[dataset]["shards"])
    ]


def image_metrics_of(table, operations):
    """Metrics and summaries of all runs that a table of vision-language models reads."""
    found = [
        f"results/metrics/{model}/{dataset}.{operation}"
        for model, dataset in experiments.runs(table, DATASETS)
        for operation in operations
    ]
    return {
        "metrics": [f"{run}.parquet" for run in found],
        "summaries": [f"{run}.summary.csv" for run in found],
    }
