"""Wei et al. 2024.

Needs: the entries of `figures:` and `tables:` with `paper: wei2024`. Makes: nothing but the target of
that name.
"""


rule wei2024:
    """Wei et al. 2024: language models across sizes, vision-language models; all figures, tables."""
    input:
        targets_of("wei2024"),
