"""Wildcards and input functions, from the configuration; the other files hold only rules.

Wildcards: {model}, {dataset}, {figure} and {table} are names from the checking, {part} is a data
set or one of its shards (wikipedia.2of8), {corpus} the name of a data set that stand-ins learn from,
{vocabulary} the size of their tokenizer. To the models of the configuration come those that figures
and tables derive from them ({model}_untrained_{seed}, {model}_lora_{dataset}).
"""

import ast
import functools
import json
import os
import re
import sys
from pathlib import Path

from snakemake.exceptions import LockException

# For the scripts that jobs run; for this file checking.smk has done it.
os.environ.update(
    PYTHONPATH=os.pathsep.join(filter(None, [str(LIBRARY.parent), os.getenv("PYTHONPATH")])),
    # A shell command finds the Python that runs Snakemake, also where it is not activated.
    PATH=os.pathsep.join(filter(None, [str(Path(sys.executable).parent), os.getenv("PATH")])),
)

from matrix_entropy.sources import addresses, gguf_files, model_files
from matrix_entropy.results import archived_results, asked_views, multimodal_metrics
from matrix_entropy.configuration import checking, entries, experiments, input_paths, targets
from matrix_entropy.published import counterparts
from matrix_entropy.pages import errata
from matrix_entropy.running import failed_jobs, gpus, run_lock, stopping, workers
from matrix_entropy.estimate import fetched_by_hand
from matrix_entropy.models.vision import minigpt_v2_parts
from matrix_entropy.configuration.shared_checks import has_images

# Jobs read this file as well; their run has looked.
if workflow.is_main_process:
    said = run_lock.clear()
    if said:
        logger.warning(said)
    if not workflow.output_settings.dryrun:
        run_lock.take()
    LockException.__str__ = lambda error: run_lock.holder() or WorkflowError.__str__(error)

try:
    input_paths.check_places(ROOT, Path())
    config.update(checking.checked(config))
    targets.chosen(config)
    input_paths.check_input_paths(config, ROOT, Path())
    ARCHIVED = (
        archived_results.archived_sources(config["archive"], config) if "archive" in config else []
    )
except InputError as error:
    raise WorkflowError(str(error))

DATASETS, FIGURES, TABLES = config["datasets"], config["figures"], config["tables"]
MODELS = config["models"] | experiments.derived_models(config)
# Those with `vision:` are vision-language models.
LANGUAGE_MODELS = {name: model for name, model in MODELS.items() if "vision" not in model}
VISION_MODELS = {name: model for name, model in MODELS.items() if "vision" in model}
OF_IMAGES = {name: dataset for name, dataset in DATASETS.items() if has_images(dataset)}
OF_TEXTS = {name: dataset for name, dataset in DATASETS.items() if not has_images(dataset)}
DRAWN = {name: dataset for name, dataset in OF_IMAGES.items() if "generate" in dataset}
SHARDED = {name: dataset for name, dataset in DATASETS.items() if dataset["shards"] > 1}

# Figures and tables that wait for what their user has to fetch, and for what. The run decides it once:
# a job that looked anew would see what has come since, and on another machine what is not there.
if workflow.is_main_process:
    os.environ["MATRIX_ENTROPY_WAITING"] = json.dumps(fetched_by_hand.waiting(config))


envvars:
    "MATRIX_ENTROPY_WAITING",


WAITING = json.loads(os.environ["MATRIX_ENTROPY_WAITING"])

# Spectra of a vision-language model at every place, in the paper's order.
IMAGE_SPECTRA = [
    f"results/spectra/{{model}}/{{dataset}}.{{operation}}.{position}.npz"
    for position in multimodal_metrics.POSITIONS
]
PAPERS = {
    "liang2024": "Liang 2024",
    "wei2024": "Wei et al. 2024",
    "tan2024": "Tan et al. 2024",
    "real_model": "A real model",
}

