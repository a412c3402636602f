"""Print what targets cost, before anything is built."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from matrix_entropy.base.files import write_csv
from matrix_entropy.estimate.devices import device_of
from matrix_entropy.estimate.estimate import described, estimate
from matrix_entropy.running.console import job

with job(snakemake.log[0]) as log:
    configuration = snakemake.params.configuration
    device = device_of(configuration["device"])
    table = estimate(configuration, device)
    write_csv(snakemake.params.table, table)
    log.info("%s\n%s", described(table, configuration, device), snakemake.params.table)
