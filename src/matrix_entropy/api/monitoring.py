"""Measure a model every few steps while it is trained, without changing what it learns."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from matrix_entropy.api.wording import needing_models, plain_errors
from matrix_entropy.base.errors import InputError

with needing_models():
    import torch
    from accelerate import PartialState
    from transformers import TrainerCallback

    from matrix_entropy.api.measured import Asked, measured
    from matrix_entropy.results.metrics import write_metrics

log = logging.getLogger("matrix_entropy")

# Of a measurement, what is no number of a text.
DESCRIBES = (
    "step",
    "model",
    "id",
    "group",
    "layer",
    "depth",
    "width",
    "tokens",
    "rows",
    "truncated",
)
# Before this many measurements, the time of one is that of starting up as well.
WARM = 2


class Monitor(TrainerCallback):
    """Measures a model on fixed texts every few steps of its training.

    A callback of the Hugging Face Trainer (``Trainer(..., callbacks=[monitor])``), or for a loop of
    your own (``monitor.step(step, model)`` behind every step of the optimiser). The numbers are
    those of `measure`, and so of the workflow, for a checkpoint saved at the same step. The modes
    of all modules, gradients and the state of every random generator are as before.

    Parameters
    ----------
    texts : iterable of str or path
        As `measure` takes them. A few dozen short ones suffice to see a change.
    tokenizer : transformers.PreTrainedTokenizerBase
        The model's.
    every : int
        Measure after steps that this divides, step 0 among them if it is given.
    budget : float, optional
        Share of the training's own time that measuring may take. Where it would take more, steps
        are left out until it does not, which is told once. None measures after all of them.
    folder : str or Path, optional
        Where to write ``step_{step}.parquet``, with the columns of the workflow's metrics, those of
        the controls that are asked for, ``step``, ``model`` and ``width``, and the provenance.
    writer : object, optional
        Has ``add_scalar(name, value, step)``, as ``torch.utils.tensorboard.SummaryWriter``; gets
        the means over texts, called ``{metric}/layer_{layer}``.
    options
        As `measure` takes them: ``layers``, ``metrics``, ``measures``, ``controls``, ``losses``,
        ``max_tokens``, ``batch_tokens``, ...

    Attributes
    ----------
    trained, measuring : float
        Seconds between the steps that were told, and those that measuring took.

    Raises
    ------
    ValueError
        If an argument is wrong, or, at a step, if the model or a text cannot be measured, or if the
        training runs in several processes.
    """

    def __init__(
        self,
        texts: Any,
        tokenizer: Any,
        *,
        every: int,
        budget: float | None = 0.02,
        folder: str | Path | None = None,
        writer: Any = None,
        clock: Callable[[], float] = time.perf_counter,
        **options: Any,
    ) -> None:
        with plain_errors():
            if not isinstance(every, int) or isinstance(every, bool) or every < 1:
                raise InputError(f"`every:` is {every!r}, not a whole number of at least 1.")
            if budget is not None and not budget > 0:
                raise InputError(f"`budget:` is {budget!r}, no share above 0; None sets no limit.")
            known = {field.name for field in dataclasses.fields(Asked)} - {"tokenizer"}
            if unknown := sorted(options.keys() - known):
                raise InputError(f"there is no option {unknown[0]}; choose from {sorted(known)}.")
        # Whatever is gone through once only is needed again.
        self.texts = texts if isinstance(texts, (str, Path)) else list(texts)
        self.asked = Asked(**({"progress": False} | options | {"tokenizer": tokenizer}))
        self.every, self.budget, self.clock = every, budget, clock
        self.folder = None if folder is None else Path(folder)
        self.writer = writer
        self.tables: list[pd.DataFrame] = []
        self.trained = self.measuring = 0.0
        self._cost = self._since = 0.0  # seconds of the last measurement, and trained behind it
        self._left: float | None = None  # when the last step was told
        self._told = False

    def step(self, step: int, model: Any) -> pd.DataFrame | None:
        """Say that a step is done: measure the model if its turn has come.

        Returns
        -------
        DataFrame, optional
            The table of `measure` with the column ``step`` in front, if it was measured.
        """
        due = step % self.every == 0
        if due and torch.cuda.is_initialized():
            torch.cuda.synchronize()  # what is still computed is the training's
        begun = self.clock()
        if self._left is not None:
            self.trained += begun - self._left
            self._since += begun - self._left
        found = self._measure(step, model) if due and self._affordable(step) else None
        self._left = self.clock()
        if found is not None:
            self._cost, self._since = self._left - begun, 0.0
            self.measuring += self._cost
            self._say(step)
        return found

    def table(self) -> pd.DataFrame:
        """All that was measured so far, a row per step, layer and text; empty if nothing was."""
        return pd.concat(self.tables, ignore_index=True) if self.tables else pd.DataFrame()

    def on_train_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """Of the Trainer: measure the model as the training finds it."""
        self.step(state.global_step, more["model"])

    def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """Of the Trainer: a step of the optimiser is done."""
        self.step(state.global_step, more["model"])

    def on_train_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """Of the Trainer: log what measuring has taken."""
        log.info(
            "measured %d times, in %.3g s beside %.3g s of training",
            len(self.tables), self.measuring, self.trained,
        )  # fmt: skip

    def _affordable(self, step: int) -> bool:
        """Whether the next measurement keeps to the budget, as far as the last one tells."""
        if self.budget is None or len(self.tables) < WARM:
            return True
        if self._cost <= self.budget * self._since:
            return True
        if not self._told:
            log.warning(
                "a measurement takes %.2g s, more than %.3g %% of the %.2g s of training since the "
                "last one: step %d and others are left out. Give fewer texts or layers, or a "
                "larger `every` or `budget`.",
                self._cost, 100 * self.budget, self._since, step,
            )  # fmt: skip
            self._told = True
        return False

    def _measure(self, step: int, model: Any) -> pd.DataFrame:
        with plain_errors():
            if PartialState().num_processes > 1:
                raise InputError(
                    "a Monitor measures in one process, and this training has "
                    f"{PartialState().num_processes}; save checkpoints and measure these instead."
                )
            # A compiled model has the same weights as the one that was compiled.
            module = getattr(model, "_orig_mod", model)
            with torch.random.fork_rng():
                found = measured(module, self.texts, self.asked)
        found.insert(0, "step", step)
        self.tables.append(found)
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            path = self.folder / f"step_{step}.parquet"
            write_metrics(path, found, found.attrs["provenance"])
        if self.writer is not None:
            self._tell_writer(found, step)
        return found

    def _tell_writer(self, found: pd.DataFrame, step: int) -> None:
        numbers: Sequence[str] = [name for name in found if name not in DESCRIBES]
        means = found.groupby("layer", sort=False)[numbers].mean()
        for name in numbers:
            for layer, value in means[name].items():
                self.writer.add_scalar(f"{name}/layer_{layer}", value, step)

    def _say(self, step: int) -> None:
        log.info(
            "step %d measured in %.3g s; so far %.3g s, beside %.3g s of training",
            step, self._cost, self.measuring, self.trained,
        )  # fmt: skip
