"""Wildcards, and what the rules of several stages ask; what one stage asks is in common/.

Wildcards: {model}, {dataset}, {figure} and {table} are names from the configuration, {part} is a data
set or one of its shards (wikipedia.2of8), {corpus} the name of a data set that stand-ins learn from,
{vocabulary} the size of their tokenizer. To the models of the configuration come those that figures
and tables derive from them ({model}_untrained_{seed}, {model}_lora_{dataset}).
"""

import functools
import json
import os
import re
import sys
import tempfile
from pathlib import Path

from snakemake.exceptions import LockException

# For the scripts that jobs run; for this file configuration.smk has done it.
os.environ.update(
    PYTHONPATH=os.pathsep.join(filter(None, [str(LIBRARY.parent), os.getenv("PYTHONPATH")])),
    # A shell command finds the Python that runs Snakemake, also where it is not activated.
    PATH=os.pathsep.join(filter(None, [str(Path(sys.executable).parent), os.getenv("PATH")])),
)

from matrix_entropy.base import imports
from matrix_entropy.sources import addresses, gguf_files, model_files
from matrix_entropy.results import archived_results, asked_views, multimodal_metrics
from matrix_entropy.configuration import (
    checking,
    entries,
    experiments,
    input_paths,
    kinds,
    licences,
    papers,
    targets,
    trajectories,
)
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
# Of these, checkpoints on the hub are on disk for as long as they are measured only.
PASSING = {n: m for n, m in LANGUAGE_MODELS.items() if trajectories.is_fetched_to_measure(m)}
STAYING = {name: model for name, model in LANGUAGE_MODELS.items() if name not in PASSING}
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
NULL_SPECTRA = [
    f"results/spectra/{{model}}/{{dataset}}.{multimodal_metrics.NULLS}.{position}.npz"
    for position in multimodal_metrics.NULL_POSITIONS
]
# Those whose entries there are.
PAPERS = {
    name: papers.paper(name)
    for name in dict.fromkeys(
        entry["paper"] for entry in [*FIGURES.values(), *TABLES.values()] if "paper" in entry
    )
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


def code(script):
    """Files of the library that a script consists of, with all that they import from it.

    They are inputs of the rules, since Snakemake sees edits of scripts only.
    """
    return code_of(*imports.imports(ROOT / "workflow/scripts" / f"{script}.py"))


def code_of(*modules):
    """Files of some modules of the library, with all that they import from it.

    What is imported and not found is an error: an edit of it would run nothing again.
    """
    begun = [LIBRARY / f"{module}.py" for module in ("__init__", *modules)]
    return local(sorted(map(str, imports.modules(*begun))))


def precision_of(dataset):
    """In which the eigenvalues of a data set's spectra are found."""
    return DATASETS[dataset].get("spectra_precision", "double")


def scripts_of(jobs):
    """The script of each of some jobs that have one, run by Snakemake or by a shell."""
    scripts = [job.rule.script or job.input.get("script") for job in jobs]
    return [(ROOT / "workflow" / "rules" / script).resolve() for script in scripts if script]


def shipped(*patterns):
    """Files of this repository, which every machine has beside its rules and no storage holds."""
    return local([str(path) for pattern in patterns for path in sorted(ROOT.glob(pattern))])


def in_library(*paths):
    """Files of the library that are no code."""
    return local([str(LIBRARY / path) for path in paths])


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


def memory_of_layers(wildcards, input):
    """MiB for a job that holds one layer of its input at a time."""
    return 1000 + input.size_mb


def memory_of_model(wildcards, input):
    """MiB for a model's weights and one batch."""
    return memory_of(wildcards.model)


def memory_of(model):
    bytes_each = 4 if MODELS[model]["dtype"] == "float32" else 2
    return 4000 + 1.5 * bytes_each * weights(model) / 2**20


def weights(model):
    """Parameters of a model, with its embeddings: as stated, or an estimate that is not too small."""
    entry = MODELS[model]
    vocabulary = entry["train"]["vocabulary"] if "train" in entry else LARGE_VOCABULARY
    # One table of embeddings on either end; many models have but one.
    return max(entry.get("parameters", 0), in_blocks(model) + 2 * vocabulary * entry["width"])


def dataset_source(wildcards):
    """The file that a data set's texts are read from, if it is there."""
    dataset = DATASETS[wildcards.dataset]
    if "bundled" in dataset:
        return local(str(ROOT / dataset["bundled"]))
    if "url" in dataset:
        return f"results/downloads/{wildcards.dataset}"
    # Reading a missing file says so in a sentence; Snakemake would only name the file.
    return [dataset["path"]] if Path(dataset["path"]).is_file() else []


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


def folders_of(wildcards):
    return made_for(wildcards.model)


def made_for(model):
    """Folders that the workflow makes for a model: of its training, adapter or conversion, its base's.

    Its record names them, but where jobs share no folder they have none but their inputs.
    """
    entry = MODELS[model]
    made = {"train", "lora", "minigpt_v2"} & set(entry) or gguf_files.is_gguf(entry)
    own = [f"results/models/{model}"] if made else []
    base = entry.get("lora") or entry.get("untrained") or {}
    if "checkpoint" in entry and "hub" not in entry:
        base = entry["checkpoint"]
    return own + (made_for(base["model"]) if base else [])


def metrics_of(entry):
    """Metrics and summaries of all runs that a figure or table reads, by model and data set."""
    runs = dict.fromkeys(experiments.runs(entry, DATASETS))
    return {
        "metrics": [f"results/metrics/{model}/{dataset}.parquet" for model, dataset in runs],
        "summaries": [f"results/metrics/{model}/{dataset}.summary.csv" for model, dataset in runs],
    }


def shown_models(entry):
    """Of the models in a figure or table, what labels and axes need."""
    keys = ("title", "family", "size", "parameters", "initializer_range")
    keys += ("untrained", "lora", "checkpoint")
    found = dict.fromkeys(model for model, _ in experiments.runs(entry, DATASETS))
    return {model: only(MODELS[model], *keys) for model in found}


def of_paper(wildcards):
    """The part of the report that a figure or table belongs to."""
    entry = TABLES[wildcards.table] if hasattr(wildcards, "table") else FIGURES[wildcards.figure]
    return PAPERS[entry["paper"]]["reference"] if "paper" in entry else "Others"


def called(wildcards):
    """What the report's list calls a figure or table."""
    if hasattr(wildcards, "table"):
        return {"table": TABLES[wildcards.table].get("title", wildcards.table)}
    return {"figure": FIGURES[wildcards.figure].get("title", wildcards.figure)}


# For a report, captions with the words that they share in front, until this process ends.
REPORTED = any(argument.startswith("--report") for argument in sys.argv)
CAPTIONS = tempfile.TemporaryDirectory(prefix="matrix_entropy_") if REPORTED else None


def in_report(path, caption, kind):
    """A file as part of `snakemake --report`, below its paper."""
    described = ROOT / "workflow/report" / f"{caption}.rst"
    if CAPTIONS:
        words = described.with_name("words.jinja").read_text(encoding="utf-8")
        text = words + described.read_text(encoding="utf-8")
        described = Path(CAPTIONS.name, described.name)
        described.write_text(text, encoding="utf-8")
    return report(path, str(described), of_paper, subcategory=kind, labels=called)


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


def architectures_of(entry):
    """Of the vision-language models in a figure or table, what they are made of."""
    keys = ("title", "family", "size", "parameters", "train", "bos")
    parts = ("vision", "connector", "language_model", "layers", "width")
    return {name: only(MODELS[name], *keys, *parts) for name in experiments.models_of(entry)}


def with_settings(name, entries):
    """An entry with its name and the settings of its kind, which stand under the kind's name."""
    return {"name": name, **entries[name], **entries[name].get(entries[name]["kind"], {})}


def targets_of(*built):
    """The PDFs of figures and the CSVs of tables of some targets; other formats come with them."""
    files = {f"figures/{name}.pdf": entry for name, entry in FIGURES.items()}
    files |= {f"results/tables/{name}.csv": entry for name, entry in TABLES.items()}
    return [file for file, entry in files.items() if targets.target_of(entry, config) in built]
