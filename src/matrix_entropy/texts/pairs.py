"""Texts that belong together, brought to the same place of their groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from matrix_entropy.base.errors import InputError
from matrix_entropy.texts.records import Record, value_of

Text = dict[str, str]


def pair_of(record: Record, field: str, where: str) -> str:
    """What names the pair of a record; `InputError` if nothing does."""
    pair = value_of(record, field, where)
    if pair is None or not str(pair).strip():
        raise InputError(f"{where} is in no pair ('{field}' is empty); give it one, or remove it.")
    return str(pair)


def in_pairs(texts: Sequence[Text], panels: Mapping[str, Sequence[str]], name: str) -> list[Text]:
    """The texts with those of each group in the order in which their pairs first appear.

    ``texts`` have ``pair`` besides ``group``, which is removed. Groups of a panel have every pair
    once each.

    Raises
    ------
    InputError
        If a group has a pair twice, or another group of its panel lacks it.
    """
    order = {pair: place for place, pair in enumerate(dict.fromkeys(t["pair"] for t in texts))}
    groups: dict[str, list[Text]] = {}
    for text in sorted(texts, key=lambda text: order[text["pair"]]):
        groups.setdefault(text["group"], []).append(text)
    pairs = {group: Counter(text["pair"] for text in some) for group, some in groups.items()}
    for group, counted in pairs.items():
        for pair, count in counted.most_common(1):
            if count > 1:
                raise InputError(
                    f"{name} has {count} texts of the pair '{pair}' in group '{group}'; name each "
                    "pair once in a group."
                )
    for members in panels.values():
        for group in members:
            for other in members:
                for pair in pairs.get(group, Counter()) - pairs.get(other, Counter()):
                    raise InputError(
                        f"{name} has the pair '{pair}' in group '{group}', but not in '{other}' of "
                        "the same panel; add the text that is missing, or remove the other."
                    )
    in_turn = {group: iter(some) for group, some in groups.items()}
    return [
        {key: value for key, value in next(in_turn[text["group"]]).items() if key != "pair"}
        for text in texts
    ]