# Above this many parameters in its blocks a model gains from more than one thread.
SMALL_MODEL = 10_000_000
# Tokens of a vocabulary that the configuration does not tell the size of.
LARGE_VOCABULARY = 2**17


def names(entries, *keys):
    """Regular expression for the names of entries that have one of the keys (all without keys)."""
    return one_of(name for name, entry in entries.items() if not keys or set(keys) & set(entry))


def one_of(found):
    """Regular expression for some names."""
    # The longest first, so that a name which begins another never wins; "never" if there is none.
    return "|".join(sorted(map(re.escape, found), key=len, reverse=True)) or "(?!)"


def of_kind(entries, *kinds):
    """Regular expression for the names of figures or tables of some kinds."""
    return one_of(name for name, entry in entries.items() if entry["kind"] in kinds)


def models_of_spectra(streamed):
    """Models whose spectra are made with, or without, hidden states on disk.

    Those that were made the other way are as good, and are left to the rule that made them, so that
    another `hidden_states:` in the configuration runs no model again, unless a run is to (-F, -R).
    """
    if not workflow.is_main_process:  # a job is told its rule
        return names(LANGUAGE_MODELS)
    chosen = config["hidden_states"] == "stream"
    # Rules are read before Snakemake knows what it is to force.
    forced = {"-F", "--forceall", "-R", "--forcerun"} & set(sys.argv)
    made = [] if forced else asked_views.made_otherwise(Path("results/spectra"), chosen)
    others = one_of(made)
    look = "!" if streamed is chosen else "="
    return rf"(?{look}(?:{others})\.npz)(?:{names(LANGUAGE_MODELS)})"


wildcard_constraints:
    model=names(MODELS),
    dataset=names(DATASETS),
    figure=names(FIGURES),
    table=names(TABLES),
    operation=one_of(multimodal_metrics.OPERATIONS),
    part=one_of(
        part
        for name, dataset in DATASETS.items()
        for part in experiments.part_names(name, dataset["shards"])
    ),
    corpus=names(DATASETS),
    vocabulary=r"\d+",


# Keys of a data set that say how its records become texts.
READING = (
    "field",
    "fields",
    "separator",
    "record",
    "group_field",
    "groups",
    "sample",
    "skip_empty",
)
# Keys of a model that say how it is run over texts, and what is taken from it.
RUN_BY = (
    *("layers", "width", "bos", "center_features", "dtype", "extract"),
    *("batch_texts", "streams"),
)


@functools.cache
def imports(path):
    """Modules of the library that a file imports; most files are asked for by many rules."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("matrix_entropy"):
            inner = node.module.partition(".")[2].replace(".", "/")
            # From a package come modules, from a module what is in it.
            parts = (
                [inner]
                if (LIBRARY / f"{inner}.py").is_file()
                else [
                    f"{inner}/{alias.name}" if inner else alias.name
                    for alias in node.names
                    if not alias.name.startswith("__")
                ]
            )
            found |= {*parts}
    return found


def code(script):
    """Files of the library that a script consists of, with all that they import from it.

    They are inputs of the rules, since Snakemake sees edits of scripts only.
    """
    return code_of(*imports(ROOT / "workflow/scripts" / f"{script}.py"))


def code_of(*modules):
    """Files of some modules of the library, with all that they import from it.

    What is imported and not found is an error: an edit of it would run nothing again.
    """
    found, waiting = set(), {"__init__", *modules}
    while waiting:
        path = LIBRARY / f"{waiting.pop()}.py"
        if path not in found:
            found.add(path)
            waiting |= imports(path)
    return local(sorted(map(str, found)))


def shipped(*patterns):
    """Files of this repository, which every machine has beside its rules and no storage holds."""
    return local([str(path) for pattern in patterns for path in sorted(ROOT.glob(pattern))])


def only(entry, *keys):
    """The keys of an entry that a job depends on; an edit of another one re-runs nothing."""
    return {key: entry[key] for key in keys if key in entry}


def in_blocks(model):
    """Parameters in the blocks of a model, about 12 · layers · width²: what its cost grows with."""
    entry = MODELS[model]
    parts = [entry, entry["vision"]] if "vision" in entry else [entry]
    return sum(12 * part["layers"] * part["width"] ** 2 for part in parts)


def device_map(wildcards):
    """On which devices a model is: a resource, since no result depends on it."""
    return MODELS[wildcards.model]["device_map"]


def model_threads(wildcards):
    """Eight for a large model, or a GPU's share of the cores, so that every GPU has work."""
    if in_blocks(wildcards.model) < SMALL_MODEL:
        return 1
    cores = workflow.resource_settings.cores
    share = cores // gpus.seen() if cores and model_gpus(wildcards) else 8
    return min(8, max(1, share))


