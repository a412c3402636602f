"""Write down what this run was configured to do, and the versions of its packages."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from matrix_entropy.base.files import write_csv, writing
from matrix_entropy.pages.run_description import configuration_text, version_table
from matrix_entropy.running.console import job

with job(snakemake.log[0]):
    with writing(snakemake.output.configuration) as temporary:
        text = configuration_text(snakemake.params.configuration)
        temporary.write_text(text, encoding="utf-8")
    write_csv(snakemake.output.versions, version_table(snakemake.input.requirements))
