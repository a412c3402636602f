"""Where Wei et al. 2024 measure vision-language models, and what they derive from the entropies.

All arguments are entropies of the same kind: ``H / log d`` in the paper. Both numbers are taken
of means over the records, as all columns of its Table 5 are.
"""

from __future__ import annotations

import math

# Where entropies are measured, in the paper's order H1 to H5.
POSITIONS = (
    "h1_vision_encoder",
    "h2_connector",
    "h3_llm_image",
    "h4_llm_text",
    "h5_llm_image_text",
)

NONE, ROTATED, REVERSED = "none", "rotated", "reversed"
# What is done to an image: nothing, a clockwise quarter turn before it is preprocessed, or its
# tokens in reverse order behind the connector.
OPERATIONS = (NONE, ROTATED, REVERSED)

# What alignment is held against, on the first so many records: texts behind other records' images,
# and behind what connectors with fresh weights make of their own, by name and seed.
NULLS = "nulls"
NULL_RECORDS = 256
SHUFFLES = {f"shuffled_{seed}": seed for seed in range(1, 6)}
FRESH = {f"fresh_connector_{seed}": seed for seed in range(1, 4)}
# H1 by its other reading: the rows that the connector reads, of MiniGPT-v2 four patches each.
CONNECTOR_INPUT = "h1_connector_input"
NULL_POSITIONS = (
    CONNECTOR_INPUT,
    *(f"h5_llm_image_text_{name}" for name in SHUFFLES),
    *(
        f"{position}_{name}"
        for name in FRESH
        for position in ("h2_connector", "h3_llm_image", "h5_llm_image_text")
    ),
)


def image_reduction(h1: float, h2: float) -> float:
    """Image reduction ``H1 − H2`` (Wei et al. 2024, eq. 8).

    ``h1`` is that after the vision encoder and ``h2`` that after the connector. Divided by
    ``log d``, they are divided by different numbers: H1 by that of the vision encoder's width, H2
    by that of the language model's. NaN if either is NaN.

    Examples
    --------
    >>> round(image_reduction(0.4197, 0.2913), 4)
    0.1284
    """
    return h1 - h2


def image_text_alignment(h3: float, h4: float, h5: float) -> float:
    """Image–text alignment ``min(H3, H4, H5) / max(H3, H4, H5)`` (Wei et al. 2024, eq. 9).

    They are those of the language model's final states on the image, on the text and on both. All
    have its width, so that a division by ``log d`` changes nothing; numbers of rows differ.

    Returns
    -------
    float
        From 0 to 1; NaN if any entropy is NaN or all are 0.

    Examples
    --------
    >>> round(image_text_alignment(0.4593, 0.5178, 0.5212), 4)
    0.8812
    """
    entropies = (h3, h4, h5)
    # `min` and `max` pass over a NaN or not by its place.
    if any(map(math.isnan, entropies)) or max(entropies) == 0:
        return math.nan
    return min(entropies) / max(entropies)
