"""The information in the hidden states of language models: spectra, entropies, distances.

    import matrix_entropy as me

    me.entropy(me.spectrum(states).eigenvalues)  # states: an array (tokens, width)
    me.measure("my_model", ["A text.", "Another one."])  # a row per text and layer

Arrays need NumPy and SciPy alone; `measure` and `Monitor` need torch
(``pip install "matrix-entropy[models]"``).
A name is imported when it is first used, so that nobody waits for torch in vain. What each of them
takes and gives, the module ``matrix_entropy.api`` says, and docs/library.md shows.
"""

import importlib

__version__ = "0.2.0"

# By the module that has them. This file imports nothing, since all jobs of the workflow depend on
# what it imports; type checkers read the same from __init__.pyi.
_PUBLIC = {
    "arrays": (
        *("Spectrum", "spectrum", "entropy", "effective_rank", "stable_rank"),
        *("information_gain", "distance"),
    ),
    "measuring": ("measure",),
    "monitoring": ("Monitor",),
    "summaries": ("summarise",),
}
_MODULE_OF = {name: module for module, names in _PUBLIC.items() for name in names}

__all__ = ["__version__", *_MODULE_OF]


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.api.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
