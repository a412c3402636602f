"""Wei et al. 2024.

Needs: the entries of `figures:` and `tables:` with `paper: wei2024`. Makes: nothing but the target of
that name.
"""


rule wei2024:
    """Wei et al. 2024: language models across sizes; Figures 1, 2, 3, 5, 6, Tables 1-3, 7-10."""
    input:
        targets_of("wei2024"),
