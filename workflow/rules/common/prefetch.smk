"""What the rules of prefetch ask of the configuration."""


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
