"""Whether a run would find all that its targets need, before anything is fetched or built.

Needs: a network, or a filled cache and HF_HUB_OFFLINE=1. Makes: results/preflight.csv, and prints it.
"""


localrules:
    preflight,


rule preflight:
    """Ask for all that `targets:` needs: sources, sizes, disk and memory; nothing is fetched."""
    input:
        code=code("estimate/preflight"),
    log:
        "results/logs/preflight.log",
    conda:
        "../../envs/model.yaml"
    threads: 1
    resources:
        **needs(2000, 30),
    # No output: it asks again whenever it is called.
    params:
        table="results/preflight.csv",
        jobs_run_here=workflow.local_exec,
    message:
        "Asking for what the targets need"
    script:
        "../scripts/estimate/preflight.py"
