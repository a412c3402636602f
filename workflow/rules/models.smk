"""Models.

Needs: what `models:` of the configuration names. Makes: results/models/{model}.json, which says
where the model's files are and what they are (id, revision, commit or hash of the weights).
"""


localrules:
    resolve_model,


rule resolve_model:
    """Find a model on disk, in the hub's cache or on the hub, and record what was found."""
    input:
        files=model_files,
        code=library("models"),
    output:
        "results/models/{model}.json",
    log:
        "results/logs/resolve_model/{model}.log",
    wildcard_constraints:
        model=names(MODELS, "hub", "path"),
    conda:
        "../../envs/model.yaml"
    params:
        model=lambda wildcards: only(
            MODELS[wildcards.model], "hub", "revision", "convert_weights", "path"
        ),
    message:
        "Resolving model {wildcards.model}"
    script:
        "../scripts/resolve_model.py"


rule train_tokenizer:
    """The byte-level BPE tokenizer that the stand-ins of one corpus share."""
    input:
        corpus="results/prompts/{corpus}.jsonl",
        code=library("stand_ins"),
    output:
        directory("results/tokenizers/{corpus}_{vocabulary}"),
    log:
        "results/logs/train_tokenizer/{corpus}_{vocabulary}.log",
    conda:
        "../../envs/model.yaml"
    message:
        "Training a tokenizer on {wildcards.corpus}"
    script:
        "../scripts/train_tokenizer.py"


rule train_stand_in:
    """Train a small model of a real architecture, to take a large one's place offline."""
    input:
        corpus=corpus_of,
        tokenizer=tokenizer_of,
        code=library("stand_ins"),
    output:
        folder=directory("results/models/{model}"),
        record="results/models/{model}.json",
    log:
        "results/logs/train_stand_in/{model}.log",
    benchmark:
        "results/benchmarks/train_stand_in/{model}.tsv"
    wildcard_constraints:
        model=names(MODELS, "train"),
    # The longest job of the miniature scale: the large ones first, so that cores end together.
    priority: lambda wildcards: parameters(wildcards)
    conda:
        "../../envs/model.yaml"
    params:
        model=lambda wildcards: only(MODELS[wildcards.model], "train", "layers", "width"),
    message:
        "Training the stand-in {wildcards.model}"
    script:
        "../scripts/train_stand_in.py"
