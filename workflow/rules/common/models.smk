"""What the rules of models ask of the configuration."""


def files_of_model(wildcards):
    """What the files of a local model folder are known by, so that others are noticed."""
    folder = MODELS[wildcards.model].get("path")
    return {} if folder is None else _known_by(wildcards.model, folder)


@functools.cache  # weights that are recorded with another date are read for it
def _known_by(model, folder):
    return model_files.known_by(Path(folder), Path(f"results/models/{model}.json"))


def gguf_file_of(wildcards):
    """The GGUF file of a model that is on this machine, or will be when its package was fetched."""
    entry = MODELS[wildcards.model]
    if "package" in entry:
        return f"results/downloads/{wildcards.model}.gguf"
    # A job says in a sentence what is missing; one on the hub is fetched by it.
    local_file = gguf_files.local_gguf(entry) if "path" in entry else None
    return [str(local_file)] if local_file and local_file.is_file() else []


def base_record(wildcards):
    """Record of the model that a derived one starts from; none where a checkpoint has its own."""
    model = MODELS[wildcards.model]
    if wildcards.model in PASSING:
        return []
    base = model.get("lora") or model.get("untrained") or model["checkpoint"]
    return f"results/models/{base['model']}.json"


def questions_of(dataset):
    """Files of a data set's benchmark records; none where the task of the harness has its own."""
    return [
        f"results/records/{name}.jsonl" if "generate" in DATASETS[name] else DATASETS[name]["path"]
        for name in experiments.tasks_of(dataset, DATASETS)
        if {"generate", "path"} & set(DATASETS[name])
    ]


def sources_of(dataset):
    """Where the texts of a data set's benchmarks come from."""
    return [f"results/prompts/{n}.origin.json" for n in experiments.tasks_of(dataset, DATASETS)]
