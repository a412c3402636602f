"""Accuracy on multiple-choice questions, measured by lm-evaluation-harness.

A task of the harness says how a question is put and which answers there are; the answer of the
model is the one whose tokens are the likeliest behind the question. Beside the harness's own tasks
there are those of ``workflow/tasks``, for questions in a file of ours.
"""

from __future__ import annotations

import contextlib
import io
import logging
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from matrix_entropy.base.errors import InputError, first_line
from matrix_entropy.base.files import read_jsonl
from matrix_entropy.base.shipped import TASKS
from matrix_entropy.models.anatomy import length_limits
from matrix_entropy.models.loading import load_placed, load_tokenizer
from matrix_entropy.texts.records import text_of

log = logging.getLogger("matrix_entropy")


# Of the local tasks: the format of their records (`texts.records`).
RECORDS = {
    "miniature_openbookqa": "openbookqa",
    "miniature_winogrande": "winogrande",
    "miniature_piqa": "piqa",
}


def evaluate(
    record: dict[str, Any],
    model_options: dict[str, Any],
    tasks: dict[str, dict[str, Any]],
    batch_size: int,
) -> dict[str, dict[str, Any]]:
    """Accuracy of a model on benchmarks, without examples in front of the question (zero-shot).

    Special tokens are those that the harness and the tokenizer choose, whatever ``bos`` says of
    the hidden states: published accuracies are measured so.

    Parameters
    ----------
    record : dict
        A resolved model (`models.resolving`).
    model_options : dict
        The model's entry in the configuration: ``layers``, ``width``, ``dtype``, ``device_map``.
    tasks : dict
        Benchmark's name to its task, which is either

        - ``{"task": name of the harness's, "dataset_folder": path or None}``: its data set is read
          from a folder as the hub has it, or fetched by the harness if None; or
        - ``{"task": name of a file in workflow/tasks, "questions": path of a JSON Lines file}``.
    batch_size : int
        Answers scored at a time.

    Returns
    -------
    dict
        Benchmark's name to ``accuracy`` (the share of questions whose right answer has the largest
        sum of log probabilities), ``accuracy_stderr`` (None for a single question),
        ``accuracy_normalised`` (by the sum divided by the answer's number of characters; None where
        the task does not define it), ``questions`` (their number), ``task``, ``fewshot`` (0) and
        ``lm_eval`` (its version).

    Raises
    ------
    InputError
        If there is no such task, it measures no accuracy, its data cannot be read or a record lacks
        its answer; see also `load_model`.
    """
    # Seconds that only this function pays.
    import datasets
    import lm_eval
    from lm_eval.models.huggingface import HFLM

    for benchmark, task in tasks.items():
        if "questions" in task:
            _check_records(benchmark, task["task"], Path(task["questions"]))
    datasets.disable_progress_bars()
    with tempfile.TemporaryDirectory() as cache:
        loaded = {name: _load(name, task, cache) for name, task in tasks.items()}
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        model, _ = load_placed(record, model_options, device)
        results = {}
        with _harness_output():
            language_model = HFLM(
                pretrained=model,
                tokenizer=load_tokenizer(record),
                # Where the longest text of a batch decides for all, each is alone.
                batch_size=1 if length_limits(model.config) else batch_size,
            )
            for name, task in tasks.items():
                # Not `simple_evaluate`, which describes this machine and seeds every generator:
                # nothing is drawn at random here, and the mean's standard error is a formula.
                found = lm_eval.evaluate(
                    lm=language_model,
                    task_dict=loaded[name],
                    log_samples=False,
                    bootstrap_iters=1,
                )
                results[name] = _result(task["task"], found)
    for name, result in results.items():
        log.info(
            "%s: accuracy %.3f on %d questions of %s",
            record["model"], result["accuracy"], result["questions"], name,
        )  # fmt: skip
    return results


