"""How far a rebuilt number may be from the published one, and why.

Every allowance is of something that the papers leave open. Its amount follows from what they print
where that says it; else it is assumed, and its reason says "assumed". None is taken from what a
rebuild gave: a number beyond its tolerance is a finding. Those that apply to a number are added.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ENTROPY, LOSS, ACCURACY = "entropy", "loss", "accuracy"

# Table 7 prints a standard deviation of 0.000349 for means of 10000 texts and more: 0.035 a text.
# For losses it prints none: half a nat is assumed, between the deviation of the losses of the four
# language data sets for one model, 0.2, and that of all seven, 1.
SPREAD_OF_TEXTS = {ENTROPY: 0.035, LOSS: 0.5}
DEVIATIONS = 3.0
# What the released code adds to H / log d, on processors, is below this times the width: 1.6e-7 at
# most in what was tried (`errata.md`, released_noise). Of other decompositions it is assumed.
NOISE_OF_A_DIMENSION = 2e-7
# Where the width is not known: of GPT-2 Large, the widest of Liang 2024, and of the four patches
# that MiniGPT-v2's connector reads as one.
WIDEST_OF_CURVES, WIDEST_OF_TABLES = 1280, 5632

# What applies, by how much, and why. Entropies are divided by log d.
ALLOWANCES: dict[str, tuple[dict[str, float], str]] = {
    "rounding": (
        {ENTROPY: 5e-5, LOSS: 5e-5, ACCURACY: 5e-4},
        "rounding of the printed digits",
    ),
    # Of entropies per dimension of the states.
    "float32": (
        {ENTROPY: NOISE_OF_A_DIMENSION, LOSS: 1e-4},
        f"float32 of the authors' code, which adds up to {NOISE_OF_A_DIMENSION:g} per dimension",
    ),
    "sampling": (
        {kind: DEVIATIONS * np.sqrt(2) * spread for kind, spread in SPREAD_OF_TEXTS.items()},
        "sampling: three standard deviations between two samples of so many texts",
    ),
    # Two rows more among N change log N by 2 / N: about 100 rows, and a log d of 7.6.
    "joined": (
        {ENTROPY: 3e-3, LOSS: 5e-2},
        "how question and answer are joined is not said: two tokens among a hundred",
    ),
    "joined_short": (
        {ENTROPY: 1e-2, LOSS: 2e-1},
        "how question and answer are joined, and which split, is not said: a token among sixteen",
    ),
    # A row's share of 256 has an entropy of 0.026 nats, of a log d of 7 to 8.
    "rows": (
        {ENTROPY: 4e-3},
        "whether a class or first token counts as a row is not said: one row of 256",
    ),
    "deviation": (
        {ENTROPY: DEVIATIONS * np.sqrt(2) * 3.49e-4 / np.sqrt(8)},
        "sampling of a standard deviation of five values, itself known to a third",
    ),
    "answers": (
        {},
        "another version of the harness: assumed, one standard error of so many answers",
    ),
    "recipe": ({}, "rank, rate and epochs are not said: assumed, half of the published change"),
    "reading": ({}, "reading error of the digitised curve"),
}

# The reasons above argue for entropies; what is assumed besides where a loss is judged.
OF_LOSSES = {
    "float32": "for losses assumed",
    "sampling": "losses of texts assumed to spread by half a nat",
    "joined": "each assumed to be 2.5 nats from the mean",
    "joined_short": "assumed to be three nats from the mean",
}

# What a table of Wei et al. 2024 leaves open of all its numbers.
OPEN = {"1": "joined_short", "2": "joined", "3": "joined", "5": "rows", "6": "rows"}
DRAWN = ("wikipedia", "openwebtext2", "openorca")  # data sets of which samples are taken
FACTORS = {"image_reduction": 2, "image_text_alignment": 4}  # of two numbers of about a half
KINDS = {"loss": LOSS, "accuracy": ACCURACY}  # all other indicators are entropies
UNDEFINED = ("ppl", "ppl_windows")
NO_DEFINITION = "the paper does not define it, and it is not exp(loss)"


@dataclass(frozen=True)
class Tolerance:
    """The largest difference that passes, NaN where none can be stated, and its reasons."""

    amount: float
    reason: str

    def __add__(self, other: Tolerance) -> Tolerance:
        return Tolerance(self.amount + other.amount, f"{self.reason}; {other.reason}")


def allowance(source: str, kind: str = ENTROPY, scale: float = 1.0) -> Tolerance:
    """One of `ALLOWANCES`, times ``scale``; those without an amount are the scale itself.

    Examples
    --------
    >>> allowance("rounding", "loss")
    Tolerance(amount=5e-05, reason='rounding of the printed digits')
    """
    amounts, why = ALLOWANCES[source]
    if kind == LOSS and source in OF_LOSSES:
        why = f"{why}, {OF_LOSSES[source]}"
    return Tolerance(float(scale * amounts[kind] if amounts else scale), why)


def tolerance_of_table(
    table: str,
    indicator: str,
    dataset: str,
    variant: str,
    published: float,
    texts: float,
    change: float,
    width: float = WIDEST_OF_TABLES,
) -> Tolerance:
    """Tolerance of a number of Wei et al. 2024.

    Parameters
    ----------
    table, indicator, dataset, variant : str
        As in ``paper/wei2024/published/tables.csv``.
    published : float
        The number: an accuracy ``p`` has the standard error ``√(p (1 − p) / texts)``.
    texts : float
        How many the rebuilt number is a mean of; the paper's is taken to be one of as many.
    change : float
        Of a fine-tuned model, the published number less that of the model it was tuned from.
    width : float
        Of the model's states.
    """
    if indicator in UNDEFINED:
        return Tolerance(np.nan, NO_DEFINITION)
    if variant == "standard_deviation":
        return allowance("deviation")
    kind = KINDS.get(indicator, ENTROPY)
    found = allowance("rounding", kind)
    if kind == ACCURACY:
        return found + allowance("answers", scale=np.sqrt(published * (1 - published) / texts))
    found += allowance("float32", kind, width if kind == ENTROPY else 1)
    if table in OPEN:
        found += allowance(OPEN[table], kind)
    if dataset in DRAWN:
        found += allowance("sampling", kind, 1 / np.sqrt(texts))
    if variant == "lora":
        found += allowance("recipe", scale=abs(change) / 2)
    return Tolerance(FACTORS.get(indicator, 1) * found.amount, found.reason)


def tolerance_of_curve(reading_error: float) -> Tolerance:
    """Tolerance of a point of Liang 2024, read off a plot with a hard bound on its error."""
    noise = allowance("float32", scale=WIDEST_OF_CURVES)
    return allowance("reading", scale=reading_error) + noise
