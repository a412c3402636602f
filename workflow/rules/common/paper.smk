"""What the rules of the pages ask of the configuration."""


def that_do_not_wait(files):
    """Of files of figures and tables those that can be made; says what the others wait for."""
    names = {file: Path(file).name.partition(".")[0] for file in files}
    for name in [name for name in WAITING if name in names.values()]:
        for sentence in fetched_by_hand.by_hand(config | {"targets": [name]}):
            _tell_by_hand(sentence)
    return [file for file, name in names.items() if name not in WAITING]


def pictures_of(files):
    """The pictures of those of some figures and tables that have one."""
    names = [Path(file).name.partition(".")[0] for file in files]
    drawn = [
        name for name in names if name in FIGURES or kinds.KINDS[TABLES[name]["kind"]].with_figure
    ]
    return [f"figures/{name}.png" for name in dict.fromkeys(drawn)]


def files_of_paper(paper):
    """The same of all targets of a paper, which one page shows."""
    return targets_of(paper, targets.with_images(paper))


def waiting_of(*papers):
    """The figures and tables of papers that wait for what their user has to fetch, and for what."""
    entries = FIGURES | TABLES
    return {name: what for name, what in WAITING.items() if entries[name].get("paper") in papers}
