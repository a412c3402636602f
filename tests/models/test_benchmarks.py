"""Benchmarks: the harness's accuracies against scores added up by hand, and what is refused."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import random_models
from matrix_entropy.base.errors import InputError
from matrix_entropy.base.files import write_jsonl
from matrix_entropy.models.benchmarks import TASKS, evaluate
from matrix_entropy.models.loading import load_model, load_tokenizer
from matrix_entropy.models.resolving import resolve_path
from matrix_entropy.models.stand_ins import train_tokenizer

Record = dict[str, Any]
Question = tuple[list[tuple[str, str]], list[str], int]

OPTIONS = {"layers": 2, "width": 16, "dtype": "float32", "device_map": "single"}
WORDS = ["fox", "lamp", "river", "stone", "bird", "cold", "warm", "moon", "naïve", "übergroß"]
QUESTIONS = 20


def openbookqa(rng: random.Random) -> Record:
    answers = [words(rng, 1, 5) for _ in range(4)]
    # Some of the real answer keys have a space in front.
    key = rng.choice(["A", "B", " C", "D"])
    choices = {"text": answers, "label": ["A", "B", "C", "D"]}
    return {"question_stem": words(rng, 3, 6), "choices": choices, "answerKey": key}


def winogrande(rng: random.Random) -> Record:
    sentence = f"{words(rng, 1, 3)} _ {words(rng, 1, 4)}."
    options = {"option1": words(rng, 1, 2), "option2": words(rng, 1, 2)}
    return {"sentence": sentence, **options, "answer": rng.choice("12")}


def piqa(rng: random.Random) -> Record:
    solutions = {"sol1": words(rng, 1, 6), "sol2": words(rng, 1, 6)}
    return {"goal": words(rng, 2, 5), **solutions, "label": rng.randrange(2)}


def words(rng: random.Random, fewest: int, most: int) -> str:
    return " ".join(rng.choices(WORDS, k=rng.randint(fewest, most)))


def openbookqa_question(record: Record) -> Question:
    """(context, continuation) of every answer, the answers, and the right one's number."""
    answers = record["choices"]["text"]
    pairs = [(record["question_stem"], f" {answer}") for answer in answers]
    return pairs, answers, "ABCD".index(record["answerKey"].strip())


def winogrande_question(record: Record) -> Question:
    before, after = record["sentence"].split("_")
    options = [record["option1"], record["option2"]]
    return [(before + each, f" {after.strip()}") for each in options], [], int(record["answer"]) - 1


def piqa_question(record: Record) -> Question:
    answers = [record["sol1"], record["sol2"]]
    return (
        [(f"Question: {record['goal']}\nAnswer:", f" {answer}") for answer in answers],
        answers,
        record["label"],
    )


# Format, its question by hand, and for the harness's own data sets the configuration and split.
FORMATS: dict[str, tuple[Callable, Callable, str, str]] = {
    "openbookqa": (openbookqa, openbookqa_question, "main", "test"),
    "winogrande": (winogrande, winogrande_question, "winogrande_xl", "validation"),
    "piqa": (piqa, piqa_question, "default", "validation"),
}


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Record:
    folder = tmp_path_factory.mktemp("model")
    random_models.gpt2(width=16, blocks=2, heads=2, vocabulary=300).save_pretrained(folder)
    train_tokenizer(WORDS * 20, 300).save_pretrained(folder)
    return resolve_path("small", "small", folder)


def records_of(name: str, seed: int = 0) -> list[Record]:
    rng = random.Random(f"{name} {seed}")
    return [FORMATS[name][0](rng) for _ in range(QUESTIONS)]


def questions(path: Path, name: str, records: list[Record] | None = None) -> dict[str, Any]:
    write_jsonl(path, records_of(name) if records is None else records)
    return {"task": f"miniature_{name}", "questions": path}


def accuracies_by_hand(record: Record, name: str) -> tuple[float, float | None]:
    """Shares of right answers, by the sum of log probabilities and by the sum per character."""
    model, tokenizer = load_model(record, 2, 16, "float32"), load_tokenizer(record)
    right, right_normalised = [], []
    for each in records_of(name):
        pairs, answers, gold = FORMATS[name][1](each)
        sums = []
        for context, continuation in pairs:
            ids = torch.tensor(tokenizer(context + continuation)["input_ids"])
            first = len(tokenizer(context)["input_ids"])
            with torch.inference_mode():
                logits = model(input_ids=ids[None]).logits[0].double()
            predicted = logits.log_softmax(-1)[:-1].gather(-1, ids[1:, None])[:, 0]
            sums.append(float(predicted[first - 1 :].sum()))
        right.append(int(np.argmax(sums)) == gold)
        per_character = [s / len(a) for s, a in zip(sums, answers, strict=False)]
        right_normalised.append(bool(answers) and int(np.argmax(per_character)) == gold)
    normalised = float(np.mean(right_normalised)) if name != "winogrande" else None
    return float(np.mean(right)), normalised


