"""Vision-language models.

Needs: models with `vision:`, data sets whose records are about images. Makes: pictures and their
texts, MiniGPT-v2 out of its parts, stand-ins; for every operation on the images
results/spectra/{model}/{dataset}.{operation}.{position}.npz, kept for good;
results/metrics/{model}/{dataset}.mir.csv.
"""


include: "common/multimodal.smk"


localrules:
    fetch_vision_encoder,


# Keys of a data set that say how records about images become texts.
OF_RECORDS = (
    "record",
    "separator",
    "sample",
    "skip_empty",
    "instruction_seed",
    "missing_images",
)


rule write_pictures:
    """Generated pictures, records that describe them, and their texts."""
    input:
        code=code("texts/write_pictures"),
    output:
        folder=directory("results/pictures/{dataset}"),
        prompts="results/prompts/{dataset}.jsonl",
        origin="results/prompts/{dataset}.origin.json",
    log:
        "results/logs/write_pictures/{dataset}.log",
    wildcard_constraints:
        dataset=names(DRAWN),
    conda:
        "../../envs/model.yaml"
    threads: 1
    resources:
        **needs(2000, 60),
    params:
        dataset=lambda wildcards: only(DATASETS[wildcards.dataset], "generate", *OF_RECORDS),
    message:
        "Drawing the pictures of {wildcards.dataset}"
    script:
        "../scripts/texts/write_pictures.py"


rule unpack_images:
    """Records and images out of a zip."""
    input:
        archive="results/downloads/{dataset}",
        code=code("texts/unpack_images"),
    output:
        directory("results/pictures/{dataset}"),
    log:
        "results/logs/unpack_images/{dataset}.log",
    wildcard_constraints:
        dataset=names(OF_IMAGES, "zip"),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        **needs(1000, 60),
    params:
        zip=lambda wildcards: DATASETS[wildcards.dataset]["zip"],
    message:
        "Unpacking {wildcards.dataset}"
    script:
        "../scripts/texts/unpack_images.py"


rule read_image_texts:
    """Texts about images: of a local, downloaded or hub file; images that are missing are fetched."""
    input:
        source=image_source,
        told=told_by_hand,
        code=code("texts/read_image_texts"),
    output:
        prompts="results/prompts/{dataset}.jsonl",
        origin="results/prompts/{dataset}.origin.json",
    log:
        "results/logs/read_image_texts/{dataset}.log",
    wildcard_constraints:
        dataset=one_of(set(OF_IMAGES) - set(DRAWN)),
    conda:
        "../../envs/model.yaml"
    threads: 1
    # Every image is read once, to be sure of it.
    resources:
        **needs(4000, 120),
    params:
        dataset=lambda wildcards: only(
            DATASETS[wildcards.dataset],
            *("bundled", "url", "path", "sha256", "md5", "hub", "revision", "files", "licence"),
            "zip",
            *("images", *OF_RECORDS),
        ),
    message:
        "Reading the texts and images of {wildcards.dataset}"
    script:
        "../scripts/texts/read_image_texts.py"


rule fetch_vision_encoder:
    """Fetch the weights that a MiniGPT-v2 starts from; no source states their hash."""
    input:
        code=code("models/fetch_vision_encoder"),
    output:
        "results/downloads/{model}.vision_encoder.pth",
    log:
        "results/logs/fetch_vision_encoder/{model}.log",
    wildcard_constraints:
        model=names(MODELS, "minigpt_v2"),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        **needs(1000, 240),
    params:
        url=lambda wildcards: MODELS[wildcards.model]["minigpt_v2"]["vision_encoder"],
    message:
        "Fetching the vision encoder of {wildcards.model}"
    script:
        "../scripts/models/fetch_vision_encoder.py"


rule find_minigpt_v2_parts:
    """Look for the files that a MiniGPT-v2 is made of, and record their hashes."""
    input:
        fetched=fetched_vision_encoder,
        told=told_by_hand,
        code=code("models/find_minigpt_v2_parts"),
    output:
        "results/models/{model}.made_of.json",
    log:
        "results/logs/find_minigpt_v2_parts/{model}.log",
    wildcard_constraints:
        model=names(MODELS, "minigpt_v2"),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        **needs(1000, 60),
    params:
        parts=parts_of,
        marks=part_marks,
    message:
        "Looking for the parts of {wildcards.model}"
    script:
        "../scripts/models/find_minigpt_v2_parts.py"


