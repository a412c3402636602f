"""Print what targets cost, before anything is built."""

from matrix_entropy import start  # noqa: F401  # isort: skip

from matrix_entropy.console import job
from matrix_entropy.devices import device_of
from matrix_entropy.estimate import described, estimate
from matrix_entropy.files import write_csv

with job(snakemake.log[0]) as log:
    configuration = snakemake.params.configuration
    device = device_of(configuration["device"])
    table = estimate(configuration, device)
    write_csv(snakemake.params.table, table)
    log.info("%s\n%s", described(table, configuration, device), snakemake.params.table)