def _check_records(benchmark: str, task: str, path: Path) -> None:
    if task not in RECORDS:
        raise InputError(
            f"benchmark '{benchmark}': task '{task}' takes no questions from a file; those that do "
            f"are {', '.join(RECORDS)}."
        )
    records = read_jsonl(path)
    if not records:
        raise InputError(f"benchmark '{benchmark}': {path} has no question.")
    for number, record in enumerate(records):
        where = f"benchmark '{benchmark}': {path}, record {number}"
        if text_of(record, {"record": RECORDS[task]}, where) is None:
            raise InputError(f"{where} has an empty question or answer; remove the record.")


def _load(benchmark: str, task: dict[str, Any], cache: str) -> Any:
    """The harness's task with its data, in the form that ``lm_eval.evaluate`` takes."""
    name = task["task"]
    changes: dict[str, Any] = {"task": name, "num_fewshot": 0}
    # In a cache of ours: the library's would keep a copy of every file for good.
    if "questions" in task:
        files = {"test": str(task["questions"])}
        changes["dataset_kwargs"] = {"data_files": files, "cache_dir": cache}
    elif task["dataset_folder"] is not None:
        changes["dataset_path"] = str(task["dataset_folder"])
        changes["dataset_kwargs"] = {"cache_dir": cache}
    manager = _manager(benchmark, name)
    try:
        # A group of one: the way in which the harness takes changes to a task that it knows.
        loaded = manager.load({"group": "benchmark", "task": [changes]})
    except (OSError, ValueError) as error:
        raise InputError(
            f"benchmark '{benchmark}': the data of task '{name}' cannot be read "
            f"({first_line(error)})."
        ) from None
    found = loaded["tasks"][name]
    if "acc" not in found.aggregation():
        raise InputError(
            f"benchmark '{benchmark}': task '{name}' measures no accuracy but "
            f"{', '.join(found.aggregation())}; name a multiple-choice task."
        )
    return {"tasks": {name: found}}


def _manager(benchmark: str, task: str) -> Any:
    """The harness's index of tasks, no larger than it has to be: all of it takes ten seconds."""
    import lm_eval.tasks

    harness = Path(lm_eval.tasks.__file__).parent
    for folder in (TASKS, harness / task, harness):
        if folder.is_dir():
            manager = lm_eval.tasks.TaskManager(include_path=folder, include_defaults=False)
            if task in manager.all_subtasks:
                return manager
    raise InputError(
        f"benchmark '{benchmark}': lm-evaluation-harness {version('lm-eval')} has no single task "
        f"'{task}', and there is no file of that name in {TASKS}; correct `task:`."
    )


def _result(task: str, found: dict[str, Any]) -> dict[str, Any]:
    values = found["results"][task]
    error = values["acc_stderr,none"]
    return {
        "task": task,
        "accuracy": float(values["acc,none"]),
        "accuracy_stderr": None if error == "N/A" else float(error),
        "accuracy_normalised": float(values["acc_norm,none"])
        if "acc_norm,none" in values
        else None,
        "questions": found["n-samples"][task]["effective"],
        "fewshot": 0,
        "lm_eval": version("lm-eval"),
    }


@contextmanager
def _harness_output() -> Iterator[None]:
    """Into our log the first warning of each kind; its bars for a person who watches only."""
    harness = logging.getLogger("lm_eval")
    before = harness.handlers, harness.propagate
    harness.handlers, harness.propagate = [_FirstOfEachKind()], False
    watched = sys.stderr.isatty()
    try:
        with contextlib.nullcontext() if watched else contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        harness.handlers, harness.propagate = before


class _FirstOfEachKind(logging.Handler):
    """Passes on the first warning of each place in the harness's code, such as of a cut question.

    What it says of a model that is handed over ready-made is left out: here every model is.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.seen: set[tuple[str, int]] = set()

    def emit(self, record: logging.LogRecord) -> None:
        place = (record.pathname, record.lineno)
        if place not in self.seen and record.funcName != "__init__":
            log.warning("lm-evaluation-harness: %s", record.getMessage())
        self.seen.add(place)
