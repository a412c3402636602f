"""See beforehand whether a run would find all that its targets need, and room for it."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import Any

from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import write_csv
from matrix_entropy.configuration.targets import seen_learning
from matrix_entropy.estimate.prefetch import size_of
from matrix_entropy.estimate.preflight_machine import rows_of_disks, rows_of_memory
from matrix_entropy.estimate.preflight_rows import Row, described, table_of
from matrix_entropy.estimate.preflight_sources import IMAGES, PACKAGE, TO_COME, rows_of_sources

log = logging.getLogger("matrix_entropy")


def preflight(config: dict[str, Any], table: Path, jobs_run_here: bool) -> None:
    """Say of all that the targets of a configuration need whether a run would have it.

    Parameters
    ----------
    config : dict
        As `configuration.checking.checked` gives it.
    table : Path
        CSV file that the table goes to.
    jobs_run_here : bool
        Whether the memory of this machine is that of the jobs.

    Raises
    ------
    InputError
        If a run would fail by something; or see `rows_of_sources`.
    """
    with tempfile.TemporaryDirectory() as scratch:
        rows, repositories = rows_of_sources(config, Path(scratch))
    rows += rows_of_disks(config, repositories, *_downloads(rows))
    if jobs_run_here:
        rows += rows_of_memory(config)
    write_csv(table, table_of(rows))
    log.info("%s\n%s", described(rows), table)
    for name in seen_learning(config):
        log.warning("the checkpoints of %s are not looked for: see that its revisions exist", name)
    wrong = [row for row in rows if row.wrong]
    for row in wrong:
        log.error("error: %s", row.wrong)
    if wrong:
        raise InputError(
            f"{len(wrong)} of {len(rows)} things that a run needs would make it fail, for the "
            "reasons above; see to these and run again."
        )
    to_come = sum(row.bytes or 0 for row in rows if row.state == TO_COME)
    log.info(
        "all %d things that a run needs are there; to download: %s", len(rows), size_of(to_come)
    )


def _downloads(rows: list[Row]) -> tuple[float, float]:
    """Bytes of files that come from elsewhere than the hub, and those of packages among them."""
    others = [row for row in rows if not row.commit and row.kind != IMAGES and row.state == TO_COME]
    packages = (row for row in others if row.source.startswith(PACKAGE))
    return sum(row.bytes or 0 for row in others), sum(row.bytes or 0 for row in packages)
