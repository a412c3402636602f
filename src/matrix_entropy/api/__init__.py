"""What a Python user calls: arrays in, numbers out; a model and texts in, a table out."""
