"""Run a model over texts and write its hidden states, in as many processes as asked for."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from matrix_entropy.running.console import job
from matrix_entropy.states import launch

arguments = launch.parsed(__doc__)
with job(arguments.log):
    launch.in_processes(arguments)

# Not in the process that only launches the others.
import torch  # noqa: E402

from matrix_entropy.states.hidden_states import dump_hidden_states  # noqa: E402

with job(arguments.log, mode="a"):
    torch.set_num_threads(launch.threads_of_each(arguments))
    dump_hidden_states(**launch.work(arguments), folder=arguments.output)
