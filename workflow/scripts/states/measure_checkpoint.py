"""Fetch a checkpoint, write the spectra of its hidden states, and remove it again."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

import os
import shutil
from pathlib import Path

from matrix_entropy.base.files import write_json
from matrix_entropy.models.checkpoints import fetched
from matrix_entropy.results.intermediates import read_record
from matrix_entropy.running.console import job
from matrix_entropy.states import launch
from matrix_entropy.states.spectra_job import write_spectra

arguments = launch.parsed(__doc__)
name = f"{Path(arguments.model).stem}.{arguments.output.stem}"
place = Path("results/checkpoints", name)
arguments.files = place / "record.json"
# Several processes have one that fetches for them, waits and removes.
fetches = "LOCAL_RANK" not in os.environ
try:
    with job(arguments.log) as log:
        if fetches:
            shutil.rmtree(place, ignore_errors=True)  # which a job that was killed has left
            record = read_record(arguments.model)
            found = fetched(record, arguments.options["convert_weights"], place)
            write_json(arguments.files, found)
            log.info("fetched commit %s of %s", found["commit"], found["id"])
        launch.in_processes(arguments)
    with job(arguments.log, mode="a"):
        write_spectra(arguments)
finally:
    if fetches:
        shutil.rmtree(place, ignore_errors=True)
