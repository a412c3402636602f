"""Tan et al. 2024.

Needs: the entries of `figures:` and `tables:` with `paper: tan2024`. Makes: what needs no model
(published numbers and theory) in figures/{figure}.pdf, and the target of the paper's name.
"""


rule plot_theory:
    """A figure that needs no model: from published numbers, or from a simulation."""
    input:
        published=shipped("data/published/*.csv"),
        code=code("plot_theory"),
    output:
        *figure_files("theory"),
    log:
        "results/logs/plot_theory/{figure}.log",
    wildcard_constraints:
        figure=of_kind(FIGURES, "skill_graph"),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        **needs(2000, 30),
    params:
        figure=lambda wildcards: with_settings(wildcards.figure, FIGURES),
    message:
        "Drawing {wildcards.figure}"
    script:
        "../scripts/plot_theory.py"


use rule plot_theory as plot_fitted_theory with:
    output:
        *figure_files("theory", "figures/{figure}.fits.csv"),
    log:
        "results/logs/plot_fitted_theory/{figure}.log",
    wildcard_constraints:
        figure=of_kind(FIGURES, "published_entropy", "skill_scaling"),


use rule plot_theory as plot_shares with:
    output:
        *figure_files("theory", "figures/{figure}.shares.csv"),
    log:
        "results/logs/plot_shares/{figure}.log",
    wildcard_constraints:
        figure=of_kind(FIGURES, "log_d_null"),


rule tan2024:
    """Tan et al. 2024: Figures 1 to 6, the tokens that Lasso picks, the theory of scaling."""
    input:
        targets_of("tan2024"),