def model_gpus(wildcards):
    """One GPU where this machine runs the jobs and has some, so that a model has a card to itself.

    Small models share the first that they see: their jobs would wait for each other in vain.
    """
    here = workflow.local_exec and not workflow.remote_exec
    return min(1, gpus.seen()) if here and in_blocks(wildcards.model) >= SMALL_MODEL else 0


def needs(memory, minutes, gpu=0):
    """Resources of a job: MiB of memory and minutes, more on every attempt, and GPUs.

    ``memory`` is a number or a function of wildcards and input, ``gpu`` one of wildcards; the person
    who starts a run may give more or none: ``--set-resources RULE:gpu=4``.
    """

    def mem_mb(wildcards, input, attempt):
        return int(attempt * (memory(wildcards, input) if callable(memory) else memory))

    def runtime(wildcards, attempt):
        return attempt * minutes

    return {"mem_mb": mem_mb, "runtime": runtime, "gpu": gpu}


def memory_of_input(wildcards, input):
    """MiB for a job that holds its input several times over."""
    return 1000 + 4 * input.size_mb


def memory_of_model(wildcards, input):
    """MiB for a model's weights and one batch."""
    return memory_of(wildcards.model)


def views_to_make(wildcards):
    """The views that spectra are made with, by which a view that is taken away runs nothing."""
    asked = asked_views.asked_views(DATASETS[dataset_of(wildcards)])
    return asked_views.made_views(
        Path(f"results/spectra/{wildcards.model}/{wildcards.part}.npz"), asked
    )


def views_of(wildcards):
    """In how many ways the rows of a text are counted."""
    dataset = DATASETS[dataset_of(wildcards)]
    return 1 + len(dataset["controls"]) + len(dataset.get("lengths", []))


def memory_of_spectra(wildcards, input):
    """MiB for the spectra of a data set, which are held three times while they are put together.

    A text has at most as many eigenvalues, of 8 bytes, as rows, and a row is ``width`` times 4.
    """
    width = MODELS[wildcards.model]["width"]
    return 4000 + 3 * views_of(wildcards) * 8 / (4 * width) * input.size_mb


def memory_of_stream(wildcards, input):
    """MiB for a model and the spectra of all layers; a token is taken to be three bytes of text."""
    layers = len(entries.layers_of(MODELS[wildcards.model]))
    spectra = 3 * views_of(wildcards) * layers * 8 / 3 * input.size_mb
    return memory_of(wildcards.model) + spectra


def memory_of_writer(wildcards, input):
    """The same for the model that writes a data set."""
    return memory_of(DATASETS[wildcards.dataset]["generate"]["model"])


def memory_of(model):
    bytes_each = 4 if MODELS[model]["dtype"] == "float32" else 2
    return 4000 + 1.5 * bytes_each * weights(model) / 2**20


def weights(model):
    """Parameters of a model, with its embeddings: as stated, or an estimate that is not too small."""
    entry = MODELS[model]
    vocabulary = entry["train"]["vocabulary"] if "train" in entry else LARGE_VOCABULARY
    # One table of embeddings on either end; many models have but one.
    return max(entry.get("parameters", 0), in_blocks(model) + 2 * vocabulary * entry["width"])


