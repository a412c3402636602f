"""Run a model over texts and write the spectra of its hidden states, but not the states."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from matrix_entropy.running.console import job
from matrix_entropy.states import launch

arguments = launch.parsed(__doc__)
with job(arguments.log):
    launch.in_processes(arguments)

# Not in the process that only launches the others.
from matrix_entropy.states.spectra_job import write_spectra  # noqa: E402

with job(arguments.log, mode="a"):
    write_spectra(arguments)
