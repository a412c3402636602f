"""Texts written by a model: prompts filled, sampling seeded, settings kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import random_models
from matrix_entropy.base.errors import InputError
from matrix_entropy.models.generation import prompts, write_texts
from matrix_entropy.models.stand_ins import train_tokenizer

GENERATE = {
    "model": "small",
    "template": "A {quality} story about {subject}:",
    "groups": {"good": {"quality": "fine"}, "bad": {"quality": "dull"}},
    "subjects": ["a fox", "a kite"],
    "count": 3,
    "seed": 5,
    "keep_prompt": False,
    "max_new_tokens": 12,
    "temperature": 1.0,
    "top_p": 0.95,
}
OPTIONS = {"layers": 3, "width": 48, "dtype": "float32", "bos": True}


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("model")
    tokenizer = train_tokenizer(["A fine story about a fox and a dull kite."] * 30, 300)
    random_models.gpt2(vocabulary=len(tokenizer)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return {"model": "small", "folder": str(folder)}


def write(record: dict[str, Any], **changes: Any) -> list[dict[str, str]]:
    return write_texts(record, OPTIONS, GENERATE | changes, "written")


def test_prompts_fill_the_template_in_turn() -> None:
    assert list(prompts(GENERATE, "written")) == [
        ("good", "A fine story about a fox:"),
        ("good", "A fine story about a kite:"),
        ("good", "A fine story about a fox:"),
        ("bad", "A dull story about a fox:"),
        ("bad", "A dull story about a kite:"),
        ("bad", "A dull story about a fox:"),
    ]


def test_a_template_alone_is_enough() -> None:
    assert list(prompts({"template": "Tell me a story.", "count": 1}, "written")) == [
        ("all", "Tell me a story.")
    ]


@pytest.mark.parametrize(
    ("template", "told"),
    [("A {kind} story", "nothing fills {kind}"), ("A {quality story", "cannot be read")],
)
def test_a_template_that_cannot_be_filled(template: str, told: str) -> None:
    with pytest.raises(InputError, match="'written'") as error:
        list(prompts(GENERATE | {"template": template}, "written"))
    assert told in str(error.value)


def test_texts_are_seeded_and_keep_their_prompt(record: dict[str, Any]) -> None:
    texts = write(record)
    assert texts == write(record)
    assert texts != write(record, seed=6)
    assert [text["group"] for text in texts] == ["good"] * 3 + ["bad"] * 3
    assert texts[0]["prompt"] == "A fine story about a fox:"
    assert texts[0]["text"] != texts[2]["text"], "the same prompt is not written twice alike"


def test_a_text_does_not_depend_on_how_many_came_before(record: dict[str, Any]) -> None:
    groups = {"good": GENERATE["groups"]["good"]}
    assert write(record, groups=groups, count=2) == write(record)[:2]


def test_the_prompt_may_begin_the_text(record: dict[str, Any]) -> None:
    assert all(text["text"].startswith(text["prompt"]) for text in write(record, keep_prompt=True))


def test_the_context_window_limits_the_text(record: dict[str, Any]) -> None:
    assert write(record, count=1, max_new_tokens=10_000)


def test_a_prompt_that_fills_the_window_is_named(record: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="shorten `template:`"):
        write(record, template="a dull story {quality} " * 40)


def test_a_chat_template_is_used_where_there_is_one(
    record: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from matrix_entropy.models import generation

    load, seen = generation.load_tokenizer, []

    def with_chat_template(record: dict[str, Any]) -> Any:
        tokenizer = load(record)
        tokenizer.chat_template = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
        apply = tokenizer.apply_chat_template

        def spy(messages: list[dict[str, str]], **options: Any) -> Any:
            seen.append(messages)
            return apply(messages, **options)

        tokenizer.apply_chat_template = spy
        return tokenizer

    monkeypatch.setattr(generation, "load_tokenizer", with_chat_template)
    write(record, count=1)
    assert seen[0] == [{"role": "user", "content": "A fine story about a fox:"}]


def test_a_real_model_writes(shared: Path) -> None:
    """The storyteller of the README, a model trained on TinyStories."""
    folder = shared / "models" / "stories260K"
    record = {"model": "storyteller", "folder": str(folder)}
    options = {"layers": 5, "width": 64, "dtype": "float32", "bos": True}
    generate = GENERATE | {
        "template": "{opening} {subject}",
        "groups": {"happy": {"opening": "It was a sunny day."}},
        "subjects": ["A dog", "A little girl"],
        "count": 2,
        "keep_prompt": True,
        "max_new_tokens": 60,
    }
    texts = write_texts(record, options, generate, "written")
    for text, subject in zip(texts, ["A dog ", "A little girl "], strict=True):
        assert text["text"].startswith(f"It was a sunny day. {subject}"), "words stay apart"
        assert len(text["text"].split()) > 20
