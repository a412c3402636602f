"""An archive in the place of models and texts.

Needs: the file that `archive:` of the configuration names. Makes: the spectra, information gains,
sentences, rows, ranks of many texts, accuracies and origins of texts that it holds; all other rules start from them.
"""


rule unpack_archive:
    """What was computed elsewhere, compared with its hashes."""
    input:
        archive=config["archive"],
        code=code("results/unpack_archive"),
    output:
        ARCHIVED,
    log:
        "results/logs/unpack_archive.log",
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        **needs(memory_of_input, 60),
    message:
        "Unpacking {input.archive}"
    script:
        "../scripts/results/unpack_archive.py"
