"""The work of `measure`, for Python and for the command: from a model and texts to a table.

No second implementation of anything: models are loaded, texts read, and spectra and metrics
computed by what the jobs of the workflow use.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import torch

from matrix_entropy.api.opening import Opened, Wish, evaluating, opened
from matrix_entropy.base.errors import InputError
from matrix_entropy.maths.measures import MEASURES
from matrix_entropy.maths.model_measures import OF_MODEL
from matrix_entropy.maths.ranks import in_single
from matrix_entropy.models.anatomy import blocks_and_norm
from matrix_entropy.models.provenance import described, versions
from matrix_entropy.results import columns
from matrix_entropy.results.asked_views import precision_of
from matrix_entropy.results.metrics import metrics_table
from matrix_entropy.results.spectra_file import Assembled, Spectra
from matrix_entropy.running import processors
from matrix_entropy.states.model_measures import takes_head
from matrix_entropy.states.streamed_spectra import send_spectra
from matrix_entropy.texts.readers import read_dataset

Entry = dict[str, Any]

CONTROLS = (
    *("without_first_row", "equal_length", "without_long_rows"),
    "equal_length_without_long_rows",
)
MEASURED = [*(each.name for each in MEASURES), *(each.name for each in OF_MODEL)]
# What gives something else than its texts, or gives them in no order, when it is gone through.
NO_LIST = (Mapping, Set, pd.DataFrame)
# Of `Asked`, whole numbers and the least that each may be.
LEAST = {"max_tokens": 1, "min_tokens": 0, "batch_tokens": 1, "threads": 1}


@dataclass(frozen=True)
class Asked:
    """What `measure` takes beside model and texts; it says what each of them means."""

    layers: str | Sequence[int | str] = "all"
    tokenizer: Any = None
    max_tokens: int | None = None
    min_tokens: int = 0
    metrics: str | Sequence[str] = "all"
    measures: str | Sequence[str] = ()
    controls: Sequence[str] = ()
    losses: bool = True
    bos: bool = False
    center_features: bool = False
    spectra_precision: str = "double"
    dtype: Any = None
    device: Any = None
    batch_tokens: int | None = None
    revision: str | None = None
    convert_weights: bool = False
    field: str = "text"
    group_field: str | None = None
    skip_empty: bool = False
    streams: str | None = None
    threads: int | None = None
    progress: bool = True


def measured(model: Any, texts: Any, asked: Asked) -> pd.DataFrame:
    """The table that `measure` gives.

    Raises
    ------
    InputError
        Where `measure` raises ValueError.
    """
    _check(asked)
    metrics, measures = _metrics(asked.metrics), _measures(asked.measures)
    if asked.spectra_precision == "single":
        _check_single(metrics)
    records, origin = _texts(texts, asked)
    wish = Wish(
        *(asked.tokenizer, asked.dtype, asked.device, asked.revision),
        *(asked.convert_weights, asked.losses or takes_head(measures)),
    )
    with TemporaryDirectory(prefix="matrix_entropy_") as work:
        ready = opened(model, wish, Path(work))
        spectra = _spectra(ready, asked, measures, records, origin, Path(work) / "part")
    return _table(spectra, metrics, asked.losses)


def _spectra(
    ready: Opened,
    asked: Asked,
    measures: list[str],
    records: list[dict[str, str]],
    origin: Entry,
    part: Path,
) -> Spectra:
    model = ready.loaded.model
    layers = _layers(asked.layers, model)
    options = ready.options | {
        "bos": asked.bos,
        "center_features": asked.center_features,
        "streams": asked.streams,
        "extract": layers,
    }
    dataset = {
        "max_tokens": asked.max_tokens,
        "min_tokens": asked.min_tokens,
        "controls": [*asked.controls],
        **({"measures": measures} if measures else {}),
        **precision_of({"spectra_precision": asked.spectra_precision}),
        # A model without a head has none.
        "token_losses": asked.losses and model.get_output_embeddings() is not None,
    }
    provenance = {
        "model": described(ready.record),
        "dataset": origin,
        "options": options | dataset,
        "versions": versions("torch", "transformers", "numpy"),
    }
    found: list[Spectra] = []

    def keep(spectra: Assembled) -> None:
        found.append(spectra.loaded())

    with evaluating(model):
        send_spectra(
            *(ready.record, options, dataset, records, layers, part, keep, provenance),
            asked.batch_tokens,
            threads=processors.allowed(asked.threads or processors.usable()),
            loaded=ready.loaded,
            show=asked.progress,
        )
    return found[0]


def _layers(wanted: str | Sequence[int | str], model: torch.nn.Module) -> list[int | str]:
    """The layers asked for, each once, in the order of the model."""
    blocks, norm = blocks_and_norm(model)
    known: list[int | str] = [*range(len(blocks) + 1)]
    known += ["final"] if norm is not None else []
    if isinstance(wanted, str) and wanted == "all":
        return known
    asked = [wanted] if isinstance(wanted, (int, str)) else list(wanted)
    found = []
    for layer in asked:
        place = layer
        if _is_whole(layer) and -len(known) <= int(layer) < len(known):
            place = known[int(layer)] if int(layer) < 0 else int(layer)
        if isinstance(layer, bool) or place not in known:
            raise InputError(
                f"there is no layer {layer!r}: this model has 0 to {len(blocks)}"
                f"{' and final' if norm is not None else ''}, and negative numbers count from the "
                "end of these."
            )
        found.append(place)
    if not found:
        raise InputError("`layers:` names no layer; leave it out to take all.")
    return [layer for layer in known if layer in found]


def _is_whole(value: Any) -> bool:
    """Whether a value is a whole number, of NumPy's among them."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def _metrics(wanted: str | Sequence[str]) -> list[str]:
    always = [metric.name for metric in columns.METRICS]
    further = [metric.name for metric in columns.of_spectra()]
    found = _named("metric", wanted, [*always, *further], always)
    if not found:
        raise InputError("`metrics:` names no metric; leave it out to take those of every run.")
    return found


