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
    params:
        dataset=lambda wildcards: DATASETS[wildcards.dataset],
    wildcard_constraints:
        dataset=names(DATASETS, "url"),
    conda:
        "../../envs/analysis.yaml"
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
    params:
        dataset=lambda wildcards: DATASETS[wildcards.dataset],
    wildcard_constraints:
        dataset=names(DATASETS, "bundled", "url", "path"),
    conda:
        "../../envs/analysis.yaml"
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
    params:
        dataset=lambda wildcards: DATASETS[wildcards.dataset],
    wildcard_constraints:
        dataset=names(
            {name: entry.get("generate", {}) for name, entry in DATASETS.items()}, "grammar"
        ),
    conda:
        "../../envs/analysis.yaml"
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
    params:
        dataset=lambda wildcards: DATASETS[wildcards.dataset],
        model=lambda wildcards: MODELS[DATASETS[wildcards.dataset]["generate"]["model"]],
    wildcard_constraints:
        dataset=names(
            {name: entry.get("generate", {}) for name, entry in DATASETS.items()}, "model"
        ),
    conda:
        "../../envs/model.yaml"
    message:
        "Letting a model write {wildcards.dataset}"
    script:
        "../scripts/write_texts_by_model.py"
