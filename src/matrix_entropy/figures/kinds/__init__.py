"""A module or two for each kind of figure: its numbers, its drawing, its captions."""
