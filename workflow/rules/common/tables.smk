"""What the rules of tables ask of the configuration."""


def table_inputs(wildcards):
    """What a table is made from: metrics, accuracies, or the origins of texts."""
    table = TABLES[wildcards.table]
    if table["kind"] == "sources":
        return {"origins": [f"results/prompts/{name}.origin.json" for name in table["datasets"]]}
    if table["kind"] == "prompts":
        return {}
    has_tasks = table["kind"] == "indicators" and experiments.tasks_of(table["dataset"], DATASETS)
    measured = table["models"] if has_tasks else []
    accuracies = [f"results/accuracy/{model}/{table['dataset']}.json" for model in measured]
    return metrics_of(table) | {"accuracies": accuracies}


def table_files(caption):
    """What writing a table makes; the report shows the CSV."""
    csv = in_report("results/tables/{table}.csv", caption, "Tables")
    return [csv, "results/tables/{table}.md", "results/tables/{table}.tex"]


def image_metrics_of(wildcards):
    """Metrics and summaries of all runs that a table of vision-language models reads."""
    table = TABLES[wildcards.table]
    operations = {
        "multimodal": [multimodal_metrics.NONE],
        "image_operations": multimodal_metrics.OPERATIONS,
        "architecture": [],
    }[table["kind"]]
    found = [
        f"results/metrics/{model}/{dataset}.{operation}"
        for model, dataset in experiments.runs(table, DATASETS)
        for operation in operations
    ]
    return {
        "metrics": [f"{run}.parquet" for run in found],
        "summaries": [f"{run}.summary.csv" for run in found],
    }
