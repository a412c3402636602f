"""Paper notebooks are scripts in jupytext's percent format; here they are run with papermill."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import papermill
from papermill.exceptions import PapermillExecutionError

from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import writing


def run_notebook(
    script: str | Path, executed: str | Path, parameters: Mapping[str, Any] | None = None
) -> None:
    """Run a percent script as a notebook in the working folder, and keep it with its outputs.

    Parameters
    ----------
    script : path
        Its cell tagged "parameters" holds the defaults.
    executed : path
        Ends in ``.ipynb``.
    parameters : mapping, optional
        Values in place of the defaults.

    Raises
    ------
    InputError
        If there is no such script, or a cell raises: which cell, and the last line of what it says.
    """
    script = Path(script)
    try:
        notebook = jupytext.read(script)
    except FileNotFoundError:
        raise InputError(f"the notebook {script} does not exist; check its path.") from None
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"  # jupytext draws them anew each time
    # The file is written here, whole or not at all: papermill would keep a broken one.
    try:
        done = papermill.execute_notebook(
            notebook,
            None,
            parameters=dict(parameters or {}),
            kernel_name="python3",
            language="python",
            progress_bar=False,
            extra_arguments=["--log-level=ERROR"],  # it warns of every ordinary connection
        )
    except PapermillExecutionError as error:
        raise InputError(_stopped(script, notebook, error)) from error
    for part in (done, *done.cells):  # when each cell ran, which is no result
        part.metadata.pop("papermill", None)
        part.metadata.pop("execution", None)
    for number, cell in enumerate(done.cells):  # papermill draws one for the cell that it adds
        cell["id"] = f"cell-{number}"
    with writing(executed) as temporary:
        nbformat.write(done, temporary)


def _stopped(script: Path, notebook: Any, error: PapermillExecutionError) -> str:
    """One sentence: in which section of the notebook, and why."""
    section = ""
    for cell in notebook.cells:
        first = cell.source.strip().partition("\n")[0]
        if cell.cell_type == "markdown" and first.startswith("#"):
            section = f" in '{first.lstrip('# ')}'"
        if cell.cell_type == "code" and cell.source == error.source:
            break
    # A sentence of ours needs no name of an exception before it.
    said = error.evalue.strip().partition("\n")[0]
    why = said if error.ename == InputError.__name__ else f"{error.ename}: {said}"
    return f"the notebook {script} stops{section}: {why}"
