"""`Monitor`: the numbers of checkpoints while a model is trained, which learns the same."""

from __future__ import annotations

import itertools
import logging
import random
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments

import matrix_entropy as me
from conftest import ROOT
from matrix_entropy.base.files import weights_sha256
from matrix_entropy.models import stand_ins
from matrix_entropy.models.stand_ins import train_stand_in, train_tokenizer
from matrix_entropy.models.training import fit
from matrix_entropy.results.columns import METRICS
from matrix_entropy.results.metrics import read_metrics
from short_texts import short_texts
from walks import blocks

TEXTS = [record["text"] for record in short_texts(5, 5)]
TOKENIZER = train_tokenizer(TEXTS, 300)
NUMBERS = [*(metric.name for metric in METRICS), "loss"]
SAME = 1e-6  # of values of about one


def monitor(**options: Any) -> me.Monitor:
    return me.Monitor(TEXTS, TOKENIZER, **{"every": 2, "budget": None, "threads": 1} | options)


def test_the_page_s_training_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a model and texts of the reader's own, which the page leaves to them."""
    monkeypatch.chdir(tmp_path)
    (code,) = (
        block.code
        for block in blocks(ROOT / "docs/while-a-model-learns.md")
        if block.language == "python"
    )
    arguments = TrainingArguments(
        "out", max_steps=1, report_to="none", use_cpu=True, disable_tqdm=True
    )
    own = {"model": with_dropout(), "tokenizer": TOKENIZER, "Trainer": Trainer}
    exec(
        code, own | {"arguments": arguments, "examples": [{"input_ids": [1, 2], "labels": [1, 2]}]}
    )
    assert "step" in capsys.readouterr().out
    assert (tmp_path / "monitor/step_0.parquet").is_file()


def with_dropout() -> GPT2LMHeadModel:
    torch.manual_seed(1)
    sizes = {"n_layer": 2, "n_embd": 16, "n_head": 2, "n_positions": 256, "vocab_size": 300}
    return GPT2LMHeadModel(GPT2Config(**sizes))


def assert_same(found: pd.DataFrame, folder: Path, **options: Any) -> None:
    """The numbers of a saved model, row by row."""
    expected = me.measure(folder, TEXTS, progress=False, **options)
    assert found["layer"].tolist() == expected["layer"].tolist()
    assert found["id"].tolist() == expected["id"].tolist()
    np.testing.assert_allclose(found[NUMBERS], expected[NUMBERS], rtol=SAME, atol=SAME)


def test_a_stand_in_learns_the_same_and_each_number_is_that_of_its_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = {"architecture": "gpt_neox", "corpus": "c", "heads": 2, "context": 64, "block": 16}
    train |= {"batch": 2, "steps": 6, "learning_rate": 0.01, "seed": 1}
    entry = {"train": train | {"checkpoints": [0, 2, 4, 6]}, "layers": 2, "width": 16}
    many = [f"{text} {number}" for text in TEXTS for number in range(30)]
    train_stand_in("alone", entry, many, TOKENIZER, tmp_path / "alone")
    watching = monitor()

    def watched(name: str, model: Any, train: Any, batch_loss: Any) -> Any:
        done = itertools.count()

        def loss(generator: np.random.Generator) -> torch.Tensor:
            watching.step(next(done), model)
            return batch_loss(generator)

        return fit(name, model, train, loss)

    monkeypatch.setattr(stand_ins, "fit", watched)
    train_stand_in("watched", entry, many, TOKENIZER, tmp_path / "watched")
    for place in ("", "checkpoints/2"):
        alone, too = (weights_sha256(tmp_path / name / place) for name in ("alone", "watched"))
        assert alone == too
    table = watching.table()
    assert table["step"].unique().tolist() == [0, 2, 4]
    for step in (0, 4):
        assert_same(table[table["step"] == step], tmp_path / "alone/checkpoints" / str(step))
    # What is held against them does change with the step.
    entropy = table.groupby("step")["matrix_entropy"].mean()
    assert entropy.diff().abs().min() > 100 * SAME


def legacy() -> Any:
    """The state of NumPy's global generator, which data loaders may draw from."""
    return np.random.get_state()[1]  # noqa: NPY002


def train_by_hand(watching: me.Monitor | None) -> GPT2LMHeadModel:
    """A loop with dropout, two batches a step, and a block that is not to be trained."""
    model = with_dropout()
    model.train()
    model.transformer.h[0].eval()
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.01)
    torch.manual_seed(2)
    for step in range(1, 5):
        for _ in range(2):
            ids = torch.randint(0, 300, (2, 12))
            model(input_ids=ids, labels=ids).loss.backward()
        if watching is not None:  # with gradients that are not yet used
            before = {name: weight.grad.clone() for name, weight in model.named_parameters()}
            drawn = random.getstate(), legacy().copy(), torch.get_rng_state()
            watching.step(step, model)
            for name, weight in model.named_parameters():
                assert torch.equal(weight.grad, before[name])
            assert random.getstate() == drawn[0]
            assert np.array_equal(legacy(), drawn[1])
            assert torch.equal(torch.get_rng_state(), drawn[2])
        assert model.training
        assert not model.transformer.h[0].training
        assert model.transformer.h[1].attn.attn_dropout.training
        optimiser.step()
        optimiser.zero_grad()
    return model