def hub_folder(folder: Path, name: str) -> Path:
    """A data set's folder as the hub has it; other records in the splits that are not asked."""
    _, _, config, asked = FORMATS[name]
    lines = ["---", "configs:", "- config_name: other", "  data_files: data/train-*"]
    lines += [f"- config_name: {config}", "  data_files:"]
    (folder / "data").mkdir(parents=True)
    for number, split in enumerate(("train", "validation", "test"), start=1):
        rows = records_of(name, 0 if split == asked else number)
        pd.DataFrame(rows).to_parquet(folder / "data" / f"{split}-00000-of-00001.parquet")
        lines += [f"  - split: {split}", f"    path: data/{split}-*"]
    (folder / "README.md").write_text("\n".join([*lines, "---", ""]))
    return folder


@pytest.mark.parametrize("name", FORMATS)
def test_accuracy_is_what_adding_up_by_hand_gives(
    name: str, record: Record, tmp_path: Path
) -> None:
    task = questions(tmp_path / "questions.jsonl", name)
    (result,) = evaluate(record, OPTIONS, {name: task}, batch_size=3).values()
    accuracy, normalised = accuracies_by_hand(record, name)
    assert result["accuracy"] == pytest.approx(accuracy, abs=1e-12)
    assert result["accuracy_normalised"] == normalised
    assert 0 < accuracy < 1
    error = np.sqrt(accuracy * (1 - accuracy) / (QUESTIONS - 1))
    assert result["accuracy_stderr"] == pytest.approx(error, rel=1e-9)
    assert (result["questions"], result["fewshot"]) == (QUESTIONS, 0)
    assert result["task"] == f"miniature_{name}"
    assert result["lm_eval"].startswith("0.4.")


@pytest.mark.parametrize("name", FORMATS)
def test_the_harness_s_own_task_gives_the_same(name: str, record: Record, tmp_path: Path) -> None:
    tasks = {
        "ours": questions(tmp_path / "questions.jsonl", name),
        "theirs": {"task": name, "dataset_folder": hub_folder(tmp_path / "hub", name)},
    }
    results = evaluate(record, OPTIONS, tasks, batch_size=8)
    assert results["theirs"] == results["ours"] | {"task": name}


def test_every_local_task_is_asked_as_the_harness_s_own(record: Record, tmp_path: Path) -> None:
    """Not only scored alike by chance: the requests are the same strings."""
    import lm_eval.tasks
    from lm_eval.tasks import TaskManager

    harness = Path(lm_eval.tasks.__file__).parent
    assert {path.stem for path in TASKS.glob("*.yaml")} == {f"miniature_{n}" for n in FORMATS}
    for name, (_, question, _, _) in FORMATS.items():
        write_jsonl(tmp_path / f"{name}.jsonl", records_of(name))
        data = {"data_files": {"test": str(tmp_path / f"{name}.jsonl")}, "cache_dir": str(tmp_path)}
        theirs = {"dataset_path": "json", "dataset_name": None, "test_split": "test"}
        theirs |= {"training_split": None, "validation_split": None}
        requests = []
        for folder, task, changes in (
            (TASKS, f"miniature_{name}", {}),
            (harness / name, name, theirs),
        ):
            manager = TaskManager(include_path=folder, include_defaults=False)
            change = {"task": task, "num_fewshot": 0, "dataset_kwargs": data, **changes}
            loaded = manager.load({"group": "g", "task": [change]})["tasks"][task]
            loaded.build_all_requests()
            requests.append([instance.args for instance in loaded.instances])
        assert requests[0] == requests[1]
        by_hand = [pair for record in records_of(name) for pair in question(record)[0]]
        assert requests[0] == by_hand


