"""What it costs to run a model over a data set, and what a figure or table asks of the states."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from matrix_entropy.configuration import experiments
from matrix_entropy.configuration.entries import layers_of
from matrix_entropy.configuration.kinds import KINDS
from matrix_entropy.configuration.targets import needed_runs
from matrix_entropy.configuration.trajectories import is_fetched_to_measure
from matrix_entropy.estimate import cost
from matrix_entropy.estimate.cost import ADAPTER_TRAINING, Transformer, Work
from matrix_entropy.estimate.devices import Device
from matrix_entropy.estimate.job_costs import (
    PLAIN,
    STEP_SECONDS,
    WITH_HARNESS,
    WITH_PANDAS,
    WITH_TORCH,
    Cost,
    parameters_of,
    preparation,
    seen,
    stored_bytes,
    transformer_of,
)
from matrix_entropy.estimate.text_sizes import Texts, as_read, context_of, uncut
from matrix_entropy.maths.measures import DISTANCES, MEASURES, ROWS
from matrix_entropy.maths.model_measures import ATTENTION, HEAD, taking
from matrix_entropy.maths.two_views import MOST_VIEWED, PAIRINGS
from matrix_entropy.results.multimodal_metrics import (
    FRESH,
    NONE,
    NULL_RECORDS,
    NULLS,
    OPERATIONS,
    SHUFFLES,
)

Entry = dict[str, Any]

# Measured on the machine of `cpu_core`: to tokenise a text, split what a batch gave and write its
# rows, per text and per text and layer; to read an image; to ask the harness for an answer.
TEXT_SECONDS, ROWS_SECONDS, IMAGE_SECONDS, ANSWER_SECONDS = 3e-4, 3e-5, 5e-3, 5e-4
# What a measure of hidden states takes, by what it looks at.
TAKES = {ROWS: cost.measure_seconds, DISTANCES: cost.distance_seconds}
# What a LiDAR takes, in spectra of the same matrix: measured as 4 to 9, from 40 × 48 to 600 × 1024.
LIDAR_SPECTRA = 7
# Folders of temporary hidden states on disk: one is written while another one is read.
FOLDERS_AT_A_TIME = 2
# As `states.extraction` cuts the corpus for `ppl_windows`, a blank line between texts.
WINDOW, BLANK_LINE = 2048, 1
# Answers that a question of a benchmark has, which are all scored.
ANSWERS = {"openbookqa": 4, "winogrande": 2, "piqa": 2}


def costs_of(entry: Entry, config: Entry, device: Device) -> dict[str, Cost]:
    """The jobs that a figure or table needs, by a name that entries share where the work is one.

    Drawing the entry itself is among them; what it is called is the caller's.
    """
    models = config["models"] | experiments.derived_models(config)
    found = preparation(entry, config, device)
    for name, dataset in needed_runs(entry, config):
        run = Run(name, models[name], dataset, config, device)
        for job, made in _uses(entry, run).items():
            found[job] = made()
    return found


def _uses(entry: Entry, run: Run) -> dict[str, Callable[[], Cost]]:
    """What an entry asks of a run, by the names of its jobs."""
    reads, where = KINDS[entry.get("kind", "layers")].reads, f"{run.name} {run.dataset}"
    if "vision" in run.model:
        operations = OPERATIONS if reads == "image operations" else [NONE]
        measured = {f"measure_images {where} {operation}": run.images for operation in operations}
        if reads == "images":
            operations = [NONE, NULLS]
            measured[f"measure_images {where} {NULLS}"] = run.nulls
        return measured | {f"metrics {where} {operation}": _metrics for operation in operations}
    if reads == "sentences":
        return {f"read_sentences {where}": run.sentences}
    found: dict[str, Callable[[], Cost]] = {}
    if "lora" in run.model:
        found[f"train_lora {run.name}"] = run.adapter
    if reads == "gains":
        return {f"states {where}": run.states, f"gain {where}": run.gain}
    if is_fetched_to_measure(run.model):
        found[f"measure_checkpoint {where}"] = run.checkpoint
    elif run.config["hidden_states"] == "stream":
        found[f"stream_spectra {where}"] = run.streamed
    else:
        found |= {f"states {where}": run.states, f"spectra {where}": run.spectra}
    found[f"metrics {where}"] = _metrics
    if reads == "rows":
        found[f"rows {where}"] = run.rows
    if reads == "texts":
        found |= {f"pooled {where}": run.pooled, f"text metrics {where}": run.text_metrics}
    if reads == "accuracies" and experiments.tasks_of(run.dataset, run.config["datasets"]):
        found[f"accuracy {where}"] = run.accuracy
    return found


def _metrics() -> Cost:
    return Cost("compute_metrics", start_up=WITH_PANDAS)


@dataclass(frozen=True)
class Run:
    """One model on one data set."""

    name: str
    model: Entry
    dataset: str
    config: Entry
    device: Device

    @property
    def entry(self) -> Entry:
        entry: Entry = self.config["datasets"][self.dataset]
        return entry

    @property
    def origin(self) -> Entry:
        """The model that a derived one starts from, which says what its tokenizer is."""
        keys = ("untrained", "lora", "checkpoint")
        derived = next((self.model[key] for key in keys if key in self.model), None)
        origin: Entry = self.config["models"][derived["model"]] if derived else self.model
        return origin

    @property
    def transformer(self) -> Transformer:
        return transformer_of(self.origin)

    @cached_property
    def texts(self) -> Texts:
        return as_read(self.dataset, self.config, self.origin)

    @property
    def loading(self) -> float:
        """Seconds to read the weights."""
        return stored_bytes(self.origin) / self.device.disk

    def states(self) -> Cost:
        """Hidden states of every layer on disk, with the losses of tokens and of windows.

        ``keep`` leaves them there; with ``temp`` the largest shards of two jobs are on disk.
        """
        texts, shards = self.texts, self.entry["shards"]
        work = self.transformer.forward(
            texts.read, texts.squares, with_logits=self.entry["token_losses"]
        )
        if self.entry["window_perplexity"]:
            work = work.plus(self._windows())
        work = work.plus(self._model_measures())
        size = self._state_bytes()
        handling = TEXT_SECONDS + ROWS_SECONDS * len(layers_of(self.model))
        seconds = self.device.seconds(work, self.model["dtype"]) + size / self.device.disk
        kept = self.config["hidden_states"] == "keep"
        return Cost(
            "dump_hidden_states",
            texts.texts,
            texts.read,
            work.flops,
            kept=size if kept else 0.0,
            temporary=0.0 if kept else size / shards * min(shards, FOLDERS_AT_A_TIME),
            start_up=WITH_TORCH * shards,
            work=seconds + texts.texts * handling + self.loading * shards,
        )

    def _windows(self) -> Work:
        """Texts one after another in windows, read for their losses alone."""
        texts = uncut(self.dataset, self.config, self.origin)
        tokens = texts.kept + BLANK_LINE * texts.texts
        length = min(WINDOW, context_of(self.origin))
        return self.transformer.forward(tokens, tokens * length, with_logits=True)

    def spectra(self) -> Cost:
        """Spectra of every text, layer and view on the CPU's cores, and measures, from disk."""
        shards = self.entry["shards"]
        seconds = (self._of_views(cost.spectrum_seconds) + self._measures()) / self.device.cores
        return Cost(
            "compute_spectra",
            spectra_flops=self._of_views(cost.spectrum_flops),
            kept=cost.eigenvalue_bytes(self._of_views(np.minimum)) + 4 * self.texts.kept,
            start_up=PLAIN * (shards + (shards > 1)),  # more than one are gathered
            work=seconds + self._state_bytes() / self.device.disk,
        )

    def streamed(self) -> Cost:
        """Both in one job, which writes no states.

        A GPU makes the matrices, and the cores find the eigenvalues of some, and take measures,
        while it goes on; so the slower of the two counts. Without one, the same cores do all of it.
        """
        states, spectra = self.states(), self.spectra()
        on_disk = self._state_bytes() / self.device.disk
        if self.device.gpu:
            work = Work(self._of_views(cost.matrix_flops), self._of_views(cost.matrix_moved))
            model = states.work - on_disk + self.device.seconds(work, "float64")
            cores = self._of_views(cost.eigenvalue_seconds) + self._measures()
            seconds = max(model, cores / self.device.cores)
        else:
            seconds = states.work + spectra.work - 2 * on_disk
        return replace(
            states,
            rule="stream_spectra",
            spectra_flops=spectra.spectra_flops,
            kept=spectra.kept,
            temporary=0.0,
            work=seconds,
        )

    def checkpoint(self) -> Cost:
        """The same of a checkpoint that each job fetches, and removes when it has been measured.

        Its weights count in 32 bits, in which those of Pythia's steps are published.
        """
        fetched = 4 * parameters_of(self.model)
        streamed = replace(self.streamed(), rule="measure_checkpoint", temporary=fetched)
        return replace(streamed, weights=fetched * self.entry["shards"])

    def _of_views(self, of: Callable[[Any, int], Any]) -> float:
        """What all spectra take together: of every layer, and of every view of every text."""
        texts = self.texts
        views = [texts.lengths] * (1 + len(self.entry["controls"]))
        # A text shorter than a cut has no spectrum there.
        for cut in self.entry.get("lengths", []):
            views.append(np.where(texts.lengths >= cut, cut, 0))
        each = sum(float(texts.counts @ of(rows, self.model["width"])) for rows in views)
        return each * len(layers_of(self.model))

    def _measures(self) -> float:
        """Seconds on one core for the measures that are asked for, of all rows."""
        found, width = 0.0, self.model["width"]
        for measure in MEASURES:
            if measure.name in self.entry.get("measures", []):
                of_one = TAKES[measure.looks_at](self.texts.lengths, width)
                found += float(self.texts.counts @ of_one)
        return found * len(layers_of(self.model))

    def _model_measures(self) -> Work:
        """Work of the model for the measures that it gives."""
        found, asked = Work(), self.entry.get("measures", [])
        if taking(HEAD, asked):
            of_layer = self.transformer.read_off(self.texts.kept)
            found = found.plus(of_layer.times(len(layers_of(self.model))))
        if taking(ATTENTION, asked):
            found = found.plus(self.transformer.attended(self.texts.squares))
        return found

    def _state_bytes(self) -> float:
        layers = len(layers_of(self.model))
        return cost.state_bytes(self.texts.kept, self.model["width"], layers, self.model["dtype"])

    def gain(self) -> Cost:
        """One Cholesky factor a text, of the states that are read from disk."""
        texts, width = self.texts, self.model["width"]
        flops = float(texts.counts @ cost.gain_flops(texts.lengths, width))
        size = cost.state_bytes(texts.kept, width, 1, self.model["dtype"])
        return Cost(
            "compute_information_gain",
            spectra_flops=flops,
            kept=8 * texts.kept,
            start_up=PLAIN * self.entry["shards"],
            # One core alone: the rule takes one thread.
            work=flops / cost.GRAM_RATE + size / self.device.disk,
        )

    def sentences(self) -> Cost:
        """States and head-averaged attention of a few sentences."""
        texts = self.texts
        work = self.transformer.forward(texts.read, texts.squares, with_logits=False)
        numbers = texts.read * self.model["width"] * len(layers_of(self.model))
        return Cost(
            "read_sentences",
            texts.texts,
            texts.read,
            work.flops,
            kept=4 * (numbers + texts.squares * self.model["layers"]),
            start_up=WITH_TORCH,
            work=self.device.seconds(work, self.model["dtype"]) + self.loading,
        )

    def rows(self) -> Cost:
        """Norms of every row and attention to it, of one pass of its own."""
        texts = self.texts
        work = self.transformer.forward(texts.read, texts.squares, with_logits=False)
        layers = len(layers_of(self.model))
        return Cost(
            "measure_rows",
            texts.texts,
            texts.read,
            work.flops,
            kept=texts.kept * (16 * layers + 8 * self.model["layers"]),
            start_up=WITH_TORCH,
            work=self.device.seconds(work, self.model["dtype"])
            + texts.texts * layers * ROWS_SECONDS
            + self.loading,
        )

    def pooled(self) -> Cost:
        """Two vectors of every text and layer, of one pass of its own; of halves, of two."""
        texts, layers = self.texts, len(layers_of(self.model))
        halves = self.entry.get("two_views") == "halves"
        work = self.transformer.forward(texts.read, texts.squares, with_logits=False)
        if halves:
            # Half as long, twice as many.
            apart = self.transformer.forward(texts.read, texts.squares / 2, with_logits=False)
            work = work.plus(apart)
        parts, passes = (3, 2) if halves else (1, 1)
        return Cost(
            "pool_texts",
            texts.texts * parts,
            texts.read * passes,
            work.flops,
            kept=4.0 * 2 * parts * layers * texts.texts * self.model["width"],
            start_up=WITH_TORCH,
            work=self.device.seconds(work, self.model["dtype"])
            + texts.texts * parts * (TEXT_SECONDS + layers * ROWS_SECONDS)
            + self.loading,
        )

    def text_metrics(self) -> Cost:
        """Three spectra of all texts and layers in two poolings, and what two views take.

        What groups and panels take again is left out.
        """
        texts, width = self.texts.texts, self.model["width"]
        each = 3 * cost.spectrum_seconds(texts, width)
        flops = 3 * cost.spectrum_flops(texts, width)
        if "two_views" in self.entry:
            viewed = int(min(texts, MOST_VIEWED))
            # DiME decomposes matrices texts × texts; of LiDAR there are two.
            square, rows = PAIRINGS + 1, 2 * LIDAR_SPECTRA
            each += square * cost.spectrum_seconds(viewed, viewed)
            each += rows * cost.spectrum_seconds(viewed, width)
            flops += square * cost.spectrum_flops(viewed, viewed)
            flops += rows * cost.spectrum_flops(viewed, width)
        count = 2 * len(layers_of(self.model))
        return Cost(
            "compute_text_metrics",
            spectra_flops=float(count * flops),
            start_up=WITH_PANDAS,
            work=float(count * each),
        )

    def images(self) -> Cost:
        """Five spectra of an image and its text; the language model reads the text, then both."""
        image, width = self.model["vision"]["image_tokens"], self.model["width"]
        mean = self.texts.kept / self.texts.texts
        rows = (image, image, mean, image + mean)
        return self._of_images("measure_images", 1.0, [0, image], [(n, width) for n in rows])

    def nulls(self) -> Cost:
        """On the first records, whose images are seen once, and their texts read for each null.

        Beside the spectrum of each reading, those of the image in fresh connectors and behind them.
        """
        image, width = self.model["vision"]["image_tokens"], self.model["width"]
        readings, fresh = len(SHUFFLES) + len(FRESH), len(FRESH)
        both = image + self.texts.kept / self.texts.texts
        rows = [*[image] * 2 * fresh, *[both] * readings]
        return self._of_images(
            "measure_image_nulls",
            min(1.0, NULL_RECORDS / self.texts.texts),
            [image] * readings,
            [(n, width) for n in rows],
        )

    def _of_images(
        self, rule: str, share: float, read: Sequence[int], places: Sequence[tuple[float, int]]
    ) -> Cost:
        """Of a share of the records, each image seen and measured, and its text read and measured.

        ``read`` has the rows in front of the text, reading by reading, ``places`` the rows and the
        width of every spectrum beside that of the image itself.
        """
        vision, texts = self.model["vision"], self.texts
        count = share * texts.texts
        work, tokens = seen(self.model, count), 0.0
        for before in read:
            passed = Texts(texts.lengths, share * texts.counts, texts.before + before)
            tokens += passed.read
            work = work.plus(
                self.transformer.forward(passed.read, passed.squares, with_logits=False)
            )
        places = [((vision["image_size"] // vision["patch"]) ** 2, vision["width"]), *places]
        seconds = sum(float(cost.spectrum_seconds(*place)) for place in places)
        return Cost(
            rule,
            count,
            tokens,
            work.flops,
            count * sum(float(cost.spectrum_flops(*place)) for place in places),
            kept=count * sum(cost.eigenvalue_bytes(min(place)) for place in places),
            start_up=WITH_TORCH + PLAIN,
            work=self.device.seconds(work, self.model["dtype"])
            + count * (IMAGE_SECONDS + seconds / self.device.cores)
            + self.loading,
        )

    def adapter(self) -> Cost:
        """Training of low-rank adapters: the gradients of activations, not of the weights."""
        lora, texts = self.model["lora"], self.texts
        lengths = np.minimum(texts.lengths, lora["max_tokens"])
        cut = Texts(lengths, texts.counts, texts.before)
        passed = self.transformer.forward(cut.read, cut.squares, with_logits=True)
        work = passed.times(ADAPTER_TRAINING * lora["epochs"])
        steps = lora["epochs"] * texts.texts / lora["batch"]
        return Cost(
            "train_lora",
            texts.texts * lora["epochs"],
            cut.read * lora["epochs"],
            work.flops,
            kept=4 * 2 * self.model["layers"] * 4 * self.model["width"] * lora["rank"],
            start_up=WITH_TORCH,
            work=self.device.seconds(work, "float32")
            + steps * self.model["layers"] * STEP_SECONDS
            + self.loading,
        )

    def accuracy(self) -> Cost:
        """Every answer of every question is read behind it by lm-evaluation-harness."""
        work, asked, tokens = Work(), 0.0, 0.0
        for name in experiments.tasks_of(self.dataset, self.config["datasets"]):
            texts = uncut(name, self.config, self.origin)
            answers = ANSWERS.get(self.config["datasets"][name].get("record", ""), 2)
            each = self.transformer.forward(texts.read, texts.squares, with_logits=True)
            work = work.plus(each.times(answers))
            asked, tokens = asked + answers * texts.texts, tokens + answers * texts.read
        return Cost(
            "evaluate_benchmarks",
            asked,
            tokens,
            work.flops,
            start_up=WITH_HARNESS,
            work=self.device.seconds(work, self.model["dtype"])
            + asked * ANSWER_SECONDS
            + self.loading,
        )
