"""Wei et al. 2024.

Needs: the entries of `figures:` and `tables:` with `paper: wei2024`. Makes: nothing but two targets, of
which the second needs images, and a file and a licence that no program can fetch.
"""


rule wei2024:
    """Wei et al. 2024: language models across sizes; all figures and tables that need no images."""
    input:
        targets_of("wei2024"),


rule wei2024_multimodal:
    """Wei et al. 2024: vision-language models on images; Tables 5 and 6 and their data sets."""
    input:
        targets_of("wei2024_multimodal"),
