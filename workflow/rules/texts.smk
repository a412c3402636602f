"""Texts.

Needs: what `datasets:` of the configuration names. Makes: results/prompts/{dataset}.jsonl (one
object per text: id, group, text) and beside it {dataset}.origin.json (source, hash, counts).
"""


include: "common/texts.smk"


localrules:
    download_texts,


rule download_texts:
    """Download a data set's file and check its hash."""
    input:
        code=code("texts/download_texts"),
    output:
        "results/downloads/{dataset}",
    log:
        "results/logs/download_texts/{dataset}.log",
    wildcard_constraints:
        dataset=names(DATASETS, "url", "zip"),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        **needs(1000, 240),
    params:
        dataset=lambda wildcards: only(DATASETS[wildcards.dataset], "url", "sha256", "zip"),
    message:
        "Downloading {wildcards.dataset}"
    script:
        "../scripts/texts/download_texts.py"


rule read_texts:
    """Texts of a bundled, downloaded or local file, in one record format."""
    input:
        source=dataset_source,
        code=code("texts/read_texts"),
    output:
        prompts="results/prompts/{dataset}.jsonl",
        origin="results/prompts/{dataset}.origin.json",
    log:
        "results/logs/read_texts/{dataset}.log",
    wildcard_constraints:
        dataset=names(OF_TEXTS, "bundled", "url", "path"),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        **needs(memory_of_input, 60),
    params:
        dataset=lambda wildcards: read_by(wildcards, "bundled", "url", "path", "sha256", "format"),
    message:
        "Reading the texts of {wildcards.dataset}"
    script:
        "../scripts/texts/read_texts.py"


rule read_hub_texts:
    """Texts of a data set on the hub, downloaded if need be, in the same record format."""
    input:
        code=code("texts/read_hub_texts"),
    output:
        prompts="results/prompts/{dataset}.jsonl",
        origin="results/prompts/{dataset}.origin.json",
    log:
        "results/logs/read_hub_texts/{dataset}.log",
    wildcard_constraints:
        dataset=names(OF_TEXTS, "hub"),
    conda:
        "../../envs/model.yaml"
    threads: 1
    resources:
        **needs(8000, 240),
    params:
        dataset=lambda wildcards: read_by(
            wildcards, "hub", "revision", "subset", "split", "files", "licence", "format"
        ),
    message:
        "Reading {wildcards.dataset} from the hub or its cache"
    script:
        "../scripts/texts/read_hub_texts.py"


rule combine_texts:
    """Texts of several data sets as one, or every text of a data set in several variants."""
    input:
        prompts=texts_made_of,
        origins=origins_made_of,
        code=code("texts/combine_texts"),
    output:
        prompts="results/prompts/{dataset}.jsonl",
        origin="results/prompts/{dataset}.origin.json",
    log:
        "results/logs/combine_texts/{dataset}.log",
    wildcard_constraints:
        dataset=names(DATASETS, "union", "variants"),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        **needs(memory_of_input, 60),
    params:
        dataset=lambda wildcards: only(DATASETS[wildcards.dataset], "union", "variants"),
    message:
        "Combining the texts of {wildcards.dataset}"
    script:
        "../scripts/texts/combine_texts.py"


rule write_sentences:
    """Sentences written in the configuration."""
    input:
        code=code("texts/write_sentences"),
    output:
        prompts="results/prompts/{dataset}.jsonl",
        origin="results/prompts/{dataset}.origin.json",
    log:
        "results/logs/write_sentences/{dataset}.log",
    wildcard_constraints:
        dataset=names(DATASETS, "sentences"),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        **needs(1000, 10),
    params:
        sentences=lambda wildcards: DATASETS[wildcards.dataset]["sentences"],
    message:
        "Writing {wildcards.dataset}"
    script:
        "../scripts/texts/write_sentences.py"


rule read_python_documentation:
    """Paragraphs of the documentation that ships with Python."""
    input:
        code=code("texts/read_python_documentation"),
    output:
        prompts="results/prompts/{dataset}.jsonl",
        origin="results/prompts/{dataset}.origin.json",
    log:
        "results/logs/read_python_documentation/{dataset}.log",
    wildcard_constraints:
        dataset=names(DATASETS, "python_documentation"),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        **needs(1000, 10),
    params:
        dataset=lambda wildcards: only(
            DATASETS[wildcards.dataset], "python_documentation", "sample"
        ),
    message:
        "Reading {wildcards.dataset} from the documentation of Python"
    script:
        "../scripts/texts/read_python_documentation.py"


rule write_texts_by_grammar:
    """Records of a seeded grammar, in the format of a real data set, and their texts."""
    input:
        code=code("texts/write_texts_by_grammar"),
        words=in_library("texts/synthetic/grammar.yaml", "texts/synthetic/genres.yaml"),
    output:
        records="results/records/{dataset}.jsonl",
        prompts="results/prompts/{dataset}.jsonl",
        origin="results/prompts/{dataset}.origin.json",
    log:
        "results/logs/write_texts_by_grammar/{dataset}.log",
    wildcard_constraints:
        dataset=names(
            {name: entry.get("generate", {}) for name, entry in OF_TEXTS.items()},
            "grammar",
        ),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        **needs(2000, 60),
    params:
        dataset=lambda wildcards: read_by(wildcards, "generate"),
    message:
        "Writing {wildcards.dataset} by its grammar"
    script:
        "../scripts/texts/write_texts_by_grammar.py"


rule write_texts_by_model:
    """Texts written by a model of the configuration from a prompt template."""
    input:
        model=lambda wildcards: (
            f"results/models/{DATASETS[wildcards.dataset]['generate']['model']}.json"
        ),
        folders=lambda wildcards: made_for(DATASETS[wildcards.dataset]["generate"]["model"]),
        code=code("texts/write_texts_by_model"),
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
    threads: 1
    resources:
        **needs(memory_of_writer, 720),
    params:
        generate=lambda wildcards: DATASETS[wildcards.dataset]["generate"],
        model=lambda wildcards: only(
            MODELS[DATASETS[wildcards.dataset]["generate"]["model"]],
            *("layers", "width", "dtype", "bos"),
        ),
    message:
        "Letting a model write {wildcards.dataset}"
    script:
        "../scripts/texts/write_texts_by_model.py"
