"""Write down what this run was configured to do, and the versions of its packages."""

from matrix_entropy import start  # noqa: F401  # isort: skip

from matrix_entropy.console import job
from matrix_entropy.files import write_csv, writing
from matrix_entropy.run_description import configuration_text, version_table

with job(snakemake.log[0]):
    with writing(snakemake.output.configuration) as temporary:
        text = configuration_text(snakemake.params.configuration)
        temporary.write_text(text, encoding="utf-8")
    write_csv(snakemake.output.versions, version_table(snakemake.input.requirements))