def read_by(wildcards, *keys):
    """What reading a data set's texts depends on: of its groups, what the source calls them."""
    entry = only(DATASETS[wildcards.dataset], *keys, *READING)
    if "groups" in entry:
        entry["groups"] = {group: group for group in sorted(entry["groups"].values())}
    return entry


def dataset_source(wildcards):
    """The file that a data set's texts are read from, if it is there."""
    dataset = DATASETS[wildcards.dataset]
    if "bundled" in dataset:
        return local(str(ROOT / dataset["bundled"]))
    if "url" in dataset:
        return f"results/downloads/{wildcards.dataset}"
    # Reading a missing file says so in a sentence; Snakemake would only name the file.
    return [dataset["path"]] if Path(dataset["path"]).is_file() else []


def image_source(wildcards):
    """The same of records about images: what was unpacked, or none if the job asks the hub."""
    dataset = DATASETS[wildcards.dataset]
    if "zip" in dataset:
        return f"results/pictures/{wildcards.dataset}"
    return [] if "hub" in dataset else dataset_source(wildcards)


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


def tokenizer_of(wildcards):
    train = MODELS[wildcards.model]["train"]
    return f"results/tokenizers/{train['corpus']}_{train['vocabulary']}"


def corpus_of(wildcards):
    return f"results/prompts/{MODELS[wildcards.model]['train']['corpus']}.jsonl"


def dataset_of(wildcards):
    """Name of the data set that a part is or belongs to."""
    return experiments.part_of(wildcards.part)[0]


def shard_of(wildcards):
    """A part's number among how many."""
    _, number, count = experiments.part_of(wildcards.part)
    return f"{number}/{count}"


def shards_of(wildcards):
    """Spectra of a data set's shards, in their order."""
    parts = experiments.part_names(wildcards.dataset, DATASETS[wildcards.dataset]["shards"])
    return [f"results/spectra/{wildcards.model}/{part}.npz" for part in parts]


def texts_made_of(wildcards):
    """Prompts of the data sets that a union or a data set of variants is made of."""
    dataset = DATASETS[wildcards.dataset]
    members = dataset["union"] if "union" in dataset else [dataset["variants"]["of"]]
    return [f"results/prompts/{member}.jsonl" for member in members]


def origins_made_of(wildcards):
    """Where those texts came from."""
    return [path.replace(".jsonl", ".origin.json") for path in texts_made_of(wildcards)]


def folders_of(wildcards):
    return made_for(wildcards.model)


def made_for(model):
    """Folders that the workflow makes for a model: of its training, adapter or conversion, its base's.

    Its record names them, but where jobs share no folder they have none but their inputs.
    """
    entry = MODELS[model]
    made = {"train", "lora", "minigpt_v2"} & set(entry) or gguf_files.is_gguf(entry)
    own = [f"results/models/{model}"] if made else []
    base = entry.get("lora") or entry.get("untrained")
    return own + (made_for(base["model"]) if base else [])


def base_record(wildcards):
    """Record of the model that a derived one starts from."""
    model = MODELS[wildcards.model]
    return f"results/models/{(model.get('lora') or model['untrained'])['model']}.json"


def questions_of(dataset):
    """Files of a data set's benchmark records; none where the task of the harness has its own."""
    return [
        f"results/records/{name}.jsonl" if "generate" in DATASETS[name] else DATASETS[name]["path"]
        for name in experiments.tasks_of(dataset, DATASETS)
        if {"generate", "path"} & set(DATASETS[name])
    ]


def metrics_of(entry):
    """Metrics and summaries of all runs that a figure or table reads, by model and data set."""
    runs = dict.fromkeys(experiments.runs(entry, DATASETS))
    return {
        "metrics": [f"results/metrics/{model}/{dataset}.parquet" for model, dataset in runs],
        "summaries": [f"results/metrics/{model}/{dataset}.summary.csv" for model, dataset in runs],
    }


