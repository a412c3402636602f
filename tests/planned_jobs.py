"""What every job of a plan asks for, as JSON: python tests/planned_jobs.py FOLDER TARGET..."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Any

from snakemake.api import SnakemakeApi
from snakemake.iocontainers import InputFiles
from snakemake.jobs import Job
from snakemake.settings.enums import Quietness
from snakemake.settings.types import DAGSettings, OutputSettings, ResourceSettings

ROOT = Path(__file__).resolve().parent.parent


def asked_for(job: Job, attempt: int) -> dict[str, Any]:
    """Threads and resources of a job at an attempt, as if its input had no size."""
    resources = dict(job.rule.expand_resources(job.wildcards_dict, InputFiles(), attempt))
    return {"threads": resources.pop("_cores"), **resources}


def planned(folder: Path, targets: set[str]) -> dict[str, Any]:
    """The jobs that make something, and the names of all rules that do."""
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=8),
            snakefile=ROOT / "Snakefile",
            workdir=folder,
        )
        dag = workflow.dag(dag_settings=DAGSettings(targets=targets))
        # Builds the plan, and describes no job of it.
        with contextlib.redirect_stdout(io.StringIO()):
            dag.printrulegraph()
        jobs = [job for job in workflow._workflow.dag.jobs if job.output]
        return {
            "rules": [rule.name for rule in workflow._workflow.rules if rule.output],
            "jobs": [
                {
                    "rule": job.rule.name,
                    "wildcards": dict(job.wildcards_dict),
                    "attempts": [asked_for(job, attempt) for attempt in (1, 2)],
                }
                for job in jobs
            ],
        }


if __name__ == "__main__":
    folder, *targets = sys.argv[1:]
    print(json.dumps(planned(Path(folder), set(targets))))
