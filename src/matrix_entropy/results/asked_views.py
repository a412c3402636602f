"""Which rows of its texts a data set's spectra are of: as it asks now, and as they were made.

Another name of a group or panel changes no spectrum, and spectra that hold more than is asked for
need not be made anew. So groups are named here as the source names them, and beside spectra stands
a file that says which views were asked for when they were made, and whether the hidden states were
written to disk for them, which changes no spectrum either. What figures call a group, and which
views they show, is for `results.metrics` to say.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from matrix_entropy.base.files import read_json, write_json

ALL_ROWS = "all_rows"
FIRST = "first_"  # and a number: the first so many rows
EQUAL = "equal_length"  # these views begin so, and depend on panels
BESIDE = ".views.json"


def source_groups(dataset: dict[str, Any]) -> dict[str, str]:
    """What a data set of the configuration calls a group, by what its source calls it.

    Examples
    --------
    >>> source_groups({"groups": {"good": "Good Stories"}})
    {'Good Stories': 'good'}
    """
    return dict(sorted((key, name) for name, key in dataset.get("groups", {}).items()))


def asked_views(dataset: dict[str, Any]) -> dict[str, Any]:
    """Controls, panels, lengths and measures that a data set asks for; equal if the spectra are.

    Of measures nothing is said if there are none, as in spectra that are older than measures, and
    of the precision of eigenvalues only if it is single.

    Examples
    --------
    >>> entry = {"controls": ["equal_length"], "panels": {"Both": ["good", "bad"]}}
    >>> asked_views(entry | {"groups": {"good": "Good Stories", "bad": "Bad Stories"}})
    {'controls': ['equal_length'], 'panels': [['Bad Stories', 'Good Stories']], 'lengths': []}
    >>> asked_views({"controls": [], "measures": ["curvature"]})["measures"]
    ['curvature']
    """
    panels = None
    if "panels" in dataset and _compares(dataset["controls"]):
        groups = dataset.get("groups", {})
        members = dataset["panels"].values()
        panels = sorted(sorted(groups.get(name, name) for name in panel) for panel in members)
    return {
        "controls": sorted(dataset["controls"]),
        "panels": panels,
        "lengths": sorted(dataset.get("lengths", [])),
        **({"measures": sorted(dataset["measures"])} if "measures" in dataset else {}),
        **precision_of(dataset),
    }


def precision_of(entry: dict[str, Any]) -> dict[str, str]:
    """`spectra_precision:` of a data set, or of what was asked for, if it is not the usual one.

    Examples
    --------
    >>> precision_of({"spectra_precision": "single"}), precision_of({"spectra_precision": "double"})
    ({'spectra_precision': 'single'}, {})
    """
    chosen = entry.get("spectra_precision", "double")
    return {} if chosen == "double" else {"spectra_precision": chosen}


def made_views(spectra: Path, asked: dict[str, Any]) -> dict[str, Any]:
    """What spectra hold if that is all that is asked for, or more; else what is asked for."""
    try:
        made: dict[str, Any] = read_json(_beside(spectra))["views"]
        enough = all(set(asked[key]) <= set(made[key]) for key in ("controls", "lengths"))
        enough &= set(asked.get("measures", [])) <= set(made.get("measures", []))
        # Eigenvalues in float64 are more than is asked for, but then tables said what is not so.
        enough &= precision_of(asked) == precision_of(made)
        same_panels = made["panels"] == asked["panels"] or not _compares(asked["controls"])
    except (OSError, ValueError, KeyError, TypeError):  # not there, or not as it was written
        return asked
    return made if enough and same_panels else asked


def write_views(spectra: Path, made: dict[str, Any], streamed: bool) -> None:
    """Say beside spectra which views they were made with, and whether as the states appeared."""
    write_json(_beside(spectra), {"views": made, "streamed": streamed})


def made_otherwise(folder: Path, streamed: bool) -> list[str]:
    """Spectra of a folder that were streamed if these are not to be, or the other way round.

    They are named as "model/part", and they are as good: the rule that made them keeps them.
    """
    found = []
    for spectra in sorted(folder.glob("*/*.npz")):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            if read_json(_beside(spectra))["streamed"] is not streamed:
                found.append(f"{spectra.parent.name}/{spectra.stem}")
    return found


def view_names(dataset: dict[str, Any]) -> list[str]:
    """The views that figures and tables of a data set show, in its order.

    Examples
    --------
    >>> view_names({"controls": ["without_first_row"], "lengths": [16]})
    ['all_rows', 'without_first_row', 'first_16']
    """
    lengths = dataset.get("lengths", [])
    return [ALL_ROWS, *dataset["controls"], *(f"{FIRST}{length}" for length in lengths)]


def _compares(controls: list[str]) -> bool:
    return any(control.startswith(EQUAL) for control in controls)


def _beside(spectra: Path) -> Path:
    return spectra.with_name(spectra.name.removesuffix(".npz") + BESIDE)
