"""Configuration, wildcards and input functions; the other files hold only rules.

Wildcards: {model}, {dataset} and {figure} are names from the configuration, {corpus} the name of a
data set that stand-ins learn from, {vocabulary} the size of their tokenizer.
"""

import ast
import json
import os
import re
import sys
from pathlib import Path

ROOT = Path(str(workflow.current_basedir)).resolve().parent.parent
LIBRARY = ROOT / "workflow" / "matrix_entropy"

# Here for this file, in the environment for the scripts that jobs run.
sys.path.insert(0, str(LIBRARY.parent))
os.environ.update(
    PYTHONPATH=os.pathsep.join(filter(None, [str(LIBRARY.parent), os.getenv("PYTHONPATH")])),
    # A shell command finds the Python that runs Snakemake, also where it is not activated.
    PATH=os.pathsep.join(filter(None, [str(Path(sys.executable).parent), os.getenv("PATH")])),
)

from matrix_entropy import configuration
from matrix_entropy.errors import InputError

try:
    config.update(configuration.checked(config))
except InputError as error:
    raise WorkflowError(str(error))

MODELS, DATASETS, FIGURES = config["models"], config["datasets"], config["figures"]

# Above this many parameters in its blocks a model gains from more than one thread.
SMALL_MODEL = 10_000_000


def names(entries, *keys):
    """Regular expression for the names of entries that have one of the keys (all without keys)."""
    found = [name for name, entry in entries.items() if not keys or set(keys) & set(entry)]
    # The longest first, so that a name which begins another never wins; "never" if there is none.
    return "|".join(sorted(map(re.escape, found), key=len, reverse=True)) or "(?!)"


wildcard_constraints:
    model=names(MODELS),
    dataset=names(DATASETS),
    figure=names(FIGURES),
    corpus=names(DATASETS),
    vocabulary=r"\d+",


def library(*modules):
    """Files of the library that the modules consist of, with all that they import from it.

    They are inputs of the rules that use them, since Snakemake sees edits of scripts only.
    """
    found, waiting = set(), ["__init__", *modules]
    while waiting:
        path = LIBRARY / f"{waiting.pop()}.py"
        if path in found or not path.exists():
            continue
        found.add(path)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
                "matrix_entropy"
            ):
                package, _, inner = node.module.partition(".")
                waiting += [inner] if inner else [alias.name for alias in node.names]
    return sorted(map(str, found))


def only(entry, *keys):
    """The keys of an entry that a job depends on; an edit of another one re-runs nothing."""
    return {key: entry[key] for key in keys if key in entry}


def parameters(wildcards):
    """Parameters in the blocks of a model, about 12 · layers · width²: what its cost grows with."""
    model = MODELS[wildcards.model]
    return 12 * model["layers"] * model["width"] ** 2


def model_threads(wildcards):
    return 1 if parameters(wildcards) < SMALL_MODEL else 8


def model_memory(wildcards, attempt):
    """MiB for a model's weights and one batch, more on every attempt."""
    bytes_each = 4 if MODELS[wildcards.model]["dtype"] == "float32" else 2
    return int(attempt * (4000 + 1.5 * bytes_each * parameters(wildcards) / 2**20))


def dataset_source(wildcards):
    """The file that a data set's texts are read from, if it is there."""
    dataset = DATASETS[wildcards.dataset]
    if "bundled" in dataset:
        return str(ROOT / dataset["bundled"])
    if "url" in dataset:
        return f"results/downloads/{wildcards.dataset}"
    # Reading a missing file says so in a sentence; Snakemake would only name the file.
    return [dataset["path"]] if Path(dataset["path"]).is_file() else []


def model_files(wildcards):
    """Files of a local model folder, so that new weights are noticed."""
    folder = MODELS[wildcards.model].get("path")
    if folder is None:
        return []
    found = [path for end in ("json", "safetensors") for path in Path(folder).glob(f"*.{end}")]
    return sorted(map(str, found))


def tokenizer_of(wildcards):
    train = MODELS[wildcards.model]["train"]
    return f"results/tokenizers/{train['corpus']}_{train['vocabulary']}"


def corpus_of(wildcards):
    return f"results/prompts/{MODELS[wildcards.model]['train']['corpus']}.jsonl"


def metrics_of_figure(wildcards):
    figure = FIGURES[wildcards.figure]
    return f"results/metrics/{figure['model']}/{figure['dataset']}.parquet"


def figures_of(paper):
    """The PDFs of a paper's figures; PNG and CSV come with them."""
    return [
        f"figures/{name}.pdf" for name, figure in FIGURES.items() if figure.get("paper") == paper
    ]
