"""The atlas: all metrics of texts in one page to look around in.

Needs: results/metrics/{model}/{dataset}.parquet and the summaries beside them, of every run that the
figures and tables of papers read (those of `targets:`, if it is there), and the texts that may be shown.
Makes: results/atlas.html.
"""


include: "common/atlas.smk"


rule write_atlas:
    """Every model, data set, metric and layer in one page: choose, compare, save as CSV."""
    input:
        metrics=[f"results/metrics/{model}/{dataset}.parquet" for model, dataset in IN_ATLAS],
        summaries=[f"results/metrics/{model}/{dataset}.summary.csv" for model, dataset in IN_ATLAS],
        texts=[f"results/prompts/{dataset}.jsonl" for dataset in SHOWN_IN_ATLAS],
        code=code("pages/write_atlas"),
        program=in_library("pages/atlas.html", "pages/atlas.js"),
    output:
        "results/atlas.html",
    log:
        "results/logs/write_atlas.log",
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        **needs(memory_of_input, 30),
    params:
        models={
            name: only(
                MODELS[name], "title", "family", "size", "parameters", "layers", "checkpoint"
            )
            for name, _ in IN_ATLAS
        },
        datasets={name: shown_in_atlas(name) for name in LICENCES},
    message:
        "Writing the atlas"
    script:
        "../scripts/pages/write_atlas.py"
