"""What a real model shows of the papers.

Needs: the entries of `figures:` and `tables:` with `paper: real_model`, which the scale smollm2/ has.
Makes: nothing but the target of that name.
"""


rule real_model:
    """What a real model shows of the papers: its figures and tables (`--directory smollm2`)."""
    input:
        targets_of("real_model"),
