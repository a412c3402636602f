"""An archive of what has been built.

Needs: whatever there is of spectra, metrics and provenance. Makes: results/archive.zip, from which
figures, tables and pages are rebuilt with `archive: FILE` in the configuration.
"""


rule archive:
    """Spectra, metrics and provenance of what has been built, in one file to publish."""
    input:
        code=code("results/pack_archive"),
    output:
        "results/archive.zip",
    log:
        "results/logs/archive.log",
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        **needs(4000, 60),
    params:
        built=archived_results.marks_of(Path()),
        configuration=config,
    message:
        "Packing what has been built"
    script:
        "../scripts/results/pack_archive.py"
