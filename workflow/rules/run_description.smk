"""The run itself.

Needs: the configuration as checked, and requirements.txt. Makes: results/configuration.yaml and
results/versions.csv, which the report shows beside the figures and tables.
"""


localrules:
    describe_run,


rule describe_run:
    """The configuration that a run had, defaults filled in, and the versions of its packages."""
    input:
        requirements=local(str(ROOT / "requirements.txt")),
        code=code("pages/describe_run"),
    output:
        configuration=report(
            "results/configuration.yaml",
            "../report/configuration.rst",
            category="Configuration",
            labels={"file": "The configuration, with defaults"},
        ),
        versions=report(
            "results/versions.csv",
            "../report/versions.rst",
            category="Configuration",
            labels={"file": "Versions of packages"},
        ),
    log:
        "results/logs/describe_run.log",
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        **needs(1000, 10),
    params:
        configuration=config,
    message:
        "Describing the run"
    script:
        "../scripts/pages/describe_run.py"
