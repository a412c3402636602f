"""Models that are looked at while they learnt: their checkpoints, by steps of training.

A model on the hub lists the branches that hold them (``revisions:``), a stand-in the steps at
which it keeps one (``train.checkpoints:``). Each checkpoint is a model of its own.
"""

from __future__ import annotations

import re
from typing import Any

Entry = dict[str, Any]

STEP = re.compile(r"step_?(\d+)")


def checkpoint_name(model: str, step: int) -> str:
    """Name of a model's checkpoint after so many steps.

    Examples
    --------
    >>> checkpoint_name("pythia_70m", 1000)
    'pythia_70m_step_1000'
    """
    return f"{model}_step_{step}"


def step_of(revision: str) -> int | None:
    """The step of training that a revision names, if it does; the first of several.

    Examples
    --------
    >>> step_of("step143000"), step_of("stage1-step140000-tokens294B"), step_of("main")
    (143000, 140000, None)
    """
    found = STEP.search(revision)
    return int(found[1]) if found else None


def checkpoints_of(model: Entry) -> dict[int, Entry]:
    """By steps, what stands in a checkpoint's entry in the place of the model's own source."""
    if "revisions" in model:
        hub = {"hub": model["hub"], "convert_weights": model["convert_weights"]}
        return {step_of(name) or 0: hub | {"revision": name} for name in model["revisions"]}
    return {step: {} for step in model.get("train", {}).get("checkpoints", [])}


def is_fetched_to_measure(model: Entry) -> bool:
    """Whether an entry is a checkpoint whose weights are on disk while they are measured only."""
    return "checkpoint" in model and "hub" in model
