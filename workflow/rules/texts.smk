"""Texts.

Needs: what `datasets:` of the configuration names. Makes: results/prompts/{dataset}.jsonl (one
object per text: id, group, text) and beside it {dataset}.origin.json (source, hash, counts).
"""


localrules:
    download_texts,


rule download_texts:
    """Download a data set's file and check its hash."""
    input:
        code=library("downloads"),
    output:
        "results/downloads/{dataset}",
    log:
        "results/logs/download_texts/{dataset}.log",
    wildcard_constraints:
        dataset=names(DATASETS, "url"),
    conda:
        "../../envs/analysis.yaml"
    params:
        dataset=lambda wildcards: only(DATASETS[wildcards.dataset], "url", "sha256"),
    message:
        "Downloading {wildcards.dataset}"
    script:
        "../scripts/download_texts.py"


rule read_texts:
    """Texts of a bundled, downloaded or local file, in one record format."""
    input:
        source=dataset_source,
        code=library("texts"),
    output:
        prompts="results/prompts/{dataset}.jsonl",
        origin="results/prompts/{dataset}.origin.json",
    log:
        "results/logs/read_texts/{dataset}.log",
    wildcard_constraints:
        dataset=names(DATASETS, "bundled", "url", "path"),
    conda:
        "../../envs/analysis.yaml"
    params:
        dataset=lambda wildcards: only(
            DATASETS[wildcards.dataset],
            *("bundled", "url", "path", "sha256", "format", "field", "group_field", "groups"),
            *("sample", "skip_empty"),
        ),
    message:
        "Reading the texts of {wildcards.dataset}"
    script:
        "../scripts/read_texts.py"


rule write_texts_by_grammar:
    """Texts of the seeded story grammar."""
    input:
        code=[*library("grammar"), str(LIBRARY / "grammar.yaml")],
    output:
        prompts="results/prompts/{dataset}.jsonl",
        origin="results/prompts/{dataset}.origin.json",
    log:
        "results/logs/write_texts_by_grammar/{dataset}.log",
    wildcard_constraints:
        dataset=names(
            {name: entry.get("generate", {}) for name, entry in DATASETS.items()},
            "grammar",
        ),
    conda:
        "../../envs/analysis.yaml"
    params:
        generate=lambda wildcards: DATASETS[wildcards.dataset]["generate"],
    message:
        "Writing {wildcards.dataset} by the story grammar"
    script:
        "../scripts/write_texts_by_grammar.py"


rule write_texts_by_model:
    """Texts written by a model of the configuration from a prompt template."""
    input:
        model=lambda wildcards: (
            f"results/models/{DATASETS[wildcards.dataset]['generate']['model']}.json"
        ),
        code=library("generation"),
    output:
        prompts="results/prompts/{dataset}.jsonl",
        origin="results/prompts/{dataset}.origin.json",
    log:
        "results/logs/write_texts_by_model/{dataset}.log",
    wildcard_constraints:
        dataset=names(
            {name: entry.get("generate", {}) for name, entry in DATASETS.items()},
            "model",
        ),
    conda:
        "../../envs/model.yaml"
    params:
        generate=lambda wildcards: DATASETS[wildcards.dataset]["generate"],
        model=lambda wildcards: only(
            MODELS[DATASETS[wildcards.dataset]["generate"]["model"]],
            *("layers", "width", "dtype", "bos"),
        ),
    message:
        "Letting a model write {wildcards.dataset}"
    script:
        "../scripts/write_texts_by_model.py"
