"""Fetching.

Needs: a network. Makes: results/downloads/{dataset}, the hub's cache filled with the models and data
sets that `targets:` needs (everything without it), and models.lock.yaml, which holds their commits.
"""


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


localrules:
    prefetch,


# No output: it looks again whenever it is asked for, and an edit of the lock file re-runs nothing.
rule prefetch:
    """Fetch what the targets need, so that nothing else needs a network."""
    input:
        downloads=downloads_of_targets,
        code=code("prefetch"),
    log:
        "results/logs/prefetch.log",
    conda:
        "../../envs/model.yaml"
    threads: 1
    resources:
        **needs(4000, 1440),
    message:
        "Fetching what the targets need"
    script:
        "../scripts/prefetch.py"