def test_a_changed_file_is_read_again_and_no_copy_is_left(
    record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    path, name = tmp_path / "questions.jsonl", "piqa"
    first = evaluate(record, OPTIONS, {name: questions(path, name)}, 8)[name]
    other_answers = [each | {"label": 1 - each["label"]} for each in records_of(name)]
    second = evaluate(record, OPTIONS, {name: questions(path, name, other_answers)}, 8)[name]
    assert first["accuracy"] + second["accuracy"] == pytest.approx(1)
    assert not (tmp_path / "cache").exists()


def test_an_adapter_or_fresh_weights_are_what_is_asked(record: Record, tmp_path: Path) -> None:
    """The model is loaded as everywhere: by its record."""
    task = {"openbookqa": questions(tmp_path / "questions.jsonl", "openbookqa")}
    fresh = [
        evaluate(record | {"untrained_seed": seed}, OPTIONS, task, 8)["openbookqa"]["accuracy"]
        for seed in (1, 2, 3)
    ]
    by_hand = [
        accuracies_by_hand(record | {"untrained_seed": seed}, "openbookqa")[0] for seed in (1, 2, 3)
    ]
    assert fresh == pytest.approx(by_hand)
    assert len(set(by_hand)) > 1


def test_a_single_question_has_no_standard_error(record: Record, tmp_path: Path) -> None:
    task = questions(tmp_path / "questions.jsonl", "piqa", records_of("piqa")[:1])
    assert evaluate(record, OPTIONS, {"one": task}, 8)["one"]["accuracy_stderr"] is None


def test_a_cut_question_is_told_once(
    record: Record, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    long = [each | {"goal": "fox lamp " * 60} for each in records_of("piqa")]
    task = questions(tmp_path / "questions.jsonl", "piqa", long)
    caplog.set_level("INFO", "matrix_entropy")
    evaluate(record, OPTIONS, {"long": task}, 8)
    told = [entry.getMessage() for entry in caplog.records if entry.name == "matrix_entropy"]
    assert len([message for message in told if "Truncating" in message]) == 1
    assert told[-1].startswith("small: accuracy ")
    assert len(told) == 2


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("openbookqa", {"answerKey": ""}),
        ("openbookqa", {"answerKey": None}),
        ("openbookqa", {"choices": {"text": ["fox"], "label": ["A", "B", "C", "D"]}}),
        ("winogrande", {"answer": ""}),
        ("winogrande", {"sentence": "no blank"}),
        ("piqa", {"label": -1}),
        ("piqa", {"sol1": "", "label": 0}),
    ],
)
def test_a_question_without_an_answer_is_named(
    name: str, change: Record, record: Record, tmp_path: Path
) -> None:
    records = records_of(name)
    records[3] |= change
    task = questions(tmp_path / "questions.jsonl", name, records)
    with pytest.raises(InputError, match=r"'mine': .*questions\.jsonl, record 3"):
        evaluate(record, OPTIONS, {"mine": task}, 8)
    del records[3][next(iter(change))]
    questions(tmp_path / "questions.jsonl", name, records)
    with pytest.raises(InputError, match=r"record 3 has no field"):
        evaluate(record, OPTIONS, {"mine": task}, 8)


def test_tasks_and_data_that_are_not_there(record: Record, tmp_path: Path) -> None:
    def told(task: dict[str, Any]) -> str:
        with pytest.raises(InputError) as error:
            evaluate(record, OPTIONS, {"mine": task}, 8)
        return str(error.value)

    path = tmp_path / "questions.jsonl"
    assert "has no question" in told(questions(path, "piqa", []))
    assert "takes no questions from a file" in told({"task": "piqa", "questions": path})
    missing = {"task": "piqa", "dataset_folder": tmp_path / "nothing"}
    assert "'mine': the data of task 'piqa' cannot be read" in told(missing)
    assert "Couldn't reach 'baber/piqa'" in told({"task": "piqa", "dataset_folder": None})


def test_a_task_that_the_harness_lacks_or_that_measures_something_else(
    record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import lm_eval.tasks

    # A harness of one task: reading all fourteen thousand takes ten seconds.
    monkeypatch.setattr(lm_eval.tasks, "__file__", str(tmp_path / "harness" / "__init__.py"))
    write_jsonl(tmp_path / "data" / "test.jsonl", [{"text": "a fox"}] * 2)
    task_file = tmp_path / "harness" / "elsewhere" / "rolling.yaml"
    task_file.parent.mkdir(parents=True)
    task_file.write_text(
        "{task: fox_perplexity, dataset_path: nowhere, output_type: loglikelihood_rolling, "
        "test_split: test, doc_to_text: '', doc_to_target: text, metric_list: [{metric: "
        "word_perplexity, aggregation: weighted_perplexity, higher_is_better: false}]}"
    )
    for task, told in (
        ("fox_perplexity", "'fox_perplexity' measures no accuracy but word_perplexity; name a"),
        ("fox", r"lm-evaluation-harness 0\.4\.\d+ has no single task 'fox', .* correct `task:`"),
    ):
        entry = {"task": task, "dataset_folder": tmp_path / "data"}
        with pytest.raises(InputError, match=told):
            evaluate(record, OPTIONS, {"mine": entry}, 8)
