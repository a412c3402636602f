"""What targets cost, before anything is built.

Needs: the configuration alone. Makes: results/estimate.csv, and prints it.
"""


localrules:
    estimate,


rule estimate:
    """Texts, tokens, FLOP, disk and hours of `targets:` on `device:`, from the configuration."""
    input:
        code=code("estimate/estimate"),
        numbers=in_library("estimate/devices.yaml", "estimate/text_sizes.yaml"),
    log:
        "results/logs/estimate.log",
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        **needs(2000, 30),
    # Not an output, since the table is to be printed again whenever it is asked for.
    params:
        configuration=config,
        table="results/estimate.csv",
    message:
        "Estimating"
    script:
        "../scripts/estimate/estimate.py"