def sources_of(dataset):
    """Where the texts of a data set's benchmarks come from."""
    return [f"results/prompts/{n}.origin.json" for n in experiments.tasks_of(dataset, DATASETS)]


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


def shown_models(entry):
    """Of the models in a figure or table, what labels and axes need."""
    keys = ("title", "family", "size", "parameters", "initializer_range", "untrained", "lora")
    found = dict.fromkeys(model for model, _ in experiments.runs(entry, DATASETS))
    return {model: only(MODELS[model], *keys) for model in found}


def of_paper(wildcards):
    """The part of the report that a figure or table belongs to."""
    entry = TABLES[wildcards.table] if hasattr(wildcards, "table") else FIGURES[wildcards.figure]
    return PAPERS.get(entry.get("paper"), "Others")


def called(wildcards):
    """What the report's list calls a figure or table."""
    if hasattr(wildcards, "table"):
        return {"table": TABLES[wildcards.table].get("title", wildcards.table)}
    return {"figure": FIGURES[wildcards.figure].get("title", wildcards.figure)}


def in_report(path, caption, kind):
    """A file as part of `snakemake --report`, below its paper."""
    described = str(ROOT / "workflow/report" / f"{caption}.rst")
    return report(path, described, of_paper, subcategory=kind, labels=called)


def figure_files(caption, *more):
    """What drawing a figure makes; the report shows the PNG."""
    png = in_report("figures/{figure}.png", caption, "Figures")
    return ["figures/{figure}.pdf", png, "figures/{figure}.csv", *more]


def table_files(caption):
    """What writing a table makes; the report shows the CSV."""
    csv = in_report("results/tables/{table}.csv", caption, "Tables")
    return [csv, "results/tables/{table}.md", "results/tables/{table}.tex"]


def datasets_in(entry):
    """The data sets of a figure or table, with those that they are made of."""
    found = {dataset for _, dataset in experiments.runs(entry, DATASETS)}
    found |= {entry["dataset"]} if "dataset" in entry else set(entry.get("datasets", []))
    found |= {inner for name in found for inner in experiments.members_of(name, DATASETS)}
    return found | {
        DATASETS[name]["variants"]["of"] for name in found if "variants" in DATASETS[name]
    }


def shown_datasets(entry):
    """Of the data sets in a figure or table, what labels and the published tables need."""
    keys = ("title", "published", "panels", "union", "variants", "separator", "licence", "paired")
    return {name: only(DATASETS[name], *keys) for name in sorted(datasets_in(entry))}


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


def told_by_hand(wildcards):
    """No file: says at the start of a run, or of a dry one, what a job waits for its user to fetch."""
    if hasattr(wildcards, "model"):
        _tell_by_hand(fetched_by_hand.of_model(wildcards.model, config))
    else:
        _tell_by_hand(fetched_by_hand.of_dataset(wildcards.dataset, config))
    return []


@functools.cache  # Snakemake asks several times
def _tell_by_hand(sentence):
    if sentence and workflow.is_main_process:
        logger.warning(f"To be fetched by hand: {sentence}")


def that_do_not_wait(files):
    """Of files of figures and tables those that can be made; says what the others wait for."""
    names = {file: Path(file).name.partition(".")[0] for file in files}
    for name in [name for name in WAITING if name in names.values()]:
        for sentence in fetched_by_hand.by_hand(config | {"targets": [name]}):
            _tell_by_hand(sentence)
    return [file for file, name in names.items() if name not in WAITING]


def pictures_of(wildcards):
    """The folder of generated or unpacked pictures; others are not looked through beforehand."""
    dataset = DATASETS[wildcards.dataset]
    return [f"results/pictures/{wildcards.dataset}"] if {"generate", "zip"} & set(dataset) else []


