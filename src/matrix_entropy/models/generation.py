"""Texts written by a model of the configuration from a prompt template, as Liang did with GPT-4."""

from __future__ import annotations

import itertools
import string
from collections.abc import Iterator
from typing import Any

import torch
from accelerate import PartialState
from transformers import set_seed

from matrix_entropy.base.errors import InputError
from matrix_entropy.models.anatomy import context_window
from matrix_entropy.models.loading import load_model, load_tokenizer
from matrix_entropy.running.console import progress


def prompts(generate: dict[str, Any], name: str) -> Iterator[tuple[str, str]]:
    """Group and prompt of every text to write.

    Raises
    ------
    InputError
        If the template has a name in braces that neither the group nor the subjects fill.
    """
    template, subjects = generate["template"], generate.get("subjects")
    try:
        wanted = {field for _, field, _, _ in string.Formatter().parse(template) if field}
    except ValueError as error:
        raise InputError(f"data set '{name}': its template cannot be read ({error}).") from None
    for group, values in generate.get("groups", {"all": {}}).items():
        known = set(values) | ({"subject"} if subjects else set())
        if wanted - known:
            raise InputError(
                f"data set '{name}': nothing fills {{{min(wanted - known)}}} of the template for "
                f"the group '{group}'; filled are: {', '.join(sorted(known)) or 'none'}."
            )
        cycle = itertools.cycle(subjects or [""])
        for subject in itertools.islice(cycle, generate["count"]):
            yield group, template.format(**{"subject": subject, **values})


def write_texts(
    record: dict[str, Any], model_options: dict[str, Any], generate: dict[str, Any], name: str
) -> list[dict[str, str]]:
    """Let a model write the texts of a data set.

    The prompt goes through the tokenizer's chat template where there is one; sampling is seeded
    per text, so a text does not depend on how many came before it.

    Returns
    -------
    list of dict
        ``id``, ``group``, ``text`` and ``prompt``.

    Raises
    ------
    InputError
        If the template cannot be filled or the model writes an empty text.
    """
    wanted = list(prompts(generate, name))
    tokenizer = load_tokenizer(record)
    device = PartialState(cpu=not torch.cuda.is_available()).device
    model: Any = load_model(
        record, model_options["layers"], model_options["width"], model_options["dtype"]
    ).to(device)
    texts = []
    bar = progress(len(wanted), "text", name)
    for number, (group, prompt) in enumerate(wanted):
        inputs = _encoded(tokenizer, prompt, model_options["bos"]).to(device)
        set_seed(generate["seed"] * 1_000_003 + number)
        written = model.generate(
            inputs,
            attention_mask=torch.ones_like(inputs),
            do_sample=True,
            max_new_tokens=_room(model, inputs, generate, name),
            temperature=generate["temperature"],
            top_p=generate["top_p"],
            pad_token_id=tokenizer.eos_token_id,
        )[0]
        # Decoded as a whole: alone, the first word written may lose the space before it.
        asked = tokenizer.decode(inputs[0], skip_special_tokens=True)
        text = tokenizer.decode(written, skip_special_tokens=True).removeprefix(asked)
        text = (prompt + text if generate["keep_prompt"] else text).strip()
        if not text:
            raise InputError(
                f"data set '{name}': model '{record['model']}' wrote nothing for the prompt "
                f"'{prompt}'; change `template:`, `seed:` or `temperature:`."
            )
        texts.append({"id": str(number), "group": group, "text": text, "prompt": prompt})
        bar.update()
    bar.close()
    return texts


def _room(model: Any, inputs: torch.Tensor, generate: dict[str, Any], name: str) -> int:
    """Tokens to write: as many as asked for, and as the context window has room for."""
    window = context_window(model)
    room = generate["max_new_tokens"]
    if window is not None:
        room = min(room, window - inputs.shape[1])
    if room < 1:
        raise InputError(
            f"data set '{name}': a prompt of {inputs.shape[1]} tokens fills the model's context "
            f"window of {window}; shorten `template:`."
        )
    return int(room)


def _encoded(tokenizer: Any, prompt: str, bos: bool) -> torch.Tensor:
    if tokenizer.chat_template:
        return tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}],
            add_generation_prompt=True,
            return_tensors="pt",
            return_dict=True,
        )["input_ids"]
    ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    front = [tokenizer.bos_token_id] if bos or not ids else []
    return torch.tensor([[*front, *ids]], dtype=torch.long)
