"""What the rules of vision-language models ask of the configuration."""


def image_source(wildcards):
    """The same of records about images: what was unpacked, or none if the job asks the hub."""
    dataset = DATASETS[wildcards.dataset]
    if "zip" in dataset:
        return f"results/pictures/{wildcards.dataset}"
    return [] if "hub" in dataset else dataset_source(wildcards)


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


def memory_of_integration(wildcards, input):
    """MiB for a model and ten matrices of its width, or of a block of 4096 rows, in float64."""
    width = MODELS[wildcards.model]["width"]
    return memory_of(wildcards.model) + 10 * 8 * width * max(width, 4096) / 2**20
