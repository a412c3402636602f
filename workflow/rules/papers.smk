"""A target for each paper, and one for those of its figures and tables that need images.

Needs: the entries of `figures:` and `tables:` with `paper:`. Makes: nothing but these targets.
"""

OF_PAPERS = {}
for name, about in PAPERS.items():
    OF_PAPERS[name] = f"{about['reference']}: {about['description']}"
    if targets_of(targets.with_images(name)):
        OF_PAPERS[targets.with_images(name)] = f"{about['reference']}: what needs images."

for name, description in OF_PAPERS.items():

    rule:
        name:
            name
        input:
            targets_of(name),

    workflow.get_rule(name).docstring = description