def test_with_dropout_the_weights_are_the_same_to_the_bit() -> None:
    watching = monitor(every=1)
    alone, watched = train_by_hand(None), train_by_hand(watching)
    assert len(watching.tables) == 4
    for name, weight in alone.state_dict().items():
        assert torch.equal(weight, watched.state_dict()[name]), name


def test_as_a_callback_of_the_trainer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ids = torch.randint(0, 300, (8, 12), generator=torch.Generator().manual_seed(1)).tolist()
    examples = [{"input_ids": text, "labels": text} for text in ids]

    class Writer:
        told: list[tuple[str, float, int]] = []  # noqa: RUF012

        def add_scalar(self, name: str, value: float, step: int) -> None:
            self.told.append((name, value, step))

    def trained(*callbacks: me.Monitor) -> Trainer:
        arguments = TrainingArguments(
            "out", max_steps=4, save_steps=2, per_device_train_batch_size=2, report_to="none",
            use_cpu=True, disable_tqdm=True, seed=1,
        )  # fmt: skip
        found = Trainer(with_dropout(), arguments, train_dataset=examples, callbacks=[*callbacks])
        found.train()
        return found

    watching = monitor(folder="monitor", writer=Writer(), layers=[1, "final"])
    watched, alone = trained(watching).model, trained().model
    for name, weight in alone.state_dict().items():
        assert torch.equal(weight, watched.state_dict()[name]), name
    table = watching.table()
    assert table["step"].unique().tolist() == [0, 2, 4]
    TOKENIZER.save_pretrained("out/checkpoint-2")
    assert_same(table[table["step"] == 2], Path("out/checkpoint-2"), layers=[1, "final"])
    written, provenance = read_metrics("monitor/step_2.parquet")
    pd.testing.assert_frame_equal(written, watching.tables[1])
    assert provenance["options"]["extract"] == [1, "final"]
    assert provenance["dataset"]["texts"] == len(TEXTS)
    last = table[(table["step"] == 4) & (table["layer"] == "final")]["matrix_entropy"].mean()
    assert ("matrix_entropy/layer_final", last, 4) in Writer.told
    assert len(Writer.told) == 3 * 2 * len(NUMBERS)


class Clock:
    """Time that passes as a test says: so long in every measurement, and between steps."""

    def __init__(self, measuring: float) -> None:
        self.now, self.measuring = 0.0, measuring

    def __call__(self) -> float:
        return self.now


def steps_measured(monkeypatch: pytest.MonkeyPatch, cost: float, **options: Any) -> me.Monitor:
    """A monitor after 100 steps of a second, whose measurements take so many."""
    clock = Clock(cost)
    watching = monitor(every=1, clock=clock, **options)

    def measured(*_: Any) -> pd.DataFrame:
        clock.now += clock.measuring
        return pd.DataFrame({"layer": ["final"], "matrix_entropy": [1.0]})

    monkeypatch.setattr("matrix_entropy.api.monitoring.measured", measured)
    for step in range(100):
        watching.step(step, None)
        clock.now += 1
    return watching


def test_steps_are_left_out_where_the_budget_would_not_suffice(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="matrix_entropy"):
        watching = steps_measured(monkeypatch, cost=0.25, budget=1 / 32)
    # Eight seconds of training pay for a quarter of one; the first two are not yet judged by.
    assert watching.table()["step"].tolist() == [0, 1, *range(9, 100, 8)]
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "0.25 s, more than 3.12 % of the 1 s" in warnings[0].getMessage()
    assert watching.trained == pytest.approx(99)
    assert watching.measuring == pytest.approx(0.25 * len(watching.tables))
    assert "step 9 measured in 0.25 s; so far 0.75 s, beside 9 s of training" in caplog.text


def test_a_cheap_one_or_one_without_a_budget_is_never_left_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert len(steps_measured(monkeypatch, cost=0.01, budget=0.02).tables) == 100
    assert len(steps_measured(monkeypatch, cost=5.0, budget=None).tables) == 100
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"every": 0}, "`every=0`? is 0|`every=` is 0"),
        ({"budget": 0}, "`budget=` is 0"),
        ({"layer": 3}, "there is no option layer"),
        ({"layers": [9]}, "there is no layer 9"),
        ({"metrics": "entropie"}, "there is no metric 'entropie'"),
    ],
)
def test_what_is_wrong_is_told(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        monitor(**options).step(0, with_dropout())


def test_several_processes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Two:
        num_processes = 2

    monkeypatch.setattr("matrix_entropy.api.monitoring.PartialState", Two)
    with pytest.raises(ValueError, match="measures in one process, and this training has 2"):
        monitor().step(0, with_dropout())
