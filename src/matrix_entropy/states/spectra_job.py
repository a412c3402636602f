"""The work of a job that streams spectra, once it is decided in how many processes."""

from __future__ import annotations

import argparse
import os

import torch

from matrix_entropy.results.asked_views import write_views
from matrix_entropy.states import launch
from matrix_entropy.states.streamed_spectra import spectra_threads, stream_spectra


def write_spectra(arguments: argparse.Namespace) -> None:
    """Write the spectra that a command line of `states.launch` asks for."""
    threads = launch.threads_of_each(arguments)
    # Beside a GPU all threads are free for spectra.
    taken = 0 if torch.cuda.is_available() else spectra_threads(threads, False)
    torch.set_num_threads(threads - taken)
    stream_spectra(**launch.work(arguments), path=arguments.output, threads=threads)
    if os.environ.get("LOCAL_RANK", "0") == "0":
        write_views(arguments.output, launch.views_in(arguments.dataset), streamed=True)