def _check_single(metrics: list[str]) -> None:
    """Refuse metrics that eigenvalues in float32 do not give."""
    for name, permitted in in_single().items():
        if name in metrics and not permitted:
            raise InputError(
                f"the metric `{name}` depends on small eigenvalues, and "
                "`spectra_precision: single` makes noise of them; leave one of them out."
            )


def _measures(wanted: str | Sequence[str]) -> list[str]:
    return _named("measure", wanted, MEASURED, [measure.name for measure in MEASURES])


def _named(what: str, wanted: str | Sequence[str], known: list[str], all_: list[str]) -> list[str]:
    """Those of the known names that are asked for, in their order."""
    asked = all_ if wanted == "all" else [wanted] if isinstance(wanted, str) else list(wanted)
    for name in asked:
        if name not in known:
            other = " (`measures:` takes it)" if name in MEASURED else ""
            raise InputError(f"there is no {what} {name!r}{other}; choose from {', '.join(known)}.")
    return [name for name in known if name in asked]


def _check(asked: Asked) -> None:
    for name, least in LEAST.items():
        value = getattr(asked, name)
        if value is None:
            continue
        if not _is_whole(value) or value < least:
            raise InputError(f"`{name}:` is {value!r}, not a whole number of at least {least}.")
    if asked.spectra_precision not in ("single", "double"):
        raise InputError(
            f"`spectra_precision:` is {asked.spectra_precision!r}; choose single or double."
        )
    for name in asked.controls:
        if name not in CONTROLS:
            raise InputError(f"there is no control {name!r}; choose from {', '.join(CONTROLS)}.")


def _texts(texts: Any, asked: Asked) -> tuple[list[dict[str, str]], Entry]:
    """Texts as records, and where they came from."""
    if isinstance(texts, (str, Path)):
        return _of_file(Path(texts), asked)
    if not isinstance(texts, Iterable) or isinstance(texts, NO_LIST):
        raise InputError(
            f"texts is {type(texts).__name__}; give a list of strings (of a table, one column of "
            "it), or the path of a file of texts."
        )
    listed = list(texts)
    if listed and all(isinstance(text, Path) for text in listed):
        return _of_files(listed, asked)
    found = []
    for number, text in enumerate(listed):
        if not isinstance(text, str):
            raise InputError(
                f"text {number} is {type(text).__name__}, not a string; give a list of strings, or "
                "the path of a file of texts."
            )
        if text.strip():
            found.append({"id": str(number), "group": "all", "text": text})
        elif not asked.skip_empty:
            raise InputError(f"text {number} is empty; remove it, or set `skip_empty: true`.")
    if not found:
        raise InputError("there is no text to measure; give one at least.")
    return found, {"name": "texts", "source": "a list of texts", "texts": len(found)}


def _of_file(path: Path, asked: Asked) -> tuple[list[dict[str, str]], Entry]:
    place = path.expanduser()
    if not place.is_file():
        raise InputError(
            f"there is no file of texts {str(path)[:80]!r}; to measure a text itself, give a list "
            "of texts: [text]."
        )
    entry: Entry = {"field": asked.field, "skip_empty": asked.skip_empty}
    entry |= {"group_field": asked.group_field} if asked.group_field else {}
    records, origin = read_dataset(entry, place, str(path))
    return records, {"name": path.stem, **origin}


def _of_files(paths: list[Path], asked: Asked) -> tuple[list[dict[str, str]], Entry]:
    """The texts of several files: a group each, unless a field names the groups."""
    if len(paths) == 1:
        return _of_file(paths[0], asked)
    names = [path.stem for path in paths]
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputError(
            f"two files of texts are called {twice[0]}, by which their texts would be known; "
            "rename one of them."
        )
    found, origins = [], []
    for path in paths:
        records, origin = _of_file(path, asked)
        origins.append(origin)
        for record in records:
            group = record["group"] if asked.group_field else path.stem
            found.append(record | {"id": f"{path.stem}/{record['id']}", "group": group})
    return found, {"name": ", ".join(names), "sources": origins, "texts": len(found)}


def _table(spectra: Spectra, named: list[str], losses: bool) -> pd.DataFrame:
    """The table of a row per layer and text, without the metrics that are not asked for."""
    table = metrics_table(spectra, named)
    for metric in columns.METRICS:
        if metric.name not in named:
            views = {f"{metric.name}_{view}" for view in spectra.views}
            table = table.drop(columns=[c for c in table if c == metric.name or c in views])
    if not losses:
        table = table.drop(columns="loss")
    table.insert(0, "model", spectra.provenance["model"]["model"])
    table.insert(table.columns.get_loc("depth") + 1, "width", spectra.width)
    table.attrs["provenance"] = spectra.provenance
    return table
