"""Sentences written in the configuration: every context followed by every word."""

from __future__ import annotations

from collections.abc import Sequence


def written_sentences(contexts: dict[str, str], words: Sequence[str]) -> list[dict[str, str]]:
    """Every context followed by every word; without words, the contexts themselves.

    Each has ``id`` (the context's name and the word), ``group`` (the context's name), ``text`` and
    ``label`` (the word, or nothing).

    Examples
    --------
    >>> [text["text"] for text in written_sentences({"none": "", "king": "King of"}, ["Cuba."])]
    ['Cuba.', 'King of Cuba.']
    """
    pairs = [(name, context, word) for name, context in contexts.items() for word in words or [""]]
    return [
        {
            "id": f"{name}: {word.strip()}" if word else name,
            "group": name,
            "text": f"{context.strip()} {word.strip()}".strip(),
            "label": word.strip(),
        }
        for name, context, word in pairs
    ]
