"""Draw matrix entropy across the blocks of a model."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from matrix_entropy.configuration.entries import panels_of
from matrix_entropy.figures.kinds.layers import captions, draw_layers, layer_curves
from matrix_entropy.figures.style import save_figure
from matrix_entropy.published.curves import published_layers
from matrix_entropy.results.metrics import read_metrics
from matrix_entropy.running.console import job

with job(snakemake.log[0]):
    metrics, provenance = read_metrics(snakemake.input.metrics)
    panels = panels_of(snakemake.params.dataset, list(dict.fromkeys(metrics["group"])))
    curves = layer_curves(metrics, panels)
    title, subtitle = captions(
        snakemake.params.title, snakemake.params.model, snakemake.params.dataset, provenance
    )
    overlay, published = snakemake.params.overlay, None
    if overlay:
        layers = snakemake.params.model["layers"]
        published = published_layers(**overlay, blocks=layers)
    drawn = draw_layers(curves, title, subtitle, published)
    # Whose they are, for those that read them.
    curves.insert(0, "model", provenance["model"]["model"])
    curves.insert(1, "dataset", provenance["dataset"]["name"])
    save_figure(drawn, curves, snakemake.output)
