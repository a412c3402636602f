"""Run a model over texts and write the spectra of its hidden states, but not the states."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from matrix_entropy.running.console import job
from matrix_entropy.states import launch

arguments = launch.parsed(__doc__)
with job(arguments.log):
    launch.in_processes(arguments)

# Not in the process that only launches the others.
import os  # noqa: E402

import torch  # noqa: E402

from matrix_entropy.results.asked_views import write_views  # noqa: E402
from matrix_entropy.states.streamed_spectra import spectra_threads, stream_spectra  # noqa: E402

with job(arguments.log, mode="a"):
    threads = launch.threads_of_each(arguments)
    # Beside a GPU all threads are free for spectra.
    taken = 0 if torch.cuda.is_available() else spectra_threads(threads, False)
    torch.set_num_threads(threads - taken)
    stream_spectra(**launch.work(arguments), path=arguments.output, threads=threads)
    if os.environ.get("LOCAL_RANK", "0") == "0":
        write_views(arguments.output, launch.views_in(arguments.dataset), streamed=True)
