"""Data sets made of the texts of others: several as one, or every text in several variants."""

from __future__ import annotations

import random
import re
from typing import Any

import sentencex

# Between a prefix and its text.
SEPARATOR = "\n"

PARAGRAPH_END = re.compile(r"\n\s*\n")


def union(members: dict[str, list[dict[str, str]]]) -> list[dict[str, str]]:
    """Texts of several data sets one after another, each under its own name.

    Parameters
    ----------
    members : dict
        Name of a data set, and its records.

    Returns
    -------
    list of dict
        The records with ``group`` the member's name and ``id`` ``member/id``.

    Examples
    --------
    >>> union({"a": [{"id": "0", "group": "all", "text": "One."}]})
    [{'id': 'a/0', 'group': 'a', 'text': 'One.'}]
    """
    return [
        {**text, "id": f"{name}/{text['id']}", "group": name}
        for name, texts in members.items()
        for text in texts
    ]


def vary(texts: list[dict[str, str]], variants: dict[str, dict[str, Any]]) -> list[dict[str, str]]:
    """Every text once per variant.

    Parameters
    ----------
    texts : list of dict
        Records with ``id``, ``group`` and ``text``.
    variants : dict
        What a variant is called, and how it changes a text:

        - ``{}``: not at all.
        - ``{"sentences": "kept" | "shuffled" | "reversed", "unit": "sentence" | "word", "seed":
          int}``: its sentences (or words) in that order, see `reorder`.
        - ``{"prefix": "..."}``: a text to read before it, which is kept apart under ``prefix``
          with a line break at its end.
        - ``{"like": "prompt1", "text": "..."}``: the prefix of that variant, and under
          ``in_its_place`` the text from which `texts.tokens.encode` takes as many tokens for it.
        - ``{"like": "prompt1", "seed": int}``: the same with random tokens, whose seed is under
          ``drawn_with``: this one and the text's id.

    Returns
    -------
    list of dict
        The records with ``group`` the variant's name and ``id`` ``variant/id``; all texts in the
        first variant, then all in the second.

    Examples
    --------
    >>> text = {"id": "7", "group": "all", "text": "It rained. We stayed."}
    >>> for record in vary([text], {"as is": {}, "reversed": {"sentences": "reversed"}}):
    ...     print(record)
    {'id': 'as is/7', 'group': 'as is', 'text': 'It rained. We stayed.'}
    {'id': 'reversed/7', 'group': 'reversed', 'text': 'We stayed. It rained.'}
    """
    return [
        {**_changed(text, change, variants), "id": f"{label}/{text['id']}", "group": label}
        for label, change in variants.items()
        for text in texts
    ]


def _changed(
    text: dict[str, str], change: dict[str, Any], variants: dict[str, dict[str, Any]]
) -> dict[str, str]:
    changed = dict(text)
    if "sentences" in change:
        seed = f"{change.get('seed', 123)}/{text['id']}"
        unit = change.get("unit", "sentence")
        changed["text"] = reorder(text["text"], change["sentences"], unit, seed)
    if "prefix" in change:
        changed["prefix"] = change["prefix"] + SEPARATOR
    if "like" in change:
        changed["prefix"] = variants[change["like"]]["prefix"] + SEPARATOR
        if "text" in change:
            changed["in_its_place"] = change["text"]
        else:
            changed["drawn_with"] = f"{change.get('seed', 123)}/{text['id']}"
    return changed


def reorder(text: str, order: str, unit: str, seed: str) -> str:
    """The sentences or words of a text in an order, with single spaces between all words.

    Parameters
    ----------
    order : {"kept", "shuffled", "reversed"}
        A shuffle may leave the order unchanged; with two sentences it does so half the time.
        ``kept`` differs from the text in its white space alone, as the others do from it: what
        they are to be compared with.
    unit : {"sentence", "word"}
        Words are what white space separates.
    seed : str
        Of the shuffle. The same seed gives the same order in every process and on every machine.

    Examples
    --------
    >>> reorder("one two three", "reversed", "word", "123/0")
    'three two one'
    """
    units = split_sentences(text) if unit == "sentence" else text.split()
    if order == "reversed":
        units.reverse()
    elif order == "shuffled":
        # From a string the generator takes SHA-512, not Python's hash, which is salted.
        random.Random(seed).shuffle(units)
    return " ".join(units)


def split_sentences(text: str) -> list[str]:
    """Sentences of an English text, with single spaces between words; none for an empty text.

    A sentence ends at a blank line and where the library sentencex sees an end, but only between
    words: ``" ".join(split_sentences(text)).split() == text.split()``.

    sentencex was compared with pysbd on real passages (Dolly, TinyStories, WikiText). Both know
    abbreviations, initials, decimals and ellipses, and keep a quotation of several sentences in one
    piece. sentencex also ends a sentence behind a citation mark (``1999.[1] He``), does not take
    every line break for an end (verse, lists, wrapped lines), and is more than a hundred times
    faster. Neither is right everywhere: ``eq. (2)`` is split by both.

    Examples
    --------
    >>> split_sentences("Dr. Smith arrived at 5 p.m. on Monday. He sat down.")
    ['Dr. Smith arrived at 5 p.m. on Monday.', 'He sat down.']
    """
    sentences = []
    for paragraph in PARAGRAPH_END.split(text):
        pieces: list[str] = []
        # sentencex 1.0.32 crashes on some white space other than the plain space.
        for piece in sentencex.segment("en", " ".join(paragraph.split())):
            if pieces and not pieces[-1].endswith(" ") and not piece.startswith(" "):
                pieces[-1] += piece  # an end within a word (`Media.Vision`) is none
            else:
                pieces.append(piece)
        sentences += [piece.strip() for piece in pieces]
    return sentences
