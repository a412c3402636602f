"""Metrics of all texts and layers of one model and data set."""

from matrix_entropy.running import start  # noqa: F401  # isort: skip

from matrix_entropy.results.intermediates import check_made_of
from matrix_entropy.results.metric_files import write_tables
from matrix_entropy.results.spectra_file import Spectra
from matrix_entropy.results.spectra_parts import SpectraParts
from matrix_entropy.running.console import job


def selected(spectra: Spectra) -> Spectra:
    """What the configuration asks for."""
    params = snakemake.params
    return (
        spectra.with_views(params.views).with_measures(params.measures).with_groups(params.groups)
    )


with job(snakemake.log[0]) as log:
    # One file with all layers, or one for each place of a vision-language model.
    files = [SpectraParts(path) for path in snakemake.input.spectra]
    made_of = snakemake.input.get("record"), snakemake.input.get("origin")
    for file in files:
        check_made_of(file.path, file.head.provenance, snakemake.params.options, *made_of)
        file.head.of_precision(snakemake.params.precision)
    summary = write_tables(
        files,
        selected,
        snakemake.params.metrics,
        snakemake.output.metrics,
        snakemake.output.summary,
    )
    for group in summary.loc[summary["texts"] == 1, "group"].unique():
        log.warning("group '%s' has a single text: its means are that text's values", group)