rule convert_minigpt_v2:
    """MiniGPT-v2 out of the authors' pickles and Llama-2-chat, once, as safetensors."""
    input:
        fetched=fetched_vision_encoder,
        parts="results/models/{model}.made_of.json",
        language=lambda wildcards: (
            f"results/models/{MODELS[wildcards.model]['minigpt_v2']['language_model']}.json"
        ),
        code=code("models/convert_minigpt_v2"),
    output:
        folder=directory("results/models/{model}"),
        record="results/models/{model}.json",
    log:
        "results/logs/convert_minigpt_v2/{model}.log",
    wildcard_constraints:
        model=names(MODELS, "minigpt_v2"),
    conda:
        "../../envs/model.yaml"
    threads: 1
    # The language model as it is stored, what LoRA changes in float32, and the vision encoder.
    resources:
        **needs(lambda wildcards, input: 8000 + 4 * weights(wildcards.model) / 2**20, 120),
    params:
        parts=parts_of,
        vision=vision_sizes,
    message:
        "Putting together {wildcards.model}"
    script:
        "../scripts/models/convert_minigpt_v2.py"


rule train_multimodal_stand_in:
    """Train a small vision-language model on generated pictures and what is said of them."""
    input:
        corpus=corpus_of,
        pictures=lambda wildcards: (
            f"results/pictures/{MODELS[wildcards.model]['train']['corpus']}"
        ),
        tokenizer=tokenizer_of,
        code=code("models/train_multimodal_stand_in"),
    output:
        folder=directory("results/models/{model}"),
        record="results/models/{model}.json",
    log:
        "results/logs/train_multimodal_stand_in/{model}.log",
    benchmark:
        "results/benchmarks/train_multimodal_stand_in/{model}.tsv"
    wildcard_constraints:
        model=names(VISION_MODELS, "train"),
    priority: lambda wildcards: in_blocks(wildcards.model)
    conda:
        "../../envs/model.yaml"
    threads: 1
    resources:
        **needs(4000, 120),
    params:
        model=lambda wildcards: only(MODELS[wildcards.model], "train", "vision", "layers", "width"),
    message:
        "Training the stand-in {wildcards.model}"
    script:
        "../scripts/models/train_multimodal_stand_in.py"


rule measure_images:
    """Spectra at five places of a vision-language model, from the images to the final states."""
    input:
        model="results/models/{model}.json",
        folders=folders_of,
        prompts="results/prompts/{dataset}.jsonl",
        origin="results/prompts/{dataset}.origin.json",
        pictures=pictures_of,
        code=code("states/measure_images"),
    output:
        IMAGE_SPECTRA,
    log:
        "results/logs/measure_images/{model}/{dataset}.{operation}.log",
    benchmark:
        "results/benchmarks/measure_images/{model}/{dataset}.{operation}.tsv"
    wildcard_constraints:
        model=names(VISION_MODELS),
        dataset=names(OF_IMAGES),
    conda:
        "../../envs/model.yaml"
    threads: model_threads
    resources:
        **needs(memory_of_model, 720, model_gpus),
        images=8,  # run at a time; no result depends on it
        device_map=device_map,
    params:
        options=lambda wildcards: {
            **only(MODELS[wildcards.model], "layers", "width", "bos", "dtype"),
            "vision": vision_sizes(wildcards),
        },
        max_tokens=lambda wildcards: DATASETS[wildcards.dataset].get("max_tokens"),
    message:
        "Entropies of {wildcards.model} on {wildcards.dataset} (images: {wildcards.operation})"
    script:
        "../scripts/states/measure_images.py"


use rule measure_images as measure_image_nulls with:
    output:
        NULL_SPECTRA,
    log:
        "results/logs/measure_image_nulls/{model}/{dataset}.log",
    benchmark:
        "results/benchmarks/measure_image_nulls/{model}/{dataset}.tsv"
    message:
        "Nulls of {wildcards.model} on {wildcards.dataset}: other images, fresh connectors"


rule measure_integration:
    """Distance of image tokens and text tokens at every layer of a vision-language model."""
    input:
        model="results/models/{model}.json",
        folders=folders_of,
        prompts="results/prompts/{dataset}.jsonl",
        origin="results/prompts/{dataset}.origin.json",
        pictures=pictures_of,
        code=code("states/measure_integration"),
    output:
        "results/metrics/{model}/{dataset}.mir.csv",
    log:
        "results/logs/measure_integration/{model}/{dataset}.log",
    benchmark:
        "results/benchmarks/measure_integration/{model}/{dataset}.tsv"
    wildcard_constraints:
        model=names(VISION_MODELS),
        dataset=names(OF_IMAGES),
    conda:
        "../../envs/model.yaml"
    threads: model_threads
    # Beside the model, a few matrices width × width and blocks of rows in float64.
    resources:
        **needs(memory_of_integration, 240, model_gpus),
        images=8,  # run at a time; no result depends on it
        device_map=device_map,
    params:
        options=lambda wildcards: {
            **only(MODELS[wildcards.model], "layers", "width", "bos", "dtype"),
            "vision": vision_sizes(wildcards),
        },
        max_tokens=lambda wildcards: DATASETS[wildcards.dataset].get("max_tokens"),
    message:
        "Distance of image and text tokens of {wildcards.model} on {wildcards.dataset}"
    script:
        "../scripts/states/measure_integration.py"
