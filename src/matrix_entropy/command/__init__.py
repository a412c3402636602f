"""The command `matrix-entropy`: measure a model, draw the table, and start the workflow."""
