"""Liang 2024.

Needs: the entries of `figures:` with `paper: liang2024`. Makes: nothing but the target of that name.
"""


rule liang2024:
    """Liang 2024: Figures 1 to 10, matrix entropy across layers on child and world stories."""
    input:
        targets_of("liang2024"),
