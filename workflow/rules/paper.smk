"""The pages of the papers.

Needs: all figures and tables but those that wait for what their user has to fetch, and what is
published of them. Makes: results/comparison.csv, every
rebuilt number beside the published one, and paper/build/*.html with a PDF of each where something is
installed that can print one.
"""


include: "common/paper.smk"


COUNTERPARTS = counterparts.counterparts(FIGURES | TABLES)
COMPARED = {name: (FIGURES | TABLES)[name] for name in COUNTERPARTS}
NOTEBOOKS = [
    paper
    for paper in PAPERS
    if files_of_paper(paper) and (ROOT / "paper" / paper / "notebook.py").is_file()
]
# An introduction, and those of each paper that has some.
ERRATA_FILES = [
    file for place in ("", *PAPERS) if (file := ROOT / "paper" / place / "errata.md").is_file()
]
# They show figures of all three papers, which a scale of a real model does not have.
ERRATA = ["errata"] if set(errata.shown(*ERRATA_FILES)) <= {*FIGURES, *TABLES} else []
PAGES = ["index", *NOTEBOOKS, *ERRATA, "comparison"]


localrules:
    write_index,


wildcard_constraints:
    paper=one_of(NOTEBOOKS),
    page=one_of(PAGES),


rule compare_with_published:
    """Every rebuilt number beside the published one, with the tolerance that it should meet."""
    input:
        built=lambda wildcards: that_do_not_wait(COUNTERPARTS.values()),
        published=shipped("paper/*/published/*.csv"),
        code=code("pages/compare_with_published"),
    output:
        numbers="results/comparison.csv",
        summary="results/comparison.summary.csv",
        page="paper/build/comparison.md",
    log:
        "results/logs/compare_with_published.log",
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        **needs(memory_of_input, 30),
    params:
        entries=COMPARED,
        others={
            name: only(entry, "title", "kind")
            for name, entry in (FIGURES | TABLES).items()
            if "paper" in entry and name not in COUNTERPARTS
        },
        models={
            name: only(MODELS[name], "title", "family", "size", "train")
            for name in sorted({m for e in COMPARED.values() for m in experiments.models_of(e)})
        },
        datasets={
            name: only(DATASETS[name], "title", "published", "bundled", "generate")
            for name in sorted(set().union(*map(datasets_in, COMPARED.values())))
        },
        waiting=waiting_of(*PAPERS),
    message:
        "Comparing with what is published"
    script:
        "../scripts/pages/compare_with_published.py"


rule run_notebook:
    """Walk through a paper: its figures and tables as rebuilt, what is published, the controls."""
    input:
        notebook=local(str(ROOT / "paper/{paper}/notebook.py")),
        comparison="results/comparison.csv",
        built=lambda wildcards: that_do_not_wait(files_of_paper(wildcards.paper)),
        code=[*code("pages/run_notebook"), *code_of("pages/notebook", "pages/readings")],
    output:
        "paper/build/{paper}.ipynb",
    log:
        "results/logs/run_notebook/{paper}.log",
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        **needs(4000, 30),
    params:
        stand_in=lambda wildcards: any(
            "train" in MODELS[model]
            for entry in (FIGURES | TABLES).values()
            if entry.get("paper") == wildcards.paper
            for model in experiments.models_of(entry)
        ),
        kinds=lambda wildcards: {
            name: entry["kind"]
            for name, entry in (FIGURES | TABLES).items()
            if entry.get("paper") == wildcards.paper
        },
        waiting=lambda wildcards: waiting_of(wildcards.paper),
    message:
        "Walking through {wildcards.paper}"
    script:
        "../scripts/pages/run_notebook.py"


rule write_index:
    """What there is, by paper."""
    input:
        comparison="results/comparison.csv",
        built=lambda wildcards: that_do_not_wait(targets_of(*OF_PAPERS)),
        code=code("pages/write_index"),
    output:
        "paper/build/index.md",
    log:
        "results/logs/write_index.log",
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        **needs(1000, 10),
    params:
        figures=FIGURES,
        tables=TABLES,
        models={name: only(model, "title", "train") for name, model in config["models"].items()},
        pages=PAGES,
        waiting=WAITING,
        atlas=bool(ATLAS),
    message:
        "Writing the first page"
    script:
        "../scripts/pages/write_index.py"


rule write_errata:
    """The errata, with their numbers filled in and every proof looked up."""
    input:
        errata=local(list(map(str, ERRATA_FILES))),
        numbers=errata.built_files(*ERRATA_FILES),
        published=shipped("paper/*/published/*.csv"),
        tests=shipped("tests/**/test_*.py"),
        code=code("pages/write_errata"),
    output:
        "paper/build/errata.md",
    log:
        "results/logs/write_errata.log",
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        **needs(1000, 10),
    params:
        figures=list(FIGURES),
        tables=list(TABLES),
        waiting=WAITING,
    message:
        "Writing the errata"
    script:
        "../scripts/pages/write_errata.py"


rule write_page:
    """A page that needs nothing from elsewhere: figures, formulas and style are inside."""
    input:
        source=lambda wildcards: (
            f"paper/build/{wildcards.page}.{'ipynb' if wildcards.page in NOTEBOOKS else 'md'}"
        ),
        pictures=lambda wildcards: (
            pictures_of(that_do_not_wait(targets_of(*OF_PAPERS)))
            if wildcards.page == "index"
            else []
        ),
        code=code("pages/write_page"),
    output:
        "paper/build/{page}.html",
    log:
        "results/logs/write_page/{page}.log",
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        **needs(memory_of_input, 10),
    params:
        pages=PAGES,
    message:
        "Writing the page {wildcards.page}"
    script:
        "../scripts/pages/write_page.py"


rule print_pages:
    """A PDF of every page, where Chromium or LaTeX is installed; else a list that says why not."""
    input:
        pages=expand("paper/build/{page}.html", page=PAGES),
        code=code("pages/print_pages"),
    output:
        "paper/build/printed.txt",
    log:
        "results/logs/print_pages.log",
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        **needs(4000, 30),
    message:
        "Printing the pages"
    script:
        "../scripts/pages/print_pages.py"


rule paper:
    """The pages to read: papers walked through, rebuilt beside published, errata."""
    input:
        rules.print_pages.output,
        ATLAS,
        expand("paper/build/{page}.html", page=PAGES),
