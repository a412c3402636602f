"""Texts of a few words, for models that have learnt nothing, and how such a model is run."""

from __future__ import annotations

WORDS = ["a fox", "the old lighthouse", "sang", "all night long", "and", "nobody knew why", "."]

# Of a random model of tests/random_models.py.
OPTIONS = {
    "layers": 3,
    "width": 48,
    "bos": True,
    "center_features": False,
    "dtype": "float32",
    "device_map": "single",
    "extract": "all",
}


def short_texts(count: int, step: int) -> list[dict[str, str]]:
    """So many texts in two groups, from one phrase on, each by ``step`` phrases longer."""
    words = WORDS * (1 + count * step // len(WORDS))
    return [
        {
            "id": str(number),
            "group": "odd" if number % 2 else "even",
            "text": " ".join(words[: 1 + step * number]),
        }
        for number in range(count)
    ]
