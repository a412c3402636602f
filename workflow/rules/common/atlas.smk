"""What the rule of the atlas asks of the configuration."""

# The runs of language models over texts whose metrics a figure or table reads, each once: of those
# that `targets:` names, else of all that belong to a paper.
IN_ATLAS = list(
    dict.fromkeys(
        run
        for name, entry in targets.chosen(config).items()
        if kinds.KINDS[entry["kind"]].reads in kinds.WITH_METRICS
        and name not in WAITING
        and ("paper" in entry or config.get("targets"))
        for run in experiments.runs(entry, DATASETS)
    )
)
LICENCES = {name: licences.licences_of(name, DATASETS) for _, name in IN_ATLAS}
# Texts that may be shown in part; an archive has none.
SHOWN_IN_ATLAS = [
    name
    for name, (_, hidden) in LICENCES.items()
    if "archive" not in config and hidden not in (["*"], experiments.members_of(name, DATASETS))
]
ATLAS = ["results/atlas.html"] if IN_ATLAS else []


def shown_in_atlas(name):
    """Of a data set, what the atlas calls it, the licences of its texts, and what it hides."""
    licence, hidden = LICENCES[name]
    return only(DATASETS[name], "title") | {"licence": licence, "hidden": hidden}
