"""Draw a figure that needs no model: from published numbers, or from a simulation."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from matrix_entropy.base.files import write_csv
from matrix_entropy.figures.kinds.log_d_null import (
    draw_log_d_null,
    log_d_null_captions,
    log_d_null_numbers,
    log_d_null_shares,
)
from matrix_entropy.figures.kinds.published_entropy import (
    draw_published_entropy,
    published_entropy_captions,
    published_entropy_fits,
    published_entropy_numbers,
)
from matrix_entropy.figures.kinds.skill_graph import draw_skill_graph, graph_captions, graph_numbers
from matrix_entropy.figures.kinds.skill_scaling import (
    draw_skill_scaling,
    skill_scaling_captions,
    skill_scaling_numbers,
)
from matrix_entropy.figures.style import save_figure
from matrix_entropy.running.console import job

with job(snakemake.log[0]):
    figure, paths = snakemake.params.figure, snakemake.output[:3]
    if figure["kind"] == "log_d_null":
        numbers = log_d_null_numbers()
        shares = log_d_null_shares(numbers)
        captions = log_d_null_captions(figure.get("title", figure["name"]))
        drawn = draw_log_d_null(numbers, shares, *captions)
        write_csv(snakemake.output[3], shares)
    elif figure["kind"] == "skill_graph":
        numbers = graph_numbers(figure)
        drawn = draw_skill_graph(numbers, *graph_captions(figure))
    else:
        if figure["kind"] == "skill_scaling":
            numbers, fits = skill_scaling_numbers(figure)
            drawn = draw_skill_scaling(numbers, fits, *skill_scaling_captions(figure))
        else:
            title, epsilon = figure.get("title", figure["name"]), figure["epsilon"]
            numbers = published_entropy_numbers(epsilon)
            fits = published_entropy_fits(numbers)
            captions = published_entropy_captions(title, epsilon)
            drawn = draw_published_entropy(numbers, fits, *captions)
        write_csv(snakemake.output[3], fits)
    save_figure(drawn, numbers, paths)
