"""What the rules of texts ask of the configuration."""


def memory_of_writer(wildcards, input):
    """The same for the model that writes a data set."""
    return memory_of(DATASETS[wildcards.dataset]["generate"]["model"])


def read_by(wildcards, *keys):
    """What reading a data set's texts depends on: of its groups, what the source calls them."""
    entry = only(DATASETS[wildcards.dataset], *keys, *READING)
    if "groups" in entry:
        entry["groups"] = {group: group for group in sorted(entry["groups"].values())}
    pair, panels = (DATASETS[wildcards.dataset].get(key) for key in ("paired", "panels"))
    if isinstance(pair, str):
        named = DATASETS[wildcards.dataset].get("groups", {})
        members = [[named.get(group, group) for group in groups] for groups in panels.values()]
        entry |= {"paired": pair, "panels": dict(enumerate(members))}
    return entry


def texts_made_of(wildcards):
    """Prompts of the data sets that a union or a data set of variants is made of."""
    dataset = DATASETS[wildcards.dataset]
    members = dataset["union"] if "union" in dataset else [dataset["variants"]["of"]]
    return [f"results/prompts/{member}.jsonl" for member in members]


def origins_made_of(wildcards):
    """Where those texts came from."""
    return [path.replace(".jsonl", ".origin.json") for path in texts_made_of(wildcards)]
