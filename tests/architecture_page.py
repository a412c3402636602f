"""docs/architectures.md: which architectures of transformers run, as `make architectures` checks.

Run as a script, with ``src`` and ``tests`` on PYTHONPATH, it writes the page anew.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

import small_architectures
from reading import Reading, read

PAGE = Path(__file__).parent.parent / "docs" / "architectures.md"
NOT_RUN: dict[str, dict[str, str]] = yaml.safe_load(
    (Path(__file__).parent / "architectures_not_run.yaml").read_text(encoding="utf-8")
)

ABOVE = """\
# Architectures

Every causal language model of transformers {version} is built small, with random weights, and read
by this project and by transformers alone: the same layers, entropies and losses (`make
architectures`; CI takes a sample that changes from day to day). {run} of {all} run. This page is
checked with them; `PYTHONPATH=src:tests python tests/architecture_page.py` writes it.

- **final**: whether the model has a normalisation after its blocks; if not, `extract: all` leaves
  it out.
- **logits**: `head` if the output matrix alone makes them from the final states, so that losses
  need no more memory than a few hundred rows of logits; `own` if the model scales, caps or adds
  something, so that its own logits of a whole batch are taken.
- **streams**: needs `streams: mean`, because its blocks pass on several streams per token.
- BERT and models like it look ahead unless their config.json has `is_decoder: true`. A model that
  looks ahead runs only without losses (`token_losses: false`).

| model_type | class | final | logits | remarks |
|---|---|---|---|---|
"""


def row(model_type: str, reading: Reading | None) -> str:
    """The line of an architecture; ``reading`` is what was read of it, None if it cannot be."""
    kind = MODEL_FOR_CAUSAL_LM_MAPPING_NAMES[model_type]
    start = f"| `{model_type}` | {kind} "
    if reading is None:
        return f"{start}| | | **does not run**: {NOT_RUN[model_type]['reason']} |"
    final = "yes" if "final" in reading.layers else "no"
    logits = "head" if reading.decoder.separable else "own"
    remarks = "streams" if reading.decoder.stream_axis is not None else ""
    return f"{start}| {final} | {logits} | {remarks} |"


def rows() -> dict[str, str]:
    """The lines of the page by architecture."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    found = ((re.match(r"\| `([^`]+)` \|", line), line) for line in lines)
    return {match[1]: line for match, line in found if match}


def write() -> None:
    """Write the page, reading every architecture anew."""
    from importlib.metadata import version

    names = small_architectures.ARCHITECTURES
    text: list[np.ndarray[Any, Any]] = [np.arange(3, 20)]
    lines = [
        row(name, None if name in NOT_RUN else read(small_architectures.build(name), text, [[0]]))
        for name in names
    ]
    above = ABOVE.format(
        version=version("transformers"), run=len(names) - len(NOT_RUN), all=len(names)
    )
    PAGE.write_text(above + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write()