def vision_sizes(wildcards):
    """A vision encoder's sizes; what it is called is for tables and figures."""
    keys = ("layers", "width", "image_size", "patch", "image_tokens")
    return only(MODELS[wildcards.model]["vision"], *keys)


def parts_of(wildcards):
    """Paths of the two files of a MiniGPT-v2, of which one may be fetched."""
    parts = only(MODELS[wildcards.model]["minigpt_v2"], *minigpt_v2_parts.FILES)
    fetched = fetched_vision_encoder(wildcards)
    return parts | ({"vision_encoder": fetched[0]} if fetched else {})


def fetched_vision_encoder(wildcards):
    """Where the vision encoder of a MiniGPT-v2 is fetched to, if it has an address."""
    part = MODELS[wildcards.model]["minigpt_v2"]["vision_encoder"]
    fetched = f"results/downloads/{wildcards.model}.vision_encoder.pth"
    return [fetched] if addresses.is_address(part) else []


def part_marks(wildcards):
    """Size and time of the files that a MiniGPT-v2 is made of, so that others are noticed.

    Of those that are gone, what was recorded: once it is made, nobody has to keep them.
    """
    record = Path(f"results/models/{wildcards.model}.made_of.json")
    recorded = json.loads(record.read_text(encoding="utf-8")) if record.exists() else {}
    return minigpt_v2_parts.marks(MODELS[wildcards.model]["minigpt_v2"], recorded)


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


def architectures_of(entry):
    """Of the vision-language models in a figure or table, what they are made of."""
    keys = ("title", "family", "size", "parameters", "train", "bos")
    parts = ("vision", "connector", "language_model", "layers", "width")
    return {name: only(MODELS[name], *keys, *parts) for name in experiments.models_of(entry)}


def sentences_of(entries, wildcard):
    """The sentences that a figure or table looks at, as its model saw them."""

    def path(wildcards):
        entry = entries[getattr(wildcards, wildcard)]
        return f"results/sentences/{entry['model']}/{entry['dataset']}.npz"

    return path


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


def group_of_gains(wildcards):
    """The group whose texts a figure's gains are of; none where a model reads its texts alone."""
    group = FIGURES[wildcards.figure].get("group")
    return None if group == dataset_of(wildcards) else group


def with_settings(name, entries):
    """An entry with its name and the settings of its kind, which stand under the kind's name."""
    return {"name": name, **entries[name], **entries[name].get(entries[name]["kind"], {})}


def downloads_of_targets(wildcards):
    """Files of addresses and of packages that the targets of the configuration need."""
    entries = targets.chosen(config).values()
    texts = {name for entry in entries for name in targets.needed_datasets(entry, config)}
    models = {name for entry in entries for name in targets.needed_models(entry, config)}
    return [
        *(
            f"results/downloads/{name}"
            for name in sorted(texts)
            if {"url", "zip"} & set(DATASETS[name])
        ),
        *(f"results/downloads/{name}.gguf" for name in sorted(models) if "package" in MODELS[name]),
        *(
            f"results/downloads/{name}.vision_encoder.pth"
            for name in sorted(models)
            if addresses.is_address(MODELS[name].get("minigpt_v2", {}).get("vision_encoder", ""))
        ),
    ]


def targets_of(*built):
    """The PDFs of figures and the CSVs of tables of some targets; other formats come with them."""
    files = {f"figures/{name}.pdf": entry for name, entry in FIGURES.items()}
    files |= {f"results/tables/{name}.csv": entry for name, entry in TABLES.items()}
    return [file for file, entry in files.items() if targets.target_of(entry, config) in built]


def files_of_paper(paper):
    """The same of all targets of a paper, which one page shows."""
    return targets_of(paper, targets.WITH_IMAGES.get(paper, paper))


def waiting_of(*papers):
    """The figures and tables of papers that wait for what their user has to fetch, and for what."""
    entries = FIGURES | TABLES
    return {name: what for name, what in WAITING.items() if entries[name].get("paper") in papers}
