"""Fetching.

Needs: a network. Makes: results/downloads/{dataset}, the hub's cache filled with the models and data
sets that `targets:` needs (everything without it), and models.lock.yaml, which holds their commits.
"""


include: "common/prefetch.smk"


localrules:
    prefetch,


# No output: it looks again whenever it is asked for, and an edit of the lock file re-runs nothing.
rule prefetch:
    """Fetch what the targets need, so that nothing else needs a network."""
    input:
        downloads=downloads_of_targets,
        code=code("estimate/prefetch"),
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
        "../scripts/estimate/prefetch.py"
